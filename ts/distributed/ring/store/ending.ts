// The end of what is not needed: ranges that went to others, and tombstones that everybody has.
//
// A range is released when the ring is stable that gave it to others: that one is decided when all members have on disk that reads
// have left the old owners (deciding.ts), and who is behind gets no answer from this node any more. A node that gets the range back
// later fills it from others, and takes writes under a new name.
//
// A tombstone must outlive every copy of what it deleted, or that would come back. Copies are on the replicas, and in things under
// way: requests, hints, late messages. Replicas are compared (repairing.ts); what is under way is dated by eras. All members are in
// the same era or in two neighbouring ones: a member goes on to the next when all say that they have nothing older than
// the one before, and takes nothing older from a message. Let all replicas agree on a tombstone in era t of one of
// them. What was copied before was copied in t + 1 at the latest, by whatever member; a hint is dated when it comes to its keeper, so one
// era later at most. When that one is in era t + 5, all have said that they have nothing from before t + 4, and they take nothing
// from before t + 3: no copy is left. No clock is asked; a
// member that is down keeps all tombstones alive, and so does a hint that finds no taker. (Causal stability: Baquero, Almeida, Shoker,
// "Making Operation-based CRDTs Operation-based", DAIS 2014, decided here for all keys at once.)
import { lacks } from '../../../storage/mutant.ts'
import type { TokenRange } from '../types.ts'
import { Layout } from './layout.ts'
import { MAX_COUNTED } from './limits.ts'
import { membersOf, type RingState } from './ring-state.ts'
import { Streaming } from './streaming.ts'
import type { StoreOptions } from './types.ts'

/** Eras between the agreement on a tombstone and its end. */
const SETTLING_ERAS = 5

/** A node that forgets. */
export class Ending extends Streaming {
  /** Ranges that are not this node's, and may have something in them; undefined while that is not settled. */
  private gaps: TokenRange[] | undefined
  private ended = 0
  private due: string[] = []
  private isEraPersisting = false
  private eraTick = 0
  private isMember: boolean
  private told = { era: 0, floor: 0 }

  constructor(options: StoreOptions) {
    super(options)
    this.isMember = membersOf(this.state).includes(this.name)
    this.tellEra()
  }

  /** Tombstones that this node has let go in this life. */
  protected get endedTombstones(): number {
    return this.ended
  }

  /** Until it holds, nothing is kept: a crash would bring it back, and this node is a member then. */
  protected override adopting(next: RingState): void {
    super.adopting(next)
    if (!this.isMember && membersOf(next).includes(this.name)) this.keepNothingBefore(Number.POSITIVE_INFINITY)
  }

  protected override adopted(): void {
    super.adopted()
    this.gaps = undefined
    this.due = []
    const isMember = membersOf(this.state).includes(this.name)
    if (isMember && !this.isMember) this.keepNothingBefore(this.era + 1)
    this.isMember = isMember
  }

  protected tickEnding(): void {
    this.release()
    this.endTombstones()
    this.tellEra()
    // What it depends on comes by gossip.
    if (this.nowTick % this.options.gossipTicks === 0) this.nextEra()
  }

  // ---- Ranges ----

  private release(): void {
    this.gaps ??= this.releasable()
    const { gaps } = this
    if (gaps === undefined || this.gossip.factsOf(this.name)?.swept === this.state.epoch) return
    let left = this.options.entriesPerTick
    for (let range = gaps[0]; range !== undefined && left > 0; range = gaps[0]) {
      const entries = this.options.store.scan(range, undefined, left)
      for (const { key } of entries) this.persist(key, undefined, () => {})
      left -= Math.max(1, entries.length)
      if (entries.length > 0) return // what is persisted now is out of the store in the next step
      gaps.shift()
    }
    const { epoch, phase } = this.state
    if (gaps.length > 0 || phase !== 'stable') return
    this.whenDurable(() => {
      if (this.state.epoch === epoch) this.gossip.tell({ swept: epoch })
    })
  }

  private releasable(): TokenRange[] | undefined {
    const { state, name } = this
    if (state.epoch === 0) return undefined
    if (state.phase === 'stable') return this.layout.notHeldBy(name)
    if (state.phase === 'switching' || state.next === undefined) return undefined
    if (!lacks(this.mutant, 'release after switch')) return undefined
    return new Layout({ ...state, ring: state.next, next: undefined, phase: 'stable' }).notHeldBy(name)
  }

  // ---- Tombstones ----

  private nextEra(): void {
    // Each is a write to disk, and nothing is in a hurry.
    if (this.isEraPersisting || this.nowTick - this.eraTick < this.options.eraTicks || this.state.epoch === 0) return
    const isReady = [this.name, ...membersOf(this.state)].every((member) => {
      const facts = this.gossip.factsOf(member)
      return facts !== undefined && facts.era >= this.era && facts.floor >= this.era
    })
    // Members are never two apart: this one joins, or was not in the ring for a while.
    const newest = this.gossip.newestEra()
    const isBehind = newest > this.era + 1
    if (!isReady && !isBehind) return
    const next = isBehind ? newest : this.era + 1
    if (next > MAX_COUNTED) return
    if (isBehind) this.keepNothingBefore(next)
    this.isEraPersisting = true
    this.eraTick = this.nowTick
    this.persistNotes({ era: next }, () => {
      this.isEraPersisting = false
      this.era = next
      this.due = this.dueTombstones()
      this.tellEra()
    })
  }

  private dueTombstones(): string[] {
    const due: string[] = []
    for (const { tombstones, holders } of this.trees.held) {
      for (const [key, tombstone] of tombstones) {
        // The only replica need not ask anybody.
        if (holders.length === 1) tombstone.settledEra ??= this.era
        const { settledEra, agreed } = tombstone
        if (settledEra !== undefined ? settledEra + SETTLING_ERAS <= this.era : this.isUnsettledEnough(agreed))
          due.push(key)
      }
    }
    return due
  }

  private isUnsettledEnough(agreed: ReadonlySet<string>): boolean {
    return agreed.size === 0 && lacks(this.mutant, 'tombstones wait for all')
  }

  private endTombstones(): void {
    if (this.state.phase !== 'stable') return
    const keys = this.due.splice(0, this.options.entriesPerTick)
    const ending = keys.filter((key) => {
      const tombstone = this.trees.tombstoneOf(key)
      return tombstone !== undefined && (tombstone.settledEra !== undefined || this.isUnsettledEnough(tombstone.agreed))
    })
    if (ending.length === 0) return
    const counts = ending.map((key) => this.known(key)?.context.get(this.writer) ?? 0)
    const purged = Math.max(this.purged, ...counts)
    if (purged > this.purged) {
      this.purged = purged
      this.persistNotes({ purged }, () => {})
    }
    this.ended += ending.length
    for (const key of ending) this.persist(key, undefined, () => {})
  }

  /** What is let go counts when that is on disk: a crash would bring a hint back. */
  private tellEra(): void {
    const { era } = this
    const floor = this.underWay.floor(era)
    if (this.told.era === era && this.told.floor === floor) return
    this.told = { era, floor }
    this.whenDurable(() => this.gossip.tell({ era, floor }))
  }
}
