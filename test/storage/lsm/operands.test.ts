// Increments and appends: changes of values that are not read for them.
import { describe, expect, it } from 'vitest'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { openBTree } from '../../../ts/storage/btree/index.ts'
import { type Entry, EntryKind } from '../../../ts/storage/lsm/entry.ts'
import { applyOperands, encodeIncrement, foldOperands } from '../../../ts/storage/lsm/operand.ts'
import type { Lsm, LsmBatchOperation } from '../../../ts/storage/lsm/types.ts'
import { codeOf, codeOfAsync } from '../../support/errors.ts'
import { openStore, SMALL } from '../../support/lsm-crash/store.ts'
import { LSM_ENGINES, type LsmEngineUnderTest, placeForLsm } from '../../support/lsm-engines.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const MOST = 2n ** 63n - 1n

describe.each(LSM_ENGINES)('an increment by the $name engine', (engine) => {
  it('adds to the integer that the value is the text of, and counts anything else as 0', async () => {
    const { store } = await make(engine)
    for (const [before, by, after] of [
      [undefined, 1, '1'],
      ['41', 1, '42'],
      ['-5', 5n, '0'],
      ['-0', -3, '-3'],
      ['9007199254740993', 2n, '9007199254740995'],
      [String(MOST), 1, String(-MOST - 1n)],
      [String(-MOST - 1n), -1, String(MOST)],
      [String(MOST + 1n), 7, '7'],
      ['', 7, '7'],
      ['007', 7, '7'],
      ['+7', 7, '7'],
      ['7 ', 7, '7'],
      ['1e3', 7, '7'],
      ['text', 0, '0'],
    ] as const) {
      for (const isFlushed of [false, true]) {
        if (before === undefined) void store.delete('k')
        else void store.put('k', before)
        if (isFlushed) await store.flush()
        await store.increment('k', by)
        expect([before, store.get('k')]).toEqual([before, after])
        await store.compact()
        expect([before, store.get('k')]).toEqual([before, after])
      }
    }
    await store.close()
  })

  it('takes whole numbers of 64 bits alone', async () => {
    const { store } = await make(engine)
    for (const by of [0.5, 2 ** 53, Number.NaN, MOST + 1n, -MOST - 2n, '1', null])
      expect([by, codeOf(() => store.increment('k', by as number))]).toEqual([by, 'INVALID_INPUT'])
    await store.increment('k', MOST)
    await store.increment('k', -(2 ** 53) + 1)
    expect(store.get('k')).toBe(String(MOST - 2n ** 53n + 1n))
    await store.close()
  })

  it('of JSON gives a number', async () => {
    const { store } = await make(engine)
    const counts = store.tree('counts', { valueEncoding: 'json' })
    await counts.increment('visits')
    await counts.increment('visits', 41)
    expect(counts.get('visits')).toBe(42)
    expect(codeOf(() => counts.append('visits', 1))).toBe('INVALID_INPUT')
    await store.close()
  })
})

