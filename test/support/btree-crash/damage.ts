// Bytes that are not what was written, which no power cut explains: bit rot, lost writes, misdirected writes.
import { BedplateError } from '../../../ts/base/errors.ts'
import type { Effect } from '../../../ts/io/disk-history.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { readU48 } from '../../../ts/storage/btree/page.ts'
import { DATA_FILE } from '../../../ts/storage/btree/store-directory.ts'
import { type Expectation, must } from './expectation.ts'
import { DATA } from './metas.ts'
import { contentOf, difference } from './model.ts'
import type { Recorder } from './recorder.ts'
import { openStore, STORE_PATH, type StoreSettings } from './store.ts'
import { below, pick } from './workload.ts'

/** How a page of the data file may come to differ. */
export const DAMAGES = ['flipped bit', 'lost write', 'misdirected write', 'zeros', 'cut file'] as const
export type Damage = (typeof DAMAGES)[number]

/**
 * Damages what the store of `recorder` left and reads it again: it shows exactly what was there, if the damage was in
 * nobody's way, or says CORRUPTION. It never shows anything else.
 * @returns Whether the damage was noticed.
 */
export async function checkDamage(recorder: Recorder, damage: Damage, random: Random): Promise<boolean> {
  const image = recorder.disk.currentImage()
  if (!applyDamage(image, damage, recorder, random)) return false
  try {
    return !(await showsNothingWrong(image, recorder))
  } catch (error) {
    throw new Error(`${damage}: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * Reads all of the store in `image`, a damaged form of what `recorder` left.
 * @returns False if it says CORRUPTION. @throws Violation if it shows anything that was not there.
 */
export async function showsNothingWrong(image: DiskImage, recorder: Recorder): Promise<boolean> {
  const expected = recorder.expectationAt(recorder.disk.history.length, true)
  try {
    await readEverything(new SimulatedDisk({ image }), recorder.settings, expected)
    return true
  } catch (error) {
    if (error instanceof BedplateError && error.code === 'CORRUPTION') return false
    throw error
  }
}

async function readEverything(disk: SimulatedDisk, settings: StoreSettings, expected: Expectation): Promise<void> {
  const { store } = await openStore(disk, settings, { readOnly: true })
  try {
    const model = expected.states.get(store.position)
    must(model !== undefined && store.position >= expected.floor, () => `opened at position ${store.position}`)
    const found = contentOf(store, model.treeNames())
    must(found === model.content, () => difference(found, model.content))
    const { problems } = await store.verify()
    // What is read is right; what only `verify` reads (say, a page whose free space was damaged) must be right or reported.
    must(
      problems.every((problem) => problem.includes(DATA)),
      () => `verify: ${problems[0]}`,
    )
  } finally {
    await store.close()
  }
}

/** @returns False if there is nothing to damage in this way. */
function applyDamage(image: DiskImage, damage: Damage, recorder: Recorder, random: Random): boolean {
  const { pageSizeBytes } = recorder.settings
  const pageCount = Math.floor(image.size(DATA) / pageSizeBytes)
  if (pageCount <= 3) return false
  const offset = (2 + below(random, pageCount - 2)) * pageSizeBytes
  switch (damage) {
    case 'flipped bit':
      image.flipBit(DATA, offset + below(random, pageSizeBytes), below(random, 8))
      return true
    case 'lost write':
      return loseWrite(image, recorder, random)
    case 'misdirected write': {
      const bytes = image.read(DATA)
      const pages = Array.from({ length: pageCount - 2 }, (_, i) =>
        bytes.subarray((2 + i) * pageSizeBytes).subarray(0, pageSizeBytes),
      )
      // A page of the same checkpoint is the hardest to tell from the right one.
      const replaced = readU48(bytes, offset + 16)
      const alike = pages.filter((page) => readU48(page, 16) === replaced)
      image.write(DATA, pick(random, random.next() < 0.5 ? alike : pages), offset)
      return true
    }
    case 'zeros':
      image.write(DATA, new Uint8Array(pageSizeBytes), offset)
      return true
    case 'cut file':
      image.truncate(DATA, offset)
      return true
  }
}

/** Puts back what a page was before one of its later writes: whole, at its place, and of another time. */
function loseWrite(image: DiskImage, recorder: Recorder, random: Random): boolean {
  const lost = lostWrites(image, recorder)
  if (lost.length === 0) return false
  const { position, versions } = pick(random, lost)
  // The last write is the hardest to miss; a disk that lost many leaves something older.
  const stale = random.next() < 0.5 ? (versions.at(-1) as Uint8Array) : pick(random, versions)
  image.write(DATA, stale, position)
  return true
}

/** Each place of the data file that was written more than once, with all that it held before. */
export function lostWrites(image: DiskImage, recorder: Recorder): { position: number; versions: Uint8Array[] }[] {
  const { disk, settings } = recorder
  const inode = inodeOfData(disk.history)
  const versions = new Map<number, Uint8Array[]>()
  for (const effect of disk.history) {
    if (effect.kind !== 'write' || effect.inode !== inode || effect.bytes.length !== settings.pageSizeBytes) continue
    versions.set(effect.position, [...(versions.get(effect.position) ?? []), effect.bytes])
  }
  return [...versions]
    .filter(([position, all]) => all.length > 1 && position < image.size(DATA))
    .map(([position, all]) => ({ position, versions: all.slice(0, -1) }))
}

/** The file that bears the name now: a compaction gives it to another one. */
function inodeOfData(history: readonly Effect[]): number | undefined {
  let inode: number | undefined
  for (const effect of history) {
    if (effect.kind !== 'link' || effect.name !== DATA_FILE) continue
    const isMade = effect.path.startsWith(`${STORE_PATH}.creating-`)
    if (isMade || effect.path.endsWith(` to ${DATA}`)) inode = effect.inode
  }
  return inode
}
