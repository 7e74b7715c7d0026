// Replies of servers, RESP2 and RESP3, from bytes that come in any pieces. Every element begins with a line
// `<type><text>\r\n`; strings then carry their bytes, aggregates their elements. Streamed strings (`$?`) and aggregates (`*?`)
// are part of RESP3 though no server sends them.
import { parseLength, ReceiveBuffer } from './receive-buffer.ts'
import { DEFAULT_LIMITS, type Reply, type RespLimits, RespProtocolError } from './types.ts'

type AggregateKind = 'array' | 'set' | 'push' | 'map' | 'attribute'

interface Aggregate {
  readonly kind: AggregateKind
  readonly items: Reply[]
  /** Infinity while it is streamed. */
  missing: number
}

const AGGREGATES: ReadonlyMap<string, AggregateKind> = new Map([
  ['*', 'array'],
  ['~', 'set'],
  ['>', 'push'],
  ['%', 'map'],
  ['|', 'attribute'],
])
const NULL: Reply = { kind: 'null' }
const INTEGER = /^[+-]?\d{1,20}$/
const BIG_NUMBER = /^[+-]?\d+$/
const DOUBLE = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
/** What an element costs beside its bytes. */
const ELEMENT_BYTES = 32
/** Conversion of a big number takes time that grows with the square of its digits. */
const MAX_BIG_NUMBER_DIGITS = 4096

/** Decodes what a server sends. */
export class ReplyDecoder {
  readonly limits: RespLimits
  readonly #input = new ReceiveBuffer()
  /** Aggregates that are open, the outermost first. */
  #open: Aggregate[] = []
  /** The string whose bytes are awaited: its type, and its length. */
  #string: { readonly type: string; readonly length: number } | undefined
  /** Chunks of the streamed string that is being read. */
  #chunks: string[] | undefined
  #messageBytes = 0
  #failure: RespProtocolError | undefined

  constructor(limits: RespLimits = DEFAULT_LIMITS) {
    this.limits = limits
  }

  /** Takes the next bytes of the connection. They must not change until `next` has returned undefined. */
  push(bytes: Uint8Array): void {
    this.#input.push(bytes)
  }

  /**
   * The next whole reply, attribute or push; undefined if more bytes are needed.
   * @throws RespProtocolError if the bytes are no RESP or exceed a limit; every later call throws it again.
   */
  next(): Reply | undefined {
    if (this.#failure !== undefined) throw this.#failure
    try {
      for (;;) {
        const element = this.#element()
        if (element === undefined) return undefined
        const whole = element === 'more' ? this.#close() : this.#close(element)
        if (whole !== undefined) {
          this.#messageBytes = 0
          return whole
        }
      }
    } catch (error) {
      if (error instanceof RespProtocolError) this.#failure = error
      throw error
    }
  }

  /** Adds an element to what is open and closes what is complete. @returns The outermost reply, once it is. */
  #close(element?: Reply): Reply | undefined {
    const open = this.#open
    let done = element
    for (;;) {
      const inner = open.at(-1)
      if (inner === undefined) return done
      if (done !== undefined) {
        inner.items.push(done)
        if (done.kind !== 'attribute') inner.missing-- // an attribute speaks about the element after it
        if (inner.items.length > this.limits.multibulkCount) throw new RespProtocolError('too many elements')
      }
      if (inner.missing > 0) return undefined
      open.pop()
      done = { kind: inner.kind, items: inner.items }
    }
  }

