import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BTree, Transaction, TransactionOptions } from '../../../ts/storage/btree/index.ts'
import { codeOf, codeOfAsync, errorOf, errorOfAsync } from '../../support/errors.ts'
import { BEDS, type StoreBed } from '../../support/store-bed.ts'

describe.each(BEDS)('transactions (the $name engine)', ({ name, make, itSteersTheDisk }) => {
  let bed: StoreBed
  let store: BTree

  beforeEach(async () => {
    bed = make()
    store = await bed.open({ create: true })
  })
  afterEach(async () => {
    await store.close()
    bed.assertIdle()
    bed.remove()
  })

  /** Does nothing but read, so that whatever it finds is the store's own state. */
  function content(name = ''): [string, string][] {
    return [...(name === '' ? store : store.tree(name)).range()]
  }

  async function putAll(keys: string): Promise<void> {
    await store.batch(Array.from(keys, (key) => ({ type: 'put', key, value: 'old' })))
  }

  describe('a transaction', () => {
    it('writes to all trees at one instant, and none before its end', async () => {
      await putAll('abc')
      const { position } = store
      const result = await store.transaction(async (tx) => {
        tx.put('a', 'new')
        tx.delete('b')
        tx.tree('t').put('x', 'y')
        await Promise.resolve()
        tx.tree<string, unknown>('json', { valueEncoding: 'json' }).put('x', { y: 1 })
        tx.batch([
          { type: 'put', key: 'd', value: 'batched' },
          { type: 'put', key: 'z', value: 'in another tree', tree: 't' },
          { type: 'delete', key: 'c' },
        ])
        expect([store.position, content().length, store.treeNames()]).toEqual([position, 3, []])
        return 'its result'
      })
      expect([result, store.position, store.durablePosition]).toEqual(['its result', position + 1, position + 1])
      expect(content()).toEqual([
        ['a', 'new'],
        ['d', 'batched'],
      ])
      expect(content('t')).toEqual([
        ['x', 'y'],
        ['z', 'in another tree'],
      ])
      expect(store.tree<string, unknown>('json', { valueEncoding: 'json' }).get('x')).toEqual({ y: 1 })
      expect(store.stats().snapshots.open).toBe(0)
    })

    it('reads its own writes over the moment of its start', async () => {
      await putAll('bdfh')
      await store
        .transaction(async (tx) => {
          store.put('b', 'changed by others')
          store.put('c', 'put by others')
          tx.put('a', 'own')
          tx.put('d', 'own')
          tx.delete('f')
          tx.put('z', 'own')
          tx.delete('z')
          const expected = [
            ['a', 'own'],
            ['b', 'old'],
            ['d', 'own'],
            ['h', 'old'],
          ]
          expect([...tx.range()]).toEqual(expected)
          expect([...tx.range({ reverse: true })]).toEqual(expected.slice().reverse())
          expect([...tx.range({ gt: 'a', limit: 2 })]).toEqual(expected.slice(1, 3))
          expect([...tx.range({ lt: 'h', reverse: true, limit: 2 })]).toEqual([expected[2], expected[1]])
          const found: [string, string][] = []
          for await (const entry of tx.range()) found.push(entry)
          expect(found).toEqual(expected)
          expect(tx.getMany(['a', 'b', 'c', 'd', 'f', 'z'])).toEqual([
            'own',
            'old',
            undefined,
            'own',
            undefined,
            undefined,
          ])
          expect(['a', 'c', 'f', 'h'].map((key) => tx.has(key))).toEqual([true, false, false, true])
          expect(await Promise.all(['a', 'b', 'f'].map((key) => tx.getAsync(key)))).toEqual(['own', 'old', undefined])
          expect(Array.from(tx.scan(), ({ count }) => count)).toEqual([4])
          tx.clear({ gte: 'b', lt: 'h' })
          tx.put('e', 'after the clear')
          expect([...tx.range()]).toEqual([
            ['a', 'own'],
            ['e', 'after the clear'],
            ['h', 'old'],
          ])
          throw new Error('enough')
        })
        .catch((error: Error) => expect(error.message).toBe('enough'))
    })

    it('gives to walks what was there when they began', async () => {
      await putAll('bd')
      await store.transaction((tx) => {
        const walk = tx.range()[Symbol.iterator]()
        expect(walk.next().value).toEqual(['b', 'old'])
        tx.put('c', 'later')
        tx.delete('d')
        expect(walk.next().value).toEqual(['d', 'old'])
        expect(walk.next().done).toBe(true)
      })
      expect(content().map(([key]) => key)).toEqual(['b', 'c'])
    })

    it('answers asynchronous reads as of their call', async () => {
      await store.transaction(async (tx) => {
        tx.put('a', 'first')
        const read = tx.getAsync('a')
        tx.put('a', 'later')
        tx.put('0', 'moves the cells of the page')
        expect(await read).toBe('first')
      })
    })

    it('that fails changes nothing and rejects with its own error', async () => {
      await putAll('a')
      const error = new Error('no')
      const attempts = [
        store.transaction((tx) => {
          tx.put('a', 'new')
          tx.tree('t').put('b', 'c')
          throw error
        }),
        store.transaction(async (tx) => {
          tx.clear()
          await Promise.resolve()
          throw error
        }),
      ]
      for (const attempt of attempts) await expect(attempt).rejects.toBe(error)
      expect([content(), store.treeNames(), store.position]).toEqual([[['a', 'old']], [], 1])
      expect(store.stats().snapshots.open).toBe(0)
    })

    it('that writes nothing logs nothing', async () => {
      await putAll('a')
      const before = store.position
      expect(await store.transaction((tx) => tx.get('a'))).toBe('old')
      expect(store.position).toBe(before)
    })

    it('may be larger than the cache, with values of many pages', async () => {
      const value = (i: number): string => `${i} `.repeat(i % 40 === 0 ? 2000 : 20)
      await store.transaction((tx) => {
        for (let i = 0; i < 1000; i++) tx.put(`key ${i}`, value(i))
        for (let i = 0; i < 1000; i += 3) tx.delete(`key ${i}`)
      })
      expect(store.keyCount).toBe(666)
      for (let i = 0; i < 1000; i++) expect(store.get(`key ${i}`)).toBe(i % 3 === 0 ? undefined : value(i))
      expect((await store.verify()).problems).toEqual([])
    })

    it('lets the memory of what it was given be used again', async () => {
      const [key, value, bound] = [Buffer.from('k'), Buffer.from('v'), Buffer.from('b')]
      await putAll('abcx')
      await store.close()
      const bytes = await bed.open<Uint8Array, Uint8Array>({ keyEncoding: 'buffer', valueEncoding: 'buffer' })
      await bytes.transaction((tx) => {
        tx.put(key, value)
        tx.clear({ gte: bound })
        tx.put(key, value)
        key.write('?')
        value.write('?')
        bound.write('x')
      })
      expect(Array.from(bytes.range(), (entry) => entry.map(String))).toEqual([
        ['a', 'old'],
        ['k', 'v'],
      ])
      key.write('a')
      const done = bytes.transaction(async (tx) => {
        tx.get(key)
        key.write('z')
        await bytes.clear({ lt: Buffer.from('b') })
        tx.put(key, value)
      })
      expect(await codeOfAsync(done)).toBe('CONFLICT')
      await bytes.close()
    })
  })

  describe('a transaction conflicts', () => {
    type Work = (tx: Transaction) => unknown
    /** The TypeScript engine goes by what others have written; the native one compares what was read with what is there. */
    const countsWrites = name === 'typescript'
    const cases: [what: string, read: Work, others: () => unknown, conflicts: boolean][] = [
      ['a key that was read and put', (tx) => tx.get('b'), () => store.put('b', 'x'), true],
      ['a key that was read and put as it was', (tx) => tx.get('b'), () => store.put('b', 'old'), countsWrites],
      ['a key that was read and deleted', (tx) => tx.has('b'), () => store.delete('b'), true],
      ['an absent key that was put', (tx) => tx.get('a'), () => store.put('a', 'x'), true],
      ['an absent key that was looked for', (tx) => tx.has('a'), () => store.put('a', 'x'), true],
      ['one of many keys', (tx) => tx.getMany(['a', 'b', 'd']), () => store.put('d', 'x'), true],
      ['a key that was read asynchronously', (tx) => tx.getAsync('b'), () => store.put('b', 'x'), true],
      ['another key', (tx) => tx.get('b'), () => store.put('c', 'x'), false],
      ['a key that was read and cleared', (tx) => tx.get('d'), () => store.clear({ gt: 'b', lte: 'd' }), true],
      ['a key beside what was cleared', (tx) => tx.get('b'), () => store.clear({ gt: 'b', lte: 'd' }), false],
      ['a range that was put into', (tx) => [...tx.range({ gte: 'b', lt: 'e' })], () => store.put('c', 'x'), true],
      ['a range that was deleted from', (tx) => [...tx.range({ gt: 'a' })], () => store.delete('f'), true],
      ['a range with a changed value', (tx) => [...tx.range()], () => store.put('d', 'x'), true],
      ['an empty range that was put into', (tx) => [...tx.range({ gt: 'f' })], () => store.put('g', 'x'), true],
      ['beside a range', (tx) => [...tx.range({ gte: 'b', lt: 'd' })], () => store.put('d', 'x'), false],
      ['below a range', (tx) => [...tx.range({ gt: 'b' })], () => store.put('b', 'x'), false],
      ['a range that was cleared in part', (tx) => [...tx.range({ lt: 'c' })], () => store.clear({ gt: 'a' }), true],
      ['far from a range that was cleared', (tx) => [...tx.range({ lt: 'c' })], () => store.clear({ gt: 'd' }), false],
      ['behind a limit', (tx) => [...tx.range({ limit: 1 })], () => store.put('e', 'x'), false],
      ['before a limit', (tx) => [...tx.range({ limit: 2 })], () => store.put('c', 'x'), true],
      [
        'above a range that was read downwards',
        (tx) => first(tx.range({ reverse: true })),
        () => store.put('g', 'x'),
        true,
      ],
      [
        'below where a walk down was left',
        (tx) => first(tx.range({ reverse: true })),
        () => store.put('a', 'x'),
        false,
      ],
      ['below where a walk began', (tx) => first(tx.range({ gt: 'b' })), () => store.put('a', 'x'), false],
      ['between a bound and the first key', (tx) => first(tx.range({ gt: 'b' })), () => store.put('c', 'x'), true],
      ['what a walk by for await has met', (tx) => firstAsync(tx.range()), () => store.put('a', 'x'), true],
      ['what was scanned', (tx) => [...tx.scan()], () => store.put('a', 'x'), true],
      ['a range that nobody walked', (tx) => tx.range(), () => store.put('b', 'x'), false],
      ['a key in a batch', (tx) => tx.get('b'), () => store.batch([put('x'), put('b')]), true],
      ['a key that was swapped', (tx) => tx.get('b'), () => store.compareAndSwap('b', 'old', 'x'), true],
      ['a key that was not swapped', (tx) => tx.get('b'), () => store.compareAndSwap('b', 'not this', 'x'), false],
      [
        'a key that another transaction wrote',
        (tx) => tx.get('b'),
        () => store.transactionSync((t) => t.put('b', 'x')),
        true,
      ],
      ['a key of another tree', (tx) => tx.tree('t').get('b'), () => store.put('b', 'x'), false],
      ['the same key of a named tree', (tx) => tx.tree('t').get('b'), () => store.tree('t').put('b', 'x'), true],
      ['a tree that was dropped', (tx) => tx.tree('t').get('k'), () => store.dropTree('t'), true],
      [
        'a tree that was loaded',
        (tx) => tx.tree('u').get('k'),
        () => store.tree('u').bulkLoad([['a', 'b']]),
        countsWrites,
      ],
      ['what it wrote itself before it read it', (tx) => own(tx), () => store.put('b', 'x'), false],
      ['nothing: it only writes', () => {}, () => store.put('b', 'x'), false],
    ]

    beforeEach(async () => {
      await putAll('bdf')
      await store.tree('t').put('k', 'v')
    })

    it.each(cases)('with $1: $0', async (what, read, others, conflicts) => {
      const done = store.transaction(async (tx) => {
        await read(tx)
        await others()
        tx.put('written', what)
      })
      expect(await codeOfAsync(done)).toBe(conflicts ? 'CONFLICT' : undefined)
      expect(store.get('written')).toBe(conflicts ? undefined : what)
      expect(store.stats().snapshots.open).toBe(0)
    })

    it.each(cases.filter(([, , , conflicts]) => conflicts))(
      'not if it writes nothing: %s',
      async (_what, read, others) => {
        await store.transaction(async (tx) => {
          await read(tx)
          await others()
        })
      },
    )

    it.each(cases.filter(([, , , conflicts]) => conflicts))(
      'not with what was before it: %s',
      async (_what, read, others) => {
        await others()
        await store.transaction(async (tx) => {
          await read(tx)
          tx.put('written', 'x')
        })
        expect(store.get('written')).toBe('x')
      },
    )

    it('and says so, as something that may be tried again', async () => {
      const done = store.transaction(async (tx) => {
        tx.tree('t').get('k')
        await store.tree('t').put('k', 'x')
        tx.put('a', 'b')
      })
      const error = await errorOfAsync(done)
      expect(error).toMatchObject({ code: 'CONFLICT', retryable: true })
      expect(error?.message).toContain('tree "t"')
    })

    it('and runs again as often as it is told to', async () => {
      for (const [retries, disturbed, runs] of [
        [0, 0, 1],
        [3, 0, 1],
        [3, 2, 3],
        [3, 3, 4],
      ] as const) {
        let count = 0
        const seen: (string | undefined)[] = []
        await store.transaction(
          async (tx) => {
            seen.push(tx.get('b'))
            if (count++ < disturbed) await store.put('b', `disturbed ${count}`)
            tx.put('b', `run ${count}`)
          },
          { retries },
        )
        expect([count, store.get('b')]).toEqual([runs, `run ${runs}`])
        expect(seen.slice(1)).toEqual(Array.from({ length: disturbed }, (_, i) => `disturbed ${i + 1}`))
      }
    })

    it('and gives up after so many runs', async () => {
      let count = 0
      const done = store.transaction(
        async (tx) => {
          tx.get('b')
          await store.put('b', String(++count))
          tx.put('b', 'never')
        },
        { retries: 4 },
      )
      expect(await codeOfAsync(done)).toBe('CONFLICT')
      expect([count, store.get('b')]).toEqual([5, '5'])
    })

    it('but does not run again for any other error', async () => {
      let count = 0
      const done = store.transaction(
        () => {
          count++
          throw new Error('not a conflict')
        },
        { retries: 4 },
      )
      await expect(done).rejects.toThrow('not a conflict')
      expect(count).toBe(1)
    })

    it('when it has read more than it can remember, with any write', async () => {
      const done = store.transaction(async (tx) => {
        for (let i = 0; i < 200_001; i++) tx.has(`absent ${i}`)
        await store.put('far from all that', 'x')
        tx.put('a', 'b')
      })
      expect(await codeOfAsync(done)).toBe('CONFLICT')
    })
  })

  describe('transactions of one store', () => {
    it('run one after the other, in the order of their calls', async () => {
      const events: string[] = []
      const run = (name: string, turnCount: number) =>
        store.transaction(async () => {
          events.push(`${name} begins`)
          await turns(turnCount)
          events.push(`${name} ends`)
        })
      await Promise.all([run('a', 3), run('b', 0), run('c', 1)])
      expect(events).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]))
    })

    it('lose no update', async () => {
      const counter = store.tree<string, number>('counter', { valueEncoding: 'json' })
      const increment = async (tx: Transaction): Promise<void> => {
        const own = tx.tree<string, number>('counter', { valueEncoding: 'json' })
        const before = (await own.getAsync('n')) ?? 0
        await Promise.resolve()
        own.put('n', before + 1)
      }
      await Promise.all(Array.from({ length: 100 }, () => store.transaction(increment)))
      expect(counter.get('n')).toBe(100)
    })

    it('go on after one that failed', async () => {
      const failed = store.transaction(() => {
        throw new Error('no')
      })
      const next = store.transaction((tx) => tx.put('a', 'b'))
      await expect(failed).rejects.toThrow('no')
      await next
      expect(store.get('a')).toBe('b')
    })

    itSteersTheDisk('do not wait for the disk of the one before', async () => {
      const { disk } = bed
      disk.manualSyncs = true
      const runs: number[] = []
      const both = [1, 2].map((i) =>
        store.transaction((tx) => {
          runs.push(i)
          tx.put(`key ${i}`, 'x')
        }),
      )
      await turns(3)
      expect([runs, store.keyCount, store.durablePosition]).toEqual([[1, 2], 2, 0])
      disk.manualSyncs = false
      while (disk.pendingSyncs.length > 0) disk.completeSync()
      await Promise.all(both)
      expect(store.durablePosition).toBe(2)
    })

    it('do not hold up plain writes', async () => {
      let end: () => void = () => {}
      const done = store.transaction(async (tx) => {
        tx.put('a', 'from the transaction')
        await new Promise<void>((resolve) => {
          end = resolve
        })
      })
      await turns(1)
      await store.put('b', 'plain')
      await store.batch([put('c'), put('a')])
      expect(await store.compareAndSwap('b', 'plain', 'swapped')).toBe(true)
      expect([store.get('a'), store.durablePosition]).toEqual(['batched', 3])
      end()
      await done
      expect(store.getMany(['a', 'b'])).toEqual(['from the transaction', 'swapped'])
    })
  })

  describe('the bound of a transaction', () => {
    it('refuses the write that would exceed it, and that write alone', async () => {
      await store.transaction(
        (tx) => {
          tx.put('aa', '0123456')
          expect(errorOf(() => tx.tree('t').put('bb', 'x'.repeat(8)))).toMatchObject({ code: 'INVALID_INPUT' })
          tx.tree('t').put('bb', 'x'.repeat(7))
          expect(codeOf(() => tx.delete(''))).toBe('INVALID_INPUT')
          expect(codeOf(() => tx.clear())).toBe('INVALID_INPUT')
        },
        { maxBytes: 20 },
      )
      expect([content(), content('t')]).toEqual([[['aa', '0123456']], [['bb', 'xxxxxxx']]])
    })

    it('refuses a batch as a whole', async () => {
      await store.transaction(
        (tx) => {
          expect(codeOf(() => tx.batch([put('a'), put('b'), put('c')]))).toBe('INVALID_INPUT')
          expect(codeOf(() => tx.batch([put('a'), { type: 'put', key: 'b' } as never]))).toBe('INVALID_INPUT')
          tx.put('d', 'x')
        },
        { maxBytes: 20 },
      )
      expect(content()).toEqual([['d', 'x']])
    })

    it('ends a transaction that does not catch it, and nothing has changed', async () => {
      const done = store.transaction((tx) => tx.put('a', 'x'.repeat(100)), { maxBytes: 100 })
      expect(await codeOfAsync(done)).toBe('INVALID_INPUT')
      expect([content(), store.position]).toEqual([[], 0])
    })

    it('may be taken away', async () => {
      const maxBytes = Number.POSITIVE_INFINITY
      await store.transaction((tx) => tx.put('a', 'x'.repeat(10_000)), { maxBytes })
      expect(store.get('a')?.length).toBe(10_000)
    })
  })

  describe('what cannot be meant', () => {
    it('is refused: any use of a transaction after its end', async () => {
      let kept: Transaction | undefined
      let tree: ReturnType<Transaction['tree']> | undefined
      await store.transaction((tx) => {
        kept = tx
        tree = tx.tree('t')
      })
      const tx = kept as Transaction
      const calls: (() => unknown)[] = [
        () => tx.get('a'),
        () => tx.getMany(['a']),
        () => tx.has('a'),
        () => [...tx.range()],
        () => tx.scan(),
        () => tx.put('a', 'b'),
        () => tx.delete('a'),
        () => tx.batch([]),
        () => tx.clear(),
        () => tx.tree('t'),
        () => tree?.put('a', 'b'),
        () => tree?.get('a'),
      ]
      expect(calls.map(codeOf)).toEqual(calls.map(() => 'CLOSED'))
      expect(await codeOfAsync(tx.getAsync('a'))).toBe('CLOSED')
      expect(content()).toEqual([])
    })

    it('is refused: a transaction inside another one, which would wait for itself', async () => {
      const nested = store.transaction(() => store.transaction((tx) => tx.put('a', 'b')))
      expect(await errorOfAsync(nested)).toMatchObject({ code: 'INVALID_INPUT' })
      await store.transaction((tx) => tx.put('after', 'all is well'))
      expect(content()).toEqual([['after', 'all is well']])
    })

    it('is refused: something else than a function', async () => {
      for (const wrong of [undefined, null, 'fn', {}]) {
        expect(codeOf(() => store.transactionSync(wrong as never))).toBe('INVALID_INPUT')
        expect(await codeOfAsync(store.transaction(wrong as never))).toBe('INVALID_INPUT')
      }
    })

    it('is refused: options that do not exist or make no sense', () => {
      const begin = (options: unknown) => () => store.transaction(() => {}, options as TransactionOptions)
      expect(errorOf(begin({ retrys: 1 }))).toMatchObject({ code: 'INVALID_INPUT', hint: 'did you mean "retries"?' })
      for (const wrong of [{ retries: -1 }, { retries: 0.5 }, { maxBytes: '1' }, { maxBytes: Number.NaN }, null]) {
        expect(codeOf(begin(wrong))).toBe('INVALID_INPUT')
      }
    })

    it('is refused: writing to a store that is closed, also in the middle', async () => {
      const done = store.transaction(async (tx) => {
        tx.put('a', 'b')
        await store.close()
        expect(codeOf(() => tx.get('a'))).toBe('CLOSED')
        expect(codeOf(() => tx.put('a', 'b'))).toBe('CLOSED')
      })
      const queued = store.transaction(() => {})
      expect([await codeOfAsync(done), await codeOfAsync(queued)]).toEqual(['CLOSED', 'CLOSED'])
      expect(await codeOfAsync(store.transaction(() => {}))).toBe('CLOSED')
      expect(codeOf(() => store.transactionSync(() => {}))).toBe('CLOSED')
      store = await bed.open()
      expect(content()).toEqual([])
    })

    it('is refused: writing to a store that was opened for reading', async () => {
      await store.close()
      store = await bed.open({ readOnly: true })
      expect(await codeOfAsync(store.transaction(() => {}))).toBe('READ_ONLY')
      expect(codeOf(() => store.transactionSync(() => {}))).toBe('READ_ONLY')
    })
  })

  describe('a synchronous transaction', () => {
    it('is done when the call returns', async () => {
      await putAll('ab')
      const result = store.transactionSync((tx) => {
        tx.put('a', 'new')
        tx.tree('t').put('x', 'y')
        expect(store.get('a')).toBe('old')
        return tx.get('a')
      })
      expect([result, store.get('a'), content('t')]).toEqual(['new', 'new', [['x', 'y']]])
      await store.flushed()
      expect(store.durablePosition).toBe(2)
    })

    it('that throws changes nothing', () => {
      const fail = (): void =>
        store.transactionSync((tx) => {
          tx.put('a', 'b')
          throw new Error('no')
        })
      expect(fail).toThrow('no')
      expect([content(), store.position, store.stats().snapshots.open]).toEqual([[], 0, 0])
    })

    it('takes no function that waits', async () => {
      const wait = (): Promise<void> =>
        store.transactionSync(async (tx) => {
          tx.put('a', 'b')
          await Promise.resolve()
          tx.put('c', 'd')
        })
      expect(errorOf(wait)).toMatchObject({ code: 'INVALID_INPUT', hint: expect.stringContaining('transaction()') })
      await turns(2)
      expect(content()).toEqual([])
    })

    it('loses no update to writes that its own function makes beside it', async () => {
      await putAll('n')
      const beside = (write: () => unknown) => (): void =>
        store.transactionSync((tx) => {
          const seen = tx.get('n')
          write()
          tx.put('n', `${seen} and changed`)
        })
      expect(codeOf(beside(() => store.put('n', 'put beside')))).toBe('CONFLICT')
      expect(store.get('n')).toBe('put beside')
      expect(codeOf(beside(() => store.transactionSync((tx) => tx.put('n', 'nested'))))).toBe('CONFLICT')
      expect(store.get('n')).toBe('nested')
      beside(() => store.put('other', 'x'))()
      expect(store.get('n')).toBe('nested and changed')
    })

    it('inside an asynchronous one is a write of others to it', async () => {
      await putAll('n')
      const done = store.transaction((tx) => {
        const seen = tx.get('n')
        store.transactionSync((inner) => inner.put('n', `${inner.get('n')} inner`))
        tx.put('n', `${seen} outer`)
      })
      expect(await codeOfAsync(done)).toBe('CONFLICT')
      expect(store.get('n')).toBe('old inner')
    })
  })
})

function put(key: string): { type: 'put'; key: string; value: string } {
  return { type: 'put', key, value: 'batched' }
}

function first<T>(entries: Iterable<T>): T | undefined {
  for (const entry of entries) return entry
  return undefined
}

async function firstAsync<T>(entries: AsyncIterable<T>): Promise<T | undefined> {
  for await (const entry of entries) return entry
  return undefined
}

function own(tx: Transaction): void {
  tx.put('b', 'own')
  expect(tx.get('b')).toBe('own')
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}
