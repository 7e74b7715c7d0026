import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { CRASH_VARIANTS, type CrashVariant } from '../../ts/io/crash-image.ts'
import { describeEffect } from '../../ts/io/disk-history.ts'
import type { DiskImage } from '../../ts/io/disk-image.ts'
import { seededRandom } from '../../ts/io/random.ts'
import { SimulatedDisk, type SimulatedDiskOptions } from '../../ts/io/simulated-disk.ts'
import { codeOf } from '../support/errors.ts'

const SECTOR = 512

describe('a power cut', () => {
  it('leaves synced bytes under synced names, whatever the variant', async () => {
    const disk = await diskWith({ a: 'old' })
    expect(outcomes(disk, (image) => String(read(image, 'a')))).toEqual(new Set(['old']))
  })

  it('takes the name of a file that was synced in a directory that was not', async () => {
    const disk = new SimulatedDisk()
    const file = disk.open('a', 'create')
    file.write(bytes('data'), 0)
    await file.sync()
    expect(read(crash(disk, 'none'), 'a')).toBeUndefined()
    expect(read(crash(disk, 'names-lost'), 'a')).toBeUndefined()
    await disk.syncDirectory('.')
    expect(read(crash(disk, 'none'), 'a')).toBe('data')
  })

  it('leaves a file empty that was named durably before it was synced', async () => {
    const disk = new SimulatedDisk()
    disk.open('a', 'create').write(bytes('data'), 0)
    await disk.syncDirectory('.')
    expect(read(crash(disk, 'none'), 'a')).toBe('')
    expect(read(crash(disk, 'all'), 'a')).toBe('data')
  })

  it('takes a directory with all its synced content if its own name was not synced', async () => {
    const disk = new SimulatedDisk()
    disk.mkdir('d')
    const file = disk.open('d/a', 'create')
    await file.sync()
    await disk.syncDirectory('d')
    expect(crash(disk, 'none').kind('d')).toBeUndefined()
    await disk.syncDirectory('.')
    expect(crash(disk, 'none').files()).toEqual(['d/a'])
  })

  it('undoes unlink, rename and rmdir until the directory is synced', async () => {
    const disk = await diskWith({ a: 'A', b: 'B', c: 'C' })
    disk.mkdir('d')
    await disk.syncDirectory('.')
    disk.unlink('a')
    disk.rename('b', 'c')
    disk.rmdir('d')
    const before = crash(disk, 'none')
    expect([before.files(), read(before, 'c'), before.kind('d')]).toEqual([['a', 'b', 'c'], 'C', 'directory'])
    await disk.syncDirectory('.')
    const after = crash(disk, 'none')
    expect([after.files(), read(after, 'c'), after.kind('d')]).toEqual([['c'], 'B', undefined])
  })

  it('may keep any subset of the name changes, each rename whole', async () => {
    const disk = await diskWith({ a: 'A', b: 'B' })
    disk.rename('a', 'c')
    disk.unlink('b')
    expect(outcomes(disk, (image) => image.files().join(), ['subset'])).toEqual(new Set(['a,b', 'a', 'b,c', 'c']))
  })

  it('never shows one file under two names, nor undoes a durable rename by an older change', async () => {
    const disk = await diskWith({})
    disk.mkdir('d')
    await disk.syncDirectory('.')
    disk.open('a', 'create').close()
    disk.rename('a', 'd/b')
    await disk.syncDirectory('d')
    expect(outcomes(disk, (image) => image.files().join())).toEqual(new Set(['d/b']))
  })

  it('takes the second name of a file until its directory is synced, and of its bytes what was not synced', async () => {
    const disk = await diskWith({ a: 'synced' })
    disk.mkdir('d')
    await disk.syncDirectory('.')
    const file = disk.open('a', 'write')
    file.write(bytes('!'), 6)
    disk.link('a', 'd/b')
    disk.unlink('a')
    expect(outcomes(disk, (image) => image.files().join())).toEqual(new Set(['a', 'd/b', 'a,d/b', '']))
    await disk.syncDirectory('d')
    await file.sync()
    expect(outcomes(disk, (image) => String(read(image, 'd/b')).slice(0, 6), ['none', 'all'])).toEqual(
      new Set(['synced']),
    )
    await disk.syncDirectory('.')
    expect(outcomes(disk, (image) => image.files().join())).toEqual(new Set(['d/b']))
    file.close()
  })

  it('never makes a ring of directories', async () => {
    const disk = new SimulatedDisk()
    for (const path of ['x', 'x/y', 'z']) disk.mkdir(path)
    for (const path of ['.', 'x', 'z']) await disk.syncDirectory(path)
    disk.rename('x/y', 'y')
    disk.rename('x', 'y/x')
    const layout = (image: DiskImage): string => ['x', 'y', 'x/y', 'y/x'].filter((path) => image.kind(path)).join()
    expect(outcomes(disk, layout, ['subset'])).toEqual(new Set(['x,x/y', 'x,y', 'y,y/x']))
  })

  it('may keep any subset of unsynced writes, in their order', async () => {
    const disk = await diskWith({ a: '....' })
    const file = disk.open('a', 'write')
    file.write(bytes('11'), 0)
    file.write(bytes('22'), 1)
    expect(outcomes(disk, (image) => read(image, 'a') as string, ['subset'])).toEqual(
      new Set(['....', '11..', '.22.', '122.']),
    )
  })

  it('keeps of a sync that has begun only by chance what it covers, and nothing of it for certain', () => {
    const disk = new SimulatedDisk({ manualSyncs: true })
    const file = disk.open('a', 'create')
    file.write(bytes('covered'), 0)
    void file.sync()
    file.write(bytes('later'), 100)
    disk.completeSync()
    const named = disk.syncDirectory('.')
    disk.completeSync()
    const sizes = disk.history.map((_, point) => crash(disk, 'none', point).files().length)
    expect(sizes.every((count) => count === 0)).toBe(true)
    expect(read(crash(disk, 'none'), 'a')).toBe('covered')
    return named
  })

  it('mixes sectors: old, new, torn and damaged ones, but none that was not written', async () => {
    const disk = await diskWith({ a: 'o'.repeat(4 * SECTOR) })
    disk.open('a', 'write').write(bytes('n'.repeat(2 * SECTOR)), SECTOR)
    const seen = outcomes(disk, (image) => describeSectors(image), ['sectors'])
    const middle = new Set([...seen].flatMap((text) => text.split(' ').slice(1, 3)))
    expect(middle).toEqual(new Set(['old', 'new', 'torn', 'garbage']))
    const edges = new Set([...seen].flatMap((text) => [text.split(' ')[0], text.split(' ')[3]]))
    expect(edges).toEqual(new Set(['old']))
  })

  it('damages only written bytes of a sector on a powersafe medium, and also their neighbours on another', async () => {
    const neighbours = async (powersafe: boolean): Promise<Set<string>> => {
      const disk = await diskWith({ a: 'o'.repeat(2 * SECTOR) }, { powersafe })
      disk.open('a', 'write').write(bytes('new'), 100)
      return outcomes(disk, (image) => {
        const text = read(image, 'a') as string
        const around = text.slice(0, 100) + text.slice(103, SECTOR)
        return `${around === 'o'.repeat(SECTOR - 3)} ${text.slice(SECTOR) === 'o'.repeat(SECTOR)}`
      })
    }
    expect(await neighbours(true)).toEqual(new Set(['true true']))
    expect(await neighbours(false)).toEqual(new Set(['true true', 'false true']))
  })

  it('tears 4 KiB sectors if the medium has those', async () => {
    const disk = await diskWith({ a: 'o'.repeat(8192) }, { sectorBytes: 4096 })
    disk.open('a', 'write').write(bytes('n'.repeat(4096)), 0)
    const starts = outcomes(disk, (image) => (read(image, 'a') as string).slice(600, 601), ['sectors'])
    expect(starts).toContain('n')
    expect(starts).toContain('o')
  })

  it('may leave the new size without the data', async () => {
    const disk = await diskWith({ a: 'old' })
    disk.open('a', 'write').write(bytes('new and longer'), 0)
    const seen = outcomes(disk, (image) => read(image, 'a') as string, ['size-without-data'])
    expect([...seen].every((text) => text.startsWith('old'))).toBe(true)
    expect(seen).toContain(`old${'\0'.repeat(11)}`)
    expect(seen.size).toBeGreaterThan(2)
  })

  it('may leave the data without the new size', async () => {
    const disk = await diskWith({ a: 'old' })
    disk.open('a', 'write').write(bytes('new and longer'), 0)
    expect(read(crash(disk, 'data-without-size'), 'a')).toBe('new')
  })

  it('may undo a truncate, and may keep it without what was written after it', async () => {
    const disk = await diskWith({ a: 'abcdef' })
    const file = disk.open('a', 'write')
    file.truncate(2)
    file.write(bytes('XY'), 2)
    const seen = outcomes(disk, (image) => read(image, 'a') as string, ['none', 'subset', 'all'])
    expect(seen).toEqual(new Set(['abcdef', 'abXYef', 'ab', 'abXY']))
  })

  it('shows nothing of what a surviving truncate cut off, also where sectors are mixed', async () => {
    const disk = await diskWith({ a: 'o'.repeat(2 * SECTOR) })
    const file = disk.open('a', 'write')
    file.truncate(0)
    file.write(bytes('n'), 600)
    const cut = outcomes(
      disk,
      (image) => {
        const text = read(image, 'a') as string
        return text.length === 2 * SECTOR ? 'not cut' : `${text.length} ${/^\0*$/.test(text.slice(0, 600))}`
      },
      ['sectors'],
    )
    expect(cut).toEqual(new Set(['not cut', '0 true', '601 true']))
  })

  it('may leave a renamed file without the data that were never synced', async () => {
    const disk = await diskWith({ current: 'old' })
    const file = disk.open('new', 'create')
    file.write(bytes('new'), 0)
    disk.rename('new', 'current')
    expect(read(crash(disk, 'rename-without-data'), 'current')).toBe('')
    await file.sync()
    expect(read(crash(disk, 'rename-without-data'), 'current')).toBe('new')
    expect(read(crash(disk, 'none'), 'current')).toBe('old')
  })

  it('leaves the same image for the same point, variant and seed, in whatever order they are asked for', async () => {
    const disk = await busyDisk()
    const cases = disk.history.flatMap((_, point) => CRASH_VARIANTS.map((variant) => ({ point, variant })))
    const hashes = (list: typeof cases): string[] =>
      list.map(({ point, variant }) => hash(disk.crashImage(point, variant, seededRandom(point))))
    const forwards = hashes(cases)
    expect(hashes(cases.toReversed()).toReversed()).toEqual(forwards)
    expect(new Set(forwards).size).toBeGreaterThan(cases.length / 4)
  })

  it('may strike at every point of a long history, asked for in any order', async () => {
    const disk = new SimulatedDisk()
    const file = disk.open('a', 'create')
    await disk.syncDirectory('.')
    for (let i = 0; i < 3000; i++) file.write(Uint8Array.of(i), i)
    for (const point of [3000, 10, 1600, 515, 2999]) {
      expect(crash(disk, 'all', point).size('a')).toBe(point - 3)
    }
    expect(codeOf(() => crash(disk, 'all', 3004))).toBe('INVALID_INPUT')
    expect(codeOf(() => crash(disk, 'all', -1))).toBe('INVALID_INPUT')
  })

  it('leaves a disk that works, and that can be crashed again', async () => {
    const first = await diskWith({ a: 'old' })
    first.open('a', 'write').write(bytes('new'), 0)
    const second = new SimulatedDisk({ image: crash(first, 'all') })
    expect(read(crash(second, 'none'), 'a')).toBe('new')
    second.rename('a', 'b')
    expect(crash(second, 'none').files()).toEqual(['a'])
    await second.syncDirectory('.')
    expect(crash(second, 'none').files()).toEqual(['b'])
  })

  it('changes neither the disk nor other images', async () => {
    const disk = await diskWith({ a: 'old' })
    const image = crash(disk, 'all')
    const other = new SimulatedDisk({ image })
    other.open('a', 'write').write(bytes('XXX'), 0)
    image.write('a', bytes('YYY'), 0)
    expect(read(disk.currentImage(), 'a')).toBe('old')
    expect(read(crash(disk, 'all'), 'a')).toBe('old')
    expect(read(other.currentImage(), 'a')).toBe('XXX')
  })

  it('is not changed by what is written afterwards', async () => {
    const disk = await diskWith({ a: 'old' })
    const file = disk.open('a', 'write')
    file.write(bytes('new'), 0)
    const images = [disk.currentImage(), crash(disk, 'all')]
    file.write(bytes('XXX'), 0)
    await file.sync()
    expect(read(crash(disk, 'none'), 'a')).toBe('XXX')
    expect(images.map((image) => read(image, 'a'))).toEqual(['new', 'new'])
  })

  it('respects a sync that began before the history was trimmed and ended after', async () => {
    const disk = await diskWith({ a: 'old' })
    const file = disk.open('a', 'write')
    file.write(bytes('new'), 0)
    disk.manualSyncs = true
    const sync = file.sync()
    disk.trimHistory()
    file.write(bytes('x'), 0)
    disk.completeSync()
    await sync
    expect(read(crash(disk, 'none'), 'a')).toBe('new')
  })

  it('forgets with the history only files that can never come back', async () => {
    const disk = await diskWith({ a: 'A', b: 'B', c: 'C' })
    const open = disk.open('c', 'write')
    for (const path of ['b', 'c']) disk.unlink(path)
    disk.open('d', 'create').write(bytes('D'), 0)
    disk.trimHistory()
    expect(crash(disk, 'none').files()).toEqual(['a', 'b', 'c'])
    expect(read(crash(disk, 'all'), 'd')).toBe('D')
    await disk.syncDirectory('.')
    disk.trimHistory()
    open.write(bytes('x'), 0)
    await open.sync()
    expect(crash(disk, 'all').files()).toEqual(['a', 'd'])
  })

  it('may strike after the history was trimmed, but not before', async () => {
    const disk = await diskWith({ a: 'old', gone: '' })
    const file = disk.open('a', 'write')
    file.write(bytes('new'), 0)
    disk.unlink('gone')
    const hashes = (): string[] =>
      CRASH_VARIANTS.map((variant) => hash(disk.crashImage(disk.history.length, variant, seededRandom(7))))
    const before = hashes()
    disk.trimHistory()
    expect(hashes()).toEqual(before)
    expect(codeOf(() => crash(disk, 'none', 0))).toBe('INVALID_INPUT')
    await file.sync()
    expect(read(crash(disk, 'none'), 'a')).toBe('new')
  })
})

