// When positions of a log were reached, and how many bytes lie before them: what lag is measured by.
import type { LogIndex, Tick } from '../raft/index.ts'

/** Up to `index` by `firstTick`; and nothing more until after `lastTick`. */
interface Mark {
  index: LogIndex
  /** Of all entries up to `index`, from some start on. */
  bytes: number
  readonly firstTick: Tick
  lastTick: Tick
}

/** Older marks are thinned out: what they say becomes coarser, never wrong. */
const MAX_MARKS = 2048

/** Positions that rise with time. Memory is bounded; everything costs O(log MAX_MARKS). */
export class Marks {
  /** At least one, indexes and ticks rising. */
  private marks: Mark[]

  constructor(index: LogIndex, nowTick: Tick) {
    this.marks = [{ index, bytes: 0, firstTick: nowTick, lastTick: nowTick }]
  }

  get lastIndex(): LogIndex {
    return this.last.index
  }

  /** The position has become `index`, which lies `bytes` further; or it was so again, if it is the last one. */
  reach(index: LogIndex, bytes: number, nowTick: Tick): void {
    const { last } = this
    if (index > last.index && nowTick > last.firstTick) {
      this.marks.push({ index, bytes: last.bytes + bytes, firstTick: nowTick, lastTick: nowTick })
      if (this.marks.length > MAX_MARKS) this.thin()
      return
    }
    last.index = Math.max(last.index, index)
    last.bytes += bytes
    last.lastTick = nowTick
  }

  /** Everything behind `index` is gone. @param bytesFrom - What lies behind a position up to `index`. */
  cutTo(index: LogIndex, nowTick: Tick, bytesFrom: (after: LogIndex) => number): void {
    while (this.marks.length > 1 && this.last.index > index) this.marks.pop()
    const { last } = this
    if (last.index > index) this.marks = [{ index, bytes: 0, firstTick: nowTick, lastTick: nowTick }]
    else if (last.index < index) this.reach(index, bytesFrom(last.index), nowTick)
  }

  /** Bytes behind `index`, rounded up to the next mark before it. */
  bytesAfter(index: LogIndex): number {
    const mark = this.marks[this.countUpTo(index) - 1]
    return this.last.bytes - (mark?.bytes ?? 0)
  }

  /** When something behind `index` was there first; undefined if nothing is. */
  passedAt(index: LogIndex): Tick | undefined {
    return this.marks[this.countUpTo(index)]?.firstTick
  }

  /** When the position was last not behind `index`; undefined if that is longer ago than is known. */
  withinAt(index: LogIndex): Tick | undefined {
    return this.marks[this.countUpTo(index) - 1]?.lastTick
  }

  /** The last position that was reached by `tick`. */
  reachedBy(tick: Tick): LogIndex {
    let index = 0
    for (let low = 0, high = this.marks.length; low < high; ) {
      const middle = (low + high) >> 1
      const mark = this.marks[middle] as Mark
      if (mark.lastTick > tick) high = middle
      else {
        index = mark.index
        low = middle + 1
      }
    }
    return index
  }

  private get last(): Mark {
    return this.marks.at(-1) as Mark
  }

  private countUpTo(index: LogIndex): number {
    // Invariant: marks before `low` are at or before `index`, those from `high` on behind it.
    let low = 0
    let high = this.marks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.marks[middle] as Mark).index <= index) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Every other mark of the older half goes. */
  private thin(): void {
    const half = this.marks.length >> 1
    this.marks = this.marks.filter((_, i) => i >= half || i % 2 === 0)
  }
}
