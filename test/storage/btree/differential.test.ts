// The engines against each other: the same answers, the same files, whoever wrote them, also after a crash.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import type { BTree, BTreeTree, TreeBatchOperation } from '../../../ts/storage/btree/index.ts'
import { KEPT, KEYS, keyOf, textOf } from '../../support/btree-batches.mjs'
import { ENGINES, type EngineUnderTest } from '../../support/engines.ts'
import { codeOfAsync } from '../../support/errors.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

type ByteStore = BTree<Uint8Array, Uint8Array>
type ByteTree = BTreeTree<Uint8Array, Uint8Array>

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const SETTINGS = { ...BYTES, create: true, pageSizeBytes: 4096, cacheBytes: 0 } as const
const TREES = ['', 'a', 'b']
const STEPS = 180
/** Mostly inline, now and then of several pages. */
const VALUE_SIZES = [0, 1, 10, 30, 100, 300, 300, 700, 1500, 9000]

/** Every engine with every other one, and with itself. */
const PAIRS = ENGINES.flatMap((one) => ENGINES.map((other) => ({ one, other, names: `${one.name} and ${other.name}` })))

const WRITER = fileURLToPath(new URL('../../support/btree-writer.mjs', import.meta.url))

describe.each(PAIRS)('$names', ({ one, other }) => {
  it.each([1, 2, 3])('give the same answers to random calls, and read each other’s files (seed %i)', async (seed) => {
    const places = [temporaryDirectory(), temporaryDirectory()]
    const open = (engines: readonly EngineUnderTest[]) =>
      Promise.all(engines.map((engine, i) => engine.open<Uint8Array, Uint8Array>(places[i]!.path, SETTINGS)))
    let stores = await open([one, other])
    const random = seededRandom(seed)
    for (let step = 0; step < STEPS; step++) {
      const call = randomCall(random)
      const [a, b] = await Promise.all(stores.map(async (store) => call.run(store)))
      expect([step, call.name, a]).toEqual([step, call.name, b])
      if (step % 60 !== 59) continue
      await expectSame(stores)
      await Promise.all(stores.map((store) => store.close()))
      stores = await open(step % 120 === 59 ? [other, one] : [one, other])
      await expectSame(stores)
    }
    await Promise.all(stores.map((store) => store.close()))
    for (const { remove } of places) remove()
  })

  it('recover what the other had acknowledged when it was killed', async () => {
    const { path, remove } = temporaryDirectory()
    let next = 0
    for (let round = 0; round < 4; round++) {
      const [writer, reader] = round % 2 === 0 ? [one, other] : [other, one]
      const acknowledged = await writeUntilKilled(path, writer, next)
      const store = await reader.open(path)
      const last = await lastBatchOf(store)
      expect(last).toBeGreaterThanOrEqual(acknowledged)
      await store.close()
      next = last + 1
    }
    remove()
  })
})

