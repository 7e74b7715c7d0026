// The handle that writes: the shared log does the writing, this one says where the log begins and what may be read.
import { BedplateError } from '../../base/errors.ts'
import type { Cancel } from '../../io/clock.ts'
import type { DiskFile, DiskLock } from '../../io/disk.ts'
import { checksumSeed } from '../log/frame.ts'
import type { SegmentHeader } from '../log/segment.ts'
import type { Durability, LogStats } from '../log/types.ts'
import type { LogWriter } from '../log/writer.ts'
import { lacks } from '../mutant.ts'
import type { LogPlace } from './block-reader.ts'
import { checkOffset, checkRecords } from './check-options.ts'
import { LogHandle } from './handle.ts'
import { prepareStart, publishStart } from './start.ts'
import type { Retention } from './types.ts'
import { encodeWatermark, WATERMARK_BYTES } from './watermark.ts'

/** What the handle is made of. */
export interface WritableParts extends LogPlace {
  lock: DiskLock
  /** The file `readable`, open for writing. */
  watermark: DiskFile
  firstOffset: number
  durability: Durability
  retention: Retention
}

/** With a retention by age, how often it is looked for old segments: a part of the age, within bounds. */
const AGE_PART = 10
const MIN_LOOK_MS = 1000
const MAX_LOOK_MS = 60_000

/** A log that is written to. Made by `openLogEngine`. */
export class WritableLog extends LogHandle {
  readonly #parts: WritableParts
  readonly #seed: number
  readonly #watermarkBytes = new Uint8Array(WATERMARK_BYTES)
  #log!: LogWriter
  #firstOffset: number
  /** The furthest beginning that was asked for, and the work of getting there, one after the other. */
  #wantedOffset: number
  #moves: Promise<void> = Promise.resolve()
  /** What the file `readable` says now, in short. */
  #published = ''
  /** The last segment when retention was looked after. */
  #lastSegment = 0
  #cancelTimer: Cancel | undefined
  #closed: Promise<void> | undefined

  constructor(parts: WritableParts) {
    super(parts)
    this.#parts = parts
    this.#seed = checksumSeed(parts.uuid)
    this.#firstOffset = parts.firstOffset
    this.#wantedOffset = parts.firstOffset
  }

