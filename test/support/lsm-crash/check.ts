// Says whether what a crash left is what it may leave, also when the recovery crashes; and what a bad disk may bring about.
import { BedplateError, isCode } from '../../../ts/base/errors.ts'
import { CRASH_VARIANTS, type CrashVariant } from '../../../ts/io/crash-image.ts'
import type { FaultSpec } from '../../../ts/io/disk-faults.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/lsm/mutant.ts'
import type { OrderedReader } from '../../../ts/storage/ordered-store.ts'
import { type Expectation, must, NOTHING } from '../btree-crash/expectation.ts'
import { below } from '../btree-crash/workload.ts'
import { LsmLife } from './life.ts'
import { STORE_PATH, type StoreSettings } from './store.ts'
import { mediumOf, runWorkload, settingsOf, step } from './workload.ts'

/** What was covered. */
export interface Tally {
  images: number
  /** Images of crashes during or after a recovery; part of `images`. */
  compoundImages: number
  byVariant: Record<CrashVariant, number>
}

export function newTally(): Tally {
  const byVariant = Object.fromEntries(CRASH_VARIANTS.map((variant) => [variant, 0])) as Record<CrashVariant, number>
  return { images: 0, compoundImages: 0, byVariant }
}

const COMPOUND_CHANCE = 0.3
const MAX_DEPTH = 3

