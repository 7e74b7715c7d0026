// The log that is written to: gathers records into groups, writes each group as one frame, says when it is durable.
//
// All writing is one generator, `#commit`, so that it has one order. It takes a group, writes its frame, and yields what
// must be synced before it goes on; the next group gathers its records meanwhile. `Work` moves it along.
//
// A new segment is written under a temporary name, its first frame included, and synced; then it gets its name, and the
// directory is synced; then the frame counts as durable. So a segment of the log always starts with a whole frame.
//
// Cutting records off the end is the same: a segment that starts with a frame of no records takes over behind the last
// record that is kept. Its name is what decides between the old end and the new one.
import { assert, BedplateError } from '../../base/errors.ts'
import type { Cancel } from '../../io/clock.ts'
import { lacks } from '../mutant.ts'
import {
  alignUp,
  checksumSeed,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  MAX_AGE_MS,
  PAGE_BYTES,
  RECORD_OVERHEAD_BYTES,
} from './frame.ts'
import { BufferPool, Group } from './group.ts'
import type { Mutant } from './mutant.ts'
import type { SegmentHeader } from './segment.ts'
import { type PoolOptions, SegmentPool } from './segment-pool.ts'
import type { Frame } from './segment-reader.ts'
import { type Durability, type Log, type LogStats, MAX_RECORD_BYTES } from './types.ts'
import { type Steps, type SyncTarget, Work } from './work.ts'

/** Everything the writer takes as given. */
export interface WriterOptions extends PoolOptions {
  uuid: Uint8Array
  durability: Durability
  maxPendingBytes: number
  /** Segments and frames say when they were written. */
  keepsTimes: boolean
  /** Is told whenever records were written or became durable, and of the failure. Must not throw. */
  advanced?: (() => void) | undefined
  mutant?: Mutant | undefined
}

/** Where the writer goes on. */
export interface WriterStart {
  /** The segments that are there, in order. */
  segments: readonly SegmentHeader[]
  /** Names of files that were to become segments. */
  prepared: readonly string[]
  /** The number before that of the first record to be written. All records up to it are durable. */
  lastPosition: number
  /** When the last frame was written; 0 if that is not known. */
  lastMs: number
}

interface Waiter {
  readonly position: number
  /** Means a record behind a truncation that was not durable yet: until it is, other records have that number. */
  readonly isBehindTruncation: boolean
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** With durability `memory`, records are written once so many bytes wait. */
const WRITE_BEHIND_BYTES = 1024 * 1024
const RESOLVED = Promise.resolve()

/** The log of one writer. Made by `openLog`. */
export class LogWriter implements Log {
  readonly #options: WriterOptions
  readonly #seed: number
  readonly #generation: number
  readonly #syncsGroups: boolean
  /** The names in the directory, as something to sync. */
  readonly #names: SyncTarget
  readonly #pool: SegmentPool
  readonly #work: Work
  readonly #buffers = new BufferPool()

  /** Groups to be written, in order. The last one takes records if it is `#open`. */
  readonly #queue: Group[] = []
  #open: Group | undefined
  /** The group of the newest record, and the one that was taken from the queue and is not acknowledged yet. */
  #newest: Group | undefined
  #inFlight: Group | undefined
  #pendingBytes = 0
  /** Records from this number on are held back. */
  #heldFrom = Number.POSITIVE_INFINITY

  // Record numbers: appended, written to a file, durable; and how far somebody waits for a sync.
  #last: number
  #written: number
  #durable: number
  #syncWanted = 0
  #waiters: Waiter[] = []
  /** The last record that a truncation under way keeps. Until it is durable, `#written` and `#durable` mean the old ones. */
  #truncatedTo: number | undefined
  /** When the last frame was written, and when its segment began: milliseconds since 1970. */
  #lastMs: number
  #segmentStartMs = 0
  #cancelTimer: Cancel | undefined

  #state: 'open' | 'closing' | 'closed' = 'open'
  #closed: Promise<void> | undefined
  #failure: BedplateError | undefined
  #appends = 0
  #frames = 0

