// What all stores of named trees share: public shapes, and bounds that do not depend on the engine.
import type { BatchOperation, Encoding, KeyRange, OrderedReader, OrderedStore } from '../ordered-store.ts'

/** The most bytes a value may have. */
export const MAX_VALUE_BYTES = 512 * 1024 * 1024
/** The most bytes of UTF-8 a tree's name may have; at least 1. */
export const MAX_TREE_NAME_BYTES = 255
/** The most bytes of keys and values that a transaction may hold before it commits. */
export const DEFAULT_TRANSACTION_BYTES = 64 * 1024 * 1024

/** How to open a named tree. Its encodings are its own: `'utf8'` unless named here, whatever the store's are. */
export interface TreeOptions {
  keyEncoding?: 'utf8' | 'buffer'
  valueEncoding?: Encoding
}

/** What an encoding makes of bytes. */
interface Decoded {
  utf8: string
  buffer: Uint8Array
  // biome-ignore lint/suspicious/noExplicitAny: what JSON.parse gives; `openBTree<string, City>` says it more narrowly.
  json: any
}

/** What options name as the encoding of `Field`; `'utf8'` if they do not. */
type Named<Options, Field extends string> = Options extends { readonly [F in Field]?: infer E }
  ? [Exclude<E, undefined>] extends [never]
    ? 'utf8'
    : unknown extends E
      ? 'utf8'
      : Extract<E, Encoding>
  : 'utf8'

/** The type of keys, by the encoding that the options name. */
export type KeyOf<Options> = Decoded[Named<Options, 'keyEncoding'>]
/** The type of values, by the encoding that the options name. */
export type ValueOf<Options> = Decoded[Named<Options, 'valueEncoding'>]

/** How to run a transaction. */
export interface TransactionOptions {
  /** How often to run `fn` again after a CONFLICT. Default 0. */
  retries?: number
  /** The most bytes of keys and values it may write. Default 64 MiB. */
  maxBytes?: number
}

/** The frozen state of one moment. Close it: what it shows takes room on disk until then. */
export interface Snapshot<K = string, V = string> extends OrderedReader<K, V>, Disposable {
  /** The log position it shows. */
  readonly position: number
  tree<const O extends TreeOptions = object>(name: string, options?: O): OrderedReader<KeyOf<O>, ValueOf<O>>
  tree<K2, V2>(name: string, options?: TreeOptions): OrderedReader<K2, V2>
  close(): void
}

/** What the function of a transaction gets: reads see its own writes over the snapshot of its start. */
export interface Transaction<K = string, V = string> extends TransactionTree<K, V> {
  /** The same for a named tree, which must exist or is made at commit. */
  tree<const O extends TreeOptions = object>(name: string, options?: O): TransactionTree<KeyOf<O>, ValueOf<O>>
  tree<K2, V2>(name: string, options?: TreeOptions): TransactionTree<K2, V2>
}

/** One tree inside a transaction. Writes are synchronous and private until the commit. */
export interface TransactionTree<K = string, V = string> extends OrderedReader<K, V> {
  put(key: K, value: V): void
  delete(key: K): void
  batch(operations: readonly TreeBatchOperation<K, V>[]): void
  clear(range?: KeyRange<K>): void
}

/** A change of a batch. With `tree` it goes to the tree of that name ('' is the default tree), in the batch's encodings. */
export type TreeBatchOperation<K = string, V = string> = BatchOperation<K, V> & { tree?: string }

/** One named tree of a store. All trees share the store's log, so a batch or a transaction is atomic across them. */
export interface NamedTree<K = string, V = string> extends OrderedStore<K, V> {
  readonly name: string
  batch(operations: readonly TreeBatchOperation<K, V>[]): Promise<void>
  /** Writes `value` if the key holds `expected` now (undefined: is absent); `value` undefined deletes. */
  compareAndSwap(key: K, expected: V | undefined, value: V | undefined): Promise<boolean>
}

/** An open store of named trees: its default tree, and everything that concerns the store as a whole. */
export interface TreeStore<K = string, V = string> extends NamedTree<K, V>, AsyncDisposable {
  readonly path: string
  readonly maxKeyBytes: number
  /** Every write up to and with this log position is durable. */
  readonly durablePosition: number
  /** The position of the last write. */
  readonly position: number
  /** A named tree, made by its first write; '' is the default tree, in the encodings given here. */
  tree<const O extends TreeOptions = object>(name: string, options?: O): NamedTree<KeyOf<O>, ValueOf<O>>
  tree<K2, V2>(name: string, options?: TreeOptions): NamedTree<K2, V2>
  /** The names of all trees that exist, sorted; the default tree's name is '' and is not among them. */
  treeNames(): string[]
  /** Removes a named tree with all it holds. */
  dropTree(name: string): Promise<void>
  snapshot(): Snapshot<K, V>
  /** The same, once everything it shows is durable. */
  snapshot(options: { durable: true }): Promise<Snapshot<K, V>>
  /**
   * Runs `fn` over a snapshot; at its end all its writes happen at one instant, or none. Transactions queue; plain
   * writes go on meanwhile, and if they changed what `fn` read, it ends with CONFLICT or runs again.
   *
   * What counts as a change: to the TypeScript engines every write to a key or a range that was read; to the native ones
   * what differs at the end from what was read, so that a value put as it was is none.
   *
   * They do not nest: another transaction of the store begins when this one has ended, so to await it inside `fn` is to
   * wait for ever. That is refused where it can be told, before the first `await` of `fn`.
   */
  transaction<T>(fn: (tx: Transaction<K, V>) => T | Promise<T>, options?: TransactionOptions): Promise<T>
  /**
   * The same without any wait, so that nothing can come between but what `fn` itself, or another thread with the same
   * store, writes past `tx`: CONFLICT if it read that. Durable after `flushed()`.
   */
  transactionSync<T>(fn: (tx: Transaction<K, V>) => T): T
}
