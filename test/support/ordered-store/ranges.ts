// The conformance suite of ordered stores: everything that goes over many keys.
import { describe, expect, it } from 'vitest'
import type { FlatBlock, KeyRange, OrderedStore, RangeOptions } from '../../../ts/storage/ordered-store.ts'
import { codeOf, errorOf } from '../errors.ts'
import { contentOf, keysOf, type Session, text } from './session.ts'

/** Registers the tests of ranges, scans, clears, and of walks under writes. */
export function describeRanges(session: Session): void {
  describe('range', () => {
    const keys = ['b', 'bb', 'd', 'f', 'h', 'j', 'l', 'n']
    const bounds = ['', 'a', 'b', 'bb', 'c', 'f', 'n', 'o']

    it('gives what its bounds, direction and limit say, for all of them', async () => {
      const store = await session.openWith(keys)
      const wrong: RangeOptions[] = []
      for (const options of everyRange(bounds, keys.length)) {
        if (keysOf(store, options).join() !== select(keys, options).join()) wrong.push(options)
      }
      expect(wrong).toEqual([])
    })

    it('gives the same by for await', async () => {
      const store = await session.openWith(keys)
      for (const options of [{}, { reverse: true }, { gt: 'b', lte: 'j' }, { lt: 'h', reverse: true, limit: 2 }]) {
        const found: string[] = []
        for await (const [key, value] of store.range(options)) {
          expect(value).toBe(`value of ${key}`)
          found.push(key)
        }
        expect(found).toEqual(select(keys, options))
      }
    })

    it('gives the keys that begin with a prefix', async () => {
      const store = await session.openWith([...keys, '', 'bbb', 'c', 'é', 'ég', 'ê'])
      for (const prefix of ['', 'a', 'b', 'bb', 'bbb', 'bbbb', 'é', 'n', 'z']) {
        const expected = keysOf(store).filter((key) => key.startsWith(prefix))
        expect([prefix, keysOf(store, { prefix })]).toEqual([prefix, expected])
        expect(keysOf(store, { prefix, reverse: true, limit: 2 })).toEqual(expected.toReversed().slice(0, 2))
        expect(unpack(store.scan({ prefix })).map(([key]) => key)).toEqual(expected)
      }
    })

    it('gives the keys that begin with any bytes, also with the last there are', async () => {
      const store = await session.openBytes()
      const found = ['', '00', '61', '61ff', '61ff00', '61ffff', '62', 'fe', 'ff', 'ff00', 'ffff', 'ffffff']
      for (const key of found) store.put(Buffer.from(key, 'hex'), Buffer.from(key))
      for (const prefix of [...found, '61fffe', 'fffe', 'ffffffff']) {
        const range = { prefix: Buffer.from(prefix, 'hex') }
        const expected = found.filter((key) => key.startsWith(prefix))
        expect([prefix, contentOf(store, range).map(([key]) => key)]).toEqual([prefix, expected])
        expect(contentOf(store, { ...range, reverse: true }).map(([key]) => key)).toEqual(expected.toReversed())
      }
    })

    it('spans many keys, whole or in part, both ways', async () => {
      const many = Array.from({ length: 3000 }, (_, i) => `key ${String(i).padStart(5, '0')}`)
      const store = await session.openWith(many)
      for (const options of [
        {},
        { reverse: true },
        { gte: 'key 01000', lt: 'key 02000' },
        { gt: 'key 01000', lte: 'key 02000', reverse: true },
        { gt: 'key 00999x', limit: 1500 },
        { lt: 'key 02999', reverse: true, limit: 2500 },
      ]) {
        expect(keysOf(store, options)).toEqual(select(many, options))
      }
    })

    it('treats a bound that is undefined as none', async () => {
      const store = await session.openWith(['a', 'b'])
      const options: object = { gt: undefined, gte: 'b', lt: undefined, limit: undefined, reverse: undefined }
      expect(keysOf(store, options as RangeOptions)).toEqual(['b'])
    })

    it('refuses options that it cannot take, naming the one that was meant', async () => {
      const store = await session.open()
      const reading: unknown[] = [
        { gt: 'a', gte: 'a' },
        { lt: 'a', lte: 'a' },
        { prefix: 'a', gte: 'a' },
        { prefix: 'a', lt: 'b' },
        { prefix: null },
        { prefix: 1 },
        { limit: -1 },
        { limit: 1.5 },
        { limit: Number.NaN },
        { limit: '1' },
        { reverse: 1 },
        { gte: 1 },
        { lt: null },
        { gt: null },
        { start: 'a' },
        null,
        'a',
      ]
      for (const wrong of reading) {
        expect(codeOf(() => store.range(wrong as RangeOptions))).toBe('INVALID_INPUT')
        expect(codeOf(() => store.scan(wrong as RangeOptions))).toBe('INVALID_INPUT')
      }
      for (const [misspelt, meant] of [
        ['limt', 'limit'],
        ['revers', 'reverse'],
      ] as const) {
        const hint = `did you mean "${meant}"?`
        expect(errorOf(() => store.range({ [misspelt]: 1 } as RangeOptions))).toMatchObject({ hint })
        expect(errorOf(() => store.scan({ [misspelt]: 1 } as RangeOptions))).toMatchObject({ hint })
      }
    })
  })

  describe('scan', () => {
    it('gives the entries of the range as flat blocks', async () => {
      const keys = ['b', 'bb', 'd', 'f', 'h']
      const store = await session.openWith(keys)
      const wrong: RangeOptions[] = []
      for (const options of everyRange(['', 'b', 'c', 'i'], keys.length)) {
        const found = unpack(store.scan(options)).map(([key]) => key)
        if (found.join() !== select(keys, options).join()) wrong.push(options)
      }
      expect(wrong).toEqual([])
      expect(unpack(store.scan({ gt: 'b' }))).toEqual([...store.range({ gt: 'b' })])
    })

    it('packs many entries, also those that are larger than a block', async () => {
      const store = await session.open()
      for (let i = 0; i < 400; i++) {
        store.put(`key ${i}`, String(i).repeat(i % 100 === 7 ? 40_000 : i % 10))
      }
      const blocks = [...store.scan()]
      expect(unpack(blocks)).toEqual([...store.range()])
      for (const { bytes, count } of blocks) {
        expect(count).toBeGreaterThan(0)
        expect(count === 1 || bytes.length <= 64 * 1024).toBe(true)
      }
      expect(unpack(store.scan({ reverse: true, limit: 150 }))).toEqual([...store.range({ reverse: true, limit: 150 })])
    })
  })

  describe('clear', () => {
    const keys = ['b', 'bb', 'd', 'f', 'h']

    it('removes exactly what the range says, for all ranges', async () => {
      const store = await session.openWith(keys)
      for (const { reverse, limit, ...options } of everyRange(['', 'b', 'c', 'f', 'h', 'i'], 0)) {
        if (reverse || limit !== undefined) continue
        for (const key of keys) store.put(key, key)
        store.clear(options)
        const cleared = select(keys, options)
        expect(keysOf(store)).toEqual(keys.filter((key) => !cleared.includes(key)))
      }
    })

    it('removes what begins with a prefix, and nothing else', async () => {
      const store = await session.openWith(keys)
      await store.clear({ prefix: 'b' })
      expect(keysOf(store)).toEqual(['d', 'f', 'h'])
      expect(codeOf(() => store.clear({ prefix: 'b', lt: 'd' }))).toBe('INVALID_INPUT')
      await store.clear({ prefix: 'x' })
      expect(keysOf(store)).toEqual(['d', 'f', 'h'])
    })

    it('without a range removes everything, so that the store can be filled anew', async () => {
      const store = await session.openWith(Array.from({ length: 1000 }, (_, i) => `key ${i}`))
      await store.clear()
      expect([keysOf(store), store.get('key 1'), store.has('key 2')]).toEqual([[], undefined, false])
      await store.clear()
      await store.put('key 1', 'again')
      expect([...store.range()]).toEqual([['key 1', 'again']])
    })

    it('removes large values and thousands of keys', async () => {
      const many = Array.from({ length: 3000 }, (_, i) => `key ${String(i).padStart(5, '0')}`)
      const store = await session.openWith(many)
      for (const key of many.filter((_, i) => i % 500 === 1)) store.put(key, key.repeat(5000))
      await store.clear({ gt: 'key 00500', lte: 'key 02600' })
      expect(keysOf(store)).toEqual([...many.slice(0, 501), ...many.slice(2601)])
    })

    it('refuses what does not bound, so that it never removes more than was meant', async () => {
      const store = await session.openWith(keys)
      for (const wrong of [
        { limit: 1 },
        { reverse: true },
        { gt: null },
        { gte: null, lt: 'c' },
        { gt: 'a', gte: 'a' },
        { lt: 1 },
        { prefix: null },
        { from: 'a' },
        null,
        'a',
      ]) {
        expect(codeOf(() => store.clear(wrong as KeyRange))).toBe('INVALID_INPUT')
      }
      expect(keysOf(store)).toEqual(keys)
    })
  })

  describe('a walk', () => {
    const keys = Array.from({ length: 600 }, (_, i) => `key ${String(i).padStart(4, '0')}`)

    /** Changes every part of the store: all keys gone in the end, or others in their place. */
    const disturbances: [string, (store: OrderedStore, step: number) => void][] = [
      ['puts', (store, step) => void store.put(`key ${String(step).padStart(4, '0')}+`, 'put during the walk')],
      ['overwritten values', (store, step) => void store.put(keys[599 - (step % 600)] as string, 'x'.repeat(step))],
      ['deletes', (store, step) => void store.delete(keys[(step * 7) % 600] as string)],
      ['a clear', (store) => void store.clear()],
    ]

    for (const [what, disturb] of disturbances) {
      it(`shows the state of its start, whatever happens meanwhile: ${what}`, async () => {
        const store = await session.openWith(keys)
        const expected = [...store.range()]
        const found: [string, string][] = []
        for (const entry of store.range()) {
          disturb(store, found.length)
          found.push(entry)
        }
        expect(found).toEqual(expected)
      })

      it(`by for await shows the state of its start, whatever happens meanwhile: ${what}`, async () => {
        const store = await session.openWith(keys)
        const expected = [...store.range({ reverse: true })]
        const found: [string, string][] = []
        for await (const entry of store.range({ reverse: true })) {
          disturb(store, found.length)
          if (found.length % 100 === 0) await store.flushed()
          found.push(entry)
        }
        expect(found).toEqual(expected)
      })

      it(`by blocks shows the state of its start, whatever happens meanwhile: ${what}`, async () => {
        const store = await session.openWith(keys)
        for (const key of keys) store.put(key, key.repeat(60))
        const expected = [...store.range()]
        const blocks: FlatBlock[] = []
        for (const block of store.scan()) {
          for (let step = 0; step < block.count; step++) disturb(store, step)
          blocks.push(block)
        }
        expect(unpack(blocks)).toEqual(expected)
      })
    }

    it('starts when it is asked for its first entry, and each time anew', async () => {
      const store = await session.openWith(['a'])
      const range = store.range()
      await store.put('b', 'value of b')
      expect(Array.from(range, ([key]) => key)).toEqual(['a', 'b'])
      await store.delete('a')
      expect(Array.from(range, ([key]) => key)).toEqual(['b'])
    })

    it('does not disturb another one', async () => {
      const store = await session.openWith(keys)
      const up = store.range()[Symbol.iterator]()
      const down = store.range({ reverse: true })[Symbol.iterator]()
      for (let i = 0; i < 600; i++) {
        expect([up.next().value?.[0], down.next().value?.[0]]).toEqual([keys[i], keys[599 - i]])
      }
      expect([up.next(), down.next()]).toEqual([
        { done: true, value: undefined },
        { done: true, value: undefined },
      ])
      expect(up.next().done).toBe(true)
    })

    it('answers overlapping calls in order', async () => {
      const store = await session.openWith(keys)
      const walk = store.range()[Symbol.asyncIterator]()
      const answers = await Promise.all([walk.next(), walk.next(), walk.next(), walk.return?.(), walk.next()])
      expect(answers.map((answer) => [answer?.done, answer?.value?.[0]])).toEqual([
        [false, keys[0]],
        [false, keys[1]],
        [false, keys[2]],
        [true, undefined],
        [true, undefined],
      ])
    })

    it('may be left early in any way', async () => {
      const store = await session.openWith(keys)
      for (const _ of store.range()) break
      for await (const _ of store.range()) break
      for (const _ of store.scan()) break
      const [first] = store.range({ gt: 'key 0100' })
      expect(first?.[0]).toBe('key 0101')
      const fail = (): void => {
        for (const _ of store.range()) throw new Error('left')
      }
      expect(fail).toThrow('left')
      await expect(async () => {
        for await (const _ of store.range()) throw new Error('left')
      }).rejects.toThrow('left')
      const walk = store.range()[Symbol.iterator]()
      walk.next()
      expect(walk.return?.()).toEqual({ done: true, value: undefined })
      expect(walk.next()).toEqual({ done: true, value: undefined })
      await store.clear()
      expect(keysOf(store)).toEqual([])
    })

    it('may be left before it began', async () => {
      const store = await session.openWith(keys)
      store.range()[Symbol.iterator]().return?.()
      await store.range()[Symbol.asyncIterator]().return?.()
      const blocks = store.scan()
      blocks.return?.()
      expect(blocks.next()).toEqual({ done: true, value: undefined })
    })
  })
}

