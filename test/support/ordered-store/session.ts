// What the parts of the conformance suite share: the store of the running test, and ways to look at it.
import type { OrderedReader, OrderedStore, RangeOptions } from '../../../ts/storage/ordered-store.ts'
import type { Encodings } from '../memory-store.ts'

/** The store of the running test. */
export interface Session {
  /** The most bytes that a key may have. */
  readonly maxKeyBytes: number
  open<K = string, V = string>(encodings?: Encodings): Promise<OrderedStore<K, V>>
  /** Closes what is open and opens it again. */
  reopen<K = string, V = string>(encodings?: Encodings): Promise<OrderedStore<K, V>>
  close(): Promise<void>
  openBytes(): Promise<ByteStore>
  /** Opens the store with these keys in it, each with `value of <key>`. */
  openWith(keys: Iterable<string>): Promise<OrderedStore>
}

export type ByteStore = OrderedStore<Uint8Array, Uint8Array>

export const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

export function keysOf(store: OrderedReader, options?: RangeOptions): string[] {
  return Array.from(store.range(options), ([key]) => key)
}

/** Everything in a range, as hex, for comparisons that say what differs. */
export function contentOf(store: ByteStore, options?: RangeOptions<Uint8Array>): (string | undefined)[][] {
  return Array.from(store.range(options), (entry) => entry.map(hex))
}

/** A key that sorts as its number does. */
export function keyOfNumber(number: number): Uint8Array {
  const key = Buffer.alloc(4)
  key.writeUInt32BE(number)
  return key
}

export function hex(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}
