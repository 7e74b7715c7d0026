// The fourth stop: operations a second, here and now. A quick look on a store of this size, not a benchmark (`npm run
// bench` is one).
import { setImmediate } from 'node:timers/promises'
import type { Interrupt } from '../kit/interrupt.ts'
import { formatNumber } from '../kit/text.ts'
import { type Report, round } from './report.ts'
import type { TourStore } from './tour-store.ts'

const MEASURED_MS = 200
/** Operations between two looks at the clock. */
const ROUND = 1000
const WRITERS = 64
const SCRATCH = 'scratch'
const SCRATCH_KEYS = 10_000

/** Operations a second. */
export interface SpeedResult {
  randomGets: number
  rangeEntries: number
  durablePuts: { writers: number; perSecond: number; perSync: number }[]
}

/** Gets and entries of ranges a second. */
export type ReadSpeed = Pick<SpeedResult, 'randomGets' | 'rangeEntries'>

/** Reads alone. */
export async function measureReads(store: TourStore, interrupt: Interrupt): Promise<ReadSpeed> {
  const rangeEntries = await ratePerSecond(interrupt, () => countEntries(store))
  const keys = Array.from(store.range({}), ([key]) => key)
  const randomGets = await ratePerSecond(interrupt, () => getSome(store, keys))
  return { randomGets, rangeEntries }
}

/** Reads, and durable writes of one writer and of many. */
export async function measureSpeed(store: TourStore, interrupt: Interrupt): Promise<SpeedResult> {
  const { randomGets, rangeEntries } = await measureReads(store, interrupt)
  const durablePuts = [await measurePuts(store, 1, interrupt), await measurePuts(store, WRITERS, interrupt)]
  await store.dropTree(SCRATCH)
  return { randomGets, rangeEntries, durablePuts }
}

/** Prints that. */
export async function describeSpeed(
  { randomGets, rangeEntries, durablePuts }: SpeedResult,
  report: Report,
): Promise<void> {
  report.table([
    ['random gets', formatNumber(randomGets), 'a second', 'of cities, from the cache'],
    ['range entries', formatNumber(rangeEntries), 'a second', 'all cities in order'],
    ...durablePuts.map(({ writers, perSecond, perSync }) => {
      const name = `durable puts, ${writers === 1 ? 'one writer' : `${writers} writers`}`
      return [name, formatNumber(perSecond), 'a second', `each after its fsync; ${formatNumber(perSync)} to an fsync`]
    }),
  ])
  await report.shown()
}

/** Prints what the two engines read a second of the same store. */
export function compareReads(native: ReadSpeed, typescript: ReadSpeed, report: Report): void {
  const row = (what: string, name: keyof ReadSpeed): string[] => {
    const ratio = `${(native[name] / typescript[name]).toFixed(1)} times`
    return [what, formatNumber(native[name]), formatNumber(typescript[name]), ratio]
  }
  report.table([
    ['a second', 'native', 'TypeScript', ''],
    row('random gets', 'randomGets'),
    row('range entries', 'rangeEntries'),
  ])
}

function countEntries(store: TourStore): number {
  let count = 0
  for (const _ of store.range()) count++
  return count
}

function getSome(store: TourStore, keys: readonly string[]): number {
  for (let i = 0; i < ROUND; i++) store.get(keys[Math.floor(Math.random() * keys.length)] as string)
  return ROUND
}

/** Runs `round`, which says how many operations it did, again and again. */
async function ratePerSecond(interrupt: Interrupt, round: () => number): Promise<number> {
  const startedAt = performance.now()
  let count = 0
  let elapsedMs = 0
  while (elapsedMs < MEASURED_MS) {
    count += round()
    elapsedMs = performance.now() - startedAt
    await setImmediate() // a signal is noticed only between turns
    interrupt.check()
  }
  return Math.round((count / elapsedMs) * 1000)
}

/** Writers that each wait for one put before the next: what `put` promises, it has kept by then. */
async function measurePuts(
  store: TourStore,
  writers: number,
  interrupt: Interrupt,
): Promise<SpeedResult['durablePuts'][number]> {
  const tree = store.tree(SCRATCH)
  const { syncs } = store.stats().log
  const startedAt = performance.now()
  const endsAt = startedAt + MEASURED_MS
  let count = 0
  const write = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      interrupt.check()
      const number = count++
      await tree.put(`key:${String((number * 7919) % SCRATCH_KEYS).padStart(5, '0')}`, `value ${number}`)
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
  const perSecond = Math.round((count / (performance.now() - startedAt)) * 1000)
  const perSync = count / (store.stats().log.syncs - syncs)
  return { writers, perSecond, perSync: round(perSync, 1) }
}
