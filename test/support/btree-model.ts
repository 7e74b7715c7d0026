// Commands for a model-based test of the B-tree store: each does something to a store and to sorted maps, and compares.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { BTree, BTreeTree, Snapshot, Transaction, TransactionTree } from '../../ts/storage/btree/index.ts'
import type { OrderedReader, RangeOptions } from '../../ts/storage/ordered-store.ts'
import type { StoreSettings } from './btree-crash/store.ts'
import { codeOfAsync } from './errors.ts'
import { type ByteBounds, type Entry, SortedMap } from './memory-store.ts'
import type { StoreBed } from './store-bed.ts'

type ByteStore = BTree<Uint8Array, Uint8Array>
type ByteReader = OrderedReader<Uint8Array, Uint8Array>
type Trees = Map<string, SortedMap>

/** A change, as data. The names are those of the trees; '' is the default tree. */
type Change =
  | { kind: 'put'; tree: string; key: Uint8Array; value: Uint8Array }
  | { kind: 'delete'; tree: string; key: Uint8Array }
  | { kind: 'clear'; tree: string; bounds: ByteBounds }
type KeyChange = Exclude<Change, { kind: 'clear' }>

/** A store, what it should hold, and snapshots with what they should show for ever. */
export class World {
  store: ByteStore
  trees: Trees = new Map()
  readonly snapshots: { snapshot: Snapshot<Uint8Array, Uint8Array>; trees: Trees }[] = []
  readonly settings: StoreSettings
  readonly bed: StoreBed

  private constructor(settings: StoreSettings, bed: StoreBed, store: ByteStore) {
    this.settings = settings
    this.bed = bed
    this.store = store
  }

  static async create(settings: StoreSettings, make: (settings: StoreSettings) => StoreBed): Promise<World> {
    const bed = make(settings)
    return new World(settings, bed, await bed.open({ ...BYTES, create: true }))
  }

  async reopen(): Promise<void> {
    for (const { snapshot } of this.snapshots.splice(0)) snapshot.close()
    await this.store.close()
    this.bed.assertIdle()
    await this.open()
  }

  /** What a killed process leaves, opened again. */
  async kill(): Promise<void> {
    await this.bed.kill(this.store)
    this.snapshots.length = 0
    await this.open()
  }

  async close(): Promise<void> {
    await this.store.close()
    this.bed.assertIdle()
    this.bed.remove()
  }

  tree(name: string): BTreeTree<Uint8Array, Uint8Array> {
    return name === '' ? this.store : this.store.tree<Uint8Array, Uint8Array>(name, BYTES)
  }

  expected(name: string): SortedMap {
    return treeIn(this.trees, name)
  }

  copyOfTrees(): Trees {
    return new Map(Array.from(this.trees, ([name, tree]) => [name, tree.copy()]))
  }

  /** Does `change` to the store alone. */
  perform(change: Change): Promise<void> {
    const tree = this.tree(change.tree)
    if (change.kind === 'put') return tree.put(change.key, change.value)
    if (change.kind === 'delete') return tree.delete(change.key)
    return tree.clear(rangeOf(change.bounds))
  }

