// The public interface of the append log, its defaults and its bounds.
import { type Durability, type LogStats, MAX_SEGMENT_BYTES } from '../log/types.ts'

/** What `read`, `scan` and `follow` give at once, unless told otherwise. */
export const DEFAULT_READ_BYTES: number = 64 * 1024
/** How often a handle that reads beside a writer looks for more, unless told otherwise. */
export const DEFAULT_POLL_MS = 20
/** The segments of a log grow up to this size, unless told otherwise. */
export const DEFAULT_SEGMENT_BYTES: number = MAX_SEGMENT_BYTES
export const MIN_SEGMENT_BYTES: number = 16 * 1024
export const LARGEST_SEGMENT_BYTES: number = 1024 * 1024 * 1024

/** What a log keeps by itself. What goes are whole segments, the oldest first; the newest one always stays. */
export interface Retention {
  /** The most bytes that its segments may have on disk, 1 or more. Default: no limit. */
  bytes?: number
  /** Records that were appended longer ago than that may go, in milliseconds, 1 or more. Default: never. */
  ageMs?: number
}

/** How to open a log. */
export interface AppendLogOptions {
  /** Make the log if there is none. Default false: a missing log is NOT_FOUND. `'new'`: it must not exist. */
  create?: boolean | 'new'
  /** When an append counts as done. Default `'sync'`. */
  durability?: Durability
  /** Opens for reading, also beside a writer in another thread or process. Takes no lock. Default false. */
  readOnly?: boolean
  /** The size that segments grow to: a multiple of 4,096 from 16 KiB to 1 GiB. Default 64 MiB. */
  segmentBytes?: number
  /** Default: everything stays until `truncateBefore`. */
  retention?: Retention
  /** With `readOnly`: how often `follow` looks for more, in milliseconds from 1 to 60,000. Default 20. */
  pollMs?: number
}

/** How to go through a log. */
export interface FollowOptions {
  /** Ends the iteration, also while it waits. */
  signal?: AbortSignal
  /** The most bytes of a block, as in `read`. Default 64 KiB. */
  maxBytes?: number
}

/**
 * Records one after the other in one piece of memory: `length u32 LE | record`, `count` times. Iterating gives the records
 * as views of `bytes`. Both are often views of a larger piece of up to 256 KiB that was read at once; copy what is kept
 * for long. Transferring them to another thread copies them or, from Node 22 on, is refused.
 */
export interface LogBlock extends Iterable<Uint8Array> {
  readonly bytes: Uint8Array
  readonly count: number
  /** The offset of the first record; of an empty block, the one that was asked for. */
  readonly firstOffset: number
  /** Where to read on: `firstOffset + count`. */
  readonly nextOffset: number
}

/** Figures of a log; those of LogStats count since opening. */
export interface AppendLogStats extends LogStats {
  firstOffset: number
  readableOffset: number
  durableOffset: number
  nextOffset: number
  /** Iterations of `follow` that have not ended. */
  followers: number
}

/** What `verify` found. */
export interface LogVerifyReport {
  segmentCount: number
  /** Records that were read and are whole. */
  recordCount: number
  /** What is wrong, in words with file and offset, at most 100; empty if all is well. */
  problems: string[]
}

/**
 * A durable sequence of records, numbered by offsets 0, 1, 2, ... for the life of the log. One writer; any number of
 * readers, in its thread or others.
 *
 * `firstOffset <= durableOffset <= nextOffset`, and the same for `readableOffset`. A record is *readable* once its append
 * counts as done: with durability `sync` when it is durable, else when it was handed to the kernel. Nothing else is ever
 * shown, so with `sync` nobody sees a record that a power cut could take away.
 *
 * Everything throws CLOSED after `close`, and the failure after a failed write or sync. Offsets that are no whole numbers
 * are INVALID_INPUT.
 */
export interface AppendLog extends AsyncDisposable {
  /** The directory. */
  readonly path: string
  /** The first record that is there, exactly; `nextOffset` if there is none. */
  readonly firstOffset: number
  /** Every record below can be read. */
  readonly readableOffset: number
  /** Every record below is durable. */
  readonly durableOffset: number
  /** What the next record gets, as soon as `append` returns. A reading handle has no other than `readableOffset`. */
  readonly nextOffset: number

