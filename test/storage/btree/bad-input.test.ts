// What callers may get wrong: each is refused with a code and a text that names it, and the store stays as it was. What
// may be wrong with the files of a store: bad-store.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BedplateError } from '../../../ts/base/errors.ts'
import { openBTree } from '../../../ts/storage/btree/index.ts'
import { PackedOperations } from '../../../ts/storage/ordered/packed-operations.ts'
import { MAX_TREE_NAME_BYTES, MAX_VALUE_BYTES, type TreeOptions } from '../../../ts/storage/ordered/types.ts'
import { BEDS, type StoreBed } from '../../support/store-bed.ts'

// Callers without types pass anything, so these handles take anything.
// biome-ignore lint/suspicious/noExplicitAny: that is the point
type Untyped = any

let bed: StoreBed
let store: Untyped

/** The same store with other encodings. */
function storeWith(options: TreeOptions): Untyped {
  return bed.handle(options)
}

/** The error of a call that throws or rejects; fails the test if it does neither, or with anything that is not ours. */
async function errorOfCall(call: () => unknown): Promise<BedplateError> {
  try {
    await call()
  } catch (error) {
    if (error instanceof BedplateError) return error
    throw new Error(`${call} ended with ${error}`, { cause: error })
  }
  throw new Error(`${call} was not refused`)
}

/** Expects that each call is refused as INVALID_INPUT, and that nothing has changed by it. */
async function expectRefused(calls: readonly (() => unknown)[], message: RegExp, hint?: RegExp): Promise<void> {
  const before = stateOf()
  for (const call of calls) {
    const error = await errorOfCall(call)
    expect([String(call), error.code]).toEqual([String(call), 'INVALID_INPUT'])
    expect(error.message, String(call)).toMatch(message)
    expect(error.retryable).toBe(false)
    if (hint !== undefined) expect(error.hint, String(call)).toMatch(hint)
  }
  expect(stateOf()).toEqual(before)
  const { problems } = await store.verify()
  expect(problems).toEqual([])
}

/** All that can be seen of the store, and what it holds on to. */
function stateOf(): unknown {
  const { position, keyCount, trees, snapshots, usedPages } = store.stats()
  const entries = ['other', 'new'].map((name) => [...store.tree(name).range()])
  return { position, keyCount, trees, open: snapshots.open, usedPages, all: [...store.range()], entries }
}

const NO_STRINGS: readonly unknown[] = [
  ...[null, 0, Number.NaN, true, 5n, Symbol('s'), {}, [], ['a'], () => 'a', new Uint8Array(1), new Date(0)],
  Object.create(null),
]
const NO_STRINGS_OR_NOTHING = [undefined, ...NO_STRINGS]
const NO_BYTES: readonly unknown[] = ['a', 0, null, true, 5n, [1, 2], new ArrayBuffer(1), new Uint16Array(1), {}]
const NO_OBJECTS: readonly unknown[] = [null, 5, 'text', true, 5n, Symbol('s'), [], () => {}]
const NO_FUNCTIONS: readonly unknown[] = [undefined, null, 5, 'text', {}, [], Promise.resolve()]
const NO_BOOLEANS: readonly unknown[] = [null, 0, 1, 'true', {}, []]
const NO_COUNTS: readonly unknown[] = [-1, 1.5, Number.NaN, Number.NEGATIVE_INFINITY]

