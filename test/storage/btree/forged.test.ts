// Files that nobody damaged by chance: wrong in one place, with checksums that match. Whatever they say, they are not
// followed out of the file, into endless work, or into memory that is not there.
import { beforeEach, describe, expect, it } from 'vitest'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { closeStore } from '../../../ts/storage/btree/maintenance.ts'
import { decodeMeta, encodeMeta, type Meta } from '../../../ts/storage/btree/meta.ts'
import { Page, type PageReference, PageType, readU48, writeReference } from '../../../ts/storage/btree/page.ts'
import { openLog } from '../../../ts/storage/log/index.ts'
import { RecordWriter } from '../../../ts/storage/ordered/record.ts'
import { DATA } from '../../support/btree-crash/metas.ts'
import { ManualClock, openStore, SMALL, STORE_PATH } from '../../support/btree-crash/store.ts'
import { codeOf, codeOfAsync } from '../../support/errors.ts'
import { withAllocationLimit } from '../../support/fuzz/allocation.ts'

const { pageSizeBytes } = SMALL
const FAR = 2 ** 47

let disk: SimulatedDisk

/** A closed store whose default tree has several leaves and one long value, with a few free pages. */
beforeEach(async () => {
  disk = new SimulatedDisk()
  const { store } = await openStore(disk, SMALL, { create: true })
  for (let i = 100; i < 200; i++) void store.put(`key-${i}`, `${i}`)
  void store.put('long', 'v'.repeat(2000))
  await store.checkpoint()
  await store.put('key-100', 'again')
  await store.close()
})

async function open(readOnly = false): ReturnType<typeof openStore> {
  return await openStore(disk, SMALL, { readOnly })
}

function pages(type: PageType): Page[] {
  const file = disk.open(DATA, 'read')
  const found: Page[] = []
  for (let number = 2; number < file.size() / pageSizeBytes; number++) {
    const page = new Page(pageSizeBytes)
    file.read(page.bytes, number * pageSizeBytes)
    page.pageNumber = number
    page.birth = readU48(page.bytes, 16)
    if (page.type === type) found.push(page)
  }
  file.close()
  return found
}

/** Changes pages of a type, and gives them checksums that match. */
function forge(type: PageType, change: (page: Page) => void): void {
  const file = disk.open(DATA, 'write')
  for (const page of pages(type)) {
    change(page)
    page.seal()
    file.write(page.bytes, page.pageNumber * pageSizeBytes)
  }
  file.close()
}

function forgeMetas(change: (meta: Meta) => void): void {
  const file = disk.open(DATA, 'write')
  for (const offset of [0, pageSizeBytes]) {
    const bytes = new Uint8Array(512)
    file.read(bytes, offset)
    const result = decodeMeta(bytes)
    if (result.kind !== 'ok') throw new Error(result.kind)
    change(result.meta)
    file.write(encodeMeta(result.meta), offset)
  }
  file.close()
}

/** Appends a record to the log of the closed store. */
async function forgeRecord(write: (writer: RecordWriter) => void): Promise<void> {
  const { engine } = await open(true)
  const { position, uuid } = engine.metas.current
  await closeStore(engine)
  const place = { disk, clock: new ManualClock(), directory: STORE_PATH, uuid, keptElsewhere: position }
  const log = await openLog({ ...place, durability: 'sync', replay: () => {} })
  const writer = new RecordWriter()
  writer.begin()
  write(writer)
  log.reserve(writer.bytes.length)
  log.append(writer.bytes)
  await log.close()
}

