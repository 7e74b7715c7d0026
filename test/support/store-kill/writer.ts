// The process that is killed: opens the store and does steps and work until it is. Many promises are open at any time.
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { performIn, type Write } from '../btree-crash/writes.ts'
import { loadOf, type Report, type Step, stepAt, type WriterOrders, workAt } from './plan.ts'
import { doWork, type KilledStore, openKilled } from './stores.ts'

const STANDARD_OUTPUT = 1
/** Steps under way at once. */
const MOST_OPEN_STEPS = 24
/** Steps between two looks at what else there is to do. */
const STEPS_A_TURN = 5
/** More loaded trees than these are dropped. */
const MOST_LOADED_TREES = 2
/** Loads read so many entries between two turns of the event loop. */
const ENTRIES_A_TURN = 50

const orders = JSON.parse(process.argv[2] as string) as WriterOrders
let openSteps = 0
let isWorking = false

// Whoever started it is gone: so must it be.
process.on('disconnect', () => process.exit(1))
await main().catch(fail)

async function main(): Promise<void> {
  const { firstStep, steps } = orders
  say({ say: 'opening' })
  const store = await openKilled(orders)
  say({ say: 'opened' })
  const loaded = store.treeNames().filter((name) => name.startsWith('load'))
  for (let number = firstStep; number < firstStep + steps; number++) {
    beginWork(store, number, loaded)
    await doStep(store, number, loaded)
    while (openSteps >= MOST_OPEN_STEPS) await turn()
    if (number % STEPS_A_TURN === 0) await turn()
  }
  await once(process, 'disconnect')
}

/** Begins a step; waits for its end only if other steps could come before it otherwise. */
async function doStep(store: KilledStore, number: number, loaded: string[]): Promise<void> {
  const drop = loaded.length > MOST_LOADED_TREES ? loaded.shift() : undefined
  const step: Step = drop === undefined ? stepAt(orders.seed, number) : { kind: 'drop', tree: drop }
  say({ say: 'begin', step: number, ...(drop !== undefined && { drop }) })
  openSteps++
  const done = perform(store, step).then(() => {
    openSteps--
    say({ say: 'done', step: number })
  })
  done.catch(fail)
  if (step.kind === 'transaction') await done
}

function perform(store: KilledStore, step: Step): Promise<unknown> {
  if (step.kind === 'drop') return store.dropTree(step.tree)
  if (step.kind === 'transaction') return runTransaction(store, step.writes, step.sync)
  const tree = step.tree === undefined || step.tree === '' ? store : store.tree(step.tree)
  switch (step.kind) {
    case 'put':
      return tree.put(step.key, step.value)
    case 'delete':
      return tree.delete(step.key)
    case 'batch':
      return tree.batch(step.operations)
    case 'clear':
      return tree.clear(step.range)
    case 'swap':
      return tree.compareAndSwap(step.key, tree.get(step.key), step.value).then((isSwapped) => {
        if (!isSwapped) throw new Error(`a compare-and-swap of ${step.key} found something else than a get before it`)
      })
  }
}

async function runTransaction(store: KilledStore, writes: readonly Write[], sync: boolean): Promise<void> {
  if (sync) {
    store.transactionSync((tx) => {
      for (const write of writes) performIn(tx, write)
    })
    await (orders.durability === 'memory' ? undefined : store.flushed())
  } else {
    await store.transaction(async (tx) => {
      for (const write of writes) performIn(tx, write)
      await turn()
    })
  }
}

/** Begins the work that the plan has for step `number`, unless some is under way. */
function beginWork(store: KilledStore, number: number, loaded: string[]): void {
  const work = isWorking ? undefined : workAt(orders.kind, orders.seed, number)
  if (work === undefined) return
  const tree = `load ${number}`
  isWorking = true
  say({ say: 'begin work', work, step: number, tree })
  const entries = (): AsyncIterable<[string, string]> => slowly(loadOf(orders.seed, number))
  const done = doWork(store, work, { tree, entries }).then(() => {
    isWorking = false
    say({ say: 'done work', work })
    if (work === 'load') loaded.push(tree)
  })
  done.catch(fail)
}

/** Lets steps come between the entries of a load. */
async function* slowly<T>(entries: readonly T[]): AsyncGenerator<T> {
  for (const [i, entry] of entries.entries()) {
    if (i % ENTRIES_A_TURN === 0) await turn()
    yield entry
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function say(report: Report): void {
  writeSync(STANDARD_OUTPUT, `${JSON.stringify(report)}\n`)
}

function fail(error: unknown): void {
  say({ say: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  process.exit(1)
}
