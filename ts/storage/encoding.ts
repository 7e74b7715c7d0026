// Keys and values as callers give them, to bytes and back.
import { BedplateError } from '../base/errors.ts'
import { describe } from '../base/options.ts'
import type { ViewMemory } from '../io/view-memory.ts'
import type { Encoding } from './ordered-store.ts'

/** Turns one kind of value into bytes and back. */
export interface Codec<T> {
  /** May return the given Uint8Array itself: stores copy what they keep. @throws INVALID_INPUT for anything of another kind. */
  encode(value: T): Uint8Array
  /** Never returns a view of `bytes`, which may belong to a cached page. */
  decode(bytes: Uint8Array): T
  /**
   * Writes the bytes of `value` into `target` from `start`, for callers that want no memory of their own for them.
   * @returns How many; -1 if they might reach beyond `end`: `encode` gives them then. @throws as `encode`.
   */
  encodeInto(value: T, target: Buffer, start: number, end: number): number
  /** `decode` of the bytes of `source` from `start` to `end`. */
  decodeSlice(source: Buffer, start: number, end: number): T
  /** True if values may be views of memory that is theirs alone. */
  readonly givesViews: boolean
  /** The same for memory that nobody will write to any more: may give a view of it. */
  decodeView(source: ViewMemory, start: number, end: number): T
}

/** What every Buffer of Node has, though its types do not say so: `write` and `toString` without their argument checks. */
declare global {
  interface Buffer {
    utf8Write(text: string, offset: number, length?: number): number
    utf8Slice(start: number, end: number): string
  }
}

/** Up to so many characters a loop is faster than a call out of JavaScript. */
const SHORT_TEXT = 24
/** UTF-8 has no more bytes for one unit of UTF-16. */
const MAX_BYTES_A_UNIT = 3
/** The same bound for copies of bytes. */
const SHORT_BYTES = 32

export type KeyCodec<K> = Codec<K>
export type ValueCodec<V> = Codec<V>

/** Strings. Bytes that are not UTF-8 come back with replacement characters: read them with `buffer`. */
const utf8: Codec<string> = {
  encode(value) {
    if (typeof value !== 'string') throw wrongType(value, 'a string', 'utf8')
    const bytes = Buffer.from(value)
    if (bytes.length !== value.length) refuseHalfPairs(value)
    return bytes
  },
  decode: (bytes) => viewOf(bytes).toString('utf8'),
  encodeInto(value, target, start, end) {
    if (typeof value !== 'string') throw wrongType(value, 'a string', 'utf8')
    const { length } = value
    if (length <= SHORT_TEXT && start + length <= end) {
      let i = 0
      for (; i < length; i++) {
        const unit = value.charCodeAt(i)
        if (unit >= 0x80) break
        target[start + i] = unit
      }
      if (i === length) return length
    }
    if (length * MAX_BYTES_A_UNIT > end - start) return -1
    const written = target.utf8Write(value, start)
    if (written !== length) refuseHalfPairs(value)
    return written
  },
  decodeSlice: (source, start, end) => source.utf8Slice(start, end),
  givesViews: false,
  decodeView: ({ bytes }, start, end) => bytes.utf8Slice(start, end),
}

const buffer: Codec<Uint8Array> = {
  encode(value) {
    if (value instanceof Uint8Array) return value
    throw wrongType(value, 'a Uint8Array', 'buffer')
  },
  decode: (bytes) => Buffer.from(bytes),
  encodeInto(value, target, start, end) {
    if (!(value instanceof Uint8Array)) throw wrongType(value, 'a Uint8Array', 'buffer')
    const { length } = value
    if (length > end - start) return -1
    if (length > SHORT_BYTES) target.set(value, start)
    else for (let i = 0; i < length; i++) target[start + i] = value[i] as number
    return length
  },
  decodeSlice(source, start, end) {
    const copy = Buffer.allocUnsafe(end - start)
    source.copy(copy, 0, start, end)
    return copy
  },
  givesViews: true,
  decodeView: (source, start, end) => source.view(start, end),
}

const json: Codec<unknown> = {
  encode: (value) => Buffer.from(toJson(value)),
  decode: (bytes) => fromJson(viewOf(bytes).toString('utf8')),
  encodeInto(value, target, start, end) {
    const text = toJson(value)
    // `JSON.stringify` escapes half surrogate pairs, so there is nothing to refuse.
    return text.length * MAX_BYTES_A_UNIT > end - start ? -1 : target.utf8Write(text, start)
  },
  decodeSlice: (source, start, end) => fromJson(source.utf8Slice(start, end)),
  givesViews: false,
  decodeView: ({ bytes }, start, end) => fromJson(bytes.utf8Slice(start, end)),
}

function toJson(value: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    throw new BedplateError('INVALID_INPUT', `a value cannot be written as JSON: ${(error as Error).message}`, {
      cause: error,
    })
  }
  if (text === undefined) throw wrongType(value, 'something that JSON can hold', 'json')
  return text
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new BedplateError('INVALID_INPUT', `a stored value is not JSON: ${(error as Error).message}`, {
      cause: error,
      hint: "it was written with another encoding; read it with valueEncoding 'utf8' or 'buffer'",
    })
  }
}

/** A lone surrogate is written as U+FFFD and would come back as another string. */
function refuseHalfPairs(text: string): void {
  if (!/\p{Surrogate}/u.test(text)) return
  throw new BedplateError('INVALID_INPUT', 'a string with half a surrogate pair has no UTF-8 form', {
    hint: "use the encoding 'buffer' for bytes that are not text",
  })
}

/** The codec for keys. @throws INVALID_INPUT for an unknown name. */
export function keyCodec(encoding: 'utf8' | 'buffer'): KeyCodec<string> | KeyCodec<Uint8Array> {
  if (encoding === 'utf8') return utf8
  if (encoding === 'buffer') return buffer
  throw new BedplateError('INVALID_INPUT', `keyEncoding must be "utf8" or "buffer", got ${describe(encoding)}`)
}

/** The codec for values. @throws INVALID_INPUT for an unknown name. */
export function valueCodec(encoding: Encoding): ValueCodec<string> | ValueCodec<Uint8Array> | ValueCodec<unknown> {
  if (encoding === 'utf8') return utf8
  if (encoding === 'buffer') return buffer
  if (encoding === 'json') return json
  throw new BedplateError(
    'INVALID_INPUT',
    `valueEncoding must be "utf8", "buffer" or "json", got ${describe(encoding)}`,
  )
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function wrongType(value: unknown, wanted: string, encoding: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `encoding "${encoding}" takes ${wanted}, got ${describe(value)}`)
}
