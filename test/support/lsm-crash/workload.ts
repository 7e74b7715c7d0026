// Random workloads: everything an LSM store can do, in any order, on a disk that is fast or slow. A seed is a workload.
import { isCode } from '../../../ts/base/errors.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/lsm/mutant.ts'
import type { LsmBatchOperation } from '../../../ts/storage/lsm/types.ts'
import type { KeyRange } from '../../../ts/storage/ordered-store.ts'
import { SlowSyncs } from '../btree-crash/slow-syncs.ts'
import { below, pick } from '../btree-crash/workload.ts'
import type { Write } from '../btree-crash/writes.ts'
import { LsmLife } from './life.ts'
import { SMALL, type StoreSettings } from './store.ts'
import type { LsmWrite } from './writes.ts'

const KEYS = 80
/** Trees that writes go to; '' is the default one. */
const TREES = ['', '', '', 'a', 'b']
const MAX_PINS = 3

/** How to run a workload. */
export interface RunOptions {
  /** The rule that is taken away; default: none. */
  mutant?: Mutant | undefined
  /** Default: a new one. */
  disk?: SimulatedDisk
  /** True: errors of the store are expected; the workload ends early once the store refuses to go on. */
  tolerant?: boolean
}

/** The settings that belong to a seed. */
export function settingsOf(seed: number): StoreSettings {
  const random = seededRandom(4 * seed)
  const memtableBytes = pick(random, [1024, 4096, 16_384])
  return {
    ...SMALL,
    durability: pick(random, ['sync', 'sync', 'sync', 'os', 'memory', { intervalMs: 5 }] as const),
    shape: {
      blockBytes: pick(random, [256, 256, 1024]),
      bitsPerKey: pick(random, [0, 4, 10]),
      compression: pick(random, ['none', 'lz4']),
    },
    plan: { style: pick(random, ['leveled', 'leveled', 'tiered']), ttlMs: 0, maxBytes: 0 },
    memtableBytes,
    memoryBytes: 3 * memtableBytes + pick(random, [0, 2048, 1024 * 1024]),
    tableBytes: pick(random, [512, 1024, 1024 * 1024]),
    level0Tables: pick(random, [1, 2, 4]),
    levelBytes: pick(random, [1024, 4096, 65_536]),
  }
}

/**
 * Runs the workload of `seed`, checking on the way what can be checked without a crash.
 * @throws Violation, or an error of the store; with `tolerant` only the error of making a new store.
 */
export async function runWorkload(seed: number, options: RunOptions = {}): Promise<LsmLife> {
  const { mutant, tolerant = false, disk = new SimulatedDisk(mediumOf(seed)) } = options
  const random = seededRandom(4 * seed + 2)
  const syncs = random.next() < 0.5 ? new SlowSyncs(disk, seededRandom(4 * seed + 1)) : undefined
  try {
    const life = await LsmLife.begin(disk, { ...settingsOf(seed), mutant }, random)
    const closes = random.next() < 0.4
    for (let left = random.next() < 0.3 ? 10 : 40 + below(random, 120); left > 0; left--) {
      if (life.hasFailed) return life
      try {
        await step(life, random)
      } catch (error) {
        if (!tolerant || !isCode(error, 'IO')) throw error // reading from a store that failed, or from a bad disk
        life.errors.push(error as LsmLife['errors'][number])
      }
    }
    const [error] = life.errors
    if (!tolerant && error !== undefined) throw error
    await life.settled()
    if (closes && !life.hasFailed) await life.reopen(random)
    return life
  } finally {
    syncs?.stop()
  }
}

/** The disk that the workload of a seed runs on. */
export function mediumOf(seed: number): { sectorBytes: 512; powersafe: boolean } {
  const random = seededRandom(4 * seed + 3)
  return { sectorBytes: 512, powersafe: random.next() < 0.7 }
}

