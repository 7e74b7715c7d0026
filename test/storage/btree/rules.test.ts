// The rules of the store: for each a test that fails without it. The heavy suites try the same at random
// (test/faults/btree.ts); here each stands alone, small enough to be read.
import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CRASH_VARIANTS, type CrashVariant } from '../../../ts/io/crash-image.ts'
import type { Effect } from '../../../ts/io/disk-history.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { type BTree, openBTree } from '../../../ts/storage/btree/index.ts'
import { contentOfCheckpoint, DATA, destroyMeta, readMetas } from '../../support/btree-crash/metas.ts'
import { type Opened, openStore, SMALL, STORE_PATH, type StoreSettings } from '../../support/btree-crash/store.ts'
import { codeOf, codeOfAsync } from '../../support/errors.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

type Store = Opened['store']

let disk: SimulatedDisk
beforeEach(() => {
  disk = new SimulatedDisk()
})

// -- helpers ----------------------------------------------------------------------------------------------------------

async function open(settings: Partial<StoreSettings> = {}, on = disk): Promise<Store> {
  return (await openStore(on, { ...SMALL, ...settings }, { create: true })).store
}

/** Opens what an image holds, on a disk of its own. */
function openImage(image: DiskImage, settings: Partial<StoreSettings> = {}): Promise<Store> {
  return open(settings, new SimulatedDisk({ image }))
}

function crash(variant: CrashVariant, point = disk.history.length, of = disk): DiskImage {
  return of.crashImage(point, variant, seededRandom(point))
}

