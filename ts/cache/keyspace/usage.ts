// When keys were used, or how often: what eviction goes by. One number a key, by its position among the entries of its database.
//
//   LRU   the millisecond of the last use, times 4096, plus a count of the uses within it: the order of uses is exact
//   LFU   the minute of the last decay, times 256, plus a counter of 8 bits that grows with the logarithm of the uses
//
// The counter is Morris's (CACM 21(10), 1978), with Redis's constants (evict.c, LFULogIncr and LFUDecrAndReturn).
import type { Random } from '../../io/random.ts'

const FIRST_CAPACITY = 16
const USES_PER_MS = 4096
const COUNTER_LIMIT = 256
const MINUTE_MS = 60_000
/** What a new key begins with, so that it is not evicted before it could be used again. */
const FIRST_COUNTER = 5
const LAST_COUNTER = 255

/** How keys are remembered; one for all databases of an engine. */
export interface UsageRules {
  /** Whether uses are counted, or the last one is remembered. */
  counts: boolean
  /** The greater, the more uses it takes to reach the same counter. */
  lfuLogFactor: number
  /** Minutes without use that take 1 from a counter; 0 for never. */
  lfuDecayTime: number
  readonly random: Random
}

/** The usage of the keys of one database. */
export class Usage {
  readonly #rules: UsageRules
  #counts: boolean
  #marks = new Float64Array(FIRST_CAPACITY)
  #lastMark = 0

  constructor(rules: UsageRules) {
    this.#rules = rules
    this.#counts = rules.counts
  }

  /** A key was added at this position, which is the last one. */
  added(position: number, now: number): void {
    if (position >= this.#marks.length) {
      const larger = new Float64Array(Math.ceil(1.5 * this.#marks.length))
      larger.set(this.#marks)
      this.#marks = larger
    }
    this.#marks[position] = this.#rules.counts ? mark(minuteOf(now), FIRST_COUNTER) : this.#next(now)
  }

  /** The key at this position was used. */
  used(position: number, now: number): void {
    if (!this.#rules.counts) {
      this.#marks[position] = this.#next(now)
      return
    }
    const counter = this.frequency(position, now)
    this.#marks[position] = mark(minuteOf(now), counter + (this.#grows(counter) ? 1 : 0))
  }

  /** What is known of one position holds for another one. */
  moved(from: number, to: number): void {
    this.#marks[to] = this.#marks[from] as number
  }

  clear(): void {
    this.#marks = new Float64Array(FIRST_CAPACITY)
  }

  /** Milliseconds since the last use; while uses are counted, since the last decay, about. */
  idleMs(position: number, now: number): number {
    const value = this.#marks[position] as number
    const at = this.#rules.counts ? Math.floor(value / COUNTER_LIMIT) * MINUTE_MS : Math.floor(value / USES_PER_MS)
    return Math.max(0, now - at)
  }

  /** The counter as it is after its decay, 0 to 255. Only while uses are counted. */
  frequency(position: number, now: number): number {
    const value = this.#marks[position] as number
    const counter = value % COUNTER_LIMIT
    const { lfuDecayTime } = this.#rules
    if (lfuDecayTime === 0) return counter
    const minutes = Math.max(0, minuteOf(now) - Math.floor(value / COUNTER_LIMIT))
    return Math.max(0, counter - Math.floor(minutes / lfuDecayTime))
  }

  /** Remembers what another server knew. */
  restore(position: number, now: number, known: { readonly idleMs?: number; readonly frequency?: number }): void {
    const { idleMs = 0, frequency } = known
    if (this.#rules.counts) {
      if (frequency !== undefined) this.#marks[position] = mark(minuteOf(now), Math.min(LAST_COUNTER, frequency))
    } else this.#marks[position] = Math.max(0, now - idleMs) * USES_PER_MS
  }

  /** The one of the smallest is to be evicted first. */
  worth(position: number, now: number): number {
    return this.#rules.counts ? this.frequency(position, now) : (this.#marks[position] as number)
  }

  /** Translates what is known after the rules have changed. O(size) if they have. */
  adapt(size: number, now: number): void {
    if (this.#counts === this.#rules.counts) return
    const wasCounting = this.#counts
    this.#counts = this.#rules.counts
    for (let position = 0; position < size; position++) {
      const value = this.#marks[position] as number
      this.#marks[position] = wasCounting
        ? Math.min(now, Math.floor(value / COUNTER_LIMIT) * MINUTE_MS) * USES_PER_MS
        : mark(minuteOf(Math.floor(value / USES_PER_MS)), FIRST_COUNTER)
    }
  }

  #next(now: number): number {
    this.#lastMark = Math.max(this.#lastMark + 1, Math.floor(now) * USES_PER_MS)
    return this.#lastMark
  }

  #grows(counter: number): boolean {
    if (counter >= LAST_COUNTER) return false
    const above = Math.max(0, counter - FIRST_COUNTER)
    return this.#rules.random.next() < 1 / (above * this.#rules.lfuLogFactor + 1)
  }
}

function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS)
}

function mark(minute: number, counter: number): number {
  return minute * COUNTER_LIMIT + counter
}
