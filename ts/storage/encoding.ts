// Keys and values as callers give them, to bytes and back.
import { BedplateError } from '../base/errors.ts'
import { describe } from '../base/options.ts'
import type { Encoding } from './ordered-store.ts'

/** Turns one kind of value into bytes and back. */
export interface Codec<T> {
  /** May return the given Uint8Array itself: stores copy what they keep. @throws INVALID_INPUT for anything of another kind. */
  encode(value: T): Uint8Array
  /** Never returns a view of `bytes`, which may belong to a cached page. */
  decode(bytes: Uint8Array): T
}

export type KeyCodec<K> = Codec<K>
export type ValueCodec<V> = Codec<V>

/** Strings. Bytes that are not UTF-8 come back with replacement characters: read them with `buffer`. */
const utf8: Codec<string> = {
  encode(value) {
    if (typeof value !== 'string') throw wrongType(value, 'a string', 'utf8')
    const bytes = Buffer.from(value)
    // A lone surrogate is written as U+FFFD and would come back as another string.
    if (bytes.length !== value.length && /\p{Surrogate}/u.test(value)) {
      throw new BedplateError('INVALID_INPUT', 'a string with half a surrogate pair has no UTF-8 form', {
        hint: "use the encoding 'buffer' for bytes that are not text",
      })
    }
    return bytes
  },
  decode: (bytes) => viewOf(bytes).toString('utf8'),
}

const buffer: Codec<Uint8Array> = {
  encode(value) {
    if (value instanceof Uint8Array) return value
    throw wrongType(value, 'a Uint8Array', 'buffer')
  },
  decode: (bytes) => Buffer.from(bytes),
}

const json: Codec<unknown> = {
  encode(value) {
    let text: string | undefined
    try {
      text = JSON.stringify(value)
    } catch (error) {
      throw new BedplateError('INVALID_INPUT', `a value cannot be written as JSON: ${(error as Error).message}`, {
        cause: error,
      })
    }
    if (text === undefined) throw wrongType(value, 'something that JSON can hold', 'json')
    return Buffer.from(text)
  },
  decode(bytes) {
    try {
      return JSON.parse(viewOf(bytes).toString('utf8'))
    } catch (error) {
      throw new BedplateError('INVALID_INPUT', `a stored value is not JSON: ${(error as Error).message}`, {
        cause: error,
        hint: "it was written with another encoding; read it with valueEncoding 'utf8' or 'buffer'",
      })
    }
  },
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
