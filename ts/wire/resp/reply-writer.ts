// Replies of a server, written into one growing buffer. Each method knows how RESP2 says what only RESP3 has a type for
// (Redis's networking.c, addReply*):
//
//   null  $-1 or *-1    boolean  :1 :0    double, big number, verbatim  bulk string    map, set, push  array
//   attribute  nothing at all: whoever writes one asks first
import { formatDouble } from './double.ts'

const FIRST_BYTES = 1024
/** A buffer that grew beyond this is given back when it was read. */
const KEPT_BYTES = 64 * 1024
const SHORT_TEXT_BYTES = 24
const CR = 0x0d
const ERROR = 0x2d
const LF = 0x0a

/**
 * Writes replies. Strings are given with one character of 0 to 255 a byte ("latin1"). Nothing here throws but for want of memory.
 *
 * @example
 * const writer = new ReplyWriter()
 * writer.array(2)
 * writer.bulk('a')
 * writer.integer(1)
 * Buffer.from(writer.bytes()).toString() // '*2\r\n$1\r\na\r\n:1\r\n'
 */
export class ReplyWriter {
  /** What the client asked for with HELLO. */
  protocol: 2 | 3 = 2
  /** What may lie here untaken. Beyond it everything is forgotten, and what is written is nothing that may be sent. */
  limitBytes = Number.POSITIVE_INFINITY
  /** The limit was exceeded: the connection has to be closed. */
  isOverLimit = false
  #bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0

  /** Bytes written and not taken. */
  get length(): number {
    return this.#length
  }

  /** What was written: a view that holds until the next call that writes. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** What was written, for the caller to keep; the writer is empty after. Copies what is short and gives away what is long. */
  take(): Uint8Array {
    const isLong = this.#length > FIRST_BYTES
    const taken = isLong ? this.bytes() : Uint8Array.prototype.slice.call(this.bytes())
    if (isLong) this.#bytes = Buffer.allocUnsafe(FIRST_BYTES)
    this.#length = 0
    return taken
  }

  /** Forgets what was written since `length` was `mark`. */
  truncate(mark = 0): void {
    this.#length = Math.min(mark, this.#length) // beyond its limit a writer holds less than it held
    if (mark === 0 && this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafe(FIRST_BYTES)
  }

  /** The text of the error that begins at `mark`; undefined if no error does. */
  errorAt(mark: number): string | undefined {
    if (mark >= this.#length || this.#bytes[mark] !== ERROR) return undefined
    return this.#bytes.toString('latin1', mark + 1, this.#bytes.indexOf(CR, mark))
  }

  /** `+text`. The text must not hold a line's end. */
  simple(text: string): void {
    this.#line(0x2b, text)
  }

  ok(): void {
    this.#raw('+OK\r\n')
  }

  /** `-text`, its line ends as spaces. The text begins with the error's code, such as `ERR`. */
  error(text: string): void {
    this.#line(0x2d, /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, ' ') : text)
  }

  /** `:value`, 64 bits. */
  integer(value: number | bigint): void {
    if (value === 0) this.#raw(':0\r\n')
    else if (value === 1) this.#raw(':1\r\n')
    else this.#line(0x3a, String(value))
  }

  boolean(value: boolean): void {
    if (this.protocol === 3) this.#raw(value ? '#t\r\n' : '#f\r\n')
    else this.integer(value ? 1 : 0)
  }

  /** A bulk string. A number is written in decimal digits. */
  bulk(value: string | number): void {
    const text = typeof value === 'string' ? value : String(value)
    const { length } = text
    this.#reserve(length + 16)
    this.#byte(0x24)
    this.#digits(length)
    this.#end()
    this.#text(text)
    this.#end()
  }

  bulkBytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length + 16)
    this.#byte(0x24)
    this.#digits(bytes.length)
    this.#end()
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
    this.#end()
  }

  /** The absence of a value. */
  nil(): void {
    this.#raw(this.protocol === 3 ? '_\r\n' : '$-1\r\n')
  }

