// The reading half of every handle: turns keys and values into bytes and back, over whatever state it is given.
import { BedplateError } from '../../base/errors.ts'
import { checkArray, describe } from '../../base/options.ts'
import { resolveRange } from '../compare.ts'
import type { KeyCodec, ValueCodec } from '../encoding.ts'
import type { FlatBlock, OrderedReader, RangeIterable, RangeOptions } from '../ordered-store.ts'
import type { ByteReader, ByteWalk } from './byte-reader.ts'
import { AsyncWalk, SyncWalk } from './held-walk.ts'

/** Raw bytes in a block of `scan`, about; a single larger entry makes a larger block. */
const BLOCK_BYTES = 64 * 1024
const BLOCK_ENTRY_HEADER_BYTES = 8

/** How a handle's keys and values are given. */
export interface Codecs<K, V> {
  key: KeyCodec<K>
  value: ValueCodec<V>
}

export class Reader<K, V> implements OrderedReader<K, V> {
  protected readonly source: ByteReader
  protected readonly codecs: Codecs<K, V>
  /** Checks a key's length. */
  protected readonly checkKey: (key: Uint8Array) => Uint8Array

  constructor(source: ByteReader, codecs: Codecs<K, V>, checkKey: (key: Uint8Array) => Uint8Array) {
    this.source = source
    this.codecs = codecs
    this.checkKey = checkKey
  }

  get(key: K): V | undefined {
    const value = this.source.get(this.encodeKey(key))
    return value === undefined ? undefined : this.codecs.value.decode(value)
  }

  getInto(key: K, target: Uint8Array): number | undefined {
    const bytes = this.encodeKey(key)
    checkTarget(target)
    const value = this.source.get(bytes)
    if (value === undefined) return undefined
    if (value.length <= target.length) target.set(value)
    return value.length
  }

  getMany(keys: readonly K[]): (V | undefined)[] {
    checkArray(keys, 'getMany', 'keys')
    return keys.map((key) => this.get(key))
  }

  has(key: K): boolean {
    return this.source.has(this.encodeKey(key))
  }

  async getAsync(key: K): Promise<V | undefined> {
    const bytes = this.encodeKey(key)
    // The caller may use the memory of its key again before the answer is there.
    const value = await this.source.getAsync((bytes as unknown) === key ? Uint8Array.from(bytes) : bytes)
    return value === undefined ? undefined : this.codecs.value.decode(value)
  }

  range(options: RangeOptions<K> = {}): RangeIterable<K, V> {
    const range = resolveRange(options, this.codecs.key)
    return {
      [Symbol.iterator]: () => new RangeWalk(this.source.walk(range), this.codecs),
      [Symbol.asyncIterator]: () => new AsyncRangeWalk(this.source.walk(range), this.codecs),
    }
  }

  scan(options: RangeOptions<K> = {}): IterableIterator<FlatBlock> {
    return new BlockWalk(this.source.walk(resolveRange(options, this.codecs.key)))
  }

  protected encodeKey(key: K): Uint8Array {
    return this.checkKey(this.codecs.key.encode(key))
  }
}

/** Refuses what no value can be copied to. */
export function checkTarget(target: unknown): void {
  if (target instanceof Uint8Array) return
  throw new BedplateError('INVALID_INPUT', `getInto copies to a Uint8Array, got ${describe(target)}`)
}

class RangeWalk<K, V> extends SyncWalk<ByteWalk, [K, V]> {
  private readonly codecs: Codecs<K, V>

  constructor(walk: ByteWalk, codecs: Codecs<K, V>) {
    super(walk)
    this.codecs = codecs
  }

  protected take(walk: ByteWalk): [K, V] | undefined {
    const { key, value } = this.codecs
    return walk.next() ? [key.decode(walk.key()), value.decode(walk.value())] : undefined
  }
}

class AsyncRangeWalk<K, V> extends AsyncWalk<ByteWalk, [K, V]> {
  private readonly codecs: Codecs<K, V>

  constructor(walk: ByteWalk, codecs: Codecs<K, V>) {
    super(walk)
    this.codecs = codecs
  }

  protected async take(walk: ByteWalk): Promise<[K, V] | undefined> {
    const { key, value } = this.codecs
    return (await walk.nextAsync()) ? [key.decode(walk.key()), value.decode(await walk.valueAsync())] : undefined
  }
}

/** Packs a walk into blocks: see FlatBlock. */
class BlockWalk extends SyncWalk<ByteWalk, FlatBlock> {
  /** The entry that did not fit into the last block; the walk keeps its memory as it is. */
  private waiting: { key: Uint8Array; value: Uint8Array } | undefined

  protected take(walk: ByteWalk): FlatBlock | undefined {
    let block: BlockBuffer | undefined
    for (let entry = this.nextEntry(walk); entry !== undefined; entry = this.nextEntry(walk)) {
      block ??= new BlockBuffer(entry)
      if (!block.add(entry)) {
        this.waiting = entry
        break
      }
    }
    return block?.finish()
  }

  private nextEntry(walk: ByteWalk): { key: Uint8Array; value: Uint8Array } | undefined {
    const { waiting } = this
    this.waiting = undefined
    if (waiting !== undefined) return waiting
    return walk.next() ? { key: walk.key(), value: walk.value() } : undefined
  }
}

/** A block in the making. */
class BlockBuffer {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private length = 0
  private count = 0

  constructor(first: { key: Uint8Array; value: Uint8Array }) {
    this.bytes = new Uint8Array(Math.max(BLOCK_BYTES, BLOCK_ENTRY_HEADER_BYTES + first.key.length + first.value.length))
    this.view = new DataView(this.bytes.buffer)
  }

  /** @returns False if there is no room left. */
  add({ key, value }: { key: Uint8Array; value: Uint8Array }): boolean {
    const { bytes, view, length } = this
    const keyAt = length + BLOCK_ENTRY_HEADER_BYTES
    const end = keyAt + key.length + value.length
    if (end > bytes.length) return false
    view.setUint32(length, key.length, true)
    view.setUint32(length + 4, value.length, true)
    bytes.set(key, keyAt)
    bytes.set(value, keyAt + key.length)
    this.length = end
    this.count++
    return true
  }

  finish(): FlatBlock {
    return { bytes: this.bytes.subarray(0, this.length), count: this.count }
  }
}
