// The cores of the LSM store, native beside its twin: Bloom filters, and the merge of tables.
//
//   npm run bench -- lsm-cores [--seconds S]
//
// Filters are built and asked for a batch of keys a call, so that the figures are those of the cores and not of the boundary
// between JavaScript and C++. A merge is all of a compaction, files included: both engines merge the same store, copied anew.
import { cpSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadNative } from '../ts/native/loader.ts'
import { BloomFilter, DEFAULT_BITS_A_KEY, FilterBuilder, hash64 } from '../ts/storage/bloom/index.ts'
import { openLsm } from '../ts/storage/lsm/index.ts'
import { KEY_BYTES, makeValues, newKey, setKey, shuffled } from './contest/records.ts'
import { temporaryDirectory } from './leftovers.ts'
import { type BenchmarkSettings, type Contestant, compare, duration, type Measurement, summarise } from './support.ts'

/** A filter of so many keys has 1.2 MB: more than the nearest caches of a processor hold. */
const FILTER_KEYS = 1_000_000
const KEYS_A_CALL = 10_000
const MERGED_RECORDS = 200_000
/** Tables that hold the same keys. One more would be merged at once. */
const MERGED_TABLES = 3
const SEED = 1

export default async function run({ seconds }: BenchmarkSettings): Promise<void> {
  console.log('core              engine          median   spread   each      rate')
  const share = seconds / 3
  print('bloom build', KEYS_A_CALL, 'keys', compare(builders(), share))
  print('bloom ask', KEYS_A_CALL, 'keys', compare(askers(), share))
  print('merge', MERGED_TABLES * MERGED_RECORDS, 'versions', await mergers(share))
}

function print(core: string, count: number, unit: string, measured: readonly Measurement[]): void {
  for (const { name, median, spread } of measured) {
    const figures = [
      duration(median).padStart(10),
      `± ${(spread * 100).toFixed(1)} %`.padStart(9),
      duration(median / count).padStart(9),
      `${(count / median / 1e6).toFixed(2)} M ${unit}/s`.padStart(20),
      `${(measured[0]!.median / median).toFixed(2)}x`.padStart(8),
    ]
    console.log(`${core.padEnd(18)}${name.padEnd(12)}${figures.join('')}`)
  }
}

// -- Bloom filters --------------------------------------------------------------------------------------------------

function builders(): Contestant[] {
  const keys = keysFrom(0, KEYS_A_CALL)
  const addon = loadNative()
  const twin = { name: 'typescript', run: () => void buildByTwin(keys) }
  if (addon === undefined) return [twin]
  return [twin, { name: 'native', run: () => void addon.buildBloomFilter(keys, KEY_BYTES, DEFAULT_BITS_A_KEY) }]
}

/** Keys of which a filter of many others has most likely none. */
function askers(): Contestant[] {
  const bytes = buildByTwin(keysFrom(0, FILTER_KEYS))
  const strangers = keysFrom(FILTER_KEYS, KEYS_A_CALL)
  const filter = new BloomFilter(bytes, 'the benchmark')
  const addon = loadNative()
  const expected = countByTwin(filter, strangers)
  const checked = (count: number): void => {
    if (count !== expected) throw new Error(`${count} keys passed, not ${expected}`)
  }
  const twin = { name: 'typescript', run: () => checked(countByTwin(filter, strangers)) }
  if (addon === undefined) return [twin]
  return [twin, { name: 'native', run: () => checked(addon.countBloomMatches(bytes, strangers, KEY_BYTES)) }]
}

function buildByTwin(keys: Uint8Array): Uint8Array {
  const count = keys.length / KEY_BYTES
  const hashes = new Uint32Array(2 * count)
  for (let i = 0; i < count; i++) {
    const { high, low } = hash64(keys.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES))
    hashes[2 * i] = high
    hashes[2 * i + 1] = low
  }
  const builder = new FilterBuilder(count, DEFAULT_BITS_A_KEY)
  builder.add(hashes)
  return builder.bytes
}

function countByTwin(filter: BloomFilter, keys: Uint8Array): number {
  let count = 0
  for (let at = 0; at < keys.length; at += KEY_BYTES) {
    if (filter.mayHold(hash64(keys.subarray(at, at + KEY_BYTES)))) count++
  }
  return count
}

/** Keys of the records from `first` on, one behind the other. */
function keysFrom(first: number, count: number): Uint8Array {
  const keys = Buffer.alloc(count * KEY_BYTES)
  const key = newKey()
  for (let i = 0; i < count; i++) setKey(key, first + i).copy(keys, i * KEY_BYTES)
  return keys
}

// -- merges ---------------------------------------------------------------------------------------------------------

async function mergers(seconds: number): Promise<Measurement[]> {
  const directory = temporaryDirectory(tmpdir(), 'bedplate-merge-')
  try {
    const origin = join(directory, 'origin')
    await makeTables(origin)
    const engines = loadNative()?.openLsm === undefined ? [false] : [false, true]
    const samples = engines.map((): number[] => [])
    const end = performance.now() + 1000 * seconds
    // In turns, so that a noisy moment does not hit one of them alone.
    while (samples[0]!.length < 3 || performance.now() < end) {
      for (const [i, native] of engines.entries()) samples[i]!.push(await mergeOnce(origin, native))
    }
    return engines.map((native, i) => ({ name: native ? 'native' : 'typescript', ...summarise(samples[i]!) }))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Tables in level 0 that have all their keys in common. */
async function makeTables(path: string): Promise<void> {
  const store = await openLsm<Uint8Array, Uint8Array>(path, {
    ...{ create: true, keyEncoding: 'buffer', valueEncoding: 'buffer', durability: 'os' },
  })
  const values = makeValues(SEED)
  const order = shuffled(MERGED_RECORDS, SEED)
  for (let table = 0; table < MERGED_TABLES; table++) {
    for (let from = 0; from < order.length; from += 1000) {
      const part = order.subarray(from, from + 1000)
      await store.batch(
        Array.from(part, (index) => ({
          ...{ type: 'put', key: setKey(newKey(), index) },
          value: values[(index + table) % values.length]!,
        })),
      )
    }
    await store.flush()
  }
  await store.close()
}

/** @returns Seconds. */
async function mergeOnce(origin: string, native: boolean): Promise<number> {
  const copy = `${origin}-copy`
  cpSync(origin, copy, { recursive: true })
  const store = await openLsm(copy, { native })
  const started = performance.now()
  await store.compact()
  const passed = (performance.now() - started) / 1000
  await store.close()
  rmSync(copy, { recursive: true })
  return passed
}
