// Which term an entry has, also when the log behind it is gone: one record a term, where it begins (the "leader epochs" of
// Kafka's KIP-101 are the same idea). So a position that was named long ago can still be told from one that was lost.
import type { Entry, LogIndex, Term } from '../raft/index.ts'

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

  /** The term of an entry that is in the log or was; undefined where it is not known. */
  of(index: LogIndex): Term | undefined {
    return this.starts.findLast(({ from }) => from <= index)?.term
  }
}
