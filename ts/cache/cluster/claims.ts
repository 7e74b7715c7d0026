// Who owns a slot: of two nodes that say they do, the one with the higher config epoch.
//
// Redis cluster specification, "Configuration handling, propagation, and failovers".
import { lacks } from '../../storage/mutant.ts'
import type { BusHeader } from './bus-message.ts'
import type { Context } from './context.ts'
import { hasSlot, type SlotBitmap, sameSlots, slotsIn } from './slots.ts'
import { has, isMaster } from './topology.ts'
import { type ClusterNode, NodeFlag } from './types.ts'

/** Takes a node for a master. @returns False if it is one already. */
export function makeMaster(context: Context, node: ClusterNode): boolean {
  if (isMaster(node)) return false
  node.flags = (node.flags & ~NodeFlag.replica) | NodeFlag.master
  if (node !== context.topology.myself) node.flags |= NodeFlag.migrateTo
  node.master = undefined
  context.save()
  return true
}

/**
 * Lets this node be a replica of `master` from now on.
 * @param isOther - Its data is other data than what is here: it has not replaced the master of this node, or this node.
 */
export function becomeReplica(context: Context, master: ClusterNode, isOther: boolean): void {
  const { topology } = context
  const { myself } = topology
  if (myself.master === master) return
  myself.flags = (myself.flags & ~(NodeFlag.master | NodeFlag.migrateTo)) | NodeFlag.replica
  topology.migrating.clear()
  topology.importing.clear()
  myself.master = master
  context.followsSinceMs = context.nowMs
  endHandover(context)
  context.save()
  context.note(`this node is a replica of ${master.name} now`)
  context.effect({ kind: 'follow', host: master.host, port: master.port, isOther })
}

/** Gives up a handover, done or not. */
export function endHandover(context: Context): void {
  const { handover } = context
  if (handover === undefined) return
  context.handover = undefined
  if (handover.replica !== undefined) context.effect({ kind: 'resume' })
}

/** Gives this node an epoch above all that it knows, unless it has the highest alone. Asks nobody: for orders of people. */
export function bumpEpoch(context: Context): boolean {
  const { topology } = context
  const { myself } = topology
  let highest = topology.currentEpoch
  for (const { configEpoch } of topology.nodes.values()) highest = Math.max(highest, configEpoch)
  if (myself.configEpoch !== 0 && myself.configEpoch === highest) return false
  topology.currentEpoch = highest + 1
  myself.configEpoch = topology.currentEpoch
  context.save()
  return true
}

/**
 * Believes what a master says that it owns, where its epoch is higher than that of whom we took for the owner.
 * O(slots) if it says something new.
 */
export function updateSlots(context: Context, claimant: ClusterNode, configEpoch: number, claimed: SlotBitmap): void {
  const { topology, keys } = context
  const { myself } = topology
  if (claimant === myself || (topology.unclaimed.size === 0 && sameSlots(claimed, topology.bitmapOf(claimant)))) return
  const before = isMaster(myself) ? myself : myself.master
  const slots = slotsIn(claimed)
  const dirty: number[] = []
  let lostCount = 0
  let isChanged = false
  for (const slot of slots) {
    const owner = topology.ownerOf(slot)
    if (owner === claimant) topology.unclaimed.delete(slot)
    // Whoever moves slots to us by hand decides when they are ours.
    if (owner === claimant || topology.importing.has(slot)) continue
    const isHeld = owner !== undefined && owner.configEpoch >= configEpoch && !topology.unclaimed.has(slot)
    if (isHeld && !lacks(context.mutant, 'higher epochs hold')) continue
    if (owner === myself && keys.countIn(slot) > 0) dirty.push(slot)
    if (owner !== undefined && owner === before) lostCount++
    topology.unassign(slot)
    topology.assign(slot, claimant)
    topology.migrating.delete(slot)
    isChanged = true
  }
  // What it had and does not claim, in its present epoch, went to somebody whom we have not heard yet.
  if (configEpoch >= claimant.configEpoch) {
    for (const slot of topology.slotsOf(claimant)) if (!hasSlot(claimed, slot)) topology.unclaimed.add(slot)
  }
  if (!isChanged) return
  context.save()
  context.effect({ kind: 'slotsChanged' })
  const hasLostAll = lostCount > 0 && before?.slotCount === 0
  if (hasLostAll && (context.options.allowsMigration || lostCount === slots.length)) {
    // Its slots went to one that replaced it, or were moved away: their new owner is whom to follow.
    becomeReplica(context, claimant, lostCount < slots.length)
  } else if (dirty.length > 0) context.effect({ kind: 'dropKeys', slots: dirty })
}

/** Tells a node that claims a slot that it has lost: who has it now. Once for each message of it. */
export function correct(context: Context, claimant: ClusterNode, { configEpoch, slots }: BusHeader): void {
  const { topology } = context
  for (const slot of slotsIn(slots)) {
    const owner = topology.ownerOf(slot)
    if (owner === undefined || owner === claimant || owner.configEpoch <= configEpoch) continue
    if (topology.unclaimed.has(slot)) continue // its owner would say otherwise
    context.send(claimant, {
      kind: 'update',
      node: owner.name,
      configEpoch: owner.configEpoch,
      slots: topology.bitmapOf(owner),
    })
    return
  }
}

/**
 * Two masters with one epoch: the one with the lower name takes a new one, so that of two claims one is higher.
 * Epochs that elections give are never equal; those that people and a first start give may be.
 */
export function resolveCollision(context: Context, other: ClusterNode): void {
  const { topology } = context
  const { myself } = topology
  if (!isMaster(myself) || !isMaster(other) || other.configEpoch !== myself.configEpoch) return
  if (other.name <= myself.name || has(other, NodeFlag.handshake) || lacks(context.mutant, 'collisions are resolved'))
    return
  topology.currentEpoch++
  myself.configEpoch = topology.currentEpoch
  context.save()
  context.note(`two masters had epoch ${other.configEpoch}: this one has ${myself.configEpoch} now`)
}
