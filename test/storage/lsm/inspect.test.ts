import { beforeAll, describe, expect, it } from 'vitest'
import { type Disk, joinPath } from '../../../ts/io/disk.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { describeManifest } from '../../../ts/storage/lsm/inspect/manifest.ts'
import { describeTable } from '../../../ts/storage/lsm/inspect/table.ts'
import type { FileSection, TableDescription } from '../../../ts/storage/lsm/inspect/types.ts'
import { MANIFEST_FILE } from '../../../ts/storage/lsm/manifest.ts'
import { codeOf } from '../../support/errors.ts'
import { mutate } from '../../support/fuzz/mutate.ts'
import { openStore, SMALL, STORE_PATH } from '../../support/lsm-crash/store.ts'

const TRIES = 3000
const disk = new SimulatedDisk()
const MANIFEST = joinPath(STORE_PATH, MANIFEST_FILE)
const TABLE = joinPath(STORE_PATH, '000001.sst')

const shape = { ...SMALL.shape, compression: 'lz4' } as const

// One table with everything that a table can hold.
beforeAll(async () => {
  const { store, engine } = await openStore(disk, { ...SMALL, memtableBytes: 1 << 20, shape }, { create: true })
  for (let i = 0; i < 40; i++) void store.put(`key ${String(i).padStart(2, '0')}`, `value ${i}`)
  void store.tree('other').put('a', '1')
  store.snapshot() // what is deleted from here on must be kept for it
  void store.delete('key 07')
  void store.clear({ gte: 'key 30', lt: 'key 35' })
  await store.flush()
  await engine.background.settled()
})

describe('a table taken apart', () => {
  it('is all of its file but the padding, part by part', () => {
    const { fileBytes, sections, blocks } = describeTable(disk, TABLE, 0)
    const others = blocks.slice(1).map((_, i) => describeTable(disk, TABLE, i + 1).sections.at(-1) as FileSection)
    const all = [...sections, ...others].sort((a, b) => a.offset - b.offset)
    expect(all.map(({ problem }) => problem).filter((problem) => problem !== undefined)).toEqual([])
    let end = 0
    for (const { offset, length, parts, bytes } of all) {
      expect(offset - end).toBeLessThan(64)
      end = offset + length
      let partEnd = 0
      for (const part of parts) {
        expect(part.offset).toBe(partEnd)
        partEnd += part.length
      }
      expect(partEnd).toBe(bytes.length)
    }
    expect(end).toBe(fileBytes)
  })

  it('gives the versions of every block, and what its properties count', () => {
    const { sections, blocks } = describeTable(disk, TABLE, 0)
    const entries = blocks.flatMap((_, block) => describeTable(disk, TABLE, block).entries)
    const text = entries.map(({ treeId, key, kind, value }) => `${treeId} ${string(key)} ${kind} ${string(value)}`)
    expect(text).toContain('1 key 03 put value 3')
    expect(text).toContain('1 key 07 delete ')
    expect(text).toContain('2 a put 1')
    const last = describeTable(disk, TABLE, 1).sections.at(-1) as FileSection
    expect([last.isPacked, last.bytes.length > last.length]).toEqual([true, true])
    expect(fieldOf(sections, 'properties', 'entryCount')).toBe(entries.length)
    expect(fieldOf(sections, 'properties', 'rangeTombstoneCount')).toBe(1)
    expect(string(fieldOf(sections, 'range tombstones', 'start') as Uint8Array).slice(4)).toBe('key 30')
  })

  it('has no block behind its last', () => {
    const { blocks } = describeTable(disk, TABLE, 0)
    expect(codeOf(() => describeTable(disk, TABLE, blocks.length))).toBe('INVALID_INPUT')
  })

  it('is described whatever its bytes are', () => {
    const random = seededRandom(4)
    const good = contentOf(disk, TABLE)
    let damaged = 0
    for (let i = 0; i < TRIES; i++) {
      const { sections } = describeTable(diskWith('/t', mutate(good, random)), '/t', 0) as TableDescription
      if (sections.some(({ problem }) => problem !== undefined)) damaged++
    }
    expect(damaged).toBeGreaterThan(TRIES / 3)
  })
})

describe('a manifest taken apart', () => {
  it('is all of its file, with the trees and the tables', () => {
    const { section, trees, tables } = describeManifest(disk, STORE_PATH)
    expect(section.problem).toBeUndefined()
    expect(section.parts.reduce((sum, { length }) => sum + length, 0)).toBe(section.length)
    expect(trees).toEqual([
      { id: 1, name: '' },
      { id: 2, name: 'other' },
    ])
    expect(tables).toMatchObject([{ number: 1, level: 0 }])
  })

  it('is described whatever its bytes are', () => {
    const random = seededRandom(5)
    const good = contentOf(disk, MANIFEST)
    const format = contentOf(disk, joinPath(STORE_PATH, 'FORMAT'))
    for (let i = 0; i < TRIES; i++) {
      const other = diskWith(MANIFEST, mutate(good, random), [joinPath(STORE_PATH, 'FORMAT'), format])
      const { section } = describeManifest(other, STORE_PATH)
      expect(section.name).toBe('manifest')
    }
  })

  it('is not looked for where there is no store', () => {
    expect(codeOf(() => describeManifest(disk, '/nowhere'))).toBe('NOT_FOUND')
    const foreign = diskWith('/store/photo.jpg', new Uint8Array(9))
    expect(codeOf(() => describeManifest(foreign, STORE_PATH))).toBe('INCOMPATIBLE')
  })
})

function fieldOf(sections: readonly FileSection[], section: string, part: string): unknown {
  return sections.find(({ name }) => name === section)?.parts.find(({ name }) => name === part)?.value
}

function contentOf(from: Disk, path: string): Uint8Array {
  const file = from.open(path, 'read')
  const bytes = new Uint8Array(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes
}

/** A disk with that file, and perhaps one more. */
function diskWith(path: string, bytes: Uint8Array, ...more: [string, Uint8Array][]): Disk {
  const other = new SimulatedDisk()
  if (path.startsWith(STORE_PATH)) other.mkdir(STORE_PATH)
  for (const [name, content] of [[path, bytes] as const, ...more]) {
    const file = other.open(name, 'create')
    file.write(content, 0)
    file.close()
  }
  return other
}

function string(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}
