import { beforeEach, describe, expect, it } from 'vitest'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { bytesOf, fill, LOG_PATH, LogBed, readAll, textAt, textsOf } from '../../support/append-log.ts'
import { codeOf, codeOfAsync } from '../../support/errors.ts'

let bed: LogBed
beforeEach(() => {
  bed = new LogBed()
})

describe('appending', () => {
  it('gives offsets from 0 at once, and promises that resolve to them', async () => {
    const log = await bed.open()
    expect([log.firstOffset, log.nextOffset]).toEqual([0, 0])
    const first = log.append(bytesOf('a'))
    const second = log.append([bytesOf('b'), bytesOf(''), bytesOf('d')])
    expect([log.nextOffset, log.readableOffset, log.durableOffset]).toEqual([4, 0, 0])
    expect(await Promise.all([first, second])).toEqual([0, 1])
    expect([log.nextOffset, log.readableOffset, log.durableOffset]).toEqual([4, 4, 4])
    expect(readAll(log)).toEqual(['a', 'b', '', 'd'])
    await log.close()
  })

  it('copies the bytes', async () => {
    const log = await bed.open()
    const bytes = Buffer.from('before')
    const done = log.append(bytes)
    bytes.write('AFTER!')
    await done
    expect(readAll(log)).toEqual(['before'])
    await log.close()
  })

  it('lets all who wait share one sync', async () => {
    const log = await bed.open()
    await log.append(bytesOf('first, into a new segment'))
    const { syncs } = log.stats()
    await Promise.all(Array.from({ length: 50 }, () => log.append(bytesOf('x'))))
    expect(log.stats().syncs - syncs).toBe(1)
    await log.close()
  })

  it.each(['sync', 'os', 'memory', { intervalMs: 5 }] as const)(
    'goes on where it was after reopening, with durability %j',
    async (durability) => {
      const log = await bed.open({ durability })
      await fill(log, 200)
      await log.close()
      const again = await bed.open({ durability })
      expect(again.nextOffset).toBe(200)
      await fill(again, 100)
      await again.flushed()
      expect(readAll(again)).toEqual(Array.from({ length: 300 }, (_, i) => textAt(i)))
      again.abandon()
      const third = await bed.open()
      expect(readAll(third)).toHaveLength(300)
      await third.close()
      expect([bed.disk.openHandles, bed.disk.heldLocks, bed.clock.pending]).toEqual([0, 0, 0])
    },
  )

  it('takes records larger than a segment, and a batch over the same size', async () => {
    const log = await bed.open()
    await log.append(bytesOf('L'.repeat(100_000)))
    await log.append(Array.from({ length: 100 }, () => bytesOf('m'.repeat(1000))))
    expect(readAll(log).map(({ length }) => length)).toEqual([100_000, ...Array(100).fill(1000)])
    await log.close()
  })

  it('keeps a batch in one frame, so that a power cut takes all of it or none', async () => {
    const log = await bed.open({ durability: 'os' })
    for (let i = 0; i < 40; i++) await log.append(bytesOf(`${i}`.padEnd(300)))
    const { frames } = log.stats()
    // More than what is left of the segment.
    await log.append(Array.from({ length: 40 }, (_, i) => bytesOf(`${i}`.padEnd(300))))
    expect(log.stats().frames - frames).toBe(1)
    await log.close()
  })
})

