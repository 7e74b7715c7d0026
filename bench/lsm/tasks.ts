// What is done to a store, the same for every engine that runs in our process. Runs in a child process: see task-child.ts.
import { setImmediate } from 'node:timers/promises'
import { directoryBytes, rateOf, restOf, writtenBytes } from '../contest/measure.ts'
import { KEY_BYTES, makeValues, newKey, newKeys, setKey, shuffled, VALUE_BYTES } from '../contest/records.ts'
import {
  ascending,
  expectCount,
  expectValue,
  inRandomOrder,
  pointReads,
  putAll,
  putDurably,
  RECORDS_A_BATCH,
} from '../contest/steps.ts'
import type { Access, MaybePromise, TaskRequest } from '../contest/types.ts'
import {
  AWAITED_A_STEP,
  DURABLE_RECORDS,
  KEYS_A_GET_MANY,
  RECORDS_A_PREFIX,
  RECORDS_A_RANGE,
  RECORDS_A_SECOND_BESIDE_READS,
  RECORDS_AN_OVERWRITE,
} from './sizes.ts'
import type { BenchStore, Engine, Figures, TaskName } from './types.ts'

const RECORD_BYTES = KEY_BYTES + VALUE_BYTES
/** Sorts behind every digit and before the next key. */
const AFTER_DIGITS = ':'.charCodeAt(0)

/** Runs the task that was asked for. The caller has made sure that the engine can do it. */
export function runTask(engine: Engine, request: TaskRequest): Promise<Figures> {
  return RUN[request.task as TaskName](engine, request)
}

const RUN: Record<TaskName, (engine: Engine, request: TaskRequest) => Promise<Figures>> = {
  empty: runEmpty,
  'fill-sequential': (engine, request) => fill(engine, request, ascending(request.records)),
  'fill-random': (engine, request) => fill(engine, request, shuffled(request.records, request.seed)),
  'durable-1': (engine, request) => fillAndPutDurably(engine, request, 1),
  'durable-64': (engine, request) => fillAndPutDurably(engine, request, 64),
  get: (engine, request) => read(engine, request, getStep),
  'get-awaited': (engine, request) => read(engine, request, getAwaitedStep),
  'get-many': (engine, request) => read(engine, request, getManyStep),
  'get-absent': (engine, request) => read(engine, request, getAbsentStep),
  'range-100': (engine, request) => read(engine, request, rangeStep),
  'prefix-1000': (engine, request) => read(engine, request, prefixStep),
  scan: (engine, request) => read(engine, request, scanStep),
  'flat-scan': (engine, request) => read(engine, request, flatScanStep),
  'read-while-writing': readWhileWriting,
  overwrite,
  delete: removeAll,
}

/** The harness with a store that has nothing in it: what its memory is compared with. */
async function runEmpty(engine: Engine, request: TaskRequest): Promise<Figures> {
  makeValues(request.seed)
  const next = inRandomOrder(request)
  const store = await open(engine, request, 'read')
  const keys = newKeys(RECORDS_A_BATCH)
  await rateOf(request.seconds, () => {
    for (const key of keys) store.get(setKey(key, next()))
    return keys.length
  })
  await store.close()
  return {}
}

// -- filling ------------------------------------------------------------------------------------------------------

/** Fills an empty store in batches, each answered before the next, waits until its files are at rest, and closes it. */
async function fill(engine: Engine, request: TaskRequest, order: Uint32Array): Promise<Figures> {
  const values = makeValues(request.seed)
  const store = await open(engine, request, 'fill')
  const writtenBefore = writtenBytes()
  const started = performance.now()
  await putAll((keys, batch) => store.batch(keys, batch), order, values)
  const burst = performance.now()
  const rested = await settle(store, request)
  const readAmplification = store.readAmplification?.()
  const written = difference(writtenBytes(), writtenBefore)
  await store.close()
  return {
    ...figuresOf({ count: order.length, started, burst, rested, written }),
    ...(readAmplification === undefined ? {} : { readAmplification }),
    ...sizes(engine, request),
  }
}

