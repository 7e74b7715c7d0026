// The private writes of a transaction to one tree, over the snapshot that it reads: a small B-tree of its own in memory
// (key -> a put value or a mark of deletion) and the ranges it has cleared.
import { memoryFile } from '../../io/overlay-file.ts'
import { Cursor } from '../btree/cursor.ts'
import { FreeList } from '../btree/free-list.ts'
import { NO_PAGE } from '../btree/page.ts'
import { Pager } from '../btree/pager.ts'
import { prepareValue, Tree } from '../btree/tree.ts'
import { compareBytes } from '../compare.ts'
import type { ByteReader, ByteWalk } from './byte-reader.ts'
import type { ByteOperation } from './operation.ts'
import { type ByteRange, contains, type WalkRange, WHOLE_RANGE } from './range.ts'

const DELETED = new Uint8Array(1)
const PUT_MARK = 1

export class Overlay {
  private readonly pager: Pager
  private readonly tree: Tree
  private readonly cleared: ByteRange[] = []

  /** @param maxKeyBytes - The longest key that its store takes; a power of two, at least 512. */
  constructor(maxKeyBytes: number) {
    this.pager = new Pager(memoryFile('a transaction'), {
      pageSizeBytes: pageSizeFor(maxKeyBytes),
      cacheBytes: 0,
      freeList: new FreeList(),
      epoch: 1,
    })
    this.tree = new Tree(this.pager, 1, NO_PAGE, () => {})
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const marked = new Uint8Array(value.length + 1)
    marked[0] = PUT_MARK
    marked.set(value, 1)
    this.set(key, marked)
  }

  delete(key: Uint8Array): void {
    this.set(key, DELETED)
  }

  clear(range: ByteRange): void {
    this.tree.deleteRange(range)
    this.cleared.push(range)
  }

  /** True if nothing was written. */
  get isEmpty(): boolean {
    return this.tree.keyCount === 0 && this.cleared.length === 0
  }

  /** What the transaction sees of `base`. */
  over(base: ByteReader): ByteReader {
    return {
      get: (key) => {
        const own = this.find(key)
        return own === undefined ? base.get(key) : unmark(own)
      },
      has: (key) => {
        const own = this.find(key)
        return own === undefined ? base.has(key) : unmark(own) !== undefined
      },
      getAsync: async (key) => {
        const own = this.find(key)
        return own === undefined ? await base.getAsync(key) : unmark(own)?.slice()
      },
      walk: (range) =>
        new MergedWalk(
          base.walk({ ...range, limit: Number.POSITIVE_INFINITY }),
          this.walk(range),
          range,
          this.cleared.slice(),
        ),
    }
  }

  /** The operations that make the same of the tree: what was cleared first, then what was written since. */
  operations(tree: string): ByteOperation[] {
    const operations: ByteOperation[] = this.cleared.map((range) => ({ kind: 'clear', tree, range }))
    const cursor = new Cursor(this.pager, this.tree.root, WHOLE_RANGE)
    while (cursor.next()) {
      const key = cursor.key()
      const value = unmark(cursor.value())
      operations.push(
        value === undefined ? { kind: 'delete', tree, key } : { kind: 'put', tree, key, value: value.slice() },
      )
    }
    return operations
  }

  private set(key: Uint8Array, marked: Uint8Array): void {
    this.tree.put(key, prepareValue(this.pager, this.tree.id, key, marked))
    this.pager.trim()
  }

  /** What was written for `key`: the marked value, the mark of deletion, or undefined if the snapshot decides. */
  private find(key: Uint8Array): Uint8Array | undefined {
    const own = this.tree.get(key)
    if (own !== undefined) return own
    return isCleared(this.cleared, key) ? DELETED : undefined
  }

  private walk(range: WalkRange): OverlayWalk {
    const epoch = this.pager.openEpoch()
    const cursor = new Cursor(this.pager, this.tree.root, { ...range, limit: Number.POSITIVE_INFINITY })
    return { cursor, close: () => this.pager.closeEpoch(epoch) }
  }
}

interface OverlayWalk {
  cursor: Cursor
  close(): void
}

/** Two walks in one direction, merged; the overlay's entry wins where both have the key. */
class MergedWalk implements ByteWalk {
  private readonly base: ByteWalk
  private readonly own: OverlayWalk
  private readonly cleared: readonly ByteRange[]
  private readonly direction: 1 | -1
  private remaining: number
  private baseKey: Uint8Array | undefined
  private ownKey: Uint8Array | undefined
  private atOwn = false
  private started = false

  constructor(base: ByteWalk, own: OverlayWalk, range: WalkRange, cleared: readonly ByteRange[]) {
    this.base = base
    this.own = own
    this.cleared = cleared
    this.direction = range.reverse ? -1 : 1
    this.remaining = range.limit
  }

  next(): boolean {
    for (;;) {
      if (this.remaining <= 0) return false
      if (this.movesBase()) this.baseKey = this.base.next() ? this.base.key() : undefined
      const found = this.settle()
      if (found !== undefined) return found
    }
  }

  async nextAsync(): Promise<boolean> {
    for (;;) {
      if (this.remaining <= 0) return false
      if (this.movesBase()) this.baseKey = (await this.base.nextAsync()) ? this.base.key() : undefined
      const found = this.settle()
      if (found !== undefined) return found
    }
  }

  key(): Uint8Array {
    return (this.atOwn ? this.ownKey : this.baseKey) as Uint8Array
  }

  value(): Uint8Array {
    return this.atOwn ? (unmark(this.own.cursor.value()) as Uint8Array) : this.base.value()
  }

  async valueAsync(): Promise<Uint8Array> {
    return this.atOwn ? this.value() : await this.base.valueAsync()
  }

  close(): void {
    this.base.close()
    this.own.close()
  }

  /** True if the base has to move before the next entry is known: at the start, and when its entry was the last answer. */
  private movesBase(): boolean {
    if (this.started && this.baseKey === undefined) return false
    return !this.started || !this.atOwn || this.isShadowed()
  }

  /** True if the base stands on the key that the overlay has just answered for. */
  private isShadowed(): boolean {
    return this.baseKey !== undefined && this.ownKey !== undefined && compareBytes(this.baseKey, this.ownKey) === 0
  }

  /** With the base moved: picks the next entry. @returns True at one, false at the end, undefined to look further. */
  private settle(): boolean | undefined {
    if (!this.started || this.atOwn) this.ownKey = this.own.cursor.next() ? this.own.cursor.key() : undefined
    this.started = true
    const { baseKey, ownKey } = this
    if (baseKey === undefined && ownKey === undefined) {
      this.remaining = 0
      return false
    }
    this.atOwn = baseKey === undefined || (ownKey !== undefined && compareBytes(ownKey, baseKey) * this.direction <= 0)
    const hidden = this.atOwn
      ? unmark(this.own.cursor.value()) === undefined
      : isCleared(this.cleared, baseKey as Uint8Array)
    if (hidden) return undefined
    this.remaining--
    return true
  }
}

/** A key may have an eighth of a page. */
function pageSizeFor(maxKeyBytes: number): number {
  return maxKeyBytes * 8
}

function unmark(marked: Uint8Array): Uint8Array | undefined {
  return marked[0] === PUT_MARK ? marked.subarray(1) : undefined
}

function isCleared(cleared: readonly ByteRange[], key: Uint8Array): boolean {
  return cleared.some((range) => contains(range, key))
}