function entries(store: Pick<Store, 'range'>): string[] {
  return [...store.range()].map(([key, value]) => `${key}=${value}`)
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Lets everything go on that does not wait for a sync. */
async function letRun(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn()
}

/** Ends syncs as they come until `promise` settles. */
async function whileSyncing<T>(promise: Promise<T>): Promise<T> {
  let isOver = false
  const over = promise.finally(() => {
    isOver = true
  })
  over.catch(() => {})
  while (!isOver) {
    if (disk.pendingSyncs.length > 0) disk.completeSync()
    await turn()
  }
  return over
}

/** Says whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  await letRun()
  const open = Symbol('open')
  return (await Promise.race([promise.catch(() => {}), Promise.resolve(open)])) !== open
}

async function fill(store: Store, from: number, to: number, value = 'v'.repeat(40)): Promise<void> {
  const puts: Promise<void>[] = []
  for (let i = from; i < to; i++) puts.push(store.put(keyOf(i), value))
  await Promise.all(puts)
}

function keyOf(number: number): string {
  return `k${String(number).padStart(4, '0')}`
}

function writesTo(path: string, effects: readonly Effect[] = disk.history): Extract<Effect, { kind: 'write' }>[] {
  return effects.filter((effect) => effect.kind === 'write' && effect.path === path) as never
}

// -- the rules --------------------------------------------------------------------------------------------------------

describe('a checkpoint is exactly the state at one log position L', () => {
  it('whatever is written while it is being written', async () => {
    const store = await open()
    await fill(store, 0, 60)
    const before = entries(store)
    disk.manualSyncs = true
    const checkpoint = store.checkpoint()
    await letRun()
    store.put('later', 'than the checkpoint').catch(() => {})
    store.clear({ lt: keyOf(30) }).catch(() => {})
    await whileSyncing(checkpoint)
    const found = contentOfCheckpoint(disk.currentImage())
    expect(found.position).toBe(60)
    expect(found.entries).toEqual(before.map((entry) => `/${entry}`))
    expect(entries(store)).toHaveLength(31)
  })

  it('and the log goes on from L + 1: the last record before it is not done again, the next is not left out', async () => {
    const store = await open()
    await store.tree('dropped').put('a', '1')
    await store.dropTree('dropped') // done again, this would find no tree
    await store.checkpoint()
    await store.put('first after', 'the checkpoint')
    const again = await openImage(crash('none'))
    expect(entries(again)).toEqual(['first after=the checkpoint'])
    expect(again.position).toBe(3)
    expect(await again.verify()).toMatchObject({ ok: true, problems: [] })
  })

  it('from which replay comes to the same state, however often it is begun and cut off', async () => {
    const store = await open()
    await fill(store, 0, 40)
    await store.checkpoint()
    await store.batch([
      { type: 'put', key: 'new', value: 'x'.repeat(2000), tree: 'made' },
      { type: 'delete', key: keyOf(7) },
    ])
    await store.clear({ gte: keyOf(10), lt: keyOf(20) })
    await store.put(keyOf(10), 'back')
    const expected = [...entries(store), ...entries(store.tree('made'))]

    let image = crash('none')
    for (let time = 0; time < 6; time++) {
      const recovering = new SimulatedDisk({ image })
      const again = await open({}, recovering)
      expect([...entries(again), ...entries(again.tree('made'))]).toEqual(expected)
      expect((await again.verify()).ok).toBe(true)
      // Cut off at another place each time, the last time when all was done.
      const point = Math.floor((recovering.history.length * (time + 1)) / 6)
      image = crash(time % 2 === 0 ? 'none' : 'all', point, recovering)
    }
  })

  it('and the log holds outcomes: what came to nothing is not in it', async () => {
    const store = await open()
    await store.put('a', '1')
    const { length } = disk.history
    expect(await store.compareAndSwap('a', '2', '3')).toBe(false)
    expect(await store.compareAndSwap('b', '2', '3')).toBe(false)
    await expect(
      store.transaction((tx) => {
        tx.put('a', 'not this')
        throw new Error('changed my mind')
      }),
    ).rejects.toThrow('changed my mind')
    await store.tree('nowhere').delete('a')
    expect(store.position).toBe(1)
    expect(disk.history).toHaveLength(length)
  })

  it('without anything of a transaction that is under way', async () => {
    const store = await open()
    await fill(store, 0, 40)
    await store.transaction(async (tx) => {
      for (let i = 0; i < 40; i++) tx.put(keyOf(i), 'w'.repeat(200))
      tx.tree('new').put('a', '1')
      await store.put('meanwhile', 'yes')
      await store.checkpoint()
      for (const image of [crash('none'), crash('all')]) {
        expect(contentOfCheckpoint(image).entries.filter((entry) => /w{200}|new/.test(entry))).toEqual([])
        expect(entries(await openImage(image))).toEqual(entries(store))
      }
    })
    expect(store.get(keyOf(3))).toBe('w'.repeat(200))
    expect(entries(await openImage(crash('none')))).toEqual(entries(store))
  })

  it('and bounds what a transaction may hold in memory', async () => {
    const store = await open()
    const large = store.transaction((tx) => tx.put('a', 'x'.repeat(2000)), { maxBytes: 1000 })
    expect(await codeOfAsync(large)).toBe('INVALID_INPUT')
    expect(store.position).toBe(0)
  })

  it('and is not waited for: writing and reading go on while it, or the log, is being synced', async () => {
    const store = await open()
    await fill(store, 0, 40)
    disk.manualSyncs = true
    const checkpoint = store.checkpoint()
    await letRun()
    expect(disk.pendingSyncs.map(({ path }) => path)).toEqual([DATA])
    const { length } = disk.history
    void store.put('a', '1')
    void store.batch([{ type: 'put', key: 'b', value: '2' }])
    store.transactionSync((tx) => tx.put('c', '3'))
    expect([store.get('a'), store.get('b'), store.get('c')]).toEqual(['1', '2', '3'])
    expect(disk.history).toHaveLength(length) // no call of these wrote anything itself
    await whileSyncing(checkpoint)
    await whileSyncing(store.flushed())
  })
})

describe('the order of a checkpoint', () => {
  it('is: log synced, pages, sync, the older meta, sync, and only then the log is recycled', async () => {
    const store = await open({ durability: 'memory', maxSegmentBytes: 16_384 })
    for (let round = 0; round < 6; round++) {
      await fill(store, 0, 80, `${round}`.repeat(90))
      const from = disk.history.length
      const [, newer] = readMetas(disk.currentImage(), 512)
      await store.checkpoint()
      const steps = disk.history.slice(from).map((effect) => stepOf(effect, newer?.offset as number))
      expect(steps.join('').replaceAll(/(.)\1+/g, '$1')).toMatch(/^p?(l?s)*p?dmdr?$/)
    }
    expect(disk.history.some((effect) => stepOf(effect, 0) === 'r')).toBe(true)
  })

  /** l: log written, s: log synced, p: page written, d: data synced, m: the older meta written, r: a segment let go. */
  function stepOf(effect: Effect, newerMeta: number): string {
    if (effect.kind === 'write' && effect.path === DATA) {
      if (effect.position >= 1024) return 'p'
      return effect.position === newerMeta ? '!' : 'm'
    }
    if (effect.kind === 'syncEnd') return effect.path === DATA ? 'd' : 's'
    if (effect.kind === 'unlink') return 'r'
    if (effect.kind === 'link') return effect.path.includes(' to ') && !/\.new to/.test(effect.path) ? 'r' : ''
    return effect.kind === 'write' ? 'l' : ''
  }

  it('leaves every page alone that a meta or an open snapshot needs', async () => {
    const store = await open()
    await fill(store, 0, 200)
    await store.checkpoint()
    const snapshot = store.snapshot()
    const seen = entries(snapshot)
    const pages = new Map<number, Uint8Array>()
    for (const { position, bytes } of writesTo(DATA)) if (position >= 1024) pages.set(position, bytes)
    const from = disk.history.length
    for (let round = 0; round < 5; round++) {
      await fill(store, 0, 200, `${round}`.repeat(40))
      await store.checkpoint()
      // Read past the cache: whatever had been overwritten would be found to be another page.
      expect(entries(snapshot)).toEqual(seen)
    }
    const overwritten = writesTo(DATA, disk.history.slice(from)).filter(({ position }) => pages.has(position))
    expect(overwritten).toEqual([])
    snapshot.close()
    const { pageCount } = store.stats()
    for (let round = 0; round < 5; round++) {
      await fill(store, 0, 200, `${round}`.repeat(40))
      await store.checkpoint()
    }
    expect(store.stats().pageCount).toBeLessThanOrEqual(pageCount) // its pages are used again
  })

  it('keeps everything wherever it is cut off', async () => {
    const store = await open()
    await fill(store, 0, 60)
    await store.checkpoint()
    await fill(store, 30, 90, 'w'.repeat(30))
    const from = disk.history.length
    await store.checkpoint()
    const expected = entries(store)
    for (let point = from; point <= disk.history.length; point++) {
      for (const variant of CRASH_VARIANTS) {
        const image = crash(variant, point)
        expect(entries(await openImage(image))).toEqual(expected)
        const [older, newer] = readMetas(image, 512)
        if (older !== undefined && newer !== undefined) {
          expect(entries(await openImage(destroyMeta(image, newer)))).toEqual(expected)
        }
      }
    }
  })
})