/** Replaces all values, in another order than that of the fill. */
async function overwrite(engine: Engine, request: TaskRequest): Promise<Figures> {
  const values = makeValues(request.seed + 1)
  const store = await open(engine, request, 'fill')
  const times: number[] = []
  const writtenBefore = writtenBytes()
  const started = performance.now()
  let last = started
  await putAll((keys, batch) => store.batch(keys, batch), shuffled(request.records, request.seed + 2), values, {
    batch: RECORDS_AN_OVERWRITE,
    onBatch() {
      const now = performance.now()
      times.push(now - last)
      last = now
    },
  })
  const rested = await settle(store, request)
  const written = difference(writtenBytes(), writtenBefore)
  await store.close()
  times.sort((a, b) => a - b)
  const { closedDataBytes, closedFileBytes } = sizes(engine, request)
  return {
    ...figuresOf({ count: request.records, started, burst: last, rested, written }),
    p99Ms: times[Math.floor(0.99 * (times.length - 1))]!,
    worstMs: times.at(-1)!,
    closedDataBytes,
    closedFileBytes,
    spaceAmplification: closedDataBytes / (request.records * RECORD_BYTES),
  }
}

/** Deletes all keys, at random, in batches: what is left is what a store makes of them. */
async function removeAll(engine: Engine, request: TaskRequest): Promise<Figures> {
  const store = await open(engine, request, 'fill')
  const writtenBefore = writtenBytes()
  const started = performance.now()
  await putAll((keys) => store.remove(keys), shuffled(request.records, request.seed + 3), [])
  const burst = performance.now()
  const rested = await settle(store, request)
  const written = difference(writtenBytes(), writtenBefore)
  expectCount(await store.range({ limit: request.records }), 0)
  await store.close()
  return { ...figuresOf({ count: request.records, started, burst, rested, written }), ...sizes(engine, request) }
}

/** @returns When the files of `store` came to rest. */
async function settle(store: BenchStore, { directory, seconds }: TaskRequest): Promise<number> {
  await store.flush?.()
  return await restOf(directory, seconds)
}

function figuresOf(run: {
  count: number
  started: number
  burst: number
  rested: number
  written: number | undefined
}): Figures {
  const { count, started, burst, rested, written } = run
  return {
    rate: (count * 1000) / (burst - started),
    settledRate: (count * 1000) / (Math.max(rested, burst) - started),
    ...(written === undefined ? {} : { writeAmplification: written / (count * RECORD_BYTES) }),
  }
}

function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before
}

function sizes(engine: Engine, { directory }: TaskRequest): { closedDataBytes: number; closedFileBytes: number } {
  return {
    closedDataBytes: directoryBytes(directory, (file) => !engine.isLog(file)),
    closedFileBytes: directoryBytes(directory),
  }
}

async function fillAndPutDurably(engine: Engine, request: TaskRequest, writers: number): Promise<Figures> {
  const records = Math.min(request.records, DURABLE_RECORDS)
  const values = makeValues(request.seed)
  const filling = await open(engine, request, 'fill')
  await putAll((keys, batch) => filling.batch(keys, batch), ascending(records), values)
  await filling.close()
  const store = await open(engine, request, 'durable')
  const rate = await putDurably(store, { ...request, records }, values, writers)
  await store.close()
  return { rate }
}

// -- reading ------------------------------------------------------------------------------------------------------

/** Makes one step of a reading task. @returns A function that reads a little and says how much. */
type ReadStep = (store: BenchStore, request: TaskRequest) => () => MaybePromise<number>

async function read(engine: Engine, request: TaskRequest, makeStep: ReadStep): Promise<Figures> {
  const store = await open(engine, request, 'read')
  await warm(store, request.records)
  const rate = await rateOf(request.seconds, makeStep(store, request))
  await store.close()
  return { rate }
}

/** Reads everything once, so that every contestant starts with what its cache can hold. */
async function warm(store: BenchStore, records: number): Promise<void> {
  const key = newKey()
  for (let from = 0; from < records; from += RECORDS_A_BATCH) {
    await store.range({ gte: setKey(key, from), limit: RECORDS_A_BATCH })
  }
}