  /**
   * Appends one record, or several that are found again all or none. It has happened when the call returns: `nextOffset`
   * has moved, and the bytes were copied. So a pipeline takes `nextOffset` before the call, and who needs to know waits.
   * All who wait at the same time share one fsync. Blocks if more than 16 MiB wait to be written.
   *
   * @param records - Records of any length from 0; together up to 1 GiB.
   * @returns The offset of the first one, once it is as durable as the log was opened for. Rejects with IO ("outcome
   *   unknown") if writing failed; a rejection that nobody looks at is no unhandled one.
   * @throws DISK_FULL, and then nothing has changed; INVALID_INPUT; READ_ONLY.
   *
   * @example
   * const offset = await log.append(Buffer.from('paid 5'))
   */
  append(records: Uint8Array | readonly Uint8Array[]): Promise<number>
  /** Resolves when everything done so far is durable, whatever the durability of the log. */
  flushed(): Promise<void>

  /**
   * The readable records from `from` on, as many as fit in `maxBytes` but at least one. May end earlier, such as at the
   * end of a segment; a block without records means that there is nothing readable at `from` yet. Reads from the device
   * in the calling thread if the kernel has no copy. A first read in the middle of a segment looks at the headers of the
   * frames before it, up to 64 MiB; later ones at 256 KiB at most.
   *
   * @param maxBytes - Default 64 KiB; each record counts with 4 bytes more.
   * @throws NOT_FOUND if `from` is below `firstOffset`; CORRUPTION with file and offset if the bytes are damaged.
   */
  read(from: number, maxBytes?: number): LogBlock
  /** What is readable now from `from` on, in blocks; others get their turn between them. Ends there. */
  scan(from: number, options?: FollowOptions): AsyncIterableIterator<LogBlock>
  /**
   * What is readable from `from` on, then what becomes so. Reads when it is asked for the next block and holds none in
   * memory, so a slow follower costs nothing; one that waits does not keep the process alive. Ends when the signal is
   * aborted or the log is closed.
   *
   * @throws NOT_FOUND if what comes next was removed from the beginning of the log; CONFLICT if it was removed from its end
   *   by `truncateAfter`: then offsets that were given no longer mean the same records.
   */
  follow(from: number, options?: FollowOptions): AsyncIterableIterator<LogBlock>
  /**
   * Where to begin to read everything that was appended at or after `timeMs` (milliseconds since 1970). Exact to a frame,
   * which are the records that were written together: some earlier ones may come first. Times in a log never go back: if
   * the clock does, records count as appended at the latest time so far.
   * @returns `readableOffset` if all records are older.
   */
  offsetAt(timeMs: number): number

  /**
   * Removes the records below `offset`, which becomes `firstOffset`. Their segments go when all records in them are
   * removed.
   * @param offset - Up to `nextOffset`. Below `firstOffset`, nothing happens.
   * @returns When the new beginning is durable.
   * @throws DISK_FULL, and then nothing has changed.
   */
  truncateBefore(offset: number): Promise<void>
  /**
   * Removes the records behind `offset`: the next one gets `offset + 1`. They are gone when the call returns, as with
   * `append`; the promise is durability. After a power cut before that, all of the removed records may be back, or none:
   * never some, and never in place of others.
   * @param offset - From `firstOffset - 1`, which empties the log, to `nextOffset - 1`.
   * @throws DISK_FULL, and then nothing has changed.
   */
  truncateAfter(offset: number): Promise<void>

  /** In a reading handle: looks how far the log has grown. Else does nothing. `read` sees no further than this. */
  refresh(): void
  /** Reads everything readable and checks every checksum. Others get their turn meanwhile. */
  verify(): Promise<LogVerifyReport>
  stats(): AppendLogStats
  /** Ends all iterations, makes everything durable and closes. After a failure it only closes. */
  close(): Promise<void>
}
