// Blocks of records as readers get them, built from the payloads of frames: the layout is the same.
import { keepFromTransfer } from '../../io/view-memory.ts'
import { RECORD_OVERHEAD_BYTES, viewOf } from '../log/frame.ts'
import type { Frame } from '../log/segment-reader.ts'
import type { LogBlock } from './types.ts'

/** Some records. Its bytes were checked when it was made. */
class Block implements LogBlock {
  readonly bytes: Uint8Array
  readonly count: number
  readonly firstOffset: number

  constructor(firstOffset: number, bytes: Uint8Array, count: number) {
    this.firstOffset = firstOffset
    this.bytes = bytes
    this.count = count
  }

  get nextOffset(): number {
    return this.firstOffset + this.count
  }

  *[Symbol.iterator](): IterableIterator<Uint8Array> {
    const { bytes, count } = this
    const view = viewOf(bytes)
    let at = 0
    for (let i = 0; i < count; i++) {
      const start = at + RECORD_OVERHEAD_BYTES
      at = start + view.getUint32(at, true)
      yield bytes.subarray(start, at)
    }
  }
}

/** A frame of which records were taken, up to but without one that starts at a byte of its payload. */
export interface OpenFrame {
  readonly frame: Frame
  record: number
  at: number
}

/** A block in the making. */
export class BlockBuilder {
  readonly #firstOffset: number
  readonly #maxBytes: number
  #pieces: Uint8Array[] = []
  #bytes = 0
  #count = 0

  constructor(firstOffset: number, maxBytes: number) {
    this.#firstOffset = firstOffset
    this.#maxBytes = maxBytes
  }

  /** The number of the record that comes next. */
  get nextRecord(): number {
    return this.#firstOffset + this.#count + 1
  }

  /**
   * Takes records of the frame, which holds the next one at or behind `open.record`: up to but without record `bound`, and as
   * many as there is room for. Moves `open` behind them.
   * @returns 'full' if some had no room, 'damaged' if the frame is not a list of its records.
   */
  take(open: OpenFrame, bound: number): 'all' | 'full' | 'damaged' {
    const { header, payload } = open.frame
    const view = viewOf(payload)
    const first = this.nextRecord
    const behind = header.firstRecord + header.recordCount
    const end = Math.min(behind, bound)
    let { record, at } = open
    let start = at
    for (; record < end; record++) {
      if (at + RECORD_OVERHEAD_BYTES > payload.length) return 'damaged'
      const next = at + RECORD_OVERHEAD_BYTES + view.getUint32(at, true)
      if (next > payload.length) return 'damaged'
      const isVeryFirst = this.#count === 0 && record === first
      if (record >= first && !isVeryFirst && this.#bytes + next - start > this.#maxBytes) break
      at = next
      if (record < first) start = next
    }
    if (record === behind && at !== payload.length) return 'damaged'
    if (record > first) this.#pieces.push(payload.subarray(start, at))
    this.#bytes += at - start
    this.#count += record - first
    open.record = record
    open.at = at
    return record < end ? 'full' : 'all'
  }

  /** The block; a view of what was read if that is in one piece. */
  build(): LogBlock {
    return new Block(this.#firstOffset, this.#join(), this.#count)
  }

  #join(): Uint8Array {
    const [piece] = this.#pieces
    if (piece === undefined) return new Uint8Array(0)
    if (this.#pieces.length > 1) return Buffer.concat(this.#pieces, this.#bytes)
    keepFromTransfer(piece.buffer) // other blocks, and the reader, have views of it too
    return piece
  }
}
