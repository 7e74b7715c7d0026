// Which key has to go when memory is full (evict.c). Redis looks at a few keys at random and keeps the best candidates of earlier
// looks in a pool; so does this, but among fewer than EXACT_COUNT keys it looks at all of them: then LRU, LFU and the rest are exact.
// For `volatile-ttl` the heap of expiries knows the next one at any size.
import type { Random } from '../../io/random.ts'
import type { Database, Entry } from './database.ts'

/** Among fewer keys than this the best one is found, not a good one. */
const EXACT_COUNT = 64
const POOL_SIZE = 16

/** What `maxmemory-policy` can be. */
export const EVICTION_POLICIES = [
  'volatile-lru',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
  'allkeys-lru',
  'allkeys-lfu',
  'allkeys-random',
  'noeviction',
] as const
export type EvictionPolicy = (typeof EVICTION_POLICIES)[number]

interface Candidate {
  readonly database: Database
  readonly entry: Entry
  /** The one of the smallest is evicted first. */
  readonly worth: number
}

/** Chooses keys to be evicted, from all databases together. */
export class EvictionPool {
  readonly #random: Random
  /** The best candidate last. */
  #pool: Candidate[] = []
  #policy: EvictionPolicy = 'noeviction'
  /** Whose turn it is where keys are chosen at random. */
  #nextDatabase = 0

  constructor(random: Random) {
    this.#random = random
  }

  /**
   * The key to be evicted next; undefined if there is none that may be. O(databases x samples).
   * @param samples - Keys of each database that are looked at, at least 1.
   */
  choose(
    databases: readonly Database[],
    policy: EvictionPolicy,
    samples: number,
  ): { readonly database: Database; readonly entry: Entry } | undefined {
    if (policy !== this.#policy) this.#pool = []
    this.#policy = policy
    if (policy === 'noeviction') return undefined
    if (policy === 'volatile-ttl') return firstToExpire(databases)
    if (policy.endsWith('random')) return this.#any(databases, policy.startsWith('volatile'))
    for (const database of databases) this.#sample(database, policy.startsWith('volatile'), samples)
    for (let best = this.#pool.pop(); best !== undefined; best = this.#pool.pop()) {
      // What was used or deleted since it was put there is no candidate any more.
      if (isCurrent(best)) return best
    }
    // All were out of date, and what was looked at now among them.
    return this.#any(databases, policy.startsWith('volatile'))
  }

  #any(databases: readonly Database[], isVolatile: boolean): Candidate | undefined {
    for (let i = 0; i < databases.length; i++) {
      const database = databases[(this.#nextDatabase + i) % databases.length] as Database
      const size = isVolatile ? database.expiringCount : database.size
      if (size === 0) continue
      this.#nextDatabase = (this.#nextDatabase + i + 1) % databases.length
      const place = Math.floor(this.#random.next() * size)
      const entry = isVolatile ? database.expiringAt(place) : database.entryAt(place)
      return { database, entry, worth: 0 }
    }
    return undefined
  }

  #sample(database: Database, isVolatile: boolean, samples: number): void {
    const size = isVolatile ? database.expiringCount : database.size
    const isExact = size < EXACT_COUNT
    const count = isExact ? size : samples
    for (let i = 0; i < count; i++) {
      const place = isExact ? i : Math.floor(this.#random.next() * size)
      const entry = isVolatile ? database.expiringAt(place) : database.entryAt(place)
      this.#add({ database, entry, worth: database.worthOf(entry) })
    }
  }

  /** Keeps the candidate in its place if it is better than the worst, and not there already. */
  #add(candidate: Candidate): void {
    const pool = this.#pool
    const known = pool.findIndex(({ entry }) => entry === candidate.entry)
    if (known !== -1) pool.splice(known, 1)
    let place = 0
    while (place < pool.length && (pool[place] as Candidate).worth > candidate.worth) place++
    if (place === 0 && pool.length === POOL_SIZE) return
    pool.splice(place, 0, candidate)
    if (pool.length > POOL_SIZE) pool.shift()
  }
}

function isCurrent({ database, entry, worth }: Candidate): boolean {
  return database.holds(entry) && database.worthOf(entry) <= worth
}

function firstToExpire(databases: readonly Database[]): { database: Database; entry: Entry } | undefined {
  let first: { database: Database; entry: Entry; at: number } | undefined
  for (const database of databases) {
    if (database.expiringCount === 0) continue
    const entry = database.firstToExpire()
    const at = entry?.expiry?.at
    if (entry !== undefined && at !== undefined && (first === undefined || at < first.at))
      first = { database, entry, at }
  }
  return first
}
