// Walks over a range, by blocks of entries: see `FlatBlock` for the layout of a block.
import { ViewMemory } from '../../../io/view-memory.ts'
import { FAILED, type NativeTree, NO_ROOM, RANGE_BYTES_UNIT, RangeFlag, SPILLED } from '../../../native/store.ts'
import type { FlatBlock } from '../../ordered-store.ts'
import type { ByteWalk } from '../byte-reader.ts'
import { AsyncWalk, SyncWalk } from '../held-walk.ts'
import type { ByteRange, WalkRange } from '../range.ts'
import type { Codecs } from '../reader.ts'
import type { NativeCore } from './core.ts'

const BLOCK_BYTES = 64 * 1024
/** The first block of a walk, since many walks are short; and all that entries are views of: each of them keeps its block. */
const SMALL_BLOCK_BYTES = 16 * 1024
/** A range that may have more and is open to one side is hardly ever small. */
const MAX_SMALL_ENTRIES = 1000
const ENTRY_HEADER_BYTES = 8

/** The bits for the bounds of a range. */
export function rangeFlags({ lower, lowerInclusive, upper, upperInclusive }: ByteRange): number {
  return (
    (lower === undefined ? 0 : RangeFlag.lower) |
    (lowerInclusive ? RangeFlag.lowerInclusive : 0) |
    (upper === undefined ? 0 : RangeFlag.upper) |
    (upperInclusive ? RangeFlag.upperInclusive : 0)
  )
}

/** No key is longer than the core's key area, so bounds may be cut there: a longer one excludes what it begins with. */
function withinKeys(range: WalkRange, { valueStart: limit }: NativeCore): WalkRange {
  const { lower, upper } = range
  if ((lower?.length ?? 0) <= limit && (upper?.length ?? 0) <= limit) return range
  const cut = { ...range }
  if (lower !== undefined && lower.length > limit) {
    cut.lower = lower.subarray(0, limit)
    cut.lowerInclusive = false
  }
  if (upper !== undefined && upper.length > limit) {
    cut.upper = upper.subarray(0, limit)
    cut.upperInclusive = true
  }
  return cut
}

/** Puts the bounds of a range where the core reads them. */
function passBounds({ memory, valueStart }: NativeCore, { lower, upper }: WalkRange): void {
  if (lower !== undefined) memory.set(lower, 0)
  if (upper !== undefined) memory.set(upper, valueStart)
}

function walkFlags(range: WalkRange): number {
  return rangeFlags(range) | (range.reverse ? RangeFlag.reverse : 0)
}

function lengthOf(bound: Uint8Array | undefined): number {
  return bound === undefined ? 0 : bound.length
}

function limitOf({ limit }: WalkRange): number {
  return Math.min(limit, Number.MAX_SAFE_INTEGER)
}

/** A walk of the core. It keeps the moment of its begin readable until it is closed. */
class RawWalk {
  readonly core: NativeCore
  private readonly id: number
  private isOpen = true

  constructor(core: NativeCore, tree: NativeTree, range: WalkRange) {
    this.core = core
    const cut = withinKeys(range, core)
    passBounds(core, cut)
    this.id = core.checked(tree.walk(lengthOf(cut.lower), lengthOf(cut.upper), walkFlags(cut), limitOf(cut)))
  }

  /** Fills `target` with the next entries. @returns How many; SPILLED if it is too small: `take` then gives them. */
  read(maxBytes: number, target: Buffer): number {
    this.core.assertOpen()
    const count = this.core.raw.nextBlock(this.id, maxBytes, target)
    return count === FAILED ? this.core.fail() : count
  }

  /** The same on another thread; `take` then gives them. @returns How many. */
  async readAhead(maxBytes: number): Promise<number> {
    this.core.assertOpen()
    const count = await this.core.run(this.core.raw.nextBlockAsync(this.id, maxBytes))
    this.core.assertOpen()
    return count
  }