/** Runs a writer from batch `first` on and kills it in its work. @returns The last batch that it said was acknowledged. */
async function writeUntilKilled(path: string, engine: EngineUnderTest, first: number): Promise<number> {
  const child = spawn(process.execPath, [WRITER, path, engine.name, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  let acknowledged = -1
  const lines = createInterface(child.stdout)
  const said = once(lines, 'close')
  lines.on('line', (line) => {
    acknowledged = Math.max(acknowledged, Number(line))
    if (acknowledged >= first + 150) child.kill('SIGKILL')
  })
  expect(await ended).toEqual([null, 'SIGKILL'])
  await said
  return acknowledged
}

/** Checks that a store holds the last batches, whole, and nothing else. @returns The number of the last one. */
async function lastBatchOf(store: BTree): Promise<number> {
  const report = await store.verify()
  expect(report.problems).toEqual([])
  const marks = Array.from(store.tree('marks').range(), ([key]) => Number.parseInt(key, 10))
  const last = marks.at(-1) ?? -1
  const batches = Array.from({ length: Math.min(KEPT, last + 1) }, (_, i) => Math.max(0, last + 1 - KEPT) + i)
  expect(marks).toEqual(batches)
  const keys = batches.flatMap((batch) => Array.from({ length: KEYS }, (_, i) => [batch, i] as const))
  expect([...store.range()]).toEqual(keys.map(([batch, i]) => [keyOf(batch, i), textOf(batch, i)]))
  return last
}

async function expectSame(stores: readonly ByteStore[]): Promise<void> {
  const [a, b] = await Promise.all(
    stores.map(async (store) => {
      const { problems, keys, trees } = await store.verify()
      const { keyCount, position, trees: byName } = store.stats()
      const counts = Object.entries(byName).map(([name, tree]) => [name, tree.keyCount])
      return { problems, keys, trees, keyCount, position, counts, names: store.treeNames() }
    }),
  )
  expect(a).toEqual(b)
  expect(a?.problems).toEqual([])
}

// -- random calls -------------------------------------------------------------------------------------------------

interface Call {
  name: string
  /** Resolves with what can be compared. */
  run(store: ByteStore): Promise<unknown>
}

function treeOf(store: ByteStore, name: string): ByteTree {
  return name === '' ? store : store.tree<Uint8Array, Uint8Array>(name, BYTES)
}

/** A call with all that it needs, so that each engine gets the same. */
function randomCall(random: Random): Call {
  const below = (bound: number): number => Math.floor(random.next() * bound)
  const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)] as T
  const tree = pick(TREES)
  const key = (): Uint8Array => Buffer.from(`${'prefix '.repeat(below(3))}${below(400)}`)
  const value = (): Uint8Array => Buffer.alloc(pick(VALUE_SIZES), below(256))
  const range = { gte: key(), lt: key(), reverse: random.next() < 0.5, limit: pick([1, 10, 1000]) }
  const bounds = { gte: range.gte, lt: range.lt }
  const on = (name: string, use: (tree: ByteTree) => unknown): Call => ({
    name,
    run: async (store) => await use(treeOf(store, tree)),
  })
  const whole = (name: string, run: Call['run']): Call => ({ name, run })
  const [k, v, keys] = [key(), value(), Array.from({ length: below(40) }, key)]
  const values = keys.map(value)
  const operations = keys.map((each, i): TreeBatchOperation<Uint8Array, Uint8Array> => {
    const of = { tree: pick(TREES), key: each }
    return random.next() < 0.3 ? { type: 'delete', ...of } : { type: 'put', ...of, value: values[i] as Uint8Array }
  })
  const sorted = [...new Map(keys.map((each, i) => [String(each), [each, values[i] as Uint8Array] as const])).values()]
  sorted.sort(([a], [b]) => Buffer.compare(a, b))
  return pick([
    on('put', (t) => t.put(k, v)),
    on('delete', (t) => t.delete(k)),
    whole('batch', (store) => store.batch(operations)),
    whole('batch', (store) => store.batch(operations)),
    on('get', (t) => [t.get(k), t.has(k), t.keyCount]),
    on('getAsync', (t) => t.getAsync(k)),
    on('getMany', (t) => t.getMany(keys)),
    on('getInto', (t) => {
      const target = new Uint8Array(400)
      const length = t.getInto(k, target)
      return [length, length !== undefined && length <= 400 ? target : undefined]
    }),
    on('range', (t) => [...t.range(range)]),
    on('range by for await', async (t) => {
      const found: unknown[] = []
      for await (const entry of t.range(range)) found.push(entry)
      return found
    }),
    on('scan', (t) => Buffer.concat(Array.from(t.scan(range), ({ bytes }) => bytes))),
    on('clear', (t) => t.clear(bounds)),
    on('compareAndSwap', (t) => t.compareAndSwap(k, t.get(k), v)),
    on('compareAndSwap with another', (t) => t.compareAndSwap(k, v, undefined)),
    on('bulkLoad', (t) => codeOfAsync(t.bulkLoad(sorted))),
    whole('dropTree', (store) => store.dropTree('a')),
    whole('transaction', (store) =>
      store.transaction(async (tx) => {
        const found = [...tx.range(range)]
        tx.put(k, v)
        tx.tree<Uint8Array, Uint8Array>('b', BYTES).clear(bounds)
        return [found, tx.get(k), [...tx.range({ limit: 5 })]]
      }),
    ),
    whole('snapshot', async (store) => {
      using snapshot = store.snapshot()
      await store.put(k, v)
      return [snapshot.position, snapshot.get(k), [...snapshot.range(range)]]
    }),
    whole('checkpoint', (store) => store.checkpoint()),
    whole('compact', (store) => store.compact()),
  ])
}
