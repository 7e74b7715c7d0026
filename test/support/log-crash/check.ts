// Crashes a log at points of its history, opens what is left, and crashes that as well.
import { CRASH_VARIANTS, type CrashVariant } from '../../../ts/io/crash-image.ts'
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/log/mutant.ts'
import type { Tally } from '../workload-suite.ts'
import { below, type Expectation, LogLife, type LogSettings, must } from './life.ts'
import { step } from './workload.ts'

interface Crash {
  image: DiskImage
  expected: Expectation
  settings: LogSettings
  mutant: Mutant | undefined
}

const COMPOUND_CHANCE = 0.4
const MAX_DEPTH = 3

/** The last effects of a history: those of closing the log, if it was closed. */
const NEAR_THE_END = 6

/** Crashes `life` at a random point and checks what is left. */
export async function crashOnce(
  life: LogLife,
  random: Random,
  tally: Tally,
  options: { settings: LogSettings; mutant?: Mutant | undefined; depth?: number; near?: 'the end' },
): Promise<void> {
  const { settings, mutant, depth = 1, near } = options
  const variant = CRASH_VARIANTS[below(random, CRASH_VARIANTS.length)] as CrashVariant
  const { length } = life.disk.history
  const point = near === undefined ? below(random, length + 1) : length - below(random, Math.min(length, NEAR_THE_END))
  tally.images++
  tally.byVariant[variant]++
  if (depth > 1) tally.compoundImages++
  const image = life.disk.crashImage(point, variant, random)
  try {
    const expected = life.expectationAt(point, variant)
    const next = await checkImage({ image, expected, settings, mutant }, random)
    if (depth < MAX_DEPTH && random.next() < COMPOUND_CHANCE) {
      await crashOnce(next, random, tally, { settings, mutant, depth: depth + 1 })
    }
  } catch (error) {
    const where = `crash ${depth} (${variant}, after effect ${point} of ${life.disk.history.length})`
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error })
  }
}

/** The image opens, shows what it should, can be written and opened again. @returns The life after the crash. */
async function checkImage({ image, expected, settings, mutant }: Crash, random: Random): Promise<LogLife> {
  const disk = new SimulatedDisk({ image })
  const life = await LogLife.begin(disk, settings, expected, mutant)
  life.append(`after the crash ${below(random, 1e9)}`)
  await step(life, random)
  await life.flush()
  if (random.next() < 0.5) life.abandon()
  else await life.close()
  await life.reopen()
  life.append('and once more')
  await life.close()
  must(disk.openHandles === 0, `${disk.openHandles} files were left open`)
  return life
}
