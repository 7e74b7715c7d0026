// What a state of the ring means for each range: who takes writes, who is read, who copies what from whom, who holds what.
import { positionOf } from '../hash.ts'
import { planMovement } from '../movement.ts'
import { type Position, RING_SIZE, type Ring, type TokenRange } from '../types.ts'
import type { RingState } from './ring-state.ts'

/** A range whose replicas are the same all over it. */
export interface HeldRange extends TokenRange {
  /** Those that hold it whole, and are read: N nodes. */
  readonly holders: readonly string[]
}

/** One range that a newcomer copies from one node. */
export interface Leg extends TokenRange {
  readonly source: string
}

/** A state of the ring, taken apart. */
export class Layout {
  /** In order, from 0 to the end of the ring; none without nodes. */
  readonly ranges: readonly HeldRange[]
  private readonly state: RingState
  private knownNewcomers: readonly string[] | undefined

  constructor(state: RingState) {
    this.state = state
    const starts = new Set<Position>()
    for (const ring of [state.ring, state.next]) for (const { start } of ring?.ranges() ?? []) starts.add(start)
    const sorted = [...Float64Array.from(starts).sort()]
    this.ranges = sorted.map((start, index) => ({
      start,
      end: sorted[index + 1] ?? RING_SIZE,
      holders: this.read.preferenceListAt(start, state.replicas),
    }))
  }

  /** The nodes that are asked for a key, which are also those that take writes of it: the first n of them. */
  readersOf(key: string, n: number): readonly string[] {
    return this.read.preferenceList(key, n)
  }

  /** The lists of which a write needs W each: one, or two while the ring changes. */
  writersOf(key: string, n: number): readonly (readonly string[])[] {
    const { ring, next } = this.state
    const position = positionOf(key)
    return [ring, ...(next === undefined ? [] : [next])].map((each) => each.preferenceListAt(position, n))
  }

  /** Whether writes of a key reach a node. */
  writesReach(name: string, key: string): boolean {
    return this.writersOf(key, this.state.replicas).some((list) => list.includes(name))
  }

  /** Ranges that a node holds whole. */
  heldBy(name: string): HeldRange[] {
    return this.ranges.filter(({ holders }) => holders.includes(name))
  }

  /** What a node does not hold: it may be there from earlier. */
  notHeldBy(name: string): TokenRange[] {
    const gaps: { start: Position; end: Position }[] = []
    for (const { start, end, holders } of this.ranges) {
      if (holders.includes(name)) continue
      const last = gaps.at(-1)
      if (last?.end === start) last.end = end
      else gaps.push({ start, end })
    }
    return gaps
  }

  /**
   * What a node copies while the state streams, in order: each range from the replica whose place it takes there. So whatever
   * quorum of the old replicas knows a write, as many of the new ones do. If that one is lost, from all others: what two of
   * the old replicas knew, one of these does.
   */
  legsOf(name: string): Leg[] {
    const { ring, next, replicas, lost, phase } = this.state
    if (next === undefined || phase !== 'streaming') return []
    const { moves } = planMovement(ring, next, { replicaCount: replicas, down: [...lost] })
    return moves
      .filter(({ to }) => to === name)
      .flatMap(({ start, end, from, instead }) =>
        (instead === undefined || lost.has(instead) ? from : [instead]).map((source) => ({ start, end, source })),
      )
  }

  /** Who has something to copy while the state streams. Of one that is lost nothing is expected: it is as if it were lost when it had all. */
  get newcomers(): readonly string[] {
    this.knownNewcomers ??= this.findNewcomers()
    return this.knownNewcomers
  }

  private findNewcomers(): string[] {
    const { ring, next, replicas, phase, lost } = this.state
    if (next === undefined || phase !== 'streaming') return []
    const { received } = planMovement(ring, next, { replicaCount: replicas })
    return [...received.keys()].filter((name) => !lost.has(name))
  }

  private get read(): Ring {
    const { ring, next, phase } = this.state
    return phase === 'switching' && next !== undefined ? next : ring
  }
}
