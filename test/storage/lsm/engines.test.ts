// What the public store does by itself, and as a whole, whatever engine runs it. What needs a simulated disk has files of its own.
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { realDisk } from '../../../ts/io/real-disk.ts'
import type { Lsm } from '../../../ts/storage/lsm/index.ts'
import { tableName } from '../../../ts/storage/lsm/table-format.ts'
import type { Snapshot } from '../../../ts/storage/ordered/types.ts'
import { codeOf, codeOfAsync, errorOfAsync } from '../../support/errors.ts'
import type { StoreSettings } from '../../support/lsm-crash/store.ts'
import { LSM_ENGINES, type LsmEngineUnderTest, placeForLsm, until } from '../../support/lsm-engines.ts'

const ROOMY = { memtableBytes: 100_000, level0Tables: 100, levelBytes: 100_000 }

describe.each(LSM_ENGINES)('a store that the $name engine runs', (engine) => {
  it('moves what is written from memory to level 0 and from there down', async () => {
    const { store } = await make(engine)
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 60; i++) void store.put(key(i), `${round} ${'v'.repeat(40)}`)
      await store.flush()
    }
    await until(() => store.stats().compactionDebtBytes === 0)
    const { levels, flushes, compactions, memtable, flushedPosition, position, amplification } = store.stats()
    expect(levels.some(({ level }) => level > 0)).toBe(true)
    expect([flushes >= 6, compactions > 0, memtable.entries, flushedPosition]).toEqual([true, true, 0, position])
    expect([amplification.write > 2, amplification.space >= 1]).toEqual([true, true])
    expect([...store.range()]).toEqual(Array.from({ length: 60 }, (_, i) => [key(i), `5 ${'v'.repeat(40)}`]))
    expect(await store.verify()).toMatchObject({ ok: true, problems: [] })
    await store.close()
  })

  it('lets a writer that never pauses wait for merges before level 0 is crowded', async () => {
    const { store } = await make(engine, { tableBytes: 16_384, levelBytes: 65_536 })
    const random = seededRandom(7)
    let most = 0
    let last = Promise.resolve()
    for (let i = 0; i < 4000; i++) {
      last = store.put(key(Math.floor(random.next() * 10_000)), 'v'.repeat(100))
      if (i % 20 === 0) await last
      const [first] = store.stats().levels
      if (first?.level === 0) most = Math.max(most, first.tables)
    }
    await last
    expect(store.stats().flushes).toBeGreaterThan(50)
    expect(most).toBeLessThanOrEqual(8 * 2)
    await store.close()
  })

  it('keeps nothing that was deleted or overwritten once all is merged', async () => {
    const { store } = await make(engine)
    for (let i = 0; i < 100; i++) void store.put(key(i), 'first')
    await store.flush()
    for (let i = 0; i < 100; i += 2) void store.delete(key(i))
    void store.clear({ gte: key(50) })
    await store.compact()
    expect(entriesOf(store)).toBe(25)
    void store.clear()
    await store.compact()
    expect(store.stats()).toMatchObject({ tables: 0, tableBytes: 0, levels: [] })
    expect([...store.range()]).toEqual([])
    await store.close()
  })

  it('reads many keys at once as it reads them one by one', async () => {
    const { store } = await make(engine, ROOMY)
    for (let i = 0; i < 300; i += 2) void store.put(key(i), `first ${i}`)
    await store.compact()
    await store.ingest(Array.from({ length: 40 }, (_, i) => [key(5 * i), `ingested ${i}`] as const))
    for (let i = 0; i < 300; i += 3) void store.append(key(i), '+')
    void store.clear({ gte: key(100), lt: key(130) })
    await store.flush()
    for (let i = 0; i < 300; i += 7) void store.delete(key(i))
    for (let i = 0; i < 300; i += 11) void store.increment(key(i), 5)
    const snapshot = store.snapshot()
    const keys = Array.from({ length: 320 }, (_, i) => key((i * 37) % 320))
    const values = keys.map((each) => store.get(each))
    expect(store.getMany(keys)).toEqual(values)
    expect(new Set(values).size).toBeGreaterThan(50)
    await store.clear()
    expect([snapshot.getMany(keys), store.getMany(keys.slice(0, 17))]).toEqual([values, Array(17).fill(undefined)])
    expect(store.tree('nothing').getMany(keys)).toEqual(Array(320).fill(undefined))
    snapshot.close()
    await store.close()
  })

  it('shows a snapshot what it showed at first, whatever is flushed, merged, ingested and cleared meanwhile', async () => {
    const { store } = await make(engine)
    const states: { snapshot: Snapshot; content: [string, string][] }[] = []
    const random = seededRandom(4)
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 40; i++) void store.put(key(Math.floor(random.next() * 60)), `${round} ${i}`)
      if (round % 3 === 2) void store.clear({ gte: key(10 * (round % 5)), lt: key(10 * (round % 5) + 15) })
      if (round % 4 === 1) await store.ingest(entries(10 + round))
      states.push({ snapshot: store.snapshot(), content: [...store.range()] })
      if (round % 2 === 1) await store.compact()
    }
    for (const { snapshot, content } of states) {
      expect([...snapshot.range()]).toEqual(content)
      expect([...snapshot.range({ reverse: true })]).toEqual(content.toReversed())
      expect(content.map(([each]) => snapshot.get(each))).toEqual(content.map(([, value]) => value))
    }
    const before = entriesOf(store)
    for (const { snapshot } of states) snapshot.close()
    await store.compact()
    expect(entriesOf(store)).toBeLessThan(before)
    expect([...store.range()]).toEqual(states.at(-1)?.content)
    await store.close()
  })

  it('keeps the tables of a walk until it ends', async () => {
    const { store, tables } = await make(engine)
    for (let i = 0; i < 100; i++) void store.put(key(i), 'old value')
    await store.compact()
    const walk = store.range()[Symbol.iterator]()
    const asyncWalk = store.range({ reverse: true })[Symbol.asyncIterator]()
    walk.next()
    await asyncWalk.next()
    for (let i = 0; i < 100; i++) void store.put(key(i), 'new value')
    await store.compact()
    let count = 1
    for (let step = walk.next(); !step.done; step = walk.next(), count++) expect(step.value[1]).toBe('old value')
    for (let step = await asyncWalk.next(); !step.done; step = await asyncWalk.next(), count++) {
      expect(step.value[1]).toBe('old value')
    }
    expect(count).toBe(200 - 1)
    await until(() => tables().length === store.stats().tables)
    await store.close()
  })

  it('drops a tree with all it holds, and one of the same name begins empty', async () => {
    const { store, path } = await make(engine)
    const tree = store.tree('a')
    for (let i = 0; i < 50; i++) void tree.put(key(i), 'x')
    void store.put('default', 'stays')
    await store.flush()
    const snapshot = store.snapshot()
    await store.dropTree('a')
    expect([store.treeNames(), [...tree.range()], tree.get(key(1))]).toEqual([[], [], undefined])
    await tree.put('again', 'y')
    await store.compact()
    expect([...tree.range()]).toEqual([['again', 'y']])
    expect([...snapshot.tree('a').range()]).toHaveLength(50)
    snapshot.close()
    await store.close()
    const again = await engine.openSmall(path)
    expect([[...again.tree('a').range()], again.get('default')]).toEqual([[['again', 'y']], 'stays'])
    await again.close()
  })

  it('lets promises wait while flushes are behind, and counts that', async () => {
    const { store } = await make(engine, { memtableBytes: 1024 })
    await Promise.all(Array.from({ length: 2000 }, (_, i) => store.put(key(i % 300), 'v'.repeat(50))))
    expect(store.stats().stalls.count).toBeGreaterThan(0)
    expect([...store.range()]).toHaveLength(300)
    await store.close()
  })

  it('asks the filter before it reads a table, and finds everything without one', async () => {
    for (const bitsPerKey of [0, 10]) {
      const shape = { blockBytes: 256, bitsPerKey, compression: 'none' } as const
      const { store } = await make(engine, { ...ROOMY, shape, memoryBytes: 400_000 })
      for (let i = 0; i < 40; i++) void store.put(key(i), 'v'.repeat(40))
      await store.flush()
      expect(store.get('nothing')).toBe(undefined)
      const { misses } = store.stats().cache
      for (let i = 0; i < 40; i++) store.get(`${key(i)}x`)
      const needless = store.stats().cache.misses - misses
      expect(bitsPerKey === 0 ? needless > 10 : needless < 10).toBe(true)
      for (let i = 0; i < 40; i++) expect(store.get(key(i))).toBe('v'.repeat(40))
      await store.close()
    }
  })

  it('reports a damaged block with file and offset, and reads the rest', async () => {
    const { store, path, tables } = await make(engine, ROOMY)
    for (let i = 0; i < 200; i++) void store.put(key(i), `value ${i}`)
    await store.close()
    const name = tables()[0] as string
    const bytes = readFileSync(`${path}/${name}`)
    bytes[700] = (bytes[700] as number) ^ 2
    writeFileSync(`${path}/${name}`, bytes)
    const again = await engine.openSmall(path, { settings: ROOMY })
    const outcomes = Array.from({ length: 200 }, (_, i) => codeOf(() => again.get(key(i))) ?? 'fine')
    expect(new Set(outcomes)).toEqual(new Set(['fine', 'CORRUPTION']))
    const error = await errorOfAsync(again.getAsync(key(outcomes.indexOf('CORRUPTION'))))
    expect(error?.message).toMatch(new RegExp(`${name}: the block at offset \\d+ is damaged`))
    expect(codeOf(() => again.getMany(outcomes.map((_, i) => key(i))))).toBe('CORRUPTION')
    expect(await again.verify()).toMatchObject({ ok: false })
    // Writing goes on; only merging what is damaged does not.
    void again.put('new', 'value')
    await again.flush()
    expect(await codeOfAsync(again.compact())).toBe('CORRUPTION')
    expect(again.get('new')).toBe('value')
    await again.close()
  })

  it('removes what a dead owner left behind, and refuses to open without a table', async () => {
    const { store, path, tables } = await make(engine)
    for (let i = 0; i < 100; i++) void store.put(key(i), 'v')
    await store.close()
    const left = [tableName(999), 'stats.json', 'stats.json.new', 'manifest.new']
    for (const name of left) writeFileSync(`${path}/${name}`, '{}')
    const again = await engine.openSmall(path)
    await again.close()
    expect(realDisk.list(path).filter((name) => left.includes(name))).toEqual([])
    const name = tables()[0] as string
    realDisk.unlink(`${path}/${name}`)
    const error = await errorOfAsync(engine.openSmall(path))
    expect([error?.code, error?.message.includes(name)]).toEqual(['CORRUPTION', true])
  })

  it('opened for reading shows everything and changes nothing', async () => {
    const { store, path } = await make(engine)
    for (let i = 0; i < 100; i++) void store.put(key(i), 'v')
    await store.close()
    const files = (): string[] => realDisk.list(path).filter((name) => !name.startsWith('LOCK'))
    const before = files()
    const reader = await engine.openSmall(path, { readOnly: true })
    expect([...reader.range()]).toHaveLength(100)
    for (const refused of [() => reader.put('a', 'b'), () => reader.increment('a')])
      expect(codeOf(() => void refused())).toBe('READ_ONLY')
    for (const refused of [
      reader.flush(),
      reader.backup(`${path}-copy`),
      reader.ingest([['a', 'b']]),
      reader.compact(),
    ])
      expect(await codeOfAsync(refused)).toBe('READ_ONLY')
    expect(files()).toEqual(before)
    await reader.close()
  })
})

