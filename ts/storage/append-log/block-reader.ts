// Reads records by offset: finds the segment, then the frame, then gives what is wanted of it and of those behind it.
// Offset 0 is record 1 of the segments, so "every record up to number n" and "every offset below n" are the same.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import { checksumSeed, FRAME_HEADER_BYTES, type FrameHeader, MAX_AGE_MS, splitPayload } from '../log/frame.ts'
import type { Mutant } from '../log/mutant.ts'
import { logCorruption } from '../log/recovery.ts'
import { type SegmentHeader, segmentName } from '../log/segment.ts'
import { SegmentReader } from '../log/segment-reader.ts'
import { BlockBuilder, type OpenFrame } from './block.ts'
import { type Place, SegmentIndex } from './segment-index.ts'
import type { LogBlock, LogVerifyReport } from './types.ts'

/** What there is to read. It changes while the log grows and shrinks. */
export interface LogView {
  /** In order. Each holds the records from its first one to the first one of the next. */
  readonly segments: readonly SegmentHeader[]
  readonly firstOffset: number
  readonly readableOffset: number
  /** Looks whether it has changed. */
  refresh(): void
}

/** Where the log lies. */
export interface LogPlace {
  disk: Disk
  clock: Clock
  directory: string
  uuid: Uint8Array
  mutant?: Mutant | undefined
}

/** A segment and the first record that it does not hold, or that is not readable yet. */
interface Span {
  readonly segment: SegmentHeader
  readonly bound: number
}

/** After so many bytes, others get their turn. */
const BYTES_A_TURN = 4 * 1024 * 1024
const MAX_PROBLEMS = 100

/** Reads the records of a view. Keeps the file of the segment that it read last. */
export class BlockReader {
  readonly #place: LogPlace
  readonly #view: LogView
  readonly #seed: number
  readonly #indexes = new Map<number, SegmentIndex>()
  #open: { segment: SegmentHeader; file: DiskFile; reader: SegmentReader; readableOffset: number } | undefined
  /** The frame of that segment that was left in the middle. Others are not kept. */
  #left: OpenFrame | undefined

  constructor(place: LogPlace, view: LogView) {
    this.#place = place
    this.#view = view
    this.#seed = checksumSeed(place.uuid)
  }

  /** Whole records from `from` on, at least one if one is readable. @throws NOT_FOUND, CORRUPTION */
  read(from: number, maxBytes: number): LogBlock {
    const { firstOffset, readableOffset } = this.#view
    if (from < firstOffset) {
      throw new BedplateError(
        'NOT_FOUND',
        `the record at offset ${from} was removed: the log begins at ${firstOffset}`,
        {
          hint: 'read from firstOffset on',
        },
      )
    }
    const block = new BlockBuilder(from, maxBytes)
    if (from < readableOffset) this.#gather(this.#spanOf(from + 1), block)
    return block.build()
  }

  /** The first record of the first frame that was written at or after `timeMs`. */
  offsetAt(timeMs: number): number {
    const { firstOffset, readableOffset } = this.#view
    const spans = this.#spans()
    // Segments whose successor began before that time hold nothing that young.
    const oldest = Math.max(
      0,
      spans.findLastIndex(({ segment }) => segment.startMs < timeMs),
    )
    for (const span of spans.slice(oldest)) {
      const record = this.#firstRecordSince(span, timeMs)
      if (record !== undefined) return Math.max(firstOffset, record - 1)
    }
    return readableOffset
  }

  /** Reads everything. */
  async verify(): Promise<LogVerifyReport> {
    const spans = this.#spans()
    const report: LogVerifyReport = { segmentCount: spans.length, recordCount: 0, problems: [] }
    for (const span of spans) {
      try {
        await this.#verifySpan(span, report)
      } catch (error) {
        if (!isCode(error, 'CORRUPTION') && !isCode(error, 'NOT_FOUND')) throw error
        this.#view.refresh()
        const isGone = !this.#spans().some(({ segment }) => segment.segment === span.segment.segment)
        if (isGone) continue // it was removed meanwhile
        if (report.problems.length < MAX_PROBLEMS) report.problems.push((error as Error).message)
      }
    }
    return report
  }

  /** Gives the file back. It may be used again. */
  close(): void {
    this.#open?.file.close()
    this.#open = undefined
    this.#left = undefined
  }

  // -- segments ---------------------------------------------------------------------------------------------------------

