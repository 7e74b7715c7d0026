// Bytes as records and messages have them: little-endian, whole numbers of 53 bits in eight bytes, lists with their length.
import { assert, BedplateError } from './errors.ts'
import { decodeUtf8 } from './utf8.ts'

const WORD = 2 ** 32
const FIRST_BYTES = 256

/** Puts values behind one another. */
export class ByteWriter {
  private bytes: Uint8Array
  private view: DataView
  private at = 0

  /** @param sizeBytes - About what will be put: with less it grows, by copying. */
  constructor(sizeBytes = FIRST_BYTES) {
    this.bytes = new Uint8Array(sizeBytes)
    this.view = new DataView(this.bytes.buffer)
  }

  u8(value: number): this {
    this.grow(1)
    this.bytes[this.at++] = value
    return this
  }

  u32(value: number): this {
    this.grow(4)
    this.view.setUint32(this.at, value, true)
    this.at += 4
    return this
  }

  /** A whole number from 0 to 2^53 - 1. */
  u53(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, 'numbers in messages are whole and small')
    return this.u32(value % WORD).u32(Math.floor(value / WORD))
  }

  /** Bytes with their length before them. */
  blob(value: Uint8Array): this {
    return this.u32(value.length).raw(value)
  }

  text(value: string): this {
    return this.blob(Buffer.from(value))
  }

  list<T>(values: readonly T[], put: (value: T) => void): this {
    this.u32(values.length)
    for (const value of values) put(value)
    return this
  }

  raw(value: Uint8Array): this {
    this.grow(value.length)
    this.bytes.set(value, this.at)
    this.at += value.length
    return this
  }

  /** Begins anew in the same memory, unless that is larger than `keptBytes`: what was taken from it is overwritten. */
  restart(keptBytes: number): this {
    if (this.bytes.length > keptBytes) {
      this.bytes = new Uint8Array(FIRST_BYTES)
      this.view = new DataView(this.bytes.buffer)
    }
    this.at = 0
    return this
  }

  /** What was put, as a view; the writer is not used any more, or begun anew. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.at)
  }

  private grow(count: number): void {
    const needed = this.at + count
    if (needed <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(needed, 2 * this.bytes.length))
    larger.set(this.bytes.subarray(0, this.at))
    this.bytes = larger
    this.view = new DataView(larger.buffer)
  }
}

/** Takes values out of bytes that others wrote: every one of them is checked against what is there. */
export class ByteReader {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly what: string
  private at = 0

  /** @param what - Names the bytes in errors: `message`. */
  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.what = what
  }

  u8(): number {
    return this.view.getUint8(this.take(1))
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true)
  }

  u53(): number {
    const value = this.u32() + this.u32() * WORD
    if (!Number.isSafeInteger(value)) throw this.corrupt('has a number above 2^53')
    return value
  }

  /** 0 or 1. */
  flag(): boolean {
    return this.choice(2) === 1
  }

  /** A byte below `count`. */
  choice(count: number): number {
    const value = this.u8()
    if (value >= count) throw this.corrupt(`has ${value} where less than ${count} is known`)
    return value
  }

  /** A view of the bytes that were given. */
  blob(mostBytes: number): Uint8Array {
    const length = this.u32()
    if (length > mostBytes) throw this.corrupt(`has a part of ${length} bytes, and ${mostBytes} are allowed`)
    const start = this.take(length)
    return this.bytes.subarray(start, start + length)
  }

  /** What is no UTF-8 is refused: read tolerantly it would be longer, and another text, when it is written again. */
  text(mostBytes: number): string {
    const text = decodeUtf8(this.blob(mostBytes))
    if (text === undefined) throw this.corrupt('has text that is no UTF-8')
    return text
  }

  /** @param itemBytes - What an item has at least: a length that cannot be true allocates nothing. */
  list<T>(bounds: { most: number; itemBytes: number }, take: () => T): T[] {
    const count = this.u32()
    const { most, itemBytes } = bounds
    if (count > most || count * itemBytes > this.bytes.length - this.at) {
      throw this.corrupt(`has a list of ${count}, which is too long`)
    }
    return Array.from({ length: count }, take)
  }

  /** Everything that was not taken yet, as a view. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.take(this.bytes.length - this.at))
  }

  /** Refuses what is left over. */
  end(): void {
    if (this.at !== this.bytes.length) throw this.corrupt(`has ${this.bytes.length - this.at} bytes too many`)
  }

  /** The error for bytes that cannot be. */
  corrupt(fault: string): BedplateError {
    return new BedplateError(
      'CORRUPTION',
      `a ${this.what} of ${this.bytes.length} bytes ${fault} (near byte ${this.at})`,
    )
  }

  private take(count: number): number {
    const start = this.at
    if (count > this.bytes.length - start) throw this.corrupt('ends too early')
    this.at += count
    return start
  }
}