describe('the older meta stays usable', () => {
  it('with the newest destroyed, nothing is lost, not even to a reader', async () => {
    const store = await open({ maxSegmentBytes: 16_384 })
    for (let round = 0; round < 8; round++) {
      await fill(store, 0, 80, `${round}`.repeat(60))
      if (round < 7) await store.checkpoint()
    }
    const image = crash('none')
    const [older, newer] = readMetas(image, 512)
    if (older === undefined || newer === undefined) throw new Error('there are two metas')
    expect(newer.meta.position - older.meta.position).toBe(80)
    const damaged = destroyMeta(image, newer)
    const reader = await openStore(new SimulatedDisk({ image: damaged }), SMALL, { readOnly: true })
    expect(entries(reader.store)).toEqual(entries(store))
    const again = await openImage(damaged)
    expect(entries(again)).toEqual(entries(store))
    expect((await again.verify()).ok).toBe(true)
    expect(entries(await openImage(destroyMeta(image, older)))).toEqual(entries(store))
    const neither = openImage(destroyMeta(damaged, older))
    expect(await codeOfAsync(neither)).toBe('CORRUPTION')
  })

  it('and what a damaged one has left is gone before another takes its place', async () => {
    const store = await open()
    for (let round = 0; round < 3; round++) {
      await fill(store, 0, 80, `${round}`.repeat(60))
      await store.checkpoint()
    }
    const image = crash('none')
    const [older, newer] = readMetas(image, 512)
    if (older === undefined || newer === undefined) throw new Error('there are two metas')
    disk = new SimulatedDisk({ image: destroyMeta(image, newer, 8 * 100) }) // where a whole one has zeros
    const again = await open()
    await again.put('a', '1')
    await again.checkpoint()
    const written = writesTo(DATA).filter(({ position }) => position === newer.offset)
    expect(written.map(({ bytes }) => bytes.length)).toEqual([8, 512])
    // Whatever a power cut spares of the first write, the block is no meta, and of the second it is the new one or none.
    for (const [at, epochs] of [
      [written[0], [older.meta.epoch]],
      [written[1], [older.meta.epoch, newer.meta.epoch + 1]],
    ] as const) {
      const point = disk.history.indexOf(at as Effect) + 1
      for (const variant of CRASH_VARIANTS) {
        for (let seed = 0; seed < 20; seed++) {
          const left = readMetas(disk.crashImage(point, variant, seededRandom(seed)), 512)
          expect(epochs).toContain(left.at(-1)?.meta.epoch)
        }
      }
    }
  })

  it('since no segment of the log is let go that it needs, and every other is', async () => {
    const store = await open({ maxSegmentBytes: 16_384 })
    for (let round = 0; round < 12; round++) {
      await fill(store, 0, 80, `${round}`.repeat(60))
      await store.checkpoint()
      await fill(store, 0, 5)
      const [older] = readMetas(disk.currentImage(), 512)
      const firstRecords = segments(disk.currentImage())
      expect(firstRecords[0]).toBeLessThanOrEqual((older?.meta.position as number) + 1)
      if (firstRecords.length > 1) expect(firstRecords[1]).toBeGreaterThan((older?.meta.position as number) + 1)
    }
  })

  it('after a bulk load too, which only metas know of', async () => {
    const store = await open()
    await store.tree('loaded').bulkLoad(Array.from({ length: 100 }, (_, i): [string, string] => [keyOf(i), 'loaded']))
    await store.put('a', '1')
    const image = crash('none')
    const [, newer] = readMetas(image, 512)
    if (newer === undefined) throw new Error('there are two metas')
    const again = await openImage(destroyMeta(image, newer))
    expect(entries(again.tree('loaded'))).toHaveLength(100)
    expect(again.get('a')).toBe('1')
  })

  /** The first record of each segment of the log, in order. */
  function segments(image: DiskImage): number[] {
    const names = image.files().filter((path) => /log-\d+$/.test(path))
    return names.map((name) => Number(new DataView(image.read(name).buffer).getBigUint64(32, true)))
  }
})

