// What the shared log promises. Bytes: docs/formats/log.md. The rules come from the torn-tail discussion there.
import type { Clock } from '../../io/clock.ts'
import type { Disk } from '../../io/disk.ts'

/**
 * When a write counts as done.
 *
 * | level | the promise resolves when | a power cut loses | a killed process loses |
 * | --- | --- | --- | --- |
 * | `sync` | the group was fsynced | nothing acknowledged | nothing acknowledged |
 * | `{ intervalMs }` | the group was handed to the kernel | up to `intervalMs` and one fsync | nothing acknowledged |
 * | `os` | the group was handed to the kernel | what the kernel had not written back since the last checkpoint | nothing acknowledged |
 * | `memory` | at once | everything since the last checkpoint or `flushed()` | the same |
 */
export type Durability = 'sync' | 'os' | 'memory' | { readonly intervalMs: number }

/** The segments of a new log start at this size and double. */
export const FIRST_SEGMENT_BYTES = 256 * 1024
/** No segment is preallocated larger than this; only a single larger record makes a larger one. */
export const MAX_SEGMENT_BYTES = 64 * 1024 * 1024
/** The most bytes one record may have. */
export const MAX_RECORD_BYTES = 1024 * 1024 * 1024
/** Unwritten bytes at which an append blocks the caller by writing (and syncing) in its thread. */
export const MAX_PENDING_BYTES = 16 * 1024 * 1024

/** How to open a log. */
export interface LogOptions {
  disk: Disk
  clock: Clock
  /** The directory; it must exist. Segments are `log-<number>` in it. */
  directory: string
  /** The store's uuid, 16 bytes: frames of another store are never taken for ours. */
  uuid: Uint8Array
  durability: Durability
  /** Records up to and with this one are known to be kept elsewhere; recovery need not find them. 0: none. */
  keptElsewhere: number
  /** Opens for reading alone: nothing on disk changes, no tail is rewritten. */
  readOnly?: boolean
  /** Called for every record above `keptElsewhere` in order while opening. */
  replay: (sequence: number, record: Uint8Array) => void
  /** Preallocation of the first segment in bytes; default FIRST_SEGMENT_BYTES. Tests use small ones. */
  firstSegmentBytes?: number
  maxSegmentBytes?: number
  maxPendingBytes?: number
}

/** Figures for `stats()`; all since opening unless said otherwise. */
export interface LogStats {
  /** Records appended, frames (groups) written, fsyncs done. */
  appends: number
  frames: number
  syncs: number
  /** Bytes of all live segments on disk, now. */
  segmentBytes: number
  segmentCount: number
}

/**
 * An append-only log of records in segments, with group commit. One writer.
 *
 * Records are numbered 1, 2, 3, ... for the life of the log: the number is the log position of the whole house.
 * A record is applied by its owner when it is appended, and durable when `durablePosition` has reached its number.
 */
export interface Log {
  /** The number of the last appended record; 0 if there never was one. */
  readonly lastPosition: number
  /** Every record up to and with this one is durable. */
  readonly durablePosition: number
  /** Set once a write or an fsync failed. Everything but `close` then throws it. */
  readonly failure: Error | undefined
  /**
   * Makes sure that a record of `bytes` will find its place in preallocated segments. Call it before changing memory.
   * Blocks only if the writer outran preallocation, or if more than `maxPendingBytes` wait to be written.
   * @throws DISK_FULL, and then nothing has changed; IO or the standing failure.
   */
  reserve(bytes: number): void
  /**
   * Appends one record; `reserve` of at least its size must have succeeded just before. Copies the bytes. Never fails.
   * @returns Its number. The group that will carry it is `pending`.
   */
  append(record: Uint8Array): number
  /**
   * The promise of the group that the last appended record belongs to: settles by the durability level.
   * One object for all records of the group; rejects with IO ("outcome unknown") if the group's write or fsync failed.
   * It never causes an unhandled rejection.
   */
  readonly acknowledged: Promise<void>
  /** Resolves when everything appended so far is durable, whatever the durability level. */
  flushed(): Promise<void>
  /** The same for records up to `position`. */
  flushedTo(position: number): Promise<void>
  /** Records appended from now on are kept in memory, not written, until `release`. Earlier ones go on as usual. */
  hold(): void
  /** Ends `hold`. */
  release(): void
  /** Segments whose records are all <= `position` are no longer needed: recycled or removed. */
  discardUpTo(position: number): void
  stats(): LogStats
  /** Writes and syncs what is pending, then closes. After a failure it only closes. */
  close(): Promise<void>
  /**
   * Closes the files at once, without writing anything: for error paths.
   * @param reason - What pending promises reject with.
   */
  abandon(reason?: Error): void
}
