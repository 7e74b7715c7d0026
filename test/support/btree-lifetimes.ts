// A program: opens and closes stores in every way that may leave something behind, and prints as JSON what the process
// held after the first of them and what it held after all. Arguments: a directory, how many stores come after the first
// ones, and the engine. Needs --expose-gc.
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BTree, type BTreeOptions, openBTree } from '../../ts/storage/btree/index.ts'
import { codeOfAsync } from './errors.ts'

/** What a process holds. Memory in bytes, after garbage collection. */
export interface Held {
  files: number
  heap: number
  external: number
  arrayBuffers: number
}

/** Before it counts, everything has been done so often: what is made lazily and once is there then. */
const FIRST_STORES = 25
const PAGE_SIZE_BYTES = 4096

const [directory, count, engine] = process.argv.slice(2) as [string, string, 'native' | 'typescript']
await main()

async function main(): Promise<void> {
  await live(FIRST_STORES)
  const before = await held()
  await live(Number(count))
  const after = await held()
  process.stdout.write(JSON.stringify({ before, after }))
}

async function live(stores: number): Promise<void> {
  for (let i = 0; i < stores; i++) {
    const path = join(directory, 'store')
    await fillAndAbandon(path)
    await openInVain(path)
    await readOnly(path)
    rmSync(directory, { recursive: true })
    mkdirSync(directory)
  }
}

/** Leaves open what can be left open, and closes the store over it. */
async function fillAndAbandon(path: string): Promise<void> {
  const store = await open(path, { create: true, pageSizeBytes: PAGE_SIZE_BYTES, durability: 'os' })
  for (let i = 0; i < 100; i++) void store.put(`key ${i}`, 'v'.repeat(i * 10))
  await store.tree('other').bulkLoad([['a', '1']])
  await failTransactions(store)
  store.snapshot()
  const durable = await store.snapshot({ durable: true })
  durable.range()[Symbol.iterator]().next()
  store.range()[Symbol.iterator]().next()
  store.scan().next()
  void store.range()[Symbol.asyncIterator]().next() // not even waited for
  await store.range()[Symbol.asyncIterator]().next()
  await store.compact() // the file that it replaces is still read by the snapshots
  await store.clear({ lt: 'key 5' })
  await store.checkpoint()
  await codeOfAsync(store.backup(path)) // exists already
  await store.backup(`${path}-copy`)
  void store.put('last', 'its promise is left alone')
  await store.close()
  rmSync(`${path}-copy`, { recursive: true })
}

async function failTransactions(store: BTree): Promise<void> {
  const cancelled = new Error('cancelled')
  const cancel = (): never => {
    throw cancelled
  }
  const fates = [
    store.transaction((tx) => {
      tx.put('never', 'there'.repeat(1000))
      cancel()
    }),
    store.transaction(async (tx) => {
      tx.range()[Symbol.iterator]().next()
      await store.put('key 0', 'behind its back')
      tx.put('never', 'there')
    }),
    store.transaction(() => cancel(), { retries: 3 }),
  ]
  for (const { status } of await Promise.allSettled(fates)) if (status !== 'rejected') throw new Error('it succeeded')
  try {
    store.transactionSync(cancel)
  } catch (error) {
    if (error !== cancelled) throw error
  }
}

/** Opens that fail, each at another depth. */
async function openInVain(path: string): Promise<void> {
  const store = await open(path, { durability: 'memory' })
  void store.put('a', 'b')
  // Threads share a native store, and so does whoever opens it twice.
  if (engine === 'native') await (await open(path)).close()
  else await expectCode(open(path), 'LOCKED')
  await expectCode(open(path, { readOnly: true }), 'LOCKED')
  await store.close()
  await expectCode(open(path, { create: 'new' }), 'ALREADY_EXISTS')
  await expectCode(open(`${path}-missing`), 'NOT_FOUND')
  await expectCode(open(join(path, 'data')), 'INCOMPATIBLE')
  await expectCode(open(path, { cacheBytes: -1 }), 'INVALID_INPUT')

  const damaged = `${path}-damaged`
  cpSync(path, damaged, { recursive: true })
  writeFileSync(join(damaged, 'data'), Buffer.alloc(4 * PAGE_SIZE_BYTES, 'garbage'))
  await expectCode(open(damaged), 'INCOMPATIBLE')
  writeFileSync(join(damaged, 'data'), '')
  await expectCode(open(damaged), 'CORRUPTION')
}

/** Several at once, one of them with an iterator left open. */
async function readOnly(path: string): Promise<void> {
  const readers = await Promise.all([1, 2, 3].map(() => open(path, { readOnly: true })))
  readers[0]?.range()[Symbol.iterator]().next()
  await expectCode(open(path), 'LOCKED')
  for (const reader of readers) await reader.close()
}

function open(path: string, options: BTreeOptions = {}): Promise<BTree> {
  return openBTree<string, string>(path, { ...options, native: engine === 'native' })
}

async function expectCode(opening: Promise<BTree>, code: string): Promise<void> {
  const found = await codeOfAsync(opening)
  if (found !== code) throw new Error(`expected ${code}, got ${found}`)
}

async function held(): Promise<Held> {
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setImmediate(resolve)) // finalizers run between collections
    ;(globalThis.gc as () => void)()
  }
  const { heapUsed: heap, external, arrayBuffers } = process.memoryUsage()
  return {
    files: readdirSync(existsSync('/proc/self/fd') ? '/proc/self/fd' : '/dev/fd').length,
    heap,
    external,
    arrayBuffers,
  }
}