describe('after a failed fsync', () => {
  const cases: { what: string; path: RegExp; work: (store: Store) => Promise<unknown>; nth?: number }[] = [
    { what: 'of the log', path: /log-/, work: (store) => store.put('b', '2') },
    { what: 'of the pages', path: /data$/, work: (store) => store.checkpoint() },
    { what: 'of the meta', path: /data$/, work: (store) => store.checkpoint(), nth: 2 },
    { what: 'of the directory, once a compacted file has its name', path: /store$/, work: (store) => store.compact() },
    { what: 'of what a bulk load added', path: /data$/, work: (store) => store.tree('new').bulkLoad([['k', 'v']]) },
  ]

  describe.each(cases)('$what', ({ path, work, nth = 1 }) => {
    it.each(['EIO', 'ENOSPC'] as const)(
      '(%s) the store refuses everything until reopened, and has lost nothing',
      async (error) => {
        const store = await open()
        await store.put('a', '1')
        const snapshot = store.snapshot()
        const isSync = { operation: path.test(STORE_PATH) ? 'syncDirectory' : 'sync', path } as const
        const fault = disk.failAt({ ...isSync, nth, error })
        expect(await codeOfAsync(work(store))).toBe('IO')
        expect(fault.applied).toBe(1)

        const calls = [
          () => store.get('a'),
          () => store.getAsync('a'),
          () => [...store.range()],
          () => snapshot.get('a'),
          () => store.put('c', '3'),
          () => store.snapshot(),
          () => store.flushed(),
          () => store.checkpoint(),
          () => store.transaction(() => {}),
          () => store.backup('/copy'),
          () => store.verify(),
        ]
        for (const call of calls) expect(await codeOfAsync(Promise.resolve().then<unknown>(call)), `${call}`).toBe('IO')
        await store.close()
        expect([disk.openHandles, disk.heldLocks]).toEqual([0, 0])

        for (const image of [disk.currentImage(), crash('none'), crash('all'), crash('sectors')]) {
          expect((await openImage(image)).get('a')).toBe('1')
        }
      },
    )
  })

  it('pending promises reject with "outcome unknown"', async () => {
    const store = await open()
    disk.failAt({ operation: 'sync', path: /log-/, nth: 1, error: 'EIO' })
    const pending = [store.put('a', '1'), store.batch([{ type: 'put', key: 'b', value: '2' }]), store.flushed()]
    for (const result of await Promise.allSettled(pending)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'IO' } })
      expect(String((result as PromiseRejectedResult).reason)).toContain('outcome unknown')
    }
  })

  it('also those of writes that waited for a bulk load', async () => {
    const store = await open()
    await store.put('a', '1')
    disk.manualSyncs = true
    disk.failAt({ operation: 'sync', path: /data$/, nth: 1, error: 'EIO' })
    const load = codeOfAsync(store.tree('new').bulkLoad([['k', 'v']]))
    await letRun()
    const waiting = store.put('b', '2')
    expect(await whileSyncing(load)).toBe('IO')
    await expect(whileSyncing(waiting)).rejects.toThrow('outcome unknown')
    await whileSyncing(store.close())
  })

  it('nothing is written back any more when a page could not be', async () => {
    const store = await open()
    await fill(store, 0, 400)
    disk.failAt({ operation: 'write', path: /data$/, nth: 1, error: 'EIO', forever: true })
    // Reading fills the cache, which pushes changed pages out of it.
    const code = codeOf(() => {
      for (let i = 0; i < 400; i++) store.get(keyOf(i))
      void store.put('a', '1')
      for (let i = 0; i < 400; i++) store.get(keyOf(i))
    })
    expect(code).toBe('IO')
  })

  it('closing says so if it loses what had been acknowledged, and else gives no more trouble', async () => {
    for (const [durability, closes] of [
      ['sync', true],
      ['memory', false],
    ] as const) {
      const own = new SimulatedDisk()
      const store = await open({ durability }, own)
      own.failAt({ operation: 'sync', nth: 1, error: 'EIO', forever: true })
      await store.put('a', '1').catch(() => {})
      await store.flushed().catch(() => {})
      expect(await codeOfAsync(store.close())).toBe(closes ? undefined : 'IO')
      expect(own.openHandles + own.heldLocks).toBe(0)
    }
  })
})