describe('reading', () => {
  it('gives as many whole records as fit, and at least one', async () => {
    const log = await bed.open()
    await log.append(['a', 'bb', 'c'.repeat(100), 'd'].map(bytesOf))
    expect(textsOf(log.read(0, 11))).toEqual(['a', 'bb'])
    expect(textsOf(log.read(0, 10))).toEqual(['a'])
    expect(textsOf(log.read(2, 1))).toEqual(['c'.repeat(100)])
    expect(textsOf(log.read(1))).toEqual(['bb', 'c'.repeat(100), 'd'])
    const block = log.read(3)
    expect([block.firstOffset, block.count, block.nextOffset]).toEqual([3, 1, 4])
    expect(Buffer.from(block.bytes)).toEqual(Buffer.from([1, 0, 0, 0, 0x64]))
    await log.close()
  })

  it('gives an empty block where there is nothing yet', async () => {
    const log = await bed.open()
    await log.append(bytesOf('a'))
    const block = log.read(1)
    expect([block.count, block.firstOffset, block.nextOffset, block.bytes.length]).toEqual([0, 1, 1, 0])
    expect([log.read(7).count, log.read(7).nextOffset]).toEqual([0, 7])
    await log.close()
  })

  it('finds every offset, in any order', async () => {
    const log = await bed.open()
    for (let i = 0; i < 20; i++) await fill(log, 17, 90 + i)
    const offsets = Array.from({ length: 340 }, (_, i) => (i * 147) % 340)
    for (const offset of offsets) {
      expect(textsOf(log.read(offset, 1))).toEqual([textAt(offset, 90 + Math.floor(offset / 17))])
    }
    await log.close()
  })

  it('walks over a segment once: then the index leads to any place in it', async () => {
    const sizes = { firstSegmentBytes: 8 * 1024 * 1024, maxSegmentBytes: 8 * 1024 * 1024 }
    const log = await bed.open({ durability: 'os', ...sizes })
    for (let i = 0; i < 400; i++) await log.append(bytesOf(textAt(i, 16_000)))
    log.read(399, 1)
    const reads = bed.disk.failAt({ operation: 'read', nth: 10, error: 'EIO' })
    expect(textsOf(log.read(200, 1))).toEqual([textAt(200, 16_000)])
    expect(reads.applied).toBe(0) // from its start it would be more than twenty
    reads.cancel()
    await log.close()
    const again = await bed.open(sizes)
    bed.disk.failAt({ operation: 'read', nth: 10, error: 'EIO' })
    expect(codeOf(() => again.read(200, 1))).toBe('IO')
    await again.close()
  })

  it('shows nothing that is not durable, with durability sync', async () => {
    const log = await bed.open()
    await log.append(bytesOf('a'))
    bed.disk.manualSyncs = true
    const done = log.append(bytesOf('b'))
    await bed.clock.turn()
    await bed.clock.turn()
    expect([log.readableOffset, readAll(log)]).toEqual([1, ['a']])
    await bed.completeSyncs(done)
    expect(readAll(log)).toEqual(['a', 'b'])
    await log.close()
  })

  it('shows what the kernel has, with durability os', async () => {
    const log = await bed.open({ durability: 'os' })
    await fill(log, 2)
    await log.append(bytesOf('b'))
    expect([log.readableOffset, log.durableOffset]).toEqual([3, 2])
    expect(readAll(log)).toHaveLength(3)
    await log.close()
  })

  it.each([300, 30_000])(
    'gives blocks that stay when others are transferred (blocks of %i bytes)',
    async (maxBytes) => {
      const log = await bed.open()
      for (let i = 0; i < 10; i++) await fill(log, 10, 100)
      const [block, other] = [log.read(0, maxBytes), log.read(2, maxBytes)]
      const { port1, port2 } = new MessageChannel()
      try {
        port1.postMessage(block.bytes, [block.bytes.buffer as ArrayBuffer])
      } catch (error) {
        expect((error as Error).name).toBe('DataCloneError')
      } finally {
        port1.close()
        port2.close()
      }
      expect(textsOf(other)[0]).toBe(textAt(2, 100))
      expect(readAll(log)).toEqual(Array.from({ length: 100 }, (_, i) => textAt(i, 100)))
      await log.close()
    },
  )

  it('says where damage is, and reads the rest', async () => {
    const log = await bed.open()
    await fill(log, 100)
    await log.close()
    const [, name] = bed.segments.slice(-3)
    const file = bed.disk.open(`${LOG_PATH}/${name}`, 'write')
    file.write(bytesOf('damage'), 4096 + 300)
    file.close()
    const again = await bed.open() // which reads the last segment alone
    const { problems, segmentCount } = await again.verify()
    expect(problems).toEqual([expect.stringContaining(`${name} at offset 4096: record`)])
    expect(segmentCount).toBeGreaterThan(2)
    expect(codeOf(() => readAll(again))).toBe('CORRUPTION')
    expect(textsOf(again.read(99))).toEqual([textAt(99)])
    await again.close()
  })

  it('opens without reading any segment but the last', async () => {
    const log = await bed.open()
    await fill(log, 300)
    await log.close()
    for (const name of bed.segments.slice(0, -1)) {
      const file = bed.disk.open(`${LOG_PATH}/${name}`, 'write')
      file.truncate(4096)
      file.close()
    }
    const again = await bed.open()
    expect(again.nextOffset).toBe(300)
    await again.close()
  })

  it('goes through what there is by blocks', async () => {
    const log = await bed.open()
    await fill(log, 100)
    const offsets: number[] = []
    for await (const block of log.scan(10, { maxBytes: 3000 })) {
      offsets.push(block.firstOffset)
      if (offsets.length === 1) await fill(log, 10) // what comes later is not part of it
    }
    expect(offsets[0]).toBe(10)
    expect(offsets.length).toBeGreaterThan(10)
    expect(offsets.at(-1)).toBeLessThan(100)
    await log.close()
  })
})

