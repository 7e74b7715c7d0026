import { beforeEach, describe, expect, it } from 'vitest'
import type { AppendLog, LogBlock } from '../../../ts/storage/append-log/types.ts'
import { bytesOf, fill, LogBed, POLL_MS, textAt, textsOf } from '../../support/append-log.ts'
import { codeOf, codeOfAsync } from '../../support/errors.ts'

let bed: LogBed
beforeEach(() => {
  bed = new LogBed()
})

/** The texts of the blocks that come, until `count` are there. */
async function take(blocks: AsyncIterableIterator<LogBlock>, count: number): Promise<string[]> {
  const texts: string[] = []
  while (texts.length < count) {
    const { value, done } = await blocks.next()
    if (done) break
    texts.push(...textsOf(value))
  }
  return texts
}

describe('following in the handle that writes', () => {
  it('gives what is there, then what comes', async () => {
    const log = await bed.open()
    await fill(log, 100)
    const blocks = log.follow(20, { maxBytes: 2000 })
    expect(await take(blocks, 80)).toEqual(Array.from({ length: 80 }, (_, i) => textAt(20 + i)))
    const next = take(blocks, 3)
    await fill(log, 1)
    await fill(log, 2)
    expect(await next).toEqual([100, 101, 102].map((offset) => textAt(offset)))
    expect(log.stats().followers).toBe(1)
    await blocks.return?.()
    expect(log.stats().followers).toBe(0)
    await log.close()
  })

  it('shows nothing before it is durable', async () => {
    const log = await bed.open()
    await log.append(bytesOf('a'))
    const blocks = log.follow(1)
    const next = blocks.next()
    let isThere = false
    void next.then(() => {
      isThere = true
    })
    bed.disk.manualSyncs = true
    const done = log.append(bytesOf('b'))
    for (let i = 0; i < 5; i++) await bed.clock.turn()
    expect(isThere).toBe(false)
    await bed.completeSyncs(done)
    expect(textsOf((await next).value)).toEqual(['b'])
    await log.close()
  })

  it('ends when it is aborted, wherever it is', async () => {
    const log = await bed.open()
    await fill(log, 10)
    const controller = new AbortController()
    const blocks = log.follow(0, { signal: controller.signal })
    expect(await take(blocks, 10)).toHaveLength(10)
    const waiting = blocks.next()
    controller.abort()
    expect((await waiting).done).toBe(true)
    expect((await log.follow(0, { signal: controller.signal }).next()).done).toBe(true)
    expect(log.stats().followers).toBe(0)
    await log.close()
  })

  it('ends when the log is closed, and fails when the log fails', async () => {
    const log = await bed.open()
    const waiting = log.follow(0).next()
    await bed.clock.turn()
    await log.close()
    expect((await waiting).done).toBe(true)

    const again = await bed.open()
    const failing = codeOfAsync(again.follow(0).next())
    await bed.clock.turn()
    bed.disk.failAt({ operation: 'sync', nth: 1, error: 'EIO' })
    expect(await codeOfAsync(again.append(bytesOf('a')))).toBe('IO')
    expect(await failing).toBe('IO')
    await again.close()
  })

  it('tells who has seen records that a truncation removes', async () => {
    const log = await bed.open()
    await fill(log, 10)
    const [ahead, behind] = [log.follow(0), log.follow(0, { maxBytes: 1 })]
    await take(ahead, 10)
    await take(behind, 3)
    const waiting = codeOfAsync(ahead.next())
    await log.truncateAfter(4)
    expect(await waiting).toBe('CONFLICT')
    await log.append(bytesOf('other'))
    expect(await take(behind, 3)).toEqual([textAt(3), textAt(4), 'other'])
    await log.close()
  })

  it('tells who is behind the beginning', async () => {
    const log = await bed.open()
    await fill(log, 100)
    const blocks = log.follow(0, { maxBytes: 1 })
    await take(blocks, 3)
    await log.truncateBefore(50)
    expect(await codeOfAsync(blocks.next())).toBe('NOT_FOUND')
    await log.close()
  })

  it('reads nothing for a follower that does not ask', async () => {
    const log = await bed.open()
    const blocks = log.follow(0, { maxBytes: 1000 })
    await fill(log, 1)
    await blocks.next()
    const reads = bed.disk.failAt({ operation: 'read', nth: 1, error: 'EIO' })
    await fill(log, 1000)
    await bed.clock.turn()
    expect(reads.applied).toBe(0)
    expect(await codeOfAsync(blocks.next())).toBe('IO')
    await log.close()
  })
})

