// What is done to a store, the same for every contestant. Runs in a child process: see task-child.ts.
import { Worker } from 'node:worker_threads'
import { directoryBytes, peakRssBytes, rateOf } from '../contest/measure.ts'
import { makeValues, newKey, newKeys, setKey, shuffled } from '../contest/records.ts'
import {
  ascending,
  expectCount,
  inRandomOrder,
  pointReads,
  putAll,
  putDurably,
  RECORDS_A_BATCH,
} from '../contest/steps.ts'
import type { Access, MaybePromise, Outcome, TaskRequest } from '../contest/types.ts'
import type { BenchStore, BTreeContestant, TaskName } from './types.ts'

const KEYS_A_GET_MANY = 100
const RECORDS_A_RANGE = 100
const READING_WORKERS = 4
/** The store whose values the durable puts replace. */
const DURABLE_RECORDS = 100_000
/** How often a fill looks at the size of its files. */
const LOOKS_A_FILL = 100
const CLOSING_LOOK_MS = 5

type Figures = Partial<Record<string, number>>

/** Runs the task that was asked for. The caller has made sure that the contestant can do it. */
export async function runTask(contestant: BTreeContestant, request: TaskRequest): Promise<Outcome> {
  const figures = await RUN[request.task as TaskName](contestant, request)
  return { ...figures, rssBytes: peakRssBytes() }
}

const RUN: Record<TaskName, (contestant: BTreeContestant, request: TaskRequest) => Promise<Figures>> = {
  empty: runEmpty,
  'fill-sequential': (contestant, request) => fill(contestant, request, ascending(request.records)),
  'fill-random': (contestant, request) => fill(contestant, request, shuffled(request.records, request.seed)),
  'durable-1': (contestant, request) => fillAndPutDurably(contestant, request, 1),
  'durable-64': (contestant, request) => fillAndPutDurably(contestant, request, 64),
  get: (contestant, request) => read(contestant, request, getStep),
  'get-shared': (contestant, request) => read(contestant, request, getSharedStep),
  'get-many': (contestant, request) => read(contestant, request, getManyStep),
  'range-100': (contestant, request) => read(contestant, request, rangeStep),
  scan: (contestant, request) => read(contestant, request, scanStep),
  'flat-scan': (contestant, request) => read(contestant, request, flatScanStep),
  'get-4-workers': getInWorkers,
  compact: runCompact,
}

/** The harness with a store that has nothing in it: what its memory is compared with. */
async function runEmpty(contestant: BTreeContestant, request: TaskRequest): Promise<Figures> {
  const values = makeValues(request.seed)
  const order = shuffled(request.records, request.seed)
  const store = await open(contestant, request, 'read')
  const keys = newKeys(RECORDS_A_BATCH)
  let at = 0
  await rateOf(request.seconds, () => {
    for (const key of keys) store.get(setKey(key, order[at++ % order.length]!))
    return values.length
  })
  await store.close()
  return {}
}

/** Fills an empty store in batches, each acknowledged before the next, and closes it. */
async function fill(contestant: BTreeContestant, request: TaskRequest, order: Uint32Array): Promise<Figures> {
  const withoutLogs = (): number => directoryBytes(request.directory, (file) => !contestant.isLog(file))
  const values = makeValues(request.seed)
  const store = await open(contestant, request, 'fill')
  const look = Math.ceil(order.length / LOOKS_A_FILL)
  let peakFileBytes = 0
  let nextLook = look
  const started = performance.now()
  await putAll((keys, batch) => store.batch(keys, batch), order, values, {
    onBatch(done) {
      if (done < nextLook) return
      nextLook += look
      peakFileBytes = Math.max(peakFileBytes, withoutLogs())
    },
  })
  const seconds = (performance.now() - started) / 1000
  // A store may write its file anew when it is closed.
  const looking = setInterval(() => {
    peakFileBytes = Math.max(peakFileBytes, withoutLogs())
  }, CLOSING_LOOK_MS)
  await store.close()
  clearInterval(looking)
  const closedDataBytes = withoutLogs()
  return {
    rate: order.length / seconds,
    peakFileBytes: Math.max(peakFileBytes, closedDataBytes),
    closedDataBytes,
    closedFileBytes: directoryBytes(request.directory),
  }
}