/** Every way to hand a key over. */
const WITH_KEY: Record<string, (store: Untyped, key: unknown) => unknown> = {
  get: (store, key) => store.get(key),
  getInto: (store, key) => store.getInto(key, new Uint8Array(9)),
  getMany: (store, key) => store.getMany(['a', key]),
  has: (store, key) => store.has(key),
  getAsync: (store, key) => store.getAsync(key),
  put: (store, key) => store.put(key, 'value'),
  delete: (store, key) => store.delete(key),
  'batch put': (store, key) =>
    store.batch([
      { type: 'put', key: 'new', value: 'new' },
      { type: 'put', key, value: 'value' },
    ]),
  'batch delete': (store, key) =>
    store.batch([
      { type: 'delete', key: 'a' },
      { type: 'delete', key },
    ]),
  compareAndSwap: (store, key) => store.compareAndSwap(key, undefined, 'value'),
  bulkLoad: (store, key) => store.tree('new').bulkLoad([[key, 'value']]),
  'tree put': (store, key) => store.tree('new').put(key, 'value'),
  'transaction get': (store, key) => store.transaction((tx: Untyped) => tx.get(key)),
  'transaction put': (store, key) => store.transaction((tx: Untyped) => tx.put(key, 'value')),
  'transactionSync delete': (store, key) => store.transactionSync((tx: Untyped) => tx.delete(key)),
  'snapshot get': (store, key) => {
    using snapshot = store.snapshot()
    return snapshot.get(key)
  },
}

/** Every way to hand over the bound of a range, which may be absent. */
const WITH_BOUND: Record<string, (store: Untyped, key: unknown) => unknown> = {
  'range gt': (store, key) => store.range({ gt: key }),
  'range lte': (store, key) => store.range({ lte: key, reverse: true }),
  'scan gte': (store, key) => store.scan({ gte: key }),
  'clear lt': (store, key) => store.clear({ lt: key }),
  'transaction clear': (store, key) => store.transaction((tx: Untyped) => tx.clear({ gte: key })),
  'transaction range': (store, key) => store.transaction((tx: Untyped) => [...tx.range({ lt: key })]),
}

/** Every way to hand a value over. */
const WITH_VALUE: Record<string, (store: Untyped, value: unknown) => unknown> = {
  put: (store, value) => store.put('key', value),
  batch: (store, value) => store.batch([{ type: 'put', key: 'key', value }]),
  bulkLoad: (store, value) => store.tree('new').bulkLoad([['key', value]]),
  transaction: (store, value) => store.transaction((tx: Untyped) => tx.put('key', value)),
  transactionSync: (store, value) =>
    store.transactionSync((tx: Untyped) => tx.batch([{ type: 'put', key: '', value }])),
}