describe.each(LSM_ENGINES)('operands, with the $name engine', (engine) => {
  it('are seen at once, by all kinds of reads, wherever the rest of the value is', async () => {
    const { store } = await make(engine)
    await store.batch([
      { type: 'put', key: 'a', value: 'text' },
      { type: 'put', key: 'n', value: '10' },
    ])
    const expected: [string, string][] = []
    for (let round = 0; round < 5; round++) {
      await store.append('a', ` ${round}`)
      await store.increment('n', round)
      await store.append('fresh', `${round}`)
      expected.splice(
        0,
        3,
        ['a', `text${' 0 1 2 3 4'.slice(0, 2 * round + 2)}`],
        ['fresh', '01234'.slice(0, round + 1)],
      )
      expected[2] = ['n', String(10 + (round * (round + 1)) / 2)]
      expect([...store.range()]).toEqual(expected)
      expect([...store.range({ reverse: true })]).toEqual(expected.toReversed())
      expect(store.getMany(['a', 'fresh', 'n'])).toEqual(expected.map(([, value]) => value))
      expect([await store.getAsync('a'), store.has('fresh')]).toEqual([expected[0]?.[1], true])
      if (round % 2 === 0) await store.flush()
    }
    await store.compact()
    expect([...store.range()]).toEqual(expected)
    expect(store.stats().levels).toMatchObject([{ entries: 3 }])
    await store.close()
  })

  it('are not shown to a snapshot from before them, whatever is merged', async () => {
    const { store } = await make(engine)
    await store.put('n', '1')
    const states = []
    for (let round = 0; round < 6; round++) {
      states.push({ snapshot: store.snapshot(), content: [...store.range()] })
      await store.increment('n', 10)
      await store.increment('n', 5)
      await store.append('a', `${round}`)
      if (round % 2 === 0) await store.compact()
    }
    await store.compact()
    for (const { snapshot, content } of states) {
      expect([...snapshot.range()]).toEqual(content)
      snapshot.close()
    }
    await store.compact()
    expect([[...store.range()], store.stats().levels[0]?.entries]).toEqual([
      [
        ['a', '012345'],
        ['n', '91'],
      ],
      2,
    ])
    await store.close()
  })

  it('do not bring back what was cleared below them', async () => {
    const { store } = await make(engine)
    await store.put('n', '100')
    await store.flush()
    await store.clear()
    await store.increment('n')
    expect(store.get('n')).toBe('1')
    await store.compact()
    await store.increment('n')
    await store.clear()
    expect([...store.range()]).toEqual([])
    await store.flush()
    await store.append('n', 'x')
    expect([...store.range()]).toEqual([['n', 'x']])
    await store.close()
  })

  it.each<[LsmBatchOperation[], string | undefined, string]>([
    [[put('5'), increment(3)], '8', '8'],
    [[increment(3), increment(4)], '7', '17'],
    [[append('a'), append('b')], 'ab', '10ab'],
    [[remove(), increment(2)], '2', '2'],
    [[put('x'), append('y'), increment(1)], '1', '1'],
    [[put('1'), increment(1), append('0')], '20', '20'],
    [[increment(1), put('z')], 'z', 'z'],
    [[append('a'), remove(), append('b')], 'b', 'b'],
  ])('in one batch come to one change of the key: %j', async (operations, fresh, over10) => {
    const { store } = await make(engine)
    await store.batch(operations)
    expect(store.get('k')).toBe(fresh)
    await store.flush()
    expect(store.stats().levels).toMatchObject([{ entries: 1 }])
    await store.put('k', '10')
    await store.flush()
    await store.batch(operations)
    expect(store.get('k')).toBe(over10)
    await store.compact()
    expect(store.get('k')).toBe(over10)
    await store.close()
  })

  it('count on what their commit has deleted, also in a tree that does not exist', async () => {
    for (const { open } of LSM_ENGINES) {
      const { path, remove } = temporaryDirectory()
      const store = await open(path, { create: true })
      const gone = { type: 'delete', key: 'k' } as const
      await store.batch([gone, increment(7), append('!')])
      await store.batch([gone, increment(8), append('?')].map((each) => ({ ...each, tree: 'new' })))
      expect([store.get('k'), store.tree('new').get('k')]).toEqual(['7!', '8?'])
      await store.close()
      const again = await open(path)
      expect([again.get('k'), again.tree('new').get('k')]).toEqual(['7!', '8?'])
      await again.close()
      remove()
    }
  })

  it('of one key in one batch take the room of one', async () => {
    const { store } = await make(engine)
    await store.batch(Array.from({ length: 20_000 }, (_, i) => append(String(i % 10))))
    expect(store.get('k')).toBe('0123456789'.repeat(2000))
    expect(store.stats().memtable.bytes).toBeLessThan(200_000)
    await store.batch([put('5'), ...Array.from({ length: 1000 }, () => increment(2)), append('!'), append('?')])
    expect(store.get('k')).toBe('2005!?')
    await store.close()
  })

  it('of both kinds on one key make a batch that is refused whole', async () => {
    const { store } = await make(engine)
    for (const operations of [
      [increment(1), append('a')],
      [append('a'), increment(1)],
      [put('x'), { type: 'append', key: 'o', value: 'a' }, { type: 'increment', key: 'o', by: 1 }],
    ] as LsmBatchOperation[][]) {
      expect(codeOf(() => store.batch(operations))).toBe('INVALID_INPUT')
      expect([...store.range()]).toEqual([])
    }
    await store.batch([increment(1), { ...append('a'), tree: 'other' }])
    expect([store.get('k'), store.tree('other').get('k')]).toEqual(['1', 'a'])
    await store.close()
  })

  it('of unknown kinds, names or keys are refused', async () => {
    const { store } = await make(engine)
    for (const wrong of [
      { type: 'multiply', key: 'k', by: 2 },
      { type: 'increment', key: 'k' },
      { type: 'increment', key: 'k', by: 'x' },
      { type: 'append', key: 'k' },
      { type: 'append', key: 'k', value: 1 },
      { type: 'increment', key: 1, by: 1 },
      { type: 'increment', key: 'k', by: 1, tree: 7 },
      { type: 'increment', key: 'k'.repeat(3000), by: 1 },
      null,
    ])
      expect(codeOf(() => store.batch([wrong as never]))).toBe('INVALID_INPUT')
    expect(store.position).toBe(0)
    await store.close()
  })

  it('are writes to a transaction that read the key, and no part of transactions', async () => {
    const { store } = await make(engine)
    await store.put('n', '1')
    const run = store.transaction(async (tx) => {
      const before = tx.get('n')
      await store.increment('n')
      tx.put('copy', `${before}`)
    })
    expect(await codeOfAsync(run)).toBe('CONFLICT')
    expect(codeOf(() => store.transactionSync((tx) => tx.batch([increment(1) as never])))).toBe('INVALID_INPUT')
    await store.close()
  })
})

