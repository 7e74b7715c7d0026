import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Cluster, Redis } from 'ioredis'
import { createClient, createClientPool, createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CacheStats, cacheAside, type RedisClient } from '../../../ts/cache/patterns/index.ts'
import { ServerBed } from '../../support/cache-server.ts'

const CALLER = fileURLToPath(new URL('../../support/cache-aside-caller.mjs', import.meta.url))

let bed: ServerBed
beforeAll(async () => {
  bed = await ServerBed.start()
})
afterAll(() => bed.stop())

/** Reads, writes and invalidates by way of `client`, where everything has to be found. */
async function exercise(client: RedisClient, prefix: string): Promise<CacheStats> {
  const records = new Map([['k', { name: 'Zoë' }]])
  await using cache = cacheAside({ client, prefix, ttlMs: 60_000, load: (key) => records.get(key) })
  expect(await cache.get('k')).toEqual({ name: 'Zoë' })
  expect(await cache.get('k')).toEqual({ name: 'Zoë' })
  await cache.update('k', () => void records.set('k', { name: 'Ada' }))
  expect(await cache.get('k')).toEqual({ name: 'Ada' })
  await cache.writeThrough('k', { name: 'Eve' }, () => void records.set('k', { name: 'Eve' }))
  expect(await cache.get('k')).toEqual({ name: 'Eve' })
  return cache.stats()
}

const RIGHT = { hits: 2, misses: 2, loads: 2, cacheErrors: 0, refused: 0 }

describe('cache-aside over the server', () => {
  it('works with ioredis', async () => {
    const client = new Redis(bed.port, '127.0.0.1')
    expect(await exercise(client, 'ioredis:')).toMatchObject(RIGHT)
    client.disconnect()
  })

  it('works with node-redis', async () => {
    const client = createClient({ url: `redis://127.0.0.1:${bed.port}` })
    await client.connect()
    expect(await exercise(client, 'node-redis:')).toMatchObject(RIGHT)
    client.destroy()
  })

  it('accepts clusters and pools by their types', () => {
    // Nothing is connected: what is shown is that the compiler and the check of shapes take them.
    const clients: RedisClient[] = [
      createCluster({ rootNodes: [{ url: 'redis://127.0.0.1:1' }] }),
      createClientPool(),
      new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true }),
    ]
    for (const client of clients) cacheAside({ client, ttlMs: 1, load: () => undefined })
  })

  it('tells a cluster of node-redis the key of each command', async () => {
    const sent: unknown[] = []
    const client = {
      getRandomNode: () => undefined,
      sendCommand: async (firstKey: string | undefined, _isReadonly: boolean | undefined, args: string[]) => {
        sent.push([args[0], firstKey])
        return args[0] === 'SET' ? 'OK' : args[0] === 'EVAL' ? 1 : null
      },
    }
    await cacheAside({ client, ttlMs: 1000, load: () => 1 }).get('k')
    expect(sent).toEqual([
      ['GET', 'k'],
      ['SET', '{k}:lease'],
      ['GET', 'k'],
      ['EVAL', 'k'],
    ])
  })

  it('does not hang when there is no server', async () => {
    const client = new Redis(1, '127.0.0.1', { retryStrategy: () => 10 })
    client.on('error', () => {})
    const cache = cacheAside({ client, ttlMs: 1000, load: () => 'loaded', commandTimeoutMs: 50 })
    expect(await cache.get('k')).toBe('loaded')
    expect(cache.stats()).toMatchObject({ loads: 1, cacheErrors: 1 })
    client.disconnect()
  })

  it('makes one load of 1,000 misses in four processes', async () => {
    const client = new Redis(bed.port, '127.0.0.1')
    const callers = Array.from({ length: 4 }, () =>
      spawn(process.execPath, [CALLER, String(bed.port), '250'], { stdio: ['ignore', 'pipe', 'inherit'] }),
    )
    const outputs = callers.map(async (caller) => {
      let text = ''
      caller.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      await once(caller, 'close')
      return JSON.parse(text) as { values: string[]; stats: CacheStats }
    })
    while ((await client.get('callers')) !== '4') await new Promise((resolve) => setImmediate(resolve))
    await client.rpush('gate', 'open', 'in case', 'that more', 'than one', 'is loading')
    const results = await Promise.all(outputs)
    expect(results.map(({ values }) => values)).toEqual(Array(4).fill(['the record of hot']))
    expect(await client.get('loads')).toBe('1')
    const sum = (name: keyof CacheStats) => results.reduce((total, { stats }) => total + stats[name], 0)
    expect([sum('loads'), sum('misses'), sum('joined'), sum('hits')]).toEqual([1, 1000, 996, 0])
    client.disconnect()
  })
})
