import { describe, expect, it } from 'vitest'
import type { DiskImage } from '../../ts/io/disk-image.ts'
import { seededRandom } from '../../ts/io/random.ts'
import { SimulatedDisk } from '../../ts/io/simulated-disk.ts'
import { codeOf, codeOfAsync } from '../support/errors.ts'

const CHUNK = 4096

describe('a planned fault', () => {
  it('fails the n-th call of its kind, once', () => {
    const disk = new SimulatedDisk()
    const file = disk.open('a', 'create')
    const fault = disk.failAt({ operation: 'write', nth: 2, error: 'EIO' })
    const codes = [1, 2, 3].map(() => codeOf(() => file.write(bytes('x'), 0)))
    expect([codes, fault.applied]).toEqual([[undefined, 'IO', undefined], 1])
  })

  it('fails all later calls too if it is for ever, until it is cancelled', () => {
    const disk = new SimulatedDisk()
    const fault = disk.failAt({ operation: 'create', nth: 2, error: 'ENOSPC', forever: true })
    const codes = ['a', 'b', 'c'].map((path) => codeOf(() => disk.open(path, 'create')))
    fault.cancel()
    codes.push(codeOf(() => disk.open('d', 'create')))
    expect([codes, fault.applied]).toEqual([[undefined, 'DISK_FULL', 'DISK_FULL', undefined], 2])
  })

  it('counts only calls on paths that match', () => {
    const disk = new SimulatedDisk()
    disk.failAt({ operation: 'create', path: /log-/, nth: 1, error: 'EACCES' })
    expect(codeOf(() => disk.open('data', 'create'))).toBeUndefined()
    expect(codeOf(() => disk.open('log-1', 'create'))).toBe('PERMISSION')
  })

  it('can be of any kind: every call that touches the disk fails in its turn, and changes nothing', async () => {
    for (let nth = 1; ; nth++) {
      const disk = new SimulatedDisk()
      const fault = disk.failAt({ nth, error: 'EIO' })
      const done = await countWorkload(disk)
      expect(disk.openHandles).toBe(0)
      if (fault.applied === 0) {
        expect(nth - 1).toBe(done)
        break
      }
      expect(done).toBe(nth - 1)
    }
  })

  it('can leave half of a write behind', () => {
    const disk = new SimulatedDisk()
    const file = disk.open('a', 'create')
    disk.failAt({ operation: 'write', nth: 1, error: 'ENOSPC', shortWrite: true })
    expect(codeOf(() => file.write(bytes('abcdef'), 0))).toBe('DISK_FULL')
    expect(read(disk.currentImage(), 'a')).toBe('abc')
  })

  it('of a sync loses what it was to cover: reads still show it, but no later sync writes it', async () => {
    const { disk, file } = await diskWithFile('old')
    file.write(bytes('new'), 0)
    disk.failAt({ operation: 'sync', nth: 1, error: 'EIO' })
    expect(await codeOfAsync(file.sync())).toBe('IO')
    await file.sync()
    expect(read(disk.currentImage(), 'a')).toBe('new')
    expect(read(crashNow(disk), 'a')).toBe('old')
    file.write(bytes('w'), 2)
    await file.sync()
    expect(read(crashNow(disk), 'a')).toBe('olw')
  })

  it('of a sync can also leave everything open', async () => {
    const { disk, file } = await diskWithFile('old')
    file.write(bytes('new'), 0)
    disk.failAt({ operation: 'sync', nth: 1, error: 'EIO', keepUnsynced: true })
    expect(await codeOfAsync(file.sync())).toBe('IO')
    expect([read(crashNow(disk, 'none'), 'a'), read(crashNow(disk, 'all'), 'a')]).toEqual(['old', 'new'])
    file.syncNow()
    expect(read(crashNow(disk, 'none'), 'a')).toBe('new')
  })

  it('of a directory sync leaves the names open', async () => {
    const { disk } = await diskWithFile('old')
    disk.rename('a', 'b')
    disk.failAt({ operation: 'syncDirectory', nth: 1, error: 'EIO' })
    expect(await codeOfAsync(disk.syncDirectory('.'))).toBe('IO')
    expect(crashNow(disk, 'none').files()).toEqual(['a'])
    await disk.syncDirectory('.')
    expect(crashNow(disk, 'none').files()).toEqual(['b'])
  })

  it('of a blocking sync is thrown', async () => {
    const { disk, file } = await diskWithFile('old')
    disk.failAt({ operation: 'sync', nth: 1, error: 'EIO' })
    expect(codeOf(() => file.syncNow())).toBe('IO')
  })
})

