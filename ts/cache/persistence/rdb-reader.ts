// Bytes of an RDB file as they come, in pieces of any size. All memory is bounded by what has really come: a length that was
// announced is never allocated before its bytes are there.
import { BedplateError } from '../../base/errors.ts'
import { MAX_STRING_BYTES } from '../../wire/resp/index.ts'
import { latin1, MalformedError } from './byte-view.ts'
import { Crc64 } from './crc64.ts'
import { decompressLzf } from './lzf.ts'
import { STRING } from './rdb-format.ts'

/** Gives the next bytes; undefined at the end. They must stay as they are. */
export type ByteSource = () => Uint8Array | undefined

const NOTHING = new Uint8Array(0)
const MAX_COUNT = 2 ** 40

/** Reads from a source, with a checksum of everything that was read. Every call throws CORRUPTION if there is less. */
export class RdbReader {
  readonly #source: ByteSource
  readonly #name: string
  #chunk: Uint8Array = NOTHING
  #at = 0
  /** Of the first byte of the chunk. */
  #offset: number
  readonly #crc = new Crc64()
  /** Up to where in the chunk the checksum is. */
  #checked = 0
  /** The source has no more. */
  isExhausted = false

  /**
   * @param name - Where the bytes are from, for messages.
   * @param offset - Of the first byte that the source gives.
   */
  constructor(source: ByteSource, name: string, offset = 0) {
    this.#source = source
    this.#name = name
    this.#offset = offset
  }

  /** Bytes that were read. */
  get offset(): number {
    return this.#offset + this.#at
  }

  /** Whether at least one more byte can be read. */
  hasMore(): boolean {
    return this.#at < this.#chunk.length || this.#next()
  }

  /** The checksum of everything that was read so far. */
  checksum(): bigint {
    this.#crc.update(this.#chunk.subarray(this.#checked, this.#at))
    this.#checked = this.#at
    return this.#crc.value()
  }

  /** @throws CORRUPTION always. */
  refuse(why: string, cause?: unknown): never {
    throw new BedplateError('CORRUPTION', `${this.#name}: ${why} (before byte ${this.offset})`, {
      cause,
      hint: 'redis-check-rdb tells what of the file can be read',
    })
  }

  /** Whether this is what comes next; it is not read. */
  startsWith(text: string): boolean {
    if (!this.hasMore()) return false
    const seen = this.#chunk.subarray(this.#at, this.#at + text.length)
    return latin1(seen) === text
  }

  u8(): number {
    if (this.#at === this.#chunk.length) this.#advance()
    return this.#chunk[this.#at++] as number
  }

  /** The next `length` bytes: a view or a copy, to be read soon. */
  take(length: number): Buffer {
    if (this.#chunk.length - this.#at >= length) {
      const start = this.#at
      this.#at += length
      return Buffer.from(this.#chunk.buffer, this.#chunk.byteOffset + start, length)
    }
    const pieces: Uint8Array[] = []
    for (let left = length; left > 0; ) {
      if (this.#at === this.#chunk.length) this.#advance()
      const piece = this.#chunk.subarray(this.#at, this.#at + left)
      pieces.push(piece)
      this.#at += piece.length
      left -= piece.length
    }
    return Buffer.concat(pieces)
  }

  /** Bytes as text of one character of 0 to 255 a byte. */
  text(length: number): string {
    return this.take(length).toString('latin1')
  }

  /** 64 bits of milliseconds, signed. */
  ms(): number {
    return Number(this.take(8).readBigInt64LE())
  }

  /** An unsigned number of up to 64 bits; a bigint beyond 2^53. */
  unsigned(): number | bigint {
    return this.#length(this.u8()) ?? this.refuse('a length is no length')
  }

  /** A count of things that follow. */
  count(): number {
    const value = this.unsigned()
    return typeof value === 'number' && value < MAX_COUNT ? value : this.refuse(`a count of ${value}`)
  }

  string(): string {
    const bytes = this.#bytes()
    return typeof bytes === 'number' ? String(bytes) : latin1(bytes)
  }

  /** A string as its bytes. */
  stringBytes(): Uint8Array {
    const bytes = this.#bytes()
    return typeof bytes === 'number' ? Buffer.from(String(bytes)) : bytes
  }

  /** Passes over a string. */
  skipString(): void {
    this.#bytes()
  }

  /** A string's bytes, or the whole number that it is. */
  #bytes(): Uint8Array | number {
    const first = this.u8()
    if (first >= 0xc0) return this.#special(first & 0x3f)
    return this.take(this.#stringLength(this.#length(first)))
  }

  #special(encoding: number): Uint8Array | number {
    switch (encoding) {
      case STRING.int8:
        return this.take(1).readInt8()
      case STRING.int16:
        return this.take(2).readInt16LE()
      case STRING.int32:
        return this.take(4).readInt32LE()
      case STRING.lzf: {
        const compressed = this.#stringLength(this.unsigned())
        const length = this.#stringLength(this.unsigned())
        return decompressLzf(this.take(compressed), length) ?? this.refuse('a compressed string cannot be read')
      }
      default:
        return this.refuse(`a string has encoding ${encoding}`)
    }
  }

  #stringLength(value: number | bigint | undefined): number {
    if (typeof value !== 'number' || value > MAX_STRING_BYTES) return this.refuse(`a string of ${value} bytes`)
    return value
  }

  #length(first: number): number | bigint | undefined {
    if (first < 0x40) return first
    if (first < 0x80) return ((first & 0x3f) << 8) | this.u8()
    if (first === 0x80) return this.take(4).readUInt32BE()
    if (first !== 0x81) return undefined
    const value = this.take(8).readBigUInt64BE()
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
  }

  #advance(): void {
    if (!this.#next()) this.refuse('it ends too early')
  }

  /** Goes on to the next piece of the source that is not empty. @returns False if there is none. */
  #next(): boolean {
    this.checksum()
    this.#offset += this.#at
    this.#at = 0
    this.#checked = 0
    do {
      const chunk = this.isExhausted ? undefined : this.#source()
      this.#chunk = chunk ?? NOTHING
      this.isExhausted = chunk === undefined
    } while (this.#chunk.length === 0 && !this.isExhausted)
    return !this.isExhausted
  }
}

/** Runs what reads parts, and says where they were wrong. */
export function within<T>(reader: RdbReader, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof MalformedError) return reader.refuse(error.message, error)
    // V8 refuses tables and texts beyond its limits.
    if (error instanceof RangeError) return reader.refuse('a value is larger than this server can hold', error)
    throw error
  }
}
