// The reference: an ordered store that is a sorted array in memory. Plain on purpose, so that it can be believed.
import { BedplateError } from '../../ts/base/errors.ts'
import { type ResolvedRange, resolveBounds, resolveRange } from '../../ts/storage/compare.ts'
import { type Codec, keyCodec, valueCodec } from '../../ts/storage/encoding.ts'
import type {
  BatchOperation,
  Encoding,
  FlatBlock,
  KeyRange,
  OrderedStore,
  RangeIterable,
  RangeOptions,
} from '../../ts/storage/ordered-store.ts'

/** A key and its value. Neither is ever changed in place. */
export type Entry = readonly [key: Uint8Array, value: Uint8Array]

/** A range of keys as bytes; what is left out does not bind. */
export type ByteBounds = Partial<ResolvedRange>

/** A map of byte strings in the order of their unsigned bytes. */
export class SortedMap {
  private entries: Entry[] = []

  get size(): number {
    return this.entries.length
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const index = this.indexOf(key)
    return this.holds(index, key) ? (this.entries[index] as Entry)[1] : undefined
  }

  has(key: Uint8Array): boolean {
    return this.holds(this.indexOf(key), key)
  }

  /** Keeps copies of both. */
  set(key: Uint8Array, value: Uint8Array): void {
    const index = this.indexOf(key)
    this.entries.splice(index, this.holds(index, key) ? 1 : 0, [Uint8Array.from(key), Uint8Array.from(value)])
  }

  /** @returns False if it was not there. */
  delete(key: Uint8Array): boolean {
    const index = this.indexOf(key)
    if (!this.holds(index, key)) return false
    this.entries.splice(index, 1)
    return true
  }

  clear(bounds: ByteBounds = {}): void {
    this.entries = this.entries.filter(([key]) => !isWithin(key, bounds))
  }

  /** The entries of a range, in the order asked for. */
  range(bounds: ByteBounds = {}): Entry[] {
    const within = this.entries.filter(([key]) => isWithin(key, bounds))
    if (bounds.reverse) within.reverse()
    return within.slice(0, bounds.limit)
  }

  /** Another map with the same content. */
  copy(): SortedMap {
    const copy = new SortedMap()
    copy.entries = this.entries.slice()
    return copy
  }