describe('a full disk', () => {
  it('takes what fits of a write and refuses the rest', () => {
    const disk = new SimulatedDisk({ capacityBytes: 2 * CHUNK })
    const file = disk.open('a', 'create')
    expect(codeOf(() => file.write(new Uint8Array(3 * CHUNK).fill(1), 100))).toBe('DISK_FULL')
    expect([file.size(), disk.usedBytes]).toEqual([2 * CHUNK, 2 * CHUNK])
  })

  it('still lets bytes be overwritten that have their space', () => {
    const disk = new SimulatedDisk({ capacityBytes: CHUNK })
    const file = disk.open('a', 'create')
    file.write(new Uint8Array(CHUNK), 0)
    file.write(bytes('over'), 5)
    expect(codeOf(() => file.write(bytes('x'), CHUNK))).toBe('DISK_FULL')
    expect(file.size()).toBe(CHUNK)
  })

  it('does not count holes', () => {
    const disk = new SimulatedDisk({ capacityBytes: CHUNK })
    const file = disk.open('a', 'create')
    file.truncate(100 * CHUNK)
    file.write(bytes('x'), 50 * CHUNK)
    expect(codeOf(() => file.write(bytes('x'), 0))).toBe('DISK_FULL')
  })

  it('has space again when files are cut, removed or replaced, as soon as nobody has them open', () => {
    const disk = new SimulatedDisk({ capacityBytes: 3 * CHUNK })
    const files = ['a', 'b', 'c'].map((path) => disk.open(path, 'create'))
    for (const file of files) file.write(new Uint8Array(CHUNK), 0)
    files[0]!.truncate(0)
    expect(disk.usedBytes).toBe(2 * CHUNK)
    disk.unlink('b')
    expect(disk.usedBytes).toBe(2 * CHUNK)
    files[1]!.close()
    expect(disk.usedBytes).toBe(CHUNK)
    files[2]!.close()
    disk.rename('a', 'c')
    expect(disk.usedBytes).toBe(0)
  })

  it('counts what an image brings along', async () => {
    const { disk } = await diskWithFile('old')
    const other = new SimulatedDisk({ image: disk.currentImage(), capacityBytes: CHUNK })
    expect(other.usedBytes).toBe(CHUNK)
    expect(codeOf(() => other.open('b', 'create').write(bytes('x'), 0))).toBe('DISK_FULL')
  })
})

describe('a sync', () => {
  it('ends after its caller has gone on, and covers what was written before it began', async () => {
    const { disk, file } = await diskWithFile('old')
    file.write(bytes('NEW'), 0)
    const sync = file.sync()
    file.write(bytes('xx'), 1)
    expect(read(crashNow(disk, 'none'), 'a')).toBe('old')
    await sync
    expect(read(crashNow(disk, 'none'), 'a')).toBe('NEW')
  })

  it('can be held back, and ended in any order', async () => {
    const { disk, file } = await diskWithFile('old')
    disk.manualSyncs = true
    const order: string[] = []
    file.write(bytes('1'), 0)
    const first = file.sync().then(() => order.push('first'))
    file.write(bytes('2'), 1)
    const second = file.sync().then(() => order.push('second'))
    expect(disk.pendingSyncs).toMatchObject([
      { path: 'a', kind: 'file' },
      { path: 'a', kind: 'file' },
    ])
    disk.completeSync(1)
    await second
    expect([order, read(crashNow(disk, 'none'), 'a')]).toEqual([['second'], '12d'])
    disk.completeSync()
    await first
    expect([order, disk.pendingSyncs]).toEqual([['second', 'first'], []])
    expect(codeOf(() => disk.completeSync())).toBe('INVALID_INPUT')
  })

  it('that a mutant ignores reports success, is counted, and can be made up for by another', async () => {
    const { disk, file } = await diskWithFile('old')
    const mutant = disk.ignoreSyncs(({ path, kind }) => path === 'a' && kind === 'file')
    file.write(bytes('new'), 0)
    await file.sync()
    expect([mutant.applied, read(crashNow(disk, 'none'), 'a')]).toEqual([1, 'old'])
    mutant.cancel()
    await file.sync()
    expect([mutant.applied, read(crashNow(disk, 'none'), 'a')]).toEqual([1, 'new'])
  })
})

