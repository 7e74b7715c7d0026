// Packages that stand on Redis, as they are on npm.
import { createRequire } from 'node:module'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { BurstyRateLimiter, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { afterEach, expect, it } from 'vitest'
import { ServerBed } from '../../support/cache-server.ts'

interface Lock {
  readonly resource: readonly string[] | string
  extend(ttlMs: number): Promise<Lock>
  unlock(): Promise<void>
}
type RedlockOf = new (
  clients: readonly Redis[],
  options: { readonly retryCount: number; readonly retryDelay?: number },
) => { lock(resource: string, ttlMs: number): Promise<Lock>; on(event: 'clientError', listener: () => void): void }

const Redlock = createRequire(import.meta.url)('redlock') as RedlockOf

const JOBS = 10_000
const WORKERS = 4

const beds: ServerBed[] = []
const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  for (const bed of beds.splice(0)) await bed.stop()
})

async function start(): Promise<ServerBed> {
  const bed = await ServerBed.start()
  beds.push(bed)
  return bed
}

function clientOf(bed: ServerBed): Redis {
  const client = new Redis({ host: '127.0.0.1', port: bed.port, maxRetriesPerRequest: 0, retryStrategy: () => null })
  client.on('error', () => {})
  closing.push(() => client.disconnect())
  return client
}

it(`BullMQ: ${WORKERS} workers do ${JOBS} jobs, none lost and none twice`, async () => {
  const bed = await start()
  const connection = { host: '127.0.0.1', port: bed.port, maxRetriesPerRequest: null }
  const queue = new Queue('many', { connection })
  closing.push(() => queue.close())
  const times = new Uint8Array(JOBS)
  let left = JOBS
  let finish: () => void = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  for (let i = 0; i < WORKERS; i++) {
    const worker = new Worker(
      'many',
      async (job) => {
        times[job.data.n] = (times[job.data.n] ?? 0) + 1
      },
      { connection, concurrency: 25 },
    )
    worker.on('completed', () => {
      if (--left === 0) finish()
    })
    closing.push(() => worker.close())
  }
  for (let n = 0; n < JOBS; n += 1000) {
    await queue.addBulk(Array.from({ length: 1000 }, (_, i) => ({ name: 'count', data: { n: n + i } })))
  }
  await finished
  expect(times.every((count) => count === 1)).toBe(true)
  expect(await queue.getJobCounts('completed', 'failed', 'active', 'waiting')).toEqual({
    completed: JOBS,
    failed: 0,
    active: 0,
    waiting: 0,
  })
})

it('redlock: one holder at a time on the majority of three servers, also when one is gone', async () => {
  const clients = [clientOf(await start()), clientOf(await start()), clientOf(await start())]
  const redlock = new Redlock(clients, { retryCount: 0 })
  redlock.on('clientError', () => {})
  const lock = await redlock.lock('door', 60_000)
  await expect(redlock.lock('door', 60_000)).rejects.toThrow(/Exceeded 0 attempts/)
  const extended = await lock.extend(60_000)
  expect(await clients[0]?.pttl('door')).toBeGreaterThan(50_000)
  await extended.unlock()
  expect(await clients[0]?.exists('door')).toBe(0)

  await beds[2]?.server.stop()
  const again = await redlock.lock('door', 60_000)
  await expect(redlock.lock('door', 60_000)).rejects.toThrow(/Exceeded 0 attempts/)
  await again.unlock()
})

it('rate-limiter-flexible: counts by key, blocks for a time, pays back', async () => {
  const storeClient = clientOf(await start())
  const limiter = new RateLimiterRedis({ storeClient, points: 3, duration: 60, blockDuration: 300 })
  for (let left = 2; left >= 0; left--) expect(await limiter.consume('anna')).toMatchObject({ remainingPoints: left })
  const refused = await limiter.consume('anna').catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(RateLimiterRes)
  expect((refused as RateLimiterRes).msBeforeNext).toBeGreaterThan(60_000)
  expect(await limiter.consume('ben', 2)).toMatchObject({ remainingPoints: 1 })
  expect(await limiter.reward('ben')).toMatchObject({ consumedPoints: 1 })
  await limiter.delete('anna')
  expect(await limiter.consume('anna')).toMatchObject({ remainingPoints: 2 })

  const burst = new RateLimiterRedis({ storeClient, keyPrefix: 'burst', points: 2, duration: 60 })
  const bursty = new BurstyRateLimiter(
    new RateLimiterRedis({ storeClient, keyPrefix: 'steady', points: 1, duration: 60 }),
    burst,
  )
  for (let i = 0; i < 3; i++) await bursty.consume('cara')
  await expect(bursty.consume('cara')).rejects.toBeInstanceOf(RateLimiterRes)
})
