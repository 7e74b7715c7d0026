import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BTree, Snapshot } from '../../../ts/storage/btree/index.ts'
import { SMALL } from '../../support/btree-crash/store.ts'
import { codeOf, codeOfAsync, errorOf } from '../../support/errors.ts'
import { BEDS, type StoreBed } from '../../support/store-bed.ts'

const KEYS = Array.from({ length: 300 }, (_, i) => `key ${String(i).padStart(3, '0')}`)

describe.each(BEDS)('snapshots (the $name engine)', ({ make, itSteersTheDisk }) => {
  let bed: StoreBed

  beforeEach(() => {
    bed = make()
  })
  afterEach(() => {
    bed.assertIdle()
    bed.remove()
  })

  async function makeStore(): Promise<{ store: BTree }> {
    return { store: await bed.open({ create: true }) }
  }

  /** Gives every key a new value, inline and of several pages, in a commit of its own. */
  async function rewrite(store: BTree, round: number): Promise<void> {
    for (const [i, key] of KEYS.entries()) store.put(key, `${round}:`.padEnd(i % 50 === 0 ? 2000 : 40, 'x'))
    await store.flushed()
  }

  /** So that nothing but snapshots holds back pages: after it, both metas mean the current state. */
  async function checkpointTwice(store: BTree): Promise<void> {
    for (let i = 0; i < 2; i++) {
      store.put('checkpoint', String(i))
      await store.checkpoint()
    }
  }

  describe('a snapshot', () => {
    it('shows its moment whatever happens to the store', async () => {
      const { store } = await makeStore()
      const other = store.tree('other')
      await rewrite(store, 1)
      await other.put('a', 'in another tree')
      const snapshot = store.snapshot()
      const expected = [...store.range()]
      const changes: (() => unknown)[] = [
        () => rewrite(store, 2),
        () => store.checkpoint(),
        () => store.dropTree('other'),
        () => store.compact(),
        () => store.clear({ gte: 'key 1' }),
        () => rewrite(store, 3),
        () => store.tree('new').put('a', 'b'),
        () => store.clear(),
        () => checkpointTwice(store),
      ]
      for (const change of changes) {
        await change()
        expect([...snapshot.range()]).toEqual(expected)
        expect(await snapshot.getAsync('key 050')).toBe(expected[50]?.[1])
        expect([snapshot.has('key 299'), snapshot.has('checkpoint')]).toEqual([true, false])
        expect([...snapshot.tree('other').range()]).toEqual([['a', 'in another tree']])
        expect([...snapshot.tree('new').range()]).toEqual([])
      }
      snapshot.close()
      await store.close()
    })

    it('says at which position it was taken', async () => {
      const { store } = await makeStore()
      const before = store.snapshot()
      await store.put('a', 'b')
      const after = store.snapshot()
      expect([before.position, after.position]).toEqual([0, 1])
      expect([before.get('a'), after.get('a')]).toEqual([undefined, 'b'])
      await store.close()
    })

    it('keeps its pages from being used again, and gives them back when it is closed', async () => {
      const { store } = await makeStore()
      await rewrite(store, 1)
      await checkpointTwice(store)
      const live = store.stats().usedPages
      const snapshot = store.snapshot()
      await rewrite(store, 2)
      await checkpointTwice(store)
      const held = store.stats()
      // Everything was written anew, so all that the snapshot shows is there a second time.
      expect(held.retiredPages).toBeGreaterThan(0.9 * live)
      expect((await store.verify()).problems).toEqual([])

      snapshot.close()
      await checkpointTwice(store)
      const given = store.stats()
      expect(given.retiredPages).toBeLessThan(0.1 * live)
      expect(given.freePages).toBeGreaterThan(held.freePages + 0.8 * live)
      await rewrite(store, 3)
      expect(store.stats().pageCount).toBe(given.pageCount)
      await store.close()
    })

    it('holds back the pages of its own moment, not those of every later one', async () => {
      const { store } = await makeStore()
      await rewrite(store, 0)
      await checkpointTwice(store)
      const live = store.stats().usedPages
      const snapshot = store.snapshot()
      const expected = [...snapshot.range()]
      for (let round = 1; round <= 12; round++) {
        await rewrite(store, round)
        await store.checkpoint()
      }
      // The snapshot, the two metas, and what is being written: not one state a round.
      expect(store.stats().pageCount).toBeLessThan(5 * live)
      expect([...snapshot.range()]).toEqual(expected)
      snapshot.close()
      await store.close()
    })

    it('shares its moment with the walks that began on it, which outlive it', async () => {
      const { store } = await makeStore()
      await rewrite(store, 1)
      const snapshot = store.snapshot()
      const walk = snapshot.range({ limit: 100 })[Symbol.iterator]()
      const asyncWalk = snapshot.range({ limit: 100 })[Symbol.asyncIterator]()
      const read = snapshot.getAsync('key 100')
      const blocks = snapshot.scan({ limit: 1 })
      snapshot.close()
      await rewrite(store, 2)
      await checkpointTwice(store)
      // The TypeScript engine counts every holder of the moment, the native one the moment.
      expect(store.stats().snapshots.open).toBe(bed.engine === 'native' ? 1 : 3)
      expect(await read).toMatch(/^1:/)
      for (let i = 0; i < 100; i++) {
        expect(walk.next().value).toEqual([KEYS[i], expect.stringMatching(/^1:/)])
        expect((await asyncWalk.next()).value).toEqual([KEYS[i], expect.stringMatching(/^1:/)])
      }
      expect([walk.next().done, (await asyncWalk.next()).done]).toEqual([true, true])
      expect([...blocks].length).toBe(1)
      expect(store.stats().snapshots.open).toBe(0)
      await store.close()
    })

    it('refuses every use after it was closed, which may be done twice', async () => {
      const { store } = await makeStore()
      await store.put('a', 'b')
      const snapshot = store.snapshot()
      const other = store.snapshot()
      const tree = snapshot.tree('t')
      const range = snapshot.range()
      snapshot.close()
      snapshot.close()
      const calls: (() => unknown)[] = [
        () => snapshot.get('a'),
        () => snapshot.getMany(['a']),
        () => snapshot.has('a'),
        () => [...snapshot.range()],
        () => [...range],
        () => snapshot.scan(),
        () => snapshot.tree('t'),
        () => tree.get('a'),
        () => tree.has('a'),
        () => tree.range()[Symbol.iterator](),
      ]
      expect(calls.map(codeOf)).toEqual(calls.map(() => 'CLOSED'))
      expect(await codeOfAsync(snapshot.getAsync('a'))).toBe('CLOSED')
      expect([other.get('a'), store.stats().snapshots.open]).toEqual(['b', 1])
      await store.close()
    })

    it('is closed by leaving the scope that it was taken for', async () => {
      const { store } = await makeStore()
      const snapshot = store.snapshot()
      snapshot[Symbol.dispose]()
      expect([codeOf(() => snapshot.get('a')), store.stats().snapshots.open]).toEqual(['CLOSED', 0])
      await store.close()
    })

    it('ends with its store, and may be closed after it', async () => {
      const { store } = await makeStore()
      await rewrite(store, 1)
      const snapshot = store.snapshot()
      const tree = snapshot.tree('t')
      const walk = snapshot.range()[Symbol.iterator]()
      walk.next()
      await store.close()
      for (const use of [
        () => snapshot.get('a'),
        () => tree.get('a'),
        () => [...snapshot.range()],
        () => walk.next(),
      ]) {
        expect(codeOf(use)).toBe('CLOSED')
      }
      expect(await codeOfAsync(snapshot.getAsync('a'))).toBe('CLOSED')
      snapshot.close()
    })

    itSteersTheDisk('is counted, with the age of the oldest', async () => {
      const { store } = await makeStore()
      const { clock } = bed
      expect(store.stats().snapshots).toEqual({ open: 0, oldestAgeMs: 0 })
      const old = store.snapshot()
      clock.advance(1000)
      const young = store.snapshot()
      clock.advance(500)
      expect(store.stats().snapshots).toEqual({ open: 2, oldestAgeMs: 1500 })
      old.close()
      expect(store.stats().snapshots).toEqual({ open: 1, oldestAgeMs: 500 })
      young.close()
      await store.close()
    })

    itSteersTheDisk('keeps the file that a compaction replaced until it is closed', async () => {
      const { store } = await makeStore()
      const { disk } = bed
      await rewrite(store, 1)
      const handles = disk.openHandles
      const snapshot = store.snapshot()
      const expected = [...snapshot.range()]
      await store.compact()
      expect(disk.openHandles).toBe(handles + 1)
      expect([...snapshot.range()]).toEqual(expected)
      snapshot.close()
      expect(disk.openHandles).toBe(handles)
      await store.close()
    })

    it('tells misspelt options', async () => {
      const { store } = await makeStore()
      const snapshot = store.snapshot as (options: unknown) => unknown
      expect(errorOf(() => snapshot.call(store, { durabel: true }))).toMatchObject({
        code: 'INVALID_INPUT',
        hint: 'did you mean "durable"?',
      })
      expect(codeOf(() => snapshot.call(store, { durable: 1 }))).toBe('INVALID_INPUT')
      expect(store.stats().snapshots.open).toBe(0)
      await store.close()
    })
  })

  describe('a durable snapshot', () => {
    itSteersTheDisk('is there once everything that it shows is durable', async () => {
      const { store } = await makeStore()
      const { disk } = bed
      await store.put('a', 'before')
      disk.manualSyncs = true
      store.put('a', 'shown')
      let found: Snapshot | undefined
      const taken = store.snapshot({ durable: true }).then((snapshot) => {
        found = snapshot
      })
      store.put('a', 'after')
      await turns(3)
      expect([found, disk.pendingSyncs.length > 0]).toEqual([undefined, true])
      disk.manualSyncs = false
      while (disk.pendingSyncs.length > 0) disk.completeSync()
      await taken
      expect(found?.get('a')).toBe('shown')
      expect(store.durablePosition).toBeGreaterThanOrEqual(found?.position as number)
      await store.close()
    })

    it('makes durable what it shows where writes alone do not', async () => {
      bed.remove()
      bed = make({ ...SMALL, durability: 'memory' })
      const { store } = await makeStore()
      await store.put('a', 'b')
      expect(store.durablePosition).toBe(0)
      const snapshot = await store.snapshot({ durable: true })
      expect([snapshot.position, store.durablePosition]).toEqual([1, 1])
      snapshot.close()
      await store.close()
    })

    itSteersTheDisk('is given back if the disk fails', async () => {
      const { store } = await makeStore()
      const { disk } = bed
      await store.put('a', 'b')
      disk.failAt({ operation: 'sync', nth: 1, error: 'EIO', forever: true })
      const lost = store.put('a', 'c')
      expect(await codeOfAsync(store.snapshot({ durable: true }))).toBe('IO')
      expect(await codeOfAsync(lost)).toBe('IO')
      expect(codeOf(() => store.snapshot())).toBe('IO')
      await store.close()
      expect([disk.openHandles, disk.heldLocks]).toEqual([0, 0])
    })
  })
})

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}
