// Picking elements at random, for HRANDFIELD, SRANDMEMBER, SPOP and ZRANDMEMBER.
import type { Random } from '../../io/random.ts'
import type { Call } from './call.ts'
import { fail } from './errors.ts'

/** More repeated elements than this in one reply would only fill the memory. */
const MAX_REPEATED = 2 ** 24

/** A count that may be negative, for elements that may repeat. @throws CommandError */
export function parseRandomCount(call: Call, text: string): number {
  const count = call.position(text)
  return count < -MAX_REPEATED ? fail('ERR value is out of range') : count
}

/**
 * Positions below `size`, chosen at random. O(|count|), or O(size) if that is less.
 * @param count - So many different ones, at most `size`; if negative, its magnitude of independent ones.
 */
export function randomPositions(random: Random, size: number, count: number): number[] {
  if (size === 0) return []
  if (count < 0) return Array.from({ length: -count }, () => Math.floor(random.next() * size))
  if (count >= size) return Array.from({ length: size }, (_, position) => position)
  // Floyd's sampling: position `i` or, if what was drawn is taken, the last one possible.
  const chosen = new Set<number>()
  for (let i = size - count; i < size; i++) {
    const drawn = Math.floor(random.next() * (i + 1))
    chosen.add(chosen.has(drawn) ? i : drawn)
  }
  return [...chosen]
}
