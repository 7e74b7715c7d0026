// What one node knows of its cluster: nodes, who owns which slot, epochs. Everything here is O(1) or O(nodes) unless it says so.
import { assert } from '../../base/errors.ts'
import { BITMAP_BYTES, NO_SLOTS, rangesOf, SLOT_COUNT, type SlotBitmap, type SlotRange } from './slots.ts'
import { type ClusterNode, NodeFlag, type NodeName } from './types.ts'

/** The view of one node. The gossip engine changes it; routing and CLUSTER commands read it. */
export class Topology {
  readonly nodes = new Map<NodeName, ClusterNode>()
  readonly myself: ClusterNode
  /** Slots that this node hands to another, and those that it takes over: by slot, the other node. */
  readonly migrating = new Map<number, ClusterNode>()
  readonly importing = new Map<number, ClusterNode>()
  /** Slots that their owner does not claim any more: it keeps them until somebody does, in whatever epoch. */
  readonly unclaimed = new Set<number>()
  /** The highest epoch that was heard of. */
  currentEpoch = 0
  /** The epoch of the last vote: at most one each. */
  lastVoteEpoch = 0
  /** Commands with keys are served. */
  isUp = false
  /** Masters that own a slot. */
  size = 1
  readonly #owners = new Array<ClusterNode | undefined>(SLOT_COUNT).fill(undefined)
  #assignedCount = 0
  /** The slots of a node as bits, as long as they stay as they are; what was handed out never changes. */
  readonly #bitmaps = new Map<ClusterNode, SlotBitmap>()

  /** @param myself - This node; it is added. */
  constructor(myself: ClusterNode) {
    this.myself = myself
    this.nodes.set(myself.name, myself)
  }

  get assignedCount(): number {
    return this.#assignedCount
  }

  ownerOf(slot: number): ClusterNode | undefined {
    return this.#owners[slot]
  }

  /** Gives a slot that nobody owns to a node. */
  assign(slot: number, node: ClusterNode): void {
    assert(this.#owners[slot] === undefined, 'a slot has one owner')
    this.#owners[slot] = node
    this.unclaimed.delete(slot)
    node.slotCount++
    this.#bitmaps.delete(node)
    this.#assignedCount++
  }

  /** Takes a slot from its owner, if it has one. */
  unassign(slot: number): void {
    const owner = this.#owners[slot]
    if (owner === undefined) return
    this.unclaimed.delete(slot)
    owner.slotCount--
    this.#bitmaps.delete(owner)
    this.#assignedCount--
    this.#owners[slot] = undefined
  }

  /** The slots of a node. O(slots). */
  slotsOf(node: ClusterNode): number[] {
    const slots: number[] = []
    if (node.slotCount === 0) return slots
    for (let slot = 0; slot < SLOT_COUNT; slot++) if (this.#owners[slot] === node) slots.push(slot)
    return slots
  }

  /** The same as bits, a value that never changes. O(1) unless they have changed. */
  bitmapOf(node: ClusterNode): SlotBitmap {
    if (node.slotCount === 0) return NO_SLOTS
    const known = this.#bitmaps.get(node)
    if (known !== undefined) return known
    const bitmap = new Uint8Array(BITMAP_BYTES)
    for (const slot of this.slotsOf(node)) bitmap[slot >> 3] = (bitmap[slot >> 3] as number) | (1 << (slot & 7))
    this.#bitmaps.set(node, bitmap)
    return bitmap
  }

  /** The same as ranges. */
  rangesOf(node: ClusterNode): SlotRange[] {
    return node.slotCount === 0 ? [] : rangesOf((slot) => this.#owners[slot] === node)
  }

  /** Ranges of slots by owner, in one pass. O(slots + nodes). */
  allRanges(): Map<ClusterNode, SlotRange[]> {
    const ranges = new Map<ClusterNode, SlotRange[]>()
    let first = 0
    for (let slot = 1; slot <= SLOT_COUNT; slot++) {
      const owner = this.#owners[first]
      if (slot < SLOT_COUNT && this.#owners[slot] === owner) continue
      if (owner !== undefined) {
        const own = ranges.get(owner)
        if (own === undefined) ranges.set(owner, [{ first, last: slot - 1 }])
        else own.push({ first, last: slot - 1 })
      }
      first = slot
    }
    return ranges
  }

  replicasOf(master: ClusterNode): ClusterNode[] {
    return [...this.nodes.values()].filter((node) => node.master === master)
  }

  add(node: ClusterNode): void {
    this.nodes.set(node.name, node)
  }

  /** Forgets a node and all that was known because of it. O(slots + nodes). */
  remove(node: ClusterNode): void {
    assert(node !== this.myself, 'a node does not forget itself')
    for (const slot of this.slotsOf(node)) this.unassign(slot)
    for (const moving of [this.migrating, this.importing]) {
      for (const [slot, other] of moving) if (other === node) moving.delete(slot)
    }
    for (const other of this.nodes.values()) {
      other.reports.delete(node.name)
      if (other.master === node) other.master = undefined
    }
    this.#bitmaps.delete(node)
    this.nodes.delete(node.name)
  }

  rename(node: ClusterNode, name: NodeName): void {
    this.nodes.delete(node.name)
    node.name = name
    this.nodes.set(name, node)
  }

  /** The most masters that one of two disjoint groups cannot have: votes and failures are decided by so many. */
  get quorum(): number {
    return Math.floor(this.size / 2) + 1
  }
}

/** A node of which nothing is known. */
export function newNode(name: NodeName, flags: number, nowMs: number): ClusterNode {
  return {
    name,
    flags,
    host: '',
    port: 0,
    busPort: 0,
    configEpoch: 0,
    master: undefined,
    slotCount: 0,
    pingSentMs: 0,
    pongReceivedMs: 0,
    heardMs: 0,
    failedMs: 0,
    votedMs: 0,
    offset: 0,
    orphanedMs: 0,
    createdMs: nowMs,
    reports: new Map(),
    link: undefined,
    linkAskedMs: 0,
    linkedMs: undefined,
  }
}

export function has(node: ClusterNode, flag: number): boolean {
  return (node.flags & flag) !== 0
}

export function isMaster(node: ClusterNode): boolean {
  return has(node, NodeFlag.master)
}

export function isFailed(node: ClusterNode): boolean {
  return has(node, NodeFlag.failed)
}
