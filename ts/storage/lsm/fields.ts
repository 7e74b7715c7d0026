// Fields of a block or of the manifest, one behind the other, little-endian; every read is checked against the end.
import { BedplateError } from '../../base/errors.ts'

const MAX_U48 = 2 ** 48 - 1

/** Appends fields to memory that grows. */
export class FieldWriter {
  private buffer = new Uint8Array(64) // so small that it lies among the objects; blocks grow it once or twice
  private view = new DataView(this.buffer.buffer)
  private used = 0

  get length(): number {
    return this.used
  }

  /** What was written so far, until the next field. */
  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.used)
  }

  u8(value: number): void {
    const at = this.take(1) // which may replace the memory
    this.buffer[at] = value
  }

  u16(value: number): void {
    const at = this.take(2)
    this.view.setUint16(at, value, true)
  }

  u32(value: number): void {
    const at = this.take(4)
    this.view.setUint32(at, value, true)
  }

  /** A whole number below 2^48. */
  u48(value: number): void {
    const at = this.take(6)
    writeU48(this.view, at, value)
  }

  raw(bytes: Uint8Array): void {
    const at = this.take(bytes.length)
    this.buffer.set(bytes, at)
  }

  /** Up to 65,535 bytes with their length before them. */
  sized(bytes: Uint8Array): void {
    this.u16(bytes.length)
    this.raw(bytes)
  }

  private take(count: number): number {
    const at = this.used
    this.used += count
    if (this.used > this.buffer.length) {
      const larger = new Uint8Array(Math.max(this.used, 2 * this.buffer.length))
      larger.set(this.buffer)
      this.buffer = larger
      this.view = new DataView(larger.buffer)
    }
    return at
  }
}

/** Reads them back. Byte arrays are views. */
export class FieldReader {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly where: string
  private at = 0

  /** @param where - What the bytes are of, for the text of errors. */
  constructor(bytes: Uint8Array, where: string) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.where = where
  }

  get left(): number {
    return this.bytes.length - this.at
  }

  u8(): number {
    return this.view.getUint8(this.take(1))
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true)
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true)
  }

  u48(): number {
    return readU48(this.view, this.take(6))
  }

  raw(count: number): Uint8Array {
    const at = this.take(count)
    return this.bytes.subarray(at, at + count)
  }

  sized(): Uint8Array {
    return this.raw(this.u16())
  }

  /** A count of things of at least `bytesEach`: no more than there is room for. */
  count(bytesEach: number): number {
    const count = this.u32()
    if (count * bytesEach > this.left) throw this.broken(`${count} things are said to be in ${this.left} bytes`)
    return count
  }

  /** @throws CORRUPTION if anything is left. */
  end(): void {
    if (this.left > 0) throw this.broken(`${this.left} bytes are left over`)
  }

  broken(problem: string): BedplateError {
    return new BedplateError('CORRUPTION', `${this.where}: ${problem}`)
  }

  private take(count: number): number {
    const { at } = this
    if (count > this.left) throw this.broken(`it ends before its byte ${at + count}`)
    this.at = at + count
    return at
  }
}

/** Reads a number of six bytes; `offset + 6` lies inside. */
export function readU48(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint16(offset + 4, true) * 2 ** 32
}

/** Writes one. */
export function writeU48(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 2 ** 32, true)
  view.setUint16(offset + 4, Math.floor(value / 2 ** 32), true)
}

/** The highest sequence that can be written down; no commit has it. */
export const MAX_SEQUENCE = MAX_U48
