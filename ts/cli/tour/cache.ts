// The stop where a cache stands before the store: questions that many ask, and all of them at once.
//
// The question is how many people live in the cities of a country. The store answers it by reading all of them; the cache is a
// server of its own in this process, asked over TCP as an application would.
import { type CacheAside, cacheAside } from '../../cache/patterns/index.ts'
import { seededRandom } from '../../io/random.ts'
import { openBTree } from '../../storage/btree/index.ts'
import type { TreeStore } from '../../storage/ordered/types.ts'
import { startRedis } from '../../testing/index.ts'
import { closing } from '../kit/closing.ts'
import type { Interrupt } from '../kit/interrupt.ts'
import { RedisClient } from '../kit/redis-client.ts'
import { formatNumber, plural } from '../kit/text.ts'
import { BY_POPULATION } from './cities.ts'
import { type Report, round } from './report.ts'

const REQUESTS = 2000
const WORKERS = 8
const CALLERS = 100
/** Caches that know nothing of each other, as in so many processes. */
const PROCESSES = 4
const COUNTRY = 'CH'

/** What the stop did. */
export interface CacheResult {
  countries: number
  requests: number
  hits: number
  /** 0 to 1. */
  hitRatio: number
  /** Of one request, on the average; `store`: of one answer of the store. */
  milliseconds: { cached: number; store: number }
  /** The same number of callers who miss the same key at once. */
  stampede: { callers: number; processes: number; loadsEachForItself: number; loads: number }
}

/** Puts a cache before the B-tree at `path` and asks. */
export async function visitCache(path: string, report: Report, interrupt: Interrupt): Promise<CacheResult> {
  return await closing(await openBTree(path, { readOnly: true }), async (store) => {
    const redis = await startRedis()
    const clients: RedisClient[] = []
    try {
      for (let i = 0; i < PROCESSES; i++) clients.push(await RedisClient.connect(redis))
      const result = await ask(store, clients, interrupt)
      describeCache(result, report)
      await report.shown()
      return result
    } finally {
      for (const client of clients) client.close()
      await redis[Symbol.asyncDispose]()
    }
  })
}

async function ask(store: TreeStore, clients: readonly RedisClient[], interrupt: Interrupt): Promise<CacheResult> {
  const countries = countriesOf(store)
  const times = { store: 0, answers: 0 }
  const load = (country: string): number => {
    interrupt.check()
    const startedAt = performance.now()
    const people = peopleIn(store, country)
    times.store += performance.now() - startedAt
    times.answers++
    return people
  }
  const caches = clients.map((client) => cacheAside({ client, prefix: 'people:', ttlMs: 60_000, load }))
  const startedAt = performance.now()
  await request(caches[0] as CacheAside<number>, countries)
  const seconds = (performance.now() - startedAt) / 1000
  const { hits } = (caches[0] as CacheAside<number>).stats()
  const milliseconds = { cached: round((1000 * seconds) / REQUESTS, 3), store: round(times.store / times.answers, 3) }
  const stampede = await stampedeOn(caches, clients[0] as RedisClient, load)
  for (const cache of caches) await cache.close()
  const hitRatio = round(hits / REQUESTS, 4)
  return { countries: countries.length, requests: REQUESTS, hits, hitRatio, milliseconds, stampede }
}

/** Requests of which a country has the more the earlier it stands: the n-th gets 1/n of what the first one gets (Zipf). */
async function request(cache: CacheAside<number>, countries: readonly string[]): Promise<void> {
  const random = seededRandom(1)
  const work = async (): Promise<void> => {
    for (let left = REQUESTS / WORKERS; left > 0; left--) {
      const rank = Math.floor(countries.length ** random.next()) - 1
      await cache.get(countries[rank] as string)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
}

async function stampedeOn(
  caches: readonly CacheAside<number>[],
  client: RedisClient,
  load: (country: string) => number,
): Promise<CacheResult['stampede']> {
  const callers = Array.from({ length: CALLERS }, (_, i) => caches[i % caches.length] as CacheAside<number>)
  let loadsEachForItself = 0
  await Promise.all(
    callers.map(async () => {
      const key = `each-for-itself:${COUNTRY}`
      if ((await client.command(['GET', key])) !== null) return
      loadsEachForItself++
      await client.command(['SET', key, String(load(COUNTRY))])
    }),
  )
  await (caches[0] as CacheAside<number>).invalidate(COUNTRY)
  const before = loadsOf(caches)
  await Promise.all(callers.map((cache) => cache.get(COUNTRY)))
  return { callers: CALLERS, processes: caches.length, loadsEachForItself, loads: loadsOf(caches) - before }
}

function loadsOf(caches: readonly CacheAside<number>[]): number {
  return caches.reduce((sum, cache) => sum + cache.stats().loads, 0)
}

function peopleIn(store: TreeStore, country: string): number {
  let people = 0
  for (const [key] of store.tree(BY_POPULATION).range({ gte: `${country}/`, lt: `${country}0` })) {
    people += Number(key.slice(3, key.indexOf('/', 3)))
  }
  return people
}

/** All that have a city, by one short range each: '0' follows '/', so what begins with `FR0` comes after all of France. */
function countriesOf(store: TreeStore): string[] {
  const countries: string[] = []
  for (;;) {
    const [entry] = [...store.tree(BY_POPULATION).range({ gte: `${countries.at(-1) ?? ''}0`, limit: 1 })]
    if (entry === undefined) return shuffled(countries)
    countries.push(entry[0].slice(0, 2))
  }
}

function shuffled(countries: readonly string[]): string[] {
  const random = seededRandom(2)
  const places = countries.map((country) => ({ country, place: random.next() }))
  return places.sort((a, b) => a.place - b.place).map(({ country }) => country)
}

function describeCache({ countries, requests, hitRatio, milliseconds, stampede }: CacheResult, report: Report): void {
  const { callers, processes, loadsEachForItself, loads } = stampede
  report.line(
    'How many people live in the cities of a country? The store reads all its cities; the cache keeps the sum.',
  )
  report.line()
  report.table([
    ['requests', formatNumber(requests), `for ${countries} countries, some far more often than others`],
    ['hits', `${(100 * hitRatio).toFixed(1)} %`, 'of them answered by the cache, a server asked over TCP'],
    ['time', `${milliseconds.cached} ms`, `a request; the store takes ${milliseconds.store} ms for an answer`],
  ])
  report.line()
  report.line(
    `Then the entry of ${COUNTRY} is gone, and ${callers} callers with ${processes} caches ask for it at once.`,
  )
  report.line(`Each for itself: ${plural(loadsEachForItself, 'load')} from the store.`)
  report.good(`With bedplate/cache: ${plural(loads, 'load')}; the others waited for it.`)
}
