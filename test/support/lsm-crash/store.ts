// Opens the LSM store on a simulated disk with everything small: a few dozen writes make tables on several levels.
import type { Disk } from '../../../ts/io/disk.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import type { Engine } from '../../../ts/storage/lsm/engine.ts'
import type { Mutant } from '../../../ts/storage/lsm/mutant.ts'
import { type EngineOptions, openEngine } from '../../../ts/storage/lsm/open.ts'
import { LsmHandle } from '../../../ts/storage/lsm/store.ts'
import { codecsOf } from '../../../ts/storage/ordered/arguments.ts'
import { ManualClock } from '../btree-crash/store.ts'

export const STORE_PATH = '/store'

/** What a workload may choose. */
export interface StoreSettings
  extends Omit<EngineOptions, 'disk' | 'clock' | 'random' | 'path' | 'create' | 'readOnly' | 'mutant'> {
  /** The rule that is taken away; default: none. */
  mutant?: Mutant | undefined
}

export const SMALL: StoreSettings = {
  durability: 'sync',
  shape: { blockBytes: 256, bitsPerKey: 10, compression: 'none' },
  plan: { style: 'leveled', ttlMs: 0, maxBytes: 0 },
  memtableBytes: 4096,
  memoryBytes: 16_384,
  maxOpenFiles: 3,
  tableBytes: 1024,
  level0Tables: 2,
  levelBytes: 4096,
  firstSegmentBytes: 16 * 1024,
  maxSegmentBytes: 32 * 1024,
}

/** An open store with its inside. */
export interface Opened {
  store: LsmHandle<string, string>
  engine: Engine
  clock: ManualClock
}

/** Opens (or with `create` makes) the store. */
export async function openStore(
  disk: Disk,
  settings: StoreSettings = SMALL,
  options: { create?: boolean; random?: Random; readOnly?: boolean } = {},
): Promise<Opened> {
  const clock = new ManualClock()
  const { create = false, random = seededRandom(1), readOnly = false } = options
  const engine = await openEngine({ ...settings, disk, clock, random, path: STORE_PATH, create, readOnly })
  return { store: new LsmHandle<string, string>(engine, codecsOf<string, string>({})), engine, clock }
}
