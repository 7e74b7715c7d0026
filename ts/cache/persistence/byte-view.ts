// Bytes from outside, read within their bounds.

/** What was read is not what it should be. Whoever knows where the bytes lie says so. */
export class MalformedError extends Error {
  constructor(text: string) {
    super(text)
    this.name = 'MalformedError'
  }
}

/** Bytes as text, one character of 0 to 255 a byte. */
export function latin1(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', start, end)
}

/** A position that moves forward. Little-endian unless it says otherwise. Every call throws MalformedError beyond the end. */
export class ByteView {
  readonly #bytes: Buffer
  readonly #what: string
  #at = 0

  /** @param what - The name of what is read, for messages. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#what = what
  }

  get at(): number {
    return this.#at
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** @throws MalformedError always. */
  refuse(why: string): never {
    throw new MalformedError(`${this.#what}: ${why}`)
  }

  /** The next byte, which is not consumed. */
  peek(): number {
    if (this.left < 1) this.refuse('it ends too early')
    return this.#bytes[this.#at] as number
  }

  skip(count: number): number {
    if (count > this.left) this.refuse('it ends too early')
    const start = this.#at
    this.#at += count
    return start
  }

  u8(): number {
    return this.#bytes[this.skip(1)] as number
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.skip(2))
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.skip(4))
  }

  u32BigEndian(): number {
    return this.#bytes.readUInt32BE(this.skip(4))
  }

  /** A signed number of up to 6 bytes. */
  signed(bytes: number): number {
    return this.#bytes.readIntLE(this.skip(bytes), bytes)
  }

  i64(): bigint {
    return this.#bytes.readBigInt64LE(this.skip(8))
  }

  text(length: number): string {
    const start = this.skip(length)
    return this.#bytes.toString('latin1', start, start + length)
  }
}
