// Reading a tree of the native engine: keys go straight into the memory shared with the core, values come straight out.
import { checkArray } from '../../../base/options.ts'
import { ViewMemory } from '../../../io/view-memory.ts'
import { ABSENT, type NativeTree, NOT_AT_HAND, SPILLED } from '../../../native/store.ts'
import { resolveRange } from '../../compare.ts'
import type { FlatBlock, OrderedReader, RangeIterable, RangeOptions } from '../../ordered-store.ts'
import { larger } from '../packed-operations.ts'
import type { WalkRange } from '../range.ts'
import { type Codecs, checkTarget } from '../reader.ts'
import type { NativeCore } from './core.ts'
import { AsyncRangeWalk, BlockWalk, decodedWalk, type EntryWalk, RangeWalk, readU32, SmallRange } from './walk.ts'

const LENGTH_BYTES = 4
/** As the length of an answer of `getMany`. */
const NO_VALUE = 0xffffffff

export abstract class NativeReader<K, V> implements OrderedReader<K, V> {
  protected readonly core: NativeCore
  protected readonly codecs: Codecs<K, V>

  constructor(core: NativeCore, codecs: Codecs<K, V>) {
    this.core = core
    this.codecs = codecs
  }

  /** The tree to read. @throws CLOSED */
  abstract open(): NativeTree

  get(key: K): V | undefined {
    const keyBytes = this.passKey(key)
    const { value } = this.codecs
    if (value.givesViews) {
      const { pool } = this.core
      const length = this.open().getToPool(keyBytes, pool.memory.bytes, pool.start)
      if (length < 0) return this.rareAnswer(length)
      const start = pool.take(length)
      return value.decodeView(pool.memory, start, start + length)
    }
    const length = this.open().get(keyBytes)
    if (length < 0) return this.rareAnswer(length)
    const { memory, valueStart } = this.core
    return value.decodeSlice(memory, valueStart, valueStart + length)
  }

  getInto(key: K, target: Uint8Array): number | undefined {
    const keyBytes = this.passKey(key)
    checkTarget(target)
    const length = this.open().getInto(keyBytes, target)
    if (length >= 0) return length
    return length === ABSENT ? undefined : this.core.fail()
  }

  getMany(keys: readonly K[]): (V | undefined)[] {
    checkArray(keys, 'getMany', 'keys')
    const packed = this.packKeys(keys)
    let answers = this.core.lend()
    const outcome = this.open().getMany(packed, keys.length, answers)
    this.core.giveBack(packed)
    if (outcome === SPILLED) {
      this.core.giveBack(answers)
      answers = this.takeSpill(this.core.raw.spillLength())
    } else this.core.checked(outcome)
    const values = this.unpackValues(answers, keys.length)
    this.core.giveBack(answers)
    return values
  }

  has(key: K): boolean {
    const keyBytes = this.passKey(key)
    return this.core.checked(this.open().has(keyBytes)) === 1
  }

  async getAsync(key: K): Promise<V | undefined> {
    const tree = this.open()
    const length = tree.tryGet(this.passKey(key))
    if (length >= 0) {
      const { memory, valueStart } = this.core
      return this.codecs.value.decodeSlice(memory, valueStart, valueStart + length)
    }
    if (length !== NOT_AT_HAND) return this.rareAnswer(length)
    const value = await this.core.run(tree.getAsync(this.encodeKey(key)))
    return value === undefined ? undefined : this.codecs.value.decode(value)
  }

  range(options: RangeOptions<K> = {}): RangeIterable<K, V> {
    return new NativeRange(this.core, this, resolveRange(options, this.codecs.key), this.codecs)
  }

  scan(options: RangeOptions<K> = {}): IterableIterator<FlatBlock> {
    return new BlockWalk(this.core, this.open(), resolveRange(options, this.codecs.key))
  }

  protected encodeKey(key: K): Uint8Array {
    return this.core.checkKey(this.codecs.key.encode(key))
  }

