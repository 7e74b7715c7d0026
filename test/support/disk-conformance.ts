// What every `Disk` does, whatever is below it. Run on the real and on the simulated one.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Disk, joinPath, type OpenMode } from '../../ts/io/disk.ts'
import { codeOf, codeOfAsync } from './errors.ts'

/** A disk with an empty directory for one test. */
export interface DiskUnderTest {
  disk: Disk
  /** The directory that the test may use. */
  root: string
  /** Removes what the test left behind. */
  cleanUp(): void
}

/** Registers the suite for one disk. */
export function describeDisk(name: string, make: () => DiskUnderTest): void {
  describe(`${name}, as a disk`, () => {
    let setting: DiskUnderTest
    const disk = (): Disk => setting.disk
    const at = (path: string): string => joinPath(setting.root, path)
    const codeOfOpen = (path: string, mode: OpenMode): string | undefined =>
      codeOf(() => disk().open(at(path), mode).close())

    beforeEach(() => {
      setting = make()
    })
    afterEach(() => setting.cleanUp())

    function writeFile(path: string, content: string): void {
      const file = disk().open(at(path), 'create')
      file.write(bytes(content), 0)
      file.close()
    }

    function readFile(path: string): string {
      const file = disk().open(at(path), 'read')
      const target = new Uint8Array(file.size())
      expect(file.read(target, 0)).toBe(target.length)
      file.close()
      return text(target)
    }

    describe('files', () => {
      it('read back what was written, also after closing and opening again', () => {
        writeFile('a', 'hello')
        expect(readFile('a')).toBe('hello')
      })

      it('start empty, and are told by their path', () => {
        const file = disk().open(at('a'), 'create')
        expect([file.size(), file.path]).toEqual([0, at('a')])
        file.close()
      })

      it('are overwritten in place, across any boundary', () => {
        const file = disk().open(at('a'), 'create')
        file.write(new Uint8Array(10_000).fill(1), 0)
        file.write(new Uint8Array(5000).fill(2), 4000)
        const target = new Uint8Array(10_000)
        file.read(target, 0)
        file.close()
        expect(runs(target)).toEqual([
          [1, 4000],
          [2, 5000],
          [1, 1000],
        ])
      })

      it('read as zeros in the gap that a write beyond the end leaves', () => {
        const file = disk().open(at('a'), 'create')
        file.write(bytes('x'), 9000)
        const target = new Uint8Array(9001).fill(9)
        expect(file.read(target, 0)).toBe(9001)
        file.close()
        expect(runs(target)).toEqual([
          [0, 9000],
          [120, 1],
        ])
      })

      it('give fewer bytes only at the end, and none beyond it', () => {
        writeFile('a', 'hello')
        const file = disk().open(at('a'), 'read')
        const target = new Uint8Array(4).fill(7)
        expect([file.read(target, 3), [...target]]).toEqual([2, [108, 111, 7, 7]])
        expect([file.read(target, 5), file.read(target, 500), file.read(new Uint8Array(0), 0)]).toEqual([0, 0, 0])
        file.close()
      })

      it('read asynchronously like synchronously', async () => {
        writeFile('a', 'hello')
        const file = disk().open(at('a'), 'read')
        const target = new Uint8Array(10)
        expect(await file.readAsync(target, 1)).toBe(4)
        expect(text(target.subarray(0, 4))).toBe('ello')
        expect(await file.readAsync(target, 5)).toBe(0)
        file.close()
      })

      it('are not changed by a write of nothing', () => {
        const file = disk().open(at('a'), 'create')
        file.write(new Uint8Array(0), 100)
        expect(file.size()).toBe(0)
        file.close()
      })

      it('are cut, and show zeros when they grow again', () => {
        const file = disk().open(at('a'), 'create')
        file.write(new Uint8Array(9000).fill(5), 0)
        file.truncate(100)
        expect(file.size()).toBe(100)
        file.truncate(9000)
        const target = new Uint8Array(9000)
        file.read(target, 0)
        file.close()
        expect(runs(target)).toEqual([
          [5, 100],
          [0, 8900],
        ])
      })

      it('keep the bytes that were handed over, though the caller uses its buffer again', () => {
        const buffer = bytes('first')
        const file = disk().open(at('a'), 'create')
        file.write(buffer, 0)
        buffer.fill(0)
        file.close()
        expect(readFile('a')).toBe('first')
      })

      it('are seen alike through all their handles', () => {
        const writer = disk().open(at('a'), 'create')
        const reader = disk().open(at('a'), 'read')
        writer.write(bytes('shared'), 0)
        const target = new Uint8Array(6)
        reader.read(target, 0)
        expect([text(target), reader.size()]).toEqual(['shared', 6])
        reader.close()
        writer.close()
      })

      it('sync, blocking or not', async () => {
        const file = disk().open(at('a'), 'create')
        file.write(bytes('x'), 0)
        await file.sync()
        file.syncNow()
        file.close()
      })

      it('finish a sync and a read that are under way when they are closed', async () => {
        writeFile('a', 'hello')
        const file = disk().open(at('a'), 'write')
        const target = new Uint8Array(5)
        const both = Promise.all([file.sync(), file.readAsync(target, 0)])
        file.close()
        expect(await both).toEqual([undefined, 5])
        expect(text(target)).toBe('hello')
      })

      it('refuse everything but close when they are closed', async () => {
        const file = disk().open(at('a'), 'create')
        file.close()
        file.close()
        const target = new Uint8Array(1)
        const calls = [
          () => file.size(),
          () => file.read(target, 0),
          () => file.write(target, 0),
          () => file.truncate(0),
          () => file.syncNow(),
        ]
        expect(calls.map(codeOf)).toEqual(calls.map(() => 'CLOSED'))
        expect(await codeOfAsync(file.sync())).toBe('CLOSED')
        expect(await codeOfAsync(file.readAsync(target, 0))).toBe('CLOSED')
      })

      it('refuse writes when they were opened for reading', () => {
        writeFile('a', 'hello')
        const file = disk().open(at('a'), 'read')
        expect(codeOf(() => file.write(bytes('x'), 0))).toBe('READ_ONLY')
        expect(codeOf(() => file.truncate(0))).toBe('READ_ONLY')
        file.close()
        expect(readFile('a')).toBe('hello')
      })

      it('refuse positions that are none', () => {
        const file = disk().open(at('a'), 'create')
        for (const position of [-1, 0.5, Number.NaN, 2 ** 53]) {
          expect(codeOf(() => file.write(bytes('x'), position))).toBe('INTERNAL')
          expect(codeOf(() => file.read(new Uint8Array(1), position))).toBe('INTERNAL')
          expect(codeOf(() => file.truncate(position))).toBe('INTERNAL')
        }
        file.close()
      })
    })

    describe('open', () => {
      it('finds nothing where nothing is', () => {
        expect([codeOfOpen('a', 'read'), codeOfOpen('a', 'write')]).toEqual(['NOT_FOUND', 'NOT_FOUND'])
        expect([codeOfOpen('no/a', 'read'), codeOfOpen('no/a', 'create')]).toEqual(['NOT_FOUND', 'NOT_FOUND'])
      })

      it('creates only what is not there', () => {
        writeFile('a', 'hello')
        disk().mkdir(at('d'))
        expect([codeOfOpen('a', 'create'), codeOfOpen('d', 'create')]).toEqual(['ALREADY_EXISTS', 'ALREADY_EXISTS'])
        expect(readFile('a')).toBe('hello')
      })

      it('refuses directories', () => {
        disk().mkdir(at('d'))
        expect([codeOfOpen('d', 'read'), codeOfOpen('d', 'write')]).toEqual(['INVALID_INPUT', 'INVALID_INPUT'])
      })

      it('finds nothing below a file', () => {
        writeFile('a', 'hello')
        expect([codeOfOpen('a/b', 'read'), codeOfOpen('a/b', 'create')]).toEqual(['NOT_FOUND', 'NOT_FOUND'])
      })

      it('names the path in its errors and keeps the cause', () => {
        const error = catchError(() => disk().open(at('a'), 'read'))
        expect(error.message).toContain(at('a'))
        expect(error.message).toContain('ENOENT')
        expect(error.cause).toMatchObject({ code: 'ENOENT' })
      })
    })

    describe('directories', () => {
      it('list their names, sorted', () => {
        for (const name of ['b', 'a', 'c']) writeFile(name, '')
        disk().mkdir(at('aa'))
        expect(disk().list(setting.root)).toEqual(['a', 'aa', 'b', 'c'])
      })

      it('are listed only if they are directories', () => {
        writeFile('a', '')
        expect(codeOf(() => disk().list(at('no')))).toBe('NOT_FOUND')
        expect(codeOf(() => disk().list(at('a')))).toBe('NOT_FOUND')
      })

      it('tell files from directories and from nothing', () => {
        writeFile('a', '')
        disk().mkdir(at('d'))
        const kinds = ['a', 'd', 'no', 'no/no', 'a/b'].map((path) => disk().kind(at(path)))
        expect(kinds).toEqual(['file', 'directory', undefined, undefined, undefined])
      })

      it('are made one at a time', () => {
        disk().mkdir(at('d'))
        expect(codeOf(() => disk().mkdir(at('d')))).toBe('ALREADY_EXISTS')
        expect(codeOf(() => disk().mkdir(at('x/y')))).toBe('NOT_FOUND')
        disk().mkdir(at('d/e'))
        expect(disk().list(at('d'))).toEqual(['e'])
      })

      it('are removed only when they are empty', () => {
        disk().mkdir(at('d'))
        writeFile('d/a', '')
        expect(codeOf(() => disk().rmdir(at('d')))).toBe('ALREADY_EXISTS')
        disk().unlink(at('d/a'))
        disk().rmdir(at('d'))
        expect(codeOf(() => disk().rmdir(at('d')))).toBe('NOT_FOUND')
        writeFile('a', '')
        expect(codeOf(() => disk().rmdir(at('a')))).toBe('NOT_FOUND')
      })

      it('are synced', async () => {
        await disk().syncDirectory(setting.root)
        expect(await codeOfAsync(disk().syncDirectory(at('no')))).toBe('NOT_FOUND')
      })
    })

    describe('link', () => {
      it('gives a file another name, which stays when the first one goes', () => {
        disk().mkdir(at('d'))
        writeFile('a', 'x')
        disk().link(at('a'), at('d/b'))
        expect([readFile('a'), readFile('d/b')]).toEqual(['x', 'x'])
        disk().unlink(at('a'))
        expect([disk().list(setting.root), readFile('d/b')]).toEqual([['d'], 'x'])
      })

      it('takes no name that something has, links no directory, and needs a file', () => {
        writeFile('a', 'x')
        writeFile('b', 'y')
        disk().mkdir(at('d'))
        for (const [from, to, code] of [
          ['a', 'b', 'ALREADY_EXISTS'],
          ['a', 'a', 'ALREADY_EXISTS'],
          ['a', 'd', 'ALREADY_EXISTS'],
          ['d', 'e', 'INVALID_INPUT'],
          ['no', 'e', 'NOT_FOUND'],
          ['a', 'no/e', 'NOT_FOUND'],
        ] as const)
          expect([from, to, codeOf(() => disk().link(at(from), at(to)))]).toEqual([from, to, code])
        expect([disk().list(setting.root), readFile('b')]).toEqual([['a', 'b', 'd'], 'y'])
      })
    })

    describe('rename', () => {
      it('moves a file, and replaces the one that has the name', () => {
        writeFile('a', 'new')
        writeFile('b', 'old')
        disk().rename(at('a'), at('b'))
        expect([disk().list(setting.root), readFile('b')]).toEqual([['b'], 'new'])
      })

      it('moves between directories', () => {
        disk().mkdir(at('d'))
        writeFile('a', 'x')
        disk().rename(at('a'), at('d/b'))
        expect([disk().list(setting.root), readFile('d/b')]).toEqual([['d'], 'x'])
      })

      it('moves a directory with all that is in it', () => {
        disk().mkdir(at('d'))
        writeFile('d/a', 'x')
        disk().rename(at('d'), at('e'))
        expect([disk().list(setting.root), readFile('e/a')]).toEqual([['e'], 'x'])
      })

      it('does nothing from a name to itself', () => {
        writeFile('a', 'x')
        disk().rename(at('a'), at('a'))
        expect(readFile('a')).toBe('x')
      })

      it('replaces no directory, and nothing by a directory', () => {
        writeFile('a', 'x')
        disk().mkdir(at('d'))
        disk().mkdir(at('e'))
        expect(codeOf(() => disk().rename(at('a'), at('d')))).toBe('ALREADY_EXISTS')
        expect(codeOf(() => disk().rename(at('e'), at('d')))).toBe('ALREADY_EXISTS')
        expect(codeOf(() => disk().rename(at('d'), at('a')))).toBe('NOT_FOUND')
        expect(codeOf(() => disk().rename(at('d'), at('d/x')))).toBe('INVALID_INPUT')
        writeFile('d/x', 'x')
        expect(codeOf(() => disk().rename(at('d'), at('d/x')))).toBe('INVALID_INPUT')
        expect(disk().list(setting.root)).toEqual(['a', 'd', 'e'])
      })

      it('needs something to rename', () => {
        disk().mkdir(at('d'))
        expect(codeOf(() => disk().rename(at('no'), at('b')))).toBe('NOT_FOUND')
        expect(codeOf(() => disk().rename(at('no'), at('d')))).toBe('NOT_FOUND')
      })

      it('leaves open handles with their files', () => {
        writeFile('a', 'one')
        writeFile('b', 'two')
        const replaced = disk().open(at('b'), 'read')
        const moved = disk().open(at('a'), 'write')
        disk().rename(at('a'), at('b'))
        moved.write(bytes('ONE'), 0)
        const target = new Uint8Array(3)
        replaced.read(target, 0)
        expect([text(target), readFile('b')]).toEqual(['two', 'ONE'])
        replaced.close()
        moved.close()
      })
    })

    describe('unlink', () => {
      it('removes a file and nothing else', () => {
        writeFile('a', 'x')
        disk().mkdir(at('d'))
        disk().unlink(at('a'))
        expect(codeOf(() => disk().unlink(at('a')))).toBe('NOT_FOUND')
        expect(codeOf(() => disk().unlink(at('d')))).toBe('INVALID_INPUT')
        expect(disk().list(setting.root)).toEqual(['d'])
      })

      it('leaves an open handle at work, and the name free for another file', () => {
        writeFile('a', 'old')
        const handle = disk().open(at('a'), 'write')
        disk().unlink(at('a'))
        writeFile('a', 'new')
        handle.write(bytes('OLD'), 0)
        const target = new Uint8Array(3)
        handle.read(target, 0)
        expect([text(target), readFile('a')]).toEqual(['OLD', 'new'])
        handle.close()
      })
    })

    describe('lock', () => {
      const lockCode = (kind: 'writer' | 'reader'): string | undefined =>
        codeOf(() => disk().lock(setting.root, kind).release())

      it('of a writer excludes everybody', () => {
        const writer = disk().lock(setting.root, 'writer')
        expect([lockCode('writer'), lockCode('reader')]).toEqual(['LOCKED', 'LOCKED'])
        writer.release()
        expect([lockCode('writer'), lockCode('reader')]).toEqual([undefined, undefined])
      })

      it('of readers excludes writers alone', () => {
        const readers = [disk().lock(setting.root, 'reader'), disk().lock(setting.root, 'reader')]
        expect([lockCode('writer'), lockCode('reader')]).toEqual(['LOCKED', undefined])
        readers[0]!.release()
        expect(lockCode('writer')).toBe('LOCKED')
        readers[1]!.release()
        expect(lockCode('writer')).toBeUndefined()
      })

      it('is given back once, so that a second release does not free another lock', () => {
        const first = disk().lock(setting.root, 'writer')
        first.release()
        const second = disk().lock(setting.root, 'writer')
        first.release()
        expect(lockCode('writer')).toBe('LOCKED')
        second.release()
      })

      it('of one directory says nothing about another', () => {
        disk().mkdir(at('d'))
        const locks = [disk().lock(setting.root, 'writer'), disk().lock(at('d'), 'writer')]
        for (const lock of locks) lock.release()
        expect([disk().list(setting.root), disk().list(at('d'))]).toEqual([['d'], []])
      })

      it('needs a directory', () => {
        expect(codeOf(() => disk().lock(at('no'), 'writer'))).toBe('NOT_FOUND')
        expect(codeOf(() => disk().lock(at('no'), 'reader'))).toBe('NOT_FOUND')
      })
    })
  })
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content)
}

function text(content: Uint8Array): string {
  return new TextDecoder().decode(content)
}

/** Run-length encoding: `[value, count]` pairs. */
function runs(content: Uint8Array): [number, number][] {
  const found: [number, number][] = []
  for (const value of content) {
    const last = found.at(-1)
    if (last?.[0] === value) last[1]++
    else found.push([value, 1])
  }
  return found
}

function catchError(call: () => unknown): Error {
  try {
    call()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}