/** Crashes `life` at a random point and checks what is left. @throws with the place of the crash in its text. */
async function crashOnce(life: LsmLife, random: Random, tally: Tally, depth = 1): Promise<void> {
  const variant = CRASH_VARIANTS[below(random, CRASH_VARIANTS.length)] as CrashVariant
  const { length } = life.disk.history
  const point = below(random, length + 1)
  tally.images++
  tally.byVariant[variant]++
  if (depth > 1) tally.compoundImages++
  const image = life.disk.crashImage(point, variant, random)
  try {
    await life.checkBackups(image, point)
    const next = await checkImage(image, life.expectationAt(point, variant), life.settings, random)
    if (depth < MAX_DEPTH && random.next() < COMPOUND_CHANCE) await crashOnce(next, random, tally, depth + 1)
  } catch (error) {
    throw new Error(`crash ${depth} (${variant}, after effect ${point} of ${length}): ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** The image opens, shows what it should, can be written, closed and opened again. @returns The life after the crash. */
async function checkImage(
  image: DiskImage,
  expected: Expectation,
  settings: StoreSettings,
  random: Random,
): Promise<LsmLife> {
  const life = await LsmLife.begin(new SimulatedDisk({ image }), settings, random, expected)
  life.check()
  await life.verify()
  life.write({ kind: 'put', key: `after ${below(random, 1e9)}`, value: 'the crash' })
  for (let i = 0; i < 3; i++) await step(life, random)
  if (random.next() < 0.5) await life.durably((store) => store.compact())
  life.check()
  await life.reopen(random)
  life.check()
  await life.verify()
  await life.close()
  const [error] = life.errors
  if (error !== undefined) throw error
  return life
}

/** Runs the workload of `seed` without one rule or with all, crashed many times. */
export async function checkWorkload(seed: number, images: number, tally: Tally, mutant?: Mutant): Promise<void> {
  const life = await runWorkload(seed, { mutant })
  const random = seededRandom(seed)
  for (let i = 0; i < images; i++) await crashOnce(life, random, tally)
  await life.close()
}

/**
 * Runs the workload of `seed` on a disk whose calls fail as `spec` says, and checks: the store goes on as if nothing had
 * happened, less what it refused; or it refuses everything. Both times, what it leaves holds all it had promised.
 * @returns How often the disk failed.
 */
export async function checkFailingDisk(seed: number, spec: FaultSpec, tally: Tally, mutant?: Mutant): Promise<number> {
  const random = seededRandom(7 * seed + spec.nth)
  const disk = new SimulatedDisk(mediumOf(seed))
  const fault = disk.failAt(spec)
  const life = await runTolerantly(seed, disk, mutant)
  fault.cancel()
  if (life === undefined) {
    await checkNothingBegan(seed, disk, random, mutant)
    return fault.applied
  }
  if (!life.hasFailed && life.isSound()) life.check()
  await life.close()
  for (let i = 0; i < CRASH_VARIANTS.length; i++) await crashAtTheEnd(life, i, random, tally)
  return fault.applied
}

/**
 * Runs the workload of `seed` on a disk with room for `spareBytes`. Writes that find no room are refused, nothing is poisoned,
 * everything can be read, and with room again everything works.
 * @returns How many calls were refused.
 */
export async function checkFullDisk(seed: number, spareBytes: number, tally: Tally, mutant?: Mutant): Promise<number> {
  const random = seededRandom(7 * seed + spareBytes)
  const disk = new SimulatedDisk({ ...mediumOf(seed), capacityBytes: BALLAST_BYTES + spareBytes })
  const ballast = disk.open(BALLAST, 'create')
  ballast.write(new Uint8Array(BALLAST_BYTES), 0)
  ballast.close()
  const life = await runTolerantly(seed, disk, mutant)
  disk.unlink(BALLAST)
  if (life === undefined) {
    await checkNothingBegan(seed, disk, random, mutant)
    return 1
  }
  const refused = life.errors.length
  const strange = life.errors.find(({ code }) => code !== 'DISK_FULL')
  if (strange !== undefined) throw strange
  life.check()
  life.clock.advance(10_000)
  await life.durably((store) => store.compact())
  life.check()
  await life.verify()
  must(life.errors.length === refused, () => `with space again: ${life.errors.at(-1)?.message}`)
  await life.close()
  for (let i = 0; i < CRASH_VARIANTS.length; i++) await crashAtTheEnd(life, i, random, tally)
  return refused
}

const BALLAST = '/ballast'
const BALLAST_BYTES = 4 * 1024 * 1024

/**
 * Flips one bit of one table of what the workload of `seed` left. The store must say so, or show nothing wrong; and what is in
 * other blocks is still read.
 * @returns True if it was noticed.
 */
export async function checkDamage(seed: number, random: Random, mutant?: Mutant): Promise<boolean | undefined> {
  const life = await runWorkload(seed, { mutant })
  await life.durably((store) => store.flush())
  const { model } = life
  await life.close()
  const image = life.disk.currentImage()
  const tables = image.files().filter((path) => /\.(sst)$|manifest$/.test(path))
  const path = tables[below(random, tables.length)]
  if (path === undefined || image.size(path) === 0) return undefined
  image.flipBit(path, below(random, image.size(path)), below(random, 8))
  let noticed = false
  try {
    const disk = new SimulatedDisk({ image })
    const damaged = await LsmLife.begin(disk, life.settings, random, {
      ...NOTHING,
      exists: true,
      states: new Map([[life.expectationAt(life.disk.history.length, 'all').ceiling, model]]),
      ceiling: Number.POSITIVE_INFINITY,
    })
    try {
      for (const name of ['', ...model.treeNames()]) {
        const tree: OrderedReader = name === '' ? damaged.store : damaged.store.tree<string, string>(name)
        for (const key of model.keys(name)) noticed = readsRight(tree, key, model.get(name, key)) || noticed
      }
      const report = await damaged.store.verify()
      noticed ||= !report.ok
    } finally {
      await damaged.close()
    }
  } catch (error) {
    if (!isCode(error, 'CORRUPTION') && !isCode(error, 'INCOMPATIBLE')) throw error
    noticed = true
  }
  return noticed
}

/** @returns True if the damage was noticed. */
function readsRight(tree: OrderedReader, key: string, expected: string | undefined): boolean {
  try {
    must(tree.get(key) === expected, () => `after damage, "${key}" has another value`)
    return false
  } catch (error) {
    if (isCode(error, 'CORRUPTION') || isCode(error, 'INCOMPATIBLE')) return true
    throw error
  }
}

async function crashAtTheEnd(life: LsmLife, index: number, random: Random, tally: Tally): Promise<void> {
  const variant = CRASH_VARIANTS[index] as CrashVariant
  const { length } = life.disk.history
  tally.images++
  tally.byVariant[variant]++
  // After a failed sync even "all" is a power cut: what the kernel forgot to write is not there.
  const expected = life.expectationAt(length, life.hasFailed ? 'none' : variant)
  await checkImage(life.disk.crashImage(length, variant, random), expected, life.settings, random)
}

/** @returns undefined if the disk failed before there was a store. */
async function runTolerantly(seed: number, disk: SimulatedDisk, mutant?: Mutant): Promise<LsmLife | undefined> {
  try {
    return await runWorkload(seed, { disk, tolerant: true, mutant })
  } catch (error) {
    if (error instanceof BedplateError && ['IO', 'DISK_FULL', 'PERMISSION'].includes(error.code)) return undefined
    throw error
  }
}

/** Making or opening a store failed: it left nothing open, and works when the disk does. */
async function checkNothingBegan(seed: number, disk: SimulatedDisk, random: Random, mutant?: Mutant): Promise<void> {
  must(disk.openHandles + disk.heldLocks === 0, 'a failed opening left files open')
  if (disk.kind(STORE_PATH) !== undefined) return // it failed at a later opening: what is there is another test's
  const life = await LsmLife.begin(disk, { ...settingsOf(seed), mutant }, random)
  life.check()
  await life.close()
}
