// Damages a log whose records are all durable: that is found, or it did not matter.
import { isCode } from '../../../ts/base/errors.ts'
import type { DiskFile } from '../../../ts/io/disk.ts'
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/log/mutant.ts'
import type { Tally } from '../workload-suite.ts'
import { below, DIRECTORY, LogLife, type LogSettings } from './life.ts'

interface DamageOptions {
  settings: LogSettings
  mutant?: Mutant | undefined
}

/** What a file becomes. @returns In words what was done to it; undefined if there was nothing to do it to. */
type Damage = (bytes: Uint8Array, file: DiskFile) => string | undefined

/** Damages a closed log once. */
export async function damageOnce(life: LogLife, random: Random, tally: Tally, options: DamageOptions): Promise<void> {
  if (random.next() < 0.2) await openDamaged(life, tally, { ...options, damage: forgeFrame, harmless: true })
  else await openDamaged(life, tally, { ...options, damage: (bytes) => flipBit(bytes, random), random })
}

/** Cuts a file of a log whose records are all durable, closed or not. */
export async function cutOnce(life: LogLife, random: Random, tally: Tally, options: DamageOptions): Promise<void> {
  await openDamaged(life, tally, { ...options, damage: (bytes, file) => cut(bytes, file, random), random })
}

/** Moves a frame of a log that was synced but not closed: a write that the disk put in the wrong place. */
export async function misdirectOnce(life: LogLife, tally: Tally, options: DamageOptions): Promise<void> {
  await openDamaged(life, tally, { ...options, damage: moveFrame })
}

/** Opens a copy with one file damaged: the newest segment, or with `random` any. */
async function openDamaged(
  life: LogLife,
  tally: Tally,
  options: DamageOptions & { damage: Damage; harmless?: boolean; random?: Random },
): Promise<void> {
  const { settings, mutant, damage, harmless = false, random } = options
  const disk = new SimulatedDisk({ image: life.disk.currentImage() })
  const segments = disk.list(DIRECTORY).filter((name) => !name.endsWith('.new'))
  const name = segments[random === undefined ? segments.length - 1 : below(random, segments.length)]
  const path = `${DIRECTORY}/${name}`
  const what = name === undefined ? undefined : change(disk, path, damage)
  if (what === undefined) return
  tally.damaged++
  const expected = { ...life.expectationAt(life.disk.history.length, 'all'), floor: life.position }
  try {
    const reopened = await LogLife.begin(disk, settings, expected, mutant)
    reopened.abandon()
  } catch (error) {
    if (isCode(error, 'CORRUPTION') && !harmless) return
    throw new Error(`${path}, ${what}: ${(error as Error).message}`, { cause: error })
  }
}

function change(disk: SimulatedDisk, path: string, damage: Damage): string | undefined {
  const file = disk.open(path, 'write')
  const bytes = new Uint8Array(file.size())
  file.read(bytes, 0)
  const what = damage(bytes, file)
  file.write(bytes.subarray(0, file.size()), 0)
  file.close()
  return what
}

function flipBit(bytes: Uint8Array, random: Random): string {
  // Most of a segment is unused: look at its beginning more often.
  const offset = below(random, random.next() < 0.7 ? Math.min(bytes.length, 12_288) : bytes.length)
  bytes[offset] = (bytes[offset] as number) ^ (1 << below(random, 8))
  return `one bit flipped at ${offset}`
}

function cut(bytes: Uint8Array, file: DiskFile, random: Random): string {
  const size = below(random, random.next() < 0.7 ? Math.min(bytes.length, 12_288) : bytes.length)
  file.truncate(size)
  return `cut from ${bytes.length} bytes to ${size}`
}

/** The last frame but one goes to the first place where a reader looks for it, instead of where it was written to. */
function moveFrame(bytes: Uint8Array): string | undefined {
  const [before, frame, last] = framesIn(bytes).slice(-3)
  if (before === undefined || frame === undefined || last === undefined) return undefined
  const to = nextPlace(before.end)
  // Only a frame that the next one knows as durable can be missed.
  if (to >= frame.at || last.durable < frame.firstRecord) return undefined
  const moved = bytes.slice(frame.at, frame.end)
  bytes.fill(0, frame.at, frame.end)
  bytes.set(moved, to)
  return `the frame at ${frame.at} moved to ${to}`
}

/** A header that the log never wrote, right in everything but its checksum, behind the end. */
function forgeFrame(bytes: Uint8Array): string | undefined {
  const last = framesIn(bytes).at(-1)
  if (last === undefined) return undefined
  const at = nextPlace(last.end)
  if (at + 64 > bytes.length) return undefined
  bytes.copyWithin(at, last.at, last.at + 64)
  const view = new DataView(bytes.buffer, at)
  view.setBigUint64(40, BigInt(at), true)
  view.setBigUint64(48, BigInt(last.firstRecord + 100), true)
  view.setBigUint64(56, BigInt(last.firstRecord + 99), true)
  return `a frame forged at ${at}`
}

interface FrameBounds {
  at: number
  end: number
  firstRecord: number
  durable: number
}

function nextPlace(end: number): number {
  return Math.ceil(end / 64) * 64
}

/**
 * The frames of a segment in which all are whole. Those that a recycled file still has of its earlier life are none of
 * them: their lengths reach over frames that were written since.
 */
function framesIn(bytes: Uint8Array): FrameBounds[] {
  const frames: FrameBounds[] = []
  const view = new DataView(bytes.buffer)
  const segment = view.getBigUint64(16, true)
  for (let at = 4096; at + 64 <= bytes.length; ) {
    if (view.getUint32(at, true) !== 0x464c5042 || view.getBigUint64(at + 32, true) !== segment) {
      at += 64
      continue
    }
    const end = at + 64 + view.getUint32(at + 12, true)
    const firstRecord = Number(view.getBigUint64(at + 48, true))
    frames.push({ at, end, firstRecord, durable: Number(view.getBigUint64(at + 56, true)) })
    at = nextPlace(end)
  }
  return frames
}
