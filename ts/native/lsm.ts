// The raw calls of the native LSM store beside those of store.ts (native/binding/lsm_binding.cc).
import type { NativeDurability, NativeStore, NativeTreeHandle } from './store.ts'

export interface NativeLsmOptions {
  readOnly: boolean
  durability: (typeof NativeDurability)[keyof typeof NativeDurability]
  intervalMs: number
  memtableBytes: number
  memoryBytes: number
  maxOpenFiles: number
  tableBytes: number
  level0Tables: number
  levelBytes: number
  firstSegmentBytes: number
  maxSegmentBytes: number
}

/** Figures since opening, unless they say what is there now; as LsmStats. */
export interface NativeLsmStats {
  levels: { level: number; tables: number; bytes: number; entries: number }[]
  /** What a read of a key that is not there may have to look at, memtables included. */
  runs: number
  /** Of memtables, blocks, filters and indexes together. */
  memoryBytes: number
  memtableBytes: number
  memtableEntries: number
  frozenMemtables: number
  cacheCapacityBytes: number
  cacheBytes: number
  cacheHits: number
  cacheMisses: number
  openFiles: number
  appends: number
  frames: number
  syncs: number
  segmentBytes: number
  segmentCount: number
  position: number
  durablePosition: number
  flushedPosition: number
  flushes: number
  compactions: number
  compactionDebtBytes: number
  flushedBytes: number
  writtenBytes: number
  stallCount: number
  stallMs: number
  openSnapshots: number
  oldestSnapshotMs: number
}

/** Something that has ended by itself: a flush, a compaction of one of three kinds, or a stall. */
export interface NativeLsmEvent {
  kind: 'flush' | 'merge' | 'move' | 'drop' | 'stall'
  level: number
  inputBytes: number
  bytes: number
  milliseconds: number
}

/** An open LSM store, as one thread sees it. */
export interface NativeLsm extends NativeStore {
  stats(): NativeLsmStats
  flush(): Promise<number>
  compact(): Promise<number>
  /** Flushes, and merges what tables hold of a range; flags as those of `walk`. */
  compactRange(tree: NativeTreeHandle, lower: Uint8Array, upper: Uint8Array, flags: number): Promise<number>
  /** Keeps the files of all tables until they are released. @returns An id; FAILED. */
  holdTables(): number
  /** The manifest that names the tables which are held. */
  heldManifest(held: number): Uint8Array
  releaseTables(held: number): void
  /** The id of a tree, which is made if there is none; FAILED. */
  treeFor(tree: NativeTreeHandle): number
  /** The number of a table that is to be made. */
  takeTableNumber(): number
  /**
   * Puts tables above all that there is. Log records are held back from there on until the manifest of the store names them,
   * as it does once `flushFrozen` succeeds.
   * @param id - That of the tree when the tables were made.
   * @param manifest - Names the tables, in level 1.
   * @returns The position; FAILED, and then nothing has changed and the tables are the caller's.
   */
  ingest(tree: NativeTreeHandle, id: number, manifest: Uint8Array): number
  /** The sync of a table has failed, which ends the work of the store. */
  failedSync(message: string): void
  /** Waits until what is frozen or ingested by now is in tables that the manifest names; rejects with DISK_FULL, and others. */
  flushFrozen(): Promise<number>
  /** Log records from this one on are held back; Infinity if none are. */
  heldFrom(): number
  /** 1 if log records are held back, and there is no space for what would end that. */
  waitsForSpace(): number
  /** What has ended since the last call, or since this thread opened the store: the last thousand of that at most. */
  takeEvents(): NativeLsmEvent[] | undefined
}

/**
 * Opens the store in `path`, which must exist; all threads of the process that open it share one engine.
 * @param onProgress - Called on this thread whenever a position has moved, or the store has failed.
 */
export type NativeOpenLsm = (path: string, options: NativeLsmOptions, onProgress: () => void) => Promise<NativeLsm>