describe('times', () => {
  it('leads to the first frame that was written at a time or later', async () => {
    const log = await bed.open()
    const starts: number[] = []
    for (let i = 0; i < 200; i++) {
      starts.push(bed.clock.now())
      await log.append(bytesOf(textAt(i)))
      bed.clock.advance(10)
    }
    for (const [offset, ms] of starts.entries()) {
      expect(log.offsetAt(ms)).toBe(offset)
      expect(log.offsetAt(ms - 9)).toBe(offset)
    }
    expect([log.offsetAt(0), log.offsetAt(bed.clock.now())]).toEqual([0, 200])
    await log.truncateBefore(50)
    expect(log.offsetAt(0)).toBe(50)
    await log.close()
    const again = await bed.open()
    expect(again.offsetAt(starts[120] as number)).toBe(120)
    await again.close()
  })

  it('never go back, if the clock does', async () => {
    const log = await bed.open()
    await log.append(bytesOf('a'))
    const ms = bed.clock.now()
    bed.clock.set(ms - 1000)
    await log.append(bytesOf('b'))
    await log.close()
    const again = await bed.open()
    await again.append(bytesOf('c'))
    expect([ms - 999, ms, ms + 1].map((time) => again.offsetAt(time))).toEqual([0, 0, 3])
    await again.close()
  })

  it('stay on the safe side where an age is too large for its field', async () => {
    const log = await bed.open()
    await log.append(bytesOf('a'))
    bed.clock.advance(2 ** 33)
    await log.append(bytesOf('b'))
    bed.clock.advance(1000)
    await log.append(bytesOf('c'))
    expect(log.offsetAt(bed.clock.now())).toBe(1)
    await log.close()
  })
})

describe('opening', () => {
  it('wants a log to be there, or to be made', async () => {
    expect(await codeOfAsync(bed.open({ create: false }))).toBe('NOT_FOUND')
    const log = await bed.open({ create: 'new' })
    await log.close()
    expect(await codeOfAsync(bed.open({ create: 'new' }))).toBe('ALREADY_EXISTS')
  })

  it('lets one write, and any number read', async () => {
    const log = await bed.open()
    expect(await codeOfAsync(bed.open())).toBe('LOCKED')
    const readers = [bed.openReader(), bed.openReader()]
    for (const reader of readers) await reader.close()
    await log.close()
  })

  it('refuses other directories', async () => {
    bed.disk.mkdir('/other')
    bed.disk.open('/other/file', 'create').close()
    expect(await codeOfAsync(bed.open({ path: '/other' }))).toBe('INCOMPATIBLE')
    expect(await codeOfAsync(bed.open({ path: '/other/file' }))).toBe('INCOMPATIBLE')
  })

  it('notices what is missing', async () => {
    const log = await bed.open()
    await fill(log, 100)
    await log.close()
    const lost = async (...names: string[]): Promise<string | undefined> => {
      const copy = new LogBed(new SimulatedDisk({ image: bed.disk.currentImage() }))
      for (const name of names) copy.disk.unlink(`${LOG_PATH}/${name}`)
      return await codeOfAsync(copy.open())
    }
    expect(await lost('start')).toBe('CORRUPTION')
    expect(await lost(...bed.segments)).toBe('CORRUPTION')
    expect(await lost(...bed.segments.slice(0, 2))).toBe('CORRUPTION') // the first one holds nothing
    expect(await lost('readable')).toBeUndefined()
  })

  it('says so when the log was closed', async () => {
    const log = await bed.open()
    await log.append(bytesOf('a'))
    await log.close()
    await log.close()
    expect(codeOf(() => log.read(0))).toBe('CLOSED')
    expect(codeOf(() => void log.append(bytesOf('b')))).toBe('CLOSED')
    expect(await codeOfAsync(log.flushed())).toBe('CLOSED')
    expect(await codeOfAsync(log.verify())).toBe('CLOSED')
  })
})
