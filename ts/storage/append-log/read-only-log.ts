// The handle that reads, also beside a writer in another thread or process. It takes no lock and changes nothing. What it
// may read the writer says in the file `readable`; without a word of a writer on the last segment, what the frames of that
// segment prove to be durable.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Cancel } from '../../io/clock.ts'
import { type DiskFile, joinPath } from '../../io/disk.ts'
import { checksumSeed } from '../log/frame.ts'
import { checkFirst, readSegments } from '../log/recovery.ts'
import { type SegmentHeader, segmentName } from '../log/segment.ts'
import { SegmentReader } from '../log/segment-reader.ts'
import type { LogStats } from '../log/types.ts'
import { lacks } from '../mutant.ts'
import type { LogPlace } from './block-reader.ts'
import { LogHandle } from './handle.ts'
import { readStart } from './start.ts'
import { decodeWatermark, WATERMARK_BYTES, WATERMARK_FILE, type Watermark } from './watermark.ts'

/** How often it is looked again, if files change while they are looked at. */
const MAX_ATTEMPTS = 10

/** What was found at one moment. */
interface Sight {
  readonly segments: readonly SegmentHeader[]
  readonly firstOffset: number
  readonly durableOffset: number
  readonly readableOffset: number
}

const NOTHING: Sight = { segments: [], firstOffset: 0, durableOffset: 0, readableOffset: 0 }

/** A log that is only read. */
export class ReadOnlyAppendLog extends LogHandle {
  readonly #place: LogPlace
  readonly #pollMs: number
  readonly #seed: number
  #sight = NOTHING
  #cancelTimer: Cancel | undefined

  /** @throws CORRUPTION, INCOMPATIBLE */
  constructor(place: LogPlace, pollMs: number) {
    super(place)
    this.#place = place
    this.#pollMs = pollMs
    this.#seed = checksumSeed(place.uuid)
    this.refresh()
  }

  get segments(): readonly SegmentHeader[] {
    return this.#sight.segments
  }

  get firstOffset(): number {
    return this.#sight.firstOffset
  }

  get readableOffset(): number {
    return this.#sight.readableOffset
  }

  get durableOffset(): number {
    return this.#sight.durableOffset
  }

  get nextOffset(): number {
    return this.#sight.readableOffset
  }

  append(): Promise<number> {
    throw readOnly()
  }

  async flushed(): Promise<void> {
    throw readOnly()
  }

  async truncateBefore(): Promise<void> {
    throw readOnly()
  }

  async truncateAfter(): Promise<void> {
    throw readOnly()
  }