  get length(): number {
    return this.core.raw.blockLength(this.id)
  }

  take(target: Buffer): number {
    return this.core.raw.takeBlock(this.id, target)
  }

  close(): void {
    if (this.isOpen && this.core.isOpen) this.core.raw.closeWalk(this.id)
    this.isOpen = false
  }
}

/** Entries behind each other in a block. The current one: its key from `keyStart` to `keyEnd`, then its value. */
class BlockCursor {
  block = NO_BLOCK
  keyStart = 0
  keyEnd = 0
  valueEnd = 0
  entriesLeft = 0

  /** Begins with `count` entries of `block` from `start` on. */
  enter(block: ViewMemory, start: number, count: number): void {
    this.block = block
    this.valueEnd = start
    this.entriesLeft = count
  }

  /** @returns False behind the last entry. */
  step(): boolean {
    if (this.entriesLeft === 0) return false
    this.entriesLeft--
    const { valueEnd } = this
    const { bytes } = this.block
    this.keyStart = valueEnd + ENTRY_HEADER_BYTES
    this.keyEnd = this.keyStart + readU32(bytes, valueEnd)
    this.valueEnd = this.keyEnd + readU32(bytes, valueEnd + 4)
    return true
  }

  decoded<K, V>({ key, value }: Codecs<K, V>): [K, V] {
    const { block, keyStart, keyEnd, valueEnd } = this
    return [key.decodeView(block, keyStart, keyEnd), value.decodeView(block, keyEnd, valueEnd)]
  }
}

const NO_BLOCK = new ViewMemory(0)

/** A range that was read as a whole: nothing is held for it. */
export class SmallRange<K, V> implements IterableIterator<[K, V]> {
  private readonly cursor = new BlockCursor()
  private readonly core: NativeCore
  private readonly codecs: Codecs<K, V>

  private constructor(core: NativeCore, codecs: Codecs<K, V>) {
    this.core = core
    this.codecs = codecs
  }

  /** Reads `range`; undefined if it is not small, or not in memory. */
  static read<K, V>(
    core: NativeCore,
    tree: NativeTree,
    range: WalkRange,
    codecs: Codecs<K, V>,
  ): SmallRange<K, V> | undefined {
    if (range.limit > MAX_SMALL_ENTRIES && (range.lower === undefined || range.upper === undefined)) return undefined
    const cut = withinKeys(range, core)
    passBounds(core, cut)
    const [lower, upper] = [lengthOf(cut.lower), lengthOf(cut.upper)]
    const { pool } = core
    let read = tree.readRange(lower, upper, walkFlags(cut), limitOf(cut), pool.memory.bytes, pool.start)
    if (read === SPILLED) return undefined
    if (read === NO_ROOM) read = core.raw.takeRange(pool.renew().bytes)
    core.checked(read)
    const count = read % RANGE_BYTES_UNIT
    const small = new SmallRange(core, codecs)
    small.cursor.enter(pool.memory, pool.take((read - count) / RANGE_BYTES_UNIT), count)
    return small
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<[K, V]> {
    const { cursor } = this
    if (cursor.entriesLeft === 0) return END
    this.core.assertOpen()
    cursor.step()
    return { done: false, value: cursor.decoded(this.codecs) }
  }

  return(): IteratorResult<[K, V]> {
    this.cursor.entriesLeft = 0
    return END
  }
}

const END = { done: true, value: undefined } as const

/** A walk from entry to entry. */
export class EntryWalk implements ByteWalk {
  readonly cursor = new BlockCursor()

  private readonly core: NativeCore
  private readonly walk: RawWalk
  private readonly isKept: boolean
  private block = NO_BLOCK

  /** @param isKept - Entries may be kept as views of their block: it is not used again. */
  constructor(core: NativeCore, tree: NativeTree, range: WalkRange, isKept = false) {
    this.core = core
    this.isKept = isKept
    this.walk = new RawWalk(core, tree, range)
  }