describe('operands', () => {
  it('are replayed from the log', async () => {
    const disk = new SimulatedDisk()
    const { store } = await openStore(disk, SMALL, { create: true })
    await store.increment('n', 5)
    await store.batch([increment(2), increment(3)])
    await store.append('a', 'bc')
    const image = disk.currentImage()
    await store.close()
    const again = await openStore(new SimulatedDisk({ image }))
    expect([...again.store.range()]).toEqual([
      ['a', 'bc'],
      ['k', '5'],
      ['n', '5'],
    ])
    await again.store.close()
  })

  it('are nothing that a B-tree takes', async () => {
    const { path, remove: cleanUp } = temporaryDirectory()
    const store = await openBTree(path, { create: true })
    expect(codeOf(() => store.batch([increment(1) as never]))).toBe('INVALID_INPUT')
    expect(codeOf(() => store.batch([append('a') as never]))).toBe('INVALID_INPUT')
    await store.close()
    cleanUp()
  })

  it('make no value that is longer than values are', () => {
    const longest = new Uint8Array(512 * 1024 * 1024)
    expect(applyOperands(longest, [version(EntryKind.append, 1, Buffer.from('x'))])).toBe(undefined)
    expect(applyOperands(longest, [version(EntryKind.increment, 1, encodeIncrement(1))])).toEqual(Buffer.from('1'))
  })

  it('of one kind become one, appends while they have less than a mebibyte', () => {
    const half = new Uint8Array(600_000)
    const folded = foldOperands([
      version(EntryKind.increment, 9, encodeIncrement(2)),
      version(EntryKind.increment, 8, encodeIncrement(-5)),
      version(EntryKind.append, 7, Buffer.from('c')),
      version(EntryKind.append, 6, Buffer.from('ab')),
      version(EntryKind.increment, 5, encodeIncrement(1)),
      version(EntryKind.append, 4, half),
      version(EntryKind.append, 3, half),
    ])
    expect(folded.map(({ sequence, value }) => [sequence, value.length])).toEqual([
      [9, 8],
      [7, 3],
      [5, 8],
      [4, 600_000],
      [3, 600_000],
    ])
    expect(folded[0]?.value).toEqual(encodeIncrement(-3))
    expect(Buffer.from(folded[1]?.value ?? []).toString()).toBe('abc')
  })
})

async function make(engine: LsmEngineUnderTest): Promise<{ store: Lsm }> {
  const settings = { level0Tables: 100, memtableBytes: 100_000 }
  return { store: await engine.openSmall(placeForLsm().path, { settings }) }
}

function version(kind: EntryKind, sequence: number, value: Uint8Array): Entry {
  return { key: Buffer.from('k'), kind, sequence, value }
}

function put(value: string): LsmBatchOperation {
  return { type: 'put', key: 'k', value }
}

function remove(): LsmBatchOperation {
  return { type: 'delete', key: 'k' }
}

function increment(by: number | bigint): LsmBatchOperation {
  return { type: 'increment', key: 'k', by }
}

function append(value: string): LsmBatchOperation {
  return { type: 'append', key: 'k', value }
}
