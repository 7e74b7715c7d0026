// Linearizable reads that write nothing (dissertation, §6.4): a leader remembers what is committed, makes sure that it is still
// the leader, and answers once that much is applied. One round of heartbeats serves all reads that wait.
import type { LogIndex, Tick } from './types.ts'

interface Batch {
  readonly ids: readonly number[]
  /** What was committed when the round began: the state machine must be there. */
  readonly index: LogIndex
}

/** Rounds whose start is remembered, for leases; older ones only make a lease shorter. */
const MAX_ROUNDS_REMEMBERED = 1024

/** The reads of one leader in one term. */
export class Reads {
  /** The last round of heartbeats that was begun. */
  round = 0
  /** Reads that no round was begun for. */
  private waiting: number[] = []
  private asking: (Batch & { readonly round: number }) | undefined
  private confirmed: Batch[] = []
  private confirmedRound = 0
  /** When rounds were begun; the first is of round `firstRound`. */
  private starts: Tick[] = []
  private firstRound = 1
  /** A majority has heard from this leader at this time or later. */
  private heardAtTick: Tick | undefined
  private count = 0

  /** Reads that are not answered. */
  get pending(): number {
    return this.count
  }

  /** Reads wait for a round, and none of theirs is under way. */
  get needsRound(): boolean {
    return this.asking === undefined && this.waiting.length > 0
  }

  /** Takes reads that a round must be begun for. */
  add(ids: readonly number[]): void {
    this.count += ids.length
    for (const id of ids) this.waiting.push(id)
  }

  /** Takes reads of a leader that needs to ask nobody. */
  addConfirmed(ids: readonly number[], index: LogIndex): void {
    this.count += ids.length
    this.confirmed.push({ ids, index })
  }

  /** Begins a round. @param commit - Undefined if it is not known what is committed: then reads go on waiting. */
  begin(nowTick: Tick, commit: LogIndex | undefined): number {
    this.round++
    this.starts.push(nowTick)
    if (this.starts.length > MAX_ROUNDS_REMEMBERED) this.forgetUpTo(this.round - MAX_ROUNDS_REMEMBERED)
    if (commit !== undefined && this.needsRound) {
      this.asking = { round: this.round, ids: this.waiting, index: commit }
      this.waiting = []
    }
    return this.round
  }

  /** A majority has answered `round`. */
  confirm(round: number): void {
    if (round <= this.confirmedRound || round > this.round) return
    this.confirmedRound = round
    if (round >= this.firstRound) this.heardAtTick = this.starts[round - this.firstRound]
    this.forgetUpTo(round)
    if (this.asking === undefined || this.asking.round > round) return
    this.confirmed.push(this.asking)
    this.asking = undefined
  }

  /** Takes the reads that a state machine at `applied` may answer. */
  takeReadable(applied: LogIndex): Batch[] {
    if (this.confirmed.length === 0) return []
    const readable = this.confirmed.filter((batch) => batch.index <= applied)
    if (readable.length > 0) this.confirmed = this.confirmed.filter((batch) => batch.index > applied)
    for (const { ids } of readable) this.count -= ids.length
    return readable
  }

  /** Says whether no other leader can have been elected, since a majority has promised to wait (§6.4.1). */
  hasLease(nowTick: Tick, leaseTicks: number): boolean {
    return this.heardAtTick !== undefined && nowTick < this.heardAtTick + leaseTicks
  }

  /** Takes all that is not answered: leadership is lost. */
  takeAll(): number[] {
    const batches = [...this.confirmed, ...(this.asking === undefined ? [] : [this.asking])]
    return [...batches.flatMap((batch) => batch.ids), ...this.waiting]
  }

  private forgetUpTo(round: number): void {
    const count = round - this.firstRound + 1
    if (count <= 0) return
    this.starts.splice(0, count)
    this.firstRound += count
  }
}
