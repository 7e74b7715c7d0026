// Random interleavings of readers and writers in several processes: whatever order their commands come in, what the cache holds
// in the end is what the database holds.
import { describe, expect, it } from 'vitest'
import { isEarly } from '../../../ts/cache/patterns/early-expiry.ts'
import { decodeEntry, encodeEntry } from '../../../ts/cache/patterns/entry.ts'
import { cacheAside } from '../../../ts/cache/patterns/index.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { type BrokenRule, PatternRedis } from '../../support/pattern-redis.ts'

const SEEDS = 40

describe('readers and writers in any order', () => {
  it.each([true, false])('leave nothing in the cache that is not true, scripts: %j', async (hasScripts) => {
    for (let seed = 1; seed <= SEEDS; seed++) expect(await run(seed, { hasScripts }), `seed ${seed}`).toEqual([])
  })

  it.each<BrokenRule>(['leases are compared', 'invalidations take leases'])(
    'would be noticed to leave it, were it not for the rule: %s',
    async (broken) => {
      const found: string[] = []
      for (let seed = 1; seed <= 20 * SEEDS && found.length === 0; seed++) found.push(...(await run(seed, { broken })))
      expect(found.length).toBeGreaterThan(0)
    },
  )
})

/** @returns What the cache holds in the end and is not true. */
async function run(seed: number, how: { hasScripts?: boolean; broken?: BrokenRule }): Promise<string[]> {
  const random = seededRandom(seed)
  const clock = new ManualClock()
  const keys = ['a', 'b']
  const records = new Map(keys.map((key) => [key, `${key}0`]))
  const redis = new PatternRedis({ clock, before: () => dawdle(random), ...how })
  const load = async (key: string): Promise<string | undefined> => {
    await dawdle(random)
    const value = records.get(key)
    await dawdle(random)
    return value
  }
  const save = async (key: string, value: string): Promise<void> => {
    await dawdle(random)
    records.set(key, value)
    await dawdle(random)
  }
  const caches = Array.from({ length: 3 }, () =>
    cacheAside({ client: redis, ttlMs: 1e6, load, clock, random: seededRandom(seed), waitMs: 0 }),
  )
  const work = async (cache: (typeof caches)[number]): Promise<void> => {
    for (let step = 0; step < 4; step++) {
      const key = keys[Math.floor(random.next() * keys.length)] as string
      const value = `${key}${random.next()}`
      const kind = random.next()
      if (kind < 0.5) await cache.get(key)
      else if (kind < 0.8) await cache.update(key, () => save(key, value))
      else await cache.writeThrough(key, value, () => save(key, value))
    }
  }
  await Promise.all(caches.flatMap((cache) => [work(cache), work(cache)]))
  await Promise.all(caches.map((cache) => cache.close()))
  return keys.flatMap((key) => {
    const stored = redis.run(['GET', key])
    const text = typeof stored === 'string' ? decodeEntry(stored)?.text : undefined
    const isTrue = text === undefined || text === JSON.stringify(records.get(key))
    return isTrue ? [] : [`${key}: the cache has ${text}, the database ${records.get(key)}`]
  })
}

/** Some steps of others come first. */
async function dawdle(random: Random): Promise<void> {
  for (let steps = Math.floor(random.next() * 6); steps > 0; steps--) await Promise.resolve()
}

describe('early expiry', () => {
  it('is distributed as the paper says: the gap before the end is exponential with a mean of beta times delta', () => {
    const random = seededRandom(7)
    const gaps = Array.from({ length: 2000 }, () => {
      const chance = random.next()
      let low = 0
      let high = 10_000
      while (high - low > 1) {
        const middle = Math.floor((low + high) / 2)
        if (isEarly({ nowMs: -middle, expiresAtMs: 0, loadMs: 100, beta: 2, chance })) low = middle
        else high = middle
      }
      return low
    })
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
    expect(mean).toBeGreaterThan(185)
    expect(mean).toBeLessThan(215)
    // Memoryless: as many of those beyond 200 go beyond 400 as go beyond 200 of all.
    const beyond = (gap: number): number => gaps.filter((each) => each > gap).length
    expect(Math.abs(beyond(400) / beyond(200) - beyond(200) / gaps.length)).toBeLessThan(0.06)
  })

  it('never comes too late, and never for an entry that cost nothing', () => {
    expect(isEarly({ nowMs: 10, expiresAtMs: 10, loadMs: 0, beta: 1, chance: 0 })).toBe(true)
    expect(isEarly({ nowMs: 9, expiresAtMs: 10, loadMs: 0, beta: 1, chance: 0.999 })).toBe(false)
  })
})

describe('the decoder of entries', () => {
  it('reads back what was written, and takes anything else for none', () => {
    const random = seededRandom(11)
    const whole = (limit: number): number => Math.floor(random.next() * limit)
    for (let round = 0; round < 3000; round++) {
      const text =
        round % 5 === 0 ? undefined : String.fromCharCode(...Array.from({ length: whole(20) }, () => whole(0xd800)))
      const entry = { text, freshUntilMs: whole(2e12), loadMs: whole(1e5) }
      const stored = encodeEntry(entry)
      expect(decodeEntry(stored)).toEqual(entry)
      const at = whole(stored.length)
      const damaged = stored.slice(0, at) + String.fromCharCode(whole(256)) + stored.slice(at + whole(3))
      const read = decodeEntry(damaged)
      if (read !== undefined)
        expect(Number.isSafeInteger(read.freshUntilMs) && Number.isSafeInteger(read.loadMs)).toBe(true)
    }
    expect(decodeEntry(`bedplate1 v 1 1\n${'x'.repeat(64 * 2 ** 20)}`)).toBeUndefined()
  })
})
