// The log that is written to: groups records into frames, frames into segments, and tells when they are durable.
//
// One generator, `#commit`, does all the work in order: it takes a group, writes its frame, and yields what has to be
// synced before it may go on. Two drivers move it: `#drive` awaits each sync, while the next group gathers its records;
// `#commitNow` blocks, and may take over from the other one in the middle. So there is one order of events, not two.
//
// A new segment is written under a temporary name, its first frame included, and synced; then it gets its name, and the
// directory is synced; then the frame counts as durable. So a segment of the log always starts with a whole frame.
import { assert, BedplateError } from '../../base/errors.ts'
import type { Cancel, Clock } from '../../io/clock.ts'
import { type Disk, joinPath } from '../../io/disk.ts'
import {
  alignUp,
  checksumSeed,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  PAGE_BYTES,
  RECORD_OVERHEAD_BYTES,
} from './frame.ts'
import { BufferPool, Group } from './group.ts'
import { lacks, type Mutant } from './mutant.ts'
import { SEGMENT_HEADER_BYTES, type SegmentHeader, segmentName } from './segment.ts'
import { removeFile, SegmentFile } from './segment-file.ts'
import type { Frame } from './segment-reader.ts'
import { type Durability, type Log, type LogStats, MAX_RECORD_BYTES } from './types.ts'

/** Everything the writer takes as given. */
export interface WriterOptions {
  disk: Disk
  clock: Clock
  directory: string
  uuid: Uint8Array
  durability: Durability
  firstSegmentBytes: number
  maxSegmentBytes: number
  maxPendingBytes: number
  mutant?: Mutant | undefined
}

/** Where the writer goes on. */
export interface WriterStart {
  /** The segments that are there, in order. */
  segments: readonly SegmentHeader[]
  /** Names of files that no one needs; one of them may be recycled. */
  prepared: readonly string[]
  /** The number before that of the first record to be written. All records up to it are durable. */
  lastPosition: number
}

/** What a step of the work waits for. A DiskFile is one. */
interface SyncTarget {
  sync(): Promise<void>
  syncNow(): void
}

type Steps = Generator<SyncTarget, void, void>

interface Waiter {
  readonly position: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Files that wait to become segments; more are removed instead of recycled. */
const MAX_AHEAD = 2
/** With durability `memory`, so many bytes are written behind the caller's back. */
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
  readonly #buffers = new BufferPool()

  /** The segments of the log, in order; the last is the current one, if this writer has written already. */
  readonly #segments: SegmentHeader[]
  #current: SegmentFile | undefined
  /** Files that will be the next segments, in order of their numbers. */
  readonly #ahead: SegmentFile[] = []
  /** The segment that the newest group will be written to. */
  #target: SegmentFile | undefined
  #isPreparing = false

  /** Groups to be written, in order. The last one takes records if it is `#open`. */
  readonly #queue: Group[] = []
  #open: Group | undefined
  /** Groups that were taken from the queue and not acknowledged yet. */
  #inFlight: Group[] = []
  #newest: Group | undefined
  #pendingBytes = 0
  /** Records from this number on are held back. */
  #heldFrom = Number.POSITIVE_INFINITY

  #last: number
  #written: number
  #durable: number
  #syncWanted = 0
  #waiters: Waiter[] = []
  #cancelTimer: Cancel | undefined

  /** The work under way, what it waits for, and a number that changes with each of its steps. */
  #steps: Steps | undefined
  #waitsFor: SyncTarget | undefined
  #step = 0
  #isDriving = false

  #state: 'open' | 'closing' | 'closed' = 'open'
  #closed: Promise<void> | undefined
  #failure: BedplateError | undefined
  readonly #counts = { appends: 0, frames: 0, syncs: 0 }

