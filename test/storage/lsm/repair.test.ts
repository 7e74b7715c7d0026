// Stores that do not open, made to.
import { describe, expect, it } from 'vitest'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { realDisk } from '../../../ts/io/real-disk.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { openLsm, repairLsm } from '../../../ts/storage/lsm/index.ts'
import { repairStore } from '../../../ts/storage/lsm/repair.ts'
import type { LsmRepairReport } from '../../../ts/storage/lsm/types.ts'
import type { OrderedReader } from '../../../ts/storage/ordered-store.ts'
import { ManualClock } from '../../support/btree-crash/store.ts'
import { codeOfAsync } from '../../support/errors.ts'
import { openStore, SMALL, STORE_PATH, type StoreSettings } from '../../support/lsm-crash/store.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const COUNT = 400

describe('a repair', () => {
  it('of a store that nothing is wrong with changes nothing', async () => {
    const disk = await sample()
    const report = await repair(disk)
    expect(report).toMatchObject({ wasDamaged: false, problems: [], manifest: 'intact', log: 'intact', moved: [] })
    expect(report.tables).toMatchObject({ partly: 0, lost: 0 })
    expect([disk.history.length, disk.openHandles, disk.heldLocks]).toEqual([0, 0, 0])
  })

  it('without the manifest keeps every key, whichever table was newer, and what the log holds', async () => {
    for (const damage of ['removed', 'flipped'] as const) {
      const disk = await sample((image) => {
        if (damage === 'removed') image.remove(`${STORE_PATH}/manifest`)
        else image.flipBit(`${STORE_PATH}/manifest`, 100, 3)
      })
      expect(await codeOfAsync(openStore(disk))).toBe('CORRUPTION')
      const report = await repair(disk)
      expect(report).toMatchObject({ wasDamaged: true, manifest: 'rebuilt', log: 'intact', lostBytes: 0 })
      expect(report.trees).toEqual(['tree-1', 'tree-2'])
      expect(report.moved).toEqual(damage === 'removed' ? [] : ['manifest'])
      await expectContent(disk)
    }
  })

  it('without the manifest takes what was ingested later for newer', async () => {
    const disk = new SimulatedDisk()
    const { store } = await openStore(disk, SMALL, { create: true })
    await store.put('a', 'put')
    await store.flush()
    for (const value of ['first', 'second', 'third']) await store.ingest([['a', value]])
    await store.put('q', 'later')
    await store.close()
    disk.unlink(`${STORE_PATH}/manifest`)
    await repair(disk)
    const again = await openStore(disk)
    expect([...again.store.range()]).toEqual([
      ['a', 'third'],
      ['q', 'later'],
    ])
    await again.store.close()
  })

  it('without the manifest calls trees by their ids, but a single one the default tree', async () => {
    const disk = await sample((image) => image.remove(`${STORE_PATH}/manifest`), { isSingle: true })
    expect(await repair(disk)).toMatchObject({ trees: [''], manifest: 'rebuilt' })
    const { store } = await openStore(disk)
    expect(store.get(key(3))).toBe(written(3))
    await store.close()
  })

  it('of a damaged table keeps what its other blocks hold, and moves it away', async () => {
    for (const hasManifest of [true, false]) {
      const disk = await sample((image) => {
        const name = largest(image)
        for (const offset of [70, 700]) image.flipBit(name, offset, 1)
        if (!hasManifest) image.remove(`${STORE_PATH}/manifest`)
      })
      const report = await repair(disk)
      expect(report).toMatchObject({ wasDamaged: true, tables: { partly: 1, lost: 0 } })
      expect([report.lostBytes > 0, report.moved.length]).toEqual([true, 1])
      const { store } = await openStore(disk)
      const tree = hasManifest ? store : store.tree<string, string>('tree-1')
      const kept = rightIn(tree)
      expect(kept.length).toBeGreaterThan(COUNT / 2)
      expect(kept.length).toBeLessThan(COUNT)
      expect(await store.verify()).toMatchObject({ ok: true })
      await store.compact()
      expect(rightIn(tree)).toEqual(kept)
      await store.close()
    }
  })

  it('goes on without a table that is missing, or whose end is cut off', async () => {
    for (const change of ['removed', 'cut', 'emptied'] as const) {
      const disk = await sample((image) => {
        const name = largest(image)
        if (change === 'removed') image.remove(name)
        else image.truncate(name, change === 'cut' ? image.size(name) - 300 : 0)
      })
      expect(await repair(disk)).toMatchObject({ wasDamaged: true, manifest: 'intact' })
      const { store } = await openStore(disk)
      const { length } = rightIn(store)
      expect([change, change === 'cut' ? length > COUNT / 2 : length < COUNT]).toEqual([change, true])
      await store.put('it', 'works')
      expect(await store.verify()).toMatchObject({ ok: true })
      await store.close()
    }
  })

  it('without the log keeps what is in tables; of a damaged log it keeps the beginning', async () => {
    for (const change of ['removed', 'flipped'] as const) {
      const disk = await sample((image) => {
        for (const name of image.files().filter((each) => /\/log-[^/]+$/.test(each))) {
          if (change === 'removed') image.remove(name)
          else if (image.size(name) > 8192 && !name.endsWith('new')) image.flipBit(name, 4096 + 70, 1)
        }
      })
      expect(await codeOfAsync(openStore(disk))).toBe('CORRUPTION')
      const report = await repair(disk)
      expect(report).toMatchObject({ wasDamaged: true, log: 'cut off', tables: { partly: 0, lost: 0 } })
      expect(report.moved.length > 0).toBe(change === 'flipped')
      const { store } = await openStore(disk)
      expect(store.get(key(1))).toBe(written(1))
      await store.put('it', 'works')
      await store.close()
      expect(await repair(disk)).toMatchObject({ wasDamaged: false })
    }
  })

  it('may be cut off anywhere, and run again', async () => {
    const damaged = await sample((image) => {
      image.flipBit(largest(image), 80, 1)
      image.remove(`${STORE_PATH}/manifest`)
    })
    const before = damaged.currentImage()
    await repair(damaged)
    const expected = await contentOf(damaged)
    const probe = new SimulatedDisk({ image: before })
    await repair(probe)
    const random = seededRandom(5)
    const { length } = probe.history
    for (let i = 0; i < 60; i++) {
      const image = probe.crashImage(
        Math.floor(random.next() * (length + 1)),
        i % 2 === 0 ? 'subset' : 'sectors',
        random,
      )
      const disk = new SimulatedDisk({ image })
      await repair(disk)
      expect(await contentOf(disk)).toBe(expected)
    }
  })

  it('of whatever was damaged leaves a store that opens, and shows nothing that was never written', async () => {
    const random = seededRandom(3)
    for (let i = 0; i < 40; i++) {
      const disk = await sample((image) => {
        const files = image.files().filter((name) => !name.endsWith('FORMAT'))
        for (let n = 1 + Math.floor(random.next() * 3); n > 0; n--) {
          const name = files[Math.floor(random.next() * files.length)] as string
          const from = Math.floor(random.next() * image.size(name))
          if (random.next() < 0.2) image.truncate(name, from)
          else image.corrupt(name, { from, to: from + Math.floor(random.next() * 600) }, random)
        }
      })
      await repair(disk)
      const { store } = await openStore(disk)
      expect(await store.verify()).toMatchObject({ ok: true })
      for (const tree of ['', ...store.treeNames()]) {
        const reader = tree === '' ? store : store.tree(tree)
        for (const [name, value] of (reader as OrderedReader).range()) expect(isPossible(name, value)).toBe(true)
      }
      await store.close()
      expect(await repair(disk)).toMatchObject({ wasDamaged: false })
    }
  })

  it('refuses a store that somebody has open, and what is none', async () => {
    const { path, remove } = temporaryDirectory()
    const store = await openLsm(`${path}/store`, { create: true })
    await store.put('k', 'v')
    expect(await codeOfAsync(repairLsm(`${path}/store`))).toBe('LOCKED')
    await store.close()
    expect(await repairLsm(`${path}/store`)).toMatchObject({ wasDamaged: false })
    realDisk.unlink(`${path}/store/manifest`)
    expect(await repairLsm(`${path}/store`)).toMatchObject({ manifest: 'rebuilt', trees: [''] })
    const again = await openLsm(`${path}/store`)
    expect(again.get('k')).toBe('v')
    await again.close()
    expect(await codeOfAsync(repairLsm(`${path}/none`))).toBe('NOT_FOUND')
    expect(await codeOfAsync(repairLsm(path))).toBe('INCOMPATIBLE')
    expect(await codeOfAsync(repairLsm(''))).toBe('INVALID_INPUT')
    remove()
  })
})

