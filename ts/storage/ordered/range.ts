// Ranges of keys as the engines take them.
import { compareBytes } from '../compare.ts'

/** A range of keys as bytes. An absent bound is open. */
export interface ByteRange {
  lower?: Uint8Array | undefined
  lowerInclusive: boolean
  upper?: Uint8Array | undefined
  upperInclusive: boolean
}

/** A range to walk. */
export interface WalkRange extends ByteRange {
  reverse: boolean
  limit: number
}

/** The range of all keys. */
export const WHOLE_RANGE: WalkRange = Object.freeze({
  lowerInclusive: true,
  upperInclusive: true,
  reverse: false,
  limit: Number.POSITIVE_INFINITY,
})

/** True if `key` lies in `range`. */
export function contains(range: ByteRange, key: Uint8Array): boolean {
  const { lower, lowerInclusive, upper, upperInclusive } = range
  if (lower !== undefined) {
    const order = compareBytes(key, lower)
    if (order < 0 || (order === 0 && !lowerInclusive)) return false
  }
  if (upper !== undefined) {
    const order = compareBytes(key, upper)
    if (order > 0 || (order === 0 && !upperInclusive)) return false
  }
  return true
}