  /** The place of the first key that is not below `key`. */
  private indexOf(key: Uint8Array): number {
    let low = 0
    let high = this.entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (Buffer.compare((this.entries[middle] as Entry)[0], key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  private holds(index: number, key: Uint8Array): boolean {
    const entry = this.entries[index]
    return entry !== undefined && Buffer.compare(entry[0], key) === 0
  }
}

function isWithin(key: Uint8Array, bounds: ByteBounds): boolean {
  const { lower, lowerInclusive = true, upper, upperInclusive = true } = bounds
  if (lower !== undefined && Buffer.compare(key, lower) < (lowerInclusive ? 0 : 1)) return false
  return upper === undefined || Buffer.compare(key, upper) <= (upperInclusive ? 0 : -1)
}

/** How keys and values are given. */
export interface Encodings {
  keyEncoding?: 'utf8' | 'buffer'
  valueEncoding?: Encoding
}

/** The longest key that the memory store takes: it has no reason for a bound, but a store must have one. */
export const MAX_MEMORY_KEY_BYTES = 1024

/** An ordered store over a sorted map, which outlives it as files outlive a process. */
export class MemoryStore<K = string, V = string> implements OrderedStore<K, V> {
  private readonly content: SortedMap
  private readonly keys: Codec<K>
  private readonly values: Codec<V>
  private isOpen = true

  constructor(content: SortedMap, { keyEncoding = 'utf8', valueEncoding = 'utf8' }: Encodings = {}) {
    this.content = content
    this.keys = keyCodec(keyEncoding) as unknown as Codec<K>
    this.values = valueCodec(valueEncoding) as unknown as Codec<V>
  }

  get(key: K): V | undefined {
    const bytes = this.encodeKey(key)
    const value = this.current().get(bytes)
    return value === undefined ? undefined : this.values.decode(value)
  }

  getInto(key: K, target: Uint8Array): number | undefined {
    const bytes = this.encodeKey(key)
    if (!(target instanceof Uint8Array)) throw invalid('getInto copies to a Uint8Array')
    const value = this.current().get(bytes)
    if (value !== undefined && value.length <= target.length) target.set(value)
    return value?.length
  }

  getMany(keys: readonly K[]): (V | undefined)[] {
    if (!Array.isArray(keys)) throw invalid('getMany takes an array of keys')
    return keys.map((key) => this.get(key))
  }

  has(key: K): boolean {
    const bytes = this.encodeKey(key)
    return this.current().has(bytes)
  }

  async getAsync(key: K): Promise<V | undefined> {
    return this.get(key)
  }

  range(options: RangeOptions<K> = {}): RangeIterable<K, V> {
    const range = resolveRange(options, this.keys)
    return {
      [Symbol.iterator]: () => this.walk(this.current().range(range)),
      [Symbol.asyncIterator]: () => this.walkAsync(this.current().range(range)),
    }
  }

  scan(options: RangeOptions<K> = {}): IterableIterator<FlatBlock> {
    return this.blocks(this.current().range(resolveRange(options, this.keys)))
  }

  put(key: K, value: V): Promise<void> {
    return this.batch([{ type: 'put', key, value }])
  }

  delete(key: K): Promise<void> {
    return this.batch([{ type: 'delete', key }])
  }

  batch(operations: readonly BatchOperation<K, V>[]): Promise<void> {
    if (!Array.isArray(operations)) throw invalid('a batch is an array of operations')
    const changes = operations.map((operation) => this.changeFor(operation))
    const content = this.current()
    for (const change of changes) change(content)
    return Promise.resolve()
  }

  clear(range: KeyRange<K> = {}): Promise<void> {
    const bounds = resolveBounds(range, this.keys)
    this.current().clear(bounds)
    return Promise.resolve()
  }

  async flushed(): Promise<void> {
    this.current()
  }

  async close(): Promise<void> {
    this.isOpen = false
  }

  private current(): SortedMap {
    if (this.isOpen) return this.content
    throw new BedplateError('CLOSED', 'the store is closed')
  }

  private encodeKey(key: K): Uint8Array {
    const bytes = this.keys.encode(key)
    if (bytes.length > MAX_MEMORY_KEY_BYTES) throw invalid(`a key of ${bytes.length} bytes is too long`)
    return bytes
  }

  private changeFor(operation: BatchOperation<K, V>): (content: SortedMap) => void {
    if (operation?.type !== 'put' && operation?.type !== 'delete') throw invalid('an operation is a put or a delete')
    const key = this.encodeKey(operation.key)
    if (operation.type === 'delete') return (content) => void content.delete(key)
    const value = this.values.encode(operation.value)
    return (content) => content.set(key, value)
  }

  private *walk(entries: readonly Entry[]): Generator<[K, V]> {
    for (const [key, value] of entries) {
      this.current()
      yield [this.keys.decode(key), this.values.decode(value)]
    }
  }

  private async *walkAsync(entries: readonly Entry[]): AsyncGenerator<[K, V]> {
    yield* this.walk(entries)
  }

  /** One entry a block: the simplest of the packings that the contract allows. */
  private *blocks(entries: readonly Entry[]): Generator<FlatBlock> {
    for (const [key, value] of entries) {
      this.current()
      const lengths = Buffer.alloc(8)
      lengths.writeUInt32LE(key.length, 0)
      lengths.writeUInt32LE(value.length, 4)
      yield { bytes: Uint8Array.from(Buffer.concat([lengths, key, value])), count: 1 }
    }
  }
}

function invalid(problem: string): BedplateError {
  return new BedplateError('INVALID_INPUT', problem)
}
