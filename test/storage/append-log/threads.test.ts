// Readers in other threads and processes, beside one writer on the real disk.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { spawnWorker } from '../../../ts/io/worker.ts'
import { type AppendLog, openAppendLog } from '../../../ts/storage/append-log/index.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const RECORDS = 3000
const READER = '../../support/append-log-reader.mjs'

let place: ReturnType<typeof temporaryDirectory>
let log: AppendLog
beforeEach(async () => {
  place = temporaryDirectory()
  log = await openAppendLog(`${place.path}/log`, { create: true, segmentBytes: 65_536 })
})
afterEach(async () => {
  await log.close()
  place.remove()
})

/** Appends groups of records; the content of each follows from its offset. */
async function write(): Promise<void> {
  while (log.nextOffset < RECORDS) {
    const { nextOffset } = log
    const count = Math.min(1 + (nextOffset % 7), RECORDS - nextOffset)
    await log.append(Array.from({ length: count }, (_, i) => record(nextOffset + i)))
  }
}

function record(offset: number): Buffer {
  return Buffer.from(`${offset} `.repeat(1 + (offset % 40)))
}

it('worker threads follow a log while it is written', async () => {
  const workers = [1, 2, 3].map(() =>
    spawnWorker(READER, import.meta.url, { workerData: { path: log.path, end: RECORDS } }),
  )
  const answers = workers.map(async (worker) => ((await once(worker, 'message')) as [object])[0])
  await write()
  for (const answer of await Promise.all(answers)) expect(answer).toEqual({ records: RECORDS, wrong: 0, early: 0 })
  await Promise.all(workers.map((worker) => worker.terminate()))
})

it('a worker thread is told that its records were removed while it reads', async () => {
  const worker = spawnWorker(READER, import.meta.url, { workerData: { path: log.path, end: RECORDS, isSlow: true } })
  const answer = once(worker, 'message') as Promise<[{ code?: string; records: number; wrong: number }]>
  while (log.nextOffset < RECORDS) {
    await log.append(Array.from({ length: 20 }, (_, i) => record(log.nextOffset + i)))
    if (log.nextOffset > 500) await log.truncateBefore(log.nextOffset - 300)
  }
  const [{ code, wrong }] = await answer
  expect([wrong, code === undefined || code === 'NOT_FOUND']).toEqual([0, true])
  await worker.terminate()
})

it('another process follows it too', async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL(READER, import.meta.url)), log.path, String(RECORDS)])
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  await write()
  await once(child, 'close')
  expect(JSON.parse(printed)).toEqual({ records: RECORDS, wrong: 0, early: 0 })
})
