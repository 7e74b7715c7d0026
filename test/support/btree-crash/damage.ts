// Bytes that are not what was written, which no power cut explains: bit rot, lost writes, misdirected writes.
import { BedplateError } from '../../../ts/base/errors.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { type Expectation, must } from './expectation.ts'
import { DATA } from './metas.ts'
import { contentOf, difference } from './model.ts'
import type { Recorder } from './recorder.ts'
import { openStore, type StoreSettings } from './store.ts'
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
  const expected = recorder.expectationAt(recorder.disk.history.length, true)
  try {
    await readEverything(new SimulatedDisk({ image }), recorder.settings, expected)
    return false
  } catch (error) {
    if (error instanceof BedplateError && error.code === 'CORRUPTION') return true
    throw new Error(`${damage}: ${(error as Error).message}`, { cause: error })
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
      const from = (2 + below(random, pageCount - 2)) * pageSizeBytes
      image.write(DATA, image.read(DATA).subarray(from, from + pageSizeBytes), offset)
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
  const { pageSizeBytes } = recorder.settings
  const versions = new Map<number, Uint8Array[]>()
  for (const effect of recorder.disk.history) {
    if (effect.kind !== 'write' || !effect.path.startsWith(DATA)) continue
    if (effect.bytes.length === pageSizeBytes && effect.position >= 2 * pageSizeBytes) {
      versions.set(effect.position, [...(versions.get(effect.position) ?? []), effect.bytes])
    }
  }
  const rewritten = [...versions].filter(([position, all]) => all.length > 1 && position < image.size(DATA))
  if (rewritten.length === 0) return false
  const [position, all] = pick(random, rewritten)
  image.write(DATA, pick(random, all.slice(0, -1)), position)
  return true
}
