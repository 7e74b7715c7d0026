// The segments of a log: those that are part of it, the one being written, and the files that will come next.
import type { Clock } from '../../io/clock.ts'
import { type Disk, joinPath } from '../../io/disk.ts'
import { alignUp, PAGE_BYTES } from './frame.ts'
import { preparedName, SEGMENT_HEADER_BYTES, type SegmentHeader, segmentName } from './segment.ts'
import { removeFile, SegmentFile } from './segment-file.ts'

/** What the pool takes as given. */
export interface PoolOptions {
  disk: Disk
  clock: Clock
  directory: string
  firstSegmentBytes: number
  maxSegmentBytes: number
}

/** Files that wait to become segments; more are removed instead of recycled. */
const MAX_AHEAD = 2

/** Owns the files of a log. */
export class SegmentPool {
  readonly #options: PoolOptions
  readonly #fail: (error: unknown) => void
  /** The segments of the log, in order; the last is `current`, if there is one. */
  readonly #segments: SegmentHeader[]
  #current: SegmentFile | undefined
  /** Files that will be the next segments, in order of their numbers. */
  readonly #ahead: SegmentFile[] = []
  /** Those of them that have to be there, since records were promised a place in them. */
  readonly #promised = new Set<SegmentFile>()
  /** The preparation under way, which never rejects. */
  #preparing: Promise<void> | undefined
  /** Nobody needs records up to this one. */
  #discardedUpTo = 0
  #isClosed = false

  /**
   * @param segments - The segments that are there, in order.
   * @param prepared - Names of files that never became segments. They are removed; one may be recycled.
   * @param fail - Is told of a failed sync of a segment that is in use.
   */
  constructor(
    options: PoolOptions,
    segments: readonly SegmentHeader[],
    prepared: readonly string[],
    fail: (error: unknown) => void,
  ) {
    this.#options = options
    this.#fail = fail
    this.#segments = [...segments]
    this.#reusePrepared(prepared)
  }

  /** The segment that frames go to; undefined until this pool has published one. */
  get current(): SegmentFile | undefined {
    return this.#current
  }

  /** The segments that are part of the log, in order. */
  get segments(): readonly SegmentHeader[] {
    return this.#segments
  }

