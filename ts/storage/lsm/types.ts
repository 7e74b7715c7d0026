// The public shapes of the LSM store, its options with their defaults, and every bound.
import type { Durability, LogStats } from '../log/types.ts'
import type { KeyOf, NamedTree, TreeBatchOperation, TreeOptions, TreeStore, ValueOf } from '../ordered/types.ts'
import type { Encoding, KeyRange } from '../ordered-store.ts'
import type { LsmEvents, LsmListener } from './events.ts'

/** The most bytes a key may have: as many as in a B-tree store with pages of the default size. */
export const MAX_KEY_BYTES = 2048
export const DEFAULT_MEMORY_BYTES = 192 * 1024 * 1024
export const MIN_MEMORY_BYTES = 1024 * 1024
/** Memory is for so many memtables of which three may be full, so that reads have one share of it. */
export const MEMORY_SHARES = 4
/** Blocks, filters and indexes get this part of the memory even while writers that wait for no promise overrun memtables. */
export const LEAST_CACHE_SHARE = 1 / 8
export const MAX_DEFAULT_MEMTABLE_BYTES = 64 * 1024 * 1024
export const MIN_MEMTABLE_BYTES = 64 * 1024
export const MAX_MEMTABLE_BYTES = 2 ** 40
/** A memtable is full also once it has so many range tombstones: what they hide is counted from all that overlap. */
export const MAX_MEMTABLE_TOMBSTONES = 1024
/** Full memtables that may wait to be written to a table. With so many waiting, the promises of writes wait too. */
export const MAX_FROZEN_MEMTABLES = 2
/**
 * Writes are refused once the memtable has so many times its size, and at least so many bytes: their callers do not wait for
 * promises.
 */
export const MEMTABLE_OVERRUN = 4
export const MEMTABLE_OVERRUN_BYTES = 512 * 1024 * 1024
/** Table files that are open at a time. */
export const DEFAULT_OPEN_FILES = 256
export const MIN_OPEN_FILES = 16
export const DEFAULT_BLOCK_BYTES = 8 * 1024
export const MIN_BLOCK_BYTES = 256
export const DEFAULT_TABLE_BYTES = 32 * 1024 * 1024
/** The levels of a store: 0 for what memtables became, 6 for what is oldest. */
export const MAX_LEVELS = 7
/** Level 0 is compacted once it has so many tables: each is one more to look at. */
export const LEVEL_0_TABLES = 4
/** Level 1 may have so many bytes, and each level below it so many times those of the one above. */
export const DEFAULT_LEVEL_BYTES = 256 * 1024 * 1024
export const LEVEL_RATIO = 10
/** How long a flush that found no space is put off. */
export const RETRY_MS = 1000

/** Bytes of all tables beyond which a `fifo` store drops the oldest; 0: it never does. */
export const MAX_FIFO_BYTES = 2 ** 47
/** About nine thousand years. */
export const MAX_TTL_MS = 2 ** 48 - 1

/**
 * How tables are merged.
 *
 * | style | for | what a merge costs |
 * | --- | --- | --- |
 * | `leveled` | reading as much as writing | each byte is written about ten times a level |
 * | `tiered` | writing far more than reading | each byte is written once for each fourfold growth; reads look at more tables |
 * | `fifo` | what may be forgotten: the oldest tables are dropped whole, by age or by size | nothing |
 */
export type CompactionStyle = 'leveled' | 'tiered' | 'fifo'

/** How blocks of data are packed: not at all, or as LZ4 blocks where that saves an eighth. */
export type Compression = 'none' | 'lz4'