  /** The absence of an array; RESP3 has one null for both. */
  nilArray(): void {
    this.#raw(this.protocol === 3 ? '_\r\n' : '*-1\r\n')
  }

  /** What is bulk if it is there. */
  bulkOrNil(value: string | number | undefined): void {
    if (value === undefined) this.nil()
    else this.bulk(value)
  }

  /** As Redis 7.0 prints doubles: 17 digits where they are needed. */
  double(value: number): void {
    this.doubleText(formatDouble(value))
  }

  /** A double that is printed already. */
  doubleText(text: string): void {
    if (this.protocol === 3) this.#line(0x2c, text)
    else this.bulk(text)
  }

  bigNumber(value: bigint): void {
    this.bigNumberText(value.toString())
  }

  /** A big number that is printed already. The text must not hold a line's end. */
  bigNumberText(text: string): void {
    if (this.protocol === 3) this.#line(0x28, text)
    else this.bulk(text)
  }

  /** @param format - Three characters: `txt` or `mkd`. */
  verbatim(format: string, text: string): void {
    if (this.protocol !== 3) {
      this.bulk(text)
      return
    }
    this.#line(0x3d, String(text.length + 4))
    this.#reserve(text.length + 6)
    this.#text(format)
    this.#byte(0x3a)
    this.#text(text)
    this.#end()
  }

  /** The head of an array; `count` elements follow. */
  array(count: number): void {
    this.#head(0x2a, count)
  }

  /** The head of a map; `count` keys and values follow, in turn. */
  map(count: number): void {
    if (this.protocol === 3) this.#head(0x25, count)
    else this.#head(0x2a, 2 * count)
  }

  set(count: number): void {
    this.#head(this.protocol === 3 ? 0x7e : 0x2a, count)
  }

  /** The head of a message that answers no command. */
  push(count: number): void {
    this.#head(this.protocol === 3 ? 0x3e : 0x2a, count)
  }

  /** The head of what is said about the next reply. @returns False in RESP2: then nothing of it may be written. */
  attribute(count: number): boolean {
    if (this.protocol !== 3) return false
    this.#head(0x7c, count)
    return true
  }

  /** An array of bulk strings. */
  bulks(values: readonly string[]): void {
    this.array(values.length)
    for (const value of values) this.bulk(value)
  }

  /** Bytes that are RESP already. */
  encoded(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #head(type: number, count: number): void {
    this.#reserve(16)
    this.#byte(type)
    this.#digits(count)
    this.#end()
  }

  #line(type: number, text: string): void {
    this.#reserve(text.length + 3)
    this.#byte(type)
    this.#text(text)
    this.#end()
  }

  #raw(text: string): void {
    this.#reserve(text.length)
    this.#text(text)
  }

  #byte(byte: number): void {
    this.#bytes[this.#length++] = byte
  }

  #end(): void {
    this.#bytes[this.#length++] = CR
    this.#bytes[this.#length++] = LF
  }

  /** A count in decimal digits. */
  #digits(value: number): void {
    if (value < 10) this.#bytes[this.#length++] = 0x30 + value
    else this.#text(String(value))
  }

  /** Room for it was reserved. A loop is faster than a call into V8 for what is short. */
  #text(text: string): void {
    const { length } = text
    if (length > SHORT_TEXT_BYTES) {
      this.#length += this.#bytes.write(text, this.#length, 'latin1')
      return
    }
    const bytes = this.#bytes
    let at = this.#length
    for (let i = 0; i < length; i++) bytes[at++] = text.charCodeAt(i)
    this.#length = at
  }

  #reserve(count: number): void {
    let wanted = this.#length + count
    if (wanted <= this.#bytes.length) return
    if (wanted > this.limitBytes) {
      this.isOverLimit = true
      this.#length = 0
      wanted = count
      if (wanted <= this.#bytes.length) return
    }
    const larger = Buffer.allocUnsafe(Math.max(wanted, Math.min(2 * this.#bytes.length, this.limitBytes)))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
