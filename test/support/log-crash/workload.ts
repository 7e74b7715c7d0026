// What is done to a log before it is crashed, chosen by a seed.
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/log/mutant.ts'
import type { Durability } from '../../../ts/storage/log/types.ts'
import { below, DIRECTORY, LogLife, type LogSettings, NOTHING } from './life.ts'

const DURABILITIES: readonly Durability[] = ['sync', 'sync', 'os', 'memory', { intervalMs: 5 }]
const KIB = 1024

/** Segments so small that a few dozen records fill several. */
function chooseSettings(random: Random): LogSettings {
  const firstSegmentBytes = (3 + below(random, 4)) * 4 * KIB
  return {
    durability: DURABILITIES[below(random, DURABILITIES.length)] as Durability,
    firstSegmentBytes,
    maxSegmentBytes: firstSegmentBytes * (1 + below(random, 3)),
  }
}

/** A disk of some kind on which the log's directory is durable. */
function freshDisk(random: Random): SimulatedDisk {
  const disk = new SimulatedDisk()
  disk.mkdir(DIRECTORY)
  const sectorBytes = random.next() < 0.7 ? 512 : 4096
  return new SimulatedDisk({ image: disk.currentImage(), sectorBytes, powersafe: random.next() < 0.5 })
}

/** A log that was worked with, still open. */
export interface Workload {
  life: LogLife
  settings: LogSettings
}

/** Does random steps on a new log. */
export async function runRandomly(random: Random, mutant: Mutant | undefined): Promise<Workload> {
  const settings = chooseSettings(random)
  const life = await LogLife.begin(freshDisk(random), settings, NOTHING, mutant)
  for (let i = 10 + below(random, 60); i > 0; i--) await step(life, random)
  return { life, settings }
}

/**
 * Record numbers that are used twice: a power cut tears one frame and leaves those behind it; the log goes on with other
 * records of the same numbers, and their segment is recycled, until what is left of the first life lies just where the
 * next frame would be.
 */
export async function runRenumbering(random: Random, mutant: Mutant | undefined): Promise<Workload> {
  const settings: LogSettings = { durability: 'os', firstSegmentBytes: 64 * KIB, maxSegmentBytes: 64 * KIB }
  const first = await LogLife.begin(freshDisk(random), settings, NOTHING, mutant)
  for (let i = 0; i < 8; i++) await appendFrame(first, SECTOR_BYTES)
  const { length } = first.disk.history
  const disk = new SimulatedDisk({ image: first.disk.crashImage(length, 'sectors', random) })
  const life = await LogLife.begin(disk, settings, first.expectationAt(length, 'sectors'), mutant)
  await appendFrame(life, 56 * KIB) // leaves no room in its segment
  await life.flush()
  life.discard() // the segment of the first life comes round again
  await appendFrame(life, SECTOR_BYTES)
  await appendFrame(life, (1 + below(random, 5)) * SECTOR_BYTES)
  return { life, settings }
}

const SECTOR_BYTES = 512

/** Appends a record that makes a frame of exactly `bytes`, and lets it be written. */
async function appendFrame(life: LogLife, bytes: number): Promise<void> {
  life.append(`${life.position + 1}:`.padEnd(bytes - 64 - 4, 'r'))
  await life.turns(4)
}

/** One random step. */
export async function step(life: LogLife, random: Random): Promise<void> {
  const kind = below(random, 100)
  if (kind < 50) {
    for (let i = below(random, 6); i >= 0; i--) life.append(makeRecord(life, random))
    if (kind < 15) await life.turns(below(random, 4))
  } else if (kind < 65) await life.acknowledged()
  else if (kind < 75) await life.flush()
  else if (kind < 85) life.discard()
  else if (kind < 88) life.fireTimers()
  else if (kind < 92) await holdAWhile(life, random)
  else if (kind < 95) await reopenAfter(life, () => life.abandon())
  else if (kind < 98) await reopenAfter(life, () => life.close())
  else await reopenAfter(life, () => closeUnneeded(life))
}

/** Closes a log none of whose records is needed any more: a small segment takes over. */
async function closeUnneeded(life: LogLife): Promise<void> {
  await life.flush()
  life.discard()
  await life.close()
}

async function holdAWhile(life: LogLife, random: Random): Promise<void> {
  life.hold()
  life.append(makeRecord(life, random))
  await life.turns(2)
  life.append(makeRecord(life, random))
  life.release()
}

async function reopenAfter(life: LogLife, end: () => void | Promise<void>): Promise<void> {
  await end()
  await life.reopen()
}

/** A text that no other record has, of any length from none to more than a segment. */
function makeRecord(life: LogLife, random: Random): string {
  const size = below(random, 40)
  if (size === 0) return ''
  const stamp = `${life.position + 1}:${below(random, 1e9).toString(36)}:`
  if (size === 1) return stamp + 'L'.repeat(below(random, 30 * KIB))
  if (size < 10) return stamp + 'm'.repeat(below(random, 4 * KIB))
  return stamp + 's'.repeat(below(random, 120))
}