/** One random step. */
export async function step(life: LsmLife, random: Random): Promise<void> {
  const kind = below(random, 100)
  if (kind < 45) life.write(randomWrite(random))
  else if (kind < 50) writeMany(life, random)
  else if (kind < 55) {
    const writes = Array.from({ length: 1 + below(random, 4) }, () => randomWrite(random)).flatMap(asTransactional)
    life.transaction(writes, { fails: random.next() < 0.3 })
  } else if (kind < 60 && life.pinCount < MAX_PINS) life.pin()
  else if (kind < 65) life.unpin(below(random, MAX_PINS))
  else if (kind < 72) life.check()
  else if (kind < 76) await life.durably((store) => store.flush())
  else if (kind < 78) await life.durably((store) => store.compact())
  else if (kind < 79) await life.durably((store) => store.compact(randomRange(random)))
  else if (kind < 81) await life.durably((store) => store.flushed())
  else if (kind < 83) await life.verify()
  else if (kind < 85) await life.reopen(random)
  else if (kind < 86) life.clock.advance(1 + below(random, 2000))
  else if (kind < 87) life.backup(random)
  else if (kind < 89) life.ingest(randomEntries(random), pick(random, TREES))
  else if (kind < 93) await life.turns(1 + below(random, 20))
  else await life.settled()
}

/** Enough for a memtable or two; sometimes one key grows in all of them, and merges find its pieces in their order. */
function writeMany(life: LsmLife, random: Random): void {
  const grown = random.next() < 0.3 ? randomKey(random) : undefined
  for (let i = 10 + below(random, 40); i > 0 && !life.hasFailed; i--) {
    life.write({ kind: 'put', key: randomKey(random), value: randomValue(random) })
    if (grown !== undefined && i % 5 === 0) life.write({ kind: 'append', key: grown, suffix: `${i},` })
  }
}

function randomWrite(random: Random): LsmWrite {
  const kind = below(random, 100)
  const tree = pick(random, TREES)
  if (kind < 40) return { kind: 'put', key: randomKey(random), value: randomValue(random), tree }
  if (kind < 53) return { kind: 'increment', key: randomKey(random), by: randomNumber(random), tree }
  if (kind < 63) return { kind: 'append', key: randomKey(random), suffix: randomValue(random).slice(0, 9), tree }
  if (kind < 78) return { kind: 'delete', key: randomKey(random), tree }
  if (kind < 90) {
    return { kind: 'batch', operations: randomBatch(random) }
  }
  if (kind < 97) return { kind: 'clear', range: randomRange(random), tree }
  return { kind: 'drop', tree: pick(random, ['a', 'b']) }
}

/** In order, without duplicates; sometimes none. */
function randomEntries(random: Random): [string, string][] {
  const keys = Array.from({ length: below(random, 60) }, () => randomKey(random))
  return [...new Set(keys)].sort().map((key) => [key, randomValue(random)])
}

/** Operations of few keys, so that some are of the same one; of the two kinds of operands only one. */
function randomBatch(random: Random): LsmBatchOperation[] {
  const counts = random.next() < 0.5
  const keys = Array.from({ length: 4 }, () => randomKey(random))
  return Array.from({ length: below(random, 6) }, () => {
    const [key, tree] = [pick(random, keys), pick(random, TREES)]
    const kind = random.next()
    if (kind < 0.25) return { type: 'delete', key, tree }
    if (kind < 0.6) return { type: 'put', key, value: randomValue(random), tree }
    if (counts) return { type: 'increment', key, by: randomNumber(random), tree }
    return { type: 'append', key, value: randomValue(random).slice(0, 9), tree }
  })
}

/** Transactions drop no tree, have no operands, and their batches stay in one tree. */
function asTransactional(write: LsmWrite): Write[] {
  switch (write.kind) {
    case 'put':
    case 'delete':
    case 'clear':
      return [write]
    default:
      return []
  }
}

/** Small, or about as large as it may be. */
function randomNumber(random: Random): bigint {
  const small = BigInt(below(random, 2000) - 1000)
  return random.next() < 0.9 ? small : 2n ** 63n - 1n - BigInt(below(random, 1000))
}

function randomKey(random: Random): string {
  return `k${String(below(random, KEYS)).padStart(3, '0')}`
}

function randomValue(random: Random): string {
  if (random.next() < 0.2) return String(below(random, 10_000) - 5000)
  const size = random.next() < 0.05 ? below(random, 3000) : below(random, 60)
  return below(random, 1e9).toString(36).repeat(100).slice(0, size)
}

function randomRange(random: Random): KeyRange {
  if (random.next() < 0.1) return {}
  const [from, to] = [randomKey(random), randomKey(random)].sort() as [string, string]
  return { gte: from, lt: to }
}
