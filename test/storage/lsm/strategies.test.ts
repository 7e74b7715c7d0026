import { describe, expect, it } from 'vitest'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { openLsm } from '../../../ts/storage/lsm/index.ts'
import { codeOfAsync } from '../../support/errors.ts'
import { type Opened, openStore, SMALL, type StoreSettings } from '../../support/lsm-crash/store.ts'

const DAY_MS = 24 * 3_600_000

describe('a leveled store', () => {
  it.each([
    ['rising', (i: number) => String(i).padStart(4, '0')],
    ['falling', (i: number) => String(9999 - i)],
  ])('that is opened for each of many writes has few tables, when their keys are %s', async (_, keyOf) => {
    const disk = new SimulatedDisk()
    const settings = { ...SMALL, levelBytes: 1 << 20, tableBytes: 1 << 17 }
    await openStore(disk, settings, { create: true }).then(({ store }) => store.close())
    for (let i = 0; i < 120; i++) {
      const { store, engine } = await openStore(disk, settings)
      await store.put(keyOf(i), 'value')
      await engine.background.settled()
      await store.close()
    }
    const { store } = await openStore(disk, settings)
    expect(store.stats().tables).toBeLessThanOrEqual(SMALL.level0Tables + 1)
    expect([...store.range()].length).toBe(120)
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })
})

describe('a tiered store', () => {
  it('merges tables of one size, keeps all in level 0, and shows what a leveled one shows', async () => {
    const { store } = await make({ plan: { style: 'tiered', ttlMs: 0, maxBytes: 0 }, level0Tables: 3 })
    const expected = new Map<string, string>()
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 20; i++) {
        const key = `key ${(round * 7 + i * 13) % 90}`
        void store.put(key, `${round} ${i}`)
        expected.set(key, `${round} ${i}`)
      }
      void store.delete(`key ${round}`)
      expected.delete(`key ${round}`)
      await store.flush()
      await turns()
    }
    const { levels, compactions } = store.stats()
    expect(levels.map(({ level }) => level)).toEqual([0])
    expect([compactions > 3, (levels[0]?.tables ?? 0) < 12]).toEqual([true, true])
    expect(new Map(store.range())).toEqual(expected)
    await store.compact()
    expect(store.stats().levels).toMatchObject([{ level: 0, tables: 1, entries: expected.size }])
    expect(new Map(store.range())).toEqual(expected)
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })
})

describe('a FIFO store', () => {
  it('drops the oldest tables beyond its bytes, and never the newest', async () => {
    const { store } = await make({ plan: { style: 'fifo', ttlMs: 0, maxBytes: 5000 } })
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 10; i++) void store.put(`${String(round).padStart(2, '0')} ${i}`, 'v'.repeat(60))
      await store.flush()
      await turns()
    }
    const keys = Array.from(store.range(), ([key]) => key)
    expect(store.stats().tableBytes).toBeLessThanOrEqual(5000)
    expect([keys.at(-1), keys.includes('00 0'), keys.length % 10]).toEqual(['19 9', false, 0])
    await store.close()
  })

  it('drops a table once it is too old, by itself', async () => {
    const { store, clock } = await make({ plan: { style: 'fifo', ttlMs: DAY_MS, maxBytes: 0 } })
    await put(store, 'first')
    clock.advance(DAY_MS / 2)
    await put(store, 'second')
    await turns() // until it watches
    for (const [left, afterMs] of [
      [['first', 'second'], DAY_MS / 2 - 1],
      [['second'], 1],
      [['second'], DAY_MS / 2 - 1],
      [[], 1],
    ] as const) {
      for (let passed = 0; passed < afterMs; passed += 3_600_000) clock.advance(Math.min(3_600_000, afterMs - passed))
      await turns()
      expect(Array.from(store.range(), ([key]) => key)).toEqual(left)
    }
    await store.close()
  })

  it('keeps the time to live over a reopening, and other options with it', async () => {
    const disk = new SimulatedDisk()
    const plan = { style: 'fifo' as const, ttlMs: DAY_MS, maxBytes: 0 }
    const { store } = await openStore(disk, { ...SMALL, plan }, { create: true })
    await put(store, 'first')
    await store.close()
    const again = await openStore(disk, SMALL) // which asks for a leveled one
    again.clock.advance(DAY_MS)
    await again.store.compact()
    expect([...again.store.range()]).toEqual([])
    await again.store.close()
  })

  it('does not keep for ever what was written while the clock was ahead', async () => {
    const { store, clock } = await make({ plan: { style: 'fifo', ttlMs: DAY_MS, maxBytes: 0 } })
    clock.advance(1000 * DAY_MS)
    await put(store, 'ahead')
    clock.advance(-1000 * DAY_MS)
    await put(store, 'now')
    await store.compact()
    expect(Array.from(store.range(), ([key]) => key)).toEqual(['ahead', 'now'])
    clock.advance(DAY_MS)
    await store.compact()
    expect([...store.range()]).toEqual([])
    await store.close()
  })
})

describe('opening', () => {
  it.each([
    { memtableBytes: 1000 },
    { memtableBytes: 1e6 + 0.5 },
    { memoryBytes: 1024 * 1024 - 1 },
    { memoryBytes: 1024 * 1024, memtableBytes: 512 * 1024 },
    { maxOpenFiles: 15 },
    { cacheBytes: 1024 },
    { bitsPerKey: 65 },
    { compression: 'zip' },
    { compaction: 'universal' },
    { ttlMs: 1000 },
    { compaction: 'tiered', maxBytes: 1 },
    { compaction: 'fifo', ttlMs: 2 ** 48 },
    { durability: 'never' },
    { create: true, readOnly: true },
    { pageSizeBytes: 4096 },
  ])('refuses %j', async (options) => {
    expect(await codeOfAsync(openLsm('/nowhere', options as object))).toBe('INVALID_INPUT')
  })

  it('refuses what is no path, and finds no store where there is none', async () => {
    expect(await codeOfAsync(openLsm(''))).toBe('INVALID_INPUT')
    expect(await codeOfAsync(openLsm('/nowhere/at/all'))).toBe('NOT_FOUND')
  })
})

function make(settings: Partial<StoreSettings>): Promise<Opened> {
  return openStore(new SimulatedDisk(), { ...SMALL, memtableBytes: 100_000, ...settings }, { create: true })
}

async function put(store: Opened['store'], key: string): Promise<void> {
  void store.put(key, 'value')
  await store.flush()
}

/** Lets background work come to its end. */
async function turns(): Promise<void> {
  for (let i = 0; i < 60; i++) await new Promise((resolve) => setImmediate(resolve))
}
