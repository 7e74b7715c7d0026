// What the conformance suite cannot ask of a healthy machine: short reads and writes, and every kind of failure.
import fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { DiskFile } from '../../ts/io/disk.ts'
import { realDisk } from '../../ts/io/real-disk.ts'
import { codeOf, codeOfAsync } from '../support/errors.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

type Callback = (error: Error | null, value?: unknown) => void

describe('the real disk', () => {
  let directory: string
  let remove: () => void
  let file: DiskFile

  beforeEach(() => {
    ;({ path: directory, remove } = temporaryDirectory())
    file = realDisk.open(join(directory, 'a'), 'create')
  })
  afterEach(() => {
    vi.restoreAllMocks()
    file.close()
    remove()
  })

  const content = (): string => fs.readFileSync(join(directory, 'a'), 'latin1')

  it('goes on writing when the system takes less than all', () => {
    const write = fs.writeSync
    const calls = vi
      .spyOn(fs, 'writeSync')
      .mockImplementation(((fd: number, from: Uint8Array, offset: number, length: number, at: number) =>
        write(fd, from, offset, Math.min(length, 2), at)) as typeof fs.writeSync)
    file.write(bytes('hello'), 3)
    expect([content(), calls.mock.calls.length]).toEqual(['\0\0\0hello', 3])
  })

  it('leaves the written part of a write that then fails, and says why', () => {
    const write = fs.writeSync
    vi.spyOn(fs, 'writeSync')
      .mockImplementationOnce(((fd: number, from: Uint8Array, offset: number, _: number, at: number) =>
        write(fd, from, offset, 2, at)) as typeof fs.writeSync)
      .mockImplementationOnce(() => {
        throw systemError('ENOSPC')
      })
    expect(codeOf(() => file.write(bytes('hello'), 0))).toBe('DISK_FULL')
    expect(content()).toBe('he')
  })

  it('does not wait for ever for a system that takes nothing', () => {
    vi.spyOn(fs, 'writeSync').mockReturnValue(0)
    expect(codeOf(() => file.write(bytes('hello'), 0))).toBe('IO')
  })

  it('goes on reading when the system gives less than all', async () => {
    file.write(bytes('hello'), 0)
    const { read, readSync } = fs
    vi.spyOn(fs, 'readSync').mockImplementation(((
      fd: number,
      to: Uint8Array,
      offset: number,
      length: number,
      at: number,
    ) => readSync(fd, to, offset, Math.min(length, 2), at)) as typeof fs.readSync)
    vi.spyOn(fs, 'read').mockImplementation(((
      fd: number,
      to: Uint8Array,
      offset: number,
      length: number,
      at: number,
      done: Callback,
    ) => read(fd, to, offset, Math.min(length, 2), at, done)) as unknown as typeof fs.read)
    const target = new Uint8Array(9)
    expect([file.read(target, 0), text(target.subarray(0, 5))]).toEqual([5, 'hello'])
    target.fill(0)
    expect([await file.readAsync(target, 0), text(target.subarray(0, 5))]).toEqual([5, 'hello'])
  })

  it.each([
    ['EIO', 'IO'],
    ['ENOSPC', 'DISK_FULL'],
    ['EDQUOT', 'DISK_FULL'],
    ['EACCES', 'PERMISSION'],
    ['EPERM', 'PERMISSION'],
    ['EROFS', 'PERMISSION'],
    ['EMFILE', 'UNAVAILABLE'],
    ['EXDEV', 'INVALID_INPUT'],
    ['EBADMSG', 'IO'],
  ])('calls %s an error of kind %s', (name, code) => {
    const fail = () => {
      throw systemError(name)
    }
    vi.spyOn(fs, 'openSync').mockImplementation(fail)
    vi.spyOn(fs, 'ftruncateSync').mockImplementation(fail)
    vi.spyOn(fs, 'fdatasyncSync').mockImplementation(fail)
    vi.spyOn(fs, 'mkdirSync').mockImplementation(fail)
    const calls = [
      () => realDisk.open('x', 'read'),
      () => file.truncate(0),
      () => file.syncNow(),
      () => realDisk.mkdir('x'),
    ]
    expect(calls.map(codeOf)).toEqual(calls.map(() => code))
  })

  it('tells of a sync that failed, and ends it before the file is given back', async () => {
    const closed = vi.spyOn(fs, 'closeSync')
    vi.spyOn(fs, 'fdatasync').mockImplementation(((_: number, done: Callback) =>
      setImmediate(done, systemError('EIO'))) as unknown as typeof fs.fdatasync)
    const sync = file.sync()
    file.close()
    expect(closed).not.toHaveBeenCalled()
    expect(await codeOfAsync(sync)).toBe('IO')
    expect(closed).toHaveBeenCalledOnce()
  })

  it('takes a directory that cannot be synced for synced, but tells of one whose sync failed', async () => {
    const closed = vi.spyOn(fs, 'closeSync')
    const sync = (name: string): Promise<string | undefined> => {
      vi.spyOn(fs, 'fsync').mockImplementationOnce(((_: number, done: Callback) =>
        done(systemError(name))) as unknown as typeof fs.fsync)
      return codeOfAsync(realDisk.syncDirectory(directory))
    }
    expect([await sync('EINVAL'), await sync('EIO')]).toEqual([undefined, 'IO'])
    expect(closed).toHaveBeenCalledTimes(2)
  })

  it('gives the descriptor back when a directory was opened as a file', () => {
    const closed = vi.spyOn(fs, 'closeSync')
    expect(codeOf(() => realDisk.open(directory, 'read'))).toBe('INVALID_INPUT')
    expect(closed).toHaveBeenCalledOnce()
  })

  it('locks on file systems that have no hard links', () => {
    vi.spyOn(fs, 'linkSync').mockImplementation(() => {
      throw systemError('ENOTSUP')
    })
    const lock = realDisk.lock(directory, 'writer')
    expect(codeOf(() => realDisk.lock(directory, 'writer'))).toBe('LOCKED')
    lock.release()
    realDisk.lock(directory, 'writer').release()
    expect(fs.readdirSync(directory)).toEqual(['a'])
  })

  it('gives up a lock that it cannot get hold of, instead of trying for ever', () => {
    vi.spyOn(fs, 'linkSync').mockImplementation(() => {
      throw systemError('EEXIST')
    })
    expect(codeOf(() => realDisk.lock(directory, 'writer'))).toBe('LOCKED')
    expect(fs.readdirSync(directory)).toEqual(['a'])
  })
})

function systemError(name: string): Error {
  return Object.assign(new Error(name), { code: name })
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content)
}

function text(content: Uint8Array): string {
  return new TextDecoder().decode(content)
}