  refresh(): void {
    this.assertUsable()
    const { segments } = this.#sight
    const watermark = this.#readWatermark()
    // Page caches outlive writers, so what was said of a segment that was seen before holds.
    if (watermark !== undefined && this.#speaksOf(watermark, segments.at(-1))) this.#see({ ...watermark, segments })
    else this.#lookAgain()
  }

  async close(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.endReading()
  }

  get failure(): Error | undefined {
    return undefined
  }

  protected get logStats(): LogStats {
    const { segments } = this.#sight
    const segmentBytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    return { appends: 0, frames: 0, syncs: 0, segmentBytes, segmentCount: segments.length }
  }

  /** One timer serves all who wait. */
  protected followerWaits(): void {
    this.#cancelTimer ??= this.clock.timer(this.#pollMs, () => {
      this.#cancelTimer = undefined
      try {
        this.refresh()
      } catch (error) {
        this.followers.fail(error as Error)
      }
      if (this.followers.areWaiting) this.followerWaits()
    })
  }

  /** A segment may be removed, or written over as another one, while it is read. */
  protected attempt<T>(read: () => T): T {
    for (let attempt = 1; ; attempt++) {
      const before = this.#sight
      try {
        return read()
      } catch (error) {
        if (!mayBeStale(error) || attempt === MAX_ATTEMPTS) throw error
        this.#lookAgain()
        if (isSame(before, this.#sight)) throw error
      }
    }
  }

  // -- looking ----------------------------------------------------------------------------------------------------------

  #see({ segments, firstOffset, durableOffset, readableOffset }: Sight): void {
    const before = this.#sight
    this.#sight = { segments, firstOffset, durableOffset, readableOffset }
    if (!isSame(before, this.#sight)) this.followers.wakeAll()
  }

  /** Looks at the whole directory; again if files went while it did. */
  #lookAgain(): void {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#look()
        return
      } catch (error) {
        if (!mayBeStale(error) || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  #look(): void {
    const { disk, directory, mutant } = this.#place
    const watermark = this.#readWatermark()
    const { segments } = readSegments(disk.list(directory), this.#place)
    // Read after the names: whatever is missing among them was not needed any more by this time.
    const { firstOffset } = readStart(disk, directory, mutant)
    checkFirst(segments, { directory, keptElsewhere: firstOffset })
    const last = segments.at(-1) as SegmentHeader
    const proven = this.#prove(last, watermark !== undefined && this.#speaksOf(watermark, last) ? watermark : undefined)
    this.#noticeTruncations(segments)
    this.#see({
      segments,
      firstOffset,
      durableOffset: Math.max(proven.durableOffset, firstOffset),
      readableOffset: Math.max(proven.readableOffset, firstOffset),
    })
  }

  /** What of the last segment may be read: what its frames prove, and what is there of what its writer says. */
  #prove(last: SegmentHeader, said: Watermark | undefined): { durableOffset: number; readableOffset: number } {
    if (said !== undefined && said.readableOffset <= said.durableOffset) return said
    const file = this.#openSegment(last)
    try {
      const reader = new SegmentReader(file, last, this.#seed, this.#place.mutant)
      let next = last.firstRecord
      let end = reader.start
      let proven = said?.durableOffset ?? 0
      for (let frame = reader.frameAfter(end, next); frame !== undefined; frame = reader.frameAfter(end, next)) {
        next += frame.header.recordCount
        // The first frame was synced before the segment got its name.
        proven = Math.max(proven, end === reader.start ? next - 1 : frame.header.durable)
        end = frame.end
        if (said !== undefined && next > said.readableOffset) break
      }
      const durableOffset = Math.max(proven, last.firstRecord - 1)
      return { durableOffset, readableOffset: Math.max(durableOffset, Math.min(said?.readableOffset ?? 0, next - 1)) }
    } finally {
      file.close()
    }
  }

  /** A segment that begins with a frame of no records was made by a truncation. */
  #noticeTruncations(segments: readonly SegmentHeader[]): void {
    const known = this.#sight.segments.at(-1)?.segment
    if (known === undefined || this.followers.size === 0) return
    for (const segment of segments.filter((one) => one.segment > known)) {
      const file = this.#openSegment(segment)
      try {
        const reader = new SegmentReader(file, segment, this.#seed, this.#place.mutant)
        const header = reader.headerAfter(reader.start, segment.firstRecord)
        if (header?.recordCount === 0) this.followers.truncate(segment.firstRecord - 1)
      } finally {
        file.close()
      }
    }
  }

  #openSegment({ segment }: SegmentHeader): DiskFile {
    return this.#place.disk.open(joinPath(this.#place.directory, segmentName(segment)), 'read')
  }

  /** What the writer said last; undefined if it is not there or being written. */
  #readWatermark(): Watermark | undefined {
    const { disk, directory } = this.#place
    const path = joinPath(directory, WATERMARK_FILE)
    if (disk.kind(path) !== 'file') return undefined
    const file = disk.open(path, 'read')
    try {
      const bytes = new Uint8Array(WATERMARK_BYTES)
      return decodeWatermark(bytes.subarray(0, file.read(bytes, 0)), this.#seed)
    } finally {
      file.close()
    }
  }

  /** Says whether it is about this segment, the last one. */
  #speaksOf({ segment, generation }: Watermark, last: SegmentHeader | undefined): boolean {
    if (last === undefined) return false
    const isSame = segment === last.segment && generation === last.generation
    return isSame || lacks(this.#place.mutant, 'readable of this segment')
  }
}

/** Errors that may come of files that were removed or replaced meanwhile. */
function mayBeStale(error: unknown): boolean {
  return isCode(error, 'CORRUPTION') || isCode(error, 'NOT_FOUND')
}

function isSame(a: Sight, b: Sight): boolean {
  return (
    a.firstOffset === b.firstOffset &&
    a.readableOffset === b.readableOffset &&
    a.segments.length === b.segments.length &&
    a.segments.at(-1)?.segment === b.segments.at(-1)?.segment
  )
}

function readOnly(): BedplateError {
  return new BedplateError('READ_ONLY', 'the log was opened for reading only')
}
