// Writes of many clients on their way to become one command of the log: a batch of command-layout.ts, written as they come.
import { KINDS, MAX_BATCH_BYTES, MAX_BATCH_WRITES } from './command-layout.ts'

/** Of the command, before its writes: its kind and how many there are. */
const HEADER_BYTES = 5
const COUNT_AT = 1
const FIRST_BYTES = 16 * 1024
/** Of a write, beside key and value: its kind and two lengths. */
const WRITE_BYTES = 9
/** Below this a loop is faster than a call into V8. */
const SHORT_TEXT_BYTES = 24

/** A batch in the making. Keys and values are strings of one character of 0 to 255 a byte ("latin1"), within their bounds. */
export class WriteBatch {
  count = 0
  /** Those of `count` that delete. The answer to the command says of each whether the key was there. */
  deleteCount = 0
  #bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES)
  #length = HEADER_BYTES

  /** What it has in memory. */
  get sizeBytes(): number {
    return this.#length
  }

  /** Whether so much more may go into it. */
  fits(count: number, bytes: number): boolean {
    return this.count + count <= MAX_BATCH_WRITES && this.#length + bytes <= MAX_BATCH_BYTES
  }

  set(key: string, value: string): void {
    this.#begin(KINDS.set, key, value.length)
    this.#text(value)
  }

  /** `set` of what lies in `bytes`. */
  setParts(bytes: Buffer, keyAt: number, keyBytes: number, valueAt: number, valueBytes: number): void {
    const own = this.#reserve(keyBytes + valueBytes)
    let at = this.#length
    own[at++] = KINDS.set
    at = putU32(own, at, keyBytes)
    at = putPart(own, at, bytes, keyAt, keyBytes)
    at = putU32(own, at, valueBytes)
    this.#length = putPart(own, at, bytes, valueAt, valueBytes)
  }

  delete(key: string): void {
    this.#begin(KINDS.delete, key, 0)
    this.deleteCount++
  }

  /** Begins anew: the command that it was is overwritten. @returns False if its memory is more than `keptBytes`. */
  restart(keptBytes: number): boolean {
    this.count = 0
    this.deleteCount = 0
    this.#length = HEADER_BYTES
    return this.#bytes.length <= keptBytes
  }

  /** The command, as a view; the batch is not used any more, or begun anew. */
  finish(): Uint8Array {
    this.#bytes[0] = KINDS.batch
    this.#bytes.writeUInt32LE(this.count, COUNT_AT)
    return this.#bytes.subarray(0, this.#length)
  }

  #begin(kind: number, key: string, valueBytes: number): void {
    this.#reserve(key.length + valueBytes)[this.#length++] = kind
    this.#text(key)
  }

  /** Room for one more write, which has so many bytes. */
  #reserve(contentBytes: number): Buffer {
    this.count++
    const needed = this.#length + WRITE_BYTES + contentBytes
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length))
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    return this.#bytes
  }

  /** Its length, then itself. There is room. */
  #text(text: string): void {
    const bytes = this.#bytes
    const { length } = text
    let at = putU32(bytes, this.#length, length)
    if (length > SHORT_TEXT_BYTES) at += bytes.write(text, at, 'latin1')
    else for (let i = 0; i < length; i++) bytes[at++] = text.charCodeAt(i)
    this.#length = at
  }
}

function putU32(bytes: Buffer, at: number, value: number): number {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
  return at + 4
}

function putPart(bytes: Buffer, at: number, source: Buffer, start: number, count: number): number {
  if (count > SHORT_TEXT_BYTES) source.copy(bytes, at, start, start + count)
  else for (let i = 0; i < count; i++) bytes[at + i] = source[start + i] as number
  return at + count
}
