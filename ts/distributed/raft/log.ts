// The log of a node as it is in memory: everything after what was compacted away (paper, §5.3 and §7).
import { assert } from '../../base/errors.ts'
import { isPossible } from './membership.ts'
import type { Append, Entry, LogIndex, Membership, SnapshotMeta, Term } from './types.ts'

/** What an entry counts beside its command, against bounds in bytes. */
const ENTRY_OVERHEAD_BYTES = 24
const MEMBERSHIP_BYTES = 256

interface MembershipRecord {
  /** Of the entry that brought it; 0 for the one that the cluster began with. */
  readonly index: LogIndex
  readonly membership: Membership
}

/** Entries without gaps from `baseIndex + 1` to `lastIndex`. Reads and appends cost O(1) an entry. */
export class RaftLog {
  /** The newest snapshot there is: it covers `baseIndex` at least. */
  snapshot: SnapshotMeta | undefined
  private base: { index: LogIndex; term: Term }
  private entries: Entry[]
  /** The membership at the base, then those of the entries, in order. */
  private memberships: MembershipRecord[]

  constructor(snapshot: SnapshotMeta | undefined, entries: readonly Entry[], founding: Membership) {
    this.snapshot = snapshot
    this.base = { index: snapshot?.index ?? 0, term: snapshot?.term ?? 0 }
    this.memberships = [{ index: this.base.index, membership: snapshot?.membership ?? founding }]
    this.entries = []
    this.append(entries.filter((entry) => entry.index > this.base.index))
  }

  /** The last entry that was compacted away; 0 if none was. */
  get baseIndex(): LogIndex {
    return this.base.index
  }

  get lastIndex(): LogIndex {
    return this.base.index + this.entries.length
  }

  get lastTerm(): Term {
    return this.entries.at(-1)?.term ?? this.base.term
  }

  /** The membership in force: the latest in the log, committed or not. */
  get membership(): Membership {
    return (this.memberships.at(-1) as MembershipRecord).membership
  }

  /** The membership that was in force before that. */
  get membershipBefore(): Membership {
    return (this.memberships.at(-2) ?? (this.memberships.at(-1) as MembershipRecord)).membership
  }

  /** The entry that brought it. */
  get membershipIndex(): LogIndex {
    return (this.memberships.at(-1) as MembershipRecord).index
  }

  /** The membership that is in force when `index` is the last entry; `index` must not be compacted away. */
  membershipAt(index: LogIndex): Membership {
    const record = this.memberships.findLast((each) => each.index <= index)
    assert(record !== undefined, 'there is a membership at the base')
    return record.membership
  }

  /** The term of an entry, or of the base; undefined if the log does not reach there. */
  termAt(index: LogIndex): Term | undefined {
    return index === this.base.index ? this.base.term : this.entries[index - this.base.index - 1]?.term
  }

  entryAt(index: LogIndex): Entry | undefined {
    return this.entries[index - this.base.index - 1]
  }

  /** Entries from `from` on: at least one if there is one, and no more than `maxBytes` otherwise. */
  entriesFrom(from: LogIndex, maxBytes: number): Entry[] {
    const start = from - this.base.index - 1
    assert(start >= 0, 'what was compacted away cannot be read')
    let bytes = 0
    let end = start
    while (end < this.entries.length) {
      bytes += sizeOf(this.entries[end] as Entry)
      if (bytes > maxBytes && end > start) break
      end++
    }
    return this.entries.slice(start, end)
  }

  /** Entries in (`after`, `to`]. */
  between(after: LogIndex, to: LogIndex): Entry[] {
    return this.entries.slice(after - this.base.index, to - this.base.index)
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, `entry ${entry.index} follows ${this.lastIndex}`)
      this.entries.push(entry)
      if (entry.kind === 'membership') this.memberships.push({ index: entry.index, membership: entry.membership })
    }
  }

  /** Takes away entries from `index` on, and the memberships that they brought. */
  truncateFrom(index: LogIndex): void {
    assert(index > this.base.index, 'what was compacted away stays')
    this.entries.length = index - this.base.index - 1
    while (this.membershipIndex >= index) this.memberships.pop()
  }

  /** Forgets entries up to and with `index`, which a snapshot covers. */
  compactTo(index: LogIndex): void {
    if (index <= this.base.index) return
    const term = this.termAt(index)
    assert(term !== undefined, 'only what is there can be compacted')
    const membership = this.membershipAt(index)
    this.memberships = [{ index, membership }, ...this.memberships.filter((each) => each.index > index)]
    this.entries.splice(0, index - this.base.index)
    this.base = { index, term }
  }

  /** Begins anew behind a snapshot. */
  restore(snapshot: SnapshotMeta): void {
    this.snapshot = snapshot
    this.base = { index: snapshot.index, term: snapshot.term }
    this.entries = []
    this.memberships = [{ index: snapshot.index, membership: snapshot.membership }]
  }

  /** Says whether a log that ends with (`index`, `term`) has everything that this one could have committed (§5.4.1). */
  isOutdoneBy(index: LogIndex, term: Term): boolean {
    return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex)
  }

  /**
   * The last entry up to `index` with at most `term`: no later one can be equal to the one of a log that has `term` at `index`.
   * Stops at the base, whose entries are committed.
   */
  lastUpTo(index: LogIndex, term: Term): LogIndex {
    let at = Math.min(index, this.lastIndex)
    while (at > this.base.index && (this.termAt(at) as Term) > term) at--
    return Math.max(at, this.base.index)
  }
}

/** Says whether the entries of an append are such as can be in a log: without gaps, terms never falling. */
export function canFollow({ prevIndex, prevTerm, term, entries }: Append): boolean {
  let lastTerm = prevTerm
  for (const [i, entry] of entries.entries()) {
    if (entry.index !== prevIndex + 1 + i || entry.term < lastTerm) return false
    if (entry.kind === 'membership' && !isPossible(entry.membership)) return false
    lastTerm = entry.term
  }
  return lastTerm <= term
}

/** What an entry counts, against bounds in bytes. */
export function sizeOf(entry: Entry): number {
  if (entry.kind === 'command') return ENTRY_OVERHEAD_BYTES + entry.command.length
  return entry.kind === 'membership' ? MEMBERSHIP_BYTES : ENTRY_OVERHEAD_BYTES
}
