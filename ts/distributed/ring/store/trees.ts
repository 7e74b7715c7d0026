// The Merkle trees of the ranges that a node holds, one a range: built from the store little by little, kept up with every write since.
import { positionOf } from '../hash.ts'
import type { Position, TokenRange } from '../types.ts'
import { compareKeys, digestOf, isTombstone } from './entries.ts'
import type { HeldRange } from './layout.ts'
import { MerkleTree } from './merkle.ts'
import { MAX_TOMBSTONES, type VersionStore } from './types.ts'
import type { Versions } from './versions.ts'

/** What is known of a deleted key's replicas. */
export interface Tombstone {
  /** Counts up: what is younger than a comparison was no part of it. */
  readonly number: number
  /** Holders that were found to have it as well, as it is. */
  readonly agreed: Set<string>
  /** The era in which the last of them was. */
  settledEra: number | undefined
}

/** One range with its tree. */
export interface HeldTree extends HeldRange {
  /** Undefined until building has begun. */
  tree: MerkleTree | undefined
  /** The key up to which it was built; undefined if nothing was yet. */
  builtTo: string | undefined
  isBuilt: boolean
  /** Keys in it that have several values. */
  siblings: number
  readonly tombstones: Map<string, Tombstone>
}

/** What a comparison with a peer has found. */
export interface Agreement {
  readonly peer: string
  readonly but: readonly TokenRange[]
  readonly before: number
  readonly era: number
}

/** The trees of one node in one state of the ring. */
export class Trees {
  readonly held: readonly HeldTree[]
  /** Everybody who holds one of the ranges. */
  readonly holders: ReadonlySet<string>
  private readonly byStart: ReadonlyMap<Position, HeldTree>
  private readonly starts: Float64Array
  private readonly depth: number
  private building = 0
  private tombstones = 0
  private count = 0

  /** @param previous - The trees of the ring before: those of ranges that have not changed go on. */
  constructor(ranges: readonly HeldRange[], depth: number, previous?: Trees) {
    this.depth = depth
    this.count = previous?.count ?? 0
    this.held = ranges.map((range) => {
      const kept = previous?.byStart.get(range.start)
      if (kept?.end === range.end && isSameList(kept.holders, range.holders)) {
        this.tombstones += kept.tombstones.size
        return kept
      }
      return {
        ...range,
        tree: undefined,
        builtTo: undefined,
        isBuilt: false,
        siblings: 0,
        tombstones: new Map<string, Tombstone>(),
      }
    })
    this.holders = new Set(this.held.flatMap(({ holders }) => holders))
    this.byStart = new Map(this.held.map((held) => [held.start, held]))
    this.starts = Float64Array.from(this.held, ({ start }) => start)
  }

  get isBuilt(): boolean {
    return this.building >= this.held.length
  }

  /** Tombstones that are known now: at most `MAX_TOMBSTONES`; the others stay for good, or until the node starts anew. */
  get tombstoneCount(): number {
    return this.tombstones
  }

  /** Keys that have several values, as far as the trees are built. */
  get siblingCount(): number {
    return this.held.reduce((sum, { siblings }) => sum + siblings, 0)
  }

  /** A tombstone that is made from now on has at least this number. */
  get nextNumber(): number {
    return this.count
  }

  /** The tree that begins at a position, if it is whole. */
  at(start: Position): (HeldTree & { readonly tree: MerkleTree }) | undefined {
    const held = this.byStart.get(start)
    return held?.isBuilt && held.tree !== undefined ? (held as HeldTree & { tree: MerkleTree }) : undefined
  }

  /** The range that a position lies in, if it is one of the node's. */
  rangeOf(position: Position): HeldTree | undefined {
    let [low, high] = [0, this.starts.length]
    // Ranges before `low` start at or below the position, those from `high` on above it.
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.starts[middle] as number) <= position) low = middle + 1
      else high = middle
    }
    const held = this.held[low - 1]
    return held !== undefined && position < held.end ? held : undefined
  }

  /** What is known of a deleted key, if it is in a range whose tree has come to it. */
  tombstoneOf(key: string): Tombstone | undefined {
    return this.rangeOf(positionOf(key))?.tombstones.get(key)
  }

  /**
   * A peer has the same as this node in a range, but for some places of it.
   * @param before - Tombstones from that number on are not meant.
   * @param era - Is noted where all holders agree now.
   */
  agree(held: HeldTree, { peer, but, before, era }: Agreement): void {
    for (const [key, tombstone] of held.tombstones) {
      if (tombstone.number >= before || tombstone.settledEra !== undefined) continue
      const position = positionOf(key)
      if (but.some(({ start, end }) => start <= position && position < end)) continue
      tombstone.agreed.add(peer)
      // This node is a holder, and agrees with itself.
      if (tombstone.agreed.size >= held.holders.length - 1) tombstone.settledEra = era
    }
  }

  /** What is known of a key has changed, in the store. */
  change(key: string, before: Versions | undefined, after: Versions | undefined): void {
    const position = positionOf(key)
    const held = this.rangeOf(position)
    // What lies beyond the place where building stands is read when that comes there.
    if (held?.tree === undefined || (!held.isBuilt && !isBefore(key, held.builtTo))) return
    this.put(held, held.tree, key, before, after)
  }

  /** Reads some more of the store into the trees. @returns How many entries it has read. */
  build(store: VersionStore, limit: number): number {
    let read = 0
    // Empty ranges cost a scan each, so they count as an entry.
    while (read < limit && !this.isBuilt) {
      const held = this.held[this.building] as HeldTree
      if (held.isBuilt) {
        this.building++
        continue
      }
      const tree = held.tree ?? new MerkleTree(held, this.depth)
      held.tree = tree
      const entries = store.scan(held, held.builtTo, limit - read)
      for (const { key, versions } of entries) {
        this.put(held, tree, key, undefined, versions)
        held.builtTo = key
      }
      read += Math.max(1, entries.length)
      if (entries.length > 0) continue
      held.isBuilt = true
    }
    return read
  }

  private put(
    held: HeldTree,
    tree: MerkleTree,
    key: string,
    before: Versions | undefined,
    after: Versions | undefined,
  ): void {
    const digests = [before, after].map((versions) => versions && digestOf({ key, versions }))
    tree.change(positionOf(key), digests[0], digests[1])
    held.siblings += Number(hasSeveral(after)) - Number(hasSeveral(before))
    if (held.tombstones.delete(key)) this.tombstones--
    if (after === undefined || !isTombstone(after) || this.tombstones >= MAX_TOMBSTONES) return
    held.tombstones.set(key, { number: this.count++, agreed: new Set(), settledEra: undefined })
    this.tombstones++
  }
}

/** Whether a read would show more than one value. */
function hasSeveral(versions: Versions | undefined): boolean {
  if (versions === undefined || versions.siblings.length < 2) return false
  return versions.siblings.filter(({ value }) => value !== undefined).length > 1
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index])
}

function isBefore(key: string, builtTo: string | undefined): boolean {
  return builtTo !== undefined && compareKeys(key, builtTo) <= 0
}