describe.each(LSM_ENGINES)('a backup by the $name engine', (engine) => {
  it('opens as a store of its own, while the other one goes its way', async () => {
    const { store, path } = await make(engine)
    for (let i = 0; i < 200; i++) void store.put(key(i), `value ${i}`)
    void store.tree('other').put('o', 'x')
    await store.ingest([['z', 'ingested']])
    const position = store.position
    const work: Promise<unknown>[] = [store.backup(`${path}-copy`)]
    for (let i = 0; i < 200; i++) work.push(store.put(key(i), 'changed meanwhile'))
    await Promise.all(work)
    for (const other of LSM_ENGINES) {
      const copy = await other.openSmall(`${path}-copy`)
      const changed = copy.position - position // what was written during it is in it up to some moment
      expect(changed).toBeGreaterThanOrEqual(0)
      expect([...copy.range()]).toEqual([
        ...Array.from({ length: 200 }, (_, i) => [key(i), i < changed ? 'changed meanwhile' : `value ${i}`]),
        ['z', 'ingested'],
      ])
      expect([copy.tree('other').get('o'), await copy.verify()]).toMatchObject(['x', { ok: true }])
      await copy.close()
    }
    const copy = await engine.openSmall(`${path}-copy`)
    await copy.clear()
    await copy.put('only', 'here')
    await copy.compact()
    await store.compact()
    expect([store.get(key(7)), store.get('only')]).toEqual(['changed meanwhile', undefined])
    expect([[...copy.range()], await store.verify()]).toMatchObject([[['only', 'here']], { ok: true }])
    await copy.close()
    await store.close()
  })

  it('is made of hard links', async () => {
    const { store, path, tables } = await make(engine, ROOMY)
    for (let i = 0; i < 500; i++) void store.put(key(i), 'v'.repeat(60))
    await store.backup(`${path}-copy`)
    expect([tables().length > 0, realDisk.list(`${path}-copy`).filter((name) => name.endsWith('.sst'))]).toEqual([
      true,
      tables(),
    ])
    await store.close()
  })

  it('needs a place that is free, and a store that is open', async () => {
    const { store, path } = await make(engine)
    await store.put('k', 'v')
    expect(await codeOfAsync(store.backup(path))).toBe('ALREADY_EXISTS')
    for (const wrong of ['', 'a\0b', 7, undefined])
      expect(await codeOfAsync(store.backup(wrong as string))).toBe('INVALID_INPUT')
    expect(await codeOfAsync(store.backup(`${path}/no/such/place`))).toBe('NOT_FOUND')
    const closing = codeOfAsync(store.backup(`${path}-copy`))
    await store.close()
    expect([await closing, realDisk.kind(`${path}-copy`)]).toEqual(['CLOSED', undefined])
    expect(await codeOfAsync(store.backup(`${path}-copy`))).toBe('CLOSED')
  })
})