  /** Begins to write, once the log is open. */
  start(log: LogWriter): void {
    this.#log = log
    log.discardUpTo(this.#firstOffset)
    this.advanced()
    this.#lookForOld()
  }

  get segments(): readonly SegmentHeader[] {
    return this.#log.segments
  }

  get firstOffset(): number {
    return this.#firstOffset
  }

  get readableOffset(): number {
    const { durability, mutant } = this.#parts
    const isSync = durability === 'sync' && !lacks(mutant, 'readable is durable')
    return isSync ? this.#log.durablePosition : this.#log.writtenPosition
  }

  get durableOffset(): number {
    return this.#log.durablePosition
  }

  get nextOffset(): number {
    return this.#log.lastPosition
  }

  append(given: Uint8Array | readonly Uint8Array[]): Promise<number> {
    const { records, bytes } = checkRecords(given)
    this.assertUsable()
    const log = this.#log
    log.reserve(bytes)
    const firstOffset = log.lastPosition
    log.appendBatch(records, bytes)
    const done = log.acknowledged.then(() => firstOffset)
    done.catch(() => {}) // nobody has to listen
    return done
  }

  async flushed(): Promise<void> {
    this.assertUsable()
    await this.#log.flushed()
  }

  async truncateBefore(offset: number): Promise<void> {
    checkOffset(offset, 'truncateBefore: offset')
    this.assertUsable()
    if (offset > this.nextOffset) {
      throw new BedplateError('INVALID_INPUT', `truncateBefore: the log ends at ${this.nextOffset}, before ${offset}`)
    }
    this.#wantedOffset = Math.max(this.#wantedOffset, offset)
    const done = this.#moves.then(() => this.#moveStart(offset))
    this.#moves = done.catch(() => {})
    await done
  }

  async truncateAfter(offset: number): Promise<void> {
    if (offset !== -1) checkOffset(offset, 'truncateAfter: offset')
    this.assertUsable()
    const nextOffset = offset + 1
    if (nextOffset > this.nextOffset) {
      throw new BedplateError(
        'INVALID_INPUT',
        `truncateAfter: the log ends at ${this.nextOffset}, before ${nextOffset}`,
      )
    }
    if (nextOffset < this.#wantedOffset) {
      throw new BedplateError(
        'INVALID_INPUT',
        `truncateAfter: the log begins at ${this.#wantedOffset}, behind ${offset}`,
      )
    }
    if (nextOffset === this.nextOffset) return await this.#log.flushed()
    const done = this.#log.truncateAfter(nextOffset)
    this.#publish() // to readers elsewhere what goes is gone as well
    this.followers.truncate(nextOffset)
    await done
  }

  refresh(): void {
    this.assertUsable() // it always knows
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** Ends as a killed process does: nothing more is written. */
  abandon(): void {
    this.#stop()
    this.#log.abandon()
    this.#parts.watermark.close()
    this.#parts.lock.release()
  }

  /** Something was written, became durable, or failed. */
  advanced(): void {
    if (this.#log === undefined) return // it is still being opened
    this.#publish()
    this.followers.wakeAll()
    const { segment } = this.segments.at(-1) as SegmentHeader
    if (segment === this.#lastSegment) return
    this.#lastSegment = segment
    this.#retain()
  }

  get failure(): Error | undefined {
    return this.#log.failure
  }

  protected get logStats(): LogStats {
    return this.#log.stats()
  }

  protected followerWaits(): void {
    // It will hear from `advanced`.
  }

  protected attempt<T>(read: () => T): T {
    return read()
  }

  /** Tells readers elsewhere how far they may read. */
  #publish(): void {
    const { firstOffset, durableOffset, readableOffset } = this
    const { segment, generation } = this.segments.at(-1) as SegmentHeader
    const summary = `${segment} ${firstOffset} ${durableOffset} ${readableOffset}`
    if (summary === this.#published || this.failure !== undefined) return
    const bytes = this.#watermarkBytes
    encodeWatermark(bytes, { generation, segment, firstOffset, durableOffset, readableOffset }, this.#seed)
    try {
      this.#parts.watermark.write(bytes, 0)
      this.#published = summary
    } catch {
      // Readers elsewhere see less until the next time; nothing depends on it.
    }
  }

  async #moveStart(firstOffset: number): Promise<void> {
    if (firstOffset <= this.#firstOffset) return
    const { disk, directory, uuid, mutant } = this.#parts
    const isEarly = lacks(mutant, 'start before discarding')
    if (isEarly) this.#log.discardUpTo(firstOffset)
    try {
      if (!lacks(mutant, 'flush before start')) await this.#log.flushedTo(firstOffset)
      await prepareStart(disk, directory, { uuid, firstOffset }, mutant)
    } catch (error) {
      if (this.#wantedOffset === firstOffset) this.#wantedOffset = this.#firstOffset
      throw error
    }
    try {
      await publishStart(disk, directory, mutant)
    } catch (error) {
      throw this.#log.poison(error)
    }
    this.#firstOffset = firstOffset
    if (!isEarly) this.#log.discardUpTo(firstOffset)
    this.advanced()
  }

  /** Lets go of segments that are too many or too old. */
  #retain(): void {
    const { bytes = Number.POSITIVE_INFINITY, ageMs = Number.POSITIVE_INFINITY } = this.#parts.retention
    const { segments } = this
    const oldestMs = this.clock.now() - ageMs
    let keptBytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    let dropped = 0
    for (const [i, { sizeBytes }] of segments.slice(0, -1).entries()) {
      // All of its records were written before its successor began.
      const { startMs } = segments[i + 1] as SegmentHeader
      if (keptBytes <= bytes && startMs > oldestMs) break
      keptBytes -= sizeBytes
      dropped++
    }
    const firstOffset = (segments[dropped] as SegmentHeader).firstRecord - 1
    if (dropped === 0 || firstOffset <= this.#wantedOffset) return
    // If the disk is full, the next segment or the next look tries again; any other failure ends the log by itself.
    this.truncateBefore(firstOffset).catch(() => {})
  }

  /** Looks for old segments now and then, also if nothing is appended. */
  #lookForOld(): void {
    const { ageMs } = this.#parts.retention
    if (ageMs === undefined || ageMs === Number.POSITIVE_INFINITY) return
    const waitMs = Math.min(Math.max(ageMs / AGE_PART, MIN_LOOK_MS), MAX_LOOK_MS)
    this.#cancelTimer = this.clock.timer(waitMs, () => {
      if (this.failure === undefined) this.#retain()
      this.#lookForOld()
    })
  }

  #stop(): void {
    this.#cancelTimer?.()
    this.endReading()
  }

  async #close(): Promise<void> {
    this.#stop()
    try {
      await this.#moves
      await this.#log.close()
      if (this.#log.failure === undefined) this.#publish()
    } finally {
      this.#parts.watermark.close()
      this.#parts.lock.release()
    }
  }
}
