// Walks over a range, by blocks of entries: see `FlatBlock` for the layout of a block.
import { allocateForViews } from '../../../io/view-memory.ts'
import { FAILED, type NativeTree, RangeFlag, SPILLED } from '../../../native/btree.ts'
import type { FlatBlock } from '../../ordered-store.ts'
import type { ByteRange, WalkRange } from '../cursor.ts'
import { AsyncWalk, SyncWalk } from '../held-walk.ts'
import type { Codecs } from '../reader.ts'
import type { ByteWalk } from '../walk.ts'
import type { NativeCore } from './core.ts'

/** The first block of a walk is small: many ranges are. */
const FIRST_BLOCK_BYTES = 16 * 1024
/** So are all of those that entries are views of: one entry that is kept keeps its block. */
const KEPT_BLOCK_BYTES = 16 * 1024
const BLOCK_BYTES = 64 * 1024
const ENTRY_HEADER_BYTES = 8
/** The core's walks have ids above. */
const NO_WALK = 0

/** The bits for the bounds of a range. */
export function rangeFlags({ lower, lowerInclusive, upper, upperInclusive }: ByteRange): number {
  return (
    (lower === undefined ? 0 : RangeFlag.lower) |
    (lowerInclusive ? RangeFlag.lowerInclusive : 0) |
    (upper === undefined ? 0 : RangeFlag.upper) |
    (upperInclusive ? RangeFlag.upperInclusive : 0)
  )
}

/** A walk of the core. It keeps the moment of its begin readable until it is closed. */
class RawWalk {
  readonly core: NativeCore
  /** The entries of a range that was read at once; undefined once they were given. */
  private whole: number | undefined
  private readonly id: number = NO_WALK
  private isOpen = true

  /** @param target - Where the whole range may be read to at once, if it is small: `read` then has to get the same. */
  constructor(core: NativeCore, tree: NativeTree, range: WalkRange, target?: Buffer) {
    this.core = core
    const { lower, upper, lowerInclusive, upperInclusive } = withinKeys(range, core.valueStart)
    const { memory, valueStart } = core
    if (lower !== undefined) memory.set(lower, 0)
    if (upper !== undefined) memory.set(upper, valueStart)
    const flags = rangeFlags({ lower, upper, lowerInclusive, upperInclusive }) | (range.reverse ? RangeFlag.reverse : 0)
    const limit = Math.min(range.limit, Number.MAX_SAFE_INTEGER)
    const [lowerBytes, upperBytes] = [lower?.length ?? 0, upper?.length ?? 0]
    if (target !== undefined) {
      const count = tree.readRange(lowerBytes, upperBytes, flags, limit, FIRST_BLOCK_BYTES, target)
      if (count !== SPILLED) {
        this.whole = core.checked(count)
        return
      }
    }
    this.id = core.checked(tree.walk(lowerBytes, upperBytes, flags, limit))
  }

  get holdsNothing(): boolean {
    return this.id === NO_WALK
  }

  /** Fills `target` with the next entries. @returns How many; SPILLED if it is too small: `take` then gives them. */
  read(maxBytes: number, target: Buffer): number {
    this.core.assertOpen()
    if (this.id === NO_WALK) {
      const count = this.whole ?? 0
      this.whole = 0
      return count
    }
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
    if (this.isOpen && this.id !== NO_WALK && this.core.isOpen) this.core.raw.closeWalk(this.id)
    this.isOpen = false
  }
}