describe('an image', () => {
  it('shows and damages files', async () => {
    const image = (await diskWith({ a: 'abc', b: 'xyz' })).currentImage()
    const copy = image.clone()
    image.flipBit('a', 1, 0)
    expect(read(image, 'a')).toBe('acc')
    image.corrupt('b', { from: 1, to: 100 }, seededRandom(1))
    expect([read(image, 'b')?.[0], image.size('b')]).toEqual(['x', 3])
    image.truncate('a', 1)
    image.remove('b')
    expect([read(image, 'a'), image.files()]).toEqual(['a', ['a']])
    expect([read(copy, 'a'), read(copy, 'b')]).toEqual(['abc', 'xyz'])
  })

  it('refuses to damage what is not there', async () => {
    const image = (await diskWith({ a: 'abc' })).currentImage()
    expect(codeOf(() => image.flipBit('a', 3))).toBe('INVALID_INPUT')
    expect(codeOf(() => image.read('no'))).toBe('NOT_FOUND')
    expect(codeOf(() => image.remove('no'))).toBe('NOT_FOUND')
    expect(codeOf(() => image.read('/'))).toBe('INVALID_INPUT')
  })
})

describe('the history', () => {
  it('tells what happened, in words', async () => {
    const disk = new SimulatedDisk()
    disk.mkdir('d')
    const file = disk.open('d/a', 'create')
    file.write(bytes('abc'), 10)
    file.truncate(2)
    await file.sync()
    disk.rename('d/a', 'b')
    disk.unlink('b')
    disk.rmdir('d')
    expect(disk.history.map(describeEffect)).toEqual([
      'mkdir d',
      'create d/a',
      'write d/a [10, 13)',
      'truncate d/a to 2',
      'sync of d/a begins',
      'sync of d/a ends: durable',
      'rename d/a to b',
      'unlink b',
      'rmdir d',
    ])
  })
})

