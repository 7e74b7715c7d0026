// What a writer of an append log does until it is killed. A record follows from its offset, so whoever looks at the log needs
// no more than the bounds of batches.
import { seededRandom } from '../../../ts/io/random.ts'
import type { Durability } from '../../../ts/storage/log/types.ts'

/** What a writer is started with, as its argument in JSON. */
export interface WriterOrders {
  path: string
  seed: number
  /** The number of the first step: each life goes on counting. */
  firstStep: number
  durability: Durability
}

/** What a writer says, a line of JSON each; everything is said at once, and before it is done. */
export type Report =
  | { say: 'opened' }
  | { say: 'append'; step: number; first: number; count: number }
  | { say: 'truncate before'; step: number; offset: number }
  | { say: 'truncate after'; step: number; offset: number }
  /** The promise of a step has resolved. */
  | { say: 'done'; step: number }
  | { say: 'failed'; message: string }

/** A step. `part`, from 0 to 1, of what is there goes. */
export type Step = { kind: 'append'; count: number } | { kind: 'before' | 'after'; part: number }

const MOST_RECORDS = 20
/** Records are mostly short; seldom one is longer than a segment. */
const LONGEST = [60, 60, 60, 2000, 40_000]

/** What step `number` does. */
export function stepAt(seed: number, number: number): Step {
  const random = seededRandom(seed * 1_000_003 + number)
  const kind = random.next()
  if (kind < 0.9) return { kind: 'append', count: 1 + Math.floor(random.next() * MOST_RECORDS) }
  return { kind: kind < 0.97 ? 'before' : 'after', part: random.next() ** 3 }
}

/** The record with that offset. @param written - The step that wrote it: what was truncated and written again differs. */
export function recordAt(seed: number, offset: number, written: number): Buffer {
  const random = seededRandom(seed * 1_000_003 + offset)
  const longest = LONGEST[Math.floor(random.next() * LONGEST.length)] as number
  return Buffer.from(`${offset} ${written} `.padEnd(Math.floor(random.next() * longest), 'r'))
}
