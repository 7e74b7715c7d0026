// Says whether what a crash left is what it may leave, also when the recovery crashes.
import { CRASH_VARIANTS, type CrashVariant } from '../../../ts/io/crash-image.ts'
import { joinPath } from '../../../ts/io/disk.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { META_BYTES } from '../../../ts/storage/btree/meta.ts'
import { DATA_FILE } from '../../../ts/storage/btree/store-directory.ts'
import { type Expectation, must } from './expectation.ts'
import { DATA, destroyMeta, readMetas } from './metas.ts'
import { contentOf, difference } from './model.ts'
import { Recorder } from './recorder.ts'
import { openStore, STORE_PATH, type StoreSettings } from './store.ts'

/** What was covered. */
export interface Tally {
  images: number
  /** Images of crashes during or after a recovery; part of `images`. */
  compoundImages: number
  /** Images whose newer meta block was destroyed as well. */
  destroyedMetas: number
  /** Images that were first opened for reading only. */
  readOnlyOpens: number
  byVariant: Record<CrashVariant, number>
}

export function newTally(): Tally {
  const byVariant = Object.fromEntries(CRASH_VARIANTS.map((variant) => [variant, 0])) as Record<CrashVariant, number>
  return { images: 0, compoundImages: 0, destroyedMetas: 0, readOnlyOpens: 0, byVariant }
}

/** How an image came to be and what it may show. */
export interface Crash {
  image: DiskImage
  variant: CrashVariant
  expected: Expectation
  settings: StoreSettings
  /** The first crash of a store that was made on a sound disk. */
  isFirst?: boolean
}

/** The part of the images that are opened for reading first; that lose their newer meta; whose recovery crashes as well. */
const READ_ONLY_CHANCE = 0.1
const DESTROY_CHANCE = 0.3
const COMPOUND_CHANCE = 0.3
/** The files of a store that is closed. */
const STORE_FILE = /^(FORMAT|data|log-\d{16}(\.new)?)$/

/**
 * Opens the store of `crash.image` and checks: it opens; it shows exactly one of the expected states; its pages add up; it
 * can be written, closed and opened again; the backups that were complete are whole; and the same once more for a crash
 * of all that.
 * @param depth - How many crashes may follow one another.
 * @throws Violation, or the error that the store threw.
 */
export async function checkCrash(crash: Crash, random: Random, tally: Tally, depth = 3): Promise<void> {
  tally.images++
  tally.byVariant[crash.variant]++
  if (crash.expected.exists && random.next() < READ_ONLY_CHANCE) await checkReadOnly(crash, random, tally)
  if (crash.isFirst && crash.variant === 'all') checkBothMetas(crash)
  if (random.next() < DESTROY_CHANCE) await checkOlderMeta(crash, random, tally)
  const recorder = await checkRecovery(crash, random)
  if (depth === 1 || random.next() > COMPOUND_CHANCE) return

  const { disk } = recorder
  const point = Math.floor(random.next() * (disk.history.length + 1))
  const variant = CRASH_VARIANTS[Math.floor(random.next() * CRASH_VARIANTS.length)] as CrashVariant
  tally.compoundImages++
  const image = disk.crashImage(point, variant, random)
  const again: Crash = {
    ...crash,
    isFirst: false,
    image,
    variant,
    expected: recorder.expectationAt(point, variant === 'all'),
  }
  try {
    await checkCrash(again, random, tally, depth - 1)
  } catch (error) {
    const place = `${variant}, point ${point} of ${disk.history.length}`
    throw new Error(`after a further crash (${place}): ${(error as Error).message}`, { cause: error })
  }
}

/** Recovers, looks at everything, writes, closes and opens again. @returns What was done, to be crashed. */
async function checkRecovery({ image, expected, settings }: Crash, random: Random): Promise<Recorder> {
  const disk = new SimulatedDisk({ ...settings.medium, image })
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
  const strange = disk.list(STORE_PATH).filter((name) => !STORE_FILE.test(name))
  must(strange.length === 0, () => `left in the store's directory: ${strange}`)
  return recorder
}

/** A reader sees what recovery will make of it, and changes nothing. */
async function checkReadOnly({ image, expected, settings }: Crash, random: Random, tally: Tally): Promise<void> {
  tally.readOnlyOpens++
  const disk = new SimulatedDisk({ image })
  const { store } = await openStore(disk, settings, { readOnly: true, random })
  const model = expected.states.get(store.position)
  const { floor, ceiling } = expected
  must(
    model !== undefined && store.position >= floor && store.position <= ceiling,
    () => `a reader sees position ${store.position}, which is not from ${floor} to ${ceiling}`,
  )
  const found = contentOf(store, model.treeNames())
  must(found === model.content, () => `a reader at position ${store.position} ${difference(found, model.content)}`)
  await store.close()
  must(disk.history.length === 0, 'a reader changed the disk')
}

/** Whoever is only killed leaves two whole metas, from the first moment on. */
function checkBothMetas({ image, expected, settings }: Crash): void {
  const count = expected.exists ? readMetas(image, settings.pageSizeBytes).length : 2
  must(count === 2, () => `a killed process left ${count} whole metas`)
}

/** With two whole metas, losing the newer one loses nothing: the older one's pages and log are kept. */
async function checkOlderMeta({ image, expected, settings }: Crash, random: Random, tally: Tally): Promise<void> {
  if (image.kind(DATA) !== 'file') return
  const [older, newer] = readMetas(image, settings.pageSizeBytes)
  if (older === undefined || newer === undefined) return
  const { loads } = expected
  if (loads.some((position) => position > older.meta.position && position <= newer.meta.position)) return

  tally.destroyedMetas++
  const disk = new SimulatedDisk({ image: destroyMeta(image, newer, Math.floor(random.next() * META_BYTES * 8)) })
  try {
    const recorder = await Recorder.open(disk, settings, { before: { ...expected, exists: true }, random })
    recorder.checkContent()
    await recorder.verify()
    await recorder.close()
  } catch (error) {
    throw new Error(`with the newer meta destroyed: ${(error as Error).message}`, { cause: error })
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
async function checkBackups(disk: SimulatedDisk, { backups }: Expectation, settings: StoreSettings): Promise<void> {
  for (const { path, position, model, complete } of backups) {
    if (!complete && disk.kind(path) === undefined) continue
    const { store } = await openStore(disk, settings, { path })
    const metas = readMetas(disk.currentImage(), settings.pageSizeBytes, joinPath(path, DATA_FILE))
    must(metas.length === 2, () => `the backup has ${metas.length} whole metas`)
    must(store.position === position, () => `the backup is of position ${store.position} instead of ${position}`)
    const found = contentOf(store, model.treeNames())
    must(found === model.content, () => `the backup at position ${position}: ${difference(found, model.content)}`)
    const report = await store.verify()
    must(report.ok, () => `the backup: ${report.problems.slice(0, 3).join('; ')}`)
    await store.close()
  }
}