const SETTINGS: StoreSettings = { ...SMALL, memtableBytes: 8192, tableBytes: 4096, levelBytes: 20_000 }

/** A store with tables on several levels, ingested ones among them, deletions, operands, and a log behind them. */
async function sample(
  change: (image: DiskImage) => void = () => {},
  { isSingle = false } = {},
): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const { store } = await openStore(disk, SETTINGS, { create: true })
  await store.put(key(0), 'first') // so that the default tree has id 1
  if (!isSingle) for (let i = 0; i < 50; i++) void store.tree('other').put(key(i), `other ${i}`)
  for (let i = 0; i < COUNT; i++) void store.put(key(i), `old ${i}`)
  await store.compact()
  for (let i = 0; i < COUNT; i++) void (i % 5 === 1 ? store.delete(key(i)) : store.put(key(i), written(i)))
  void store.put('counter', '40')
  await store.flush()
  await store.ingest(Array.from({ length: 80 }, (_, i) => [key(5 * i + 1), written(5 * i + 1)]))
  void store.clear({ gte: 'x' })
  void store.increment('counter', 1)
  await store.flush()
  await store.increment('counter', 1)
  for (let i = 0; i < 20; i++) await store.put(`tail ${i}`, `tail ${i}`)
  const image = disk.currentImage()
  await store.close()
  change(image)
  return new SimulatedDisk({ image })
}