/** Replaces values of a small store; every writer waits until its put is durable before the next. */
async function fillAndPutDurably(contestant: BTreeContestant, request: TaskRequest, writers: number): Promise<Figures> {
  const records = Math.min(request.records, DURABLE_RECORDS)
  const values = makeValues(request.seed)
  const filling = await open(contestant, request, 'fill')
  await putAll((keys, batch) => filling.batch(keys, batch), ascending(records), values)
  await filling.close()

  const store = await open(contestant, request, 'durable')
  const rate = await putDurably(store, { ...request, records }, values, writers)
  await store.close()
  return { rate }
}

/** Makes one step of a reading task. @returns A function that reads a little and says how much. */
type ReadStep = (store: BenchStore, request: TaskRequest) => () => MaybePromise<number>

async function read(contestant: BTreeContestant, request: TaskRequest, makeStep: ReadStep): Promise<Figures> {
  const store = await open(contestant, request, 'read')
  await warm(store, request.records)
  const rate = await rateOf(request.seconds, makeStep(store, request))
  await store.close()
  return { rate }
}

/** Reads everything once, so that every contestant starts with what its cache can hold. */
async function warm(store: BenchStore, records: number): Promise<void> {
  const key = newKey()
  for (let from = 0; from < records; from += RECORDS_A_BATCH) {
    await store.range(setKey(key, from), RECORDS_A_BATCH)
  }
}

const getStep: ReadStep = (store, request) => pointReads(request, (key) => store.get(key))
const getSharedStep: ReadStep = (store, request) => pointReads(request, (key) => store.getShared?.(key))

const getManyStep: ReadStep = (store, request) => {
  const keys = newKeys(KEYS_A_GET_MANY)
  const next = inRandomOrder(request)
  return async () => {
    for (const key of keys) setKey(key, next())
    return expectCount(await store.getMany(keys), KEYS_A_GET_MANY)
  }
}

const rangeStep: ReadStep = (store, request) => {
  const length = Math.min(RECORDS_A_RANGE, request.records)
  const key = newKey()
  const next = inRandomOrder(request, request.records - length + 1)
  return async () => {
    expectCount(await store.range(setKey(key, next()), length), length)
    return 1
  }
}

const scanStep: ReadStep = (store, { records }) => {
  return async () => expectCount(await store.range(undefined, records), records)
}

const flatScanStep: ReadStep = (store, { records }) => {
  return () => expectCount(store.flatScan?.(), records)
}

/** The gets of one worker thread, once `start` is called and every thread is warm. */
export async function prepareGets(contestant: BTreeContestant, request: TaskRequest): Promise<() => Promise<number>> {
  const store = await open(contestant, request, 'read')
  await warm(store, request.records)
  return async () => {
    const rate = await rateOf(request.seconds, getStep(store, request))
    await store.close()
    return rate
  }
}

async function getInWorkers(contestant: BTreeContestant, request: TaskRequest): Promise<Figures> {
  // Open before and after the workers: classic-level's cache dies with the first handle, under those that came later.
  const first = await open(contestant, request, 'read')
  const workers = Array.from({ length: READING_WORKERS }, (_, i) => {
    const workerData: TaskRequest = { ...request, seed: request.seed + i }
    return new Worker(new URL('read-worker.mjs', import.meta.url), { workerData })
  })
  await Promise.all(workers.map(nextMessage)) // all are warm
  for (const worker of workers) worker.postMessage('start')
  const ends = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)))
  const rates = await Promise.all(workers.map(nextMessage))
  await Promise.all(ends)
  await first.close()
  return { rate: rates.reduce((sum, rate) => sum + rate, 0) }
}

function nextMessage(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

async function runCompact(contestant: BTreeContestant, request: TaskRequest): Promise<Figures> {
  await contestant.compact(request.directory, { access: 'fill', cacheBytes: request.cacheBytes })
  return { closedDataBytes: directoryBytes(request.directory, (file) => !contestant.isLog(file)) }
}

function open(contestant: BTreeContestant, request: TaskRequest, access: Access): Promise<BenchStore> {
  return contestant.open(request.directory, { access, cacheBytes: request.cacheBytes })
}