  /** Compares everything there is to see from outside, and lets `verify` read the rest. */
  async check(): Promise<void> {
    const { store, trees } = this
    for (const name of ALL_TREES) {
      expect(contentOf(this.tree(name))).toEqual(contentIn(this.trees, name))
      expect([name, this.tree(name).keyCount]).toEqual([name, this.expected(name).size])
    }
    expect(store.treeNames()).toEqual([...trees.keys()].filter((name) => name !== '').sort())
    // The native engine checkpoints on a thread of its own. With nothing left to fold in it rests: then figures that are
    // asked for one after the other are of the same moment.
    if (this.bed.engine === 'native') await store.checkpoint()
    const report = await store.verify()
    expect(report.problems).toEqual([])
    const stats = store.stats()
    const keyCounts = Array.from(trees, ([name, tree]) => [name, tree.size] as const)
    expect(Object.entries(stats.trees).map(([name, { keyCount }]) => [name, keyCount])).toEqual(keyCounts.sort())
    expect(stats.keyCount).toBe(keyCounts.reduce((sum, [, count]) => sum + count, 0))
    expect(report).toMatchObject({ ok: true, keys: stats.keyCount, trees: trees.size })
    const { branch, leaf, overflow, free } = report.pages
    // What is left are the two metas and the list of free pages, which numbers as many as there were at its writing.
    const lists = stats.usedPages - (branch + leaf + overflow + 2)
    expect([lists >= 0, lists <= 2 + stats.pageCount / 100]).toEqual([true, true])
    expect(stats.freePages + stats.retiredPages).toBe(free)
    expect(stats.usedPages + free).toBe(stats.pageCount)
    expect(stats.snapshots.open).toBe(this.snapshots.length)
    // Calls like this one read the root of every tree, and leave it to the next operation to make room again.
    expect(stats.cache.residentPages).toBeLessThanOrEqual(stats.cache.capacityPages + 1 + trees.size)
  }

  private async open(): Promise<void> {
    this.store = await this.bed.open(BYTES)
  }
}

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const TREES = ['a', 'b']
const ALL_TREES = ['', ...TREES]

/** The tree of that name, or an empty one. */
function treeIn(trees: Trees, name: string): SortedMap {
  return trees.get(name) ?? new SortedMap()
}

function applyTo(trees: Trees, change: Change): void {
  const tree = treeIn(trees, change.tree)
  if (change.kind === 'put') {
    tree.set(change.key, change.value)
    trees.set(change.tree, tree) // a tree is made by its first write; nothing is removed from one that is not there
  } else if (change.kind === 'delete') tree.delete(change.key)
  else tree.clear(change.bounds)
}

// -- comparing ----------------------------------------------------------------------------------------------------

/** Short for short things, with a checksum's worth of detail for long ones. */
function describeBytes(bytes: Uint8Array): string {
  const all = Buffer.from(bytes).toString('latin1')
  return all.length <= 80 ? all : `${all.slice(0, 8)}...${all.slice(-8)} (${all.length}: ${sum(bytes)})`
}

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte, i) => (total + byte * (i + 1)) % 1_000_003, 0)
}

function describeEntries(entries: Iterable<Entry | [Uint8Array, Uint8Array]>): string[] {
  return Array.from(entries, ([key, value]) => `${describeBytes(key)} = ${describeBytes(value)}`)
}

function expectSame(found: Uint8Array | undefined, expected: Uint8Array | undefined): void {
  expect(found && describeBytes(found)).toEqual(expected && describeBytes(expected))
}

function contentIn(trees: Trees, name: string, bounds?: ByteBounds): string[] {
  return describeEntries(treeIn(trees, name).range(bounds))
}

function contentOf(reader: ByteReader, range?: RangeOptions<Uint8Array>): string[] {
  return describeEntries(reader.range(range))
}

async function contentOfAsync(reader: ByteReader, range?: RangeOptions<Uint8Array>): Promise<string[]> {
  const entries: [Uint8Array, Uint8Array][] = []
  for await (const entry of reader.range(range)) entries.push(entry)
  return describeEntries(entries)
}

function rangeOf(bounds: ByteBounds): RangeOptions<Uint8Array> {
  const { lower, lowerInclusive, upper, upperInclusive, reverse, limit } = bounds
  return {
    ...(lower && { [lowerInclusive ? 'gte' : 'gt']: lower }),
    ...(upper && { [upperInclusive ? 'lte' : 'lt']: upper }),
    ...(reverse && { reverse }),
    ...(limit !== undefined && { limit }),
  }
}

// -- what commands are made of ------------------------------------------------------------------------------------

/** The longest key of a store with pages of 512 bytes. */
const MAX_KEY_BYTES = 64

