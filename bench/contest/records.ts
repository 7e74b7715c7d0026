// The records of the benchmarks: 16-byte keys, 100-byte values that compress to about half.
import { seededRandom } from '../../ts/io/random.ts'

export const VALUE_BYTES = 100
export const KEY_BYTES = 16
/** A key is a number in decimal with leading zeros; only so many of its digits are ever used. */
const DIGITS = 8
const DISTINCT_VALUES = 10_000

/** A key to be set by `setKey`. */
export function newKey(): Buffer {
  return Buffer.alloc(KEY_BYTES, '0')
}

/** Makes `key` that of record `index`. */
export function setKey(key: Buffer, index: number): Buffer {
  let rest = index
  for (let at = KEY_BYTES - 1; at >= KEY_BYTES - DIGITS; at--) {
    const tenth = (rest / 10) | 0
    key[at] = 48 + rest - 10 * tenth
    rest = tenth
  }
  return key
}

export function newKeys(count: number): Buffer[] {
  return Array.from({ length: count }, newKey)
}

/** Values to be used in turn. Half of each is random, the other half repeats it. */
export function makeValues(seed: number): Buffer[] {
  const random = seededRandom(seed)
  return Array.from({ length: DISTINCT_VALUES }, () => {
    const half = random.bytes(VALUE_BYTES / 2)
    return Buffer.concat([half, half])
  })
}

/** The numbers below `count` in an order that the seed decides (Fisher and Yates). */
export function shuffled(count: number, seed: number): Uint32Array {
  const random = seededRandom(seed)
  const order = Uint32Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random.next() * (last + 1))
    const moved = order[last]!
    order[last] = order[other]!
    order[other] = moved
  }
  return order
}
