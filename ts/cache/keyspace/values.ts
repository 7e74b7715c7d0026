// What a key can hold, and how Redis would say that it is kept.
import { Blob } from './blob.ts'
import type { Hash } from './hash.ts'
import type { List } from './list.ts'
import { numberBytes, stringBytes } from './memory.ts'
import { parseInteger, parseSafeInteger } from './numbers.ts'
import type { MemberSet } from './set.ts'
import type { SortedSet } from './sorted-set.ts'
import type { Stream } from './stream.ts'

/** A string: a number where it is a whole one of at most 15 digits, characters of 0 to 255, or bytes that change in place. */
export type StringValue = number | string | Blob
export type Value = StringValue | List | Hash | MemberSet | SortedSet | Stream
export type TypeName = 'string' | 'list' | 'hash' | 'set' | 'zset' | 'stream'

/** The longest string that Redis embeds into its object. */
const MAX_EMBEDDED_BYTES = 44

export function isString(value: Value): value is StringValue {
  return typeof value !== 'object' || value instanceof Blob
}

export function typeOf(value: Value): TypeName {
  return isString(value) ? 'string' : value.type
}

/** What OBJECT ENCODING says. */
export function encodingOf(value: Value): string {
  if (typeof value === 'number') return 'int'
  if (typeof value === 'string') {
    // Whole numbers of few digits are numbers here, unless Redis keeps them as texts, as INCRBYFLOAT does.
    const isLarge = value.length <= 20 && parseSafeInteger(value) === undefined
    if (isLarge && parseInteger(value) !== undefined) return 'int'
    return value.length <= MAX_EMBEDDED_BYTES ? 'embstr' : 'raw'
  }
  if (value instanceof Blob) return 'raw'
  switch (value.type) {
    case 'list':
      return 'quicklist'
    case 'stream':
      return 'stream'
    default:
      return value.encoding
  }
}

/** The compact form of a string that was given. */
export function compact(text: string): number | string {
  return parseSafeInteger(text) ?? text
}

export function textOf(value: StringValue): string {
  if (typeof value === 'string') return value
  return typeof value === 'number' ? String(value) : value.text()
}

export function lengthOf(value: StringValue): number {
  return typeof value === 'number' ? String(value).length : value.length
}

/** What a value costs in memory, about. O(1); O(groups) of a stream. */
export function bytesOf(value: Value): number {
  if (typeof value === 'string') return stringBytes(value)
  if (typeof value === 'number') return numberBytes(value)
  return value instanceof Blob ? value.heldBytes : value.bytes
}

/** A value of its own, equal to the given one. O(size). */
export function cloneValue(value: Value): Value {
  return typeof value === 'number' || typeof value === 'string' ? value : value.clone()
}
