// A queue of jobs without a Redis server to install:
//
//   npm install bedplate bullmq ioredis
//   npx bedplate run -- node bullmq.mjs
//
// Thumbnails are made four at a time; one in ten pictures fails at the first attempt and is tried again. It ends with 0 if each
// picture was done exactly once.
import { Queue, QueueEvents, Worker } from 'bullmq'

const PICTURES = 500

const connection = { host: process.env.REDIS_HOST, port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null }
if (!connection.port) {
  console.error('no REDIS_PORT: start this with npx bedplate run -- node bullmq.mjs')
  process.exit(2)
}

const queue = new Queue('thumbnails', { connection })
const events = new QueueEvents('thumbnails', { connection })
await events.waitUntilReady()

const done = new Map()
let retries = 0
const worker = new Worker(
  'thumbnails',
  async (job) => {
    if (job.data.picture % 10 === 0 && job.attemptsMade === 0) throw new Error('the disk was busy')
    done.set(job.data.picture, (done.get(job.data.picture) ?? 0) + 1)
    return `thumbnail-${job.data.picture}.webp`
  },
  { connection, concurrency: 4 },
)
worker.on('failed', () => retries++)

const finished = new Promise((resolve) => {
  let count = 0
  events.on('completed', () => {
    if (++count === PICTURES) resolve()
  })
})
const jobs = Array.from({ length: PICTURES }, (_, picture) => ({
  name: 'thumbnail',
  data: { picture },
  opts: { attempts: 3, backoff: 10 },
}))
await queue.addBulk(jobs)
await finished

const { completed, failed } = await queue.getJobCounts('completed', 'failed')
const isRight = completed === PICTURES && done.size === PICTURES && [...done.values()].every((times) => times === 1)
console.log(`${completed} jobs completed, ${failed} failed, ${retries} attempts failed and were repeated`)

await worker.close()
await events.close()
await queue.close()
process.exitCode = isRight ? 0 : 1
