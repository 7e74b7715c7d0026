import { beforeEach, describe, expect, it } from 'vitest'
import { bytesOf, fill, LOG_PATH, LogBed, readAll, textAt, textsOf } from '../../support/append-log.ts'
import { codeOf, codeOfAsync } from '../../support/errors.ts'

let bed: LogBed
beforeEach(() => {
  bed = new LogBed()
})

describe('truncateBefore', () => {
  it('moves the beginning exactly, and lets whole segments go', async () => {
    const log = await bed.open()
    await fill(log, 200)
    const before = bed.segments.length
    await log.truncateBefore(123)
    expect(log.firstOffset).toBe(123)
    expect(bed.segments.length).toBeLessThan(before)
    expect(textsOf(log.read(123, 1))).toEqual([textAt(123)])
    expect(codeOf(() => log.read(122))).toBe('NOT_FOUND')
    await log.truncateBefore(50)
    expect(log.firstOffset).toBe(123)
    await log.close()
    const again = await bed.open()
    expect([again.firstOffset, again.nextOffset]).toEqual([123, 200])
    expect(readAll(again)).toHaveLength(77)
    await again.close()
  })

  it('may take everything, and the offsets go on', async () => {
    const log = await bed.open()
    await fill(log, 50)
    await log.truncateBefore(50)
    expect([log.firstOffset, log.nextOffset, readAll(log).length]).toEqual([50, 50, 0])
    await log.close()
    const again = await bed.open()
    expect(await again.append(bytesOf('next'))).toBe(50)
    expect(readAll(again)).toEqual(['next'])
    await again.close()
  })

  it('is durable when it resolves', async () => {
    const log = await bed.open()
    await fill(log, 200)
    await log.truncateBefore(123)
    log.abandon()
    bed.cutPower()
    const again = await bed.open()
    expect(again.firstOffset).toBe(123)
    await again.close()
  })

  it('first makes durable what comes before, so that offsets are never given twice', async () => {
    const log = await bed.open({ durability: 'memory' })
    await fill(log, 10)
    await log.truncateBefore(7)
    log.abandon()
    bed.cutPower()
    const again = await bed.open()
    expect([again.firstOffset, again.nextOffset >= 7]).toEqual([7, true])
    await again.close()
  })

  it('refuses what the log does not have, and a full disk changes nothing', async () => {
    const log = await bed.open()
    await fill(log, 50)
    expect(await codeOfAsync(log.truncateBefore(51))).toBe('INVALID_INPUT')
    expect(await codeOfAsync(log.truncateBefore(1.5))).toBe('INVALID_INPUT')
    bed.disk.failAt({ operation: 'write', path: /start\.new$/, nth: 1, error: 'ENOSPC' })
    expect(await codeOfAsync(log.truncateBefore(20))).toBe('DISK_FULL')
    expect([log.firstOffset, readAll(log).length]).toEqual([0, 50])
    await log.truncateAfter(10) // the beginning did not move
    await log.truncateBefore(5)
    expect(log.firstOffset).toBe(5)
    await log.close()
  })

  it('ends the log if it cannot know which beginning is durable', async () => {
    const log = await bed.open()
    await fill(log, 50)
    bed.disk.failAt({ operation: 'syncDirectory', nth: 1, error: 'EIO' })
    expect(await codeOfAsync(log.truncateBefore(20))).toBe('IO')
    expect(codeOf(() => log.read(0))).toBe('IO')
    expect(await codeOfAsync(log.truncateAfter(10))).toBe('IO')
    await log.close()
    const again = await bed.open()
    expect([0, 20]).toContain(again.firstOffset)
    await again.close()
  })
})

