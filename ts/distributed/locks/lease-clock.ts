// When leases of a replicated lock service end. Only the leader keeps time, by its own clock, and none of it is replicated: a new
// leader gives every lease its whole time once more. That way none ends earlier than its holder believes, whichever member
// answered it last; it may end later, by as much for each change of leaders. (etcd does the same. Its checkpoints of the time that
// is left make that less for leases of hours, and every lease an entry in the log every few minutes.)
//
// Two rules make it hold. A lease is kept alive by a leader that has just made sure, by a majority, that it leads: whoever leads
// next was elected later, and begins the whole time later. And the end of a lease is a command that names the term of the leader
// whose clock it was: in the log of another leader, which may have kept the lease alive since, it is void. A node that serves
// alone leads in the one term there is.
import { lacks } from '../../storage/mutant.ts'
import type { Command } from './command.ts'
import { Deadlines } from './deadlines.ts'
import type { Lease } from './leases.ts'
import type { Mutant } from './mutant.ts'
import type { Applied, LocksState } from './state.ts'
import { type KeyValue, MAX_EXPIRIES_AT_ONCE } from './types.ts'

/** The end of a lease whose time is over. */
export interface Ending {
  readonly id: bigint
  /** Of the leader whose clock says so. */
  readonly term: number
  /** What goes with it, as it was when its time was over. */
  readonly kvs: readonly KeyValue[]
}

/** An end that could not be proposed, for want of a leader or of space, is tried again after this. */
const RETRY_MS = 1000

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

  /** Who leads has changed, as far as this member knows. @returns True if it has just been elected itself. */
  follow({ role, term }: { role: string; term: number }, leases: Iterable<Lease>, nowMs: number): boolean {
    if (role === 'leader' && this.#term === term) return false
    if (role === 'leader') this.lead(term, leases, nowMs)
    else this.#term = undefined
    return role === 'leader'
  }

  /** This member has been elected. @param leases - All that it has applied so far; others are granted later. */
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

  /** A command was applied here. */
  applied({ revoke }: Command, { result: { grant } }: Applied, nowMs: number): void {
    if (grant !== undefined && this.#term !== undefined) this.#deadlines.set(grant.id, nowMs + grant.ttlSeconds * 1000)
    if (revoke !== undefined) this.#deadlines.delete(revoke.id)
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

  /** Takes out the leases whose time is over, if this member leads: their ends are to be proposed. */
  takeExpired({ leases, store }: LocksState, nowMs: number): Ending[] {
    const term = this.#term
    if (term === undefined) return []
    const endings: Ending[] = []
    for (const id of this.#deadlines.takeExpired(nowMs, MAX_EXPIRIES_AT_ONCE)) {
      const lease = leases.get(id)
      if (lease === undefined) continue
      const kvs = [...lease.keys].sort().flatMap((key) => {
        const change = store.find(key, store.revision)
        return change === undefined ? [] : [store.load(change)]
      })
      endings.push({ id, term, kvs })
    }
    return endings
  }

  /**
   * The end of a lease could not be proposed: it is taken out again a second later. Not if somebody else has led since, or this
   * member anew: then the lease has its whole time once more.
   */
  retry({ id, term }: Ending, nowMs: number): void {
    const isOther = this.#term !== term && !lacks(this.#mutant, 'expiry is of its term')
    if (this.#term !== undefined && !isOther) this.#deadlines.set(id, nowMs + RETRY_MS)
  }
}

/** The command that ends a lease, and is void unless its term is that of its entry. */
export function endOf({ id, term }: Ending): Command {
  return { revoke: { id, term } }
}
