// The records that will be written by one frame, and the promise of all who wait for them.
import { alignUp, FRAME_HEADER_BYTES, PAGE_BYTES, RECORD_OVERHEAD_BYTES } from './frame.ts'
import type { SegmentFile } from './segment-file.ts'

/** The first size of a group's buffer; it doubles. */
const FIRST_BUFFER_BYTES = 64 * 1024
/** A larger buffer is not kept for the next group. */
const KEPT_BUFFER_BYTES = 4 * 1024 * 1024
const EMPTY = new Uint8Array(0)
const RESOLVED = Promise.resolve()

/** Keeps the buffer of a written group for the next one: two buffers take turns while a frame is written and synced. */
export class BufferPool {
  #spare: Uint8Array | undefined

  take(): Uint8Array {
    const buffer = this.#spare ?? Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES)
    this.#spare = undefined
    return buffer
  }

  giveBack(buffer: Uint8Array): void {
    if (buffer.length <= KEPT_BUFFER_BYTES) this.#spare = buffer
  }
}

/** A frame in the making. */
export class Group {
  readonly firstRecord: number
  /** Where it will be written. */
  readonly segment: SegmentFile
  /** Where it will start at the latest: how much of what comes before it must be padded is not known yet. */
  readonly #plannedStart: number
  recordCount = 0
  /** The frame: room for its header, then the payload. */
  #buffer: Uint8Array
  #frameBytes = FRAME_HEADER_BYTES
  #acknowledged: Promise<void> | undefined
  #resolve: (() => void) | undefined
  #reject: ((error: Error) => void) | undefined

  /** @param buffer - At least FRAME_HEADER_BYTES, to be used and replaced by larger ones. */
  constructor(firstRecord: number, segment: SegmentFile, buffer: Uint8Array) {
    this.firstRecord = firstRecord
    this.segment = segment
    this.#plannedStart = alignUp(segment.plannedEnd, PAGE_BYTES)
    this.#buffer = buffer
  }

  /** Where it will end at the latest. */
  get plannedEnd(): number {
    return this.#plannedStart + this.#frameBytes
  }

  get lastRecord(): number {
    return this.firstRecord + this.recordCount - 1
  }

  get payloadBytes(): number {
    return this.#frameBytes - FRAME_HEADER_BYTES
  }

  /** Says whether a record of `bytes` finds room in the segment. */
  fits(bytes: number): boolean {
    return this.plannedEnd + RECORD_OVERHEAD_BYTES + bytes <= this.segment.roomEnd
  }

  /** Copies a record. */
  append(record: Uint8Array): void {
    const { length } = record
    const at = this.#frameBytes
    const start = at + RECORD_OVERHEAD_BYTES
    if (start + length > this.#buffer.length) this.#grow(start + length)
    const buffer = this.#buffer
    buffer[at] = length
    buffer[at + 1] = length >>> 8
    buffer[at + 2] = length >>> 16
    buffer[at + 3] = length >>> 24
    buffer.set(record, start)
    this.#frameBytes = start + length
    this.recordCount++
  }

  /** Copies a whole payload of `recordCount` records. */
  appendPayload(payload: Uint8Array, recordCount: number): void {
    const end = this.#frameBytes + payload.length
    if (end > this.#buffer.length) this.#grow(end)
    this.#buffer.set(payload, this.#frameBytes)
    this.#frameBytes = end
    this.recordCount += recordCount
  }

  /** The frame; its header is to be filled in. */
  get frame(): Uint8Array {
    return this.#buffer.subarray(0, this.#frameBytes)
  }

  /** The frame with zeros behind it up to the next page, so that whole pages are written. */
  get paddedFrame(): Uint8Array {
    const end = alignUp(this.#frameBytes, PAGE_BYTES)
    if (end > this.#buffer.length) this.#grow(end)
    return this.#buffer.fill(0, this.#frameBytes, end).subarray(0, end)
  }

  /** Gives up the buffer once the frame is written. */
  detach(): Uint8Array {
    const buffer = this.#buffer
    this.#buffer = EMPTY
    return buffer
  }

  /** The promise of the whole group. Nobody has to listen to it. */
  get acknowledged(): Promise<void> {
    if (this.#acknowledged === undefined) {
      this.#acknowledged = new Promise<void>((resolve, reject) => {
        this.#resolve = resolve
        this.#reject = reject
      })
      this.#acknowledged.catch(() => {})
    }
    return this.#acknowledged
  }

  acknowledge(): void {
    if (this.#acknowledged === undefined) this.#acknowledged = RESOLVED
    else this.#resolve?.()
  }

  reject(error: Error): void {
    void this.acknowledged
    this.#reject?.(error)
  }

  #grow(bytes: number): void {
    const wanted = Math.max(this.#buffer.length * 2, Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES)
    const larger = Buffer.allocUnsafeSlow(wanted)
    larger.set(this.#buffer.subarray(0, this.#frameBytes))
    this.#buffer = larger
  }
}
