import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { tableName } from '../../../ts/storage/lsm/table-format.ts'
import { codeOf, codeOfAsync, errorOfAsync } from '../../support/errors.ts'
import { type Opened, openStore, SMALL, STORE_PATH, type StoreSettings } from '../../support/lsm-crash/store.ts'

describe('an LSM store', () => {
  it('keeps the tables of a walk until it ends', async () => {
    const { store, disk } = await make()
    for (let i = 0; i < 100; i++) void store.put(key(i), 'old value')
    await store.compact()
    const walk = store.range()[Symbol.iterator]()
    const asyncWalk = store.range({ reverse: true })[Symbol.asyncIterator]()
    walk.next()
    await asyncWalk.next()
    for (let i = 0; i < 100; i++) void store.put(key(i), 'new value')
    await store.compact()
    const tables = disk.list(STORE_PATH).filter((name) => name.endsWith('.sst')).length
    let count = 1
    for (let step = walk.next(); !step.done; step = walk.next(), count++) expect(step.value[1]).toBe('old value')
    for (let step = await asyncWalk.next(); !step.done; step = await asyncWalk.next(), count++) {
      expect(step.value[1]).toBe('old value')
    }
    expect(count).toBe(200 - 1)
    const left = disk.list(STORE_PATH).filter((name) => name.endsWith('.sst')).length
    expect([left < tables, left]).toEqual([true, store.stats().tables])
    await store.close()
  })

  it('does a batch with clears and keys of several trees at one instant', async () => {
    const { store } = await make()
    await store.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'put', key: 'a', value: '2', tree: 'other' },
    ])
    await store.transaction((tx) => {
      tx.put('b', 'before the clear')
      tx.clear({ lt: 'c' })
      tx.put('a', 'after the clear')
      tx.tree('other').delete('a')
    })
    const expected = [[['a', 'after the clear']], []]
    expect([[...store.range()], [...store.tree('other').range()]]).toEqual(expected)
    await store.compact()
    expect([[...store.range()], [...store.tree('other').range()]]).toEqual(expected)
    await store.close()
  })

  it('tells a transaction that others changed what it read', async () => {
    const { store } = await make()
    await store.put('a', '1')
    const run = store.transaction(async (tx) => {
      const value = tx.get('a')
      await store.put('a', '2')
      tx.put('b', `${value}`)
    })
    expect(await codeOfAsync(run)).toBe('CONFLICT')
    expect([store.get('a'), store.get('b')]).toEqual(['2', undefined])
    expect(await store.compareAndSwap('a', '1', '3')).toBe(false)
    expect(await store.compareAndSwap('a', '2', '3')).toBe(true)
    expect(store.get('a')).toBe('3')
    await store.close()
  })

  it('lets promises wait while flushes are behind, and counts that', async () => {
    const { store } = await make({ memtableBytes: 1024 })
    const writes = Array.from({ length: 300 }, (_, i) => store.put(key(i), 'v'.repeat(50)))
    expect(store.stats().memtable.frozen).toBe(2)
    await Promise.all(writes)
    expect(store.stats().stalls.count).toBeGreaterThan(0)
    expect([...store.range()]).toHaveLength(300)
    await store.close()
  })

  it('says how far merges are behind', async () => {
    const { store } = await make({ memtableBytes: 4096 })
    let most = 0
    store.on('flush', () => {
      most = Math.max(most, store.stats().compactionDebtBytes)
    })
    await Promise.all(Array.from({ length: 600 }, (_, i) => store.put(key(i % 300), 'v'.repeat(60))))
    await store.flush()
    expect(most).toBeGreaterThan(10_000)
    await settled(store)
    expect(store.stats().compactionDebtBytes).toBe(0)
    await store.close()
  })

  it('keeps memtables and what it read of tables within one bound, and gives each what the other leaves', async () => {
    const memoryBytes = 40_000
    const { store } = await make({ memtableBytes: 10_000, memoryBytes, tableBytes: 8000 })
    const random = seededRandom(1)
    let mostCached = 0
    for (let i = 0; i < 1500; i++) {
      await store.put(key(i), 'v'.repeat(60))
      for (let n = 0; n < 3; n++) store.get(key(Math.floor(random.next() * (i + 1))))
      const { memory, cache, memtable } = store.stats()
      expect(memory.limitBytes).toBe(memoryBytes)
      expect(memory.bytes).toBeLessThanOrEqual(memoryBytes)
      expect(cache.capacityBytes).toBeLessThanOrEqual(memoryBytes - memtable.bytes)
      mostCached = Math.max(mostCached, cache.bytes)
    }
    expect(mostCached).toBeGreaterThan(15_000)
    await store.flush()
    expect(store.stats()).toMatchObject({ memtable: { bytes: 0 }, cache: { capacityBytes: memoryBytes } })
    await store.close()
  })

  it('reports a damaged block with file and offset, and reads the rest', async () => {
    const { store, disk } = await make({ level0Tables: 100, memtableBytes: 100_000 })
    for (let i = 0; i < 200; i++) void store.put(key(i), `value ${i}`)
    await store.close()
    const name = disk.list(STORE_PATH).find((each) => each.endsWith('.sst')) as string
    const image = disk.currentImage()
    image.flipBit(`${STORE_PATH}/${name}`, 700, 1)
    const again = await openStore(new SimulatedDisk({ image }), { ...SMALL, level0Tables: 100 })
    const outcomes = Array.from({ length: 200 }, (_, i) => codeOf(() => again.store.get(key(i))) ?? 'fine')
    expect(new Set(outcomes)).toEqual(new Set(['fine', 'CORRUPTION']))
    expect(outcomes.filter((outcome) => outcome === 'fine').length).toBeGreaterThan(150)
    const error = await errorOfAsync(again.store.getAsync(key(outcomes.indexOf('CORRUPTION'))))
    expect(error?.message).toMatch(new RegExp(`${name}: the block at offset \\d+ is damaged`))
    const report = await again.store.verify()
    expect([report.ok, report.problems.every((problem) => problem.includes(name))]).toEqual([false, true])
    // Writing goes on; only merging what is damaged does not.
    void again.store.put('new', 'value')
    await again.store.flush()
    expect(await codeOfAsync(again.store.compact())).toBe('CORRUPTION')
    expect(again.store.get('new')).toBe('value')
    await again.store.close()
  })

  it('removes what a flush left behind, and refuses to open without a table', async () => {
    const { store, disk } = await make()
    for (let i = 0; i < 100; i++) void store.put(key(i), 'v')
    await store.close()
    const left = disk.open(`${STORE_PATH}/${tableName(999)}`, 'create')
    left.close()
    const again = await openStore(disk)
    expect(disk.kind(`${STORE_PATH}/${tableName(999)}`)).toBe(undefined)
    await again.store.close()
    const name = disk.list(STORE_PATH).find((each) => each.endsWith('.sst')) as string
    disk.unlink(`${STORE_PATH}/${name}`)
    const error = await errorOfAsync(openStore(disk))
    expect([error?.code, error?.message.includes(name)]).toEqual(['CORRUPTION', true])
  })

  it('opened for reading shows everything and changes nothing', async () => {
    const { store, disk } = await make()
    for (let i = 0; i < 100; i++) void store.put(key(i), 'v')
    await store.flushed()
    const image = disk.currentImage()
    await store.close()
    const other = new SimulatedDisk({ image })
    const reader = await openStore(other, SMALL, { readOnly: true })
    expect([...reader.store.range()]).toHaveLength(100)
    expect(codeOf(() => reader.store.put('a', 'b'))).toBe('READ_ONLY')
    await reader.store.close()
    expect([other.history.length, other.openHandles, other.heldLocks]).toEqual([0, 0, 0])
  })

  it('refuses files of a later version, and those of another engine', async () => {
    const { store, disk } = await make()
    await store.close()
    for (const [text, code] of [
      ['bedplate lsm 2\n', 'INCOMPATIBLE'],
      ['bedplate btree 1\n', 'INCOMPATIBLE'],
    ]) {
      const image = disk.currentImage()
      image.truncate(`${STORE_PATH}/FORMAT`, 0)
      image.write(`${STORE_PATH}/FORMAT`, Buffer.from(text as string), 0)
      expect(await codeOfAsync(openStore(new SimulatedDisk({ image })))).toBe(code)
    }
  })

  it('puts off a flush that finds no space, and says so to writers who would need it', async () => {
    const disk = new SimulatedDisk({ capacityBytes: 120_000 })
    const { store, clock } = await openStore(disk, { ...SMALL, memtableBytes: 2048 }, { create: true })
    const ballast = disk.open('/ballast', 'create')
    ballast.write(new Uint8Array(120_000 - disk.usedBytes - 20_000), 0)
    ballast.close()
    let refused: string | undefined
    for (let i = 0; i < 2000 && refused === undefined; i++) {
      refused = codeOf(() => void store.put(key(i), 'v'.repeat(100)))
      await clock.turn()
    }
    expect(refused).toBe('DISK_FULL')
    const content = [...store.range()]
    disk.unlink('/ballast')
    clock.advance(10_000)
    await store.flush()
    await store.put('more', 'space')
    expect([...store.range()]).toHaveLength(content.length + 1)
    await store.close()
  })

  it('puts off flushes and merges that may open no more files, and says so to who waits for them', async () => {
    const { store, disk, clock } = await make({ memtableBytes: 2048, level0Tables: 2 })
    for (let i = 0; i < 60; i++) void store.put(key(i), 'v'.repeat(100))
    await store.flush()
    const fault = disk.failAt({ operation: 'create', path: /\.sst$/, nth: 1, error: 'EMFILE', forever: true })
    await store.put('more', 'v')
    const error = await errorOfAsync(store.flush())
    expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('too many open files') })
    expect(error?.hint).toContain('ulimit')
    expect(await codeOfAsync(store.compact())).toBe('UNAVAILABLE')
    await store.put('and', 'more')
    fault.cancel()
    clock.advance(10_000)
    await store.compact()
    expect([store.get('more'), store.get('and'), store.stats().memtable.entries]).toEqual(['v', 'more', 0])
    await store.close()
  })

  it('ends what waits for a merge or reads its tables when it is closed', async () => {
    const { store, disk } = await make({ memtableBytes: 1 << 20, level0Tables: 100 })
    for (let i = 0; i < 20_000; i++) void store.put(key(i), 'v'.repeat(100))
    await store.flush()
    const waiting = [codeOfAsync(store.compact()), codeOfAsync(store.verify())]
    await store.close()
    expect(await Promise.all(waiting)).toEqual(['CLOSED', 'CLOSED'])
    expect([disk.openHandles, disk.heldLocks]).toEqual([0, 0])
  })
})

async function make(settings: Partial<StoreSettings> = {}): Promise<Opened & { disk: SimulatedDisk }> {
  const disk = new SimulatedDisk()
  return { ...(await openStore(disk, { ...SMALL, ...settings }, { create: true })), disk }
}

/** Waits until no merge is due. */
async function settled(store: Opened['store']): Promise<void> {
  let before = -1
  for (let still = 0; still < 50; still++) {
    const { compactions } = store.stats()
    if (compactions !== before) still = 0
    before = compactions
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function key(i: number): string {
  return `key ${String(i).padStart(4, '0')}`
}