  next(): boolean {
    this.core.assertOpen()
    const { cursor } = this
    if (cursor.entriesLeft === 0) {
      const { bytes } = this.provideBlock(this.block === NO_BLOCK ? SMALL_BLOCK_BYTES : BLOCK_BYTES)
      const count = this.walk.read(bytes.length, bytes)
      if (count === SPILLED) this.takeLong()
      else cursor.enter(this.block, 0, count)
    }
    return cursor.step()
  }

  async nextAsync(): Promise<boolean> {
    this.core.assertOpen()
    if (this.cursor.entriesLeft === 0) {
      await this.walk.readAhead(this.block === NO_BLOCK ? SMALL_BLOCK_BYTES : BLOCK_BYTES)
      this.takeLong()
    }
    return this.cursor.step()
  }

  key(): Uint8Array {
    const { block, keyStart, keyEnd } = this.cursor
    return Uint8Array.prototype.slice.call(block.bytes, keyStart, keyEnd)
  }

  value(): Uint8Array {
    const { block, keyEnd, valueEnd } = this.cursor
    return block.bytes.subarray(keyEnd, valueEnd)
  }

  async valueAsync(): Promise<Uint8Array> {
    return this.value()
  }

  close(): void {
    this.walk.close()
    this.cursor.enter(NO_BLOCK, 0, 0)
    this.block = NO_BLOCK
  }

  /** A block for `bytes`, which are few where entries are views of it. */
  private provideBlock(bytes: number): ViewMemory {
    const wanted = this.isKept ? SMALL_BLOCK_BYTES : bytes
    if (this.isKept || this.block.bytes.length < wanted) this.block = new ViewMemory(wanted)
    return this.block
  }

  /** Takes the block that was read, whatever its size. */
  private takeLong(): void {
    const { length } = this.walk
    if (this.isKept || this.block.bytes.length < length) this.block = new ViewMemory(length)
    this.cursor.enter(this.block, 0, this.walk.take(this.block.bytes))
  }
}

/** A walk over a range whose entries `codecs` decode. */
export function decodedWalk<K, V>(
  core: NativeCore,
  tree: NativeTree,
  range: WalkRange,
  { key, value }: Codecs<K, V>,
): EntryWalk {
  return new EntryWalk(core, tree, range, key.givesViews || value.givesViews)
}

export class RangeWalk<K, V> extends SyncWalk<EntryWalk, [K, V]> {
  private readonly codecs: Codecs<K, V>

  constructor(walk: EntryWalk, codecs: Codecs<K, V>) {
    super(walk)
    this.codecs = codecs
  }

  protected take(walk: EntryWalk): [K, V] | undefined {
    return walk.next() ? walk.cursor.decoded(this.codecs) : undefined
  }
}

export class AsyncRangeWalk<K, V> extends AsyncWalk<EntryWalk, [K, V]> {
  private readonly codecs: Codecs<K, V>

  constructor(walk: EntryWalk, codecs: Codecs<K, V>) {
    super(walk)
    this.codecs = codecs
  }

  protected async take(walk: EntryWalk): Promise<[K, V] | undefined> {
    return (await walk.nextAsync()) ? walk.cursor.decoded(this.codecs) : undefined
  }
}

/** A walk from block to block, each in memory of its own. */
export class BlockWalk extends SyncWalk<RawWalk, FlatBlock> {
  constructor(core: NativeCore, tree: NativeTree, range: WalkRange) {
    super(new RawWalk(core, tree, range))
  }

  protected take(walk: RawWalk): FlatBlock | undefined {
    const bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES)
    const count = walk.read(BLOCK_BYTES, bytes)
    if (count === 0) return undefined
    const { length } = walk
    if (count !== SPILLED) return { bytes: bytes.subarray(0, length), count }
    const long = Buffer.allocUnsafeSlow(length)
    return { bytes: long, count: walk.take(long) }
  }
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  )
}