  constructor(options: WriterOptions, start: WriterStart) {
    const { disk, clock, directory } = options
    this.#options = options
    this.#seed = checksumSeed(options.uuid)
    this.#generation = (start.segments.at(-1)?.generation ?? 0) + 1
    this.#syncsGroups = options.durability === 'sync'
    this.#names = {
      sync: () => disk.syncDirectory(directory),
      syncNow: () => disk.syncDirectoryNow(directory),
    }
    const fail = (error: unknown): Error => this.#fail(error)
    this.#pool = new SegmentPool(options, start.segments, start.prepared, fail)
    // Whoever appends in the same turn of the event loop shares the first group.
    this.#work = new Work({ begin: () => this.#commit(), turn: () => clock.turn(), fail })
    this.#last = start.lastPosition
    this.#written = start.lastPosition
    this.#durable = start.lastPosition
    this.#lastMs = start.lastMs
  }

  get lastPosition(): number {
    return this.#last
  }

  get durablePosition(): number {
    return this.#unlessTruncated(this.#durable)
  }

  /** Every record up to and with this one was handed to the kernel. */
  get writtenPosition(): number {
    return this.#unlessTruncated(this.#written)
  }

  /** The segments that are part of the log, in order. A segment holds records up to the first one of the next. */
  get segments(): readonly SegmentHeader[] {
    return this.#pool.segments
  }

  get failure(): BedplateError | undefined {
    return this.#failure
  }

