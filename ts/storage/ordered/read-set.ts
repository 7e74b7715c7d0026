// What a transaction has read, and what others have written meanwhile: if the two meet, it must run again.
import { BedplateError } from '../../base/errors.ts'
import { compareBytes } from '../compare.ts'
import type { ByteOperation, OperandOperation } from './operation.ts'
import { type ByteRange, contains, WHOLE_RANGE } from './range.ts'
import type { ReadObserver } from './watched-reader.ts'

/** Told of every change while a transaction runs. */
export interface WriteObserver {
  wroteKey(tree: string, key: Uint8Array): void
  wroteRange(tree: string, range: ByteRange): void
}

/** Tells `observers` what `operations` have changed. */
export function notify(
  observers: Iterable<WriteObserver>,
  operations: readonly (ByteOperation | OperandOperation)[],
): void {
  for (const observer of observers) {
    for (const operation of operations) {
      const { tree } = operation
      if (operation.kind === 'clear') observer.wroteRange(tree, operation.range)
      else if (operation.kind === 'drop') observer.wroteRange(tree, WHOLE_RANGE)
      else observer.wroteKey(tree, operation.key)
    }
  }
}

/** Past so many entries a set is replaced by "everything": a conflict too many is safe, one too few is not. */
const MAX_ENTRIES = 200_000

/** The keys and ranges of one tree. */
class KeySet {
  readonly keys = new Map<string, Uint8Array>()
  readonly ranges: ByteRange[] = []
  isEverything = false

  addKey(key: Uint8Array): void {
    if (this.isEverything) return
    this.keys.set(Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1'), Uint8Array.from(key))
    this.bound()
  }

  /** The range may grow while it is in the set. */
  addRange(range: ByteRange): void {
    if (this.isEverything) return
    this.ranges.push(range)
    this.bound()
  }

  /** True if the sets share a key, or could. */
  meets(other: KeySet): boolean {
    if (this.isEverything || other.isEverything) return !this.isEmpty && !other.isEmpty
    return (
      this.hasKeyOf(other) ||
      other.hasKeyInRangesOf(this) ||
      this.hasKeyInRangesOf(other) ||
      rangesMeet(this.ranges, other.ranges)
    )
  }

  get isEmpty(): boolean {
    return !this.isEverything && this.keys.size === 0 && this.ranges.length === 0
  }

  private hasKeyOf(other: KeySet): boolean {
    const [few, many] = this.keys.size < other.keys.size ? [this.keys, other.keys] : [other.keys, this.keys]
    for (const key of few.keys()) if (many.has(key)) return true
    return false
  }

  private hasKeyInRangesOf(other: KeySet): boolean {
    if (other.ranges.length === 0) return false
    for (const key of this.keys.values()) if (other.ranges.some((range) => contains(range, key))) return true
    return false
  }

  private bound(): void {
    if (this.keys.size + this.ranges.length <= MAX_ENTRIES) return
    this.isEverything = true
    this.keys.clear()
    this.ranges.length = 0
  }
}

/** What a transaction has read, by tree. */
export class ReadSet implements ReadObserver {
  protected readonly reads = new Map<string, KeySet>()

  readKey(tree: string, key: Uint8Array): void {
    setOf(this.reads, tree).addKey(key)
  }

  readRange(tree: string, range: ByteRange): void {
    setOf(this.reads, tree).addRange(range)
  }

  /** Gives all of it: a set that remembers everything gives the range of all keys. */
  visit(onKey: (tree: string, key: Uint8Array) => void, onRange: (tree: string, range: ByteRange) => void): void {
    for (const [tree, set] of this.reads) {
      if (set.isEverything) onRange(tree, WHOLE_RANGE)
      for (const key of set.keys.values()) onKey(tree, key)
      for (const range of set.ranges) onRange(tree, range)
    }
  }
}

/** Watches one transaction: its reads, and the writes of others while it runs. */
export class ConflictWatch extends ReadSet implements WriteObserver {
  private readonly writes = new Map<string, KeySet>()

  wroteKey(tree: string, key: Uint8Array): void {
    setOf(this.writes, tree).addKey(key)
  }

  wroteRange(tree: string, range: ByteRange): void {
    setOf(this.writes, tree).addRange(range)
  }

  /** @throws CONFLICT if others changed what was read. */
  check(): void {
    for (const [tree, reads] of this.reads) {
      const writes = this.writes.get(tree)
      if (writes === undefined || !reads.meets(writes)) continue
      throw new BedplateError(
        'CONFLICT',
        `others changed what the transaction read in ${tree === '' ? 'the default tree' : `tree "${tree}"`}`,
        {
          hint: 'run the whole transaction again, or give it retries',
        },
      )
    }
  }
}

function setOf(sets: Map<string, KeySet>, tree: string): KeySet {
  let set = sets.get(tree)
  if (set === undefined) {
    set = new KeySet()
    sets.set(tree, set)
  }
  return set
}

function rangesMeet(some: readonly ByteRange[], others: readonly ByteRange[]): boolean {
  return some.some((a) => others.some((b) => startsBeforeEnd(a, b) && startsBeforeEnd(b, a)))
}

/** True if `a` begins at or before the end of `b`. Bounds that only touch count: one conflict too many is safe. */
function startsBeforeEnd(a: ByteRange, b: ByteRange): boolean {
  return a.lower === undefined || b.upper === undefined || compareBytes(a.lower, b.upper) <= 0
}
