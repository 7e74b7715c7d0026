// Full disks refuse before anything changes; any other failure is final until the log is opened again.
import { describe, expect, it } from 'vitest'
import { BedplateError } from '../../../ts/base/errors.ts'
import type { DiskOperation } from '../../../ts/io/disk-faults.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { bytesOf, fill, LogBed, readAll, textAt } from '../../support/append-log.ts'
import { codeOf, codeOfAsync } from '../../support/errors.ts'

describe('a full disk', () => {
  it('refuses an append, and takes it once there is space', async () => {
    const bed = new LogBed(new SimulatedDisk({ capacityBytes: 200_000 }))
    const log = await bed.open()
    let appended = 0
    const code = codeOf(() => {
      for (; ; appended++) void log.append(bytesOf(textAt(appended)))
    })
    expect([code, log.nextOffset, log.failure]).toEqual(['DISK_FULL', appended, undefined])
    await log.flushed()
    expect(readAll(log)).toHaveLength(appended)
    await log.truncateBefore(appended - 10)
    await fill(log, 20)
    await log.close()
    const again = await bed.open()
    expect(readAll(again)).toEqual(Array.from({ length: 30 }, (_, i) => textAt(appended - 10 + i)))
    await again.close()
  })
})

describe('any call of the disk that fails', () => {
  const operations: DiskOperation[] = ['write', 'sync', 'syncDirectory', 'rename', 'open', 'unlink']
  it.each(operations)('leaves everything that was acknowledged: %s', async (operation) => {
    let failures = 0
    for (let nth = 1; nth < 500; nth++) {
      const bed = new LogBed()
      await (await bed.open()).close()
      const fault = bed.disk.failAt({ operation, nth, error: 'EIO' })
      const promised = await work(bed)
      if (fault.applied === 0) break
      failures++
      const again = await bed.open()
      const found = readAll(again)
      expect(found.slice(0, promised.length - again.firstOffset)).toEqual(promised.slice(again.firstOffset))
      await again.close()
      expect([bed.disk.openHandles, bed.disk.heldLocks]).toEqual([0, 0])
    }
    expect(failures).toBeGreaterThan(operation === 'unlink' ? 0 : 3)
  })

  /** Appends, truncates at both ends, closes. @returns What was acknowledged and not removed, from offset 0. */
  async function work(bed: LogBed): Promise<string[]> {
    const promised: string[] = []
    const log = await bed.open().catch((error: unknown) => error)
    if (log instanceof BedplateError) return promised
    if (log instanceof Error) throw log
    const open = log as Awaited<ReturnType<LogBed['open']>>
    try {
      for (let i = 0; i < 60; i++) {
        const text = textAt(i)
        await open.append(bytesOf(text))
        promised.push(text)
      }
      await open.truncateBefore(40)
      promised.length = 45 // either end may be there from here on
      await open.truncateAfter(44)
      await open.append(bytesOf('other'))
      promised.push('other')
      await open.close()
    } catch (error) {
      if (!(error instanceof BedplateError)) throw error
      await open.close().catch(() => {})
    }
    return promised
  }

  it('is the last thing that happens to the handle', async () => {
    const bed = new LogBed()
    const log = await bed.open()
    await fill(log, 5)
    bed.disk.failAt({ operation: 'sync', nth: 1, error: 'EIO' })
    const [first, second] = [log.append(bytesOf('a')), log.append(bytesOf('b'))]
    expect(await codeOfAsync(first)).toBe('IO')
    expect(await codeOfAsync(second)).toBe('IO')
    for (const call of [() => log.read(0), () => void log.append(bytesOf('c')), () => log.offsetAt(0)]) {
      expect(codeOf(call)).toBe('IO')
    }
    expect(await codeOfAsync(log.truncateAfter(2))).toBe('IO')
    await log.close()
  })
})
