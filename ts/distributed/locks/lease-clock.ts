// When leases of a replicated lock service end. Only the leader keeps time, by its own clock, and none of it is replicated: a new
// leader gives every lease its whole time once more. That way none ends earlier than its holder believes, whichever member
// answered it last; it may end later, by as much for each change of leaders. (etcd does the same. Its checkpoints of the time that
// is left make that less for leases of hours, and every lease an entry in the log every few minutes.)
//
// Two rules make it hold. A lease is kept alive by a leader that has just made sure, by a majority, that it leads: whoever leads
// next was elected later, and begins the whole time later. And the end of a lease is a command that names the term of the leader
// whose clock it was: in the log of another leader, which may have kept the lease alive since, it is void.
import { lacks } from '../../storage/mutant.ts'
import { Deadlines } from './deadlines.ts'
import type { Lease } from './leases.ts'
import type { Mutant } from './mutant.ts'
import { MAX_EXPIRIES_AT_ONCE } from './types.ts'

/** The clock of one member. Time is an argument: any that does not go back, in milliseconds. */
export class LeaseClock {
  readonly #mutant: Mutant | undefined
  #deadlines = new Deadlines()
  #term: number | undefined

  constructor(mutant?: Mutant) {
    this.#mutant = mutant
  }

  /** The term in which this member leads; undefined while it does not. */
  get term(): number | undefined {
    return this.#term
  }

  /** This member has been elected. @param leases - All that it has applied so far; others are `granted` later. */
  lead(term: number, leases: Iterable<Lease>, nowMs: number): void {
    this.#term = term
    const before = this.#deadlines
    this.#deadlines = new Deadlines()
    for (const { id, ttlSeconds } of leases) {
      const leftMs = before.leftMs(id, nowMs)
      const goesOn = leftMs !== undefined && lacks(this.#mutant, 'full time after elections')
      this.#deadlines.set(id, nowMs + (goesOn ? leftMs : ttlSeconds * 1000))
    }
  }

  /** This member leads no more. */
  follow(): void {
    this.#term = undefined
  }

  /** A lease was granted, and that was applied here. */
  granted({ id, ttlSeconds }: Pick<Lease, 'id' | 'ttlSeconds'>, nowMs: number): void {
    if (this.#term !== undefined) this.#deadlines.set(id, nowMs + ttlSeconds * 1000)
  }

  /** A lease has ended, and that was applied here. */
  ended(id: bigint): void {
    this.#deadlines.delete(id)
  }

  /**
   * Gives a lease its whole time from now on. To be called when it is certain that this member led a moment ago.
   * @returns That time in seconds; 0 if it is over.
   */
  renew({ id, ttlSeconds }: Pick<Lease, 'id' | 'ttlSeconds'>, nowMs: number): number {
    // One whose time is over is as good as gone, though its end may not be in the log yet.
    if ((this.leftMs(id, nowMs) ?? 0) <= 0) return 0
    this.#deadlines.set(id, nowMs + ttlSeconds * 1000)
    return ttlSeconds
  }

  /** The time left, which may be less than none; undefined if there is no such lease here. */
  leftMs(id: bigint, nowMs: number): number | undefined {
    return this.#term === undefined ? undefined : this.#deadlines.leftMs(id, nowMs)
  }

  /** Takes out leases whose time is over: their end is to be proposed, for this term. */
  takeExpired(nowMs: number): bigint[] {
    return this.#term === undefined ? [] : this.#deadlines.takeExpired(nowMs, MAX_EXPIRIES_AT_ONCE)
  }

  /** The end of a lease that was taken out could not be proposed: it is taken out again at `atMs`. */
  retry(id: bigint, atMs: number): void {
    if (this.#term !== undefined) this.#deadlines.set(id, atMs)
  }
}
