// Reads a log back: which records it holds, and whether what is missing may be missing. Changes nothing.
//
// A segment is read up to the record at which its successor takes over; what lies behind that is void. Only in the last
// segment may frames be bad, and only frames that nothing proves to have been durable: they are the torn tail.
import { BedplateError } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import { lacks } from '../mutant.ts'
import { checksumSeed, splitPayload } from './frame.ts'
import type { Mutant } from './mutant.ts'
import {
  decodeSegmentHeader,
  parseSegmentName,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
} from './segment.ts'
import { type Frame, SegmentReader } from './segment-reader.ts'

/** What to read. */
export interface RecoveryOptions {
  disk: Disk
  clock: Clock
  directory: string
  uuid: Uint8Array
  keptElsewhere: number
  /** Reads the last segment alone: what the ones before it hold had been durable, and is checked by whoever reads it. */
  onlyLast?: boolean
  replay: (sequence: number, record: Uint8Array) => void
  mutant?: Mutant | undefined
}

/** What was found. */
export interface Recovered {
  /** The segments of the log, in order. */
  readonly segments: readonly SegmentHeader[]
  /** Segments that begin behind where a later one took over: what was cut off the log. */
  readonly voided: readonly SegmentHeader[]
  /** Names of files that were to become segments. */
  readonly prepared: readonly string[]
  /** The number of the last record, in the log or kept elsewhere. */
  readonly lastPosition: number
  /** Every record up to and with this one is known to be durable. */
  readonly durablePosition: number
  /** The frames from the first one that is not known to be durable; empty if `keptElsewhere` reaches as far. */
  readonly unproven: readonly Frame[]
  /** Whether the last segment is known to have its name durably: only then was a second frame written to it. */
  readonly isNameProven: boolean
  /** When the last frame was written, in milliseconds since 1970; 0 if there is none or the log keeps no times. */
  readonly lastMs: number
}

/** After so many bytes of frames, others get their turn. */
const BYTES_A_TURN = 4 * 1024 * 1024

/**
 * Replays every record above `keptElsewhere`, in order.
 * @throws CORRUPTION if records are missing or damaged that had been durable; INCOMPATIBLE for a newer version.
 */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const names = options.disk.list(options.directory)
  const { segments, voided } = readSegments(names, options)
  const prepared = names.filter((name) => parseSegmentName(name)?.prepared === true)
  if (options.onlyLast === true) checkFirst(segments, options)
  const durable = options.onlyLast === true ? (segments.at(-1)?.firstRecord ?? 1) - 1 : 0
  const keptElsewhere = Math.max(options.keptElsewhere, durable)
  const scan = new Scan({ ...options, keptElsewhere })
  for (const [i, segment] of segments.entries()) {
    const successor = segments[i + 1]
    if (successor === undefined) await scan.readLast(segment)
    else if (successor.firstRecord - 1 > keptElsewhere) await scan.readUpTo(segment, successor.firstRecord)
  }
  return { segments, voided, prepared, ...scan.result }
}

/** The error for bytes that are not what was written. */
export function logCorruption(path: string, offset: number, problem: string): BedplateError {
  return new BedplateError('CORRUPTION', `${path} at offset ${offset}: ${problem}`, {
    hint: 'nothing on disk was changed; restore the store from a backup',
  })
}

/** What to read headers from. */
export type SegmentsOptions = Pick<RecoveryOptions, 'disk' | 'directory' | 'uuid' | 'mutant'>

/**
 * The headers of all segments among the files of these names, in the order of their numbers.
 * @returns Those of the log, and those that hold nothing any more, since a later one took over before their first record.
 */
export function readSegments(
  names: readonly string[],
  options: SegmentsOptions,
): { segments: SegmentHeader[]; voided: SegmentHeader[] } {
  const segments: SegmentHeader[] = []
  const voided: SegmentHeader[] = []
  for (const header of readHeaders(names, options)) {
    const firstVoid = segments.findIndex((earlier) => earlier.firstRecord > header.firstRecord)
    if (firstVoid >= 0) voided.push(...segments.splice(firstVoid))
    segments.push(header)
  }
  return { segments, voided }
}

