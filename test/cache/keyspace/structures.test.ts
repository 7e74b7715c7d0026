// Each structure against the plainest one that does the same.
import { describe, expect, it } from 'vitest'
import { DEFAULT_ENCODING_LIMITS } from '../../../ts/cache/keyspace/encoding.ts'
import { type Expiry, ExpiryHeap } from '../../../ts/cache/keyspace/expiry-heap.ts'
import { Glob } from '../../../ts/cache/keyspace/glob.ts'
import { IndexedMap } from '../../../ts/cache/keyspace/indexed-map.ts'
import { List } from '../../../ts/cache/keyspace/list.ts'
import { addLongDoubles, formatLongDouble, parseLongDouble } from '../../../ts/cache/keyspace/long-double.ts'
import { addIntegers, parseDouble, parseInteger } from '../../../ts/cache/keyspace/numbers.ts'
import { SortedSet } from '../../../ts/cache/keyspace/sorted-set.ts'
import { formatId, MAX_ID, makeId, nextId, parseId, previousId, ZERO_ID } from '../../../ts/cache/keyspace/stream-id.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'

const SEEDS = [1, 2, 3, 4, 5]

describe('an indexed map', () => {
  it.each(SEEDS)('is a map (seed %d)', (seed) => {
    const random = seededRandom(seed)
    const map = new IndexedMap<number>()
    const model = new Map<string, number>()
    for (let step = 0; step < 3000; step++) {
      const key = `k${below(random, 40 * seed)}`
      if (random.next() < 0.6) {
        expect(map.set(key, step)).toBe(!model.has(key))
        model.set(key, step)
      } else expect(map.delete(key)).toBe(model.delete(key))
      expect(map.size).toBe(model.size)
      expect(map.get(key)).toBe(model.get(key))
    }
    expect(new Map(map.keys().map((key, i) => [key, map.valueAt(i)]))).toEqual(model)
    expect(map.clone().keys()).toEqual(map.keys())
  })

  it.each(SEEDS)('is scanned without missing what stays (seed %d)', (seed) => {
    const random = seededRandom(seed)
    const map = new IndexedMap<undefined>()
    for (let i = 0; i < 200 * seed; i++) map.set(`${i % 3 === 0 ? 'stays' : 'goes'}${i}`, undefined)
    const staying = map.keys().filter((key) => key.startsWith('stays'))
    const seen = new Set<string>()
    let cursor = 0
    do {
      cursor = map.scan(cursor, 1 + below(random, 10), (position) => seen.add(map.keyAt(position)))
      for (let i = 0; i < 5; i++) {
        map.delete(`goes${below(random, 200 * seed)}`)
        if (random.next() < 0.3) map.set(`comes${random.next()}`, undefined)
      }
    } while (cursor !== 0)
    expect(staying.filter((key) => !seen.has(key))).toEqual([])
  })
})

describe('a list', () => {
  it.each(SEEDS)('is an array (seed %d)', (seed) => {
    const random = seededRandom(seed)
    const list = new List()
    let model: string[] = []
    for (let step = 0; step < 3000; step++) {
      const value = String(below(random, 5))
      const choice = random.next()
      if (choice < 0.3) {
        list.push(value)
        model.push(value)
      } else if (choice < 0.6) {
        list.unshift(value)
        model.unshift(value)
      } else if (choice < 0.7 && model.length > 0) expect(list.pop()).toBe(model.pop())
      else if (choice < 0.8 && model.length > 0) expect(list.shift()).toBe(model.shift())
      else if (choice < 0.9) {
        const index = below(random, model.length + 1)
        list.insert(index, value)
        model.splice(index, 0, value)
      } else if (choice < 0.99) {
        const [limit, fromTail] = [1 + below(random, 3), random.next() < 0.5]
        const kept = without(fromTail ? [...model].reverse() : model, value, limit)
        expect(list.remove(value, limit, fromTail)).toBe(model.length - kept.length)
        model = fromTail ? kept.reverse() : kept
      } else {
        const start = below(random, model.length + 1)
        const end = start + below(random, model.length - start + 1)
        list.trim(start, end)
        model = model.slice(start, end)
      }
      expect(list.length).toBe(model.length)
    }
    expect(list.slice()).toEqual(model)
    expect(list.clone().slice()).toEqual(model)
  })
})

