import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { BTree } from '../../../ts/storage/btree/index.ts'
import { openStore, SMALL, STORE_PATH } from '../../support/btree-crash/store.ts'
import { codeOf, codeOfAsync, errorOfAsync } from '../../support/errors.ts'
import { BEDS, type StoreBed } from '../../support/store-bed.ts'

const keyOf = (i: number): string => `key ${String(i).padStart(4, '0')}`
/** Inline, and now and then of several pages. */
const textOf = (i: number): string => String(i).padEnd(i % 40 === 0 ? 1500 : 30, '.')

function* sorted(count: number, from = 0): Generator<[string, string]> {
  for (let i = from; i < from + count; i++) yield [keyOf(i), textOf(i)]
}

describe.each(BEDS)('work on a whole store (the $name engine)', ({ make, itSteersTheDisk }) => {
  let bed: StoreBed
  let store: BTree

  beforeEach(async () => {
    bed = make()
    store = await bed.open({ create: true })
  })
  afterEach(async () => {
    await store.close()
    bed.remove()
  })

  async function reopen(): Promise<void> {
    store = await bed.open()
  }

  async function closeAll(): Promise<void> {
    await store.close()
    bed.assertIdle()
  }

  async function fill(count: number): Promise<void> {
    for (const [key, value] of sorted(count)) store.put(key, value)
    await store.flushed()
  }

  /** What a power cut leaves that loses everything that was not synced; what closing leaves, where no power can be cut. */
  async function afterPowerCut(): Promise<BTree> {
    if (bed.engine === 'native') {
      await store.close()
      store = await bed.open()
      return store
    }
    const image = bed.disk.crashImage(bed.disk.history.length, 'none', seededRandom(1))
    return (await openStore(new SimulatedDisk({ image }), SMALL)).store
  }

  describe('bulkLoad', () => {
    it('builds a tree that is durable when its promise resolves, and denser than puts make it', async () => {
      expect(await store.bulkLoad(sorted(2000))).toBe(2000)
      expect([...store.range()]).toEqual([...sorted(2000)])
      expect([store.keyCount, store.get(keyOf(1234))]).toEqual([2000, textOf(1234)])
      const report = await store.verify()
      expect(report).toMatchObject({ problems: [], keys: 2000 })
      const rescued = await afterPowerCut()
      expect([...rescued.range()]).toEqual([...sorted(2000)])
      await rescued.clear()
      const inDisorder = [...sorted(2000)].sort(([, a], [, b]) => (a < b ? -1 : 1))
      for (const [key, value] of inDisorder) rescued.put(key, value)
      expect(report.pages.leaf).toBeLessThan(0.8 * (await rescued.verify()).pages.leaf)
      await rescued.close()
      await closeAll()
    })

    it('takes what comes asynchronously, into a named tree, while others write elsewhere', async () => {
      const tree = store.tree('loaded')
      async function* slowly(): AsyncGenerator<[string, string]> {
        for (const entry of sorted(700)) {
          if (entry[0].endsWith('00')) await store.put(entry[0], 'beside')
          yield entry
        }
      }
      expect(await tree.bulkLoad(slowly())).toBe(700)
      expect([tree.keyCount, store.keyCount]).toEqual([700, 7])
      await tree.put(keyOf(5), 'changed')
      await tree.delete(keyOf(6))
      await store.close()
      await reopen()
      expect([...store.tree('loaded').range({ gte: keyOf(4), lte: keyOf(7) })]).toEqual([
        [keyOf(4), textOf(4)],
        [keyOf(5), 'changed'],
        [keyOf(7), textOf(7)],
      ])
      await closeAll()
    })

    it('copies what it is given, so that one buffer may carry all keys and values', async () => {
      const bytes = bed.handle<Uint8Array, Uint8Array>({ keyEncoding: 'buffer', valueEncoding: 'buffer' })
      const [key, value] = [Buffer.alloc(8), Buffer.alloc(30)]
      function* reusing(): Generator<[Uint8Array, Uint8Array]> {
        for (const [nextKey, nextValue] of sorted(500)) {
          key.write(nextKey)
          value.write(nextValue)
          yield [key, value]
        }
      }
      expect(await bytes.bulkLoad(reusing())).toBe(500)
      expect(Array.from(store.range(), ([found]) => found)).toEqual(Array.from(sorted(500), ([wanted]) => wanted))
      await closeAll()
    })

    const refused: [string, unknown[]][] = [
      [
        'a key that is smaller than the one before',
        [
          ['a', ''],
          ['c', ''],
          ['b', ''],
        ],
      ],
      [
        'a key that comes twice',
        [
          ['a', ''],
          ['b', ''],
          ['b', ''],
        ],
      ],
      [
        'keys that are in order as UTF-16 alone',
        [
          ['a', ''],
          ['😀', ''],
          ['～', ''],
        ],
      ],
      [
        'a key that is too long',
        [
          ['a', ''],
          ['b'.repeat(65), ''],
        ],
      ],
      [
        'a value of another kind',
        [
          ['a', ''],
          ['b', 1],
        ],
      ],
      ['an entry that is none', [['a', ''], null]],
      ['an entry that is a string', [['a', ''], 'bc']],
    ]
    it.each(refused)('changes nothing if it meets %s', async (_what, entries) => {
      await store.tree('other').put('a', 'b')
      await store.checkpoint()
      const before = store.stats()
      const all = [...Array.from(sorted(200), ([key, value]) => [`0 ${key}`, value]), ...entries] as [string, string][]
      expect(await codeOfAsync(store.bulkLoad(all))).toBe('INVALID_INPUT')
      expect([store.position, [...store.range()], store.keyCount]).toEqual([before.position, [], 0])
      expect(store.stats().usedPages).toBe(before.usedPages)
      expect((await store.verify()).problems).toEqual([])
      expect(await store.bulkLoad(sorted(10))).toBe(10)
      await closeAll()
    })

    it('passes on what the source of the entries throws, and changes nothing', async () => {
      function* failing(): Generator<[string, string]> {
        yield* sorted(300)
        throw new Error('the source ran dry')
      }
      await expect(store.bulkLoad(failing())).rejects.toThrow('the source ran dry')
      expect([store.position, [...store.range()]]).toEqual([0, []])
      expect((await store.verify()).problems).toEqual([])
      await closeAll()
    })

    it('refuses what has no entries to give', async () => {
      for (const wrong of [undefined, null, 1, 'ab', {}]) {
        expect(await codeOfAsync(store.bulkLoad(wrong as never))).toBe('INVALID_INPUT')
      }
      await closeAll()
    })

    it('needs an empty tree, one that was emptied included', async () => {
      await store.put('a', 'b')
      expect(await errorOfAsync(store.bulkLoad(sorted(1)))).toMatchObject({ code: 'INVALID_INPUT' })
      await store.clear()
      expect(await store.bulkLoad(sorted(100))).toBe(100)
      expect(await codeOfAsync(store.bulkLoad(sorted(1)))).toBe('INVALID_INPUT')
      expect(store.keyCount).toBe(100)
      await closeAll()
    })

    it('of nothing does nothing', async () => {
      expect(await store.tree('t').bulkLoad([])).toBe(0)
      expect([store.position, store.treeNames()]).toEqual([0, []])
      await closeAll()
    })

    it('gives way to those who write to the tree meanwhile', async () => {
      const tree = store.tree('t')
      function* disturbed(): Generator<[string, string]> {
        yield* sorted(100)
        tree.put('from', 'others')
      }
      expect(await codeOfAsync(tree.bulkLoad(disturbed()))).toBe('CONFLICT')
      expect([...tree.range()]).toEqual([['from', 'others']])
      expect((await store.verify()).problems).toEqual([])
      await closeAll()
    })

    it('survives checkpoints and reads of its own store in its middle', async () => {
      await fill(100)
      async function* busy(): AsyncGenerator<[string, string]> {
        yield* sorted(300)
        await store.checkpoint()
        expect((await store.verify()).problems).toEqual([])
        yield* sorted(300, 300)
        await store.put('during', 'the load')
        await store.checkpoint()
      }
      expect(await store.tree('t').bulkLoad(busy())).toBe(600)
      expect((await store.verify()).problems).toEqual([])
      const rescued = await afterPowerCut()
      expect([rescued.tree('t').keyCount, rescued.keyCount]).toEqual([600, 101])
      await rescued.close()
      await closeAll()
    })

    it('ends with CLOSED if the store is closed meanwhile', async () => {
      async function* closing(): AsyncGenerator<[string, string]> {
        yield* sorted(300)
        await store.close()
        yield* sorted(300, 300)
      }
      expect(await codeOfAsync(store.bulkLoad(closing()))).toBe('CLOSED')
      await reopen()
      expect([...store.range()]).toEqual([])
      expect((await store.verify()).problems).toEqual([])
      await closeAll()
    })
  })

  describe('backup', () => {
    it('is a store of its own that holds the moment of the call, whatever is written meanwhile', async () => {
      await fill(1500)
      await store.tree('t').put('a', 'b')
      const expected = [...store.range()]
      const backup = store.backup(bed.path('backup'))
      let writes = 0
      let done = false
      const writer = (async () => {
        while (!done) {
          await store.put(keyOf(writes % 1500), `written later ${writes++}`)
          if (writes % 50 === 0) await store.checkpoint()
          if (writes % 70 === 0) store.delete(keyOf(writes))
          await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      await backup
      done = true
      await writer
      expect(writes).toBeGreaterThan(0)
      const copy = await bed.open({ name: 'backup' })
      expect([...copy.range()]).toEqual(expected)
      expect([[...copy.tree('t').range()], copy.treeNames()]).toEqual([[['a', 'b']], ['t']])
      expect(await copy.verify()).toMatchObject({ problems: [], keys: 1501 })
      await copy.put('only', 'here')
      expect(store.has('only')).toBe(false)
      await copy.close()
      await closeAll()
    })

    itSteersTheDisk('is there only when it is whole', async () => {
      const { disk } = bed
      await fill(1500)
      const backup = store.backup(bed.path('backup'))
      await new Promise((resolve) => setImmediate(resolve))
      expect(disk.kind('/backup')).toBe(undefined)
      await backup
      const image = disk.crashImage(disk.history.length, 'none', seededRandom(1))
      const copy = (await openStore(new SimulatedDisk({ image }), SMALL, { path: '/backup' })).store
      expect(copy.keyCount).toBe(1500)
      await copy.close()
      await closeAll()
    })

    it('is denser than what it copies', async () => {
      await fill(1500)
      for (let i = 0; i < 1500; i += 2) store.delete(keyOf(i))
      await store.backup(bed.path('backup'))
      const copy = await bed.open({ name: 'backup' })
      const [copied, original] = [copy.stats(), store.stats()]
      expect([copied.keyCount, copied.freePages, copied.retiredPages]).toEqual([750, 0, 0])
      expect(copied.dataFileBytes).toBeLessThan(0.7 * original.dataFileBytes)
      await copy.close()
      await closeAll()
    })

    it('of an empty store is an empty store', async () => {
      await store.backup(bed.path('backup'))
      const copy = await bed.open({ name: 'backup' })
      expect([[...copy.range()], (await copy.verify()).problems]).toEqual([[], []])
      await copy.close()
      await closeAll()
    })

    it('may be made of a store that was opened for reading', async () => {
      await fill(50)
      await store.close()
      store = await bed.open({ readOnly: true })
      await store.backup(bed.path('backup'))
      const copy = await bed.open({ name: 'backup' })
      expect([...copy.range()]).toEqual([...sorted(50)])
      await copy.close()
      await closeAll()
    })

    itSteersTheDisk('takes the place of nothing, and leaves nothing behind if it fails', async () => {
      const { disk } = bed
      await fill(500)
      disk.mkdir('/taken')
      disk.open('/taken/file', 'create').close()
      for (const path of ['/taken', STORE_PATH, '/taken/file']) {
        expect([path, await codeOfAsync(store.backup(path))]).toEqual([path, 'ALREADY_EXISTS'])
      }
      expect(await codeOfAsync(store.backup(''))).toBe('INVALID_INPUT')
      expect(await codeOfAsync(store.backup(undefined as never))).toBe('INVALID_INPUT')
      expect(await codeOfAsync(store.backup('/no/such/parent'))).toBe('NOT_FOUND')
      disk.failAt({ operation: 'write', path: /backup/, nth: 30, error: 'ENOSPC' })
      expect(await codeOfAsync(store.backup(bed.path('backup')))).toBe('DISK_FULL')
      expect(disk.list('/')).toEqual(['store', 'taken'])
      await store.put('still', 'works')
      await store.backup(bed.path('backup'))
      expect(disk.list('/')).toEqual(['backup', 'store', 'taken'])
      await closeAll()
    })

    it('ends with CLOSED if the store is closed meanwhile', async () => {
      await fill(1500)
      const backup = codeOfAsync(store.backup(bed.path('backup')))
      await store.close()
      expect(await backup).toBe('CLOSED')
      expect(bed.list()).toEqual(['store'])
      bed.assertIdle()
    })
  })

  describe('compact', () => {
    it('gives back the space of what was deleted, and keeps everything else', async () => {
      await fill(2000)
      await store.tree('t').put('a', 'b')
      await store.clear({ gte: keyOf(200) })
      await store.checkpoint()
      const expected = [...store.range()]
      const before = store.stats()
      await store.compact()
      const after = store.stats()
      expect(after.dataFileBytes).toBeLessThan(before.dataFileBytes / 5)
      expect([after.keyCount, after.position]).toEqual([before.keyCount, before.position])
      expect([...store.range()]).toEqual(expected)
      expect((await store.verify()).problems).toEqual([])
      const rescued = await afterPowerCut()
      expect([[...rescued.range()], rescued.tree('t').get('a')]).toEqual([expected, 'b'])
      await rescued.close()
      await store.close()
      await reopen()
      expect([...store.range()]).toEqual(expected)
      expect(bed.list('store').filter((name) => name.startsWith('data'))).toEqual(['data'])
      await closeAll()
    })

    it('takes in what is written meanwhile', async () => {
      await fill(1500)
      const compacted = store.compact()
      for (let i = 0; i < 200; i++) {
        store.put(keyOf(i * 7), `written meanwhile ${i}`)
        if (i % 10 === 0) store.delete(keyOf(i * 7 + 1))
        if (i % 50 === 0) store.tree(`tree ${i}`).put('a', 'b')
        await new Promise((resolve) => setImmediate(resolve))
      }
      await compacted
      const expected = [...store.range()]
      expect(expected.filter(([, value]) => value.startsWith('written meanwhile')).length).toBe(200)
      expect(store.treeNames()).toEqual(['tree 0', 'tree 100', 'tree 150', 'tree 50'])
      expect((await store.verify()).problems).toEqual([])
      await store.close()
      await reopen()
      expect([...store.range()]).toEqual(expected)
      await closeAll()
    })

    it('and a bulk load do not run at the same time', async () => {
      await fill(100)
      async function* compacting(): AsyncGenerator<[string, string]> {
        yield ['a', 'b']
        expect(await codeOfAsync(store.compact())).toBe('UNAVAILABLE')
        yield ['c', 'd']
      }
      expect(await store.tree('t').bulkLoad(compacting())).toBe(2)
      if (bed.engine === 'native') return await closeAll() // the other way round, a thread decides who is first
      const compacted = store.compact()
      await Promise.resolve()
      expect(await codeOfAsync(store.tree('u').bulkLoad(sorted(1)))).toBe('UNAVAILABLE')
      await compacted
      expect(await store.tree('u').bulkLoad(sorted(1))).toBe(1)
      await closeAll()
    })

    itSteersTheDisk('that fails leaves the store as it was', async () => {
      const { disk } = bed
      await fill(500)
      const before = [...store.range()]
      disk.failAt({ operation: 'write', path: /compact/, nth: 10, error: 'ENOSPC' })
      expect(await codeOfAsync(store.compact())).toBe('DISK_FULL')
      expect([[...store.range()], disk.list(STORE_PATH).includes('data.compact')]).toEqual([before, false])
      await store.put('still', 'works')
      await store.compact()
      expect(store.get('still')).toBe('works')
      await closeAll()
    })

    describe('happens at the end', () => {
      const settings = { ...SMALL, cacheBytes: 1024 * SMALL.pageSizeBytes, denseCloseBytes: 64 * SMALL.pageSizeBytes }

      async function fileBytesAfterClosing(): Promise<number> {
        await store.close()
        await reopen()
        expect((await store.verify()).problems).toEqual([])
        return store.stats().dataFileBytes
      }

      beforeEach(async () => {
        await closeAll()
        bed.remove()
        bed = make(settings)
        store = await bed.open({ create: true })
        // Each round copies every page, and the copies of two rounds have to stay.
        for (let round = 0; round < 4; round++) {
          for (let i = 0; i < 500; i++) store.put(keyOf(i), String(round).repeat(40))
          await store.checkpoint()
        }
      })

      it('of a store of which most has to be written anyway, and most of the file is free', async () => {
        for (let i = 0; i < 500; i++) store.put(keyOf(i), 'last')
        const before = store.stats().dataFileBytes
        expect(await fileBytesAfterClosing()).toBeLessThan(before / 3)
        expect([...store.range()]).toEqual(Array.from({ length: 500 }, (_, i) => [keyOf(i), 'last']))
        await closeAll()
      })

      it('not where little has changed', async () => {
        await store.put(keyOf(0), 'last')
        const before = store.stats().dataFileBytes
        expect(await fileBytesAfterClosing()).toBeGreaterThanOrEqual(before)
        expect([store.get(keyOf(0)), store.keyCount]).toEqual(['last', 500])
        await closeAll()
      })

      itSteersTheDisk('unless there is no space for it', async () => {
        for (let i = 0; i < 500; i++) store.put(keyOf(i), 'last')
        bed.disk.failAt({ operation: 'write', path: /compact/, nth: 3, error: 'ENOSPC' })
        const before = store.stats().dataFileBytes
        expect(await fileBytesAfterClosing()).toBeGreaterThanOrEqual(before)
        expect([store.get(keyOf(0)), store.keyCount]).toEqual(['last', 500])
        expect(bed.list('store').filter((name) => name.startsWith('data'))).toEqual(['data'])
        await closeAll()
      })
    })

    it('and a checkpoint that were asked for just before closing harm nothing', async () => {
      await fill(500)
      const work = [store.compact(), store.checkpoint(), store.compact()]
      await closeAll()
      for (const one of work) expect([undefined, 'CLOSED']).toContain(await codeOfAsync(one))
      bed.assertIdle()
      expect(bed.list('store')).not.toContain('data.compact')
      await reopen()
      expect([...store.range()]).toEqual([...sorted(500)])
      await closeAll()
    })
  })

  describe('checkpoint', () => {
    it('folds the log into the data file, so that the next open replays nothing older', async () => {
      await fill(300)
      expect(store.stats().checkpointPosition).toBe(0)
      await store.checkpoint()
      const { checkpoints, checkpointPosition, position } = store.stats()
      expect([checkpoints, checkpointPosition, position]).toEqual([1, 300, 300])
      await store.checkpoint()
      expect(store.stats().checkpoints).toBe(1)
      await closeAll()
    })

    it('lets go of the log that neither meta needs', async () => {
      for (let round = 0; round < 10; round++) {
        await fill(300)
        await store.checkpoint()
      }
      const { segmentBytes, segmentCount } = store.stats().log
      expect(segmentCount).toBeLessThan(8)
      expect(segmentBytes).toBeLessThan(8 * 32 * 1024)
      await closeAll()
    })

    itSteersTheDisk('shows the state of its start; what is written while it runs stays in the log', async () => {
      const { disk } = bed
      await fill(300)
      disk.manualSyncs = true
      const checkpoint = store.checkpoint()
      while (disk.pendingSyncs.length === 0) await new Promise((resolve) => setImmediate(resolve))
      const later = store.put('later', 'x')
      disk.manualSyncs = false
      while (disk.pendingSyncs.length > 0) disk.completeSync()
      await Promise.all([checkpoint, later])
      expect(store.stats()).toMatchObject({ checkpointPosition: 300, position: 301 })
      const rescued = await afterPowerCut()
      expect([rescued.get('later'), rescued.keyCount]).toEqual(['x', 301])
      await rescued.close()
      await closeAll()
    })

    itSteersTheDisk('that a full disk refuses is put off, and the store goes on', async () => {
      const { disk } = bed
      await fill(300)
      const fault = disk.failAt({ operation: 'write', path: /data$/, nth: 1, error: 'ENOSPC', forever: true })
      expect(await codeOfAsync(store.checkpoint())).toBe('DISK_FULL')
      await store.put('still', 'works')
      fault.cancel()
      await store.checkpoint()
      expect((await store.verify()).problems).toEqual([])
      const rescued = await afterPowerCut()
      expect([rescued.get('still'), rescued.keyCount]).toEqual(['works', 301])
      await rescued.close()
      await closeAll()
    })
  })

  describe('work on a closed store', () => {
    it('is refused', async () => {
      await closeAll()
      const calls: (() => unknown)[] = [
        () => store.bulkLoad([]),
        () => store.backup(bed.path('backup')),
        () => store.verify(),
        () => store.dropTree('t'),
      ]
      for (const call of calls) expect(await codeOfAsync(Promise.resolve().then(call))).toBe('CLOSED')
      const immediate = [
        () => store.compact(),
        () => store.checkpoint(),
        () => store.stats(),
        () => store.inspectPage(2),
      ]
      expect(immediate.map(codeOf)).toEqual(immediate.map(() => 'CLOSED'))
    })
  })
})
