// The crash images of a finished workload: which there are, and the check of one. Everything follows from the seed.
import { CRASH_VARIANTS, type CrashVariant } from '../../../ts/io/crash-image.ts'
import { describeEffect, type Effect } from '../../../ts/io/disk-history.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { checkCrash, type Tally } from './check-image.ts'
import type { Recorder } from './recorder.ts'
import { below } from './workload.ts'

/** Where and how a history is cut. */
export interface CrashPoint {
  point: number
  variant: CrashVariant
}

/** Histories of no more effects are crashed at every point, longer ones at so many. */
const EXHAUSTIVE_EFFECTS = 90
const POINTS = 16

/** The crashes of the workload of `seed`, by rising points. */
export function crashesOf(seed: number, { disk }: Recorder): CrashPoint[] {
  const { length } = disk.history
  const random = seededRandom(seed)
  const points =
    length <= EXHAUSTIVE_EFFECTS
      ? Array.from({ length: length + 1 }, (_, i) => i)
      : Array.from({ length: POINTS }, () => below(random, length + 1)).sort((a, b) => a - b)
  return points.flatMap((point) => CRASH_VARIANTS.map((variant) => ({ point, variant })))
}

/** Makes and checks the image number `index` of `crashesOf(seed, recorder)`. */
export async function checkCrashOf(
  seed: number,
  recorder: Recorder,
  index: number,
  { point, variant }: CrashPoint,
  tally: Tally,
): Promise<void> {
  const { disk, settings } = recorder
  const random = seededRandom((seed % 2 ** 32) * 10_000 + index) // stays a whole number, whatever the seed
  const image = disk.crashImage(point, variant, random)
  const expected = recorder.expectationAt(point, variant === 'all')
  try {
    await checkCrash({ image, variant, expected, settings, isFirst: true }, random, tally)
  } catch (error) {
    const last = point === 0 ? 'nothing' : describeEffect(disk.history[point - 1] as Effect)
    throw new Error(`${variant} after effect ${point} (${last}): ${(error as Error).message}`, { cause: error })
  }
}