function repair(disk: SimulatedDisk): Promise<LsmRepairReport> {
  const { shape, plan, tableBytes } = SETTINGS
  const outside = { disk, clock: new ManualClock(), random: seededRandom(9) }
  return repairStore({ ...outside, path: STORE_PATH, defaults: { shape, plan }, tableBytes })
}

/** Of a store whose trees have lost their names. */
async function expectContent(disk: SimulatedDisk): Promise<void> {
  const { store } = await openStore(disk, SETTINGS)
  const tree = store.tree('tree-1')
  const keys = Array.from({ length: COUNT }, (_, i) => i)
  expect(keys.map((i) => tree.get(key(i)))).toEqual(keys.map(written))
  expect([tree.get('counter'), [...tree.range({ prefix: 'tail' })].length]).toEqual(['42', 20])
  expect([...store.tree('tree-2').range()].length).toBe(50)
  expect([...store.range()]).toEqual([])
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
}

async function contentOf(disk: SimulatedDisk): Promise<string> {
  const { store } = await openStore(disk, SETTINGS)
  const trees = ['', ...store.treeNames()].map((name) => [...(name === '' ? store : store.tree(name)).range()])
  await store.close()
  return JSON.stringify(trees)
}

/** The numbers whose keys have the values that they should have. */
function rightIn(tree: OrderedReader): number[] {
  return Array.from({ length: COUNT }, (_, i) => i).filter((i) => tree.get(key(i)) === written(i))
}

/** The path of the table that holds the most values which nothing has replaced. */
function largest(image: DiskImage): string {
  const tables = image.files().filter((name) => name.endsWith('.sst'))
  const count = (name: string): number => Buffer.from(image.read(name)).toString('latin1').split('value of').length
  return tables.reduce((a, b) => (count(b) > count(a) ? b : a))
}

function isPossible(name: string, value: string): boolean {
  if (name === 'counter') return /^\d+$/.test(value)
  if (name.startsWith('tail')) return value === name
  const i = Number(name.slice(4))
  return [written(i), `old ${i}`, `other ${i}`, 'first'].includes(value)
}

function key(i: number): string {
  return `key ${String(i).padStart(4, '0')}`
}

function written(i: number): string {
  return `value of number ${i}`
}