  /** Reads one element; 'more' if that was a part of one, as the head of an aggregate is. Undefined if bytes are lacking. */
  #element(): Reply | 'more' | undefined {
    if (this.#string !== undefined) return this.#body(this.#string)
    const line = this.#line()
    if (line === undefined) return undefined
    const type = line.charAt(0)
    const text = line.slice(1)
    if (this.#chunks !== undefined) return this.#chunk(type, text)
    const aggregate = AGGREGATES.get(type)
    if (aggregate !== undefined) return this.#begin(aggregate, text)
    switch (type) {
      case '+':
        return { kind: 'simple', text }
      case '-':
        return { kind: 'error', text }
      case ':':
        return { kind: 'integer', value: integer(text) }
      case '_':
        if (text !== '') throw new RespProtocolError('invalid null')
        return NULL
      case '#':
        if (text !== 't' && text !== 'f') throw new RespProtocolError('invalid boolean')
        return { kind: 'boolean', value: text === 't' }
      case ',':
        return { kind: 'double', value: double(text) }
      case '(':
        if (!BIG_NUMBER.test(text) || text.length > MAX_BIG_NUMBER_DIGITS)
          throw new RespProtocolError('invalid big number')
        return { kind: 'big number', value: BigInt(text.startsWith('+') ? text.slice(1) : text) }
      case '$':
      case '=':
      case '!':
        return this.#beginString(type, text)
      case '.':
        return this.#endStream(text)
      default:
        throw new RespProtocolError(`unknown type ${JSON.stringify(type)}`)
    }
  }

  #begin(kind: AggregateKind, text: string): Reply | 'more' {
    if (text === '-1' && kind === 'array') return NULL
    const count = text === '?' ? Number.POSITIVE_INFINITY : parseLength(text)
    if (count === undefined || count < 0 || (text !== '?' && count > this.limits.multibulkCount)) {
      throw new RespProtocolError('invalid multibulk length')
    }
    if (this.#open.length >= this.limits.depth) throw new RespProtocolError('too deeply nested')
    const missing = kind === 'map' || kind === 'attribute' ? 2 * count : count
    this.#open.push({ kind, items: [], missing })
    return 'more'
  }

  #endStream(text: string): 'more' {
    const inner = this.#open.at(-1)
    if (text !== '' || inner?.missing !== Number.POSITIVE_INFINITY)
      throw new RespProtocolError('unexpected end of stream')
    const elements = inner.items.filter(({ kind }) => kind !== 'attribute')
    if ((inner.kind === 'map' || inner.kind === 'attribute') && elements.length % 2 !== 0) {
      throw new RespProtocolError('a key without a value')
    }
    inner.missing = 0
    return 'more'
  }

  #beginString(type: string, text: string): Reply | 'more' | undefined {
    if (text === '-1' && type === '$') return NULL
    if (text === '?' && type === '$') {
      this.#chunks = []
      return 'more'
    }
    return this.#body(this.#announce(type, text))
  }

  #announce(type: string, text: string): { type: string; length: number } {
    const length = parseLength(text)
    if (length === undefined || length < 0 || length > this.limits.bulkBytes) {
      throw new RespProtocolError('invalid bulk length')
    }
    this.#count(length)
    const string = { type, length }
    this.#string = string
    return string
  }

  #body({ type, length }: { type: string; length: number }): Reply | 'more' | undefined {
    if (this.#input.length < length + 2) return undefined
    const text = this.#input.text(length)
    if (this.#input.at(length) !== 0x0d || this.#input.at(length + 1) !== 0x0a) {
      throw new RespProtocolError('a string is longer than announced')
    }
    this.#input.skip(length + 2)
    this.#string = undefined
    if (type === ';') {
      this.#chunks?.push(text)
      return 'more'
    }
    if (type === '!') return { kind: 'error', text }
    if (type === '$') return { kind: 'bulk', text }
    if (text.charAt(3) !== ':') throw new RespProtocolError('invalid verbatim string')
    return { kind: 'verbatim', format: text.slice(0, 3), text: text.slice(4) }
  }

  /** One line within a streamed string: a chunk, or its end. */
  #chunk(type: string, text: string): Reply | 'more' | undefined {
    if (type !== ';') throw new RespProtocolError(`expected ';', got ${JSON.stringify(type)}`)
    if (text !== '0') return this.#body(this.#announce(type, text))
    const whole = (this.#chunks ?? []).join('')
    this.#chunks = undefined
    if (whole.length > this.limits.bulkBytes) throw new RespProtocolError('invalid bulk length')
    return { kind: 'bulk', text: whole }
  }

  #line(): string | undefined {
    const end = this.#input.find(0x0d)
    if (end === -1 || end + 2 > this.#input.length) {
      if (this.#input.length > this.limits.inlineBytes) throw new RespProtocolError('too long line')
      return undefined
    }
    if (end > this.limits.inlineBytes) throw new RespProtocolError('too long line')
    if (this.#input.at(end + 1) !== 0x0a) throw new RespProtocolError('a line has no end')
    this.#count(end)
    const line = this.#input.text(end)
    this.#input.skip(end + 2)
    return line
  }

  #count(bytes: number): void {
    this.#messageBytes += bytes + ELEMENT_BYTES
    if (this.#messageBytes > this.limits.messageBytes) throw new RespProtocolError('too big reply')
  }
}

function integer(text: string): number | bigint {
  if (!INTEGER.test(text)) throw new RespProtocolError('invalid integer')
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text.startsWith('+') ? text.slice(1) : text)
}

function double(text: string): number {
  if (text === 'inf' || text === '+inf') return Number.POSITIVE_INFINITY
  if (text === '-inf') return Number.NEGATIVE_INFINITY
  if (/^[+-]?nan$/i.test(text)) return Number.NaN
  if (!DOUBLE.test(text)) throw new RespProtocolError('invalid double')
  return Number(text)
}
