// Says whether what a crash left is what it may leave, also when the recovery crashes.
import { CRASH_VARIANTS, type CrashVariant } from '../../../ts/io/crash-image.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { contentOf, difference, type Model } from './model.ts'
import { type Expectation, must, Recorder } from './recorder.ts'
import { openStore, type StoreSettings } from './store.ts'

/** What was covered. */
export interface Tally {
  images: number
  /** Images of crashes during or after a recovery; part of `images`. */
  compoundImages: number
  recoveries: number
  byVariant: Record<CrashVariant, number>
}

export function newTally(): Tally {
  const byVariant = Object.fromEntries(CRASH_VARIANTS.map((variant) => [variant, 0])) as Record<CrashVariant, number>
  return { images: 0, compoundImages: 0, recoveries: 0, byVariant }
}

/** How an image came to be and what it may show. */
export interface Crash {
  image: DiskImage
  variant: CrashVariant
  expected: Expectation
  settings: StoreSettings
}

/** The part of the images whose recovery is crashed as well. */
const COMPOUND_CHANCE = 0.3

/**
 * Opens the store of `crash.image` and checks: it opens; it shows exactly one of the expected states; its pages add up; it
 * can be written, closed and opened again; the backups that were complete are whole; and the same once more for a crash
 * of all that.
 * @param depth - How many crashes may follow one another.
 * @throws Violation, or the error that the store threw.
 */
export async function checkCrash(crash: Crash, random: Random, tally: Tally, depth = 2): Promise<void> {
  const { image, expected, settings, variant } = crash
  tally.images++
  tally.byVariant[variant]++
  const disk = new SimulatedDisk({ image })
  const recorder = await Recorder.open(disk, settings, { before: expected, random })
  recorder.checkContent()
  await recorder.verify()
  await checkBackups(disk, expected, settings)
  await writeSome(recorder, random)
  await recorder.reopen(random)
  recorder.checkContent()
  await recorder.verify()
  await recorder.close()
  const [error] = recorder.errors
  if (error !== undefined) throw error
  recorder.checkNothingHeld()
  tally.recoveries++
  if (depth === 1 || random.next() > COMPOUND_CHANCE) return

  const point = Math.floor(random.next() * (disk.history.length + 1))
  const next = CRASH_VARIANTS[Math.floor(random.next() * CRASH_VARIANTS.length)] as CrashVariant
  tally.compoundImages++
  const again = {
    ...crash,
    image: disk.crashImage(point, next, random),
    variant: next,
    expected: recorder.expectationAt(point, next),
  }
  try {
    await checkCrash(again, random, tally, depth - 1)
  } catch (error) {
    throw new Error(
      `after a second crash (${next}, point ${point} of ${disk.history.length}): ${(error as Error).message}`,
      { cause: error },
    )
  }
}

async function writeSome(recorder: Recorder, random: Random): Promise<void> {
  const mark = Math.floor(random.next() * 1e9).toString(36)
  void recorder.put(`after-${mark}`, mark)
  void recorder.put('k003', mark.repeat(random.next() < 0.5 ? 1 : 200))
  await recorder.write({
    kind: 'batch',
    operations: [
      { type: 'delete', key: 'k001' },
      { type: 'put', key: `other-${mark}`, value: mark },
    ],
  })
  if (random.next() < 0.5) await recorder.checkpoint()
  await recorder.put('last', mark, 'after')
}

/** A backup appears whole or not at all; once acknowledged it stays. */
async function checkBackups(
  disk: SimulatedDisk,
  { backups, states }: Expectation,
  settings: StoreSettings,
): Promise<void> {
  for (const { path, position, complete } of backups) {
    if (!complete && disk.kind(path) === undefined) continue
    const { store } = await openStore(disk, settings, { path })
    const model = states.get(position) as Model
    must(store.position === position, () => `the backup is of position ${store.position} instead of ${position}`)
    const found = contentOf(store, model.treeNames())
    must(found === model.content, () => `the backup at position ${position}: ${difference(found, model.content)}`)
    const report = await store.verify()
    must(report.ok, () => `the backup: ${report.problems.slice(0, 3).join('; ')}`)
    await store.close()
  }
}