describe('the history', () => {
  it.each([
    ['a Uint8Array', new Uint8Array(4)],
    ['a Buffer', Buffer.alloc(4)],
  ])('keeps what was written from %s that is used again', (_, buffer) => {
    const disk = new SimulatedDisk()
    const file = disk.open('a', 'create')
    for (const [i, content] of ['once', 'more'].entries()) {
      buffer.set(bytes(content))
      file.write(buffer, 4 * i)
    }
    expect(read(crashNow(disk), 'a')).toBe('oncemore')
    file.close()
  })
})

describe('open handles', () => {
  it('are counted until they are closed, each once', () => {
    const disk = new SimulatedDisk()
    const files = [disk.open('a', 'create'), disk.open('a', 'read'), disk.open('b', 'create')]
    const lock = disk.lock('.', 'writer')
    disk.unlink('b')
    expect([disk.openHandles, disk.heldLocks]).toEqual([3, 1])
    for (const file of [...files, ...files]) file.close()
    lock.release()
    expect([disk.openHandles, disk.heldLocks]).toEqual([0, 0])
  })
})

describe('paths', () => {
  it('are the same with and without a leading slash, dots and doubled slashes', () => {
    const disk = new SimulatedDisk()
    disk.mkdir('/d')
    disk.open('./d//a', 'create').close()
    expect([disk.kind('d/../d/./a'), disk.list('/'), disk.kind('/')]).toEqual(['file', ['d'], 'directory'])
    expect(codeOf(() => disk.rmdir('/'))).toBe('ALREADY_EXISTS')
    expect(codeOf(() => disk.mkdir('.'))).toBe('ALREADY_EXISTS')
    expect(codeOf(() => disk.open('/', 'create'))).toBe('ALREADY_EXISTS')
  })
})

/** Calls everything that can fail, stops at the first failure, and gives the count of calls that went well. */
async function countWorkload(disk: SimulatedDisk): Promise<number> {
  const opened: { close(): void }[] = []
  const open = (path: string, mode: 'create' | 'read') => {
    const file = disk.open(path, mode)
    opened.push(file)
    return file
  }
  const steps: (() => unknown)[] = [
    () => disk.mkdir('d'),
    () => open('d/a', 'create').write(bytes('x'), 0),
    () => open('d/a', 'read').read(new Uint8Array(1), 0),
    () => disk.list('d'),
    () => disk.rename('d/a', 'd/b'),
    () => disk.syncDirectory('d'),
    () => disk.unlink('d/b'),
    () => disk.rmdir('d'),
  ]
  const callsOf = [1, 2, 2, 1, 1, 1, 1, 1]
  let done = 0
  try {
    for (const [i, step] of steps.entries()) {
      const before = opened.length
      try {
        await step()
      } catch (error) {
        done += opened.length - before
        throw error
      }
      done += callsOf[i]!
    }
  } catch (error) {
    expect(error).toMatchObject({ code: 'IO', retryable: false })
  }
  for (const file of opened) file.close()
  return done
}

async function diskWithFile(content: string) {
  const disk = new SimulatedDisk()
  const file = disk.open('a', 'create')
  file.write(bytes(content), 0)
  await file.sync()
  await disk.syncDirectory('.')
  return { disk, file }
}

function crashNow(disk: SimulatedDisk, variant: 'none' | 'all' = 'all'): DiskImage {
  return disk.crashImage(disk.history.length, variant, seededRandom(1))
}

function read(image: DiskImage, path: string): string {
  return new TextDecoder().decode(image.read(path))
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content)
}
