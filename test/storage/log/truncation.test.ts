// Records cut off the end of a log, as the writer does it: numbers that are used twice must never be mixed up.
import { beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { openLogWriter } from '../../../ts/storage/log/open.ts'
import type { LogWriter } from '../../../ts/storage/log/writer.ts'
import { ManualClock } from '../../support/manual-clock.ts'

let disk: SimulatedDisk
let replayed: string[]

beforeEach(() => {
  disk = new SimulatedDisk()
  disk.mkdir('store')
  disk = new SimulatedDisk({ image: disk.currentImage() }) // on which the directory is durable
})

function open(durability: 'sync' | 'os' | 'memory' = 'sync'): Promise<LogWriter> {
  replayed = []
  return openLogWriter(undefined, {
    disk,
    clock: new ManualClock(),
    directory: 'store',
    uuid: new Uint8Array(16),
    durability,
    keptElsewhere: 0,
    replay: (position, record) => replayed.push(`${position}:${Buffer.from(record).toString()}`),
    firstSegmentBytes: 16_384,
    maxSegmentBytes: 16_384,
  })
}

function append(log: LogWriter, text: string): void {
  log.reserve(text.length)
  log.append(Buffer.from(text))
}

describe.each(['sync', 'os', 'memory'] as const)('a truncation with durability %s', (durability) => {
  it('takes records away at once, and for good when it resolves', async () => {
    const log = await open(durability)
    for (const text of ['a', 'b', 'c']) append(log, text)
    await log.flushed()
    const done = log.truncateAfter(1)
    expect([log.lastPosition, log.durablePosition]).toEqual([1, 1])
    append(log, 'd')
    await done
    await log.flushed()
    expect([log.lastPosition, log.durablePosition]).toEqual([2, 2])
    log.abandon()
    disk = new SimulatedDisk({ image: disk.crashImage(disk.history.length, 'none', seededRandom(1)) })
    await (await open()).close()
    expect(replayed).toEqual(['1:a', '2:d'])
  })

  it('reaches over segments, and their files go', async () => {
    const log = await open(durability)
    for (let i = 1; i <= 30; i++) {
      append(log, `${i}`.padEnd(2000))
      await log.flushed()
    }
    expect(log.segments.length).toBeGreaterThan(3)
    await log.truncateAfter(2)
    expect(log.segments.map(({ firstRecord }) => firstRecord)).toEqual([1, 3])
    append(log, 'new')
    await log.close()
    await (await open()).close()
    expect(replayed).toHaveLength(3)
    expect(replayed.at(-1)).toBe('3:new')
  })

  it('is waited for by those who flush, and by closing', async () => {
    const log = await open(durability)
    for (const text of ['a', 'b', 'c']) append(log, text)
    await log.flushed()
    void log.truncateAfter(2)
    await log.close()
    await (await open()).close()
    expect(replayed).toEqual(['1:a', '2:b'])
  })

  it('may come twice in a row, and down to nothing', async () => {
    const log = await open(durability)
    for (const text of ['a', 'b', 'c']) append(log, text)
    const first = log.truncateAfter(2)
    append(log, 'd')
    const second = log.truncateAfter(0)
    append(log, 'e')
    await Promise.all([first, second])
    await log.close()
    await (await open()).close()
    expect(replayed).toEqual(['1:e'])
  })
})

it('who waits for a new record is not told of the old one that had its number', async () => {
  const log = await open('os')
  for (const text of ['a', 'b', 'c']) append(log, text)
  await log.acknowledged
  disk.manualSyncs = true
  const done = log.truncateAfter(1)
  append(log, 'new')
  let isDurable = false
  const flushed = log.flushedTo(2).then(() => {
    isDurable = true
  })
  const states: string[] = []
  for (let syncs = 0; syncs < 20 && !isDurable; syncs++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (!isDurable) states.push(`${log.durablePosition}`)
    if (disk.pendingSyncs.length > 0) disk.completeSync()
  }
  await Promise.all([done, flushed])
  expect(states.every((position) => position === '0' || position === '1')).toBe(true)
  expect(log.durablePosition).toBe(2)
  disk.manualSyncs = false
  await log.close()
})

it('a truncation that finds the disk full changes nothing', async () => {
  const log = await open()
  for (const text of ['a', 'b', 'c']) append(log, text)
  await log.flushed()
  disk.failAt({ operation: 'write', path: /\.new$/, nth: 1, error: 'ENOSPC' })
  expect(() => log.truncateAfter(1)).toThrow(expect.objectContaining({ code: 'DISK_FULL' }))
  expect([log.lastPosition, log.durablePosition, log.failure]).toEqual([3, 3, undefined])
  append(log, 'd')
  await log.close()
  await (await open()).close()
  expect(replayed).toEqual(['1:a', '2:b', '3:c', '4:d'])
})