/** How to open a store. */
export interface LsmOptions {
  /** Make the store if there is none. Default false: a missing store is NOT_FOUND. `'new'`: it must not exist. */
  create?: boolean | 'new'
  /**
   * Bytes of memory for memtables, of which there may be three, and blocks, filters and indexes of tables together: these get
   * what memtables do not take at the moment. At least 1 MiB, and four times `memtableBytes`. Default 192 MiB.
   */
  memoryBytes?: number
  /**
   * Bytes of newest writes that are gathered in memory before they become a table; 64 KiB or more. Default: a quarter of
   * `memoryBytes`, 64 MiB at most.
   */
  memtableBytes?: number
  /** The most tables that are open as files at a time; 16 or more. Default 256. */
  maxOpenFiles?: number
  /** Bits of the Bloom filter a key, 0 to 64. Counts at creation. 0: no filters. Default 10: one needless read in a hundred. */
  bitsPerKey?: number
  /** How blocks of data are packed. Counts at creation. Default `'lz4'`. */
  compression?: Compression
  /** How tables are merged. Counts at creation. Default `'leveled'`. */
  compaction?: CompactionStyle
  /** `fifo` alone: milliseconds after which a table is dropped, counted from its flush. Counts at creation. Default: never. */
  ttlMs?: number
  /** `fifo` alone: the oldest tables are dropped beyond so many bytes. Counts at creation. Default: no bound. */
  maxBytes?: number
  /** When a write's promise resolves. Default `'sync'`. */
  durability?: Durability
  /** Opens for reading alone. Several processes may; a writer excludes them. Default false. */
  readOnly?: boolean
  /**
   * `false` keeps the TypeScript engine; `true` demands the native one, which flushes and merges on threads of its own.
   * Default: native where there is one.
   */
  native?: boolean
  /** How keys are given and come back. Default `'utf8'`. */
  keyEncoding?: 'utf8' | 'buffer'
  /** How values are given and come back. Default `'utf8'`. */
  valueEncoding?: Encoding
}

/**
 * A change of a batch. Beside puts and deletions there are changes of a value that is not read for it: see `increment` and
 * `append`. With `tree` it goes to the tree of that name ('' is the default tree), in the batch's encodings.
 */
export type LsmBatchOperation<K = string, V = string> =
  | TreeBatchOperation<K, V>
  | { type: 'increment'; key: K; by: number | bigint; tree?: string }
  | { type: 'append'; key: K; value: V; tree?: string }

/** One named tree of an LSM store. */
export interface LsmTree<K = string, V = string> extends NamedTree<K, V> {
  /**
   * Adds `by` to the integer that the value is the decimal text of, without reading it: a counter costs a write.
   *
   * An absent value, and one that is no integer of 64 bits, counts as 0; sums wrap around at 64 bits. The value is text:
   * read it as `json` (a number, exact up to 2^53) or as `utf8`.
   *
   * @param by - A whole number, a bigint for those of 2^53 or more; negative to subtract. Default 1.
   * @throws INVALID_INPUT for anything else.
   *
   * @example
   * await store.increment('visits')
   * await store.increment('balance', -250n)
   */
  increment(key: K, by?: number | bigint): Promise<void>
  /**
   * Writes `suffix` behind the value, without reading it; an absent value counts as empty. Not for `json` values.
   *
   * A value that grows beyond 512 MiB in this way can no longer be read: INVALID_INPUT, until it is put or deleted.
   */
  append(key: K, suffix: V): Promise<void>
  /**
   * All or nothing. What it does to one key is done in order and comes to one change; one key may not be incremented and
   * appended to without a put or a deletion of it before, in the same batch: INVALID_INPUT.
   */
  batch(operations: readonly LsmBatchOperation<K, V>[]): Promise<void>
  /**
   * Puts many entries into the tree at one instant: tables are written from them beside the store's other work, past memory
   * and log, and nothing of them is seen until all is. They count as written at that instant: over what the tree holds already.
   *
   * @param entries - In the order of their keys' bytes, without duplicates. May be without end in sight: they are not gathered.
   * @returns How many there were, once they are durable. What others write after that instant is not durable before.
   * @throws INVALID_INPUT, with the number of the entry, if a key is not greater than the one before; CONFLICT if the tree was
   *   dropped meanwhile; DISK_FULL. Then nothing of it is there; a tree that was made for it stays, empty.
   *
   * @example
   * await store.ingest(function* () { for (let i = 0; i < 1e6; i++) yield [String(i).padStart(7, '0'), `value ${i}`] }())
   */
  ingest(entries: Entries<K, V>): Promise<number>
  /** Merges what tables hold of a range of this tree, as `compact` of the store does with all. */
  compact(range?: KeyRange<K>): Promise<void>
}

/** Entries that are given one after the other. */
export type Entries<K, V> = Iterable<readonly [K, V]> | AsyncIterable<readonly [K, V]>

