// Reading a tree of the native engine: keys go straight into the memory shared with the core, values come straight out.
import { checkArray } from '../../../base/options.ts'
import { ABSENT, type NativeTree, SPILLED } from '../../../native/btree.ts'
import { resolveRange } from '../../compare.ts'
import type { FlatBlock, OrderedReader, RangeIterable, RangeOptions } from '../../ordered-store.ts'
import { type Codecs, checkTarget } from '../reader.ts'
import type { NativeCore } from './core.ts'
import { AsyncRangeWalk, BlockWalk, EntryWalk, RangeWalk, readU32 } from './walk.ts'

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
  protected abstract open(): NativeTree

  get(key: K): V | undefined {
    const keyBytes = this.passKey(key)
    const length = this.open().get(keyBytes)
    if (length < 0) return this.rareAnswer(length)
    const { memory, valueStart } = this.core
    return this.codecs.value.decodeSlice(memory, valueStart, valueStart + length)
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
    const length = this.open().getMany(packed, keys.length)
    this.core.giveBack(packed)
    const answers = this.takeSpill(this.core.checked(length))
    const values = this.unpackValues(answers, keys.length)
    this.core.giveBack(answers)
    return values
  }

  has(key: K): boolean {
    const keyBytes = this.passKey(key)
    return this.core.checked(this.open().has(keyBytes)) === 1
  }

  async getAsync(key: K): Promise<V | undefined> {
    const bytes = this.encodeKey(key)
    const value = await this.core.run(this.open().getAsync(bytes))
    return value === undefined ? undefined : this.codecs.value.decode(value)
  }

  range(options: RangeOptions<K> = {}): RangeIterable<K, V> {
    const range = resolveRange(options, this.codecs.key)
    return {
      [Symbol.iterator]: () => new RangeWalk(new EntryWalk(this.core, this.open(), range), this.codecs),
      [Symbol.asyncIterator]: () => new AsyncRangeWalk(new EntryWalk(this.core, this.open(), range), this.codecs),
    }
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
    const values: (V | undefined)[] = []
    let at = 0
    for (let i = 0; i < count; i++) {
      const length = readU32(answers, at)
      at += LENGTH_BYTES
      if (length === NO_VALUE) {
        values.push(undefined)
        continue
      }
      values.push(this.codecs.value.decodeSlice(answers, at, at + length))
      at += length
    }
    return values
  }
}

/** A buffer of at least `bytes` with the first `used` of `buffer`; at least twice as large, so that copying stays rare. */
export function larger(buffer: Buffer, used: number, bytes: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * buffer.length))
  buffer.copy(copy, 0, 0, used)
  return copy
}
