// The checks are one piece of code for both engines; what they see of the store is not, so each looks at every damage.
import { beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { BTree, PageCell, PageDescription, VerifyReport } from '../../../ts/storage/btree/index.ts'
import { Page, removeCell, setChildAt } from '../../../ts/storage/btree/page.ts'
import { type Opened, openStore, SMALL, STORE_PATH } from '../../support/btree-crash/store.ts'
import { codeOf, codeOfAsync, errorOfAsync } from '../../support/errors.ts'
import { withNativeCopy } from '../../support/native-copy.ts'

const { pageSizeBytes } = SMALL
/** In each of the two trees, of which the default tree then loses 50 and gets one. */
const KEYS = 450
const FIRST_PAGE = 2
const DATA = `${STORE_PATH}/data`

let disk: SimulatedDisk

/** A closed store with two trees three levels deep, long values, and free pages. */
beforeEach(async () => {
  disk = new SimulatedDisk()
  const { store } = await openStore(disk, SMALL, { create: true })
  for (const tree of [store, store.tree('other')]) {
    for (let i = 0; i < KEYS; i++) {
      tree.put(`key ${String(i).padStart(3, '0')}`, 'x'.repeat(i % 60 === 0 ? 1200 : 40))
    }
  }
  for (let i = 0; i < 50; i++) store.delete(`key ${String(i).padStart(3, '0')}`)
  for (let i = 0; i < 3; i++) {
    await store.put('last', String(i))
    await store.checkpoint()
  }
  await store.close()
})

/** Runs `work` on the store that the disk holds. */
async function withStore<T>(work: (store: BTree, opened: Opened) => Promise<T> | T): Promise<T> {
  const opened = await openStore(disk, SMALL)
  try {
    return await work(opened.store, opened)
  } finally {
    await opened.store.close()
    expect([disk.openHandles, disk.heldLocks]).toEqual([0, 0])
  }
}

/** The pages that the current state uses, without those of the list of free pages. */
function pagesInUse(): Promise<PageDescription[]> {
  return withStore((store, { engine }) => {
    const unused = new Set<number>(engine.pager.freeList.unusedPages())
    for (const { page } of engine.metas.freeListPages) unused.add(page)
    const pages: PageDescription[] = []
    for (let number = FIRST_PAGE; number < store.stats().pageCount; number++) {
      if (!unused.has(number)) pages.push(store.inspectPage(number))
    }
    return pages
  })
}

/** A page of the default tree (tree 1), the `nth` of its kind. */
async function find(type: PageDescription['type'], { level = 0, nth = 0 } = {}): Promise<number> {
  const found = (await pagesInUse()).filter(
    (page) => page.type === type && page.fields['treeId'] === 1 && page.fields['level'] === level,
  )
  expect(found.length).toBeGreaterThan(nth)
  return (found[nth] as PageDescription).pageNumber
}

function readPage(number: number): Page {
  const page = new Page(pageSizeBytes)
  const file = disk.open(DATA, 'read')
  file.read(page.bytes, number * pageSizeBytes)
  file.close()
  return page
}

function writeBytes(bytes: Uint8Array, position: number): void {
  const file = disk.open(DATA, 'write')
  file.write(bytes, position)
  file.close()
}

/** Changes a page so that its checksum is right again: what a bug leaves, not a bad disk. */
function edit(number: number, change: (page: Page) => void): void {
  const page = readPage(number)
  change(page)
  page.seal()
  writeBytes(page.bytes, number * pageSizeBytes)
}

/** What `verify` says of the closed store. */
async function verify(): Promise<VerifyReport> {
  const image = disk.currentImage()
  const report = await withStore((store) => store.verify())
  await withNativeCopy(image, {}, async (store, root) => {
    const { problems, ...rest } = await store.verify()
    expect({ ...rest, problems: problems.map((problem) => problem.replaceAll(root, '')) }).toEqual(report)
  })
  return report
}

/** What is wrong with the closed store, be it that it does not open. */
async function problems(): Promise<string[]> {
  const image = disk.currentImage()
  const opening = await errorOfAsync(openStore(disk, SMALL).then(({ store }) => store.close()))
  if (opening === undefined) return (await verify()).problems
  const native = await errorOfAsync(withNativeCopy(image, {}, () => undefined))
  expect(native?.code ?? opening.code).toBe(opening.code)
  return [`${opening.code}: ${opening.message}`]
}

/** Expects a problem that names the file, this page, its offset, and the rule that is broken. */
async function expectProblem(page: number, rule: string | RegExp): Promise<void> {
  const report = await verify()
  expect(report.ok).toBe(false)
  const [first = ''] = report.problems.filter((problem) =>
    problem.includes(`page ${page} (offset ${page * pageSizeBytes})`),
  )
  expect([report.problems, first]).toEqual([report.problems, expect.stringMatching(rule)])
  expect(first).toContain(DATA)
}

describe('verify', () => {
  it('finds nothing wrong with a whole store, and counts what is in it', async () => {
    const report = await verify()
    expect(report).toMatchObject({ ok: true, problems: [], keys: 2 * KEYS - 50 + 1, trees: 2 })
    const { branch, leaf, overflow, free } = report.pages
    expect(Math.min(branch, leaf, overflow, free)).toBeGreaterThan(0)
    const pages = await pagesInUse()
    expect(branch + leaf + overflow).toBe(pages.length)
  })

  it('reads the store as it is in the file, past what is in memory', async () => {
    const leaf = await find('leaf')
    await withStore(async (store) => {
      const [first] = store.inspectPage(leaf).cells
      const key = Buffer.from((first as PageCell).key).toString()
      expect(store.has(key)).toBe(true)
      writeBytes(Uint8Array.of(1, 2, 3, 4), leaf * pageSizeBytes)
      expect(store.has(key)).toBe(true)
      expect((await store.verify()).problems).toEqual([expect.stringContaining(`page ${leaf} (offset`)])
    })
  })

  it('names every page of which a bit was flipped', async () => {
    const random = seededRandom(3)
    const whole = disk.currentImage()
    for (const { pageNumber, type } of await pagesInUse()) {
      disk = new SimulatedDisk({ image: whole })
      const at = pageNumber * pageSizeBytes + Math.floor(random.next() * pageSizeBytes)
      const byte = new Uint8Array(1)
      const file = disk.open(DATA, 'write')
      file.read(byte, at)
      file.write(Uint8Array.of((byte[0] as number) ^ (1 << Math.floor(random.next() * 8))), at)
      file.close()
      const place = `page ${pageNumber} (offset ${pageNumber * pageSizeBytes})`
      // What opening reads is reported by opening; everything else by verify.
      const found = await problems()
      expect([type, place, found]).toEqual([type, place, expect.arrayContaining([expect.stringContaining(place)])])
    }
  })

  it('goes on after a problem, and lists at most 100', async () => {
    for (const { pageNumber, type, fields } of await pagesInUse()) {
      if (type === 'leaf' && fields['treeId'] !== 0) writeBytes(Uint8Array.of(1, 2, 3, 4), pageNumber * pageSizeBytes)
    }
    const { ok, problems } = await verify()
    expect([ok, problems.length, new Set(problems).size]).toEqual([false, 100, 100])
  })

  it('finds a page at the place of another: a misdirected write', async () => {
    const [leaf, other] = [await find('leaf'), await find('leaf', { nth: 1 })]
    writeBytes(readPage(other).bytes, leaf * pageSizeBytes)
    await expectProblem(leaf, `holds page ${other} .a misdirected write`)
  })

  it('finds an old life of a page: a lost write', async () => {
    const leaf = await find('leaf')
    edit(leaf, (page) => page.identify(leaf, 1))
    await expectProblem(leaf, /is of epoch 1 where \d+ was written .a lost write/)
  })

  it('finds a file that was cut short', async () => {
    const pages = await pagesInUse()
    const last = pages.at(-1) as PageDescription
    const file = disk.open(DATA, 'write')
    file.truncate(last.offset + 100)
    file.close()
    expect((await problems()).join()).toMatch(/page \d+ \(offset \d+\):? lies beyond the end of the file/)
  })

  it('finds keys that are not in order', async () => {
    const leaf = await find('leaf')
    edit(leaf, (page) => {
      const heads = page.u32.subarray(16, 16 + page.count)
      const offsets = page.u16.subarray(32 + 2 * page.capacity)
      ;[heads[0], heads[1]] = [heads[1] as number, heads[0] as number]
      ;[offsets[0], offsets[1]] = [offsets[1] as number, offsets[0] as number]
    })
    await expectProblem(leaf, 'key 1 is not in order')
  })

  it('finds a head that is not its key’s', async () => {
    const leaf = await find('leaf')
    edit(leaf, (page) => {
      page.u32[16] = (page.u32[16] as number) + 1
    })
    await expectProblem(leaf, 'head 0 does not match its key')
  })

  it('finds a heap that does not add up', async () => {
    const leaf = await find('leaf')
    edit(leaf, (page) => {
      page.u32[7] = page.garbageBytes + 8
    })
    await expectProblem(leaf, 'heap accounts for')
  })

  it('finds that part of a tree is gone', async () => {
    const branch = await find('branch', { level: 1 })
    edit(branch, (page) => removeCell(page, 0))
    expect((await verify()).problems).toEqual([
      expect.stringMatching(/says that the default tree has \d+ keys; it has \d+$/),
    ])
  })

  it('finds children in the wrong order', async () => {
    const branch = await find('branch', { level: 1 })
    const [left, right] = await childrenOf(branch)
    edit(branch, (page) => {
      page.reference = right
      setChildAt(page, 1, left)
    })
    const { problems } = await verify()
    expect(problems.join()).toContain(
      `page ${right.page} (offset ${right.page * pageSizeBytes}) holds a key that belongs to its right`,
    )
    expect(problems.join()).toContain(`page ${left.page} (offset ${left.page * pageSizeBytes}) key 0 is not in order`)
  })

  it('finds a page that is used twice', async () => {
    const branch = await find('branch', { level: 1 })
    const [left] = await childrenOf(branch)
    edit(branch, (page) => setChildAt(page, 1, left))
    await expectProblem(left.page, 'is used twice: as the default tree and as the default tree')
  })

  it('finds a reference that leads out of the file', async () => {
    const branch = await find('branch', { level: 1 })
    edit(branch, (page) => setChildAt(page, 1, { page: 100_000, birth: 1 }))
    await expectProblem(100_000, 'part of the default tree, lies outside the file')
  })

  it('finds a leaf where a branch should be', async () => {
    const upper = await find('branch', { level: 2 })
    const leaf = await find('leaf')
    const { birth } = referenceOf(leaf)
    edit(upper, (page) => setChildAt(page, 0, { page: leaf, birth }))
    await expectProblem(leaf, 'is at level 0 below level 2')
  })

  it('finds a page of another tree', async () => {
    const leaf = await find('leaf')
    edit(leaf, (page) => {
      page.u32[10] = 7
    })
    await expectProblem(leaf, 'belongs to tree 7, but is part of the default tree')
  })

  it('finds a root that counts wrong', async () => {
    const root = await find('branch', { level: 2 })
    edit(root, (page) => {
      page.keyCount += 1
    })
    await expectProblem(root, `says that the default tree has ${KEYS - 48} keys; it has ${KEYS - 49}`)
  })

  it('finds a long value that is cut short, or of another kind', async () => {
    const first = await firstOverflowPage()
    const whole = disk.currentImage()
    edit(first, (page) => {
      page.dataLength = 10
    })
    await expectProblem(first, /begins a value of 1200 bytes that has \d+/)
    disk = new SimulatedDisk({ image: whole })
    edit(first, (page) => {
      page.reference = { page: 0, birth: 0 }
    })
    await expectProblem(first, /begins a value of 1200 bytes that has 448/)
    disk = new SimulatedDisk({ image: whole })
    edit(first, (page) => {
      page.bytes[4] = 4
    })
    await expectProblem(first, 'is of type 4, not 3')
    disk = new SimulatedDisk({ image: whole })
    edit(first, (page) => {
      page.reference = { page: first, birth: referenceOf(first).birth }
    })
    expect((await verify()).problems.join()).toMatch(/longer than its 3 pages|is used twice/)
  })

  it('finds a page that is neither used nor free', async () => {
    await withStore(async (store, { engine }) => {
      const page = engine.pager.freeList.allocate()
      expect((await store.verify()).problems).toEqual([
        `${DATA}, page ${page} (offset ${page * pageSizeBytes}) is neither used nor free`,
      ])
      engine.pager.freeList.release(page)
    })
  })

  it('finds a page that is free and used', async () => {
    const leaf = await find('leaf')
    await withStore(async (store, { engine }) => {
      engine.pager.freeList.release(leaf)
      expect((await store.verify()).problems[0]).toBe(
        `${DATA}, page ${leaf} (offset ${leaf * 512}) is used twice: as free and as the default tree`,
      )
      engine.pager.freeList.allocate()
    })
  })

  it('finds a broken catalogue, and stops there', async () => {
    const catalogue = (await pagesInUse()).find(({ fields }) => fields['treeId'] === 0) as PageDescription
    await withStore(async (store) => {
      writeBytes(Uint8Array.of(1, 2, 3, 4), catalogue.offset)
      const report = await store.verify()
      expect(report).toMatchObject({ ok: false, trees: 0, keys: 0 })
      expect(report.problems).toEqual([expect.stringContaining(`page ${catalogue.pageNumber} (offset`)])
    })
  })

  it('reports a page that the disk cannot read', async () => {
    await withStore(async (store) => {
      disk.failAt({ operation: 'read', path: /data$/, nth: 5, error: 'EIO' })
      const { ok, problems } = await store.verify()
      expect([ok, problems.length]).toEqual([false, 1])
      expect((await store.verify()).ok).toBe(true)
    })
  })

  it('that is overtaken by closing says so, not that the store is damaged', async () => {
    const { store } = await openStore(disk, SMALL)
    const report = store.verify()
    await store.close()
    expect(await codeOfAsync(report)).toBe('CLOSED')
  })

  it('holds while others write, and checkpoint, and compact', async () => {
    await withStore(async (store) => {
      let running = true
      const writer = (async () => {
        for (let i = 0; running; i++) {
          store.put(`key ${i % 500}`, 'y'.repeat(i % 90 === 0 ? 3000 : i % 70))
          if (i % 3 === 0) store.delete(`key ${(i * 7) % 500}`)
          if (i % 40 === 0) await store.checkpoint()
          if (i % 150 === 149) await store.compact()
          if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      for (let round = 0; round < 30; round++) expect((await store.verify()).problems).toEqual([])
      running = false
      await writer
    })
  })
})

describe('a damaged page', () => {
  it('fails the reads that need it, and no others', async () => {
    const leaf = await find('leaf', { nth: 3 })
    const { lost, all } = await withStore((store) => {
      const cells = store.inspectPage(leaf).cells.map(({ key }) => Buffer.from(key).toString())
      return { lost: new Set(cells), all: Array.from(store.range(), ([key]) => key) }
    })
    writeBytes(Uint8Array.of(9, 9, 9, 9), leaf * pageSizeBytes)
    const check = async (store: BTree): Promise<void> => {
      for (const key of all) {
        const code = lost.has(key) ? 'CORRUPTION' : undefined
        expect([key, codeOf(() => store.get(key)), await codeOfAsync(store.getAsync(key))]).toEqual([key, code, code])
      }
      expect(() => [...store.range()]).toThrow(`page ${leaf} (offset ${leaf * pageSizeBytes})`)
      for (const key of lost) expect(codeOf(() => store.put(key, 'x'))).toBe('CORRUPTION')
      for (const key of lost) expect(codeOf(() => store.delete(key))).toBe('CORRUPTION')
      await store.put('last', 'still works')
      expect(store.stats().snapshots.open).toBe(0)
    }
    const image = disk.currentImage()
    await withStore(check)
    await withNativeCopy(image, {}, check)
  })
})

function referenceOf(number: number): { page: number; birth: number } {
  const page = readPage(number)
  return { page: number, birth: page.u16[8]! + page.u16[9]! * 2 ** 16 + page.u16[10]! * 2 ** 32 }
}

/** The first two children of a branch. */
async function childrenOf(branch: number): Promise<[Reference, Reference]> {
  const children = await withStore((store) => store.inspectPage(branch).cells.slice(0, 2))
  return children.map(({ child }) => referenceOf(child as number)) as [Reference, Reference]
}

type Reference = { page: number; birth: number }

async function firstOverflowPage(): Promise<number> {
  for (const { cells } of await pagesInUse()) {
    for (const { overflowPage } of cells) if (overflowPage !== undefined) return overflowPage
  }
  throw new Error('there is no long value')
}