describe.each(BEDS)('what callers get wrong (the $name engine)', ({ make }) => {
  beforeAll(async () => {
    bed = make()
    store = await bed.open({ create: true })
    store.put('a', 'first')
    store.put('b', 'long '.repeat(500))
    await store.tree('other').put('a', 'second')
  })
  afterAll(async () => {
    await store.close()
    bed.remove()
  })

  describe('a key of the wrong kind is refused by', () => {
    it.each(Object.entries(WITH_KEY))('%s', async (_name, call) => {
      await expectRefused(
        NO_STRINGS_OR_NOTHING.map((key) => () => call(store, key)),
        /encoding "utf8" takes a string, got \w/,
      )
      await expectRefused([() => call(store, 'half \ud800')], /half a surrogate pair/, /'buffer'/)
    })

    it.each(Object.entries(WITH_BOUND))('%s', async (_name, call) => {
      await expectRefused(
        NO_STRINGS.map((key) => () => call(store, key)),
        /encoding "utf8" takes a string, got \w/,
      )
    })

    it('every call of a handle that takes bytes', async () => {
      const bytes = storeWith({ keyEncoding: 'buffer' })
      for (const call of [WITH_KEY['get'], WITH_KEY['put'], WITH_KEY['compareAndSwap'], WITH_BOUND['clear lt']]) {
        await expectRefused(
          NO_BYTES.map((key) => () => call?.(bytes, key)),
          /encoding "buffer" takes a Uint8Array, got ./,
        )
      }
    })
  })

  describe('a value of the wrong kind is refused by', () => {
    it.each(Object.entries(WITH_VALUE))('%s', async (_name, call) => {
      await expectRefused(
        NO_STRINGS_OR_NOTHING.map((value) => () => call(store, value)),
        /encoding "utf8" takes a string, got \w/,
      )
      const bytes = storeWith({ valueEncoding: 'buffer' })
      const stringsOnly = call === WITH_VALUE['bulkLoad'] // the named tree has encodings of its own
      await expectRefused(
        NO_BYTES.filter((value) => !stringsOnly || typeof value !== 'string').map((value) => () => call(bytes, value)),
        /takes a (Uint8Array|string), got ./,
      )
    })

    it('compareAndSwap, on both sides', async () => {
      await expectRefused(
        NO_STRINGS.flatMap((value) => [
          () => store.compareAndSwap('a', value, 'next'),
          () => store.compareAndSwap('a', 'first', value),
        ]),
        /encoding "utf8" takes a string, got \w/,
      )
    })

    it('JSON, if it cannot hold it', async () => {
      const json = storeWith({ valueEncoding: 'json' })
      const ring: unknown[] = []
      ring.push(ring)
      await expectRefused(
        [undefined, () => {}, Symbol('s')].map((value) => () => json.put('a', value)),
        /something that JSON can hold, got/,
      )
      await expectRefused(
        [() => json.put('a', ring), () => json.put('a', { deep: [5n] })],
        /cannot be written as JSON: (Converting circular|Do not know how to serialize)/,
      )
    })

    it('reading, if it was written in another encoding', async () => {
      const error = await errorOfCall(() => storeWith({ valueEncoding: 'json' }).get('a'))
      expect([error.code, error.message]).toEqual(['INVALID_INPUT', expect.stringContaining('is not JSON')])
      expect(error.hint).toContain("valueEncoding 'utf8' or 'buffer'")
    })
  })

  describe('keys, values and commits that are too long', () => {
    it('are refused with both lengths, however they come', async () => {
      const long = 'k'.repeat(store.maxKeyBytes + 1)
      for (const call of Object.values(WITH_KEY)) {
        await expectRefused(
          [() => call(store, long)],
          /key of 65 bytes is longer than the 64/,
          /hash of it.*pageSizeBytes/,
        )
      }
      const wide = 'ß'.repeat(store.maxKeyBytes / 2 + 1) // bytes count, not characters
      await expectRefused([() => store.put(wide, 'value')], /key of 66 bytes/)
    })

    it('are taken up to the bound itself', async () => {
      const place = make()
      const own: Untyped = await place.open({ create: true })
      const key = 'k'.repeat(own.maxKeyBytes)
      await own.put(key, 'value')
      expect(own.get(key)).toBe('value')
      await own.tree('n'.repeat(MAX_TREE_NAME_BYTES)).put(key, 'value')
      expect(await own.verify()).toMatchObject({ problems: [], keys: 2 })
      await own.close()
      place.remove()
    })

    it('as bounds of a range they are bounds like any other', () => {
      expect([...store.range({ gte: 'a'.repeat(1000), lt: 'b' })]).toEqual([])
      expect([...store.range({ lt: 'b'.repeat(1000), limit: 1 })]).toEqual([['a', 'first']])
    })

    it('are refused before they are copied', async () => {
      const bytes = storeWith({ valueEncoding: 'buffer' })
      const huge = new Uint8Array(MAX_VALUE_BYTES + 1) // never touched, so it takes no memory
      for (const [name, call] of Object.entries(WITH_VALUE)) {
        if (name === 'bulkLoad') continue
        await expectRefused([() => call(bytes, huge)], /value of 536870913 bytes is longer than the 536870912/)
      }
      await expectRefused(
        [() => bytes.tree('new', { valueEncoding: 'buffer' }).bulkLoad([['key', huge]])],
        /value of 536870913 bytes/,
      )
      const three = ['a', 'b', 'c'].map((key) => ({ type: 'put', key, value: huge.subarray(1) }))
      await expectRefused(
        [() => bytes.batch(three)],
        /commit of \d+ bytes is larger than the 1073741824/,
        /smaller batches/,
      )
    })
  })

  describe('options that do not exist', () => {
    const misspelt: [string, () => unknown, RegExp, RegExp][] = [
      ['openBTree', () => openBTree('x', { craete: true } as Untyped), /openBTree.*"craete"/, /did you mean "create"/],
      ['openBTree', () => openBTree('x', { pageSize: 4096 } as Untyped), /"pageSize"/, /did you mean "pageSizeBytes"/],
      [
        'openBTree',
        () => openBTree('x', { compression: 1 } as Untyped),
        /"compression"/,
        /it takes create, pageSizeBytes/,
      ],
      [
        'durability',
        () => openBTree('x', { durability: { interval: 5 } } as Untyped),
        /durability.*"interval"/,
        /"intervalMs"/,
      ],
      ['tree', () => store.tree('t', { valueEncodng: 'json' }), /tree.*"valueEncodng"/, /did you mean "valueEncoding"/],
      ['snapshot', () => store.snapshot({ durabel: true }), /snapshot.*"durabel"/, /did you mean "durable"/],
      [
        'transaction',
        () => store.transaction(() => {}, { retry: 3 }),
        /transaction.*"retry"/,
        /it takes retries, maxBytes/,
      ],
      ['range', () => store.range({ revers: true }), /range.*"revers"/, /did you mean "reverse"/],
      ['scan', () => store.scan({ lmit: 3 }), /"lmit"/, /did you mean "limit"/],
      ['clear', () => store.clear({ greaterThan: 'a' }), /clear.*"greaterThan"/, /it takes gt, gte, lt, lte/],
      ['clear', () => store.clear({ limit: 3 }), /clear.*"limit"/, /it takes gt, gte, lt, lte|did you mean/],
      [
        'tree of a snapshot',
        () => snapshotTree({ keyEncodin: 'buffer' }),
        /"keyEncodin"/,
        /did you mean "keyEncoding"/,
      ],
      ['tree of a transaction', () => transactionTree({ key: 'utf8' }), /tree.*"key"/, /keyEncoding/],
    ]
    it.each(misspelt)('are refused by %s', async (_name, call, message, hint) => {
      await expectRefused([call], message, hint)
    })

    function snapshotTree(options: unknown): unknown {
      using snapshot = store.snapshot()
      return snapshot.tree('other', options)
    }
    function transactionTree(options: unknown): unknown {
      return store.transactionSync((tx: Untyped) => tx.tree('other', options))
    }
  })

  describe('arguments of the wrong kind are refused by', () => {
    const open = (options: unknown): Promise<unknown> => openBTree('never-made', options as Untyped)
    const both = (values: readonly unknown[], call: (value: Untyped) => unknown): (() => unknown)[] =>
      values.map((value) => () => call(value))

    const calls: [string, (() => unknown)[], RegExp][] = [
      [
        'openBTree: path',
        both([...NO_STRINGS_OR_NOTHING, '', 'a\0b'], (path) => openBTree(path)),
        /name of a directory, got/,
      ],
      ['openBTree: options', both(NO_OBJECTS, open), /options must be an object, got/],
      ['openBTree: create', both([null, 0, 'true', 'old', {}], (create) => open({ create })), /create must be .*got/],
      ['openBTree: readOnly', both(NO_BOOLEANS, (readOnly) => open({ readOnly })), /readOnly must be a boolean, got/],
      ['openBTree: both', [() => open({ create: true, readOnly: true })], /create or readOnly/],
      ['openBTree: native', both(NO_BOOLEANS, (native) => open({ native })), /native must be a boolean, got/],
      [
        'openBTree: pageSizeBytes',
        both([0, 1024, 4095, 5000, 131_072, -4096, ...NO_COUNTS, '4096', null], (size) =>
          open({ pageSizeBytes: size }),
        ),
        /pageSizeBytes must be .*got/,
      ],
      [
        'openBTree: cacheBytes',
        both([...NO_COUNTS, '1', null], (bytes) => open({ cacheBytes: bytes })),
        /cacheBytes must be .*got/,
      ],
      [
        'openBTree: durability',
        both(['fsync', 5, true, null, [], {}, { intervalMs: 0 }, { intervalMs: '5' }], (durability) =>
          open({ durability }),
        ),
        /durability.* must be .*got/,
      ],
      [
        'openBTree: keyEncoding',
        both(['json', 'hex', 5, null], (keyEncoding) => open({ keyEncoding })),
        /keyEncoding must be .*got/,
      ],
      [
        'openBTree: valueEncoding',
        both(['xml', 5, null], (coding) => open({ valueEncoding: coding })),
        /valueEncoding must be .*got/,
      ],
      [
        'tree: name',
        both([...NO_STRINGS_OR_NOTHING, 'x'.repeat(256), '\ud800'], (name) => store.tree(name)),
        /a tree's name must/,
      ],
      [
        'tree: options',
        both(NO_OBJECTS, (options) => store.tree('t', options)),
        /tree: options must be an object, got/,
      ],
      [
        'tree: encoding',
        both(['json', 'x'], (keyEncoding) => store.tree('t', { keyEncoding })),
        /keyEncoding must be .*got/,
      ],
      ['dropTree', both([...NO_STRINGS_OR_NOTHING, ''], (name) => store.dropTree(name)), /a tree's name must/],
      ['getInto: target', both(NO_BYTES, (target) => store.getInto('a', target)), /to a Uint8Array, got/],
      [
        'getMany',
        both([...NO_OBJECTS.filter((x) => !Array.isArray(x)), {}], (keys) => store.getMany(keys)),
        /array of keys, got/,
      ],
      [
        'batch',
        both([undefined, null, 5, 'ab', {}, new Map()], (operations) => store.batch(operations)),
        /array of operations, got/,
      ],
      [
        'batch: operations',
        both([undefined, null, 5, 'put', {}, []], (one) => store.batch([one])),
        /operation of a batch must be an object/,
      ],
      [
        'batch: types',
        both(['del', 5, 'PUT'], (type) => store.batch([{ type, key: 'a', value: 'b' }])),
        /has the type/,
      ],
      [
        'batch: trees',
        both([null, 5, {}, 'x'.repeat(256)], (tree) => store.batch([{ type: 'put', key: 'a', value: 'b', tree }])),
        /a tree's name must/,
      ],
      ['range', both(NO_OBJECTS, (options) => store.range(options)), /range: options must be an object, got/],
      ['range: limit', both([...NO_COUNTS, '5', null], (limit) => store.range({ limit })), /limit must be .*got/],
      ['range: reverse', both(NO_BOOLEANS, (reverse) => store.range({ reverse })), /reverse must be a boolean, got/],
      [
        'range: two bounds of one side',
        [() => store.range({ gt: 'a', gte: 'a' }), () => store.clear({ lt: 'a', lte: 'a' })],
        /not both/,
      ],
      ['scan', both(NO_OBJECTS, (options) => store.scan(options)), /options must be an object, got/],
      ['clear', both(NO_OBJECTS, (range) => store.clear(range)), /clear: options must be an object, got/],
      [
        'bulkLoad',
        both([undefined, null, 5, 'text', {}, () => {}], (entries) => store.tree('new').bulkLoad(entries)),
        /iterable of \[key, value\], got/,
      ],
      [
        'bulkLoad: entries',
        both([undefined, null, 5, 'ab', {}], (entry) => store.tree('new').bulkLoad([entry])),
        /entry of a bulk load must be/,
      ],
      ['bulkLoad: a tree with keys', [() => store.bulkLoad([['x', 'y']])], /needs an empty tree/],
      [
        'snapshot',
        both([5, 'durable', true, [], () => {}], (options) => store.snapshot(options)),
        /snapshot: options must be an object, got/,
      ],
      [
        'snapshot: durable',
        both(NO_BOOLEANS, (durable) => store.snapshot({ durable })),
        /durable must be a boolean, got/,
      ],
      ['transaction', both(NO_FUNCTIONS, (fn) => store.transaction(fn)), /transaction takes a function, got/],
      [
        'transaction: options',
        both(NO_OBJECTS, (options) => store.transaction(() => {}, options)),
        /transaction: options must be/,
      ],
      [
        'transaction: retries',
        both([...NO_COUNTS, '3', null], (retries) => store.transaction(() => {}, { retries })),
        /retries must be/,
      ],
      [
        'transaction: maxBytes',
        both([...NO_COUNTS, '3', null], (bytes) => store.transaction(() => {}, { maxBytes: bytes })),
        /maxBytes must be/,
      ],
      [
        'transactionSync',
        both(NO_FUNCTIONS, (fn) => store.transactionSync(fn)),
        /transactionSync takes a function, got/,
      ],
      ['transactionSync: async', [() => store.transactionSync(async () => {})], /does not wait/],
      [
        'backup',
        both([...NO_STRINGS_OR_NOTHING, '', 'a\0b'], (path) => store.backup(path)),
        /backup needs the path of a new directory, got/,
      ],
      [
        'inspectPage',
        both([...NO_STRINGS_OR_NOTHING.filter((page) => page !== 0), -1, 1.5, 1e9], (page) => store.inspectPage(page)),
        /there is no page/,
      ],
    ]
    it.each(calls)('%s', async (_name, refused, message) => {
      await expectRefused(refused, message)
    })
  })

  describe('after close', () => {
    const USES: Record<string, (store: Untyped) => unknown> = {
      ...Object.fromEntries(Object.entries(WITH_KEY).map(([name, call]) => [name, (store) => call(store, 'a')])),
      keyCount: (store) => store.keyCount,
      range: (store) => [...store.range()],
      'async range': (store) => store.range()[Symbol.asyncIterator]().next(),
      scan: (store) => [...store.scan()],
      batch: (store) => store.batch([{ type: 'delete', key: 'a' }]),
      applyPacked: (store) => store.applyPacked(['other'], packed),
      clear: (store) => store.clear(),
      compareAndSwap: (store) => store.compareAndSwap('a', 'first', 'next'),
      bulkLoad: (store) => store.tree('new').bulkLoad([['a', 'b']]),
      flushed: (store) => store.flushed(),
      tree: (store) => store.tree('other').get('a'),
      treeNames: (store) => store.treeNames(),
      dropTree: (store) => store.dropTree('other'),
      snapshot: (store) => store.snapshot(),
      transaction: (store) => store.transaction(() => {}),
      transactionSync: (store) => store.transactionSync(() => {}),
      checkpoint: (store) => store.checkpoint(),
      stats: (store) => store.stats(),
      verify: (store) => store.verify(),
      backup: (store) => store.backup(`${store.path}-elsewhere`),
      compact: (store) => store.compact(),
      inspectPage: (store) => store.inspectPage(0),
    }
    const packed = new PackedOperations(Buffer.alloc(64))
    packed.putPair(0, Buffer.from('a'), Buffer.from('packed'))
    /** What needs no open store. */
    const ALWAYS = [
      'close',
      'path',
      'pageSizeBytes',
      'maxKeyBytes',
      'position',
      'durablePosition',
      'name',
      'constructor',
    ]

    it.each(Object.entries(USES))('%s is refused with CLOSED', async (_name, use) => {
      const place = make()
      const closed = await place.open({ create: true })
      await closed.put('a', 'first')
      await closed.close()
      const error = await errorOfCall(() => use(closed))
      expect([error.code, error.message]).toEqual(['CLOSED', `the store ${closed.path} is closed`])
      expect(error.retryable).toBe(false)
      const again = await place.open()
      expect([[...again.range()], again.treeNames()]).toEqual([[['a', 'first']], []])
      await again.close()
      place.assertIdle()
      expect(place.list()).toEqual(['store'])
      place.remove()
    })

    it('every method is tried', () => {
      const names = new Set<string>()
      for (let at = store; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
        for (const name of Object.getOwnPropertyNames(at)) names.add(name)
      }
      const internal = [...Object.keys(store), 'encodeKey', 'encodeValue', 'durably']
      const missing = [...names].filter((name) => !(name in USES) && !ALWAYS.includes(name) && !internal.includes(name))
      expect(missing).toEqual([])
    })

    it('closing again, in any way, does nothing', async () => {
      const place = make()
      const closed = await place.open({ create: true })
      await Promise.all([closed.close(), closed.close(), closed[Symbol.asyncDispose]()])
      await closed.close()
      await closed.tree('t').close()
      place.remove()
    })
  })
})