/** No key is longer than `limit`, so bounds may be cut there: a longer one excludes what it begins with. */
function withinKeys(range: ByteRange, limit: number): ByteRange {
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

/** A walk from entry to entry. The current one lies in `block`: its key to `keyEnd`, then its value. */
export class EntryWalk implements ByteWalk {
  block: Buffer
  keyStart = 0
  keyEnd = 0
  valueEnd = 0

  private readonly core: NativeCore
  private readonly walk: RawWalk
  private readonly keepsBlocks: boolean
  private entriesLeft = 0
  private maxBytes = FIRST_BLOCK_BYTES

  /**
   * @param keepsBlocks - Entries may be kept as views of their block: it is not used again.
   * @param isAsync - It must not wait for the device on this thread.
   */
  constructor(core: NativeCore, tree: NativeTree, range: WalkRange, { keepsBlocks = false, isAsync = false } = {}) {
    this.core = core
    this.keepsBlocks = keepsBlocks
    this.block = keepsBlocks ? newKeptBlock() : core.lend()
    this.walk = new RawWalk(core, tree, range, isAsync ? undefined : this.block)
  }

  get holdsNothing(): boolean {
    return this.walk.holdsNothing
  }

  next(): boolean {
    this.core.assertOpen()
    if (this.entriesLeft === 0) {
      if (this.keepsBlocks && this.valueEnd > 0) this.block = newKeptBlock()
      const count = this.walk.read(this.maxBytes, this.block)
      this.arrived(count === SPILLED ? this.takeLong() : count)
    }
    return this.step()
  }

  async nextAsync(): Promise<boolean> {
    this.core.assertOpen()
    if (this.entriesLeft === 0) {
      await this.walk.readAhead(this.maxBytes)
      this.arrived(this.takeLong())
    }
    return this.step()
  }

  key(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.block, this.keyStart, this.keyEnd)
  }

  value(): Uint8Array {
    return this.block.subarray(this.keyEnd, this.valueEnd)
  }

  async valueAsync(): Promise<Uint8Array> {
    return this.value()
  }

  close(): void {
    this.walk.close()
    this.entriesLeft = 0
    if (!this.keepsBlocks) this.core.giveBack(this.block)
    this.block = NO_BLOCK
  }

  private arrived(count: number): void {
    this.entriesLeft = count
    this.valueEnd = 0
    if (!this.keepsBlocks) this.maxBytes = BLOCK_BYTES
  }

  private takeLong(): number {
    const { length } = this.walk
    if (this.keepsBlocks) {
      this.block = allocateForViews(length)
    } else if (length > this.block.length) {
      this.core.giveBack(this.block)
      this.block = this.core.lend(length)
    }
    return this.walk.take(this.block)
  }

  private step(): boolean {
    if (this.entriesLeft === 0) return false
    this.entriesLeft--
    const { block, valueEnd } = this
    this.keyStart = valueEnd + ENTRY_HEADER_BYTES
    this.keyEnd = this.keyStart + readU32(block, valueEnd)
    this.valueEnd = this.keyEnd + readU32(block, valueEnd + 4)
    return true
  }
}

const NO_BLOCK = Buffer.alloc(0)

function newKeptBlock(): Buffer {
  return allocateForViews(KEPT_BLOCK_BYTES)
}

/** A walk over `range` whose entries `codecs` decode. */
export function entryWalk<K, V>(
  core: NativeCore,
  tree: NativeTree,
  range: WalkRange,
  { key, value }: Codecs<K, V>,
  isAsync: boolean,
): EntryWalk {
  return new EntryWalk(core, tree, range, { keepsBlocks: key.givesViews || value.givesViews, isAsync })
}

export class RangeWalk<K, V> extends SyncWalk<EntryWalk, [K, V]> {
  private readonly codecs: Codecs<K, V>

  constructor(walk: EntryWalk, codecs: Codecs<K, V>) {
    super(walk)
    this.codecs = codecs
  }

  protected take(walk: EntryWalk): [K, V] | undefined {
    return walk.next() ? decoded(walk, this.codecs) : undefined
  }
}

export class AsyncRangeWalk<K, V> extends AsyncWalk<EntryWalk, [K, V]> {
  private readonly codecs: Codecs<K, V>

  constructor(walk: EntryWalk, codecs: Codecs<K, V>) {
    super(walk)
    this.codecs = codecs
  }

  protected async take(walk: EntryWalk): Promise<[K, V] | undefined> {
    return (await walk.nextAsync()) ? decoded(walk, this.codecs) : undefined
  }
}

function decoded<K, V>({ block, keyStart, keyEnd, valueEnd }: EntryWalk, { key, value }: Codecs<K, V>): [K, V] {
  return [key.decodeView(block, keyStart, keyEnd), value.decodeView(block, keyEnd, valueEnd)]
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
