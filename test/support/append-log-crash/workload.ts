// What is done to an append log before it is crashed, chosen by a seed.
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/log/mutant.ts'
import type { Durability } from '../../../ts/storage/log/types.ts'
import { below } from '../log-crash/life.ts'
import { LogLife, type LogSettings, NOTHING } from './life.ts'

const DURABILITIES: readonly Durability[] = ['sync', 'sync', 'sync', 'os', 'memory', { intervalMs: 5 }]
const KIB = 1024

/** A log that was worked with, still open. */
export interface Workload {
  life: LogLife
  settings: LogSettings
}

/** Does random steps on a new log. */
export async function runWorkload(random: Random, mutant: Mutant | undefined): Promise<Workload> {
  const firstSegmentBytes = (4 + below(random, 3)) * 4 * KIB
  const settings: LogSettings = {
    durability: DURABILITIES[below(random, DURABILITIES.length)] as Durability,
    firstSegmentBytes,
    maxSegmentBytes: firstSegmentBytes * (1 + below(random, 2)),
  }
  const disk = new SimulatedDisk({ sectorBytes: random.next() < 0.7 ? 512 : 4096, powersafe: random.next() < 0.5 })
  const life = await LogLife.begin(disk, { settings, random, mutant }, NOTHING)
  for (let i = 10 + below(random, 40); i > 0; i--) await step(life, random)
  return { life, settings }
}

/** One random step. */
export async function step(life: LogLife, random: Random): Promise<void> {
  const kind = below(random, 100)
  if (kind < 45) {
    for (let i = below(random, 4); i >= 0; i--) life.append(makeBatch(life, random))
    if (kind < 15) await life.turns(below(random, 4))
  } else if (kind < 55) await life.flush()
  else if (kind < 68) await cutEnd(life, random)
  else if (kind < 78) await life.truncateBefore(pickOffset(life, random))
  else if (kind < 84) life.look()
  else if (kind < 88) await life.lookDuringSync(makeBatch(life, random))
  else if (kind < 91) life.fireTimers()
  else if (kind < 96) {
    await life.abandon()
    await life.reopen()
  } else {
    await life.close()
    await life.reopen()
  }
}

/** Mostly a few records; now and then many, over several segments. What comes behind it has to wait for it or not. */
async function cutEnd(life: LogLife, random: Random): Promise<void> {
  const { firstOffset, nextOffset } = life
  const removed = random.next() < 0.7 ? below(random, 4) : below(random, nextOffset - firstOffset + 1)
  const offset = Math.max(firstOffset, nextOffset - removed) - 1
  await life.truncateAfter(offset, random.next() < 0.4)
  if (random.next() < 0.5) life.append(makeBatch(life, random))
  if (random.next() < 0.3) await life.flush()
}

function pickOffset({ firstOffset, nextOffset }: LogLife, random: Random): number {
  return firstOffset + below(random, nextOffset - firstOffset + 1)
}

/** Records that no others are like, of any length from none to more than a segment. */
function makeBatch(life: LogLife, random: Random): string[] {
  return Array.from({ length: 1 + below(random, 4) }, (_, i) => {
    const size = below(random, 40)
    const stamp = `${life.nextOffset + i}:${below(random, 1e9).toString(36)}:`
    if (size === 0) return stamp + 'L'.repeat(below(random, 20 * KIB))
    if (size < 12) return stamp + 'm'.repeat(below(random, 3 * KIB))
    return stamp + 's'.repeat(below(random, 120))
  })
}
