// What our Level databases do beyond the suite that abstract-level publishes.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BedplateError } from '../../../ts/base/errors.ts'
import { openBTree } from '../../../ts/storage/btree/index.ts'
import { BTreeLevel, LsmLevel } from '../../../ts/storage/level/index.ts'
import { openLsm } from '../../../ts/storage/lsm/index.ts'
import { LEVELS, type LevelUnderTest, type LevelUnderTestOptions } from '../../support/level/databases.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

describe.each(LEVELS)('$name', ({ name, Level }) => {
  let directory: ReturnType<typeof temporaryDirectory>
  let opened: LevelUnderTest[]
  beforeEach(() => {
    directory = temporaryDirectory()
    opened = []
  })
  afterEach(async () => {
    await Promise.all(opened.map((level) => level.close()))
    directory.remove()
  })

  function make(options?: LevelUnderTestOptions, folder = 'level'): LevelUnderTest {
    const level = new Level(join(directory.path, folder), options)
    opened.push(level)
    return level
  }

  async function makeWith(keys: readonly string[], options?: LevelUnderTestOptions): Promise<LevelUnderTest> {
    const level = make(options)
    await level.batch(keys.map((key) => ({ type: 'put', key, value: `value of ${key}` })))
    return level
  }

  /** The error with which opening failed. */
  async function causeOf(opening: Promise<void>): Promise<{ code: string; message: string }> {
    const error = await opening.then(
      () => undefined,
      (failure) => failure as { code: string; cause: BedplateError },
    )
    expect(error?.code).toBe('LEVEL_DATABASE_NOT_OPEN')
    return error!.cause
  }

  describe('opening', () => {
    it('says why it failed, in the words of the store', async () => {
      await make().open()
      // Threads of a process share a store of the native engine, and handles of a thread do.
      if (!name.includes('native')) {
        expect(await causeOf(make().open())).toMatchObject({ code: 'LOCKED', retryable: true })
      }
      await opened[0]?.close()
      expect(await causeOf(make({ errorIfExists: true }).open())).toMatchObject({ code: 'ALREADY_EXISTS' })
      const never = { createIfMissing: false, errorIfExists: true }
      expect(await causeOf(make(never).open())).toMatchObject({ code: 'ALREADY_EXISTS' })
      expect(await causeOf(make(never, 'other').open())).toMatchObject({ code: 'NOT_FOUND' })
      expect(await causeOf(make({ readOnly: true }, 'other').open())).toMatchObject({ code: 'NOT_FOUND' })
      expect(existsSync(join(directory.path, 'other'))).toBe(false)
      expect(await causeOf(make({ cacheBytes: -1, memoryBytes: -1 }).open())).toMatchObject({ code: 'INVALID_INPUT' })
    })

    it('takes the options of the store', async () => {
      const level = await makeWith(['a'], { durability: 'os' })
      await level.close()
      const reader = make({ readOnly: true })
      expect(await reader.get('a')).toBe('value of a')
      await expect(reader.put('b', 'x')).rejects.toMatchObject({ code: 'READ_ONLY' })
    })

    it('needs a location', () => {
      expect(() => new Level('')).toThrow(/location must be the name of a directory, got ""/)
    })

    it('again shows what was there', async () => {
      const level = await makeWith(['a', 'b'])
      await level.close()
      expect(() => level.store).toThrow(/is not open/)
      await level.open({ createIfMissing: false })
      expect(await level.keys().all()).toEqual(['a', 'b'])
    })
  })

  describe('writing', () => {
    it('a batch is one commit, whatever the formats of its operations', async () => {
      const level = await makeWith(['gone'])
      const before = level.store.position
      await level.batch<unknown, unknown>(
        [
          { type: 'put', key: 'text', value: 'both' },
          {
            type: 'put',
            key: Buffer.from([0xff]),
            keyEncoding: 'buffer',
            value: new Uint8Array([1]),
            valueEncoding: 'view',
          },
          { type: 'put', key: 'json', value: { a: 1 }, valueEncoding: 'json' },
          { type: 'del', key: 'gone' },
        ],
        {},
      )
      expect(level.store.position).toBe(before + 1)
      expect(await level.getMany(['text', 'json', 'gone'])).toEqual(['both', '{"a":1}', undefined])
      const bytes = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
      expect(await level.get<Buffer, Buffer>(Buffer.from([0xff]), bytes)).toEqual(Buffer.from([1]))
    })

    it('with `sync` waits for the disk, where the database would not', async () => {
      const level = make({ durability: 'memory' })
      await level.put('a', '1', { sync: true })
      await level.batch([{ type: 'put', key: 'b', value: '2' }], { sync: true })
      await level.batch().put('c', '3').write({ sync: true })
      await level.del('a', { sync: true })
      expect(level.store.durablePosition).toBe(level.store.position)
    })

    it('refuses text that has no UTF-8 form, and keys that are too long', async () => {
      const level = make()
      await expect(level.put('\ud800', 'x')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      await expect(level.put('k'.repeat(level.store.maxKeyBytes + 1), 'x')).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        hint: expect.stringContaining('hash'),
      })
      expect(await level.keys().all()).toEqual([])
    })

    it('the memory of keys and values may be used again at once', async () => {
      const level = make({ keyEncoding: 'buffer', valueEncoding: 'buffer' }) as unknown as {
        open(): Promise<void>
        put(key: Buffer, value: Buffer): Promise<void>
        get(key: Buffer): Promise<Buffer | undefined>
      }
      await level.open()
      const [key, value] = [Buffer.from('key'), Buffer.from('value')]
      const put = level.put(key, value)
      key.fill('?')
      value.fill('?')
      await put
      expect(await level.get(Buffer.from('key'))).toEqual(Buffer.from('value'))
    })
  })

  describe('clear', () => {
    const KEYS = Array.from({ length: 2500 }, (_, i) => String(i).padStart(4, '0'))

    it('of a range is one commit', async () => {
      const level = await makeWith(KEYS)
      const before = level.store.position
      await level.clear({ gte: '0100', lt: '2400' })
      expect(level.store.position).toBe(before + 1)
      expect(await level.keys().all()).toEqual([...KEYS.slice(0, 100), ...KEYS.slice(2400)])
    })

    it('with a limit takes that many, from either side', async () => {
      const level = await makeWith(KEYS)
      await level.clear({ limit: 1200 })
      await level.clear({ limit: 1100, reverse: true, lt: '2400' })
      expect(await level.keys().all()).toEqual([...KEYS.slice(1200, 1300), ...KEYS.slice(2400)])
    })

    it('with a snapshot takes what that shows', async () => {
      const level = await makeWith(KEYS)
      const snapshot = level.snapshot()
      await level.put('new', 'x')
      await level.clear({ snapshot })
      expect(await level.keys().all()).toEqual(['new'])
      await snapshot.close()
    })
  })

  describe('snapshots', () => {
    it('of another database are refused', async () => {
      const [one, other] = [make({}, 'one'), make({}, 'other')]
      await Promise.all([one.open(), other.open()])
      const snapshot = other.snapshot()
      expect(() => one.getSync('a', { snapshot })).toThrow(/not one of the database/)
      await expect(one.iterator({ snapshot }).all()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    })

    it('are given back with the iterators that hold them', async () => {
      const level = await makeWith(['a', 'b', 'c'])
      const iterators = [level.iterator(), level.keys(), level.values({ reverse: true })]
      for (const iterator of iterators) await iterator.next()
      expect(level.store.stats().snapshots.open).toBeGreaterThanOrEqual(3)
      for (const iterator of iterators) await iterator.close()
      for await (const _ of level.iterator()) break
      expect(level.store.stats().snapshots.open).toBe(0)
    })
  })

  describe('iterators', () => {
    const KEYS = Array.from({ length: 5000 }, (_, i) => String(i).padStart(4, '0'))

    it('leave others their turn, however much they read', async () => {
      const level = await makeWith(KEYS)
      let turns = 0
      let isOver = false
      const others = (async () => {
        while (!isOver) {
          await setImmediate()
          turns++
        }
      })()
      for await (const _ of level.iterator());
      const whileWalking = turns
      await level.iterator().all()
      isOver = true
      await others
      expect(whileWalking).toBeGreaterThanOrEqual(4)
      expect(turns - whileWalking).toBeGreaterThanOrEqual(4)
    })

    it('can be aborted in the middle', async () => {
      const level = await makeWith(KEYS)
      const abort = new AbortController()
      const all = level.iterator({ signal: abort.signal }).all()
      await setImmediate()
      abort.abort()
      await expect(all).rejects.toMatchObject({ code: 'LEVEL_ABORTED', name: 'AbortError' })
    })

    it('seek to bytes among texts, if they are a text', async () => {
      const level = await makeWith(['a', 'é', 'ü'])
      const iterator = level.iterator()
      iterator.seek(Buffer.from('é'), { keyEncoding: 'buffer' })
      expect(await iterator.next()).toEqual(['é', 'value of é'])
      const seek = (): void => iterator.seek(Buffer.from([0xc3]), { keyEncoding: 'buffer' })
      expect(seek).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', hint: expect.stringContaining('buffer') }))
      expect(await iterator.next()).toEqual(['ü', 'value of ü'])
      await iterator.close()
    })

    it('seek to a text among bytes', async () => {
      const level = await makeWith(['a', 'é', 'z'])
      const iterator = level.keys({ keyEncoding: 'buffer' })
      iterator.seek('b', { keyEncoding: 'utf8' })
      expect(await iterator.next()).toEqual(Buffer.from('z'))
      await iterator.close()
    })
  })
})

describe('the store of a Level database', () => {
  const directory = temporaryDirectory()
  afterEach(() => directory.remove())

  it.each([
    { name: 'openBTree', Level: BTreeLevel, open: openBTree<string, string> },
    { name: 'openLsm', Level: LsmLevel, open: openLsm<string, string> },
  ])('is what $name opens', async ({ Level, open }) => {
    const level = new Level(directory.path) as BTreeLevel
    await level.sublevel('people').put('ada', 'Lovelace')
    await level.put('key', 'value')
    const text = level.store.tree('', { valueEncoding: 'json' })
    await text.put('json', { a: 1 })
    expect(await level.get('json', { valueEncoding: 'json' })).toEqual({ a: 1 })
    await level.close()
    const store = await open(directory.path)
    expect([...store.range()]).toEqual([
      ['!people!ada', 'Lovelace'],
      ['json', '{"a":1}'],
      ['key', 'value'],
    ])
    await store.close()
  })
})
