// Where a command has to be run: here, or at another node, which the client is told of.
//
//   MOVED slot host:port      that node serves the slot: ask it, from now on
//   ASK slot host:port        the key may have gone there: send ASKING and the command there, this once
//   TRYAGAIN                  some of the keys are here and some are gone: no node can run this until the slot has moved
//   CROSSSLOT                 the keys lie in different slots
//   CLUSTERDOWN               nobody serves the slot, or most of the cluster cannot be reached
//
// Redis cluster specification, "Redirection and resharding"; order and texts are those of Redis 7.0 (cluster.c, getNodeByQuery).
import { lacks } from '../../storage/mutant.ts'
import { keyPositions } from '../commands/key-specs.ts'
import type { Session } from '../commands/session.ts'
import type { CommandSpec } from '../commands/specs.ts'
import type { Mutant } from './mutant.ts'
import { slotOf } from './slots.ts'
import { isMaster, type Topology } from './topology.ts'
import type { ClusterNode } from './types.ts'

/** What a router looks at. */
export interface RoutingView {
  readonly topology: Topology
  /** Reads are served while the cluster is down; cluster-allow-reads-when-down. */
  readonly allowsReadsWhenDown: boolean
  /** Whether there is such a key, without any effect on it. */
  hasKey(key: string): boolean
  /** Where clients reach a node, as `host:port`. */
  endpointOf(node: ClusterNode): string
  readonly mutant?: Mutant | undefined
}

interface Query {
  readonly command: CommandSpec
  readonly args: readonly string[]
}

const REDIRECTION = /^(?:MOVED|ASK|CROSSSLOT|TRYAGAIN|CLUSTERDOWN) /
const SHARDED: ReadonlySet<string> = new Set(['ssubscribe', 'sunsubscribe', 'spublish'])

/**
 * Why a command is not run here.
 *
 * A transaction is looked at as a whole when EXEC comes, and then runs as a whole: what its commands delete does not redirect
 * those after them.
 * @returns The reply that tells the client, or undefined if the command may be run. O(keys).
 */
export function redirection(
  view: RoutingView,
  session: Session,
  command: CommandSpec,
  args: readonly string[],
): string | undefined {
  if (session.isExecuting) return undefined
  if (command.name !== 'exec') {
    if (command.firstKey === 0 && !command.flags.has('movablekeys')) return undefined
    return redirect(view, session, command, [{ command, args }])
  }
  const { transaction } = session
  // What is not run is not redirected either.
  if (transaction === undefined || transaction.isBroken || session.isTouched) return undefined
  return redirect(view, session, command, transaction.queue)
}

/** True for replies of `redirection`: they are given as they are, also as the reply of EXEC. */
export function isRedirection(text: string): boolean {
  return REDIRECTION.test(text)
}

function redirect(
  view: RoutingView,
  session: Session,
  command: CommandSpec,
  queries: readonly Query[],
): string | undefined {
  const { topology } = view
  const keys = new Set(queries.flatMap(keysOf))
  const [first] = keys
  if (first === undefined) return undefined
  const slot = slotOf(first)
  const owner = topology.ownerOf(slot)
  if (owner === undefined) return 'CLUSTERDOWN Hash slot not served'
  for (const key of keys) {
    if (slotOf(key) !== slot) return "CROSSSLOT Keys in request don't hash to the same slot"
  }
  const isSharded = SHARDED.has(command.name)
  const writes = queries.some((query) => query.command.flags.has('write'))
  // Listening to channels and telling them goes on.
  if (!topology.isUp && !isSharded) {
    if (!view.allowsReadsWhenDown) return 'CLUSTERDOWN The cluster is down'
    if (writes) return 'CLUSTERDOWN The cluster is down and only accepts read commands'
  }
  const { myself } = topology
  const target = owner === myself ? topology.migrating.get(slot) : undefined
  const isImporting = owner !== myself && topology.importing.has(slot)
  if ((target !== undefined || isImporting) && command.name === 'migrate') return undefined
  const missing = target !== undefined || isImporting ? missingOf(view, keys, isSharded) : 0
  if (target !== undefined && missing > 0 && !lacks(view.mutant, 'absent keys are asked for')) {
    if (missing < keys.size) return tryAgain()
    return `ASK ${slot} ${view.endpointOf(target)}`
  }
  if (isImporting && (session.asking > 0 || command.flags.has('asking'))) {
    return keys.size > 1 && missing > 0 ? tryAgain() : undefined
  }
  const mayRead = session.readsReplicas || isSharded
  if (mayRead && !writes && !isMaster(myself) && myself.master === owner) return undefined
  return owner === myself ? undefined : `MOVED ${slot} ${view.endpointOf(owner)}`
}

function keysOf({ command, args }: Query): string[] {
  return (keyPositions(command, args) ?? []).map((position) => args[position] as string)
}

/** How many of `keys` are not here; channels are nowhere. */
function missingOf(view: RoutingView, keys: ReadonlySet<string>, isSharded: boolean): number {
  if (isSharded) return 0
  let count = 0
  for (const key of keys) if (!view.hasKey(key)) count++
  return count
}

function tryAgain(): string {
  return 'TRYAGAIN Multiple keys request during rehashing of slot'
}
