// Random calls on a Level database and on a plain array give the same answers, whatever the encodings, bounds and seeks.
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { LEVELS, type LevelUnderTest } from '../../support/level/databases.ts'
import { directoryInMemory } from '../../support/temporary-directory.ts'

const STEPS = 400
/** Few enough that calls meet the same keys again; among them the empty key, prefixes, and letters of two and four bytes. */
const KEYS = ['', 'a', 'aa', 'ab', 'b', 'ba', 'c', 'd', 'e', 'é', 'éa', 'z', '\u{10000}', '\uffff']

interface Range {
  gt?: string
  gte?: string
  lt?: string
  lte?: string
  reverse?: boolean
  limit?: number
}

/** What a database should hold: entries in the order of their bytes. */
class Model {
  private entries = new Map<string, string>()

  put(key: string, value: string): void {
    this.entries.set(key, value)
  }

  del(key: string): void {
    this.entries.delete(key)
  }

  get(key: string): string | undefined {
    return this.entries.get(key)
  }

  range({ gt, gte, lt, lte, reverse = false, limit = -1 }: Range, from?: string): [string, string][] {
    const isWithin = (key: string): boolean =>
      (gte === undefined ? gt === undefined || order(key, gt) > 0 : order(key, gte) >= 0) &&
      (lte === undefined ? lt === undefined || order(key, lt) < 0 : order(key, lte) <= 0)
    if (from !== undefined && !isWithin(from)) return []
    const isReached = (key: string): boolean =>
      from === undefined || (reverse ? order(key, from) <= 0 : order(key, from) >= 0)
    const found = [...this.entries].filter(([key]) => isWithin(key) && isReached(key)).sort(([a], [b]) => order(a, b))
    if (reverse) found.reverse()
    return limit >= 0 ? found.slice(0, limit) : found
  }

  clear(range: Range): void {
    for (const [key] of this.range(range)) this.entries.delete(key)
  }

  copy(): Model {
    const copy = new Model()
    copy.entries = new Map(this.entries)
    return copy
  }
}

function order(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

describe.each(LEVELS)('$name', ({ Level }) => {
  const directory = directoryInMemory()
  afterAll(() => directory.remove())

  it.each([1, 2, 3, 4])('agrees with a sorted array, seed %i', async (seed) => {
    const random = seededRandom(seed)
    const below = (limit: number): number => Math.floor(random.next() * limit)
    const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T
    const level: LevelUnderTest = new Level(join(directory.path, String(seed)), { durability: 'os' })
    const model = new Model()
    await level.open()

    const someRange = (): Range => {
      const range: Range = { reverse: random.next() < 0.5 }
      const lower = pick(['gt', 'gte', undefined] as const)
      const upper = pick(['lt', 'lte', undefined] as const)
      if (lower !== undefined) range[lower] = pick(KEYS)
      if (upper !== undefined) range[upper] = pick(KEYS)
      if (random.next() < 0.3) range.limit = below(5)
      return range
    }

    const steps: (() => Promise<void>)[] = [
      async () => {
        const [key, value] = [pick(KEYS), String(below(1000))]
        model.put(key, value)
        if (random.next() < 0.5) await level.put(key, value)
        else await level.put<Buffer, Buffer>(Buffer.from(key), Buffer.from(value), BYTES)
      },
      async () => {
        const key = pick(KEYS)
        model.del(key)
        await level.del(key)
      },
      async () => {
        const batch = level.batch()
        for (let i = below(6); i >= 0; i--) {
          const [key, value] = [pick(KEYS), String(below(1000))]
          if (random.next() < 0.3) {
            model.del(key)
            batch.del(key)
          } else {
            model.put(key, value)
            if (random.next() < 0.5) batch.put(key, value)
            else batch.put(Buffer.from(key) as never, Buffer.from(value) as never, BYTES)
          }
        }
        await batch.write()
      },
      async () => {
        const range = someRange()
        model.clear(range)
        await level.clear(range)
      },
      async () => {
        const keys = Array.from({ length: below(8) }, () => pick(KEYS))
        const expected = keys.map((key) => model.get(key))
        expect(await level.getMany(keys)).toEqual(expected)
        expect(keys.map((key) => level.getSync(key))).toEqual(expected)
        expect(await level.hasMany(keys)).toEqual(expected.map((value) => value !== undefined))
      },
      async () => {
        const range = someRange()
        const expected = model.range(range)
        expect(await level.iterator(range).all()).toEqual(expected)
        expect(await level.keys(range).all()).toEqual(expected.map(([key]) => key))
        const bytes = { ...inBytes(range), ...BYTES }
        expect((await level.iterator<Buffer, Buffer>(bytes).all()).map((entry) => entry.map(String))).toEqual(expected)
      },
      async () => {
        const { limit: _, ...range } = someRange()
        const [before, snapshot, iterator] = [model.copy(), level.snapshot(), level.iterator(range)]
        model.put('b', 'later')
        await level.put('b', 'later')
        const target = pick(KEYS)
        expect(await iterator.next()).toEqual(before.range(range)[0])
        iterator.seek(target)
        expect(await iterator.nextv(100)).toEqual(before.range(range, target))
        expect(await level.iterator({ ...range, snapshot }).all()).toEqual(before.range(range))
        await iterator.close()
        await snapshot.close()
      },
    ]
    for (let step = 0; step < STEPS; step++) await pick(steps)()
    await level.close()
    await level.open()
    expect(await level.iterator().all()).toEqual(model.range({}))
    await level.close()
  })
})

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

function inBytes(range: Range): {
  gt?: Buffer
  gte?: Buffer
  lt?: Buffer
  lte?: Buffer
  reverse?: boolean
  limit?: number
} {
  const bytes = (['gt', 'gte', 'lt', 'lte'] as const).flatMap((name) => {
    const bound = range[name]
    return bound === undefined ? [] : [[name, Buffer.from(bound)]]
  })
  return { ...range, ...Object.fromEntries(bytes) }
}