const someTree = fc.constantFrom('', '', ...TREES)
/** Few enough to meet again; with common prefixes that only few keys break. */
const someKey: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 60 }).map((n) => Buffer.from(`k${n}`)) },
  { weight: 3, arbitrary: fc.nat({ max: 60 }).map((n) => Buffer.from(`${'prefix '.repeat(7)}${n}`)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: MAX_KEY_BYTES }) },
)
/** Inline in any page, inline or not, and of many pages of 512 bytes. */
const someValue: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.oneof(
      { weight: 6, arbitrary: fc.nat({ max: 30 }) },
      { weight: 3, arbitrary: fc.nat({ max: 140 }) },
      { weight: 1, arbitrary: fc.nat({ max: 3000 }) },
    ),
    fc.constantFrom(...'xyz'),
  )
  .map(([size, fill]) => Buffer.alloc(size, fill))
const someBounds: fc.Arbitrary<ByteBounds> = fc.record(
  { lower: someKey, lowerInclusive: fc.boolean(), upper: someKey, upperInclusive: fc.boolean() },
  { requiredKeys: ['lowerInclusive', 'upperInclusive'] },
)
const someRange: fc.Arbitrary<ByteBounds> = fc
  .tuple(someBounds, fc.boolean(), fc.option(fc.nat({ max: 30 }), { nil: undefined }))
  .map(([bounds, reverse, limit]) => ({ ...bounds, reverse, ...(limit !== undefined && { limit }) }))
const someKeyChange: fc.Arbitrary<KeyChange> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('put'), tree: someTree, key: someKey, value: someValue }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete'), tree: someTree, key: someKey }) },
) as fc.Arbitrary<KeyChange>
const someClear = fc.record({ kind: fc.constant('clear' as const), tree: someTree, bounds: someBounds })
const someChange: fc.Arbitrary<Change> = fc.oneof(
  { weight: 9, arbitrary: someKeyChange },
  { weight: 1, arbitrary: someClear },
)
const someChanges = fc.array(someChange, { maxLength: 12 })

// -- commands -----------------------------------------------------------------------------------------------------

type Command = fc.AsyncCommand<object, World>

function command<Arguments>(
  name: string,
  arguments_: fc.Arbitrary<Arguments>,
  run: (world: World, given: Arguments) => Promise<void>,
): fc.Arbitrary<Command> {
  return arguments_.map((given) => ({
    check: () => true,
    run: (_model, world) => run(world, given),
    toString: () => `${name}(${describeArgument(given)})`,
  }))
}

