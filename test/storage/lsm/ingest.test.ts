// Sorted entries that become tables beside the store's own work, and part of it at one instant.
import { describe, expect, it } from 'vitest'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { codeOf, codeOfAsync, errorOfAsync } from '../../support/errors.ts'
import { type Opened, openStore, SMALL, STORE_PATH, type StoreSettings } from '../../support/lsm-crash/store.ts'

describe('ingesting', () => {
  it('puts entries over what the tree holds, in tables that memory never held', async () => {
    const { store } = await make()
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
    const { store } = await make()
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

  it('is there after reopening, with the sequence that the manifest gives it', async () => {
    const { store, disk } = await make()
    await store.put(key(5), 'old')
    await store.ingest(entries(20))
    await store.put(key(6), 'new')
    const image = disk.currentImage()
    await store.close()
    for (const each of [disk, new SimulatedDisk({ image })]) {
      const again = await openStore(each)
      const expected = Array.from(entries(20), ([name, value]) => [name, name === key(6) ? 'new' : value])
      expect([...again.store.range()]).toEqual(expected)
      expect(await again.store.verify()).toMatchObject({ ok: true })
      await again.store.compact()
      expect([...again.store.range()]).toEqual(expected)
      await again.store.close()
    }
  })

  it('makes the tree, and leaves the others alone', async () => {
    const { store } = await make()
    await store.put(key(1), 'mine')
    expect(await store.tree('other').ingest(entries(3))).toBe(3)
    expect([store.treeNames(), [...store.range()]]).toEqual([['other'], [[key(1), 'mine']]])
    expect(await store.tree('empty').ingest([])).toBe(0)
    expect(store.treeNames()).toEqual(['empty', 'other'])
    await store.dropTree('other')
    expect([...store.tree('other').range()]).toEqual([])
    await store.close()
  })

  it.each<[string, readonly (readonly [string, string])[], string]>([
    ['unsorted', [...entries(5), [key(3), 'x']], 'entry 6'],
    [
      'the same twice',
      [
        [key(1), 'x'],
        [key(1), 'y'],
      ],
      'entry 2',
    ],
  ])('refuses what is %s, says where, and leaves nothing', async (_, bad, where) => {
    const { store, disk } = await make()
    await store.put('k', 'v')
    const error = await errorOfAsync(store.ingest(bad))
    expect([error?.code, error?.message.includes(where)]).toEqual(['INVALID_INPUT', true])
    expect([...store.range()]).toEqual([['k', 'v']])
    expect(disk.list(STORE_PATH).filter((name) => name.endsWith('.sst'))).toEqual([])
    await store.close()
  })

  it('refuses what is no entries', async () => {
    const { store } = await make()
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
    await store.close()
  })

  it('passes on what the entries throw, and tells them when no more are needed', async () => {
    const { store } = await make()
    let ended = 0
    function* failing(): Generator<[string, string]> {
      try {
        yield ['a', '1']
        throw new Error('no more')
      } finally {
        ended++
      }
    }
    function* wrong(): Generator<[string, string]> {
      try {
        yield ['b', '1']
        yield ['a', '1']
        yield ['c', '1']
      } finally {
        ended++
      }
    }
    await expect(store.ingest(failing())).rejects.toThrow('no more')
    expect(await codeOfAsync(store.ingest(wrong()))).toBe('INVALID_INPUT')
    expect([ended, [...store.range()]]).toEqual([2, []])
    await store.close()
  })

  it('is a conflict with dropping the tree, and a change to transactions that read it', async () => {
    const { store } = await make()
    const tree = store.tree('t')
    async function* dropping(): AsyncGenerator<[string, string]> {
      yield ['a', '1']
      await store.dropTree('t')
    }
    expect(await codeOfAsync(tree.ingest(dropping()))).toBe('CONFLICT')
    expect([...tree.range()]).toEqual([])
    const run = store.transaction(async (tx) => {
      tx.get('a')
      await store.ingest([['a', '1']])
      tx.put('b', '2')
    })
    expect(await codeOfAsync(run)).toBe('CONFLICT')
    await store.close()
  })

  it('ends when the store is closed, without a trace', async () => {
    const { store, disk } = await make()
    let isClosed: Promise<void> | undefined
    async function* endless(): AsyncGenerator<[string, string]> {
      for (let i = 0; ; i++) {
        if (i === 2000) isClosed = store.close()
        yield [`key ${String(i).padStart(9, '0')}`, 'v'.repeat(100)]
      }
    }
    expect(await codeOfAsync(store.ingest(endless()))).toBe('CLOSED')
    await isClosed
    expect([disk.openHandles, disk.heldLocks]).toEqual([0, 0])
    expect(disk.list(STORE_PATH).filter((name) => name.endsWith('.sst'))).toEqual([])
  })

  it('on a full disk is refused, and nothing of it is left', async () => {
    const disk = new SimulatedDisk({ capacityBytes: 150_000 })
    const { store } = await openStore(disk, SMALL, { create: true })
    await store.put('k', 'v')
    const before = disk.list(STORE_PATH)
    expect(await codeOfAsync(store.ingest(entries(100_000)))).toBe('DISK_FULL')
    expect([disk.list(STORE_PATH), [...store.range()]]).toEqual([before, [['k', 'v']]])
    await store.put('l', 'w')
    await store.close()
  })

  it('with others waiting comes in their order', async () => {
    const { store } = await make({ memtableBytes: 1024 })
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

describe('compacting a range', () => {
  it.each(['leveled', 'tiered'] as const)('of a %s store leaves nothing deleted there', async (style) => {
    const { store } = await make({ plan: { style, ttlMs: 0, maxBytes: 0 }, level0Tables: 100, levelBytes: 100_000 })
    await store.tree('other').put('o', 'x')
    for (let round = 0; round < 4; round++) {
      for (let i = 25 * round; i < 25 * round + 40; i++) void store.put(key(i), `${round} ${'v'.repeat(30)}`)
      await store.flush()
    }
    const content = [...store.range()]
    void store.clear({ lt: key(30) })
    await store.compact({ lt: key(30) })
    expect([...store.range()]).toEqual(content.slice(30))
    await store.compact({ prefix: 'key 00' })
    expect(await store.verify()).toMatchObject({ ok: true })
    expect([...store.range()]).toEqual(content.slice(30))
    const count = store.stats().levels.reduce((sum, { entries: all }) => sum + all, 0)
    expect(count).toBe(content.length - 30 + 1)
    await store.close()
  })

  it('reads no more than it must', async () => {
    const { store } = await make({ level0Tables: 100, levelBytes: 100_000, tableBytes: 1000 })
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
})

describe('events', () => {
  it('tell of flushes, merges and stalls', async () => {
    const { store } = await make({ memtableBytes: 1024, level0Tables: 2, levelBytes: 2048 })
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
    await Promise.all(Array.from({ length: 300 }, (_, i) => store.put(key(i), 'v'.repeat(50))))
    await store.compact()
    const { flushes, compactions, stalls } = store.stats()
    expect(seen).toEqual({ flush: flushes, compaction: compactions, stall: stalls.count })
    expect(stalls.count).toBeGreaterThan(0)
    await store.close()
  })
})

async function make(settings: Partial<StoreSettings> = {}): Promise<Opened & { disk: SimulatedDisk }> {
  const disk = new SimulatedDisk()
  return { ...(await openStore(disk, { ...SMALL, memtableBytes: 100_000, ...settings }, { create: true })), disk }
}

function* entries(count: number): Generator<[string, string]> {
  for (let i = 0; i < count; i++) yield [key(i), `value ${i}`]
}

function key(i: number): string {
  return `key ${String(i).padStart(4, '0')}`
}
