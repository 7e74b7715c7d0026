// The script of the cache patterns on a real redis-server: the unit tests know it by its twin in TypeScript alone.
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cacheAside } from '../../ts/cache/patterns/index.ts'
import { RealRedis } from './redis/real-redis.ts'

let real: RealRedis
let client: Redis
beforeAll(async () => {
  real = await RealRedis.start()
  client = new Redis({ path: real.socketPath })
})
afterAll(async () => {
  client?.disconnect()
  await real?.stop()
})

describe('cache-aside over redis-server', () => {
  it('stores what is loaded, and nothing that was invalidated while it was loaded', async () => {
    const records = new Map([['k', 'one']])
    let meanwhile = async (): Promise<void> => {}
    const cache = cacheAside({
      client,
      ttlMs: 60_000,
      load: async (key) => {
        const value = records.get(key)
        await meanwhile()
        return value
      },
    })
    expect([await cache.get('k'), await cache.get('k')]).toEqual(['one', 'one'])
    expect(await client.exists('{k}:lease')).toBe(0)
    expect(await client.pttl('k')).toBeGreaterThan(50_000)
    await cache.invalidate('k')
    const other = cacheAside({ client, ttlMs: 60_000, load: (key) => records.get(key) })
    meanwhile = () => other.update('k', () => void records.set('k', 'two'))
    expect(await cache.get('k')).toBe('one')
    meanwhile = async () => {}
    expect([await cache.get('k'), await other.get('k')]).toEqual(['two', 'two'])
    expect(cache.stats()).toMatchObject({ refused: 1, hits: 1, cacheErrors: 0 })
    await other.writeThrough('k', 'three', () => void records.set('k', 'three'))
    expect(await cache.get('k')).toBe('three')
  })

  it('does without scripts where a user may not run them', async () => {
    await client.call('ACL', 'SETUSER', 'limited', 'on', '>secret', '~*', '+@all', '-@scripting')
    const limited = client.duplicate({ username: 'limited', password: 'secret' })
    await using cache = cacheAside({ client: limited, ttlMs: 60_000, prefix: 'limited:', load: () => 'value' })
    expect([await cache.get('k'), await cache.get('k')]).toEqual(['value', 'value'])
    expect(cache.stats()).toMatchObject({ hits: 1, refused: 0, cacheErrors: 0 })
    limited.disconnect()
  })
})
