// What every ordered store of the house promises, whatever engine is below: one conformance suite holds them to it.

/** `utf8`: strings. `buffer`: Uint8Array. `json`: anything JSON can hold (values only). */
export type Encoding = 'utf8' | 'buffer' | 'json'

/** A range of keys. Give at most one lower and one upper bound; none means from the first or to the last key. */
export interface KeyRange<K = string> {
  gt?: K
  gte?: K
  lt?: K
  lte?: K
  /** Instead of bounds: the keys whose bytes begin with its bytes. The empty one begins them all. */
  prefix?: K
}

/** A range to read. */
export interface RangeOptions<K = string> extends KeyRange<K> {
  /** From the last key to the first. Default false. */
  reverse?: boolean
  /** The most entries to give; a whole number >= 0. Default: all. */
  limit?: number
}

/** One change of a batch. */
export type BatchOperation<K = string, V = string> = { type: 'put'; key: K; value: V } | { type: 'delete'; key: K }

/** Many entries in one piece of memory: `keyLength u32 LE | valueLength u32 LE | key | value`, `count` times. */
export interface FlatBlock {
  bytes: Uint8Array
  count: number
}

/** The reading half, also of snapshots and of transactions. All synchronous calls may block for a device read. */
export interface OrderedReader<K = string, V = string> {
  /** The value of `key`, or undefined if there is none. */
  get(key: K): V | undefined
  /**
   * Copies the bytes of the value of `key`, in whatever encoding, to the start of `target`: for callers who read often and
   * want no new memory each time.
   * @returns How many bytes the value has, undefined if there is none. If that is more than `target` has, its content is
   *   undefined: come again with one that is large enough.
   */
  getInto(key: K, target: Uint8Array): number | undefined
  /** The values of `keys` in their order, undefined where there is none. */
  getMany(keys: readonly K[]): (V | undefined)[]
  has(key: K): boolean
  /** Entries in key order, as of the call. Also async: `for await` never blocks for the device. */
  range(options?: RangeOptions<K>): RangeIterable<K, V>
  /** The same entries as flat blocks of about 64 KiB of raw bytes, for callers that count cycles. */
  scan(options?: RangeOptions<K>): IterableIterator<FlatBlock>
  /** `get` that never blocks for the device. */
  getAsync(key: K): Promise<V | undefined>
}

/**
 * A range that can be walked with `for (const [k, v] of range)` or `for await`. Each walk shows the state of the moment it
 * started; one that is left early gives its snapshot back (`break` and `throw` do that by themselves).
 */
export interface RangeIterable<K, V> extends Iterable<[K, V]>, AsyncIterable<[K, V]> {}

/** An ordered store: reader, writer, trees. */
export interface OrderedStore<K = string, V = string> extends OrderedReader<K, V> {
  /** Applied at once; the promise is durability. A refused write throws at once and changes nothing. */
  put(key: K, value: V): Promise<void>
  /** Removes `key`; removing an absent key is fine. */
  delete(key: K): Promise<void>
  /** All or nothing; later operations win over earlier ones on the same key. */
  batch(operations: readonly BatchOperation<K, V>[]): Promise<void>
  /** Removes every key in `range`; all of them without one. */
  clear(range?: KeyRange<K>): Promise<void>
  /** Resolves when everything written so far is durable. */
  flushed(): Promise<void>
  close(): Promise<void>
}
