// The public shapes of the B-tree store, its options with their defaults, and every bound.
import type { Durability, LogStats } from '../log/types.ts'
import type { BatchOperation, Encoding, KeyRange, OrderedReader, OrderedStore } from '../ordered-store.ts'

export const DEFAULT_PAGE_SIZE_BYTES = 16 * 1024
/** Page sizes are powers of two in this range. */
export const MIN_PAGE_SIZE_BYTES = 4 * 1024
export const MAX_PAGE_SIZE_BYTES = 64 * 1024
export const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024
/** The cache holds at least this many pages, whatever `cacheBytes` says. */
export const MIN_CACHE_PAGES = 16
/** The most bytes a value may have. */
export const MAX_VALUE_BYTES = 512 * 1024 * 1024
/** The most bytes of UTF-8 a tree's name may have; at least 1. */
export const MAX_TREE_NAME_BYTES = 255
/** The most bytes of keys and values that a transaction may hold before it commits. */
export const DEFAULT_TRANSACTION_BYTES = 64 * 1024 * 1024
/** A checkpoint starts once so many bytes of log wait to be folded into the tree; up to four times as many for large ones. */
export const CHECKPOINT_LOG_BYTES = 32 * 1024 * 1024
/** Closing a store writes its data file anew if that gives back so many bytes, half of the file, and costs no more. */
export const DENSE_CLOSE_BYTES = 16 * 1024 * 1024

/** The most bytes a key may have in a store with pages of this size: an eighth of a page (2,048 at 16 KiB). */
export function maxKeyBytes(pageSizeBytes: number): number {
  return pageSizeBytes / 8
}

/** How to open a store. */
export interface BTreeOptions {
  /** Make the store if there is none. Default false: a missing store is NOT_FOUND. `'new'`: it must not exist. */
  create?: boolean | 'new'
  /** A power of two from 4,096 to 65,536. Counts at creation; later opens use what the store has. Default 16,384. */
  pageSizeBytes?: number
  /** The most bytes of pages kept in memory. Default 64 MiB. */
  cacheBytes?: number
  /** When a write's promise resolves. Default `'sync'`. */
  durability?: Durability
  /** Opens for reading alone. Several processes may; a writer excludes them. Default false. */
  readOnly?: boolean
  /** How keys are given and come back. Default `'utf8'`. */
  keyEncoding?: 'utf8' | 'buffer'
  /** How values are given and come back. Default `'utf8'`. */
  valueEncoding?: Encoding
  /** `false` keeps the TypeScript engine; `true` demands the native one. Default: native where there is one. */
  native?: boolean
}

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

/** The frozen state of one moment. Close it: an open one delays the reuse of pages. */
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
export interface BTreeTree<K = string, V = string> extends OrderedStore<K, V> {
  readonly name: string
  /** The exact number of keys. */
  readonly keyCount: number
  batch(operations: readonly TreeBatchOperation<K, V>[]): Promise<void>
  /** Writes `value` if the key holds `expected` now (undefined: is absent); `value` undefined deletes. */
  compareAndSwap(key: K, expected: V | undefined, value: V | undefined): Promise<boolean>
  /**
   * Builds an empty tree from entries in strictly rising key order, dense and without logging each entry.
   * @returns The number of entries.
   * @throws INVALID_INPUT if the order is broken or the tree is not empty: then nothing has changed.
   */
  bulkLoad(entries: Iterable<readonly [K, V]> | AsyncIterable<readonly [K, V]>): Promise<number>
}

/** An open B-tree store: its default tree, and everything that concerns the store as a whole. */
export interface BTree<K = string, V = string> extends BTreeTree<K, V>, AsyncDisposable {
  readonly path: string
  readonly pageSizeBytes: number
  readonly maxKeyBytes: number
  /** Every write up to and with this log position is durable. */
  readonly durablePosition: number
  /** The position of the last write. */
  readonly position: number
  /** A named tree, made by its first write. */
  tree<const O extends TreeOptions = object>(name: string, options?: O): BTreeTree<KeyOf<O>, ValueOf<O>>
  tree<K2, V2>(name: string, options?: TreeOptions): BTreeTree<K2, V2>
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
   * What counts as a change: to the TypeScript engine every write to a key or a range that was read; to the native engine
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
  /** Folds the log into the tree now. */
  checkpoint(): Promise<void>
  stats(): BTreeStats
  /** Reads the whole store and checks every rule of the format. */
  verify(): Promise<VerifyReport>
  /** Writes a dense copy of this moment's state to a new directory, while writes go on. */
  backup(path: string): Promise<void>
  /** Rewrites the data file dense and gives the rest back to the file system. */
  compact(): Promise<void>
  /** Decodes one page, for people. */
  inspectPage(pageNumber: number): PageDescription
}

/** Figures of a store. Bytes and counts; ratios are 0 to 1. */
export interface BTreeStats {
  engine: 'typescript' | 'native'
  path: string
  pageSizeBytes: number
  /** Keys of all trees together, and of the trees by name ('' is the default tree). */
  keyCount: number
  trees: Record<string, { keyCount: number; depth: number }>
  /** Depth of the default tree: 1 is a lone leaf, 0 an empty tree. */
  depth: number
  dataFileBytes: number
  /** Pages in the data file: used by the current state, free, and waiting for a snapshot or a checkpoint. */
  pageCount: number
  usedPages: number
  freePages: number
  retiredPages: number
  cache: {
    capacityPages: number
    residentPages: number
    dirtyPages: number
    hits: number
    misses: number
    hitRatio: number
  }
  log: LogStats
  position: number
  durablePosition: number
  checkpointPosition: number
  checkpoints: number
  /** Records per fsync of the log since opening. */
  commitsPerSync: number
  snapshots: { open: number; oldestAgeMs: number }
}

/** What `verify` found. */
export interface VerifyReport {
  ok: boolean
  /** At most 100; each names the file, the page, its offset and the broken rule. */
  problems: string[]
  pages: { branch: number; leaf: number; overflow: number; free: number }
  keys: number
  trees: number
}

/** One page, decoded. */
export interface PageDescription {
  pageNumber: number
  offset: number
  /** `meta`, `leaf`, `branch`, `overflow`, `free list`, or `unknown` if the bytes are not a page (a free one may not be). */
  type: 'meta' | 'leaf' | 'branch' | 'overflow' | 'free list' | 'unknown'
  checksumOk: boolean
  /** Header fields by name, in the order of the format page. */
  fields: Record<string, number | string>
  /** Where in `bytes` each part lies: the header fields, then the areas behind it. In order, without gaps or overlaps. */
  layout: PagePart[]
  /** Leaf: key and value; branch: separator key and child. Keys as stored (prefix put back). */
  cells: PageCell[]
  /** The raw bytes. */
  bytes: Uint8Array
}

/** A piece of a page: `length` bytes at `offset` of the page. */
export interface PagePart {
  name: string
  offset: number
  length: number
}

/** A cell of a leaf or a branch. */
export interface PageCell {
  /** Where in the page its bytes lie; a branch's leftmost child has no cell of its own but the header's reference. */
  offset: number
  length: number
  key: Uint8Array
  value?: Uint8Array
  child?: number
  valueBytes?: number
  overflowPage?: number
}