describe('a handle that reads beside the writer', () => {
  let log: Awaited<ReturnType<LogBed['open']>>
  beforeEach(async () => {
    log = await bed.open()
  })

  const all = (reader: AppendLog): string[] => [...reader.read(reader.firstOffset, 1e6)].map((r) => String(r.length))

  it('sees what the writer says is readable when it looks', async () => {
    await fill(log, 3)
    const reader = bed.openReader()
    expect([reader.readableOffset, reader.nextOffset, all(reader).length]).toEqual([3, 3, 3])
    await fill(log, 2)
    expect(reader.readableOffset).toBe(3)
    reader.refresh()
    expect([reader.readableOffset, textsOf(reader.read(3)).length]).toEqual([5, 2])
    await reader.close()
    await log.close()
  })

  it('does not see what is written and not durable', async () => {
    await fill(log, 1)
    const reader = bed.openReader()
    bed.disk.manualSyncs = true
    const done = log.append(bytesOf('b'))
    for (let i = 0; i < 5; i++) await bed.clock.turn()
    reader.refresh()
    const another = bed.openReader()
    expect([reader.readableOffset, another.readableOffset]).toEqual([1, 1])
    await bed.completeSyncs(done)
    reader.refresh()
    expect(reader.readableOffset).toBe(2)
    await Promise.all([reader.close(), another.close()])
    await log.close()
  })

  it('follows over many segments', async () => {
    const reader = bed.openReader()
    const blocks = reader.follow(0, { maxBytes: 4000 })
    for (let round = 0; round < 10; round++) {
      const next = take(blocks, 50)
      await bed.clock.turn()
      await fill(log, 50)
      bed.clock.advance(POLL_MS)
      expect(await next).toEqual(Array.from({ length: 50 }, (_, i) => textAt(round * 50 + i)))
    }
    await reader.close()
    expect((await blocks.next()).done).toBe(true)
    await log.close()
    expect([bed.disk.openHandles, bed.clock.pending]).toEqual([0, 0])
  })

  it('looks only while somebody waits', async () => {
    const reader = bed.openReader()
    expect(bed.clock.pending).toBe(0)
    const blocks = reader.follow(0)
    const next = blocks.next()
    await bed.clock.turn()
    expect(bed.clock.pending).toBe(1)
    await fill(log, 1)
    bed.clock.advance(POLL_MS)
    await next
    expect(bed.clock.pending).toBe(0)
    await reader.close()
    await log.close()
  })

  it('goes on when its segments are removed, and says so if that was what it wanted', async () => {
    await fill(log, 200)
    const reader = bed.openReader()
    expect(reader.read(0, 1).count).toBe(1)
    await log.truncateBefore(150)
    await fill(log, 100) // some of them into files that had been others
    expect(codeOf(() => reader.read(100, 1))).toBe('NOT_FOUND')
    expect(reader.firstOffset).toBe(150)
    expect(textsOf(reader.read(199, 1))).toEqual([textAt(199)])
    expect(reader.readableOffset).toBe(300)
    await reader.close()
    await log.close()
  })

  it('tells who has seen records that the writer removed from the end', async () => {
    await fill(log, 100)
    const reader = bed.openReader()
    const [ahead, behind] = [reader.follow(90), reader.follow(40, { maxBytes: 1 })]
    await take(ahead, 10)
    await take(behind, 1)
    await log.truncateAfter(50)
    await fill(log, 100)
    const waiting = codeOfAsync(ahead.next())
    await bed.clock.turn()
    bed.clock.advance(POLL_MS)
    reader.refresh()
    expect(await waiting).toBe('CONFLICT')
    expect(await take(behind, 20)).toEqual(Array.from({ length: 20 }, (_, i) => textAt(41 + i)))
    await reader.close()
    await log.close()
  })

  it('goes on with the next writer, after a killed one and after a power cut', async () => {
    await fill(log, 10)
    const reader = bed.openReader()
    const blocks = reader.follow(0)
    await take(blocks, 10)
    log.abandon()
    const next = await bed.open()
    await fill(next, 10)
    reader.refresh()
    expect(await take(blocks, 10)).toEqual(Array.from({ length: 10 }, (_, i) => textAt(10 + i)))
    next.abandon()
    await reader.close()
    bed.cutPower()
    const afterwards = bed.openReader() // no writer has been there yet
    expect(afterwards.readableOffset).toBeLessThanOrEqual(20)
    const last = await bed.open()
    expect(last.nextOffset).toBe(20)
    expect(afterwards.readableOffset).toBeGreaterThanOrEqual(19)
    await last.close()
    await afterwards.close()
  })

  it('changes nothing, and takes no lock', async () => {
    await fill(log, 10)
    await log.close()
    const effects = bed.disk.history.length
    const reader = bed.openReader()
    expect(all(reader)).toHaveLength(10)
    await reader.verify()
    expect(await codeOfAsync((async () => await reader.append())())).toBe('READ_ONLY')
    expect(await codeOfAsync(reader.flushed())).toBe('READ_ONLY')
    expect(await codeOfAsync(reader.truncateBefore())).toBe('READ_ONLY')
    expect(await codeOfAsync(reader.truncateAfter())).toBe('READ_ONLY')
    await reader.close()
    expect([bed.disk.history.length, bed.disk.heldLocks]).toEqual([effects, 0])
  })
})
