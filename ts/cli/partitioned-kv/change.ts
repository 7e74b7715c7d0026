// partitioned-kv add-node, remove-node, replace-node, lose-node, abort, repair: what changes the cluster. The control port is asked,
// which starts and ends nodes; for what needs neither, any node will do.
import { BedplateError, isCode } from '../../base/errors.ts'
import { bearer } from '../../distributed/link/index.ts'
import { type MovementPlan, planMovement } from '../../distributed/ring/movement.ts'
import type { ClusterRing, PartitionedClient } from '../../distributed/ring/store/client.ts'
import { checkUrl } from '../../distributed/ring/store/limits.ts'
import type { Output } from '../kit/output.ts'
import { postJson } from '../kit/post-json.ts'
import { startProgress } from '../kit/progress.ts'
import { plural } from '../kit/text.ts'
import { type ConnectionArguments, clientSecret, finding, trustOf, withClient } from './connection.ts'

export interface RemoveArguments extends ConnectionArguments {
  readonly lost?: boolean
}

/** How often is asked how far it is. */
const LOOK_MS = 100

/** Starts a node and waits until it holds its part. */
export function addNode(out: Output, name: string, options: ConnectionArguments): Promise<void> {
  return change(out, options, {
    ask: ['/add-node', { name }],
    begun: 'Node added. Rebalancing...',
    isDone: ({ ring }) => ring.node(name) !== undefined,
    done: ({ movedShare }) => `Moved ${percent(movedShare)} of keys to ${name}`,
  })
}

/** Waits until others hold what a node had, and ends it. */
export function removeNode(out: Output, name: string, options: RemoveArguments): Promise<void> {
  return change(out, options, {
    ask: ['/remove-node', { name, lost: options.lost === true }],
    begun: 'Node removed. Rebalancing...',
    isDone: ({ ring }) => ring.node(name) === undefined,
    done: ({ moves }) => `Moved keys to ${listOf([...new Set(moves.map(({ to }) => to))].sort())}`,
  })
}

/** Starts a node, waits until it holds what another one had, and ends that one. */
export function replaceNode(out: Output, name: string, by: string, options: RemoveArguments): Promise<void> {
  return change(out, options, {
    ask: ['/replace-node', { name, by, lost: options.lost === true }],
    begun: 'Node replaced. Rebalancing...',
    isDone: ({ ring }) => ring.node(by) !== undefined,
    done: ({ movedShare }) => `Moved ${percent(movedShare)} of keys from ${name} to ${by}`,
  })
}

/** Lets a change go on without a node that it waits for. */
export async function loseNode(out: Output, name: string, options: ConnectionArguments): Promise<void> {
  const { epoch } = (await postToAny(options, '/change', { kind: 'lose', name })) as { epoch: number }
  if (options.json === true) await out.line(JSON.stringify({ epoch, lost: name }))
  else await out.line(`The change goes on without ${name}`)
}

/** Gives up a change that streams. */
export async function abort(out: Output, options: ConnectionArguments): Promise<void> {
  const { epoch } = (await postToAny(options, '/change', { kind: 'abort' })) as { epoch: number }
  if (options.json === true) await out.line(JSON.stringify({ epoch }))
  else await out.line('Change given up: the nodes hold what they held before')
}

/** Compares replicas now. */
export async function repair(out: Output, options: ConnectionArguments): Promise<void> {
  const { ranges, keys } = (await postToAny(options, '/repair', {})) as { ranges: number; keys: number }
  if (options.json === true) await out.line(JSON.stringify({ ranges, keys }))
  else await out.line(`Compared ${plural(ranges, 'range')}, ${plural(keys, 'key')} differed`)
}

interface Wanted {
  readonly ask: readonly [path: string, body: unknown]
  readonly begun: string
  /** Whether that came of it: a change can be given up. */
  readonly isDone: (after: ClusterRing) => boolean
  readonly done: (plan: MovementPlan) => string
}

function change(out: Output, options: ConnectionArguments, { ask, begun, isDone, done }: Wanted): Promise<void> {
  return withClient(options, async (client) => {
    const before = client.cluster
    const { epoch } = (await postTo(urlsOf(options)[0] as string, options, ...ask)) as { epoch: number }
    if (options.json !== true) {
      await out.line(begun)
      await out.flush()
    }
    const after = await settled(client, epoch)
    if (!isDone(after)) {
      throw new BedplateError('CONFLICT', 'the change was given up: the nodes hold what they held before')
    }
    // What is said of keys is said of their first nodes; who else got copies of a node that left is among those it names.
    const first = planMovement(before.ring, after.ring, { replicaCount: 1 })
    const copies = planMovement(before.ring, after.ring, {
      replicaCount: Math.min(before.replicas, after.ring.nodes.length),
    })
    const plan = { ...copies, movedShare: first.movedShare }
    if (options.json !== true) await out.line(done(plan))
    else {
      const to = [...new Set(plan.moves.map((move) => move.to))].sort()
      await out.line(JSON.stringify({ epoch: after.epoch, movedShare: plan.movedShare, to }))
    }
  })
}

/** Waits until the ring has changed, whoever does it: a command that was cut off does not stop it. */
async function settled(client: PartitionedClient, since: number): Promise<ClusterRing> {
  const progress = await startProgress({ label: 'moving', total: 1, format: (done) => `${Math.round(100 * done)}%` })
  try {
    for (;;) {
      const cluster = await client.refresh()
      if (cluster.phase === 'stable' && cluster.epoch > since) return cluster
      progress.update(await shareDone(client))
      await new Promise<void>((resolve) => void setTimeout(resolve, LOOK_MS))
    }
  } finally {
    progress.stop()
  }
}

/** Of all ranges that nodes copy, how many are done. */
async function shareDone(client: PartitionedClient): Promise<number> {
  let [all, done] = [0, 0]
  for (const status of (await client.statuses()).values()) {
    const moves = status?.['moves'] as { moves: number; done: number } | undefined
    all += moves?.moves ?? 0
    done += moves?.done ?? 0
  }
  return all === 0 ? 0 : done / all
}

/** For what needs no control port: where nobody answers, the next one is asked. @throws As the last one that was asked */
async function postToAny(options: ConnectionArguments, path: string, body: unknown): Promise<unknown> {
  const [url = '', ...others] = urlsOf(options)
  try {
    return await postTo(url, options, path, body)
  } catch (error) {
    if (others.length === 0 || !isCode(error, 'UNAVAILABLE')) throw error
    return postToAny({ ...options, url: others.join(',') }, path, body)
  }
}

async function postTo(base: string, options: ConnectionArguments, path: string, body: unknown): Promise<unknown> {
  const headers = bearer(clientSecret(options.secretFile))
  const { status, answer, refusal } = await finding(
    postJson({ url: base + path, body, headers, tls: trustOf(options) }),
  )
  if (status < 300) return answer
  if (refusal !== undefined && status !== 405 && refusal.message !== `there is no ${path}`) throw refusal
  throw new BedplateError('NOT_SUPPORTED', `${base} is no control port, and cannot start or end nodes`, {
    hint: 'start a new node yourself with --joins; then curl NODE/change -d \'{"kind":"add","name":"node4","address":"host:port"}\'',
  })
}

/** The control port, or nodes. @throws INVALID_INPUT */
function urlsOf({ url }: ConnectionArguments): string[] {
  return url.split(',').map((each) => checkUrl(each.trim()))
}

function percent(share: number): string {
  return `${Math.round(100 * share)}%`
}

/** `a`, `a and b`, `a, b and c`. */
function listOf(names: readonly string[]): string {
  if (names.length < 2) return names[0] ?? 'nobody'
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
