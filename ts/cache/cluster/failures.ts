// Who has failed. A node that does not answer in time is suspected by whom it does not answer; what most masters suspect has failed,
// and is taken for that by all. Redis cluster specification, "Failure detection".
import { lacks } from '../../storage/mutant.ts'
import type { Context } from './context.ts'
import { SLOT_COUNT } from './slots.ts'
import { has, isFailed, isMaster } from './topology.ts'
import { type ClusterNode, NodeFlag, WRITABLE_DELAY_MS } from './types.ts'

/** What a master says of another counts for so many node timeouts; a failed master that still has slots stays so for as long. */
const VALID_TIMEOUTS = 2
const MIN_REJOIN_MS = 500
const MAX_REJOIN_MS = 5000

/** Notes what `reporter` says of `node`. */
export function report(context: Context, reporter: ClusterNode, node: ClusterNode, isBad: boolean): void {
  if (!isMaster(reporter) || node === context.topology.myself) return
  if (!isBad) {
    node.reports.delete(reporter.name)
    return
  }
  node.reports.set(reporter.name, context.nowMs)
  failIfMost(context, node)
}

/** How many masters say of a node that it does not answer, and have said so lately. */
export function reportCount(context: Context, node: ClusterNode): number {
  const oldest = context.nowMs - VALID_TIMEOUTS * context.options.nodeTimeoutMs
  for (const [reporter, atMs] of node.reports) if (atMs < oldest) node.reports.delete(reporter)
  return node.reports.size
}

/** Suspects nodes that have not answered for too long. @returns True if one was not suspected before. */
export function suspectSilent(context: Context): boolean {
  const { topology, nowMs, options } = context
  let isNew = false
  for (const node of topology.nodes.values()) {
    if (has(node, NodeFlag.myself | NodeFlag.noAddress | NodeFlag.handshake) || node.pingSentMs === 0) continue
    // What comes from a node while its answer is late shows that it is there.
    const silentMs = nowMs - Math.max(node.pingSentMs, node.heardMs)
    if (silentMs <= options.nodeTimeoutMs || has(node, NodeFlag.suspected | NodeFlag.failed)) continue
    node.flags |= NodeFlag.suspected
    isNew = true
    failIfMost(context, node)
  }
  return isNew
}

/** A node has answered: it is not suspected any more, and may not have failed. */
export function answered(context: Context, node: ClusterNode): void {
  node.flags &= ~NodeFlag.suspected
  if (!isFailed(node) || lacks(context.mutant, 'failures are forgotten')) return
  // Of a master that still has its slots nobody has taken them; it gets time for that before it counts again.
  const patienceMs = isMaster(node) && node.slotCount > 0 ? VALID_TIMEOUTS * context.options.nodeTimeoutMs : 0
  if (context.nowMs - node.failedMs <= patienceMs && patienceMs > 0) return
  node.flags &= ~NodeFlag.failed
  context.save()
  context.note(`${node.name} answers again`)
}

/** Takes a node for failed, because others say so or we found out. */
export function markFailed(context: Context, node: ClusterNode): void {
  if (isFailed(node) || node === context.topology.myself) return
  node.flags = (node.flags & ~NodeFlag.suspected) | NodeFlag.failed
  node.failedMs = context.nowMs
  context.save()
  context.note(`${node.name} has failed`)
}

/** Whether this node serves commands, now that something has changed. */
export class Service {
  readonly #context: Context
  /** Undefined for a node without a past: it has nothing to learn first. */
  #startedMs: number | undefined
  #minorityMs = 0

  constructor(context: Context, startedMs: number | undefined) {
    this.#context = context
    this.#startedMs = startedMs
  }

  /** O(slots) while all slots are served. */
  update(): void {
    const { topology, nowMs, options } = this.#context
    const { myself } = topology
    topology.size = 0
    let reachableCount = 0
    for (const node of topology.nodes.values()) {
      if (!isMaster(node) || node.slotCount === 0) continue
      topology.size++
      if (!has(node, NodeFlag.suspected | NodeFlag.failed)) reachableCount++
    }
    if (isMaster(myself) && !topology.isUp && this.#startedMs !== undefined) {
      if (nowMs - this.#startedMs < WRITABLE_DELAY_MS) return
      this.#startedMs = undefined
    }
    const isMinority = reachableCount < topology.quorum
    if (isMinority) this.#minorityMs = nowMs
    const isUp = !isMinority && (!options.requiresFullCoverage || this.#areAllServed())
    if (isUp === topology.isUp) return
    // Somebody may have replaced us meanwhile: there must be time to hear of it.
    const rejoinMs = Math.min(MAX_REJOIN_MS, Math.max(MIN_REJOIN_MS, options.nodeTimeoutMs))
    if (isUp && isMaster(myself) && nowMs - this.#minorityMs < rejoinMs) return
    topology.isUp = isUp
    this.#context.note(isUp ? 'the cluster is up' : 'the cluster is down')
    this.#context.effect({ kind: 'slotsChanged' })
  }

  #areAllServed(): boolean {
    const { topology } = this.#context
    if (topology.assignedCount < SLOT_COUNT) return false
    for (const node of topology.nodes.values()) if (node.slotCount > 0 && isFailed(node)) return false
    return true
  }
}

function failIfMost(context: Context, node: ClusterNode): void {
  const { topology, mutant } = context
  if (!has(node, NodeFlag.suspected)) return // nobody fails whom we hear
  const own = isMaster(topology.myself) ? 1 : 0
  if (reportCount(context, node) + own < topology.quorum && !lacks(mutant, 'failed by majority')) return
  markFailed(context, node)
  context.broadcast(() => ({ kind: 'fail', node: node.name }))
}