describe.each(LSM_ENGINES)('ingesting with the $name engine', (engine) => {
  it('puts entries over what the tree holds, in tables that memory never held', async () => {
    const { store } = await make(engine, ROOMY)
    for (let i = 0; i < 100; i += 3) void store.put(key(i), 'old')
    await store.flush()
    void store.put(key(1), 'in memory')
    void store.clear({ gte: key(40), lt: key(60) })
    expect(await store.ingest(entries(100))).toBe(100)
    expect([...store.range()]).toEqual([...entries(100)])
    expect([...store.range({ reverse: true })]).toEqual([...entries(100)].toReversed())
    expect([store.get(key(1)), await store.getAsync(key(50))]).toEqual(['value 1', 'value 50'])
    expect(store.stats()).toMatchObject({ memtable: { entries: 0 }, flushedPosition: store.position })
    void store.put(key(1), 'newer')
    void store.delete(key(2))
    void store.increment(key(3), 5)
    expect([1, 2, 3].map((i) => store.get(key(i)))).toEqual(['newer', undefined, '5'])
    await store.compact()
    expect([1, 2, 3, 4].map((i) => store.get(key(i)))).toEqual(['newer', undefined, '5', 'value 4'])
    expect(await store.verify()).toMatchObject({ ok: true, problems: [] })
    await store.close()
  })

  it('shows nothing before all of it, and all of it at once, also to async walks and snapshots', async () => {
    const { store } = await make(engine)
    await store.put('k', 'before')
    const snapshot = store.snapshot()
    const seen = new Set<number>()
    async function* slowly(): AsyncGenerator<[string, string]> {
      for (const entry of entries(300)) {
        yield entry
        await Promise.resolve()
        seen.add([...store.range()].length)
      }
    }
    const done = store.ingest(slowly())
    const walk = store.range()[Symbol.asyncIterator]()
    await walk.next()
    await done
    expect([seen, [...store.range()].length, [...snapshot.range()].length]).toEqual([new Set([1]), 301, 1])
    expect((await walk.next()).done).toBe(true)
    snapshot.close()
    await store.close()
  })

  it('is there after reopening, with either engine', async () => {
    const { store, path } = await make(engine)
    await store.put(key(5), 'old')
    await store.ingest(entries(20))
    await store.put(key(6), 'new')
    await store.close()
    const expected = Array.from(entries(20), ([name, value]) => [name, name === key(6) ? 'new' : value])
    for (const other of LSM_ENGINES) {
      const again = await other.openSmall(path)
      expect([[...again.range()], await again.verify()]).toMatchObject([expected, { ok: true }])
      await again.compact()
      expect([...again.range()]).toEqual(expected)
      await again.close()
    }
  })

  it('makes the tree, and leaves the others alone', async () => {
    const { store } = await make(engine)
    await store.put(key(1), 'mine')
    expect(await store.tree('other').ingest(entries(3))).toBe(3)
    expect([store.treeNames(), [...store.range()]]).toEqual([['other'], [[key(1), 'mine']]])
    expect(await store.tree('empty').ingest([])).toBe(0)
    expect(store.treeNames()).toEqual(['empty', 'other'])
    await store.dropTree('other')
    expect([...store.tree('other').range()]).toEqual([])
    await store.close()
  })

  it('refuses what does not rise and what is no entries, and leaves nothing', async () => {
    const { store, tables } = await make(engine, ROOMY)
    await store.put('k', 'v')
    const error = await errorOfAsync(store.ingest([...entries(5), [key(3), 'x']]))
    expect([error?.code, error?.message.includes('entry 6')]).toEqual(['INVALID_INPUT', true])
    for (const wrong of [
      undefined,
      null,
      'text',
      7,
      {},
      [1],
      [['k']],
      [['k', 1]],
      [[1, 'v']],
      [['k'.repeat(3000), 'v']],
    ])
      expect([wrong, await codeOfAsync(store.ingest(wrong as never))]).toEqual([wrong, 'INVALID_INPUT'])
    expect([[...store.range()], tables()]).toEqual([[['k', 'v']], []])
    await store.close()
  })

  it('is a conflict with dropping the tree, and a change to transactions that read it', async () => {
    const { store, tables } = await make(engine, ROOMY)
    const tree = store.tree('t')
    async function* dropping(): AsyncGenerator<[string, string]> {
      yield ['a', '1']
      await store.dropTree('t')
    }
    expect(await codeOfAsync(tree.ingest(dropping()))).toBe('CONFLICT')
    expect([[...tree.range()], tables()]).toEqual([[], []])
    const run = store.transaction(async (tx) => {
      tx.get('a')
      await store.ingest([['a', '1']])
      tx.put('b', '2')
    })
    expect(await codeOfAsync(run)).toBe('CONFLICT')
    await store.close()
  })

  it('ends when the store is closed, without a trace', async () => {
    const { store, tables } = await make(engine)
    let isClosed: Promise<void> | undefined
    async function* endless(): AsyncGenerator<[string, string]> {
      for (let i = 0; ; i++) {
        if (i === 2000) isClosed = store.close()
        yield [`key ${String(i).padStart(9, '0')}`, 'v'.repeat(100)]
      }
    }
    expect(await codeOfAsync(store.ingest(endless()))).toBe('CLOSED')
    await isClosed
    expect(tables()).toEqual([])
  })

  it('that was not waited for is there when the store was closed', async () => {
    const { store, path } = await make(engine)
    void store.put(key(3), 'before')
    const ingested = store.ingest(entries(50))
    await until(() => store.get(key(3)) === 'value 3')
    void store.put(key(4), 'after')
    await store.close()
    await ingested
    const again = await engine.openSmall(path)
    expect([...again.range()]).toEqual(
      Array.from(entries(50), ([name, value]) => [name, name === key(4) ? 'after' : value]),
    )
    await again.close()
  })

  it('with others waiting comes in their order', async () => {
    const { store } = await make(engine, { memtableBytes: 1024 })
    const all: Promise<unknown>[] = []
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 10; i++) all.push(store.put(key(i), `put ${round}`))
      all.push(store.ingest([[key(round), `ingested ${round}`]]))
    }
    await Promise.all(all)
    expect(store.get(key(9))).toBe('put 5')
    await store.compact()
    expect(store.get(key(9))).toBe('put 5')
    expect([...store.range()].length).toBe(10)
    await store.close()
  })
})

