// The reading half of every handle: turns keys and values into bytes and back, over whatever state it is given.
import { resolveRange } from '../compare.ts'
import type { KeyCodec, ValueCodec } from '../encoding.ts'
import type { FlatBlock, OrderedReader, RangeIterable, RangeOptions } from '../ordered-store.ts'
import type { ByteReader, ByteWalk } from './walk.ts'

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

  getMany(keys: readonly K[]): (V | undefined)[] {
    return Array.from(keys, (key) => this.get(key))
  }

  has(key: K): boolean {
    return this.source.has(this.encodeKey(key))
  }

  async getAsync(key: K): Promise<V | undefined> {
    const value = await this.source.getAsync(this.encodeKey(key))
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
    return flatBlocks(this.source.walk(resolveRange(options, this.codecs.key)))
  }

  protected encodeKey(key: K): Uint8Array {
    return this.checkKey(this.codecs.key.encode(key))
  }
}

/** Gives back the snapshots of walks that were dropped without being finished. */
const forgottenWalks = new FinalizationRegistry<ByteWalk>((walk) => walk.close())

class RangeWalk<K, V> implements IterableIterator<[K, V]> {
  private walk: ByteWalk | undefined
  private readonly codecs: Codecs<K, V>

  constructor(walk: ByteWalk, codecs: Codecs<K, V>) {
    this.walk = walk
    this.codecs = codecs
    forgottenWalks.register(this, walk, this)
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<[K, V]> {
    const { walk, codecs } = this
    if (walk === undefined) return { done: true, value: undefined }
    try {
      if (walk.next()) return { done: false, value: [codecs.key.decode(walk.key()), codecs.value.decode(walk.value())] }
    } catch (error) {
      this.end()
      throw error
    }
    return this.end()
  }

  return(): IteratorResult<[K, V]> {
    return this.end()
  }

  private end(): IteratorResult<[K, V]> {
    this.walk?.close()
    this.walk = undefined
    forgottenWalks.unregister(this)
    return { done: true, value: undefined }
  }
}

class AsyncRangeWalk<K, V> implements AsyncIterableIterator<[K, V]> {
  private walk: ByteWalk | undefined
  private readonly codecs: Codecs<K, V>
  /** Calls are answered one after the other, however they come: a walk is never closed under a read. */
  private previous: Promise<unknown> = Promise.resolve()

  constructor(walk: ByteWalk, codecs: Codecs<K, V>) {
    this.walk = walk
    this.codecs = codecs
    forgottenWalks.register(this, walk, this)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<[K, V]>> {
    return this.inTurn(() => this.advance())
  }

  return(): Promise<IteratorResult<[K, V]>> {
    return this.inTurn(() => this.end())
  }

  private inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const answer = this.previous.then(work)
    this.previous = answer.catch(() => {})
    return answer
  }

  private async advance(): Promise<IteratorResult<[K, V]>> {
    const { walk, codecs } = this
    if (walk === undefined) return { done: true, value: undefined }
    try {
      if (await walk.nextAsync()) {
        return { done: false, value: [codecs.key.decode(walk.key()), codecs.value.decode(await walk.valueAsync())] }
      }
    } catch (error) {
      this.end()
      throw error
    }
    return this.end()
  }

  private end(): IteratorResult<[K, V]> {
    this.walk?.close()
    this.walk = undefined
    forgottenWalks.unregister(this)
    return { done: true, value: undefined }
  }
}

/** Packs a walk into blocks: see FlatBlock. */
function* flatBlocks(walk: ByteWalk): Generator<FlatBlock> {
  try {
    let block = new Uint8Array(BLOCK_BYTES)
    let length = 0
    let count = 0
    while (walk.next()) {
      const key = walk.key()
      const value = walk.value()
      const needed = BLOCK_ENTRY_HEADER_BYTES + key.length + value.length
      if (length + needed > block.length) {
        if (count > 0) yield { bytes: block.subarray(0, length), count }
        block = new Uint8Array(Math.max(BLOCK_BYTES, needed))
        length = 0
        count = 0
      }
      const view = new DataView(block.buffer)
      view.setUint32(length, key.length, true)
      view.setUint32(length + 4, value.length, true)
      block.set(key, length + BLOCK_ENTRY_HEADER_BYTES)
      block.set(value, length + BLOCK_ENTRY_HEADER_BYTES + key.length)
      length += needed
      count++
    }
    if (count > 0) yield { bytes: block.subarray(0, length), count }
  } finally {
    walk.close()
  }
}
