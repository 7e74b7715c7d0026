// The conformance suite of ordered stores: single keys, values, encodings, batches.
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import type { BatchOperation } from '../../../ts/storage/ordered-store.ts'
import { codeOf, codeOfAsync } from '../errors.ts'
import { BYTES, hex, keyOfNumber, keysOf, type Session, text } from './session.ts'

/** From nothing to far beyond a page of any size, and around powers of two. */
const VALUE_SIZES = [0, 1, 100, 511, 513, 1000, 4095, 4096, 4097, 16_300, 65_536, 200_000, 1_000_001]

/** Registers the tests of reading and writing key by key. */
export function describePoints(session: Session): void {
  describe('get, put and delete', () => {
    it('find nothing at first', async () => {
      const store = await session.open()
      expect([store.get('a'), store.has('a'), await store.getAsync('a')]).toEqual([undefined, false, undefined])
      expect([[...store.range()], [...store.scan()], store.getMany(['a', 'b'])]).toEqual([
        [],
        [],
        [undefined, undefined],
      ])
    })

    it('give the newest value at once, and also when it is durable', async () => {
      const store = await session.open()
      const first = store.put('a', 'one')
      expect([store.get('a'), store.has('a')]).toEqual(['one', true])
      const second = store.put('a', 'two')
      expect(store.get('a')).toBe('two')
      await Promise.all([first, second])
      expect([store.get('a'), await store.getAsync('a')]).toEqual(['two', 'two'])
    })

    it('know nothing of a deleted key until it is put again', async () => {
      const store = await session.openWith(['a', 'b', 'c'])
      await store.delete('b')
      expect([store.get('b'), store.has('b'), await store.getAsync('b')]).toEqual([undefined, false, undefined])
      expect(keysOf(store)).toEqual(['a', 'c'])
      await store.put('b', 'again')
      expect([store.get('b'), keysOf(store)]).toEqual(['again', ['a', 'b', 'c']])
    })

    it('remove an absent key without complaint', async () => {
      const store = await session.openWith(['b'])
      await Promise.all(['a', 'b', 'b', 'c'].map((key) => store.delete(key)))
      expect(keysOf(store)).toEqual([])
    })

    it('tell a key from its prefixes and from its extensions', async () => {
      const store = await session.openWith(['ab'])
      expect(['a', 'ab', 'abc', ''].map((key) => store.has(key))).toEqual([false, true, false, false])
    })

    it('give many values in the order asked, with undefined for what is absent', async () => {
      const store = await session.openWith(['a', 'b', 'c'])
      expect(store.getMany(['c', 'x', 'a', 'c'])).toEqual(['value of c', undefined, 'value of a', 'value of c'])
      expect(store.getMany([])).toEqual([])
    })

    it('copy the bytes of a value into memory of the caller’s, if they fit, and say how many there are', async () => {
      const store = await session.open<string, unknown>({ valueEncoding: 'json' })
      const long = 'ö'.repeat(200_000)
      await store.batch([
        { type: 'put', key: 'short', value: 'ü' },
        { type: 'put', key: 'long', value: long },
      ])
      const target = new Uint8Array(10).fill(0xee)
      const middle = target.subarray(2, 8)
      expect([store.getInto('short', middle), text(middle.subarray(0, 4))]).toEqual([4, '"ü"'])
      expect([...target.subarray(6)]).toEqual([0xee, 0xee, 0xee, 0xee])
      expect([store.getInto('short', target.subarray(0, 4)), store.getInto('absent', target)]).toEqual([4, undefined])
      const length = store.getInto('long', middle) ?? 0
      expect([length, [...target.subarray(8)]]).toEqual([400_002, [0xee, 0xee]])
      const whole = new Uint8Array(length)
      expect([store.getInto('long', whole), text(whole)]).toEqual([length, `"${long}"`])
      expect(store.getInto('long', new Uint8Array(0))).toBe(length)
    })

    it('read asynchronously the state of the call', async () => {
      const store = await session.openWith(['a', 'b'])
      const reads = [store.getAsync('a'), store.getAsync('b'), store.getAsync('c')]
      store.put('a', 'later')
      store.delete('b')
      store.put('c', 'later')
      expect(await Promise.all(reads)).toEqual(['value of a', 'value of b', undefined])
    })

    it('read asynchronously the state of the call, however close a write follows', async () => {
      const store = await session.open()
      for (let microtasks = 0; microtasks < 12; microtasks++) {
        store.put('a', 'old value')
        const read = store.getAsync('a')
        for (let i = 0; i < microtasks; i++) await undefined
        store.put('a', 'new value')
        expect(await read).toBe('old value')
      }
    })

    it('read asynchronously what does not fit into a cache', async () => {
      const store = await session.openBytes()
      const value = (i: number): Uint8Array => new Uint8Array(900).fill(i)
      await store.batch(Array.from({ length: 1800 }, (_, i) => ({ type: 'put', key: keyOfNumber(i), value: value(i) })))
      const key = Buffer.alloc(4)
      const reads = Array.from({ length: 100 }, (_, i) => {
        key.writeUInt32BE((i * 97) % 2000)
        return store.getAsync(key) // which is used again at once
      })
      const found = await Promise.all(reads)
      expect(found.map((bytes) => bytes?.[0])).toEqual(
        reads.map((_, i) => ((i * 97) % 2000 < 1800 ? ((i * 97) % 2000) % 256 : undefined)),
      )
    })
  })

  describe('keys', () => {
    it('are ordered as unsigned bytes, a prefix before what it begins', async () => {
      const store = await session.openBytes()
      const ends = [[], [0], [0, 0], [1], [0x7f], [0x80], [0xfe], [0xff], [0xff, 0], [0xff, 0xff]]
      const sorted = [[], ...[0, 1, 0x61, 0x7f, 0x80, 0xff].flatMap((first) => ends.map((end) => [first, ...end]))]
      const inDisorder = sorted.map((key, i) => ({ key, turn: (i * 37) % sorted.length }))
      for (const { key } of inDisorder.sort((a, b) => a.turn - b.turn)) {
        store.put(Uint8Array.from(key), Uint8Array.of(key.length))
      }
      const found = [...store.range()]
      expect(found.map(([key]) => [...key])).toEqual(sorted)
      expect(found.map(([, value]) => value[0])).toEqual(sorted.map((key) => key.length))
    })

    it('that are strings are ordered by their UTF-8 bytes, not by UTF-16 units', async () => {
      const sorted = ['', 'Z', 'a', '\u007f', '\u0080', 'é', '߿', 'ࠀ', '\ud7ff', '\ue000', '～', '\uffff', '😀', '😁']
      const store = await session.openWith(sorted.slice().reverse())
      expect(keysOf(store)).toEqual(sorted)
      expect(sorted.slice().sort()).not.toEqual(sorted)
      expect(keysOf(store, { gt: '～', lt: '😁' })).toEqual(['\uffff', '😀'])
    })

    it('may be empty', async () => {
      const store = await session.open()
      await store.put('', 'nothing')
      expect([store.get(''), store.has(''), [...store.range({ lte: '' })]]).toEqual([
        'nothing',
        true,
        [['', 'nothing']],
      ])
      await store.delete('')
      expect([store.has(''), keysOf(store)]).toEqual([false, []])
    })

    it('may have the full length, in great number, and not one byte more', async () => {
      const store = await session.open()
      const long = (i: number): string => String(i).padStart(session.maxKeyBytes, 'long ')
      const sorted = Array.from({ length: 64 }, (_, i) => long(i)).sort()
      await Promise.all(sorted.map((key, i) => store.put(key, String(i))))
      expect(keysOf(store)).toEqual(sorted)
      expect(sorted.map((key) => store.get(key))).toEqual(sorted.map((_, i) => String(i)))
      const tooLong = `${long(1)}!`
      for (const call of [
        () => store.put(tooLong, 'x'),
        () => store.delete(tooLong),
        () => store.get(tooLong),
        () => store.batch([{ type: 'put', key: tooLong, value: 'x' }]),
      ]) {
        expect(codeOf(call)).toBe('INVALID_INPUT')
      }
      expect(keysOf(store)).toEqual(sorted)
    })

    it('as bounds may be longer than any key', async () => {
      const store = await session.openWith(['a', 'b'])
      const bound = 'a'.repeat(session.maxKeyBytes + 1)
      expect([keysOf(store, { gt: bound }), keysOf(store, { lte: bound })]).toEqual([['b'], ['a']])
      await store.clear({ gt: bound })
      expect(keysOf(store)).toEqual(['a'])
    })
  })

  describe('values', () => {
    it('may have any size', async () => {
      const store = await session.openBytes()
      const values = VALUE_SIZES.map((size) => Buffer.from(seededRandom(size).bytes(size)))
      for (const value of values) await store.put(keyOfNumber(value.length), value)
      for (const value of values) {
        const key = keyOfNumber(value.length)
        expect([value.length, value.equals(store.get(key) as Uint8Array)]).toEqual([value.length, true])
        expect([value.length, value.equals((await store.getAsync(key)) as Uint8Array)]).toEqual([value.length, true])
      }
      expect(Array.from(store.range(), ([, found]) => found.length)).toEqual(VALUE_SIZES)
    })

    it('may grow and shrink', async () => {
      const store = await session.openBytes()
      for (const [i, size] of [0, 200_000, 1, 5000, 80_000, 79_000, 300, 20_000, 0].entries()) {
        const value = new Uint8Array(size).fill(i + 1)
        await store.put(keyOfNumber(1), value)
        await store.put(keyOfNumber(2), value.subarray(0, size / 2))
        expect(hex(store.get(keyOfNumber(1)))).toBe(hex(value))
      }
      await store.delete(keyOfNumber(1))
      expect(Array.from(store.range(), ([key, value]) => [hex(key), value.length])).toEqual([[hex(keyOfNumber(2)), 0]])
    })
  })

  describe('encodings', () => {
    it('utf8 keep any text', async () => {
      const store = await session.open()
      const texts = ['', ' ', '\0', 'naïve', '\ufeffmark', '語', '👩‍🚀', '"quoted"\n', '\u2028', 'x'.repeat(70_000)]
      await Promise.all(texts.map((text, i) => store.put(`key ${i} ${text.slice(0, 20)}`, text)))
      expect(texts.map((text, i) => store.get(`key ${i} ${text.slice(0, 20)}`))).toEqual(texts)
      expect(new Set(Array.from(store.range(), ([, text]) => text))).toEqual(new Set(texts))
    })

    it('json keep what JSON can hold', async () => {
      const store = await session.open<string, unknown>({ valueEncoding: 'json' })
      const values = [null, true, 0, -1.5, '', 'text', [], [1, [2]], {}, { a: { b: [null, '語'] } }]
      await Promise.all(values.map((value, i) => store.put(`key ${i}`, value)))
      expect(values.map((_, i) => store.get(`key ${i}`))).toEqual(values)
      expect(await store.getAsync('key 9')).toEqual(values[9])
      expect(Array.from(store.range(), ([, value]) => value)).toEqual(values)
    })

    it('buffer keep any bytes, and give them as Uint8Array', async () => {
      const store = await session.openBytes()
      const all = Uint8Array.from({ length: 256 }, (_, i) => i)
      await store.put(all.subarray(200), all)
      const value = store.get(all.subarray(200))
      expect([value instanceof Uint8Array, hex(value)]).toEqual([true, hex(all)])
      const [entry] = store.range()
      expect([entry?.[0] instanceof Uint8Array, hex(entry?.[0])]).toEqual([true, hex(all.subarray(200))])
    })

    it('are views of the same bytes', async () => {
      const store = await session.open()
      await store.put('ключ', '{"ö":1}')
      const bytes = await session.reopen<Uint8Array, Uint8Array>(BYTES)
      expect(Array.from(bytes.range(), ([key, value]) => [text(key), text(value)])).toEqual([['ключ', '{"ö":1}']])
      const mixed = await session.reopen<Uint8Array, unknown>({ keyEncoding: 'buffer', valueEncoding: 'json' })
      expect(mixed.get(Buffer.from('ключ'))).toEqual({ ö: 1 })
    })

    it('json refuse to show what is not JSON', async () => {
      const store = await session.openWith(['a'])
      expect(store.get('a')).toBe('value of a')
      const json = await session.reopen<string, unknown>({ valueEncoding: 'json' })
      expect(codeOf(() => json.get('a'))).toBe('INVALID_INPUT')
      expect(codeOf(() => [...json.range()])).toBe('INVALID_INPUT')
      expect(await codeOfAsync(json.getAsync('a'))).toBe('INVALID_INPUT')
      expect(json.has('a')).toBe(true)
    })

    it('refuse values and keys of another kind at once, and then nothing has changed', async () => {
      const store = await session.openWith(['a'])
      for (const wrong of [undefined, null, 1, true, {}, Buffer.from('a'), ['a'], Symbol('a')]) {
        expect(codeOf(() => store.put('a', wrong as string))).toBe('INVALID_INPUT')
        expect(codeOf(() => store.put(wrong as string, 'a'))).toBe('INVALID_INPUT')
        expect(codeOf(() => store.delete(wrong as string))).toBe('INVALID_INPUT')
        expect(codeOf(() => store.get(wrong as string))).toBe('INVALID_INPUT')
        expect(codeOf(() => store.has(wrong as string))).toBe('INVALID_INPUT')
        expect(codeOf(() => store.getMany([wrong as string]))).toBe('INVALID_INPUT')
        expect(await codeOfAsync(store.getAsync(wrong as string))).toBe('INVALID_INPUT')
      }
      expect([...store.range()]).toEqual([['a', 'value of a']])
    })

    it('refuse strings that have no UTF-8 form', async () => {
      const store = await session.open()
      expect(codeOf(() => store.put('\ud800', 'x'))).toBe('INVALID_INPUT')
      expect(codeOf(() => store.put('x', 'a\udc00'))).toBe('INVALID_INPUT')
      expect(keysOf(store)).toEqual([])
    })

    it('refuse what JSON cannot hold', async () => {
      const store = await session.open<string, unknown>({ valueEncoding: 'json' })
      const loop: unknown[] = []
      loop.push(loop)
      for (const wrong of [undefined, () => 1, Symbol('a'), 1n, loop]) {
        expect(codeOf(() => store.put('a', wrong))).toBe('INVALID_INPUT')
      }
      expect([...store.range()]).toEqual([])
    })
  })

  describe('batch', () => {
    it('does all of its operations, later ones over earlier ones', async () => {
      const store = await session.openWith(['a', 'b'])
      await store.batch([
        { type: 'put', key: 'c', value: 'new' },
        { type: 'delete', key: 'a' },
        { type: 'put', key: 'b', value: 'first' },
        { type: 'put', key: 'b', value: 'last' },
        { type: 'put', key: 'd', value: 'put and deleted' },
        { type: 'delete', key: 'd' },
        { type: 'delete', key: 'e' },
        { type: 'put', key: 'e', value: 'deleted and put' },
      ])
      expect([...store.range()]).toEqual([
        ['b', 'last'],
        ['c', 'new'],
        ['e', 'deleted and put'],
      ])
    })

    it('may be empty', async () => {
      const store = await session.openWith(['a'])
      await store.batch([])
      expect(keysOf(store)).toEqual(['a'])
    })

    it('may be large, with values of all sizes', async () => {
      const store = await session.open()
      const operations: BatchOperation[] = Array.from({ length: 2000 }, (_, i) => ({
        type: 'put',
        key: `key ${(i * 7919) % 2000}`,
        value: 'v'.repeat(i % 400 === 0 ? 30_000 : i % 50),
      }))
      await store.batch(operations)
      expect([...store.range()]).toEqual(sortedEntries(operations))
    })

    it('with anything wrong in it changes nothing', async () => {
      const store = await session.openWith(['a', 'b'])
      const before = [...store.range()]
      const fine = { type: 'put', key: 'a', value: 'changed' }
      for (const wrong of [
        { type: 'put', key: 'x'.repeat(session.maxKeyBytes + 1), value: '' },
        { type: 'put', key: 'x' },
        { type: 'put', key: 1, value: '' },
        { type: 'delete' },
        { type: 'get', key: 'a' },
        { key: 'a', value: 'x' },
        null,
        undefined,
        'put',
      ]) {
        const operations = [fine, { type: 'delete', key: 'b' }, wrong, fine] as BatchOperation[]
        expect(codeOf(() => store.batch(operations))).toBe('INVALID_INPUT')
      }
      expect([...store.range()]).toEqual(before)
    })

    it('must be an array', async () => {
      const store = await session.open()
      for (const wrong of [undefined, null, {}, 'put', new Set()]) {
        expect(codeOf(() => store.batch(wrong as unknown as BatchOperation[]))).toBe('INVALID_INPUT')
      }
    })
  })
}

/** What is left of puts of ASCII keys, in order. */
function sortedEntries(operations: readonly BatchOperation[]): [string, string][] {
  const puts = operations.flatMap((operation): [string, string][] =>
    operation.type === 'put' ? [[operation.key, operation.value]] : [],
  )
  return [...new Map(puts)].sort(([a], [b]) => (a < b ? -1 : 1))
}