describe.each(LSM_ENGINES)('events of the $name engine', (engine) => {
  it('tell of flushes, merges and stalls', async () => {
    const { store } = await make(engine, { memtableBytes: 1024, level0Tables: 2, levelBytes: 2048 })
    const seen = { flush: 0, compaction: 0, stall: 0 }
    store.on('flush', ({ level, bytes, milliseconds }) => {
      expect([level, bytes > 0, milliseconds >= 0]).toEqual([0, true, true])
      seen.flush++
    })
    store.on('compaction', ({ kind, level, inputBytes, bytes, milliseconds }) => {
      expect([kind !== 'drop', level > 0, inputBytes > 0, bytes > 0, milliseconds >= 0]).not.toContain(false)
      seen.compaction++
    })
    store.on('stall', ({ bytes, milliseconds }) => {
      expect([bytes > 1024, milliseconds >= 0]).toEqual([true, true])
      seen.stall++
    })
    await Promise.all(Array.from({ length: 1500 }, (_, i) => store.put(key(i % 300), 'v'.repeat(50))))
    await store.compact()
    await until(() => {
      const { flushes, compactions, stalls } = store.stats()
      return seen.flush === flushes && seen.compaction === compactions && seen.stall === stalls.count
    })
    expect(Math.min(seen.flush, seen.compaction, seen.stall)).toBeGreaterThan(0)
    await store.close()
  })

  it('are told before whoever asked for the work goes on, until nobody listens', async () => {
    const { store } = await make(engine, { ...ROOMY, tableBytes: 1000 })
    for (let i = 0; i < 400; i++) void store.put(key(i), 'v'.repeat(30))
    await store.compact()
    const written: number[] = []
    const stop = store.on('compaction', ({ bytes }) => void written.push(bytes))
    await store.put(key(7), 'new')
    await store.compact({ gte: key(7), lt: key(8) })
    expect([written.length, (written[0] ?? 0) < 5000, store.stats().tableBytes > 15_000]).toEqual([1, true, true])
    await store.compact({ gte: 'x' })
    await store.compact({ gte: 'b', lt: 'a' })
    expect(written.length).toBe(1)
    stop()
    await store.compact()
    expect(written.length).toBe(1)
    expect(codeOf(() => void store.on('merge' as never, () => {}))).toBe('INVALID_INPUT')
    expect(await codeOfAsync(store.compact({ limit: 1 } as never))).toBe('INVALID_INPUT')
    await store.close()
  })

  it('are figures for onlookers too, in stats.json while the store is open', async () => {
    const { path } = placeForLsm()
    const store = await engine.open(path, { create: true })
    await store.put('k', 'v')
    await store.flush()
    const figures = JSON.parse(readFileSync(`${path}/stats.json`, 'utf8'))
    expect(figures).toMatchObject({ engine: engine.name, tables: 1, flushes: 1, position: store.position })
    await store.close()
    expect(realDisk.kind(`${path}/stats.json`)).toBe(undefined)
    const reader = await engine.open(path, { readOnly: true })
    expect(realDisk.kind(`${path}/stats.json`)).toBe(undefined)
    await reader.close()
  })
})

async function make(
  engine: LsmEngineUnderTest,
  settings: Partial<StoreSettings> = {},
): Promise<{ store: Lsm; path: string; tables: () => string[] }> {
  const { path, tables } = placeForLsm()
  return { store: await engine.openSmall(path, { settings }), path, tables }
}

function entriesOf(store: Lsm): number {
  return store.stats().levels.reduce((sum, { entries: all }) => sum + all, 0)
}

function* entries(count: number): Generator<[string, string]> {
  for (let i = 0; i < count; i++) yield [key(i), `value ${i}`]
}

function key(i: number): string {
  return `key ${String(i).padStart(4, '0')}`
}
