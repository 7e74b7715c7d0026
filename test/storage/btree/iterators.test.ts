import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BTree } from '../../../ts/storage/btree/index.ts'
import { codeOf, codeOfAsync } from '../../support/errors.ts'
import { BEDS, type StoreBed } from '../../support/store-bed.ts'

describe.each(BEDS)('walks (the $name engine)', ({ make, itSteersTheDisk }) => {
  let bed: StoreBed
  let store: BTree

  beforeEach(async () => {
    bed = make()
    store = await bed.open({ create: true })
  })
  afterEach(async () => {
    await store.close()
    bed.assertIdle()
    bed.remove()
  })

  const keyOf = (i: number): string => `key ${String(i).padStart(4, '0')}`
  const padded = (i: number): string => String(i).padEnd(40, '.')

  async function countAsync(from: BTree): Promise<number> {
    let count = 0
    for await (const _ of from.range()) count++
    return count
  }

  async function fill(from: number, to: number, step = 1): Promise<void> {
    for (let i = from; i < to; i += step) store.put(keyOf(i), padded(i))
    await store.flushed()
  }

  /** Far more than the cache holds, in pages that are not in it. */
  async function fillBeyondCache(): Promise<void> {
    await fill(0, 1000)
    await store.checkpoint()
    expect(store.stats().cache.capacityPages).toBeLessThan(store.stats().usedPages / 5)
  }

  describe('a walk over a tree', () => {
    /** What turns the tree of 60 keys, 4 apart, into one of another shape. */
    const changes: [string, () => Promise<void>][] = [
      ['splits', () => fill(0, 240)],
      ['grows by levels', () => fill(0, 2400)],
      [
        'merges',
        async () => {
          for (let i = 0; i < 240; i += 4) if (i % 40 !== 0) store.delete(keyOf(i))
        },
      ],
      ['is emptied', () => store.clear()],
      [
        'is emptied and filled by others',
        async () => {
          await store.clear()
          await fill(1, 240, 3)
        },
      ],
      ['is compacted', () => store.compact()],
      [
        'is written to the disk, changed and written again',
        async () => {
          for (let round = 0; round < 3; round++) {
            await fill(0, 240, 4)
            await store.checkpoint()
          }
        },
      ],
    ]

    it.each(changes)('that %s under it goes on as if nothing had happened, from any place', async (_what, change) => {
      await fill(0, 240, 4)
      const expected = [...store.range()]
      const walks = expected.map((_, steps) => {
        const up = store.range()[Symbol.iterator]()
        const down = store.range({ reverse: true })[Symbol.asyncIterator]()
        const seen = [0, 0]
        const step = async (): Promise<boolean> => {
          const [next, nextDown] = [up.next(), await down.next()]
          if (!next.done) expect(next.value).toEqual(expected[seen[0]!++])
          if (!nextDown.done) expect(nextDown.value).toEqual(expected[expected.length - ++seen[1]!])
          return !(next.done && nextDown.done)
        }
        return { steps, seen, step }
      })
      for (const { steps, step } of walks) for (let i = 0; i < steps; i++) await step()
      await change()
      for (const { seen, step } of walks) {
        while (await step());
        expect(seen).toEqual([expected.length, expected.length])
      }
      expect(store.stats().snapshots.open).toBe(0)
      expect((await store.verify()).problems).toEqual([])
    })

    it('that is dropped and made anew under it goes on', async () => {
      const tree = store.tree('t')
      for (let i = 0; i < 200; i++) tree.put(keyOf(i), padded(i))
      const walk = tree.range()[Symbol.iterator]()
      for (let i = 0; i < 50; i++) walk.next()
      await store.dropTree('t')
      await tree.put('another', 'life')
      for (let i = 50; i < 200; i++) expect(walk.next().value).toEqual([keyOf(i), padded(i)])
      expect(walk.next().done).toBe(true)
      expect([...tree.range()]).toEqual([['another', 'life']])
    })

    it('that does not exist is empty, also when it comes to exist meanwhile', () => {
      const walk = store.tree('t').range()[Symbol.iterator]()
      store.tree('t').put('a', 'b')
      expect(walk.next().done).toBe(true)
    })

    it('shows long values that were replaced or deleted since', async () => {
      const long = (i: number): string => `${i} `.repeat(2000)
      for (let i = 0; i < 10; i++) store.put(keyOf(i), long(i))
      await store.checkpoint()
      const walk = store.range()[Symbol.iterator]()
      const asyncWalk = store.range()[Symbol.asyncIterator]()
      await store.clear({ gte: keyOf(5) })
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 5; i++) store.put(keyOf(i), 'another '.repeat(500 + round))
        await store.checkpoint()
      }
      for (let i = 0; i < 10; i++) {
        expect(walk.next().value).toEqual([keyOf(i), long(i)])
        expect((await asyncWalk.next()).value).toEqual([keyOf(i), long(i)])
      }
      expect([walk.next().done, (await asyncWalk.next()).done]).toEqual([true, true])
    })
  })

  describe('for await', () => {
    it('reads pages without blocking, many walks at the same time', async () => {
      await fillBeyondCache()
      const { misses } = store.stats().cache
      const countFrom = async (start: number): Promise<number> => {
        let count = start
        for await (const [key, value] of store.range({ gte: keyOf(start) })) {
          expect([key, value]).toEqual([keyOf(count), padded(count)])
          count++
        }
        return count
      }
      expect(await Promise.all([0, 100, 500, 900, 990, 1000].map(countFrom))).toEqual(Array(6).fill(1000))
      expect(store.stats().cache.misses).toBeGreaterThan(misses + 100)
    })

    it('keeps to the bound of the cache', async () => {
      await fillBeyondCache()
      for await (const _ of store.range()) {
        const { residentPages, capacityPages } = store.stats().cache
        expect(residentPages).toBeLessThanOrEqual(capacityPages + 2)
      }
    })

    it('lets others work between its pages', async () => {
      await fillBeyondCache()
      let turns = 0
      let walking = true
      const others = (async () => {
        for (; walking; turns++) await new Promise((resolve) => setImmediate(resolve))
      })()
      for await (const _ of store.range());
      walking = false
      await others
      expect(turns).toBeGreaterThan(0)
    })
  })

  const refusal = { operation: 'read', path: /data$/, nth: 1, error: 'EIO' } as const

  itSteersTheDisk('a read that the disk refuses ends a walk with an error, and harms nothing else', async () => {
    const { disk } = bed
    await fillBeyondCache()
    for (const walkAll of [() => [...store.range()], () => [...store.scan()], () => store.get(keyOf(500))]) {
      const fault = disk.failAt(refusal)
      expect([codeOf(walkAll), fault.applied]).toEqual(['IO', 1])
      expect(store.stats().snapshots.open).toBe(0)
    }
    const fault = disk.failAt(refusal)
    expect(await codeOfAsync(countAsync(store))).toBe('IO')
    expect(await codeOfAsync(store.getAsync(keyOf(1)))).toBe(undefined)
    expect([fault.applied, store.stats().snapshots.open]).toEqual([1, 0])
    expect([...store.range()].length).toBe(1000)
    await store.put('still', 'works')
  })

  itSteersTheDisk('a read that the disk refuses ends it for good', async () => {
    const { disk } = bed
    await fillBeyondCache()
    const walk = store.range()[Symbol.iterator]()
    disk.failAt(refusal)
    expect(
      codeOf(() => {
        while (!walk.next().done);
      }),
    ).toBe('IO')
    expect(walk.next()).toEqual({ done: true, value: undefined })
    const asyncWalk = store.range()[Symbol.asyncIterator]()
    disk.failAt(refusal)
    const drain = async (): Promise<void> => {
      while (!(await asyncWalk.next()).done);
    }
    expect(await codeOfAsync(drain())).toBe('IO')
    expect(await asyncWalk.next()).toEqual({ done: true, value: undefined })
  })

  describe('a walk that is in the middle of reading', () => {
    it('ends with CLOSED when the store is closed', async () => {
      await fillBeyondCache()
      const walk = store.range()[Symbol.asyncIterator]()
      await walk.next()
      const answers = Array.from({ length: 100 }, () => walk.next())
      const reads = [1, 400, 800].map((i) => store.getAsync(keyOf(i)))
      await store.close()
      const ends = await Promise.all([...answers, ...reads].map((answer) => codeOfAsync(answer)))
      // What was at hand before may still be answered; the rest ends, and nothing hangs.
      expect(ends.filter((code) => code !== undefined && code !== 'CLOSED')).toEqual([])
      expect(ends).toContain('CLOSED')
      bed.assertIdle()
    })
  })

  describe('walks that nobody finished', () => {
    it('give back their snapshots once they are garbage', async () => {
      await fill(0, 2000) // more than a walk reads at once
      setFlagsFromString('--expose-gc')
      const collectGarbage = runInNewContext('gc') as () => void
      const forget = async (): Promise<void> => {
        store.range()[Symbol.iterator]().next()
        store.range()[Symbol.iterator]()
        await store.range()[Symbol.asyncIterator]().next()
        store.scan().next()
        store.scan()
      }
      await forget()
      expect(store.stats().snapshots.open).toBe(5)
      // When the engine runs finalizers is its own affair: each turn gives it a chance.
      for (let turn = 0; turn < 500 && store.stats().snapshots.open > 0; turn++) {
        collectGarbage()
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(store.stats().snapshots.open).toBe(0)
    })
  })
})
