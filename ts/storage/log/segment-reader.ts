// Reads the frames of one segment. Knows nothing of other segments, and believes no length before a checksum.
import type { DiskFile } from '../../io/disk.ts'
import {
  alignUp,
  decodeFrameHeader,
  FRAME_ALIGNMENT_BYTES,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  isPayloadIntact,
  PAGE_BYTES,
  startsLikeFrame,
} from './frame.ts'
import type { Mutant } from './mutant.ts'
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from './segment.ts'

/** A frame whose checksums hold. */
export interface Frame {
  readonly header: FrameHeader
  readonly payload: Uint8Array
  /** The offset behind it. */
  readonly end: number
}

/** What is read from the file at once. */
const WINDOW_BYTES = 256 * 1024
/** The same where little may be needed; it doubles from piece to piece. */
const FIRST_WINDOW_BYTES = 16 * 1024

/** A segment, opened for reading. */
export class SegmentReader {
  readonly #file: DiskFile
  readonly #segment: SegmentHeader
  readonly #seed: number
  readonly #mutant: Mutant | undefined
  /** How long the file is, and how long it was made. */
  readonly fileBytes: number
  readonly sizeBytes: number
  /** Where frames may be: up to here. */
  readonly #end: number
  /** A piece of the file. Never overwritten: frames that were handed out point into it. */
  #window = new Uint8Array(0)
  #windowStart = 0
  #windowBytes = WINDOW_BYTES

  /** @param seed - The `checksumSeed` of the store. */
  constructor(file: DiskFile, segment: SegmentHeader, seed: number, mutant?: Mutant) {
    this.#file = file
    this.#segment = segment
    this.#seed = seed
    this.#mutant = mutant
    this.fileBytes = file.size()
    this.sizeBytes = segment.sizeBytes
    this.#end = Math.min(this.fileBytes, this.sizeBytes)
  }

  /** Where the first frame starts. */
  get start(): number {
    return SEGMENT_HEADER_BYTES
  }

  /**
   * The frame that follows what ends at `offset`, if it is whole and starts with record `firstRecord`. It stands at the
   * next frame boundary, or at the next page if a sync came between.
   */
  frameAfter(offset: number, firstRecord: number): Frame | undefined {
    const near = alignUp(offset, FRAME_ALIGNMENT_BYTES)
    const far = alignUp(offset, PAGE_BYTES)
    return this.#frameAt(near, firstRecord) ?? (far === near ? undefined : this.#frameAt(far, firstRecord))
  }

  /** The header of that frame, whatever its payload is. */
  headerAfter(offset: number, firstRecord: number): FrameHeader | undefined {
    const near = alignUp(offset, FRAME_ALIGNMENT_BYTES)
    const far = alignUp(offset, PAGE_BYTES)
    return this.#headerOf(near, firstRecord) ?? (far === near ? undefined : this.#headerOf(far, firstRecord))
  }

  /** Looks at the file again from now on: it may have got more frames. Starts with small pieces of it. */
  forget(): void {
    this.#window = this.#window.subarray(0, 0)
    this.#windowBytes = FIRST_WINDOW_BYTES
  }

  /**
   * Looks behind `offset` for a frame that was written when `record` was already durable.
   * @returns Its offset, or undefined if there is none. Reads the rest of the segment.
   */
  findProof(offset: number, record: number): number | undefined {
    let at = alignUp(offset, FRAME_ALIGNMENT_BYTES)
    for (; at + FRAME_HEADER_BYTES <= this.#end; at += FRAME_ALIGNMENT_BYTES) {
      const header = this.#headerAt(at)
      if (header !== undefined && header.durable >= record) return at
    }
    return undefined
  }

  #frameAt(offset: number, firstRecord: number): Frame | undefined {
    const header = this.#headerOf(offset, firstRecord)
    if (header === undefined) return undefined
    const payload = this.#bytesAt(offset + FRAME_HEADER_BYTES, header.payloadBytes)
    if (payload === undefined || !isPayloadIntact(payload, header, this.#mutant)) return undefined
    return { header, payload, end: offset + FRAME_HEADER_BYTES + header.payloadBytes }
  }

  #headerOf(offset: number, firstRecord: number): FrameHeader | undefined {
    const header = this.#headerAt(offset)
    return header?.firstRecord === firstRecord ? header : undefined
  }

  #headerAt(offset: number): FrameHeader | undefined {
    const bytes = this.#bytesAt(offset, FRAME_HEADER_BYTES)
    if (bytes === undefined || !startsLikeFrame(bytes)) return undefined
    const { segment, generation } = this.#segment
    return decodeFrameHeader(bytes, { segment, generation, offset }, this.#seed, this.#mutant)
  }

  /** Bytes of the segment as a view that stays as it is; undefined if they are not all there. */
  #bytesAt(offset: number, length: number): Uint8Array | undefined {
    if (offset + length > this.#end) return undefined
    const start = offset - this.#windowStart
    if (start < 0 || start + length > this.#window.length) return this.#refill(offset, length)
    return this.#window.subarray(start, start + length)
  }

  #refill(offset: number, length: number): Uint8Array | undefined {
    const window = new Uint8Array(Math.min(Math.max(length, this.#windowBytes), this.#end - offset))
    this.#windowBytes = Math.min(this.#windowBytes * 2, WINDOW_BYTES)
    const count = this.#file.read(window, offset)
    this.#window = window.subarray(0, count)
    this.#windowStart = offset
    return count < length ? undefined : this.#window.subarray(0, length)
  }
}
