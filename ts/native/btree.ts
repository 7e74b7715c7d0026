// The raw calls of the native B-tree beside those of store.ts (native/binding/btree_binding.cc).
import type { NativeDurability, NativeStore, NativeTreeHandle } from './store.ts'

export interface NativeOpenOptions {
  cacheBytes: number
  readOnly: boolean
  durability: (typeof NativeDurability)[keyof typeof NativeDurability]
  intervalMs: number
  checkpointLogBytes: number
  denseCloseBytes: number
  firstSegmentBytes: number
  maxSegmentBytes: number
}

export interface NativeStats {
  capacityPages: number
  residentPages: number
  dirtyPages: number
  hits: number
  misses: number
  appends: number
  frames: number
  syncs: number
  segmentBytes: number
  segmentCount: number
  dataFileBytes: number
  pageCount: number
  freePages: number
  retiredPages: number
  position: number
  durablePosition: number
  checkpointPosition: number
  checkpoints: number
  openSnapshots: number
  oldestSnapshotMs: number
}

/** A snapshot, and what else there is at its moment beside its trees. */
export interface NativeExamination {
  snapshot: number
  cataloguePage: number
  catalogueBirth: number
  pageCount: number
  unused: Float64Array
  /** Page and birth of each page of the list of free pages. */
  listPages: Float64Array
}

/** An open B-tree store, as one thread sees it. */
export interface NativeBTree extends NativeStore {
  readonly pageSizeBytes: number

  /** Undefined, and an error to take, if the tree cannot be read. */
  measure(tree: NativeTreeHandle): { keyCount: number; depth: number } | undefined
  stats(): NativeStats

  /** Its id; FAILED. */
  beginLoad(tree: NativeTreeHandle): number
  /** @param entries - `keyLength u32 | valueLength u32 | key | value`, `count` times. @returns 0 or FAILED. */
  addToLoad(load: number, entries: Uint8Array, count: number): number
  dropLoad(load: number): void
  finishLoad(load: number): Promise<number>

  checkpoint(): Promise<number>
  compact(): Promise<number>
  /** Writes a dense copy of a snapshot to a new file. */
  copyTo(snapshot: number, path: string, uuid: Uint8Array): Promise<number>
  /** Undefined, and an error to take, if there is no snapshot to be had. */
  examine(): NativeExamination | undefined
  /** The bytes that there are of the page; FAILED. */
  readPage(snapshot: number, page: number, target: Uint8Array): number
}

/**
 * Opens the store in `path`, which must exist; all threads of the process that open it share one engine.
 * @param onProgress - Called on this thread whenever a position has moved, or the log has failed.
 */
export type NativeOpen = (path: string, options: NativeOpenOptions, onProgress: () => void) => Promise<NativeBTree>
