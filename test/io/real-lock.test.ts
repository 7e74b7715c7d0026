import { createHash } from 'node:crypto'
import fs, { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BedplateError } from '../../ts/base/errors.ts'
import type { LockKind } from '../../ts/io/disk.ts'
import { realDisk } from '../../ts/io/real-disk.ts'
import { codeOf } from '../support/errors.ts'
import { lockElsewhere } from '../support/lock-holder.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const NOBODY = 65534

describe('the lock of a directory on the real disk', () => {
  let directory: string
  let remove: () => void

  beforeEach(() => {
    ;({ path: directory, remove } = temporaryDirectory())
  })
  afterEach(() => {
    vi.restoreAllMocks()
    remove()
  })

  const path = (name = 'LOCK'): string => join(directory, name)
  const tryLock = (kind: LockKind): string | undefined => codeOf(() => realDisk.lock(directory, kind).release())
  const ownContent = (): Record<string, unknown> => {
    const lock = realDisk.lock(directory, 'writer')
    const content = JSON.parse(readFileSync(path(), 'utf8')) as Record<string, unknown>
    lock.release()
    return content
  }
  /** Leaves behind what a holder with these properties would have. */
  const leaveLock = (changes: Record<string, unknown>, name = 'LOCK'): void =>
    writeFileSync(path(name), JSON.stringify({ ...ownContent(), nonce: 'left behind', ...changes }))

  it('names its holder in the file, and leaves nothing when it is released', () => {
    expect(ownContent()).toMatchObject({
      pid: process.pid,
      threadId: 0,
      nonce: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
    expect(readdirSync(directory)).toEqual([])
  })

  it('is told of by pid and time, with a hint, when it is held', () => {
    const lock = realDisk.lock(directory, 'writer')
    const error = catchError(() => realDisk.lock(directory, 'writer'))
    lock.release()
    expect(error.code).toBe('LOCKED')
    expect(error.message).toMatch(new RegExp(`in use by process ${process.pid} .*since 20\\d\\d-`))
    expect(error.hint).toBe('This very process has it open: close that store first, or share it.')
    expect(error.retryable).toBe(true)
  })

  it('of a reader names its holder by the name of an empty file', () => {
    const lock = realDisk.lock(directory, 'reader')
    const [name = ''] = readdirSync(directory)
    expect(readFileSync(path(name), 'utf8')).toBe('')
    expect(name).toMatch(/^LOCK\.reader-\d+(_[0-9a-f-]*){3}_0_\d+_[0-9a-f]{16}_[\w.-]+$/)
    const error = catchError(() => realDisk.lock(directory, 'writer'))
    lock.release()
    expect(error.message).toMatch(new RegExp(`in use by process ${process.pid} since 20\\d\\d-`))
    expect(readdirSync(directory)).toEqual([])
  })

  it('of a reader takes no room on a full disk, and that of a writer leaves nothing there', () => {
    vi.spyOn(fs, 'writeFileSync').mockImplementation((file) => {
      fs.closeSync(fs.openSync(file as string, 'wx'))
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    })
    expect([tryLock('reader'), tryLock('writer'), readdirSync(directory)]).toEqual([undefined, 'DISK_FULL', []])
  })

  it.each([
    ['another boot', 2, '11111111-2222-3333-4444-555555555555', undefined],
    ['a process that started at another time', 1, '1', undefined],
    ['another pid namespace', 3, '1', 'LOCKED'],
    ['another host', 7, 'elsewhere', 'LOCKED'],
  ])('of a reader of %s is judged by what its name says', (_, part, value, outcome) => {
    const lock = realDisk.lock(directory, 'reader')
    const parts = readdirSync(directory)[0]!.split('_')
    lock.release()
    parts[part] = value
    writeFileSync(path(parts.join('_')), '')
    expect([tryLock('reader'), tryLock('writer')]).toEqual([undefined, outcome])
    expect(readdirSync(directory)).toEqual(outcome === undefined ? [] : [parts.join('_')])
  })

  it('of a reader may also name its holder in its content, as it once did', () => {
    leaveLock({}, 'LOCK.reader-1-x')
    expect(tryLock('writer')).toBe('LOCKED')
    realDisk.unlink(path('LOCK.reader-1-x'))
    leaveLock({ bootId: 'another boot' }, 'LOCK.reader-1-x')
    expect([tryLock('writer'), readdirSync(directory)]).toEqual([undefined, []])
  })

  it('excludes other processes, writers and readers, until they end in order', async () => {
    const holder = await lockElsewhere(directory, 'writer')
    expect([holder.outcome, tryLock('writer'), tryLock('reader')]).toEqual(['held', 'LOCKED', 'LOCKED'])
    await holder.release()
    expect([tryLock('writer'), readdirSync(directory)]).toEqual([undefined, []])
  })

  it('refuses other processes while it is held here', async () => {
    const lock = realDisk.lock(directory, 'reader')
    const writer = await lockElsewhere(directory, 'writer')
    const reader = await lockElsewhere(directory, 'reader')
    await Promise.all([writer.release(), reader.release()])
    lock.release()
    expect([writer.outcome, reader.outcome, readdirSync(directory)]).toEqual(['LOCKED', 'held', []])
  })

  it('is taken over from a writer that was killed', async () => {
    const holder = await lockElsewhere(directory, 'writer')
    await holder.kill()
    expect(JSON.parse(readFileSync(path(), 'utf8'))).toMatchObject({ pid: holder.pid })
    const lock = realDisk.lock(directory, 'writer')
    expect(JSON.parse(readFileSync(path(), 'utf8'))).toMatchObject({ pid: process.pid })
    expect(tryLock('writer')).toBe('LOCKED')
    lock.release()
    expect(readdirSync(directory)).toEqual([])
  })

  it('is not barred by a reader that was killed, whose file goes', async () => {
    const holder = await lockElsewhere(directory, 'reader')
    await holder.kill()
    expect(readdirSync(directory)).toHaveLength(1)
    expect([tryLock('writer'), readdirSync(directory)]).toEqual([undefined, []])
  })

  it('lets readers in beside the file of a killed writer, which they leave alone', async () => {
    const holder = await lockElsewhere(directory, 'writer')
    await holder.kill()
    expect([tryLock('reader'), readdirSync(directory)]).toEqual([undefined, ['LOCK']])
  })

  it('excludes other threads of this process', async () => {
    const lock = realDisk.lock(directory, 'writer')
    const disk = new URL('../../dist/io/real-disk.js', import.meta.url).href
    const program = `
      const { parentPort, workerData } = require('node:worker_threads')
      import(${JSON.stringify(disk)}).then(({ realDisk }) => {
        try { realDisk.lock(workerData, 'writer'); parentPort.postMessage('held') }
        catch (error) { parentPort.postMessage(error.code) }
      })`
    const worker = new Worker(program, { eval: true, workerData: directory })
    const outcome = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    await worker.terminate()
    lock.release()
    expect(outcome).toBe('LOCKED')
  })

  it('is stale if its pid now belongs to a process that started at another time', () => {
    leaveLock({ startTime: '1' })
    expect([tryLock('writer'), readdirSync(directory)]).toEqual([undefined, []])
  })

  it('is stale if the machine was started again since', () => {
    leaveLock({ bootId: 'another boot' })
    expect([tryLock('writer'), readdirSync(directory)]).toEqual([undefined, []])
  })

  it.each(['', '{"pid":', 'null', '[]', '{}', '\0\0\0\0'])('is stale if a power cut left %j in its file', (content) => {
    writeFileSync(path(), content)
    writeFileSync(path('LOCK.reader-1-x'), content)
    writeFileSync(path('LOCK.new-1-x'), content)
    expect([tryLock('reader'), tryLock('writer'), readdirSync(directory)]).toEqual([undefined, undefined, []])
  })

  it('counts as held if its holder cannot be judged from here', () => {
    for (const changes of [{ host: 'elsewhere' }, { pidNamespace: 'another container' }]) {
      leaveLock({ ...changes, pid: 2 ** 22 + 1 })
      const error = catchError(() => realDisk.lock(directory, 'writer'))
      expect([error.code, tryLock('reader')]).toEqual(['LOCKED', 'LOCKED'])
      expect(error.hint).toContain('remove the LOCK files')
      realDisk.unlink(path())
    }
  })

  it('is held by a process of another user', () => {
    leaveLock({ pid: 1, startTime: undefined })
    expect(tryLock('writer')).toBe('LOCKED')
  })

  it('is taken over although one that was taking it over died', async () => {
    leaveLock({ bootId: 'another boot' })
    const content = readFileSync(path(), 'utf8')
    const stale = createHash('sha256').update(`LOCK\n${content}`).digest('hex').slice(0, 16)
    writeFileSync(path(`LOCK.stale-${stale}`), '')
    expect([tryLock('writer'), readdirSync(directory)]).toEqual([undefined, []])
  })

  it('is not taken over from one that has just taken it over', () => {
    leaveLock({ bootId: 'another boot' })
    const faster = JSON.stringify({ ...JSON.parse(readFileSync(path(), 'utf8')), bootId: undefined, host: 'elsewhere' })
    const link = fs.linkSync
    vi.spyOn(fs, 'linkSync').mockImplementation((from, to) => {
      link(from, to)
      if (String(to).includes('LOCK.stale-')) writeFileSync(path(), faster)
    })
    expect([tryLock('writer'), readFileSync(path(), 'utf8')]).toEqual(['LOCKED', faster])
  })

  it('is not released by one that has lost it', () => {
    const lock = realDisk.lock(directory, 'writer')
    realDisk.unlink(path())
    const other = realDisk.lock(directory, 'writer')
    lock.release()
    expect(existsSync(path())).toBe(true)
    other.release()
  })

  it('is released without complaint when its directory has gone', () => {
    const lock = realDisk.lock(directory, 'writer')
    remove()
    lock.release()
  })

  it('is never held by two processes that start together, whether it is free or stale', async () => {
    for (let round = 0; round < 3; round++) {
      const holders = await Promise.all([1, 2, 3, 4].map(() => lockElsewhere(directory, 'writer')))
      expect(holders.filter(({ outcome }) => outcome === 'held')).toHaveLength(1)
      await Promise.all(holders.map((holder) => holder.kill()))
    }
  })

  it('of a reader needs no file where none can be made, and still sees a writer', async () => {
    const asRoot = process.getuid?.() === 0
    chmodSync(directory, 0o555)
    const reader = await lockElsewhere(directory, 'reader', asRoot ? NOBODY : undefined)
    const writer = await lockElsewhere(directory, 'writer', asRoot ? NOBODY : undefined)
    expect([reader.outcome, writer.outcome, readdirSync(directory)]).toEqual(['held', 'PERMISSION', []])
    await reader.release()
    await writer.release()

    chmodSync(directory, 0o755)
    const lock = realDisk.lock(directory, 'writer')
    chmodSync(directory, 0o555)
    const refused = await lockElsewhere(directory, 'reader', asRoot ? NOBODY : undefined)
    await refused.release()
    chmodSync(directory, 0o755)
    lock.release()
    expect(refused.outcome).toBe('LOCKED')
  })
})

function catchError(call: () => unknown): BedplateError {
  try {
    call()
  } catch (error) {
    if (error instanceof BedplateError) return error
  }
  throw new Error('no BedplateError was thrown')
}