describe('a sorted set', () => {
  it.each(SEEDS)('keeps its order (seed %d)', (seed) => {
    const random = seededRandom(seed)
    const zset = new SortedSet()
    const model = new Map<string, number>()
    for (let step = 0; step < 6000; step++) {
      const member = `m${below(random, 1500)}`
      if (random.next() < (step < 3000 ? 0.9 : 0.3)) {
        const score = below(random, 50) / 4
        expect(zset.set(member, score, DEFAULT_ENCODING_LIMITS)).toBe(!model.has(member))
        model.set(member, score)
      } else expect(zset.delete(member)).toBe(model.delete(member))
    }
    const sorted = [...model].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1)).map(([member]) => member)
    expect(zset.verify()).toBe(true)
    expect(zset.slice(0, zset.size)).toEqual(sorted)
    const reversed: string[] = []
    zset.visit(0, zset.size, true, (member) => reversed.push(member))
    expect(reversed.reverse()).toEqual(sorted)
    for (const [rank, member] of sorted.entries()) expect(zset.rank(member)).toBe(rank)
    expect(zset.countBefore((score) => score < 6)).toBe([...model.values()].filter((score) => score < 6).length)
    expect(zset.clone().slice(0, zset.size)).toEqual(sorted)
  })
})

describe('the heap of expiries', () => {
  it.each(SEEDS)('gives the earliest first (seed %d)', (seed) => {
    const random = seededRandom(seed)
    const heap = new ExpiryHeap<number>()
    const model = new Set<Expiry<number>>()
    for (let step = 0; step < 2000; step++) {
      const some = [...model][below(random, model.size)]
      const choice = random.next()
      if (some === undefined || choice < 0.5) model.add(heap.add(below(random, 1000), step))
      else if (choice < 0.75) heap.move(some, below(random, 1000))
      else {
        heap.remove(some)
        model.delete(some)
      }
      expect(heap.size).toBe(model.size)
      expect(heap.first()?.at ?? Number.POSITIVE_INFINITY).toBe(Math.min(...[...model].map(({ at }) => at)))
    }
  })
})

