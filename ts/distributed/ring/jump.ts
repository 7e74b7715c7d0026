// Jump consistent hash: which of n numbered buckets a key belongs to, without any memory (Lamping and Veach, "A Fast, Minimal Memory,
// Consistent Hash Algorithm", 2014). Buckets can be added and taken away at the end only: for shards, not for machines.
import { BedplateError } from '../../base/errors.ts'
import { type Hash64, hashKey } from './hash.ts'
import type { Key } from './types.ts'

/** The multiplier of the paper's generator, 2862933555777941757, in halves. */
const MULTIPLIER_HIGH = 0x27bb2ee6
const MULTIPLIER_LOW = 0x87b0b0fd
const MAX_BUCKETS = 2 ** 31 - 1

/**
 * The bucket of a key: when the number of buckets goes from n to n + 1, one key in n + 1 moves, all of them to the new bucket.
 * O(log bucketCount), no memory. The key's bits come from `hashKey`.
 *
 * @param bucketCount - A whole number from 1 to 2^31 - 1.
 * @returns From 0 to bucketCount - 1.
 * @throws INVALID_INPUT for a count that cannot be.
 */
export function jumpHash(key: Key, bucketCount: number): number {
  return jumpHash64(hashKey(key), bucketCount)
}

/** The paper's function to the bit, of 64 bits that the caller has hashed himself. @throws INVALID_INPUT as `jumpHash`. */
export function jumpHash64({ high, low }: Hash64, bucketCount: number): number {
  if (!Number.isInteger(bucketCount) || bucketCount < 1 || bucketCount > MAX_BUCKETS) {
    throw new BedplateError(
      'INVALID_INPUT',
      `bucketCount must be a whole number from 1 to 2^31 - 1, got ${bucketCount}`,
    )
  }
  let stateHigh = high | 0
  let stateLow = low | 0
  let bucket = 0
  // Invariant: with `bucket` + 1 to `next` buckets, the key is in `bucket`; `next` is where it jumps.
  for (let next = 0; next < bucketCount; ) {
    bucket = next
    // state = state x multiplier + 1, modulo 2^64
    const carry = highOfProduct(stateLow, MULTIPLIER_LOW)
    stateHigh = (carry + Math.imul(stateHigh, MULTIPLIER_LOW) + Math.imul(stateLow, MULTIPLIER_HIGH)) | 0
    const product = Math.imul(stateLow, MULTIPLIER_LOW)
    stateLow = (product + 1) | 0
    if (stateLow === 0) stateHigh = (stateHigh + 1) | 0
    next = Math.floor((bucket + 1) * (2 ** 31 / ((stateHigh >>> 1) + 1)))
  }
  return bucket
}

/** The upper 32 bits of the product of two words taken as unsigned, by halves of 16 bits. */
function highOfProduct(a: number, b: number): number {
  const [aHigh, aLow] = [a >>> 16, a & 0xffff]
  const [bHigh, bLow] = [b >>> 16, b & 0xffff]
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const other = aLow * bHigh + (middle % 0x10000)
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000)) | 0
}
