// Replicas go where they are needed: of a master that has several, one goes to a master whose last one is gone.
// Redis cluster specification, "Replica migration algorithm".
import { becomeReplica } from './claims.ts'
import type { Context } from './context.ts'
import { has, isMaster } from './topology.ts'
import { type ClusterNode, NodeFlag } from './types.ts'

/** A master has to be without replicas for so long: it may just be electing one. */
const ORPHANED_MS = 5000

/** Lets this replica go to a master that lacks one, if it is the one to go. */
export function migrate(context: Context): void {
  const { topology, nowMs, options } = context
  const { myself } = topology
  const { master } = myself
  const replicas = countReplicas(context)
  let orphan: ClusterNode | undefined
  for (const node of topology.nodes.values()) {
    const isCandidate = isMaster(node) && node.slotCount > 0 && has(node, NodeFlag.migrateTo) && !isBad(node)
    if (!isCandidate || (replicas.get(node) ?? 0) > 0) node.orphanedMs = 0
    else {
      if (node.orphanedMs === 0) node.orphanedMs = nowMs
      orphan ??= node
    }
  }
  if (!options.allowsMigration || orphan === undefined || master === undefined || isMaster(myself)) return
  const most = Math.max(...replicas.values())
  const siblingCount = replicas.get(master) ?? 0
  if (siblingCount !== most || siblingCount <= options.migrationBarrier) return
  // Of all that could go, the one with the lowest name goes: the others see the same.
  const lowest = [...topology.nodes.values()]
    .filter((node) => node.master !== undefined && !isBad(node) && replicas.get(node.master) === most)
    .reduce((low, node) => (node.name < low.name ? node : low), myself)
  if (lowest !== myself || nowMs - orphan.orphanedMs < ORPHANED_MS) return
  context.note(`leaves ${master.name}, which has ${siblingCount} replicas, for ${orphan.name}, which has none`)
  becomeReplica(context, orphan, true)
}

/** How many replicas that answer each master has. */
function countReplicas({ topology }: Context): Map<ClusterNode, number> {
  const counts = new Map<ClusterNode, number>()
  for (const node of topology.nodes.values()) {
    if (node.master !== undefined && !isBad(node)) counts.set(node.master, 1 + (counts.get(node.master) ?? 0))
  }
  return counts
}

function isBad(node: ClusterNode): boolean {
  return has(node, NodeFlag.suspected | NodeFlag.failed)
}
