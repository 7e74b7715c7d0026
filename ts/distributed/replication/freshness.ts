// How old the state of a follower is at most. Clocks of two machines are never compared: at `askedAtMs` on its own clock the
// follower asked its leader for a position that covers everything acknowledged until then. As soon as the follower's state covers
// that position, it is as fresh as of `askedAtMs`, however long the answer took.
import { lacks } from '../../storage/mutant.ts'
import type { Coverage, Position } from '../raft/index.ts'
import type { Mutant } from './mutant.ts'

interface Answer {
  readonly asOfMs: number
  readonly position: Position
}

/** Answers that are not reached yet. */
const MAX_WAITING = 64

/** What a follower knows of its age. Times are of one monotonic clock. */
export class Freshness {
  private readonly mutant: Mutant | undefined
  /** What the state was found to cover; looked at again each time, since what is merely shown can be cut back. */
  private reached: Answer | undefined
  /** In the order in which they were asked. */
  private waiting: Answer[] = []

  constructor({ mutant }: { readonly mutant?: Mutant | undefined } = {}) {
    this.mutant = mutant
  }

  /** The leader has answered. Questions may be answered in any order. */
  learned({ askedAtMs, nowMs, position }: { askedAtMs: number; nowMs: number; position: Position }): void {
    const asOfMs = nowMs > askedAtMs && lacks(this.mutant, 'fresh as of asking') ? nowMs : askedAtMs
    this.waiting.push({ asOfMs, position })
    this.waiting.sort((a, b) => a.asOfMs - b.asOfMs)
    // The oldest is reached first, and the newest is the best: one between them goes.
    if (this.waiting.length > MAX_WAITING) this.waiting.splice(MAX_WAITING >> 1, 1)
  }

  /**
   * Since when the state can be out of date at most.
   * @param covers - What the state is now.
   * @returns undefined if nothing is known: ask the leader.
   */
  asOfMs(covers: (position: Position) => Coverage): number | undefined {
    const found = this.waiting.findLastIndex(({ position }) => covers(position) === 'covered')
    const best = this.waiting[found]
    if (best !== undefined && best.asOfMs >= (this.reached?.asOfMs ?? 0)) this.reached = best
    this.waiting = this.waiting.filter(({ position }, i) => i > found && covers(position) === 'behind')
    if (this.reached !== undefined && covers(this.reached.position) !== 'covered') this.reached = undefined
    return this.reached?.asOfMs
  }

  /** Says whether the state shows everything that was acknowledged until `maxStalenessMs` ago. */
  isWithin(maxStalenessMs: number, nowMs: number, covers: (position: Position) => Coverage): boolean {
    const asOfMs = this.asOfMs(covers)
    return asOfMs !== undefined && nowMs - asOfMs <= maxStalenessMs
  }
}