function readHeaders(names: readonly string[], options: SegmentsOptions): SegmentHeader[] {
  const headers: SegmentHeader[] = []
  for (const name of names) {
    const parsed = parseSegmentName(name)
    if (parsed === undefined || parsed.prepared) continue
    const path = joinPath(options.directory, name)
    const header = readHeader(path, options)
    if (header.segment !== parsed.segment) throw logCorruption(path, 0, `this is segment ${header.segment}`)
    const previous = headers.at(-1)
    if (previous !== undefined) checkOrder(path, previous, header, options.mutant)
    headers.push(header)
  }
  return headers
}

function readHeader(path: string, { disk, uuid }: SegmentsOptions): SegmentHeader {
  const file = disk.open(path, 'read')
  try {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
    const result = decodeSegmentHeader(bytes.subarray(0, file.read(bytes, 0)), uuid)
    switch (result.kind) {
      case 'ok':
        return result.header
      case 'newer':
        throw new BedplateError('INCOMPATIBLE', `${path} has format version ${result.version}, newer than this program`)
      case 'foreign':
        throw logCorruption(path, 48, 'the segment belongs to another store')
      default:
        throw logCorruption(path, 0, 'the header of the segment is damaged')
    }
  } finally {
    file.close()
  }
}

/** Checks that nothing is missing before the first segment. @throws CORRUPTION */
export function checkFirst(
  [first]: readonly SegmentHeader[],
  { directory, keptElsewhere }: Pick<RecoveryOptions, 'directory' | 'keptElsewhere'>,
): void {
  if (first !== undefined && first.firstRecord - 1 <= keptElsewhere) return
  throw logCorruption(directory, 0, `record ${keptElsewhere + 1} is missing: a segment is lost`)
}

function checkOrder(path: string, previous: SegmentHeader, header: SegmentHeader, mutant: Mutant | undefined): void {
  const goesBack = header.firstRecord < previous.firstRecord && lacks(mutant, 'void segments')
  if (header.generation < previous.generation || goesBack) {
    throw logCorruption(path, 16, 'the segment does not continue the one before it')
  }
}

/** Where the reading of the segments stands. Invariant: all records above `keptElsewhere` up to `last` were replayed. */
class Scan {
  readonly #options: RecoveryOptions
  readonly #seed: number
  #last: number
  #durable: number
  #unproven: Frame[] = []
  #isNameProven = false
  #lastMs = 0
  #bytesThisTurn = 0

  constructor(options: RecoveryOptions) {
    this.#options = options
    this.#seed = checksumSeed(options.uuid)
    this.#last = options.keptElsewhere
    this.#durable = options.keptElsewhere
  }

  get result(): Omit<Recovered, 'segments' | 'voided' | 'prepared'> {
    return {
      lastPosition: this.#last,
      durablePosition: this.#durable,
      unproven: this.#unproven,
      isNameProven: this.#isNameProven,
      lastMs: this.#lastMs,
    }
  }

