// Byte strings: their order, and ranges of them.
import { BedplateError } from '../base/errors.ts'
import { checkOptions } from '../base/options.ts'
import type { Codec } from './encoding.ts'
import type { RangeOptions } from './ordered-store.ts'

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
export interface ResolvedRange {
  lower: Uint8Array | undefined
  lowerInclusive: boolean
  upper: Uint8Array | undefined
  upperInclusive: boolean
  reverse: boolean
  /** A whole number >= 0, or Infinity. */
  limit: number
}

/**
 * Checks a range and turns its bounds into bytes. A lower bound above the upper one is simply an empty range.
 * @throws INVALID_INPUT for unknown names, two bounds of one side, a bad limit.
 */
export function resolveRange<K>(range: RangeOptions<K>, codec: Codec<K>): ResolvedRange {
  checkOptions(range, RANGE_OPTIONS, 'range')
  const { gt, gte, lt, lte, reverse = false, limit = Number.POSITIVE_INFINITY } = range
  if (gt !== undefined && gte !== undefined) throw invalid('give gt or gte, not both')
  if (lt !== undefined && lte !== undefined) throw invalid('give lt or lte, not both')
  if (!(limit >= 0) || (limit !== Number.POSITIVE_INFINITY && !Number.isInteger(limit))) {
    throw invalid(`limit must be a whole number >= 0, got ${limit}`)
  }
  const lower = gt ?? gte
  const upper = lt ?? lte
  return {
    lower: lower === undefined ? undefined : codec.encode(lower),
    lowerInclusive: gt === undefined,
    upper: upper === undefined ? undefined : codec.encode(upper),
    upperInclusive: lt === undefined,
    reverse,
    limit,
  }
}

const RANGE_OPTIONS = { gt: 'any', gte: 'any', lt: 'any', lte: 'any', reverse: 'boolean', limit: 'number' } as const

function invalid(problem: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `range: ${problem}`)
}