describe('recovery writes the accepted tail again and syncs it before open returns', () => {
  it('so a power cut right after opening loses nothing that was seen', async () => {
    const store = await open({ durability: 'os' })
    await store.put('first', '1') // a new segment is synced, whatever the durability
    await fill(store, 0, 20) // in the kernel, and nowhere else
    const killed = disk.currentImage()
    expect(entries(await openImage(crash('none')))).toEqual(['first=1'])

    const recovering = new SimulatedDisk({ image: killed })
    const seen = entries(await open({ durability: 'os' }, recovering))
    expect(seen).toHaveLength(21)
    for (const variant of CRASH_VARIANTS) {
      expect(entries(await openImage(crash(variant, recovering.history.length, recovering)))).toEqual(seen)
    }
  })
})

describe('space is reserved before memory changes', () => {
  /** A disk on which `store` finds no more room; `free` gives it some. */
  async function fullDisk(settings: Partial<StoreSettings> = {}): Promise<{ store: Store; free: () => void }> {
    disk = new SimulatedDisk({ capacityBytes: 1024 * 1024 })
    const store = await open({ maxSegmentBytes: 16_384, ...settings })
    await fill(store, 0, 100)
    const ballast = disk.open('/ballast', 'create')
    for (let at = 0; ; at += 4096) {
      try {
        ballast.write(new Uint8Array(4096), at)
      } catch {
        break
      }
    }
    ballast.close()
    return { store, free: () => disk.unlink('/ballast') }
  }

  /** Writes until the disk refuses. @returns The code. */
  function writeUntilRefused(write: (i: number) => unknown): string | undefined {
    return codeOf(() => {
      for (let i = 0; i < 10_000; i++) write(i)
    })
  }

  it.each<[string, (store: Store, i: number) => unknown]>([
    ['put', (store, i) => store.put(`new ${i}`, 'x'.repeat(90))],
    ['put of a long value', (store, i) => store.put(`new ${i}`, 'x'.repeat(3000))],
    ['delete', (store) => store.delete(keyOf(1))],
    [
      'batch',
      (store, i) => store.batch([1, 2, 3].map((j) => ({ type: 'put', key: `new ${i}.${j}`, value: 'x'.repeat(2000) }))),
    ],
    ['clear', (store, i) => store.clear({ gte: keyOf(i % 100), lt: keyOf((i % 100) + 1) })],
    ['transactionSync', (store, i) => store.transactionSync((tx) => tx.put(`new ${i}`, 'x'.repeat(500)))],
  ])('so a full disk refuses a %s and poisons nothing', async (_, write) => {
    const { store, free } = await fullDisk()
    const promises: Promise<unknown>[] = []
    const code = writeUntilRefused((i) => {
      const promise = write(store, i)
      if (promise instanceof Promise) promises.push(promise)
    })
    expect(code).toBe('DISK_FULL')
    await Promise.all(promises) // what was not refused becomes durable
    const { position } = store
    const held = entries(store)
    expect(codeOf(() => store.put('x', 'x'.repeat(9000)))).toBe('DISK_FULL')
    expect([store.position, entries(store)]).toEqual([position, held])
    expect((await store.verify()).ok).toBe(true)
    expect(entries(await openImage(crash('none')))).toEqual(held)

    free()
    await store.put('x', 'y')
    await store.checkpoint()
    expect((await store.verify()).ok).toBe(true)
    await store.close()
    expect((await openImage(crash('none'))).get('x')).toBe('y')
  })

  it.each<[string, (store: Store) => Promise<unknown>]>([
    ['checkpoint', (store) => store.checkpoint()],
    ['compaction', (store) => store.compact()],
    ['backup', (store) => store.backup('/copy')],
    ['bulk load', (store) => store.tree('new').bulkLoad(sorted(2000))],
    ['small bulk load', (store) => store.tree('new').bulkLoad(sorted(3))],
    ['transaction', (store) => store.transaction((tx) => tx.put('new', 'x'.repeat(20_000)))],
  ])('so a full disk refuses a %s and poisons nothing', async (_, work) => {
    const { store, free } = await fullDisk()
    const held = entries(store)
    expect(await codeOfAsync(work(store))).toBe('DISK_FULL')
    expect(entries(store)).toEqual(held)
    expect(store.treeNames()).toEqual([])
    expect((await store.verify()).ok).toBe(true)
    expect(disk.list('/').filter((name) => name !== 'ballast')).toEqual(['store'])
    free()
    await work(store)
    expect((await store.verify()).ok).toBe(true)
    await store.close()
    expect(entries(await openImage(crash('none')))).toEqual(expect.arrayContaining(held))
  })

  it('so opening on a full disk is refused, and nothing is lost by it', async () => {
    const { store, free } = await fullDisk({ durability: 'os', firstSegmentBytes: 65_536, maxSegmentBytes: 65_536 })
    await store.put('a', '1')
    const image = disk.currentImage()
    free()
    const full = new SimulatedDisk({ image, capacityBytes: 1 })
    expect(await codeOfAsync(open({}, full))).toBe('DISK_FULL')
    expect([full.openHandles, full.heldLocks]).toEqual([0, 0])
    expect((await openImage(full.currentImage())).get('a')).toBe('1')
  })

  it('and the marker of a bulk load finds its room wherever the log stands', async () => {
    for (let bytes = 0; bytes < 4096; bytes += 97) {
      const store = await open({ durability: 'memory', firstSegmentBytes: 12_288 }, new SimulatedDisk())
      await store.put('a', 'x'.repeat(bytes))
      await store.tree('loaded').bulkLoad([['k', 'v']])
      expect(store.tree('loaded').get('k')).toBe('v')
      await store.close()
    }
  })

  function sorted(count: number): [string, string][] {
    return Array.from({ length: count }, (_, i) => [keyOf(i), 'x'.repeat(90)])
  }
})

