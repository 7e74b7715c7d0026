// Bytes that have arrived and were not read yet.

/** Below this length a loop over characters is faster than a call into V8's decoder. */
const SHORT_TEXT_BYTES = 12
/** The same for a search. */
const SHORT_SEARCH_BYTES = 32
/** A buffer of ours that is larger is given back when little of it is left to be read. */
const KEPT_BYTES = 64 * 1024

const DOLLAR = 0x24

/** A queue of bytes. What is whole in one piece is read where it lies; what is not is copied, each byte a bounded number of times. */
export class ReceiveBuffer {
  #bytes: Buffer = EMPTY
  /** What is readable lies from here */
  #start = 0
  /** to here. */
  #end = 0
  /** True if `#bytes` is ours to append to. */
  #isOwn = false
  /** How far `#searched` was looked for, counted from `#start`, so that a line that comes byte by byte is searched once. */
  #searchedBytes = 0
  #searched = -1
  /** What `#numberLineAt` has read. */
  #number = 0

  get length(): number {
    return this.#end - this.#start
  }

  /** Appends `bytes`, which must stay as they are until the queue is read empty. */
  push(bytes: Uint8Array): void {
    const waiting = this.length
    if (waiting === 0) {
      this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      this.#start = 0
      this.#end = bytes.length
      this.#isOwn = false
      return
    }
    if (!this.#isOwn || this.#end + bytes.length > this.#bytes.length) {
      // Doubling: a bulk string that comes in many pieces is copied twice, not once a piece.
      const larger = Buffer.allocUnsafe(Math.max(2 * (waiting + bytes.length), 1024))
      this.#bytes.copy(larger, 0, this.#start, this.#end)
      this.#bytes = larger
      this.#start = 0
      this.#end = waiting
      this.#isOwn = true
    }
    this.#bytes.set(bytes, this.#end)
    this.#end += bytes.length
  }

  /** The first byte, -1 if there is none. */
  peek(): number {
    return this.#start < this.#end ? (this.#bytes[this.#start] as number) : -1
  }

  /** The byte at `offset`, which must be below `length`. */
  at(offset: number): number {
    return this.#bytes[this.#start + offset] as number
  }

  /** The offset of the first `byte`, -1 if there is none yet. */
  find(byte: number): number {
    if (this.#searched !== byte) this.#searchedBytes = 0
    const bytes = this.#bytes
    let at = this.#start + this.#searchedBytes
    const near = Math.min(this.#end, at + SHORT_SEARCH_BYTES)
    for (; at < near; at++) if (bytes[at] === byte) return at - this.#start
    // No further than what has arrived: behind it lies whatever the memory held before.
    const found = at < this.#end ? bytes.subarray(at, this.#end).indexOf(byte) : -1
    if (found !== -1) return at + found - this.#start
    this.#searched = byte
    this.#searchedBytes = this.length
    return -1
  }

  /** The first `count` bytes as characters of 0 to 255. */
  text(count: number): string {
    const bytes = this.#bytes
    const start = this.#start
    const end = start + count
    if (count > SHORT_TEXT_BYTES) return bytes.toString('latin1', start, end)
    // Short texts come again and again: names of commands, options, small numbers.
    let hash = count
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0
    const slot = hash & (RECENT_TEXTS - 1)
    const recent = recentTexts[slot] as string
    if (recent.length === count && isText(bytes, start, recent)) return recent
    let text = ''
    for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number)
    recentTexts[slot] = text
    return text
  }

  /**
   * Takes a line of a byte and a number, `<type><digits>\r\n`.
   * @returns The number; -1, with nothing taken, unless it is there as a whole, from 1 to 99,999,999 and with no leading zero.
   */
  takeNumberLine(type: number): number {
    const end = this.#numberLineAt(this.#start, type)
    if (end === -1) return -1
    this.skip(end - this.#start)
    return this.#number
  }

  /**
   * Finds a command of three arguments, `head` and two more, if all of it is in one piece at the start.
   * @param head - The count and the first argument as they are sent.
   * @returns Nothing is taken: `pair.end` bytes are its. Undefined for anything else, and where lengths have leading zeros.
   */
  findPair(head: Uint8Array): Pair | undefined {
    const bytes = this.#bytes
    const start = this.#start
    const firstAt = start + head.length
    if (firstAt >= this.#end) return undefined
    for (let i = 0; i < head.length; i++) if (bytes[start + i] !== head[i]) return undefined
    const keyLine = this.#numberLineAt(firstAt, DOLLAR)
    if (keyLine === -1) return undefined
    pair.keyBytes = this.#number
    pair.keyAt = keyLine
    const valueLine = this.#numberLineAt(keyLine + pair.keyBytes + 2, DOLLAR)
    if (valueLine === -1) return undefined
    pair.valueBytes = this.#number
    pair.valueAt = valueLine
    const end = valueLine + pair.valueBytes + 2
    if (end > this.#end) return undefined
    pair.end = end - start
    pair.bytes = bytes
    return pair
  }

  /** Reads `<type><digits>\r\n` at `at` into `#number`. @returns Where it ends; -1 for all that `takeNumberLine` does not take. */
  #numberLineAt(at: number, type: number): number {
    const bytes = this.#bytes
    const end = this.#end
    if (at + 3 >= end || bytes[at] !== type) return -1
    let value = (bytes[at + 1] as number) - 0x30
    if (value < 1 || value > 9) return -1
    let i = at + 2
    for (; i < end; i++) {
      const digit = (bytes[i] as number) - 0x30
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      if (value > MAX_NUMBER) return -1
    }
    if (i + 1 >= end || bytes[i] !== 0x0d) return -1
    this.#number = value
    return i + 2
  }

  /** Forgets the first `count` bytes. */
  skip(count: number): void {
    pair.bytes = EMPTY // or what a connection has sent that is gone since would stay until another one sends a pair
    this.#start += count
    this.#searchedBytes = 0
    this.#searched = -1
    const left = this.length
    if (left > 0 && !(this.#isOwn && this.#bytes.length > KEPT_BYTES && left < this.#bytes.length / 4)) return
    // What is left of a large buffer moves into one of its size, so that an idle connection holds no more than it needs.
    this.#bytes = left === 0 ? EMPTY : Buffer.from(this.#bytes.subarray(this.#start, this.#end))
    this.#start = 0
    this.#end = left
    this.#isOwn = false
  }
}

const EMPTY = Buffer.alloc(0)
const MAX_NUMBER = 99_999_999

/** Where the second and the third argument of a command lie. */
export interface Pair {
  bytes: Buffer
  keyAt: number
  keyBytes: number
  valueAt: number
  valueBytes: number
  /** Of the whole command. */
  end: number
}

/** One for all: it is looked at before the next call. */
const pair: Pair = { bytes: EMPTY, keyAt: 0, keyBytes: 0, valueAt: 0, valueBytes: 0, end: 0 }

/** A power of two. */
const RECENT_TEXTS = 1024
/** Short texts that were read of late, each at the place of its hash. */
const recentTexts: string[] = new Array(RECENT_TEXTS).fill('')

function isText(bytes: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}

/** A whole number as Redis's string2ll takes it: no spaces, no plus, no leading zeros. Undefined if it is none or unsafe. */
export function parseLength(text: string): number | undefined {
  const { length } = text
  if (length === 0 || length > 16) return undefined
  const isNegative = text.charCodeAt(0) === 0x2d
  const first = isNegative ? 1 : 0
  if (length === first) return undefined
  if (text.charCodeAt(first) === 0x30) return length === 1 ? 0 : undefined
  let value = 0
  for (let i = first; i < length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return isNegative ? -value : value
}