/** An open LSM store: its default tree, and everything that concerns the store as a whole. */
export interface Lsm<K = string, V = string> extends TreeStore<K, V>, LsmTree<K, V> {
  batch(operations: readonly LsmBatchOperation<K, V>[]): Promise<void>
  tree<const O extends TreeOptions = object>(name: string, options?: O): LsmTree<KeyOf<O>, ValueOf<O>>
  tree<K2, V2>(name: string, options?: TreeOptions): LsmTree<K2, V2>
  /** Writes what is in memory to a table: after it, reopening replays nothing older than this call. */
  flush(): Promise<void>
  /**
   * Flushes, then merges all tables, or with a range all that hold keys of it in the default tree: nothing deleted or
   * overwritten is left of it that no snapshot shows. In a `fifo` store, which never merges, it drops what is due.
   * @throws CLOSED if the store is closed before it has ended.
   */
  compact(range?: KeyRange<K>): Promise<void>
  /**
   * Makes a store at `path` that holds what has been written up to this call, and perhaps what is written during it. Tables are
   * hard links, or copies where the file system has none or `path` is on another one: then it takes a copy's time and space.
   * Writes go on meanwhile. Resolves when the backup is durable; it opens as any store.
   *
   * @param path - A directory that does not exist, or is empty.
   * @throws ALREADY_EXISTS, READ_ONLY, DISK_FULL, IO, PERMISSION: then nothing is left of it.
   */
  backup(path: string): Promise<void>
  /**
   * Calls `listener` whenever a flush, a merge or a stall has ended: see `LsmEvents`. What it throws ends the process as any
   * error that nobody catches, not the store's work.
   * @returns Ends that.
   *
   * @example
   * const stop = store.on('compaction', ({ level, bytes, milliseconds }) => console.log(level, bytes, milliseconds))
   */
  on<E extends keyof LsmEvents>(event: E, listener: LsmListener<E>): () => void
  stats(): LsmStats
  /** Reads the whole store and checks every rule of the format. @throws CLOSED if the store is closed before it has ended. */
  verify(): Promise<LsmVerifyReport>
}

/** Figures of a store. Bytes and counts; ratios are 0 to 1. All since opening unless they say what is there now. */
export interface LsmStats {
  engine: 'typescript' | 'native'
  path: string
  /** Names of the trees that exist, '' for the default tree. */
  trees: string[]
  /** Levels that hold tables. */
  levels: { level: number; tables: number; bytes: number; entries: number }[]
  tables: number
  tableBytes: number
  /** Of memtables, blocks, filters and indexes together. */
  memory: { limitBytes: number; bytes: number }
  memtable: { bytes: number; entries: number; frozen: number }
  cache: {
    /** What memtables leave it now. */
    capacityBytes: number
    bytes: number
    hits: number
    misses: number
    hitRatio: number
    openFiles: number
  }
  log: LogStats
  position: number
  durablePosition: number
  /** Everything up to this log position is in tables. */
  flushedPosition: number
  flushes: number
  compactions: number
  /** About how many bytes merges have to read before nothing is due any more: how far they are behind. */
  compactionDebtBytes: number
  /** How often writes had to wait for a flush, and for how long altogether. */
  stalls: { count: number; totalMs: number }
  amplification: {
    /** Places that a read of a key that is not there may have to look at. */
    read: number
    /** Bytes written to tables, by flushes and by merges, for each byte of keys and values that a flush took from memory. */
    write: number
    /** Bytes in tables for each byte of the last level: what overwritten and deleted entries take. */
    space: number
  }
  snapshots: { open: number; oldestAgeMs: number }
}

/** What `verify` found. */
export interface LsmVerifyReport {
  ok: boolean
  /** At most 100; each names the file and the broken rule. */
  problems: string[]
  tables: number
  blocks: number
  /** Versions in tables, deletions included. */
  entries: number
}

/** What `repairLsm` found, kept and lost. */
export interface LsmRepairReport {
  /** False: nothing was wrong, and nothing was changed. */
  wasDamaged: boolean
  /** At most 100; each names the file and what is wrong. */
  problems: string[]
  /** `rebuilt`: it was lost, and with it the names of trees. */
  manifest: 'intact' | 'rebuilt'
  /** `cut off`: what came behind the first damaged record is lost. */
  log: 'intact' | 'cut off'
  /** Tables that could be read whole, in part, and not at all. */
  tables: { intact: number; partly: number; lost: number }
  /** Bytes of tables that could not be read. */
  lostBytes: number
  /** The trees that are there now, '' for the default tree. */
  trees: string[]
  /** Names of files that are in `lost/` now. */
  moved: string[]
}