const getStep: ReadStep = (store, request) => pointReads(request, (key) => store.get(key))

const getAwaitedStep: ReadStep = (store, request) => {
  const key = newKey()
  const next = inRandomOrder(request)
  return async () => {
    for (let i = 0; i < AWAITED_A_STEP; i++) expectValue(await store.getAwaited(setKey(key, next())), key)
    return AWAITED_A_STEP
  }
}

const getManyStep: ReadStep = (store, request) => {
  const keys = newKeys(KEYS_A_GET_MANY)
  const next = inRandomOrder(request)
  return async () => {
    for (const key of keys) setKey(key, next())
    return expectCount(await store.getMany(keys), KEYS_A_GET_MANY)
  }
}

/** Keys that lie between those of the store, so that no bound of a table says that they are not there. */
const getAbsentStep: ReadStep = (store, request) => {
  const key = newKey()
  const next = inRandomOrder(request)
  return () => {
    for (let i = 0; i < RECORDS_A_RANGE; i++) {
      setKey(key, next())[KEY_BYTES - 1] = AFTER_DIGITS
      if (store.get(key) !== undefined) throw new Error(`a value for ${key.toString()}`)
    }
    return RECORDS_A_RANGE
  }
}

const rangeStep: ReadStep = (store, request) => {
  const limit = Math.min(RECORDS_A_RANGE, request.records)
  const gte = newKey()
  const next = inRandomOrder(request, request.records - limit + 1)
  return async () => {
    setKey(gte, next())
    expectCount(await store.range({ gte, limit }), limit)
    return 1
  }
}

/** All keys that begin with the same 13 digits. */
const prefixStep: ReadStep = (store, request) => {
  const { records } = request
  const [gte, lt] = [newKey(), newKey()]
  const next = inRandomOrder(request, Math.ceil(records / RECORDS_A_PREFIX))
  return async () => {
    const first = next() * RECORDS_A_PREFIX
    setKey(gte, first)
    setKey(lt, first + RECORDS_A_PREFIX)
    return expectCount(await store.range({ gte, lt, limit: records }), Math.min(RECORDS_A_PREFIX, records - first))
  }
}

const scanStep: ReadStep = (store, { records }) => {
  return async () => expectCount(await store.range({ limit: records }), records)
}

const flatScanStep: ReadStep = (store, { records }) => {
  return () => expectCount(store.flatScan?.(), records)
}

/** Gets, while a writer replaces values at a steady pace beside them. */
async function readWhileWriting(engine: Engine, request: TaskRequest): Promise<Figures> {
  const store = await open(engine, request, 'fill')
  await warm(store, request.records)
  const values = makeValues(request.seed + 1)
  const next = inRandomOrder({ ...request, seed: request.seed + 4 })
  const keys = newKeys(RECORDS_AN_OVERWRITE)
  const step = getStep(store, request)
  const started = performance.now()
  let written = 0
  let failure: Error | undefined
  let writing: Promise<unknown> | undefined
  const write = async (): Promise<void> => {
    for (const key of keys) setKey(key, next())
    await store.batch(keys, values.slice(0, keys.length))
    written += keys.length
  }
  const rate = await rateOf(request.seconds, async () => {
    if (failure !== undefined) throw failure
    const due = ((performance.now() - started) / 1000) * RECORDS_A_SECOND_BESIDE_READS
    if (writing === undefined && written < due) {
      writing = write().catch((error) => {
        failure = error as Error
      })
      void writing.then(() => {
        writing = undefined
      })
    }
    const done = await step()
    await setImmediate()
    return done
  })
  const beside = (written * 1000) / (performance.now() - started)
  await writing
  await store.close()
  return { rate, writesBeside: beside }
}

function open(engine: Engine, request: TaskRequest, access: Access): Promise<BenchStore> {
  return engine.open(request.directory, { access, cacheBytes: request.cacheBytes })
}