describe('visible is not durable', () => {
  it('a write is seen at once, and durable when its promise resolves', async () => {
    const store = await open()
    await store.put('a', '1')
    disk.manualSyncs = true
    const written = store.put('a', '2')
    expect(store.get('a')).toBe('2')
    expect(await isSettled(written)).toBe(false)
    expect([store.position, store.durablePosition]).toEqual([2, 1])
    expect((await openImage(crash('none'))).get('a')).toBe('1')
    await whileSyncing(written)
    expect(store.durablePosition).toBe(2)
    expect((await openImage(crash('none'))).get('a')).toBe('2')
  })

  it.each(['os', 'memory', { intervalMs: 1000 }] as const)(
    'flushed() and a durable snapshot wait for it (%j)',
    async (durability) => {
      const store = await open({ durability })
      await store.put('first', '1')
      await store.flushed() // a new segment is synced, whatever the durability
      disk.manualSyncs = true
      await store.put('a', '1')
      await letRun()
      expect(store.durablePosition).toBe(1)
      const flushed = store.flushed()
      const snapshot = store.snapshot({ durable: true })
      expect([await isSettled(flushed), await isSettled(snapshot)]).toEqual([false, false])
      await whileSyncing(flushed)
      expect((await whileSyncing(snapshot)).position).toBe(2)
      expect(store.durablePosition).toBe(2)
      expect((await openImage(crash('none'))).get('a')).toBe('1')
    },
  )

  it('a snapshot that need not be durable is there at once', async () => {
    const store = await open()
    disk.manualSyncs = true
    void store.put('a', '1')
    const snapshot = store.snapshot()
    expect([snapshot.get('a'), snapshot.position, store.durablePosition]).toEqual(['1', 1, 0])
  })

  it.each(['sync', 'os', 'memory', { intervalMs: 1000 }] as const)(
    'promises resolve in log order (%j)',
    async (durability) => {
      const store = await open({ durability, maxSegmentBytes: 16_384 })
      const order: number[] = []
      const all: Promise<unknown>[] = []
      const write = (promise: Promise<unknown>): void => {
        const { position } = store
        all.push(promise.then(() => order.push(position)))
      }
      for (let i = 0; i < 120; i++) {
        if (i % 3 === 0) write(store.put(`a${i}`, 'x'.repeat((i * 37) % 700)))
        else if (i % 3 === 1)
          write(
            store.batch([
              { type: 'put', key: 'b', value: `${i}` },
              { type: 'delete', key: `a${i - 1}` },
            ]),
          )
        else write(store.tree(`t${i % 4}`).delete('none'))
        if (i % 7 === 0) await turn()
      }
      await Promise.all(all)
      expect(order).toEqual([...order].sort((a, b) => a - b))
    },
  )

  it('a commit of many keys becomes visible at one instant, to readers, snapshots and walks alike', async () => {
    const store = await open()
    const set = (value: string) =>
      Array.from({ length: 50 }, (_, i) => ({ type: 'put' as const, key: keyOf(i), value }))
    await store.batch(set('old'))
    const before = store.snapshot()
    const walk = store.range()[Symbol.iterator]()
    const asyncWalk = store.range()[Symbol.asyncIterator]()
    const values = [walk.next().value?.[1], (await asyncWalk.next()).value?.[1]]
    disk.manualSyncs = true
    void store.batch([...set('new'), { type: 'put', key: 'other', value: 'new', tree: 'too' }])
    expect(new Set(entries(store).map((entry) => entry.slice(6)))).toEqual(new Set(['new']))
    expect(store.tree('too').get('other')).toBe('new')
    const after = store.snapshot()
    for (let next = walk.next(); !next.done; next = walk.next()) values.push(next.value[1])
    for (let next = await asyncWalk.next(); !next.done; next = await asyncWalk.next()) values.push(next.value[1])
    expect(values).toEqual(new Array(100).fill('old'))
    expect(new Set([...before.range()].map(([, value]) => value))).toEqual(new Set(['old']))
    expect(new Set([...after.range()].map(([, value]) => value))).toEqual(new Set(['new']))
    expect([before.tree('too').get('other'), after.tree('too').get('other')]).toEqual([undefined, 'new'])
    await whileSyncing(store.flushed())
  })

  it('and a power cut leaves all of it or nothing, wherever it strikes', async () => {
    const store = await open()
    await store.put('other', 'old')
    const from = disk.history.length
    await store.batch([
      ...Array.from({ length: 30 }, (_, i) => ({ type: 'put' as const, key: keyOf(i), value: 'x'.repeat(300) })),
      { type: 'put', key: 'other', value: 'new', tree: 'too' },
    ])
    const counts = new Set<string>()
    for (let point = from; point <= disk.history.length; point++) {
      for (const variant of CRASH_VARIANTS) {
        const again = await openImage(crash(variant, point))
        counts.add(`${entries(again).length} + ${entries(again.tree('too')).length}`)
      }
    }
    expect([...counts].sort()).toEqual(['1 + 0', '31 + 1'])
  })
})

