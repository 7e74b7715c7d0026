// The public shapes of the B-tree store, its options with their defaults, and every bound.
import type { Durability, LogStats } from '../log/types.ts'
import type { KeyOf, NamedTree, TreeOptions, TreeStore, ValueOf } from '../ordered/types.ts'
import type { Encoding } from '../ordered-store.ts'

export const DEFAULT_PAGE_SIZE_BYTES = 16 * 1024
/** Page sizes are powers of two in this range. */
export const MIN_PAGE_SIZE_BYTES = 4 * 1024
export const MAX_PAGE_SIZE_BYTES = 64 * 1024
export const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024
/** The cache holds at least this many pages, whatever `cacheBytes` says. */
export const MIN_CACHE_PAGES = 16
/** A checkpoint starts once so many bytes of log wait to be folded into the tree; up to four times as many for large ones. */
export const CHECKPOINT_LOG_BYTES = 32 * 1024 * 1024
/** Closing a store writes its data file anew if that gives back so many bytes, half of the file, and costs no more. */
export const DENSE_CLOSE_BYTES = 16 * 1024 * 1024

/** The most bytes a key may have in a store with pages of this size: an eighth of a page (2,048 at 16 KiB). */
export function maxKeyBytes(pageSizeBytes: number): number {
  return pageSizeBytes / 8
}

/** What to do about a key that is too long, beside hashing it. */
export const LONG_KEY_HINT = ', or make the store with larger pages (pageSizeBytes): a key may have an eighth of a page'

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

/** One named tree of a B-tree store. */
export interface BTreeTree<K = string, V = string> extends NamedTree<K, V> {
  /** The exact number of keys. */
  readonly keyCount: number
  /**
   * Builds an empty tree from entries in strictly rising key order, dense and without logging each entry.
   * @returns The number of entries.
   * @throws INVALID_INPUT if the order is broken or the tree is not empty: then nothing has changed.
   */
  bulkLoad(entries: Iterable<readonly [K, V]> | AsyncIterable<readonly [K, V]>): Promise<number>
}

/** An open B-tree store: its default tree, and everything that concerns the store as a whole. */
export interface BTree<K = string, V = string> extends BTreeTree<K, V>, TreeStore<K, V> {
  readonly pageSizeBytes: number
  tree<const O extends TreeOptions = object>(name: string, options?: O): BTreeTree<KeyOf<O>, ValueOf<O>>
  tree<K2, V2>(name: string, options?: TreeOptions): BTreeTree<K2, V2>
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
