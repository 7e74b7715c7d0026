// Deletions of whole ranges. The newest one that covers a key decides; all are kept that somebody may still look through.
import { compareBytes } from '../compare.ts'
import type { KeySpan } from './internal-key.ts'

/** Deletes all versions of the keys in its span that are older than its sequence. */
export interface RangeTombstone extends KeySpan {
  readonly sequence: number
}

/** A span that no bound divides, with the sequences of all that cover it, the newest first. */
interface Fragment extends KeySpan {
  readonly sequences: readonly number[]
}

/** Added ones are looked at one by one until there are so many. */
const MAX_TAIL = 32

/** A set of range tombstones. A question costs O(log n), adding one O(n / 32). */
export class RangeTombstones {
  private readonly all: RangeTombstone[]
  private fragmented: Fragment[] = []
  /** How many of `all` the fragments know. */
  private known = 0

  constructor(tombstones: readonly RangeTombstone[] = []) {
    this.all = [...tombstones]
  }

  get count(): number {
    return this.all.length
  }

  get list(): readonly RangeTombstone[] {
    return this.all
  }

  add(tombstone: RangeTombstone): void {
    this.all.push(tombstone)
  }

  /** The newest sequence, at or below `upTo`, that covers `key`; 0 if none does. */
  covering(key: Uint8Array, upTo: number): number {
    if (this.all.length === 0) return 0
    if (this.all.length - this.known > MAX_TAIL) this.fragment()
    let newest = newestIn(this.fragmentAt(key), upTo)
    for (let i = this.known; i < this.all.length; i++) {
      const tombstone = this.all[i] as RangeTombstone
      if (tombstone.sequence > newest && tombstone.sequence <= upTo && holds(tombstone, key))
        newest = tombstone.sequence
    }
    return newest
  }

  /** All of them cut at each other's bounds, in order; of each piece the newest first. */
  get fragments(): readonly Fragment[] {
    if (this.known < this.all.length) this.fragment()
    return this.fragmented
  }

  private fragmentAt(key: Uint8Array): Fragment | undefined {
    const { fragmented } = this
    let low = 0
    let high = fragmented.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes((fragmented[middle] as Fragment).end, key) <= 0) low = middle + 1
      else high = middle
    }
    const found = fragmented[low]
    return found !== undefined && compareBytes(found.start, key) <= 0 ? found : undefined
  }

  /** Sweeps over all bounds in order, keeping what is open between two. */
  private fragment(): void {
    const tombstones = this.all.filter(({ start, end }) => compareBytes(start, end) < 0)
    const bounds = sortedUnique(tombstones.flatMap(({ start, end }) => [start, end]))
    const byStart = tombstones.toSorted((a, b) => compareBytes(a.start, b.start))
    const fragments: Fragment[] = []
    let open: RangeTombstone[] = []
    let next = 0
    for (let i = 0; i + 1 < bounds.length; i++) {
      const [start, end] = [bounds[i] as Uint8Array, bounds[i + 1] as Uint8Array]
      open = open.filter((tombstone) => compareBytes(tombstone.end, start) > 0)
      for (let each = byStart[next]; each !== undefined && compareBytes(each.start, start) <= 0; each = byStart[++next])
        open.push(each)
      if (open.length === 0) continue
      const sequences = [...new Set(open.map(({ sequence }) => sequence))].sort((a, b) => b - a)
      fragments.push({ start, end, sequences })
    }
    this.fragmented = fragments
    this.known = this.all.length
  }
}

/** True if `span` holds `key`. */
function holds(span: KeySpan, key: Uint8Array): boolean {
  return compareBytes(span.start, key) <= 0 && compareBytes(key, span.end) < 0
}

/** The first of falling sequences that is not above `upTo`. */
function newestIn(fragment: Fragment | undefined, upTo: number): number {
  if (fragment === undefined) return 0
  const { sequences } = fragment
  let low = 0
  let high = sequences.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sequences[middle] as number) > upTo) low = middle + 1
    else high = middle
  }
  return sequences[low] ?? 0
}

function sortedUnique(keys: readonly Uint8Array[]): Uint8Array[] {
  return keys
    .toSorted(compareBytes)
    .filter((key, i, sorted) => i === 0 || compareBytes(sorted[i - 1] as Uint8Array, key) !== 0)
}
