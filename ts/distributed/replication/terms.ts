// Which term an entry has, also when the log behind it is gone: one record a term, where it begins (the "leader epochs" of
// Kafka's KIP-101 are the same idea). So a position that was named long ago can still be told from one that was lost.
import type { Entry, LogIndex, Position, Term } from '../raft/index.ts'

interface Start {
  readonly term: Term
  /** The first entry that is known to have it. */
  readonly from: LogIndex
}

/** Elections that are remembered. */
const MAX_STARTS = 1024

/** Terms of a log, from some entry on. */
export class Terms {
  /** At least one; both fields rise. */
  private starts: Start[]

  constructor(from: LogIndex, term: Term) {
    this.starts = [{ term, from }]
  }

  /** Entries have come behind those that are known. */
  add(entries: readonly Entry[]): void {
    for (const { term, index } of entries) {
      if (term === this.starts.at(-1)?.term) continue
      this.starts.push({ term, from: index })
      if (this.starts.length > MAX_STARTS) this.starts.shift()
    }
  }

  /** Entries from `index` on are gone. */
  cutFrom(index: LogIndex): void {
    while (this.starts.length > 1 && (this.starts.at(-1) as Start).from >= index) this.starts.pop()
  }

  /** Begins anew behind a snapshot. */
  restart(from: LogIndex, term: Term): void {
    this.starts = [{ term, from }]
  }

  /**
   * Says whether this log has, or had, the entry that a position names; the log must reach there.
   * @returns `forgotten` if that cannot be told any more.
   */
  compare({ index, term }: Position): 'covered' | 'lost' | 'forgotten' {
    const found = this.of(index)
    if (found !== undefined) return found === term ? 'covered' : 'lost'
    // Before the first entry that is known. Terms never fall in a log, and whoever led in its term has put all of that term there.
    const [first] = this.starts as [Start]
    if (term === first.term) return 'covered'
    return term > first.term ? 'lost' : 'forgotten'
  }

  /** The term of an entry that is in the log or was; undefined where it is not known. */
  of(index: LogIndex): Term | undefined {
    return this.starts.findLast(({ from }) => from <= index)?.term
  }
}
