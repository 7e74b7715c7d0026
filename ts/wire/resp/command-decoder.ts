// Commands of clients, from bytes that come in any pieces:
//
//   *<count>\r\n  then count times  $<length>\r\n<bytes>\r\n     what every client library sends
//   SET key "a value"\r\n                                          inline: what people type into a terminal
//
// Redis's own reader (networking.c, processMultibulkBuffer and processInlineBuffer) takes the two bytes after a line's \r
// and after a bulk string for granted; so does this one, to refuse exactly what Redis refuses.
import { splitInline } from './inline.ts'
import { type Pair, parseLength, ReceiveBuffer } from './receive-buffer.ts'
import { DEFAULT_LIMITS, type RespLimits, RespProtocolError } from './types.ts'

const STAR = 0x2a
const DOLLAR = 0x24
/** What an argument costs beside its bytes: else a command of empty ones could take many times what was sent. */
const ARGUMENT_BYTES = 16
const NONE: string[] = []

/**
 * Decodes what a client sends. Arguments are strings with one character of 0 to 255 a byte ("latin1").
 *
 * @example
 * const decoder = new CommandDecoder()
 * decoder.push(Buffer.from('*2\r\n$3\r\nGET\r\n$1\r\nk\r\n'))
 * decoder.next() // ['GET', 'k']
 * decoder.next() // undefined: more bytes are needed
 */
export class CommandDecoder {
  /** May be replaced between two commands: a client that has authenticated may send more. */
  limits: RespLimits
  readonly #input = new ReceiveBuffer()
  /** Arguments of the command in the making, those that still lack, and the length of the next one, -1 before it is known. */
  #args: string[] = []
  #missing = 0
  #length = -1
  #commandBytes = 0
  #failure: RespProtocolError | undefined

  constructor(limits: RespLimits = DEFAULT_LIMITS) {
    this.limits = limits
  }

  /** Bytes that were received and belong to no command yet. */
  get bufferedBytes(): number {
    return this.#input.length + this.#commandBytes
  }

  /** Takes the next bytes of the connection. They must not change until `next` has returned undefined. */
  push(bytes: Uint8Array): void {
    this.#input.push(bytes)
  }

  /**
   * The next whole command; undefined if more bytes are needed. Empty commands are passed over, as Redis does.
   * Each byte is looked at a bounded number of times, however the bytes are cut.
   * @throws RespProtocolError with Redis's own text; every later call throws it again.
   */
  next(): string[] | undefined {
    if (this.#failure !== undefined) throw this.#failure
    try {
      for (;;) {
        if (this.#missing === 0) {
          const first = this.#input.peek()
          if (first === -1) return undefined
          const inline = first === STAR ? this.#begin() : this.#inline()
          if (inline === undefined) return undefined
          if (inline.length > 0) return inline
        } else {
          if (!this.#argument()) return undefined
          if (this.#missing === 0) return this.#take()
        }
      }
    } catch (error) {
      if (error instanceof RespProtocolError) this.#failure = error
      throw error
    }
  }

  /**
   * Looks whether a command of three arguments is next that begins with `head`, as a whole and in the plainest form, within the
   * limits; for those who copy much and want no strings. It is taken by `takePair`, or comes from `next` as well.
   * @param head - Such as `*3\r\n$3\r\nSET\r\n`. @returns Where its arguments lie; until the next call of anything here.
   */
  peekPair(head: Uint8Array): Pair | undefined {
    if (this.#missing > 0 || this.#failure !== undefined) return undefined
    const pair = this.#input.findPair(head)
    const { bulkBytes } = this.limits
    return pair !== undefined && pair.keyBytes <= bulkBytes && pair.valueBytes <= bulkBytes ? pair : undefined
  }

  /** Takes what `peekPair` has just found. */
  takePair({ end }: Pair): void {
    this.#input.skip(end)
  }

  #take(): string[] {
    const args = this.#args
    this.#args = []
    this.#commandBytes = 0
    return args
  }

  /** Reads the count of a command. Undefined if its line is not complete; else no arguments, since they follow. */
  #begin(): string[] | undefined {
    let count = this.#input.takeNumberLine(STAR)
    if (count === -1) {
      const line = this.#line('too big mbulk count string')
      if (line === undefined) return undefined
      const parsed = parseLength(line.slice(1))
      if (parsed === undefined || parsed > 2 ** 31 - 1) throw new RespProtocolError('invalid multibulk length')
      count = parsed
    }
    if (count > this.limits.multibulkCount) {
      const isEarly = this.limits.multibulkCount <= 10
      throw new RespProtocolError(isEarly ? 'unauthenticated multibulk length' : 'invalid multibulk length')
    }
    this.#missing = Math.max(0, count)
    return NONE
  }

  #inline(): string[] | undefined {
    const end = this.#input.find(0x0a)
    if (end === -1) {
      if (this.#input.length > this.limits.inlineBytes) throw new RespProtocolError('too big inline request')
      return undefined
    }
    if (end > this.limits.inlineBytes) throw new RespProtocolError('too big inline request')
    const line = this.#input.text(end)
    this.#input.skip(end + 1)
    const args = splitInline(line.endsWith('\r') ? line.slice(0, -1) : line)
    if (args === undefined) throw new RespProtocolError('unbalanced quotes in request')
    return args
  }

  /** Reads one argument, or as much of it as there is. @returns False if more bytes are needed. */
  #argument(): boolean {
    if (this.#length === -1) {
      let length = this.#input.takeNumberLine(DOLLAR)
      if (length === -1) {
        const line = this.#line('too big bulk count string')
        if (line === undefined) return false
        if (line.charCodeAt(0) !== DOLLAR) {
          throw new RespProtocolError(`expected '$', got '${line === '' ? '\r' : line.charAt(0)}'`)
        }
        const parsed = parseLength(line.slice(1))
        if (parsed === undefined || parsed < 0) throw new RespProtocolError('invalid bulk length')
        length = parsed
      }
      if (length > this.limits.bulkBytes) {
        const isEarly = this.limits.bulkBytes <= 16 * 1024
        throw new RespProtocolError(isEarly ? 'unauthenticated bulk length' : 'invalid bulk length')
      }
      this.#commandBytes += length + ARGUMENT_BYTES
      if (this.#commandBytes > this.limits.messageBytes) throw new RespProtocolError('too big request')
      this.#length = length
    }
    const length = this.#length
    if (this.#input.length < length + 2) return false
    this.#args.push(this.#input.text(length))
    this.#input.skip(length + 2)
    this.#length = -1
    this.#missing--
    return true
  }

  #line(tooLong: string): string | undefined {
    const end = this.#input.find(0x0d)
    if (end === -1 || end + 2 > this.#input.length) {
      if (this.#input.length > this.limits.inlineBytes) throw new RespProtocolError(tooLong)
      return undefined
    }
    if (end > this.limits.inlineBytes) throw new RespProtocolError(tooLong)
    const line = this.#input.text(end)
    this.#input.skip(end + 2)
    return line
  }
}
