// Bytes in the making, little-endian unless it says otherwise.

const FIRST_BYTES = 256
/** A buffer that grew beyond this is given away, not kept. */
const KEPT_BYTES = 64 * 1024

/** A growing buffer. Text has one character of 0 to 255 a byte. */
export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  u16(value: number): void {
    this.#length = this.#reserve(2).writeUInt16LE(value, this.#length)
  }

  /** 32 bits, signed or not. */
  u32(value: number): void {
    this.#length = this.#reserve(4).writeUInt32LE(value >>> 0, this.#length)
  }

  u32BigEndian(value: number): void {
    this.#length = this.#reserve(4).writeUInt32BE(value >>> 0, this.#length)
  }

  /** 64 bits, signed or not. */
  u64(value: number | bigint): void {
    this.#length = this.#reserve(8).writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), this.#length)
  }

  u64BigEndian(value: number | bigint): void {
    this.#length = this.#reserve(8).writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)), this.#length)
  }

  f64(value: number): void {
    this.#length = this.#reserve(8).writeDoubleLE(value, this.#length)
  }

  text(text: string): void {
    this.#reserve(text.length)
    this.#length += this.#bytes.write(text, this.#length, 'latin1')
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length).set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** What was written: a view until the next call that writes; `set` in it what was not known when it was written. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** What was written, for the caller to keep; the writer is empty after. */
  take(): Uint8Array {
    const isLong = this.#length > KEPT_BYTES
    const taken = isLong ? this.view() : Uint8Array.prototype.slice.call(this.view())
    if (isLong) this.#bytes = Buffer.allocUnsafe(FIRST_BYTES)
    this.#length = 0
    return taken
  }

  /** Forgets what was written. */
  clear(): void {
    this.#length = 0
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafe(FIRST_BYTES)
  }

  #reserve(count: number): Buffer {
    const wanted = this.#length + count
    if (wanted > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(wanted, 2 * this.#bytes.length))
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    return this.#bytes
  }
}