  #spans(): Span[] {
    const { segments, firstOffset, readableOffset } = this.#view
    const spans = segments.map((segment, i) => ({
      segment,
      bound: Math.min(segments[i + 1]?.firstRecord ?? Number.POSITIVE_INFINITY, readableOffset + 1),
    }))
    return spans.filter(({ segment, bound }) => Math.max(segment.firstRecord, firstOffset + 1) < bound)
  }

  /** The segment that holds a readable record. */
  #spanOf(record: number): Span {
    const { segments, readableOffset } = this.#view
    // Invariant: those before `low` begin at the record or before it, those from `high` on behind it.
    let low = 0
    let high = segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((segments[middle] as SegmentHeader).firstRecord <= record) low = middle + 1
      else high = middle
    }
    const segment = segments[low - 1]
    if (segment === undefined) {
      throw logCorruption(this.#place.directory, 0, `record ${record} is missing: its segment is lost`)
    }
    return { segment, bound: Math.min(segments[low]?.firstRecord ?? Number.POSITIVE_INFINITY, readableOffset + 1) }
  }

  #readerOf(segment: SegmentHeader): SegmentReader {
    const { disk, directory, mutant } = this.#place
    const { readableOffset } = this.#view
    if (this.#open?.segment.segment !== segment.segment || this.#open.segment.generation !== segment.generation) {
      this.close()
      const file = disk.open(joinPath(directory, segmentName(segment.segment)), 'read')
      this.#open = { segment, file, reader: new SegmentReader(file, segment, this.#seed, mutant), readableOffset: -1 }
    }
    // What was read of the file before may not have had the newest frames.
    if (this.#open.readableOffset !== readableOffset) this.#open.reader.forget()
    this.#open.readableOffset = readableOffset
    return this.#open.reader
  }

  #indexOf(segment: SegmentHeader): SegmentIndex {
    const known = this.#indexes.get(segment.segment)
    if (known !== undefined) return known
    const { segments } = this.#view
    if (this.#indexes.size > segments.length) {
      const numbers = new Set(segments.map((one) => one.segment))
      for (const number of this.#indexes.keys()) if (!numbers.has(number)) this.#indexes.delete(number)
    }
    const index = new SegmentIndex(segment.firstRecord)
    this.#indexes.set(segment.segment, index)
    return index
  }

  // -- frames -----------------------------------------------------------------------------------------------------------

  #gather({ segment, bound }: Span, block: BlockBuilder): void {
    const reader = this.#readerOf(segment)
    let open = this.#left?.record === block.nextRecord ? this.#left : undefined
    this.#left = undefined
    let place =
      open === undefined ? this.#placeBefore(block.nextRecord, { segment, bound }) : placeBehind(open.frame.header)
    while (block.nextRecord < bound) {
      open ??= this.#openFrame(reader, segment, place)
      const { header, end } = open.frame
      const outcome = block.take(open, bound)
      if (outcome === 'damaged') throw this.#notRecords(segment, header)
      if (open.record < header.firstRecord + header.recordCount) this.#left = open
      if (outcome === 'full') return
      place = { offset: end, record: header.firstRecord + header.recordCount }
      open = undefined
    }
  }

  #openFrame(reader: SegmentReader, segment: SegmentHeader, place: Place): OpenFrame {
    const frame = reader.frameAfter(place.offset, place.record)
    if (frame === undefined) throw this.#damaged(segment, place)
    this.#indexOf(segment).note(frame.header)
    return { frame, record: frame.header.firstRecord, at: 0 }
  }

  /** The place of the frame that holds a record of the span; looks at headers alone. */
  #placeBefore(record: number, span: Span): Place {
    let place = this.#indexOf(span.segment).placeOf(record)
    for (;;) {
      const header = this.#headerAt(place, span)
      if (header.firstRecord + header.recordCount > record) return place
      place = placeBehind(header)
    }
  }

  /** The header of the frame at a place where one must be. */
  #headerAt(place: Place, { segment }: Span): FrameHeader {
    const header = this.#readerOf(segment).headerAfter(place.offset, place.record)
    if (header === undefined) throw this.#damaged(segment, place)
    this.#indexOf(segment).note(header)
    return header
  }

  #firstRecordSince(span: Span, timeMs: number): number | undefined {
    const { segment, bound } = span
    const ageMs = Math.min(timeMs - segment.startMs, MAX_AGE_MS)
    let place = this.#indexOf(segment).placeOfAge(ageMs)
    while (place.record < bound) {
      const header = this.#headerAt(place, span)
      if (header.recordCount > 0 && header.ageMs >= ageMs) return header.firstRecord
      place = placeBehind(header)
    }
    return undefined
  }

  async #verifySpan({ segment, bound }: Span, report: LogVerifyReport): Promise<void> {
    const { disk, clock, directory, mutant } = this.#place
    const file = disk.open(joinPath(directory, segmentName(segment.segment)), 'read')
    try {
      const reader = new SegmentReader(file, segment, this.#seed, mutant)
      let place: Place = { offset: reader.start, record: segment.firstRecord }
      let turnAt = BYTES_A_TURN
      while (place.record < bound) {
        const frame = reader.frameAfter(place.offset, place.record)
        if (frame === undefined) throw this.#damaged(segment, place)
        const { header, payload, end } = frame
        if (splitPayload(payload, header.recordCount) === undefined) throw this.#notRecords(segment, header)
        report.recordCount += Math.min(header.recordCount, bound - header.firstRecord)
        place = { offset: end, record: header.firstRecord + header.recordCount }
        if (end < turnAt) continue
        turnAt = end + BYTES_A_TURN
        await clock.turn()
      }
    } finally {
      file.close()
    }
  }

  #damaged({ segment }: SegmentHeader, { offset, record }: Place): BedplateError {
    const path = joinPath(this.#place.directory, segmentName(segment))
    return logCorruption(path, offset, `record ${record} had been written, but is damaged`)
  }

  #notRecords({ segment }: SegmentHeader, { offset }: FrameHeader): BedplateError {
    const path = joinPath(this.#place.directory, segmentName(segment))
    return logCorruption(path, offset, 'the frame is whole, but not a list of records')
  }
}

function placeBehind({ offset, payloadBytes, firstRecord, recordCount }: FrameHeader): Place {
  return { offset: offset + FRAME_HEADER_BYTES + payloadBytes, record: firstRecord + recordCount }
}
