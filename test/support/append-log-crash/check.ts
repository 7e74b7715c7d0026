// Crashes an append log at points of its history, opens what is left, and crashes that as well.
import { isCode } from '../../../ts/base/errors.ts'
import { CRASH_VARIANTS, type CrashVariant } from '../../../ts/io/crash-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { openReadOnlyLog } from '../../../ts/storage/append-log/open.ts'
import { START_BYTES } from '../../../ts/storage/append-log/start.ts'
import type { Mutant } from '../../../ts/storage/log/mutant.ts'
import { LOG_PATH } from '../append-log.ts'
import { below, must } from '../log-crash/life.ts'
import { ManualClock } from '../manual-clock.ts'
import type { Tally } from '../workload-suite.ts'
import { LogLife, type LogSettings } from './life.ts'
import { step } from './workload.ts'

interface CheckOptions {
  settings: LogSettings
  mutant: Mutant | undefined
}

const COMPOUND_CHANCE = 0.4
const MAX_DEPTH = 3

/** Crashes `life` at a random point and checks what is left. */
export async function crashOnce(
  life: LogLife,
  random: Random,
  tally: Tally,
  options: CheckOptions,
  depth = 1,
): Promise<void> {
  const variant = CRASH_VARIANTS[below(random, CRASH_VARIANTS.length)] as CrashVariant
  const { length } = life.disk.history
  const point = below(random, length + 1)
  tally.images++
  tally.byVariant[variant]++
  if (depth > 1) tally.compoundImages++
  const image = life.disk.crashImage(point, variant, random)
  try {
    const expected = life.expectationAt(point, variant)
    const next = await LogLife.begin(new SimulatedDisk({ image }), { ...options, random }, expected)
    next.append([`after the crash ${below(random, 1e9)}`])
    await step(next, random)
    await next.flush()
    next.look()
    if (random.next() < 0.5) await next.abandon()
    else await next.close()
    const { disk } = next
    must(disk.openHandles + disk.heldLocks === 0, `${disk.openHandles} files or a lock were left`)
    if (depth < MAX_DEPTH && random.next() < COMPOUND_CHANCE) await crashOnce(next, random, tally, options, depth + 1)
  } catch (error) {
    const where = `crash ${depth} (${variant}, after effect ${point} of ${length})`
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error })
  }
}

/** Changes one bit of the file `start` of a closed log: nobody may believe it then. */
export function damageStart(life: LogLife, random: Random, tally: Tally, mutant: Mutant | undefined): void {
  tally.damaged++
  const disk = new SimulatedDisk({ image: life.disk.currentImage() })
  const file = disk.open(`${LOG_PATH}/start`, 'write')
  const bytes = new Uint8Array(START_BYTES)
  file.read(bytes, 0)
  const at = below(random, START_BYTES)
  bytes[at] = (bytes[at] as number) ^ (1 << below(random, 8))
  file.write(bytes, 0)
  file.close()
  let outcome = 'it was believed'
  try {
    void openReadOnlyLog({ disk, clock: new ManualClock(), path: LOG_PATH, mutant }, 1).close()
  } catch (error) {
    if (isCode(error, 'CORRUPTION') && (error as Error).message.includes('start is damaged')) return
    outcome = (error as Error).message
  }
  throw new Error(`byte ${at} of start was changed: ${outcome}`)
}