describe('a forged store', () => {
  it('with keys that are not in order can be walked, but a range of it cannot be removed', async () => {
    forge(PageType.leaf, (page) => {
      if (page.count < 3) return
      page.u32.subarray(16, 16 + page.count).reverse()
      page.u16
        .subarray(32 + 2 * page.capacity)
        .subarray(0, page.count)
        .reverse()
    })
    const { store } = await open()
    expect([...store.range()].length).toBeGreaterThan(100)
    expect(codeOf(() => store.clear())).toBe('CORRUPTION')
    await store.close()
  })

  it('with room in a page that is not there says so before anything is put into it', async () => {
    forge(PageType.leaf, (page) => {
      if (page.count > 1) page.u32[7] = (page.u32[7] as number) + 300
    })
    const { store } = await open()
    expect(codeOf(() => store.put('key-150', 'v'.repeat(80)))).toBe('CORRUPTION')
    await store.close()
  })

  it('that counts more pages than any disk has is verified all the same', async () => {
    forgeMetas((meta) => {
      meta.pageCount = 2 ** 43
    })
    const { store } = await open(true)
    const { ok, problems } = await store.verify()
    expect([ok, problems.length]).toEqual([false, 100])
    await store.close()
  })

  it('whose list of free pages goes round in circles is refused', async () => {
    forge(PageType.freeList, (page) => {
      page.reference = { page: page.pageNumber, birth: page.birth }
    })
    forgeMetas((meta) => {
      meta.pageCount = 2 ** 43
    })
    expect(await codeOfAsync(open())).toBe('CORRUPTION')
  })

  it.each([2 ** 32 - 1, 2 ** 24])(
    'with a value of %i bytes, more than the file has, is given no memory for it',
    async (length) => {
      forge(PageType.leaf, (page) => {
        for (let slot = 0; slot < page.count; slot++) {
          const cell = page.u16[32 + 2 * page.capacity + slot] as number
          if (page.bytes[cell + 2] === 1) new DataView(page.bytes.buffer).setUint32(cell + 4, length, true)
        }
      })
      const { store } = await open(true)
      await withAllocationLimit(1024 * 1024, async () => {
        expect(codeOf(() => store.get('long'))).toBe('CORRUPTION')
        expect(await codeOfAsync(store.getAsync('long'))).toBe('CORRUPTION')
        expect((await store.verify()).ok).toBe(false)
      })
      await store.close()
    },
  )

  describe('with a reference to where no file reaches is not followed', () => {
    const far: PageReference = { page: FAR, birth: 1 }

    it('by a search, a walk, or verify', async () => {
      forge(PageType.branch, (page) => {
        page.reference = far
      })
      const { store } = await open(true)
      expect(codeOf(() => store.get('key-100'))).toBe('CORRUPTION')
      expect(await codeOfAsync(store.getAsync('key-100'))).toBe('CORRUPTION')
      expect(codeOf(() => [...store.range()])).toBe('CORRUPTION')
      expect((await store.verify()).ok).toBe(false)
      await store.close()
    })

    it('from value to value', async () => {
      forge(PageType.overflow, (page) => {
        page.reference = far
      })
      const { store } = await open(true)
      expect(codeOf(() => store.get('long'))).toBe('CORRUPTION')
      expect(await codeOfAsync(store.getAsync('long'))).toBe('CORRUPTION')
      expect((await store.verify()).ok).toBe(false)
      await store.close()
    })

    it('from a leaf', async () => {
      forge(PageType.leaf, (page) => {
        for (let slot = 0; slot < page.count; slot++) {
          const cell = page.u16[32 + 2 * page.capacity + slot] as number
          const suffixLength = page.bytes[cell] as number
          if (page.bytes[cell + 2] === 1) writeReference(page.bytes, cell + 8 + suffixLength, far)
        }
      })
      const { store } = await open(true)
      expect(codeOf(() => store.get('long'))).toBe('CORRUPTION')
      expect(await codeOfAsync(store.getAsync('long'))).toBe('CORRUPTION')
      await store.close()
    })

    it('from the list of free pages', async () => {
      forge(PageType.freeList, (page) => {
        page.reference = far
      })
      expect(await codeOfAsync(open())).toBe('CORRUPTION')
    })
  })

  describe('whose log says what no writer says is refused', () => {
    const refused = async (write: (writer: RecordWriter) => void): Promise<void> => {
      await forgeRecord(write)
      expect(await codeOfAsync(open(true))).toBe('CORRUPTION')
      expect(await codeOfAsync(open())).toBe('CORRUPTION')
      expect([disk.openHandles, disk.heldLocks]).toEqual([0, 0])
    }

    it('a key that is too long', () => refused((writer) => writer.put(1, new Uint8Array(1000), new Uint8Array(1))))
    it('a tree name that is too long', () => refused((writer) => writer.createTree(9, new Uint8Array(1000))))
    it('a tree of the same name', () => refused((writer) => writer.createTree(9, new Uint8Array(0))))
    it('a tree of the same number', () => refused((writer) => writer.createTree(1, Buffer.from('new'))))
    it('the tree of trees', () => refused((writer) => writer.createTree(0, Buffer.from('new'))))
    it('a tree that does not exist', () => refused((writer) => writer.delete(9, new Uint8Array(1))))
  })
})
