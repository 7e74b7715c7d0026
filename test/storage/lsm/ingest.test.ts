// Sorted entries that become tables beside the store's own work, and part of it at one instant.
import { describe, expect, it } from 'vitest'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { codeOfAsync, errorOfAsync } from '../../support/errors.ts'
import { type Opened, openStore, SMALL, STORE_PATH, type StoreSettings } from '../../support/lsm-crash/store.ts'

describe('ingesting', () => {
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