  get acknowledged(): Promise<void> {
    if (this.#options.durability === 'memory') return RESOLVED
    return this.#newest?.acknowledged ?? RESOLVED
  }

  reserve(bytes: number): void {
    this.#assertUsable()
    if (bytes > MAX_RECORD_BYTES) {
      throw new BedplateError('INVALID_INPUT', `a record may have ${MAX_RECORD_BYTES} bytes, not ${bytes}`)
    }
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#options.maxPendingBytes) this.#relieve(bytes)
    if (!this.#open?.fits(bytes)) this.#provideRoom(bytes)
  }

  append(record: Uint8Array): number {
    const group = this.#open?.fits(record.length) ? this.#open : this.#openGroup(record.length)
    group.append(record)
    this.#pendingBytes += RECORD_OVERHEAD_BYTES + record.length
    this.#appends++
    this.#last++
    if (!this.#work.isAwake) this.#wakeIfDue()
    return this.#last
  }

  /**
   * Appends records that are found again all or none. Like `append`: `reserve` of `bytes` must have succeeded just before.
   * @param bytes - `batchBytes` of them.
   * @returns The number of the last one.
   */
  appendBatch(records: readonly Uint8Array[], bytes: number): number {
    const group = this.#open?.fits(bytes) ? this.#open : this.#openGroup(bytes)
    for (const record of records) group.append(record)
    this.#pendingBytes += RECORD_OVERHEAD_BYTES + bytes
    this.#appends += records.length
    this.#last += records.length
    if (!this.#work.isAwake) this.#wakeIfDue()
    return this.#last
  }

  /**
   * Removes the records after `position`. From now on they are gone and the next record follows `position`; the promise
   * is durability. After a power cut before that, all of them may be back, or none. Blocks only if another truncation is
   * under way.
   * @param position - The last record that stays: above those that were discarded, at most `lastPosition`.
   * @throws DISK_FULL, and then nothing has changed; IO or the standing failure.
   */
  truncateAfter(position: number): Promise<void> {
    this.#assertUsable()
    assert(position <= this.#last, 'what is not there cannot be removed')
    if (this.#truncatedTo !== undefined) this.#work.runNow()
    const before = this.#newest?.segment
    this.#closeGroup()
    this.#pool.provideAfter(before, FRAME_HEADER_BYTES)
    const segment = this.#pool.after(before)
    assert(segment !== undefined, 'a segment was provided')
    const group = new Group(position + 1, segment, this.#buffers.take())
    segment.plannedEnd = group.plannedEnd
    this.#newest = group
    this.#queue.push(group)
    this.#last = position
    this.#truncatedTo = position
    this.#work.wake()
    if (lacks(this.#options.mutant, 'durable truncation')) return RESOLVED
    return this.flushed()
  }

  /** Takes note of a failure elsewhere after which this log cannot go on. @returns What all later calls throw. */
  poison(cause: unknown): BedplateError {
    return this.#fail(cause)
  }

  flushed(): Promise<void> {
    return this.flushedTo(this.#last)
  }

  async flushedTo(position: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const wanted = Math.min(position, this.#last)
    const isBehindTruncation = this.#truncatedTo !== undefined && wanted >= this.#truncatedTo
    if (!isBehindTruncation && wanted <= this.#durable) return
    this.#assertUsable()
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ position: wanted, isBehindTruncation, resolve, reject })
      this.#syncWanted = Math.max(this.#syncWanted, wanted)
      this.#work.wake()
    })
  }

  hold(): void {
    this.#assertUsable()
    if (this.#heldFrom !== Number.POSITIVE_INFINITY) return
    this.#closeGroup()
    this.#heldFrom = this.#last + 1
  }

  release(): void {
    this.#assertUsable()
    this.#heldFrom = Number.POSITIVE_INFINITY
    if (this.#queue.length === 0) return
    if (this.#syncWanted > this.#durable)
      this.#work.wake() // somebody waits for what was held back
    else this.#wakeIfDue()
  }

  discardUpTo(position: number): void {
    this.#assertUsable()
    this.#pool.discardUpTo(position)
  }

  stats(): LogStats {
    return { appends: this.#appends, frames: this.#frames, syncs: this.#work.syncs, ...this.#pool.size }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  abandon(reason = new BedplateError('CLOSED', 'the log was closed: the outcome of this write is unknown')): void {
    if (this.#state === 'closed') return
    this.#rejectAll(reason)
    this.#stop()
    this.#pool.abandon()
  }

  /** Writes again what recovery accepted and cannot know to be durable. Resolves when it is. */
  async rewrite(frames: readonly Frame[]): Promise<void> {
    const payloadBytes = frames.reduce((sum, { payload }) => sum + payload.length, 0)
    this.#provideRoom(payloadBytes)
    const group = this.#openGroup(payloadBytes)
    for (const { header, payload } of frames) group.appendPayload(payload, header.recordCount)
    this.#pendingBytes += payloadBytes
    this.#last = group.lastRecord
    await this.flushed()
  }

  // -- writing, step by step ----------------------------------------------------------------------------------------

  /** Writes and syncs until there is nothing left to do. */
  *#commit(): Steps {
    for (;;) {
      const group = this.#takeGroup()
      if (group !== undefined) {
        if (group.segment !== this.#pool.current) yield* this.#enterSegment(group)
        else this.#writeNext(group)
        if (this.#syncsGroups && this.#durable < group.lastRecord) yield* this.#syncCurrent()
        this.#settle(group)
      } else if (Math.min(this.#syncWanted, this.#written) > this.#durable) {
        yield* this.#syncCurrent()
      } else {
        return
      }
    }
  }

  #takeGroup(): Group | undefined {
    const group = this.#queue[0]
    if (group === undefined || group.firstRecord >= this.#heldFrom) return undefined
    if (group === this.#open) this.#closeGroup()
    this.#inFlight = this.#queue.shift()
    return group
  }

  /** Makes everything durable that was written. */
  *#syncCurrent(): Steps {
    const { mutant } = this.#options
    const { current } = this.#pool
    const upTo = this.#written
    assert(current !== undefined, 'what was written was written to a segment')
    if (!lacks(mutant, 'page alignment')) current.startNewPage()
    if (!lacks(mutant, 'group sync')) yield current.file
    this.#becomeDurable(upTo)
  }

  /** Writes the first frame of a segment and makes it part of the log. */
  *#enterSegment(group: Group): Steps {
    const { mutant, uuid } = this.#options
    const { segment, firstRecord } = group
    const { number, sizeBytes } = segment
    // From now on, a bad frame in the old segment is corruption.
    if (this.#written > this.#durable && !lacks(mutant, 'old segment sync')) yield* this.#syncCurrent()
    // Were its old name to come back after its content has changed, the log would hold a stranger.
    if (segment.hasOldName && !lacks(mutant, 'names before recycling')) yield this.#names
    this.#segmentStartMs = this.#tellTime()
    const startMs = this.#segmentStartMs
    const header = { segment: number, generation: this.#generation, firstRecord, sizeBytes, startMs }
    segment.writeHeader(header, uuid)
    const isLate = lacks(mutant, 'frame before name')
    if (!isLate) this.#writeFrame(group)
    if (!lacks(mutant, 'new segment sync')) yield segment.file
    segment.publish()
    if (!lacks(mutant, 'names after publishing')) yield this.#names
    if (isLate) this.#writeFrame(group)
    if (isLate) yield segment.file
    const truncates = group.recordCount === 0
    this.#pool.enter(segment, header, truncates)
    segment.startNewPage()
    // Only now it has a place from which it can be read.
    this.#written = group.lastRecord
    if (truncates) this.#endTruncation()
    this.#becomeDurable(group.lastRecord)
  }

  /** The removed records are gone: from now on all numbers mean what is there now. */
  #endTruncation(): void {
    this.#truncatedTo = undefined
    this.#syncWanted = Math.max(0, ...this.#waiters.map(({ position }) => position))
  }

  /** Writes a frame behind the others of its segment. */
  #writeNext(group: Group): void {
    this.#writeFrame(group)
    this.#written = group.lastRecord
  }

  #writeFrame(group: Group): void {
    const { segment, firstRecord, recordCount } = group
    const address = { segment: segment.number, generation: this.#generation, offset: segment.nextFrameOffset }
    // Behind a truncation, what had been durable may have larger numbers.
    const durable = Math.min(this.#durable, firstRecord - 1)
    const ageMs = Math.min(this.#tellTime() - this.#segmentStartMs, MAX_AGE_MS)
    encodeFrameHeader(group.frame, { ...address, firstRecord, recordCount, durable, ageMs }, this.#seed)
    segment.writeFrame(this.#syncsGroups ? group.paddedFrame : group.frame)
    this.#frames++
    this.#buffers.giveBack(group.detach())
    // Groups behind this one were planned for the worst; with none, there is nothing to plan for.
    if (!this.#queue.some((other) => other.segment === segment)) segment.plannedEnd = segment.end
    if (segment.isHalfFull) this.#pool.prepareNext()
  }

  #settle(group: Group): void {
    this.#inFlight = undefined
    this.#pendingBytes -= group.payloadBytes
    group.acknowledge()
    const { durability, clock, advanced } = this.#options
    advanced?.()
    if (typeof durability === 'string' || this.#cancelTimer !== undefined || this.#durable >= this.#written) return
    this.#cancelTimer = clock.timer(durability.intervalMs, () => {
      this.#cancelTimer = undefined
      this.#syncWanted = Math.max(this.#syncWanted, this.#written)
      this.#work.wake()
    })
  }

  #becomeDurable(position: number): void {
    this.#durable = position
    this.#options.advanced?.()
    if (this.#waiters.length === 0) return
    const isDone = (waiter: Waiter): boolean => waiter.position <= position && !this.#isTooEarly(waiter)
    const done = this.#waiters.filter(isDone)
    this.#waiters = this.#waiters.filter((waiter) => !isDone(waiter))
    for (const waiter of done) waiter.resolve()
  }

  #isTooEarly({ isBehindTruncation }: Waiter): boolean {
    if (!isBehindTruncation || this.#truncatedTo === undefined) return false
    return !lacks(this.#options.mutant, 'numbers of the truncated')
  }

  /** `position`, or the last record that a truncation under way keeps. */
  #unlessTruncated(position: number): number {
    const { mutant } = this.#options
    if (this.#truncatedTo === undefined || this.#truncatedTo >= position) return position
    return lacks(mutant, 'numbers of the truncated') ? position : this.#truncatedTo
  }

  /** The time in milliseconds since 1970, which never goes back in a log; 0 in one that keeps no times. */
  #tellTime(): number {
    const { clock, keepsTimes } = this.#options
    if (keepsTimes) this.#lastMs = Math.max(this.#lastMs, Math.floor(clock.now()))
    return keepsTimes ? this.#lastMs : 0
  }

  /** With durability `memory`, writing waits until it is worth it, or asked for. */
  #wakeIfDue(): void {
    if (this.#options.durability === 'memory' && this.#pendingBytes < WRITE_BEHIND_BYTES) return
    if ((this.#queue[0] as Group).firstRecord < this.#heldFrom) this.#work.wake()
  }

  // -- room for records ---------------------------------------------------------------------------------------------

  /** Blocks until what is pending is written (and synced, if callers wait for that). */
  #relieve(bytes: number): void {
    this.#work.runNow()
    if (this.#pendingBytes === 0 || this.#pendingBytes + bytes <= this.#options.maxPendingBytes) return
    throw new BedplateError('UNAVAILABLE', `${this.#pendingBytes} bytes of writes are held back: no more fit`)
  }

  #provideRoom(bytes: number): void {
    const segment = this.#newest?.segment
    if (frameBytesFor(bytes) > this.#limitIn(segment)) this.#pool.provideAfter(segment, frameBytesFor(bytes))
  }

  /** The bytes that one more frame may have in `segment`, the one that the newest group goes to. */
  #limitIn(segment: Group['segment'] | undefined): number {
    if (segment === undefined) return 0
    return segment.roomEnd - alignUp(this.#open?.plannedEnd ?? segment.plannedEnd, PAGE_BYTES)
  }

  /** Starts a group for a record of `bytes`, for which there is room. */
  #openGroup(bytes: number): Group {
    this.#assertUsable()
    this.#closeGroup()
    let segment = this.#newest?.segment
    if (segment === undefined || frameBytesFor(bytes) > this.#limitIn(segment)) segment = this.#pool.after(segment)
    assert(segment !== undefined, 'room was reserved before appending')
    const group = new Group(this.#last + 1, segment, this.#buffers.take())
    assert(group.fits(bytes), 'the reserved room is large enough')
    this.#open = group
    this.#newest = group
    this.#queue.push(group)
    return group
  }

  /** Later records go to another group. */
  #closeGroup(): void {
    if (this.#open === undefined) return
    this.#open.segment.plannedEnd = this.#open.plannedEnd
    this.#open = undefined
  }

  // -- the end ------------------------------------------------------------------------------------------------------

  async #close(): Promise<void> {
    if (this.#state === 'closed') return
    try {
      if (this.#failure !== undefined) return
      this.release()
      const flushed = this.flushed()
      this.#state = 'closing'
      await flushed
      if (!(await this.#leaveSmall())) await this.#markClean()
    } finally {
      this.#stop()
      await this.#pool.close()
    }
  }

  /**
   * Has a segment of the first size, with a frame of no records, take over from a large one that nobody needs.
   * @returns False if there is none such, or no space; everything is as it was then.
   */
  async #leaveSmall(): Promise<boolean> {
    const position = this.#last
    const segment = this.#pool.provideSmaller(position)
    if (segment === undefined) return false
    const group = new Group(position + 1, segment, this.#buffers.take())
    try {
      for (const target of this.#enterSegment(group)) await target.sync()
    } catch {
      // Everything is durable; this was for the space. The old segment stays part of the log.
      return true
    }
    this.#pool.discardUpTo(position)
    return true
  }

  /**
   * Writes a frame without records that says that all before it is durable: damage to the last group is then known for
   * what it is. Cuts off what the segment has not used, once that frame is durable: without it a short segment is a
   * damaged one.
   */
  async #markClean(): Promise<void> {
    const segment = this.#pool.current
    if (segment === undefined) return
    try {
      this.#writeFrame(new Group(this.#last + 1, segment, this.#buffers.take()))
      const sizeBytes = segment.smallerSize(this.#options.firstSegmentBytes)
      if (sizeBytes === undefined) return
      if (!lacks(this.#options.mutant, 'closing frame sync')) await segment.file.sync()
      segment.file.truncate(sizeBytes)
    } catch {
      // Everything is durable; this was for the case of later damage, and for the space.
    }
  }

  /** Notes the first failure: what was to be durable may or may not be. @returns The standing failure. */
  #fail(cause: unknown): BedplateError {
    const { directory } = this.#options
    const details = { cause, hint: 'open it again: what had been acknowledged is recovered' }
    this.#failure ??= new BedplateError('IO', `the log in ${directory} failed and takes no more records`, details)
    this.#rejectAll(new BedplateError('IO', `outcome unknown: writing the log in ${directory} failed`, details))
    this.#work.stop()
    this.#options.advanced?.()
    return this.#failure
  }

  #rejectAll(error: Error): void {
    this.#inFlight?.reject(error)
    for (const group of this.#queue) group.reject(error)
    for (const waiter of this.#waiters) waiter.reject(error)
    this.#inFlight = undefined
    this.#queue.length = 0
    this.#waiters = []
    this.#open = undefined
  }

  #stop(): void {
    this.#state = 'closed'
    this.#work.stop()
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#state !== 'open') throw new BedplateError('CLOSED', `the log in ${this.#options.directory} was closed`)
  }
}

/** What to reserve for records that are appended together: as for one record that is as long as all of them. */
export function batchBytes(records: readonly Uint8Array[]): number {
  let bytes = -RECORD_OVERHEAD_BYTES
  for (const record of records) bytes += RECORD_OVERHEAD_BYTES + record.length
  return bytes
}

/** The size of a frame with one record. */
function frameBytesFor(recordBytes: number): number {
  return FRAME_HEADER_BYTES + RECORD_OVERHEAD_BYTES + recordBytes
}