function describeArgument(value: unknown): string {
  if (value instanceof Uint8Array) return JSON.stringify(describeBytes(value))
  if (Array.isArray(value)) return `[${value.map(describeArgument).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(JSON.stringify(value))
  return `{ ${Object.entries(value)
    .map(([name, part]) => `${name}: ${describeArgument(part)}`)
    .join(', ')} }`
}

const nothing = fc.constant(undefined)

const change = command('change', someChange, async (world, given) => {
  const done = world.perform(given)
  const { position } = world.store
  applyTo(world.trees, given)
  await done
  if (world.settings.durability === 'sync') expect(world.store.durablePosition).toBeGreaterThanOrEqual(position)
})

/** Many keys in a row: what makes trees deep. Nothing is awaited until the end. */
const fill = command(
  'fill',
  fc.record({
    tree: someTree,
    from: fc.nat({ max: 60 }),
    count: fc.nat({ max: 150 }),
    step: fc.constantFrom(1, 7, -1),
    value: someValue.filter((value) => value.length < 500),
  }),
  async (world, { tree, from, count, step, value }) => {
    for (let i = 0; i < count; i++) {
      const put = { kind: 'put', tree, key: Buffer.from(`k${from + ((i * step) % 200)}`), value } as const
      world.perform(put)
      applyTo(world.trees, put)
    }
    await world.store.flushed()
  },
)

const batch = command('batch', fc.array(someKeyChange, { maxLength: 40 }), async (world, changes) => {
  const operations = changes.map(({ kind, ...rest }) => ({ type: kind, ...rest }))
  const done = world.store.batch(operations as Parameters<ByteStore['batch']>[0])
  for (const one of changes) applyTo(world.trees, one)
  await done
})

const read = command('read', fc.record({ tree: someTree, range: someRange }), async (world, { tree, range }) => {
  const expected = contentIn(world.trees, tree, range)
  expect(contentOf(world.tree(tree), rangeOf(range))).toEqual(expected)
  expect(await contentOfAsync(world.tree(tree), rangeOf(range))).toEqual(expected)
})

const readKeys = command('readKeys', fc.array(fc.tuple(someTree, someKey), { maxLength: 8 }), async (world, keys) => {
  for (const [name, key] of keys) {
    const expected = world.expected(name).get(key)
    expectSame(world.tree(name).get(key), expected)
    expectSame(await world.tree(name).getAsync(key), expected)
    expect(world.tree(name).has(key)).toBe(expected !== undefined)
  }
})

const walkUnderWrites = command(
  'walkUnderWrites',
  fc.record({ tree: someTree, range: someRange, steps: fc.nat({ max: 20 }), changes: someChanges }),
  async (world, { tree, range, steps, changes }) => {
    const expected = contentIn(world.trees, tree, range)
    const walk = world.tree(tree).range(rangeOf(range))[Symbol.iterator]()
    const asyncWalk = world.tree(tree).range(rangeOf(range))[Symbol.asyncIterator]()
    const found: [Uint8Array, Uint8Array][] = []
    const foundAsync: [Uint8Array, Uint8Array][] = []
    const step = async (): Promise<boolean> => {
      const [next, nextAsync] = [walk.next(), await asyncWalk.next()]
      if (!next.done) found.push(next.value)
      if (!nextAsync.done) foundAsync.push(nextAsync.value)
      return !next.done || !nextAsync.done
    }
    for (let i = 0; i < steps && (await step()); i++);
    for (const one of changes) {
      world.perform(one)
      applyTo(world.trees, one)
    }
    while (await step());
    expect(describeEntries(found)).toEqual(expected)
    expect(describeEntries(foundAsync)).toEqual(expected)
  },
)

const compareAndSwap = command(
  'compareAndSwap',
  fc.record({ tree: someTree, key: someKey, matches: fc.boolean(), value: fc.option(someValue, { nil: undefined }) }),
  async (world, { tree, key, matches, value }) => {
    const current = world.expected(tree).get(key)
    const before = world.store.position
    const other = current === undefined ? Buffer.from('x') : undefined
    expect(await world.tree(tree).compareAndSwap(key, matches ? current : other, value)).toBe(matches)
    if (!matches) expect(world.store.position).toBe(before)
    else applyTo(world.trees, value === undefined ? { kind: 'delete', tree, key } : { kind: 'put', tree, key, value })
  },
)

const bulkLoad = command(
  'bulkLoad',
  fc.record({
    tree: someTree,
    entries: fc.array(fc.tuple(someKey, someValue), { maxLength: 80 }),
    broken: fc.boolean(),
  }),
  async (world, { tree, entries, broken }) => {
    const sorted = new SortedMap()
    for (const [key, value] of entries) sorted.set(key, value)
    const given = sorted.range()
    const isBroken = broken && given.length > 1
    if (isBroken) given.push(given[0] as Entry)
    const refused = isBroken || world.expected(tree).size > 0
    const load = world.tree(tree).bulkLoad(given)
    expect(await codeOfAsync(load)).toBe(refused ? 'INVALID_INPUT' : undefined)
    if (refused || given.length === 0) return
    expect(await load).toBe(given.length)
    world.trees.set(tree, sorted)
  },
)

const takeSnapshot = command('takeSnapshot', fc.boolean(), async (world, durable) => {
  if (world.snapshots.length >= 4) world.snapshots.shift()?.snapshot.close()
  const snapshot = durable ? await world.store.snapshot({ durable: true }) : world.store.snapshot()
  expect(snapshot.position).toBe(world.store.position)
  world.snapshots.push({ snapshot, trees: world.copyOfTrees() })
})

const readSnapshots = command(
  'readSnapshots',
  fc.record({ range: someRange, close: fc.nat() }),
  async (world, given) => {
    const { range, close } = given
    for (const { snapshot, trees } of world.snapshots) {
      for (const name of ALL_TREES) {
        const reader = name === '' ? snapshot : snapshot.tree<Uint8Array, Uint8Array>(name, BYTES)
        const expected = trees.get(name) ?? new SortedMap()
        expect(contentOf(reader)).toEqual(describeEntries(expected.range()))
        expect(await contentOfAsync(reader, rangeOf(range))).toEqual(describeEntries(expected.range(range)))
      }
    }
    if (world.snapshots.length === 0) return
    for (const { snapshot } of world.snapshots.splice(close % world.snapshots.length, 1)) snapshot.close()
  },
)

const dropTree = command('dropTree', fc.constantFrom(...TREES), async (world, name) => {
  await world.store.dropTree(name)
  world.trees.delete(name)
})

const checkpoint = command('checkpoint', nothing, (world) => world.store.checkpoint())
const compact = command('compact', someChanges, async (world, changes) => {
  const compacted = world.store.compact()
  for (const one of changes) {
    world.perform(one)
    applyTo(world.trees, one)
    await undefined
  }
  await compacted
})
const reopen = command('reopen', nothing, (world) => world.reopen())
const kill = command('kill', nothing, (world) => world.kill())
const check = command('check', nothing, (world) => world.check())

// -- transactions -------------------------------------------------------------------------------------------------

/** What a transaction reads before others write: a key, or all of a range. */
type Read = { tree: string; key: Uint8Array } | { tree: string; bounds: ByteBounds }

const someRead: fc.Arbitrary<Read> = fc.oneof(
  fc.record({ tree: someTree, key: someKey }),
  fc.record({ tree: someTree, bounds: someBounds }),
)

/**
 * True if `other`, done to `trees`, changes what `read` has read, as the store sees it. The TypeScript engine notes that a
 * key was written, whatever was there; the native one compares what was read with what is there in the end.
 */
function touches(read: Read, other: KeyChange, trees: Trees): boolean {
  if (read.tree !== other.tree || (other.kind === 'delete' && !trees.has(other.tree))) return false
  if ('key' in read) return Buffer.compare(read.key, other.key) === 0
  const one = new SortedMap()
  one.set(other.key, other.key)
  return one.range(read.bounds).length > 0
}

/** What a read finds, for comparison. */
function found(read: Read, trees: Trees): unknown {
  if ('key' in read) {
    const value = treeIn(trees, read.tree).get(read.key)
    return value && describeBytes(value)
  }
  return contentIn(trees, read.tree, read.bounds)
}

function handleOf(tx: Transaction<Uint8Array, Uint8Array>, name: string): TransactionTree<Uint8Array, Uint8Array> {
  return name === '' ? tx : tx.tree<Uint8Array, Uint8Array>(name, BYTES)
}

async function readWithin(
  tx: Transaction<Uint8Array, Uint8Array>,
  reads: readonly Read[],
  trees: Trees,
): Promise<void> {
  for (const one of reads) {
    const reader = handleOf(tx, one.tree)
    if ('key' in one) expectSame(await reader.getAsync(one.key), treeIn(trees, one.tree).get(one.key))
    else expect(contentOf(reader, rangeOf(one.bounds))).toEqual(contentIn(trees, one.tree, one.bounds))
  }
}

function writeWithin(tx: Transaction<Uint8Array, Uint8Array>, changes: readonly Change[], trees: Trees): void {
  for (const one of changes) {
    const tree = handleOf(tx, one.tree)
    if (one.kind === 'put') tree.put(one.key, one.value)
    else if (one.kind === 'delete') tree.delete(one.key)
    else tree.clear(rangeOf(one.bounds))
    applyTo(trees, one)
  }
}

/** Applies the outcome of a transaction: a tree in which it leaves nothing does not come to be. */
function commit(trees: Trees, writes: readonly Change[]): void {
  const before = new Set(trees.keys())
  for (const one of writes) applyTo(trees, one)
  for (const [name, tree] of trees) if (tree.size === 0 && !before.has(name)) trees.delete(name)
}

const transaction = command(
  'transaction',
  fc.record({
    reads: fc.array(someRead, { maxLength: 4 }),
    others: fc.array(someKeyChange, { maxLength: 4 }),
    writes: someChanges,
    /** Looks at all that it would leave, before it ends. */
    looks: fc.boolean(),
    fails: fc.boolean(),
    retries: fc.nat({ max: 1 }),
  }),
  async (world, { reads, others, writes, looks, fails, retries }) => {
    let attempts = 0
    let conflicts = false
    let outcome: Trees = new Map()
    const failure = new Error('the function failed')
    const done = world.store.transaction(
      async (tx) => {
        outcome = world.copyOfTrees()
        await readWithin(tx, reads, outcome)
        const allReads = looks ? [...reads, ...ALL_TREES.map((tree) => ({ tree, bounds: {} }))] : reads
        const before = allReads.map((one) => found(one, world.trees))
        for (const other of ++attempts === 1 ? others : []) {
          if (world.bed.engine === 'typescript') conflicts ||= allReads.some((one) => touches(one, other, world.trees))
          world.perform(other)
          applyTo(world.trees, other)
        }
        if (world.bed.engine === 'native' && attempts === 1) {
          conflicts = !isDeepStrictEqual(
            before,
            allReads.map((one) => found(one, world.trees)),
          )
        }
        writeWithin(tx, writes, outcome)
        if (looks) {
          for (const name of ALL_TREES) expect(contentOf(handleOf(tx, name))).toEqual(contentIn(outcome, name))
        }
        if (fails) throw failure
        return attempts
      },
      { retries },
    )
    await done.catch(() => {}) // only now is it known whether there was a conflict
    const mustRunAgain = conflicts && writes.length > 0
    if (fails) await expect(done).rejects.toBe(failure)
    else if (mustRunAgain && retries === 0) expect(await codeOfAsync(done)).toBe('CONFLICT')
    else {
      expect(await done).toBe(mustRunAgain ? 2 : 1)
      commit(world.trees, writes)
    }
  },
)

const transactionSync = command(
  'transactionSync',
  fc.record({ writes: someChanges, fails: fc.boolean() }),
  async (world, { writes, fails }) => {
    const failure = new Error('the function failed')
    const outcome = world.copyOfTrees()
    const run = (): string[][] =>
      world.store.transactionSync((tx) => {
        writeWithin(tx, writes, outcome)
        const found = ALL_TREES.map((name) => contentOf(handleOf(tx, name)))
        if (fails) throw failure
        return found
      })
    if (fails) {
      expect(run).toThrow(failure)
      return
    }
    const found = run()
    expect(found).toEqual(ALL_TREES.map((name) => contentIn(outcome, name)))
    commit(world.trees, writes)
    await world.store.flushed()
  },
)

/** Any command; the frequent ones several times. */
export const COMMANDS: fc.Arbitrary<Command>[] = [
  ...[change, change, change, fill, fill, batch, batch, read, readKeys, walkUnderWrites],
  ...[compareAndSwap, bulkLoad, takeSnapshot, readSnapshots, readSnapshots, transaction, transaction, transactionSync],
  ...[dropTree, checkpoint, compact, reopen, kill, check],
]