describe('closing', () => {
  it('waits for everything that is under way, and gives everything back', async () => {
    const store = await open({ durability: 'memory', firstSegmentBytes: 12_288 })
    disk.manualSyncs = true
    const snapshot = store.snapshot()
    const compacted = store.compact()
    await whileSyncing(compacted)
    for (let i = 0; i < 8; i++) void store.put(`a${i}`, 'x'.repeat(900))
    void store.checkpoint()
    await letRun()
    await whileSyncing(store.close())
    expect([disk.openHandles, disk.heldLocks, disk.pendingSyncs.length]).toEqual([0, 0, 0])
    expect(codeOf(() => snapshot.get('a1'))).toBe('CLOSED')
    expect(entries(await openImage(crash('none')))).toHaveLength(8)
  })
})

describe('a store has all its parts from the first moment', () => {
  it.each([
    ['data', 'its file data'],
    ['log-', 'its log'],
  ])('and says so if %s is missing, instead of starting anew', async (start, what) => {
    const store = await open()
    await store.backup('/copy')
    await store.close()
    for (const path of [STORE_PATH, '/copy']) {
      const names = disk.list(path).filter((name) => name.startsWith(start))
      expect(names).not.toEqual([])
      for (const name of names) disk.unlink(`${path}/${name}`)
    }
    await expect(open()).rejects.toMatchObject({ code: 'CORRUPTION', message: expect.stringContaining(what) })
  })
})