  /** Reads the records below `bound`, with which the next segment starts. All of them were durable. */
  async readUpTo(segment: SegmentHeader, bound: number): Promise<void> {
    await this.#open(segment, async (reader, path) => {
      let next = segment.firstRecord
      let end = reader.start
      while (next < bound) {
        const frame = reader.frameAfter(end, next)
        if (frame === undefined) throw logCorruption(path, end, `record ${next} had been durable, but is damaged`)
        this.#replay(frame, path, bound)
        next += frame.header.recordCount
        end = frame.end
        await this.#letOthersRun(frame)
      }
    })
    this.#durable = Math.max(this.#durable, bound - 1)
  }

  /** Reads the last segment, up to its torn tail. */
  async readLast(segment: SegmentHeader): Promise<void> {
    await this.#open(segment, async (reader, path) => {
      let next = segment.firstRecord
      let end = reader.start
      // What the frames prove, whatever is kept elsewhere.
      let durable = next - 1
      let unproven: Frame[] = []
      let isClosed = false
      for (;;) {
        const frame = reader.frameAfter(end, next)
        if (frame === undefined) break
        // A frame without records that is the first one says what was cut off, not that the log was closed.
        isClosed = frame.header.recordCount === 0 && end !== reader.start
        this.#replay(frame, path, Number.POSITIVE_INFINITY)
        next += frame.header.recordCount
        // The first frame was synced before the segment got its name.
        durable = end === reader.start ? next - 1 : Math.max(durable, frame.header.durable)
        unproven = [...unproven.filter((other) => lastRecord(other) > durable), frame]
        this.#isNameProven = end !== reader.start
        this.#lastMs = segment.startMs + frame.header.ageMs
        end = frame.end
        await this.#letOthersRun(frame)
      }
      if (!isClosed && !lacks(this.#options.mutant, 'segment length')) checkLength(reader, path)
      this.#checkTail(reader, path, { end, next })
      if (next - 1 <= this.#options.keptElsewhere) return
      this.#unproven = unproven.filter((frame) => lastRecord(frame) > durable)
      this.#durable = Math.max(this.#durable, durable)
    })
  }

  /** Refuses a bad frame that had been durable. `end` is where the good ones end, `next` the record that should follow. */
  #checkTail(reader: SegmentReader, path: string, { end, next }: { end: number; next: number }): void {
    if (end === reader.start) throw logCorruption(path, end, `record ${next} had been durable, but is damaged`)
    const proof = reader.findProof(end, next)
    if (proof === undefined || lacks(this.#options.mutant, 'durable proof')) return
    throw logCorruption(path, end, `record ${next} is damaged; the frame at offset ${proof} says it had been durable`)
  }

  async #open(segment: SegmentHeader, read: (reader: SegmentReader, path: string) => Promise<void>): Promise<void> {
    const { disk, directory, mutant } = this.#options
    const path = joinPath(directory, segmentName(segment.segment))
    if (segment.firstRecord > this.#last + 1) {
      const missing = `records ${this.#last + 1} to ${segment.firstRecord - 1} are missing: a segment before it is lost`
      throw logCorruption(path, 0, missing)
    }
    const file: DiskFile = disk.open(path, 'read')
    try {
      await read(new SegmentReader(file, segment, this.#seed, mutant), path)
    } finally {
      file.close()
    }
  }

  /** Hands out the records of a frame that are below `bound` and not kept elsewhere. */
  #replay({ header, payload }: Frame, path: string, bound: number): void {
    const records = splitPayload(payload, header.recordCount)
    if (records === undefined) throw logCorruption(path, header.offset, 'the frame is whole, but not a list of records')
    let number = header.firstRecord
    for (const record of records) {
      if (number > this.#last && number < bound) {
        this.#options.replay(number, record)
        this.#last = number
      }
      number++
    }
  }

  async #letOthersRun(frame: Frame): Promise<void> {
    this.#bytesThisTurn += frame.payload.length
    if (this.#bytesThisTurn < BYTES_A_TURN) return
    this.#bytesThisTurn = 0
    await this.#options.clock.turn()
  }
}

/** Only a closed log gives space back: its last frame says so. Every other segment was durably as long as it was made. */
function checkLength({ fileBytes, sizeBytes }: SegmentReader, path: string): void {
  if (fileBytes >= sizeBytes) return
  throw logCorruption(path, fileBytes, `the segment had ${sizeBytes} bytes, the rest is missing`)
}

function lastRecord({ header }: Frame): number {
  return header.firstRecord + header.recordCount - 1
}
