// What is drawn from the one source of randomness of a run.
import type { Random } from '../../io/random.ts'

/** True with the given probability; draws nothing where the answer is certain, so that a fault that is off costs nothing. */
export function chance(random: Random, probability: number): boolean {
  return probability > 0 && (probability >= 1 || random.next() < probability)
}

/** A number in [`low`, `high`). */
export function between(random: Random, low: number, high: number): number {
  return low + random.next() * (high - low)
}

/** A whole number from `low` to `high`, both included. */
export function wholeBetween(random: Random, low: number, high: number): number {
  return low + Math.floor(random.next() * (high - low + 1))
}

/** Time until the next of events that come independently of each other, every `mean` on average. */
export function untilNext(random: Random, mean: number): number {
  return -Math.log(1 - random.next()) * mean
}

/** One of `items`, of which there must be at least one. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random.next() * items.length)] as T
}

/** `count` different ones of `items`, or all of them, in random order. */
export function sample<T>(random: Random, items: readonly T[], count: number): T[] {
  const left = [...items]
  const taken: T[] = []
  while (taken.length < count && left.length > 0) {
    taken.push(...left.splice(Math.floor(random.next() * left.length), 1))
  }
  return taken
}