describe('a process that ends without closing its store', () => {
  let path: string
  let remove: () => void
  beforeEach(() => {
    ;({ path, remove } = temporaryDirectory())
  })
  afterEach(() => remove())

  const PROGRAM = `
    const [module, path, durability, end] = process.argv.slice(1)
    const { openBTree } = await import(module)
    const store = await openBTree(path, { create: true, durability: JSON.parse(durability) })
    await store.put('first', '1')
    await store.flushed()
    for (let i = 0; i < 500; i++) store.put('k' + i, 'v').catch(() => {})
    if (end !== 'at once') await store.put('last', '1')
    if (end === 'exit') process.exit(0)
    if (end === 'at once') process.exit(0)
    if (end === 'throw') throw new Error('on purpose')
  `

  /** What is left of 502 writes, the first of which was flushed and the last of which was awaited unless it says so. */
  async function left(durability: unknown, end: string): Promise<BTree> {
    const module = new URL('../../../dist/storage/btree/index.js', import.meta.url).href
    const directory = `${path}/store`
    const program = ['--input-type=module', '-e', PROGRAM, module, directory, JSON.stringify(durability), end]
    const { status, stderr } = spawnSync(process.execPath, program, { encoding: 'utf8' })
    expect([status, stderr.includes('on purpose')], stderr).toEqual(end === 'throw' ? [1, true] : [0, false])
    return await openBTree(directory)
  }

  it.each(['sync', 'os', { intervalMs: 1000 }])(
    'has lost nothing that was acknowledged with %j',
    async (durability) => {
      for (const end of ['exit', 'return', 'throw']) {
        const store = await left(durability, end)
        expect([store.keyCount, store.get('last')], end).toEqual([502, '1'])
        expect((await store.verify()).ok).toBe(true)
        await store.close()
        remove()
        ;({ path, remove } = temporaryDirectory())
      }
    },
  )

  it('has lost at most what was written since the last flush with "memory"', async () => {
    const store = await left('memory', 'exit')
    expect(store.get('first')).toBe('1')
    expect((await store.verify()).ok).toBe(true)
    await store.close()
  })

  it('has lost writes from the end only', async () => {
    const store = await left('sync', 'at once')
    const numbers = [...store.range({ gte: 'k', lt: 'l' })].map(([key]) => Number(key.slice(1)))
    expect(numbers.sort((a, b) => a - b)).toEqual(numbers.map((_, i) => i))
    expect(store.get('last')).toBeUndefined()
    await store.close()
  })
})
