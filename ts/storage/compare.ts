// Byte strings: their order, and ranges of them.
import { BedplateError } from '../base/errors.ts'
import { checkOptions } from '../base/options.ts'
import type { Codec } from './encoding.ts'
import type { KeyRange, RangeOptions } from './ordered-store.ts'

/** Orders two byte strings as unsigned bytes, a prefix before what it begins: negative, 0 or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** How many bytes `a` and `b` have in common at their beginning. */
export function commonPrefixLength(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  let length = 0
  while (length < shared && a[length] === b[length]) length++
  return length
}

/** A range of keys as bytes. An absent bound is open. */
export interface ResolvedBounds {
  lower: Uint8Array | undefined
  lowerInclusive: boolean
  upper: Uint8Array | undefined
  upperInclusive: boolean
}

/** A range of keys to read. */
export interface ResolvedRange extends ResolvedBounds {
  reverse: boolean
  /** A whole number >= 0, or Infinity. */
  limit: number
}

/**
 * Checks a range to be cleared and turns its bounds into bytes of its own. A lower bound above the upper one is simply an
 * empty range.
 * @param where - The call, for the text.
 * @throws INVALID_INPUT for names that mean nothing here (`limit` would clear more than its giver thinks), two bounds of
 *   one side, a bound that is no key.
 */
export function resolveBounds<K>(range: KeyRange<K>, codec: Codec<K>, where = 'clear'): ResolvedBounds {
  checkOptions(range, BOUNDS, where)
  return boundsOf(range, codec)
}

/**
 * The same for a range to be read.
 * @throws INVALID_INPUT for unknown names, two bounds of one side, a bound that is no key, a bad limit.
 */
export function resolveRange<K>(range: RangeOptions<K>, codec: Codec<K>): ResolvedRange {
  checkOptions(range, RANGE_OPTIONS, 'range')
  const { reverse = false, limit = Number.POSITIVE_INFINITY } = range
  if (!(limit >= 0) || (limit !== Number.POSITIVE_INFINITY && !Number.isInteger(limit))) {
    throw invalid(`limit must be a whole number >= 0, got ${limit}`)
  }
  const { lower, lowerInclusive, upper, upperInclusive } = boundsOf(range, codec)
  return { lower, lowerInclusive, upper, upperInclusive, reverse, limit } // a spread takes longer than the rest
}

function boundsOf<K>({ gt, gte, lt, lte, prefix }: KeyRange<K>, codec: Codec<K>): ResolvedBounds {
  if (prefix !== undefined) {
    if (gt !== undefined || gte !== undefined || lt !== undefined || lte !== undefined)
      throw invalid('give a prefix or bounds, not both')
    return prefixBounds(boundOf(prefix, codec) as Uint8Array)
  }
  if (gt !== undefined && gte !== undefined) throw invalid('give gt or gte, not both')
  if (lt !== undefined && lte !== undefined) throw invalid('give lt or lte, not both')
  return {
    lower: boundOf(gt === undefined ? gte : gt, codec),
    lowerInclusive: gt === undefined,
    upper: boundOf(lt === undefined ? lte : lt, codec),
    upperInclusive: lt === undefined,
  }
}

/** All that begins with `prefix` lies before the least byte string that is above it and does not. */
function prefixBounds(prefix: Uint8Array): ResolvedBounds {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  const upper = length === 0 ? undefined : new Uint8Array(prefix.subarray(0, length)) // `slice` of a Buffer is a view
  if (upper !== undefined) upper[length - 1] = (upper[length - 1] as number) + 1
  return { lower: prefix, lowerInclusive: true, upper, upperInclusive: false }
}

/** The bytes of a bound. Ranges outlive the call that they were given to, so these are never the caller's own. */
function boundOf<K>(bound: K | undefined, codec: Codec<K>): Uint8Array | undefined {
  if (bound === undefined) return undefined
  const bytes = codec.encode(bound)
  return (bytes as unknown) === bound ? new Uint8Array(bytes) : bytes
}

const BOUNDS = { gt: 'any', gte: 'any', lt: 'any', lte: 'any', prefix: 'any' } as const
const RANGE_OPTIONS = { ...BOUNDS, reverse: 'boolean', limit: 'number' } as const

function invalid(problem: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `range: ${problem}`)
}