describe('a pattern', () => {
  it.each([
    ['*', '', true],
    ['a*c', 'abbc', true],
    ['a*c', 'abbd', false],
    ['a?c', 'abc', true],
    ['[^a-c]', 'd', true],
    ['[^a-c]', 'b', false],
    ['[c-a]', 'b', true],
    ['[\\]]', ']', true],
    ['[ab', 'b', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a\\', 'a\\', true],
    ['**a**b', 'xaxb', true],
    ['', 'a', false],
  ])('%j on %j gives %s', (pattern, text, matches) => {
    expect(new Glob(pattern).matches(text)).toBe(matches)
  })

  it('of many stars takes no time that explodes', () => {
    expect(new Glob('a*'.repeat(50).concat('b')).matches('a'.repeat(5000))).toBe(false)
  })
})

describe('numbers', () => {
  it.each([
    ['0', 0],
    ['-0', undefined],
    ['01', undefined],
    ['+1', undefined],
    [' 1', undefined],
    ['', undefined],
    ['-', undefined],
    ['1.0', undefined],
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', 9007199254740993n],
    ['-9223372036854775808', -9223372036854775808n],
    ['9223372036854775808', undefined],
  ])('read %j as a whole number', (text, value) => {
    expect(parseInteger(text)).toBe(value)
  })

  it.each([
    ['1e3', 1000],
    ['.5', 0.5],
    ['5.', 5],
    ['+inf', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['0x1p4', 16],
    ['nan', undefined],
    ['1 ', undefined],
    ['', undefined],
    ['.', undefined],
    ['1e400', undefined],
    ['-1e400', undefined],
    ['1e-400', undefined],
    ['0e-400', 0],
    ['0x1p2000', undefined],
    [`${'1'.repeat(5000)}x`, undefined],
    [`0.${'1'.repeat(6000)}`, undefined],
  ])('read %j as a double', (text, value) => {
    expect(parseDouble(text)).toBe(value)
  })

  it('are added without loss', () => {
    expect(addIntegers(2 ** 53 - 1, 2)).toBe(9007199254740993n)
    expect(addIntegers(9223372036854775807n, 1)).toBeUndefined()
    expect(addIntegers(9007199254740993n, -3)).toBe(9007199254740990)
  })
})

describe('long doubles', () => {
  // What x86-64 says: printf("%.17Lf"), strtold.
  it.each([
    ['0.1', '0.2', '0.3'],
    ['-0.1', '0.1', '0'],
    ['123456.789', '0', '123456.78900000000000148'],
    ['9223372036854775807', '-0.25', '9223372036854775807'],
    ['1e-30', '0', '0'],
    ['5.0e3', '-0', '5000'],
    ['0x1.8p1', '.5', '3.5'],
    ['1e20', '1', '100000000000000000000'],
    ['4e-4951', '0', '0'],
  ])('add %j and %j', (a, b, sum) => {
    const added = addLongDoubles(parseLongDouble(a)!, parseLongDouble(b)!)
    expect(formatLongDouble(added!)).toBe(sum)
  })

  it('refuse what strtold refuses, however it is written', () => {
    const texts = [
      '',
      '.',
      '-',
      'nan',
      '1 ',
      ' 1',
      '1e',
      '0x',
      '1e5000',
      '1e-5000',
      `1${'0'.repeat(5119)}`,
      '1e999999999',
    ]
    expect(texts.map(parseLongDouble)).toEqual(texts.map(() => undefined))
    expect(parseLongDouble('0e999999999')).toEqual({ mantissa: 0n, exponent: 0 })
    const infinite = parseLongDouble('-infinity')!
    expect(addLongDoubles(infinite, parseLongDouble('1')!)).toBeUndefined()
    const largest = parseLongDouble('1.18e4932')!
    expect(addLongDoubles(largest, largest)).toBeUndefined()
  })

  it('keep what a double holds', () => {
    const random = seededRandom(4)
    for (let i = 0; i < 2000; i++) {
      const value = (random.next() - 0.5) * 2 ** (below(random, 100) - 50)
      const { mantissa, exponent } = parseLongDouble(String(value))!
      expect(Number(mantissa) * 2 ** exponent).toBe(value)
    }
  })
})

describe('IDs of streams', () => {
  it('are ordered as numbers, and have neighbours', () => {
    const random = seededRandom(9)
    const half = (): bigint => BigInt(Math.floor(random.next() * 2 ** (1 + below(random, 52))))
    for (let i = 0; i < 500; i++) {
      const [a, b] = [[half(), half()] as const, [half(), half()] as const]
      const isLess = a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])
      expect(makeId(...a) < makeId(...b)).toBe(isLess)
      expect(formatId(makeId(...a))).toBe(`${a[0]}-${a[1]}`)
      expect(previousId(nextId(makeId(...a))!)).toBe(makeId(...a))
    }
    expect(formatId(nextId(parseId('1-18446744073709551615', 0n)!)!)).toBe('2-0')
    expect([nextId(MAX_ID), previousId(ZERO_ID), parseId('1-', 0n), parseId('1-2-3', 0n)]).toEqual(
      Array(4).fill(undefined),
    )
  })
})

function below(random: Random, limit: number): number {
  return Math.floor(random.next() * limit)
}

/** The elements without the first `limit` that are `value`. */
function without(elements: readonly string[], value: string, limit: number): string[] {
  let left = limit
  return elements.filter((element) => element !== value || left-- <= 0)
}