/** Every combination of bounds, direction and limit (none, and 0 to 2, and about `count`). */
function* everyRange(bounds: readonly string[], count: number): Generator<RangeOptions> {
  const either = (inclusive: 'gte' | 'lte', exclusive: 'gt' | 'lt'): KeyRange[] => [
    {},
    ...bounds.flatMap((bound) => [{ [inclusive]: bound }, { [exclusive]: bound }]),
  ]
  for (const lower of either('gte', 'gt')) {
    for (const upper of either('lte', 'lt')) {
      for (const reverse of [false, true]) {
        yield { ...lower, ...upper, reverse }
        for (const limit of [0, 1, 2, count, count + 1]) yield { ...lower, ...upper, reverse, limit }
      }
    }
  }
}

/** What a range of the sorted ASCII `keys` should give. */
function select(keys: readonly string[], options: RangeOptions): string[] {
  const { gt, gte, lt, lte, reverse = false, limit } = options
  const found = keys.filter(
    (key) =>
      (gt === undefined || key > gt) &&
      (gte === undefined || key >= gte) &&
      (lt === undefined || key < lt) &&
      (lte === undefined || key <= lte),
  )
  if (reverse) found.reverse()
  return found.slice(0, limit)
}

/** Reads flat blocks as their description says. */
function unpack(blocks: Iterable<FlatBlock>): [string, string][] {
  const entries: [string, string][] = []
  for (const { bytes, count } of blocks) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let offset = 0
    for (let i = 0; i < count; i++) {
      const keyEnd = offset + 8 + view.getUint32(offset, true)
      const end = keyEnd + view.getUint32(offset + 4, true)
      entries.push([text(bytes.subarray(offset + 8, keyEnd)), text(bytes.subarray(keyEnd, end))])
      offset = end
    }
    expect(offset).toBe(bytes.length)
  }
  return entries
}