  constructor(options: WriterOptions, start: WriterStart) {
    const { disk, directory } = options
    this.#options = options
    this.#seed = checksumSeed(options.uuid)
    this.#generation = (start.segments.at(-1)?.generation ?? 0) + 1
    this.#syncsGroups = options.durability === 'sync'
    this.#names = {
      sync: () => disk.syncDirectory(directory),
      syncNow: () => disk.syncDirectoryNow(directory),
    }
    this.#segments = [...start.segments]
    this.#last = start.lastPosition
    this.#written = start.lastPosition
    this.#durable = start.lastPosition
    this.#reusePrepared(start.prepared)
  }

  get lastPosition(): number {
    return this.#last
  }

  get durablePosition(): number {
    return this.#durable
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
    if (!this.#hasRoom(bytes)) this.#makeRoom(bytes)
  }

  append(record: Uint8Array): number {
    const group = this.#open?.fits(record.length) ? this.#open : this.#openGroup(record.length)
    group.append(record)
    this.#pendingBytes += RECORD_OVERHEAD_BYTES + record.length
    this.#counts.appends++
    this.#last++
    if (!this.#isDriving) this.#wakeIfDue()
    return this.#last
  }

  flushed(): Promise<void> {
    return this.flushedTo(this.#last)
  }

  async flushedTo(position: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const wanted = Math.min(position, this.#last)
    if (wanted <= this.#durable) return
    this.#assertUsable()
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ position: wanted, resolve, reject })
      this.#syncWanted = Math.max(this.#syncWanted, wanted)
      this.#wake()
    })
  }

  hold(): void {
    this.#assertUsable()
    if (this.#heldFrom <= this.#last + 1) return
    this.#closeGroup()
    this.#heldFrom = this.#last + 1
  }

  release(): void {
    this.#assertUsable()
    this.#heldFrom = Number.POSITIVE_INFINITY
    if (this.#queue.length > 0) this.#wakeIfDue()
  }

  discardUpTo(position: number): void {
    this.#assertUsable()
    for (;;) {
      const [oldest, successor] = this.#segments
      if (oldest === undefined || successor === undefined || successor.firstRecord - 1 > position) return
      this.#segments.shift()
      this.#recycle(oldest)
    }
  }

  stats(): LogStats {
    const files = [...this.#segments, ...this.#ahead]
    return {
      ...this.#counts,
      segmentBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      segmentCount: this.#segments.length,
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  abandon(): void {
    if (this.#state === 'closed') return
    this.#rejectAll(new BedplateError('CLOSED', 'the log was closed: the outcome of this write is unknown'))
    this.#letGo(false)
  }

  /** Writes again what recovery accepted and cannot know to be durable. Resolves when it is. */
  async rewrite(frames: readonly Frame[]): Promise<void> {
    const payloadBytes = frames.reduce((sum, { payload }) => sum + payload.length, 0)
    this.#makeRoom(payloadBytes)
    const group = this.#openGroup(payloadBytes)
    for (const { header, payload } of frames) group.appendPayload(payload, header.recordCount)
    this.#pendingBytes += payloadBytes
    this.#last = group.lastRecord
    await this.flushed()
  }

  // -- the work, step by step -------------------------------------------------------------------------------------

  /** Writes and syncs until there is nothing left to do. */
  *#commit(): Steps {
    for (;;) {
      const group = this.#takeGroup()
      if (group !== undefined) {
        this.#inFlight.push(group)
        if (group.segment !== this.#current) yield* this.#enterSegment(group)
        else this.#writeFrame(group)
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
    return this.#queue.shift()
  }

  /** Makes everything durable that was written. */
  *#syncCurrent(): Steps {
    const { mutant } = this.#options
    const segment = this.#current
    const upTo = this.#written
    assert(segment !== undefined, 'what was written was written to a segment')
    if (!lacks(mutant, 'page alignment')) segment.startNewPage()
    if (!lacks(mutant, 'group sync')) yield segment.file
    this.#becomeDurable(upTo)
  }

  /** Writes the first frame of a segment and makes it part of the log. */
  *#enterSegment(group: Group): Steps {
    const { mutant, uuid } = this.#options
    const { segment, firstRecord } = group
    const previous = this.#current
    // From now on, a bad frame in the old segment is corruption.
    if (this.#written > this.#durable && !lacks(mutant, 'old segment sync')) yield* this.#syncCurrent()
    // Were its old name to come back after its content has changed, the log would hold a stranger.
    if (segment.recycled && !lacks(mutant, 'names before recycling')) yield this.#names
    const isEarly = lacks(mutant, 'rewrite before name')
    segment.writeHeader({ generation: this.#generation, firstRecord }, uuid)
    if (!isEarly) this.#writeFrame(group)
    if (!lacks(mutant, 'new segment sync')) yield segment.file
    segment.publish()
    if (!lacks(mutant, 'names after publishing')) yield this.#names
    if (isEarly) this.#writeFrame(group)

    this.#ahead.splice(this.#ahead.indexOf(segment), 1)
    this.#current = segment
    const { number, sizeBytes } = segment
    this.#segments.push({ segment: number, generation: this.#generation, firstRecord, sizeBytes })
    previous?.file.close()
    if (isEarly) yield segment.file
    segment.startNewPage()
    this.#becomeDurable(group.lastRecord)
  }

  #writeFrame(group: Group): void {
    const { segment, firstRecord, recordCount } = group
    const durable = this.#durable
    const address = { segment: segment.number, generation: this.#generation, offset: segment.nextFrameOffset }
    encodeFrameHeader(group.frame, { ...address, firstRecord, recordCount, durable }, this.#seed)
    segment.writeFrame(this.#syncsGroups ? group.paddedFrame : group.frame)
    this.#written = group.lastRecord
    this.#counts.frames++
    this.#buffers.giveBack(group.detach())
    // Groups behind this one were planned for the worst; with none, there is nothing to plan for.
    if (!this.#queue.some((other) => other.segment === segment)) segment.plannedEnd = segment.end
    if (segment.isHalfFull) this.#prepareNext()
  }

  #settle(group: Group): void {
    this.#inFlight = this.#inFlight.filter((other) => other !== group)
    this.#pendingBytes -= group.payloadBytes
    group.acknowledge()
    const { durability, clock } = this.#options
    if (typeof durability === 'string' || this.#cancelTimer !== undefined || this.#durable >= this.#written) return
    this.#cancelTimer = clock.timer(durability.intervalMs, () => {
      this.#cancelTimer = undefined
      this.#syncWanted = Math.max(this.#syncWanted, this.#written)
      this.#wake()
    })
  }

  #becomeDurable(position: number): void {
    // A blocking sync may have overtaken the one that ends here.
    if (position <= this.#durable) return
    this.#durable = position
    if (this.#waiters.length === 0) return
    const done = this.#waiters.filter((waiter) => waiter.position <= position)
    this.#waiters = this.#waiters.filter((waiter) => waiter.position > position)
    for (const waiter of done) waiter.resolve()
  }

  // -- the drivers of the work ------------------------------------------------------------------------------------

  /** With durability `memory`, writing waits until it is worth it, or asked for. */
  #wakeIfDue(): void {
    if (this.#options.durability === 'memory' && this.#pendingBytes < WRITE_BEHIND_BYTES) return
    if (this.#last < this.#heldFrom || (this.#queue[0] as Group).firstRecord < this.#heldFrom) this.#wake()
  }

  #wake(): void {
    if (this.#isDriving) return
    this.#isDriving = true
    void this.#drive()
  }

  /** Does the work, awaiting each sync. */
  async #drive(): Promise<void> {
    try {
      // Whoever writes in this turn of the event loop shares the first group.
      await this.#options.clock.turn()
      for (let target = this.#goOn(); target !== undefined; target = this.#goOn()) {
        const step = this.#step
        await target.sync()
        this.#counts.syncs++
        // If a blocking caller has taken over meanwhile, this sync is of no more meaning.
        if (step === this.#step) this.#advance()
      }
    } catch (error) {
      this.#fail(error)
    }
    this.#isDriving = false
  }

  /** Does the work at once, blocking. @throws The failure of the log, if it fails. */
  #commitNow(): void {
    try {
      for (let target = this.#goOn(); target !== undefined; target = this.#goOn()) {
        target.syncNow()
        this.#counts.syncs++
        this.#advance()
      }
    } catch (error) {
      throw this.#fail(error)
    }
  }

  /** What the work waits for, after starting it if need be; undefined if there is none. */
  #goOn(): SyncTarget | undefined {
    if (this.#waitsFor === undefined && this.#isAlive) {
      this.#steps = this.#commit()
      this.#advance()
    }
    return this.#waitsFor
  }

  #advance(): void {
    this.#step++
    const next = this.#steps?.next()
    this.#waitsFor = next === undefined || next.done ? undefined : next.value
  }

  get #isAlive(): boolean {
    return this.#state !== 'closed' && this.#failure === undefined
  }

  // -- room for records -------------------------------------------------------------------------------------------

  /** Blocks until what is pending is written (and synced, if callers wait for that). */
  #relieve(bytes: number): void {
    this.#commitNow()
    if (this.#pendingBytes === 0 || this.#pendingBytes + bytes <= this.#options.maxPendingBytes) return
    throw new BedplateError('UNAVAILABLE', `${this.#pendingBytes} bytes of writes are held back: no more fit`)
  }

  #hasRoom(bytes: number): boolean {
    if (this.#open?.fits(bytes)) return true
    if (this.#target === undefined) return false
    return frameBytesFor(bytes) <= this.#limitIn(this.#target)
  }

  /** The bytes that one more frame in `segment` may have. */
  #limitIn(segment: SegmentFile): number {
    if (this.#open !== undefined && this.#open.segment === segment) {
      return this.#open.limitBytes - alignUp(this.#open.frameBytes, PAGE_BYTES)
    }
    return segment.sizeBytes - alignUp(segment.plannedEnd, PAGE_BYTES)
  }

  /** Sees to it that the segment after `#target` is there and has room for a frame with one record of `bytes`. */
  #makeRoom(bytes: number): void {
    const neededBytes = alignUp(SEGMENT_HEADER_BYTES + frameBytesFor(bytes), PAGE_BYTES)
    const place = this.#target === undefined ? 0 : this.#ahead.indexOf(this.#target) + 1
    if ((this.#ahead[place]?.sizeBytes ?? neededBytes) < neededBytes) {
      for (const segment of this.#ahead.splice(place)) segment.drop()
    }
    const segment = this.#ahead[place] ?? this.#createAhead(Math.max(this.#nextSizeBytes, neededBytes))
    try {
      while (!segment.isFilled) segment.fillSome()
    } catch (error) {
      this.#dropAhead(segment)
      throw error
    }
  }

  /** Starts a group for a record of `bytes`, for which there is room. */
  #openGroup(bytes: number): Group {
    this.#assertUsable()
    this.#closeGroup()
    let segment = this.#target
    if (segment === undefined || frameBytesFor(bytes) > this.#limitIn(segment)) {
      segment = this.#ahead[segment === undefined ? 0 : this.#ahead.indexOf(segment) + 1]
      assert(segment?.isFilled === true, 'room was reserved before appending')
    }
    const group = new Group(this.#last + 1, segment, this.#limitIn(segment), this.#buffers.take())
    assert(group.fits(bytes), 'the reserved room is large enough')
    this.#target = segment
    this.#open = group
    this.#newest = group
    this.#queue.push(group)
    return group
  }

  /** Later records go to another group. */
  #closeGroup(): void {
    const group = this.#open
    if (group === undefined) return
    this.#open = undefined
    group.segment.plannedEnd = group.segment.sizeBytes - group.limitBytes + group.frameBytes
  }

  // -- segments to come, and segments that have gone ---------------------------------------------------------------

  get #nextNumber(): number {
    return (this.#ahead.at(-1)?.number ?? this.#segments.at(-1)?.segment ?? 0) + 1
  }

  /** Sizes double from segment to segment, starting anew with each writer: a store that is little used stays small. */
  get #nextSizeBytes(): number {
    const { firstSegmentBytes, maxSegmentBytes } = this.#options
    const newest = this.#ahead.at(-1) ?? this.#current
    return newest === undefined ? firstSegmentBytes : Math.min(newest.sizeBytes * 2, maxSegmentBytes)
  }

  #createAhead(sizeBytes: number): SegmentFile {
    const { disk, directory } = this.#options
    const segment = SegmentFile.create(disk, { directory, number: this.#nextNumber }, sizeBytes)
    this.#ahead.push(segment)
    return segment
  }

  #dropAhead(segment: SegmentFile): void {
    const at = this.#ahead.indexOf(segment)
    if (at >= 0) this.#ahead.splice(at, 1)
    segment.drop()
  }

  #prepareNext(): void {
    if (this.#isPreparing || this.#ahead.length > 0) return
    this.#isPreparing = true
    void this.#fillInBackground()
  }

  /** Preallocates the next segment a piece at a time. Whatever fails here, `reserve` tries again and tells. */
  async #fillInBackground(): Promise<void> {
    let segment: SegmentFile | undefined
    try {
      segment = this.#createAhead(this.#nextSizeBytes)
      while (!segment.isFilled) {
        await this.#options.clock.turn()
        if (!this.#isAlive || !this.#ahead.includes(segment)) return
        if (!segment.isFilled) segment.fillSome()
      }
      // Its first frame should not have to wait for all of the zeros.
      await segment.file.sync()
      this.#counts.syncs++
    } catch (error) {
      if (segment !== undefined && this.#isAlive) this.#prepareFailed(segment, error)
    } finally {
      this.#isPreparing = false
    }
  }

  #prepareFailed(segment: SegmentFile, error: unknown): void {
    const isUnused = this.#ahead.includes(segment) && this.#target !== segment
    if (isUnused) this.#dropAhead(segment)
    else if (segment === this.#current || segment === this.#target) this.#fail(error)
  }

  /** Lets go of a segment that nobody needs: its space becomes the next segment's, or is given back. */
  #recycle({ segment, sizeBytes }: SegmentHeader): void {
    const { disk, directory, maxSegmentBytes } = this.#options
    const name = segmentName(segment)
    const isUseful = this.#ahead.length < MAX_AHEAD && sizeBytes >= this.#nextSizeBytes && sizeBytes <= maxSegmentBytes
    if (!isUseful || !this.#reuse(name, sizeBytes)) removeFile(disk, joinPath(directory, name))
  }

  /** @returns False if the file could not be reused. */
  #reuse(name: string, sizeBytes: number): boolean {
    const { disk, directory } = this.#options
    try {
      const segment = SegmentFile.recycle(disk, { directory, number: this.#nextNumber }, { name, sizeBytes })
      if (segment !== undefined) this.#ahead.push(segment)
      return segment !== undefined
    } catch {
      return false // There are other ways to get a segment.
    }
  }

  /**
   * Clears away what an earlier writer had prepared, and reuses one file of it. Its number has never been part of the
   * log, so no frame in it can pass for one of ours; without any segment to count from, that would not be certain.
   */
  #reusePrepared(names: readonly string[]): void {
    const { disk, directory, firstSegmentBytes } = this.#options
    for (const name of names) {
      const isWanted = this.#segments.length > 0 && this.#ahead.length === 0
      if (!isWanted || !this.#reuse(name, firstSegmentBytes)) removeFile(disk, joinPath(directory, name))
    }
  }

  // -- the end ----------------------------------------------------------------------------------------------------

  async #close(): Promise<void> {
    if (this.#state === 'closed') return
    try {
      if (this.#failure !== undefined) return
      this.release()
      const flushed = this.flushed()
      this.#state = 'closing'
      await flushed
      this.#markClean()
    } finally {
      this.#letGo(true)
    }
  }

  /**
   * Writes a frame without records that says that all before it is durable: damage to the last group is then known for
   * what it is. It need not be durable itself. Cuts off what the segment has not used.
   */
  #markClean(): void {
    const segment = this.#current
    if (segment === undefined) return
    try {
      if (this.#limitIn(segment) >= PAGE_BYTES) {
        const group = new Group(this.#last + 1, segment, PAGE_BYTES, this.#buffers.take())
        this.#writeFrame(group)
      }
      segment.shrink(this.#options.firstSegmentBytes)
    } catch {
      // Everything is durable; this was for the case of later damage only.
    }
  }

  #letGo(isClean: boolean): void {
    this.#stop()
    this.#state = 'closed'
    this.#current?.file.close()
    const { firstSegmentBytes } = this.#options
    for (const [i, segment] of this.#ahead.splice(0).entries()) {
      // One file of the first size is left for the next writer.
      const isKept = i === 0 && segment.isFilled && segment.sizeBytes === firstSegmentBytes
      if (!isClean || isKept) segment.file.close()
      else segment.drop()
    }
  }

  /** Notes the first failure: what was to be durable may or may not be. @returns The standing failure. */
  #fail(cause: unknown): BedplateError {
    const hint = 'open it again: what had been acknowledged is recovered'
    const { directory } = this.#options
    this.#failure ??= new BedplateError('IO', `the log in ${directory} failed and takes no more records`, {
      cause,
      hint,
    })
    this.#rejectAll(new BedplateError('IO', `outcome unknown: writing the log in ${directory} failed`, { cause, hint }))
    this.#stop()
    return this.#failure
  }

  #rejectAll(error: BedplateError): void {
    for (const group of [...this.#inFlight, ...this.#queue]) group.reject(error)
    for (const waiter of this.#waiters) waiter.reject(error)
    this.#inFlight = []
    this.#queue.length = 0
    this.#waiters = []
    this.#open = undefined
  }

  #stop(): void {
    this.#step++
    this.#steps = undefined
    this.#waitsFor = undefined
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#state !== 'open') throw new BedplateError('CLOSED', `the log in ${this.#options.directory} was closed`)
  }
}

function frameBytesFor(recordBytes: number): number {
  return FRAME_HEADER_BYTES + RECORD_OVERHEAD_BYTES + recordBytes
}