describe('truncateAfter', () => {
  it('removes the end at once, and other records take its offsets', async () => {
    const log = await bed.open()
    await fill(log, 100)
    const done = log.truncateAfter(41)
    expect([log.nextOffset, log.readableOffset]).toEqual([42, 42])
    const appended = log.append(bytesOf('other'))
    expect(log.readableOffset).toBe(42)
    await Promise.all([done, appended])
    expect(await appended).toBe(42)
    expect(readAll(log).slice(40)).toEqual([textAt(40), textAt(41), 'other'])
    expect((await log.verify()).problems).toEqual([])
    await log.close()
    const again = await bed.open()
    expect(readAll(again).slice(40)).toEqual([textAt(40), textAt(41), 'other'])
    await again.close()
  })

  it('is durable when it resolves', async () => {
    const log = await bed.open()
    await fill(log, 100)
    await log.truncateAfter(41)
    log.abandon()
    bed.cutPower()
    const again = await bed.open()
    expect(again.nextOffset).toBe(42)
    await again.close()
  })

  it('can be repeated, at the edges of segments too', async () => {
    const log = await bed.open()
    await fill(log, 100)
    for (const end of [90, 80, 79, 55, 54, 10, 9, 0]) {
      await fill(log, 10)
      await log.truncateAfter(end)
      expect(readAll(log)).toEqual(Array.from({ length: end + 1 }, (_, i) => textAt(i)))
    }
    await log.truncateAfter(-1)
    expect([log.nextOffset, readAll(log).length]).toEqual([0, 0])
    expect(await log.append(bytesOf('first again'))).toBe(0)
    await log.close()
    const again = await bed.open()
    expect(readAll(again)).toEqual(['first again'])
    await again.close()
  })

  it('costs no segments: those that are void are used again', async () => {
    const log = await bed.open()
    for (let i = 0; i < 50; i++) {
      await fill(log, 20)
      await log.truncateAfter(5)
    }
    expect(bed.disk.list(LOG_PATH).length).toBeLessThan(12)
    await log.close()
  })

  it('reaches from the record before the beginning to the last one', async () => {
    const log = await bed.open()
    await fill(log, 50)
    await log.truncateBefore(20)
    expect(await codeOfAsync(log.truncateAfter(18))).toBe('INVALID_INPUT')
    expect(await codeOfAsync(log.truncateAfter(50))).toBe('INVALID_INPUT')
    expect(await codeOfAsync(log.truncateAfter(-2))).toBe('INVALID_INPUT')
    await log.truncateAfter(49)
    expect(log.nextOffset).toBe(50)
    await log.truncateAfter(19)
    expect([log.firstOffset, log.nextOffset]).toEqual([20, 20])
    expect(await log.append(bytesOf('next'))).toBe(20)
    await log.close()
    const again = await bed.open()
    expect(readAll(again)).toEqual(['next'])
    await again.close()
  })

  it('waits for a beginning that is about to move', async () => {
    const log = await bed.open()
    await fill(log, 50)
    const moving = log.truncateBefore(30)
    expect(await codeOfAsync(log.truncateAfter(20))).toBe('INVALID_INPUT')
    await moving
    await log.truncateAfter(35)
    expect([log.firstOffset, log.nextOffset]).toEqual([30, 36])
    await log.close()
  })
})

describe('retention', () => {
  it('by bytes keeps the newest segments', async () => {
    const log = await bed.open({ retention: { bytes: 100_000 } })
    for (let i = 0; i < 40; i++) await fill(log, 25)
    await log.flushed()
    for (let i = 0; i < 20; i++) await bed.clock.turn()
    const { segmentBytes, firstOffset } = log.stats()
    expect(segmentBytes).toBeLessThan(100_000 + 3 * 32_768) // what is prepared for later counts too
    expect(firstOffset).toBeGreaterThan(500)
    expect(readAll(log)).toHaveLength(1000 - firstOffset)
    await log.close()
  })

  it('by age lets go of what is older, also while nothing is appended', async () => {
    const log = await bed.open({ retention: { ageMs: 60_000 } })
    await fill(log, 100)
    bed.clock.advance(50_000)
    await fill(log, 100)
    expect(log.firstOffset).toBe(0)
    bed.clock.advance(20_000)
    for (let i = 0; i < 20; i++) await bed.clock.turn()
    expect(log.firstOffset).toBeGreaterThan(50)
    expect(log.firstOffset).toBeLessThanOrEqual(100)
    bed.clock.advance(1_000_000)
    for (let i = 0; i < 20; i++) await bed.clock.turn()
    expect(log.firstOffset).toBeGreaterThan(150)
    expect(log.nextOffset - log.firstOffset).toBeGreaterThan(0) // the newest segment stays
    await log.close()
    expect(bed.clock.pending).toBe(0)
  })

  it('is looked after when a log is opened', async () => {
    const log = await bed.open()
    await fill(log, 200)
    await log.close()
    const again = await bed.open({ retention: { bytes: 1 } })
    for (let i = 0; i < 20; i++) await bed.clock.turn()
    expect(bed.segments).toHaveLength(1)
    await again.close()
  })
})
