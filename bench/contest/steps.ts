// Steps that tasks of any store are made of.
import type { FlatBlock } from '../../ts/storage/ordered-store.ts'
import { newKey, newKeys, setKey, shuffled, VALUE_BYTES } from './records.ts'
import type { MaybePromise, TaskRequest } from './types.ts'

/** Records of one commit in a fill. */
export const RECORDS_A_BATCH = 1000
/** Gets between two looks at the clock. */
const GETS_A_STEP = 256

/** One commit of all `keys` with the values beside them. */
type PutBatch = (keys: readonly Buffer[], values: readonly Buffer[]) => MaybePromise<unknown>

/** Puts records in `order`, in batches, each answered before the next. */
export async function putAll(
  put: PutBatch,
  order: Uint32Array,
  values: readonly Buffer[],
  { batch = RECORDS_A_BATCH, onBatch = () => {} }: { batch?: number; onBatch?: (done: number) => void } = {},
): Promise<void> {
  const all = newKeys(batch) // no store needs them once it has answered
  for (let from = 0; from < order.length; from += batch) {
    const count = Math.min(batch, order.length - from)
    const keys = all.slice(0, count)
    const batchValues: Buffer[] = []
    for (let i = 0; i < count; i++) {
      setKey(keys[i]!, order[from + i]!)
      batchValues.push(values[(from + i) % values.length]!)
    }
    const done = put(keys, batchValues)
    if (done instanceof Promise) await done
    onBatch(from + count)
  }
}

/** Makes a step of single reads at random, each of which has to find a value. */
export function pointReads(request: TaskRequest, get: (key: Buffer) => Uint8Array | undefined): () => number {
  const key = newKey()
  const next = inRandomOrder(request)
  return () => {
    for (let i = 0; i < GETS_A_STEP; i++) expectValue(get(setKey(key, next())), key)
    return GETS_A_STEP
  }
}

export function expectValue(value: Uint8Array | undefined, key: Buffer): void {
  if (value?.length !== VALUE_BYTES) throw new Error(`no value for ${key.toString()}`)
}

export function expectCount(found: number | undefined, wanted: number): number {
  if (found !== wanted) throw new Error(`${found} entries where ${wanted} were expected`)
  return wanted
}

/** All numbers below `count` again and again, in an order that the seed decides: another than that of the fill. */
export function inRandomOrder({ records, seed }: TaskRequest, count = records): () => number {
  const order = shuffled(count, seed + 1)
  let at = 0
  return () => order[at++ % count]!
}

/** All of them in order. */
export function ascending(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i)
}

interface DurableStore {
  put(key: Buffer, value: Buffer): MaybePromise<unknown>
}

/**
 * Replaces values of the first `records` for so many seconds; every writer waits until its put is durable before the next.
 * @returns Puts a second.
 */
export async function putDurably(
  store: DurableStore,
  { seconds, seed, records }: TaskRequest,
  values: readonly Buffer[],
  writers: number,
): Promise<number> {
  const order = shuffled(records, seed)
  let puts = 0
  const started = performance.now()
  const isOver = (): boolean => performance.now() - started >= seconds * 1000
  const write = async (): Promise<void> => {
    const key = newKey()
    while (!isOver()) {
      const put = puts++
      const value = Buffer.from(values[put % values.length]!)
      value.writeUInt32LE(put) // a store that sees its own bytes again may write nothing
      await store.put(setKey(key, order[put % records]!), value)
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
  return puts / ((performance.now() - started) / 1000)
}

/** Finds every entry of a block. */
export function visitBlock({ bytes, count }: FlatBlock): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  for (let i = 0; i < count; i++) at += 8 + view.getUint32(at, true) + view.getUint32(at + 4, true)
  if (at !== bytes.length) throw new Error(`a block of ${bytes.length} bytes has ${at} bytes of entries`)
  return count
}