  /** Puts a key where the core reads it. @returns Its bytes. */
  protected passKey(key: K): number {
    const { core } = this
    const length = this.codecs.key.encodeInto(key, core.memory, 0, core.valueStart)
    if (length >= 0 && length <= core.maxKeyBytes) return length
    const bytes = this.encodeKey(key)
    core.memory.set(bytes, 0)
    return bytes.length
  }

  private rareAnswer(length: number): V | undefined {
    if (length === ABSENT) return undefined
    if (length !== SPILLED) return this.core.fail()
    const size = this.core.raw.spillLength()
    this.core.pool.missed(size)
    const spill = this.takeSpill(size)
    const value = this.codecs.value.decodeSlice(spill, 0, size)
    this.core.giveBack(spill)
    return value
  }

  private takeSpill(length: number): Buffer {
    const spill = this.core.lend(length)
    this.core.raw.takeSpill(spill)
    return spill
  }

  /** `length u32 | key`, behind each other, in a buffer that was lent. */
  private packKeys(keys: readonly K[]): Buffer {
    const { core, codecs } = this
    let packed = core.lend()
    let end = 0
    for (const key of keys) {
      const start = end + LENGTH_BYTES
      let length = start <= packed.length ? codecs.key.encodeInto(key, packed, start, packed.length) : -1
      if (length < 0 || length > core.maxKeyBytes) {
        const bytes = this.encodeKey(key)
        if (start + bytes.length > packed.length) packed = larger(packed, end, start + bytes.length)
        packed.set(bytes, start)
        length = bytes.length
      }
      packed.writeUInt32LE(length, end)
      end = start + length
    }
    return packed
  }

  private unpackValues(answers: Buffer, count: number): (V | undefined)[] {
    const { value } = this.codecs
    const values: (V | undefined)[] = []
    // The answers' memory is used again, so values that may be views are views of copies, each of many.
    let copy = NO_COPY
    let copyStart = 0
    let at = 0
    for (let i = 0; i < count; i++) {
      const length = readU32(answers, at)
      at += LENGTH_BYTES
      if (length === NO_VALUE) {
        values.push(undefined)
        continue
      }
      const end = at + length
      if (!value.givesViews) {
        values.push(value.decodeSlice(answers, at, end))
      } else {
        if (end > copyStart + copy.bytes.length) {
          copy = copyOf(answers, at, Math.max(end, at + KEPT_COPY_BYTES))
          copyStart = at
        }
        values.push(value.decodeView(copy, at - copyStart, end - copyStart))
      }
      at = end
    }
    return values
  }
}

/** What `range` gives. A class: an object with computed names takes longer to make than a small range to read. */
class NativeRange<K, V> implements RangeIterable<K, V> {
  private readonly core: NativeCore
  private readonly source: NativeReader<K, V>
  private readonly bounds: WalkRange
  private readonly codecs: Codecs<K, V>

  constructor(core: NativeCore, source: NativeReader<K, V>, bounds: WalkRange, codecs: Codecs<K, V>) {
    this.core = core
    this.source = source
    this.bounds = bounds
    this.codecs = codecs
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    const { core, source, bounds, codecs } = this
    return SmallRange.read(core, source.open(), bounds, codecs) ?? new RangeWalk(this.walk(), codecs)
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<[K, V]> {
    return new AsyncRangeWalk(this.walk(), this.codecs)
  }

  private walk(): EntryWalk {
    return decodedWalk(this.core, this.source.open(), this.bounds, this.codecs)
  }
}

const NO_COPY = new ViewMemory(0)
/** A value that is kept keeps its copy, so copies are small. */
const KEPT_COPY_BYTES = 8 * 1024

function copyOf(bytes: Buffer, start: number, end: number): ViewMemory {
  const copy = new ViewMemory(Math.min(end, bytes.length) - start)
  bytes.copy(copy.bytes, 0, start, end)
  return copy
}
