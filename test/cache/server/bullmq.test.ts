// BullMQ as it is on npm: its queues live in scripts.
import { FlowProducer, type Job, Queue, QueueEvents, Worker } from 'bullmq'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ServerBed } from '../../support/cache-server.ts'

let bed: ServerBed
const closing: { close(): Promise<unknown> }[] = []

beforeEach(async () => {
  bed = await ServerBed.start()
})

afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close()
  await bed.stop()
})

function closed<T extends { close(): Promise<unknown> }>(each: T): T {
  closing.push(each)
  return each
}

function connection() {
  return { host: '127.0.0.1', port: bed.port, maxRetriesPerRequest: null }
}

function queueOf(name: string): Queue {
  return closed(new Queue(name, { connection: connection() }))
}

function workerOf(name: string, run: (job: Job) => Promise<unknown>, options: object = {}): Worker {
  return closed(new Worker(name, run, { connection: connection(), ...options }))
}

/** Resolves with the first `count` jobs that a worker completes. */
function completed(worker: Worker, count: number): Promise<Job[]> {
  const jobs: Job[] = []
  return new Promise((resolve, reject) => {
    worker.on('error', reject)
    worker.on('completed', (job: Job) => {
      jobs.push(job)
      if (jobs.length === count) resolve(jobs)
    })
  })
}

it('runs jobs in order, each once, and keeps what they return', async () => {
  const queue = queueOf('numbers')
  const worker = workerOf('numbers', async (job) => job.data.n * 2)
  const done = completed(worker, 200)
  await queue.addBulk(Array.from({ length: 200 }, (_, n) => ({ name: 'double', data: { n: n + 1 } })))
  const jobs = await done
  expect(jobs.map((job) => job.returnvalue)).toEqual(Array.from({ length: 200 }, (_, n) => 2 * (n + 1)))
  expect(await queue.getJobCounts('completed', 'waiting', 'active', 'failed')).toEqual({
    completed: 200,
    waiting: 0,
    active: 0,
    failed: 0,
  })
})

it('retries what fails, then gives it up', async () => {
  const queue = queueOf('failing')
  const worker = workerOf('failing', async () => {
    throw new Error('no luck')
  })
  const failed = new Promise<Job>((resolve) => {
    worker.on('failed', (job) => {
      if (job?.attemptsMade === 3) resolve(job)
    })
  })
  await queue.add('try', {}, { attempts: 3, backoff: 1 })
  expect((await failed).failedReason).toBe('no luck')
  expect(await queue.getFailedCount()).toBe(1)
})

it('puts off what is delayed, and prefers what is urgent', async () => {
  const queue = queueOf('order')
  await queue.add('plain', {}, { priority: 5 })
  await queue.add('urgent', {}, { priority: 1 })
  const late = await queue.add('late', {}, { delay: 300_000 })
  expect(await late.getState()).toBe('delayed')
  const worker = workerOf('order', async (job) => job.name)
  expect((await completed(worker, 2)).map((job) => job.name)).toEqual(['urgent', 'plain'])
  const done = completed(worker, 1)
  await late.changeDelay(20)
  expect((await done).map((job) => job.name)).toEqual(['late'])
})

it('repeats what is scheduled', async () => {
  const queue = queueOf('repeating')
  await queue.upsertJobScheduler('every', { every: 20, limit: 3 }, { name: 'tick' })
  const worker = workerOf('repeating', async () => 'tock')
  const jobs = await completed(worker, 3)
  expect(jobs.map((job) => job.name)).toEqual(['tick', 'tick', 'tick'])
})

it('runs flows: children first, their results given to the parent', async () => {
  const worker = workerOf('flow', async (job) => {
    if (job.name !== 'sum') return job.data.n
    const values = Object.values(await job.getChildrenValues<number>())
    return values.reduce((sum, value) => sum + value, 0)
  })
  const done = completed(worker, 4)
  const producer = closed(new FlowProducer({ connection: connection() }))
  const children = [1, 2, 3].map((n) => ({ name: 'part', queueName: 'flow', data: { n } }))
  await producer.add({ name: 'sum', queueName: 'flow', children })
  const jobs = await done
  expect(jobs.at(-1)?.returnvalue).toBe(6)
})

it('keeps to a rate limit', async () => {
  const queue = queueOf('limited')
  const worker = workerOf('limited', async () => Date.now(), { limiter: { max: 2, duration: 60 } })
  const done = completed(worker, 5)
  await queue.addBulk(Array.from({ length: 5 }, (_, n) => ({ name: 'job', data: { n } })))
  const times = (await done).map((job) => job.returnvalue as number)
  // Five jobs at two a window are in the third one.
  expect((times[4] as number) - (times[0] as number)).toBeGreaterThanOrEqual(60)
})

it('tells listeners in other places', async () => {
  const queue = queueOf('heard')
  const events = closed(new QueueEvents('heard', { connection: connection() }))
  await events.waitUntilReady()
  workerOf('heard', async () => 'done')
  const job = await queue.add('job', {})
  expect(await job.waitUntilFinished(events)).toBe('done')
})