  /** How many segments are part of the log, and the bytes of all files. */
  get size(): { segmentCount: number; segmentBytes: number } {
    const files = [...this.#segments, ...this.#ahead]
    return {
      segmentCount: this.#segments.length,
      segmentBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    }
  }

  /** The segment after `segment`; undefined if there is none, or not all of its space yet. */
  after(segment: SegmentFile | undefined): SegmentFile | undefined {
    const next = this.#ahead[this.#placeAfter(segment)]
    return next?.isFilled ? next : undefined
  }

  /**
   * Sees to it that there is a segment after `segment`, with room for a frame of `frameBytes`. Blocks to preallocate.
   * @throws DISK_FULL or what else the disk says; nothing has changed then.
   */
  provideAfter(segment: SegmentFile | undefined, frameBytes: number): void {
    const neededBytes = alignUp(SEGMENT_HEADER_BYTES + frameBytes, PAGE_BYTES) + PAGE_BYTES
    const place = this.#placeAfter(segment)
    if ((this.#ahead[place]?.sizeBytes ?? neededBytes) < neededBytes) {
      for (const tooSmall of this.#ahead.splice(place)) tooSmall.drop()
    }
    const next = this.#ahead[place] ?? this.#create(Math.max(this.#nextSizeBytes, neededBytes))
    try {
      // What a writer before left is filled again: by then it has lost the name it had.
      if (next.hasOldName && !next.isFilled) this.#loseOldName(next)
      while (!next.isFilled) next.fillSome()
      this.#promised.add(next)
    } catch (error) {
      this.#drop(next)
      throw error
    }
  }

  /**
   * Sees to it that the next segment is one of the first size, if nobody needs records up to `lastPosition`, the last one,
   * and the newest segment takes more than that. Blocks to preallocate.
   * @returns undefined if that is not so, or the segment cannot be had.
   */
  provideSmaller(lastPosition: number): SegmentFile | undefined {
    const { firstSegmentBytes } = this.#options
    const usedBytes = this.#current?.usedBytes ?? this.#segments.at(-1)?.sizeBytes ?? 0
    if (this.#discardedUpTo < lastPosition || usedBytes <= firstSegmentBytes) return undefined
    for (const other of this.#ahead.splice(0)) other.drop()
    try {
      const segment = this.#create(firstSegmentBytes)
      while (!segment.isFilled) segment.fillSome()
      return segment
    } catch {
      for (const failed of this.#ahead.splice(0)) failed.drop()
      return undefined
    }
  }

  /**
   * Makes the first of the files to come the current segment, after it got its name.
   * @param truncates - It cuts off what came from its first record on: segments that hold nothing else are void, and go.
   */
  enter(segment: SegmentFile, header: SegmentHeader, truncates: boolean): void {
    this.#ahead.shift()
    this.#promised.delete(segment)
    const firstVoid = truncates ? this.#segments.findIndex((other) => other.firstRecord >= header.firstRecord) : -1
    const voided = firstVoid < 0 ? [] : this.#segments.splice(firstVoid)
    this.#segments.push(header)
    this.#current?.file.close()
    this.#current = segment
    for (const other of voided) this.#discard(other)
  }

  /** Makes the next segment ready in the background, if none is. */
  prepareNext(): void {
    if (this.#preparing !== undefined || this.#ahead.length > 0) return
    this.#preparing = this.#prepareInBackground().finally(() => {
      this.#preparing = undefined
    })
  }

  /** Lets go of the segments all of whose records are at or below `position`, except for the newest. */
  discardUpTo(position: number): void {
    this.#discardedUpTo = Math.max(this.#discardedUpTo, position)
    for (;;) {
      const [oldest, successor] = this.#segments
      if (oldest === undefined || successor === undefined || successor.firstRecord - 1 > position) return
      this.#segments.shift()
      this.#discard(oldest)
    }
  }

  /** Closes the files, and nothing else. */
  abandon(): void {
    this.#isClosed = true
    this.#current?.file.close()
    for (const segment of this.#ahead.splice(0)) segment.file.close()
  }

  /**
   * Closes the files and gives back unused space. One file of the first size stays for the next writer. Resolves when
   * nothing is under way any more.
   */
  async close(): Promise<void> {
    const { firstSegmentBytes } = this.#options
    const hasSpace = ({ isFilled, hasOldName }: SegmentFile): boolean => isFilled || hasOldName
    const kept = this.#ahead.find((segment) => hasSpace(segment) && segment.sizeBytes === firstSegmentBytes)
    for (const segment of this.#ahead) if (segment !== kept) segment.drop()
    this.abandon()
    await this.#preparing
  }

  #placeAfter(segment: SegmentFile | undefined): number {
    return segment === undefined ? 0 : this.#ahead.indexOf(segment) + 1
  }

  get #nextNumber(): number {
    return (this.#ahead.at(-1)?.number ?? this.#segments.at(-1)?.segment ?? 0) + 1
  }

  /** Sizes double from segment to segment, starting anew with each writer: a store that is little used stays small. */
  get #nextSizeBytes(): number {
    const { firstSegmentBytes, maxSegmentBytes } = this.#options
    const newest = this.#ahead.at(-1) ?? this.#current
    return newest === undefined ? firstSegmentBytes : Math.min(newest.sizeBytes * 2, maxSegmentBytes)
  }

  #create(sizeBytes: number): SegmentFile {
    const { disk, directory } = this.#options
    const segment = SegmentFile.create(disk, { directory, number: this.#nextNumber }, sizeBytes)
    this.#ahead.push(segment)
    return segment
  }

  /** Were the old name to come back after the content has changed, the log would hold a stranger. */
  #loseOldName(segment: SegmentFile): void {
    const { disk, directory } = this.#options
    disk.syncDirectoryNow(directory)
    segment.hasOldName = false
  }

  #drop(segment: SegmentFile): void {
    const at = this.#ahead.indexOf(segment)
    if (at >= 0) this.#ahead.splice(at, 1)
    segment.drop()
  }

  /** Preallocates a piece at a time. Whatever fails before records depend on it, `provideAfter` tries again and tells. */
  async #prepareInBackground(): Promise<void> {
    let segment: SegmentFile | undefined
    try {
      segment = this.#create(this.#nextSizeBytes)
      while (!segment.isFilled) {
        await this.#options.clock.turn()
        if (this.#isClosed || !this.#ahead.includes(segment)) return
        if (!segment.isFilled) segment.fillSome()
      }
      // Its first frame should not have to wait for all of the zeros.
      await segment.file.sync()
    } catch (error) {
      if (segment !== undefined && !this.#isClosed) this.#prepareFailed(segment, error)
    }
  }

  #prepareFailed(segment: SegmentFile, error: unknown): void {
    if (segment === this.#current || this.#promised.has(segment)) this.#fail(error)
    else if (this.#ahead.includes(segment)) this.#drop(segment)
  }

  /** The space of a segment that nobody needs becomes the next segment's, or is given back. */
  #discard({ segment, sizeBytes }: SegmentHeader): void {
    const { disk, directory, maxSegmentBytes } = this.#options
    const name = segmentName(segment)
    const isUseful = this.#ahead.length < MAX_AHEAD && sizeBytes >= this.#nextSizeBytes && sizeBytes <= maxSegmentBytes
    // It was part of the log, so its space is durable.
    const isRecycled = isUseful && this.#recycle({ name, sizeBytes, isSpaceDurable: true })
    if (!isRecycled) removeFile(disk, joinPath(directory, name))
  }

  /** @returns False if the file could not be reused. */
  #recycle(from: { name: string; sizeBytes: number; isSpaceDurable: boolean }): boolean {
    const { disk, directory } = this.#options
    try {
      const segment = SegmentFile.recycle(disk, { directory, number: this.#nextNumber }, from)
      if (segment !== undefined) this.#ahead.push(segment)
      return segment !== undefined
    } catch {
      return false // There are other ways to get a segment.
    }
  }

  /**
   * A prepared file bears a number that was never part of the log, and what an earlier life left in it bears a smaller
   * one, so no frame in it can pass for one of ours. Without any segment to count from, that would not be certain. It may
   * be here because a sync of it failed: then its space is only in memory, and no later sync makes it durable unless it
   * is written again.
   */
  #reusePrepared(names: readonly string[]): void {
    const { disk, directory, firstSegmentBytes } = this.#options
    for (const name of names) {
      // The one that was recycled may have taken the name of another, and its place with it.
      if (this.#ahead.some(({ number }) => preparedName(number) === name)) continue
      const isWanted = this.#segments.length > 0 && this.#ahead.length === 0
      const from = { name, sizeBytes: firstSegmentBytes, isSpaceDurable: false }
      if (!isWanted || !this.#recycle(from)) removeFile(disk, joinPath(directory, name))
    }
  }
}
