// Opens the B-tree on a simulated disk with everything small: deep trees, short segments, a cache that evicts.
import type { Cancel, Clock } from '../../../ts/io/clock.ts'
import type { Disk } from '../../../ts/io/disk.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import type { SimulatedDiskOptions } from '../../../ts/io/simulated-disk.ts'
import { Store } from '../../../ts/storage/btree/btree.ts'
import type { Engine } from '../../../ts/storage/btree/engine.ts'
import type { Mutant } from '../../../ts/storage/btree/mutant.ts'
import { type EngineOptions, openEngine } from '../../../ts/storage/btree/open.ts'
import { codecsOf } from '../../../ts/storage/ordered/arguments.ts'

export const STORE_PATH = '/store'

/** What a workload may choose. */
export interface StoreSettings
  extends Pick<
    EngineOptions,
    | 'pageSizeBytes'
    | 'cacheBytes'
    | 'durability'
    | 'checkpointLogBytes'
    | 'denseCloseBytes'
    | 'firstSegmentBytes'
    | 'maxSegmentBytes'
  > {
  /** The rule that is taken away; default: none. */
  mutant?: Mutant | undefined
  /** What the disk is like that crash images are made on and mounted on. */
  medium?: Pick<SimulatedDiskOptions, 'sectorBytes' | 'powersafe'>
}

export const SMALL: StoreSettings = {
  pageSizeBytes: 512,
  cacheBytes: 16 * 512,
  durability: 'sync',
  checkpointLogBytes: 1024 * 1024,
  denseCloseBytes: 16 * 1024 * 1024,
  firstSegmentBytes: 16 * 1024,
  maxSegmentBytes: 32 * 1024,
}

/** Time that moves only when told to. */
export class ManualClock implements Clock {
  private elapsedMs = 0
  private readonly timers = new Set<{ atMs: number; fire: () => void }>()

  now(): number {
    return this.elapsedMs
  }

  monotonic(): number {
    return this.elapsedMs * 1e6
  }

  timer(afterMs: number, fire: () => void): Cancel {
    const timer = { atMs: this.elapsedMs + afterMs, fire }
    this.timers.add(timer)
    return () => void this.timers.delete(timer)
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  /** Lets time pass; due timers fire. */
  advance(byMs: number): void {
    this.elapsedMs += byMs
    for (const timer of [...this.timers]) {
      if (timer.atMs > this.elapsedMs) continue
      this.timers.delete(timer)
      timer.fire()
    }
  }
}

/** An open store with its inside. */
export interface Opened {
  store: Store<string, string>
  engine: Engine
  clock: ManualClock
}

/** Opens (or with `create` makes) the store at `path`. */
export async function openStore(
  disk: Disk,
  settings: StoreSettings,
  options: { create?: boolean; path?: string; random?: Random; readOnly?: boolean } = {},
): Promise<Opened> {
  const clock = new ManualClock()
  const { create = false, path = STORE_PATH, random = seededRandom(1), readOnly = false } = options
  const engine = await openEngine({ disk, clock, random, path, create, readOnly, ...settings })
  return { store: new Store<string, string>(engine, codecsOf<string, string>({})), engine, clock }
}
