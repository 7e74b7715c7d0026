// The conformance suite of ordered stores: whose memory it is, when promises resolve, what closing keeps.
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { codeOf, codeOfAsync } from '../errors.ts'
import { SortedMap } from '../memory-store.ts'
import { BYTES, contentOf, hex, keyOfNumber, keysOf, type Session } from './session.ts'

const RANDOM_STEPS = 600

/** Registers the tests of what lasts. */
export function describeLifetime(session: Session): void {
  describe('memory', () => {
    it('that was given out is not the store’s: changing it changes nothing', async () => {
      const store = await session.openBytes()
      for (let i = 0; i < 50; i++) store.put(keyOfNumber(i), new Uint8Array(i % 10 === 9 ? 9000 : 20).fill(i))
      const before = contentOf(store)
      const spoil = (bytes: Uint8Array | undefined): void => void bytes?.fill(0xee)
      for (let i = 0; i < 50; i++) {
        spoil(store.get(keyOfNumber(i)))
        spoil(await store.getAsync(keyOfNumber(i)))
        for (const value of store.getMany([keyOfNumber(i)])) spoil(value)
      }
      for (const entry of store.range()) entry.map(spoil)
      for await (const entry of store.range({ reverse: true })) entry.map(spoil)
      for (const { bytes } of store.scan()) spoil(bytes)
      expect(contentOf(store)).toEqual(before)
    })

    it('that was handed over may be used again at once', async () => {
      const store = await session.openBytes()
      const key = Buffer.from('key')
      const value = Buffer.alloc(30_000, 'v')
      const spoil = (): void => {
        key.write('???')
        value.fill('?')
      }
      const restore = (): void => {
        key.write('key')
        value.fill('v')
      }
      const expected = [[hex(key), hex(value)]]
      const put = store.put(key, value)
      spoil()
      await put
      expect(contentOf(store)).toEqual(expected)
      restore()
      const batch = store.batch([{ type: 'put', key, value: value.subarray(0, 10) }])
      spoil()
      await batch
      restore()
      expect(contentOf(store)).toEqual([[hex(key), hex(value.subarray(0, 10))]])
      const read = store.getAsync(key)
      const within = store.range({ gte: key, lte: key })
      const walk = within[Symbol.iterator]()
      spoil()
      expect([hex(await read), Array.from(within).length]).toEqual([hex(Buffer.alloc(10, 'v')), 1])
      expect([walk.next().done, walk.next().done]).toEqual([false, true])
    })
  })

  describe('promises', () => {
    it('resolve in the order of the writes', async () => {
      const store = await session.open()
      const resolved: number[] = []
      const writes = Array.from({ length: 60 }, async (_, i) => {
        if (i % 7 === 0) await store.clear({ lt: 'key 1' })
        else if (i % 5 === 0) await store.delete(`key ${i}`)
        else if (i % 3 === 0) await store.batch([{ type: 'put', key: `key ${i}`, value: 'x'.repeat(i * 100) }])
        else await store.put(`key ${i}`, 'value')
        resolved.push(i)
      })
      await store.flushed()
      await Promise.all(writes)
      expect(resolved).toEqual(Array.from({ length: 60 }, (_, i) => i))
    })

    it('of flushed resolve, also when nothing was written', async () => {
      const store = await session.open()
      await store.flushed()
      store.put('a', 'b')
      await store.flushed()
    })
  })

  describe('closing', () => {
    it('keeps everything for the next open', async () => {
      const store = await session.openWith(Array.from({ length: 2000 }, (_, i) => `key ${i}`))
      for (let i = 0; i < 2000; i += 3) store.delete(`key ${i}`)
      for (let i = 0; i < 2000; i += 100) store.put(`key ${i}`, 'large '.repeat(i * 10))
      store.clear({ gte: 'key 5', lt: 'key 6' })
      store.put('not awaited', 'and yet kept')
      const expected = [...store.range()]
      const again = await session.reopen()
      expect([...again.range()]).toEqual(expected)
      expect(again.get('not awaited')).toBe('and yet kept')
      const once = await session.reopen()
      expect([...once.range({ reverse: true })]).toEqual(expected.slice().reverse())
    })

    it('keeps an empty store empty', async () => {
      await session.openWith(['a', 'b'])
      const store = await session.reopen()
      await store.clear()
      expect([...(await session.reopen()).range()]).toEqual([])
    })

    it('resolves the promises of writes under way', async () => {
      const store = await session.open()
      const writes = Array.from({ length: 10 }, (_, i) => store.put(`key ${i}`, 'value'))
      await store.close()
      expect(await Promise.all(writes)).toHaveLength(10)
      expect(keysOf(await session.open())).toHaveLength(10)
    })

    it('may be asked for twice, also at the same time', async () => {
      const store = await session.openWith(['a'])
      await Promise.all([store.close(), store.close()])
      await store.close()
      expect(keysOf(await session.open())).toEqual(['a'])
    })

    it('ends every use of the handle', async () => {
      const store = await session.openWith(['a', 'b', 'c'])
      const walk = store.range()[Symbol.iterator]()
      const asyncWalk = store.range()[Symbol.asyncIterator]()
      const blocks = store.scan()
      walk.next()
      await asyncWalk.next()
      await store.close()
      const calls: (() => unknown)[] = [
        () => store.get('a'),
        () => store.getMany(['a']),
        () => store.has('a'),
        () => store.getAsync('a'),
        () => [...store.range()],
        () => store.range()[Symbol.asyncIterator]().next(),
        () => [...store.scan()],
        () => store.put('a', 'b'),
        () => store.delete('a'),
        () => store.batch([{ type: 'delete', key: 'a' }]),
        () => store.clear(),
        () => store.flushed(),
        () => walk.next(),
        () => asyncWalk.next(),
        () => blocks.next(),
      ]
      for (const call of calls) expect([String(call), await codeOfCall(call)]).toEqual([String(call), 'CLOSED'])
      expect(keysOf(await session.open())).toEqual(['a', 'b', 'c'])
    })

    it('makes writes throw at once instead of rejecting', async () => {
      const store = await session.open()
      await session.close()
      expect(codeOf(() => store.put('a', 'b'))).toBe('CLOSED')
      expect(codeOf(() => store.delete('a'))).toBe('CLOSED')
      expect(codeOf(() => store.batch([{ type: 'delete', key: 'a' }]))).toBe('CLOSED')
      expect(codeOf(() => store.clear())).toBe('CLOSED')
    })
  })

  it('agrees with a sorted map over a random sequence of everything', async () => {
    let store = await session.openBytes()
    const random = seededRandom(20)
    const model = new SortedMap()
    const below = (limit: number): number => Math.floor(random.next() * limit)
    const key = (): Uint8Array =>
      below(50) === 0
        ? random.bytes(below(session.maxKeyBytes + 1))
        : Buffer.from(`${'ab'.repeat(below(6))}${below(60)}`)
    const value = (): Uint8Array => random.bytes(below(20) === 0 ? below(20_000) : below(60))
    for (let step = 0; step < RANDOM_STEPS; step++) {
      const [one, other] = [key(), key()].sort(Buffer.compare) as [Uint8Array, Uint8Array]
      const action = below(100)
      if (action < 55) {
        const bytes = value()
        store.put(one, bytes)
        model.set(one, bytes)
      } else if (action < 75) {
        store.delete(one)
        model.delete(one)
      } else if (action < 80) {
        store.clear({ gt: one, lt: other })
        model.clear({ lower: one, lowerInclusive: false, upper: other, upperInclusive: false })
      } else if (action < 97) {
        const found = contentOf(store, { gte: one, lte: other, reverse: action % 2 === 0, limit: 20 })
        const expected = model.range({ lower: one, upper: other, reverse: action % 2 === 0, limit: 20 })
        expect(found).toEqual(expected.map((entry) => entry.map(hex)))
        expect(hex(store.get(other))).toBe(hex(model.get(other)))
        expect(store.has(one)).toBe(model.has(one))
      } else if (action === 97) {
        store = await session.reopen<Uint8Array, Uint8Array>(BYTES)
      } else {
        await store.flushed()
      }
    }
    expect(contentOf(store)).toEqual(model.range().map((entry) => entry.map(hex)))
  })
}

/** The code of an error that is thrown or rejected with. */
async function codeOfCall(call: () => unknown): Promise<string | undefined> {
  return await codeOfAsync(Promise.resolve().then(call))
}
