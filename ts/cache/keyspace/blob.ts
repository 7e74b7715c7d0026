// A string that changes in place: what APPEND, SETRANGE, SETBIT and BITFIELD work on, which would otherwise copy it each time.
import { objectBytes } from './memory.ts'

/** The object, and a Buffer with what lies behind it. */
const OWN_BYTES = objectBytes(2) + 200
const FIRST_BYTES = 64
const GROWTH = 1.5

/** Growing bytes. Reads beyond the end are zeros. */
export class Blob {
  #bytes: Buffer
  #length: number

  constructor(text: string, capacity = 0) {
    this.#bytes = Buffer.alloc(Math.max(FIRST_BYTES, capacity, text.length))
    this.#length = this.#bytes.write(text, 0, 'latin1')
  }

  /** One that holds `bytes` themselves: they are its own from now on. */
  static of(bytes: Uint8Array): Blob {
    const blob = new Blob('')
    blob.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    blob.#length = bytes.length
    return blob
  }

  /** A blob of its own, equal to this one. */
  clone(): Blob {
    return Blob.of(Uint8Array.from(this.bytes()))
  }

  /** What it costs in memory, about. O(1). */
  get heldBytes(): number {
    return OWN_BYTES + this.#bytes.length
  }

  get length(): number {
    return this.#length
  }

  /** A view that holds until the next change. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** The bytes from `start` to before `end`, both within the length. */
  text(start = 0, end = this.#length): string {
    return this.#bytes.toString('latin1', start, end)
  }

  byte(index: number): number {
    return index < this.#length ? (this.#bytes[index] as number) : 0
  }

  setByte(index: number, byte: number): void {
    this.grow(index + 1)
    this.#bytes[index] = byte
  }

  /** Writes `text` at `offset`, with zeros between the old end and it. */
  write(text: string, offset: number): void {
    this.grow(offset + text.length)
    this.#bytes.write(text, offset, 'latin1')
  }

  /** Makes it at least `length` bytes long. */
  grow(length: number): void {
    if (length <= this.#length) return
    if (length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(length, Math.ceil(this.#bytes.length * GROWTH)))
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    this.#length = length
  }
}
