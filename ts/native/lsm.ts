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
}

/**
 * Opens the store in `path`, which must exist; all threads of the process that open it share one engine.
 * @param onProgress - Called on this thread whenever a position has moved, or the store has failed.
 */
export type NativeOpenLsm = (path: string, options: NativeLsmOptions, onProgress: () => void) => Promise<NativeLsm>