/** A disk with these files, all durable. */
async function diskWith(files: Record<string, string>, options: SimulatedDiskOptions = {}): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk(options)
  for (const [path, content] of Object.entries(files)) {
    const file = disk.open(path, 'create')
    file.write(bytes(content), 0)
    await file.sync()
    file.close()
  }
  await disk.syncDirectory('.')
  return disk
}

/** A disk with a past in which every kind of effect occurs. */
async function busyDisk(): Promise<SimulatedDisk> {
  const disk = await diskWith({ a: 'a'.repeat(3000), b: 'b'.repeat(100) })
  const random = seededRandom(3)
  const file = disk.open('a', 'write')
  disk.mkdir('d')
  for (let i = 0; i < 20; i++) {
    file.write(random.bytes(700), Math.floor(random.next() * 4000))
    if (i % 7 === 3) await file.sync()
    if (i === 9) file.truncate(1000)
    if (i === 11) disk.rename('b', 'd/b')
    if (i === 13) await disk.syncDirectory('d')
  }
  disk.unlink('d/b')
  return disk
}

function crash(disk: SimulatedDisk, variant: CrashVariant, point = disk.history.length): DiskImage {
  return disk.crashImage(point, variant, seededRandom(1))
}

/** All that `look` sees in many crashes at the end of the history. */
function outcomes(
  disk: SimulatedDisk,
  look: (image: DiskImage) => string,
  variants: readonly CrashVariant[] = CRASH_VARIANTS,
): Set<string> {
  const seen = new Set<string>()
  for (let seed = 0; seed < 300; seed++) {
    for (const variant of variants) seen.add(look(disk.crashImage(disk.history.length, variant, seededRandom(seed))))
  }
  return seen
}

function read(image: DiskImage, path: string): string | undefined {
  return image.kind(path) === 'file' ? new TextDecoder('latin1').decode(image.read(path)) : undefined
}

function describeSectors(image: DiskImage): string {
  const text = read(image, 'a') as string
  const kinds = []
  for (let at = 0; at < text.length; at += SECTOR) {
    const sector = text.slice(at, at + SECTOR)
    if (/^o*$/.test(sector)) kinds.push('old')
    else if (/^n*$/.test(sector)) kinds.push('new')
    else kinds.push(/^(n+o+|o+n+)$/.test(sector) ? 'torn' : 'garbage')
  }
  return kinds.join(' ')
}

function hash(image: DiskImage): string {
  const digest = createHash('sha256')
  for (const path of image.files()) digest.update(`${path}\0${image.size(path)}\0`).update(image.read(path))
  return digest.digest('hex')
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content)
}
