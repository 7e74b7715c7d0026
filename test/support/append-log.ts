// Append logs on a simulated disk, for tests.
import { seededRandom } from '../../ts/io/random.ts'
import { SimulatedDisk } from '../../ts/io/simulated-disk.ts'
import { type EngineOptions, openReadOnlyLog, openWritableLog } from '../../ts/storage/append-log/open.ts'
import type { ReadOnlyAppendLog } from '../../ts/storage/append-log/read-only-log.ts'
import type { AppendLog, LogBlock } from '../../ts/storage/append-log/types.ts'
import type { WritableLog } from '../../ts/storage/append-log/writable-log.ts'
import { ManualClock } from './manual-clock.ts'

export const LOG_PATH = '/log'
export const POLL_MS = 20

/** One disk, one clock, and the logs on it. Segments are so small that a few dozen records fill several. */
export class LogBed {
  disk: SimulatedDisk
  readonly clock = new ManualClock()

  constructor(disk = new SimulatedDisk()) {
    this.disk = disk
  }

  /** Opens the log for writing; makes it unless told otherwise. */
  open(options: Partial<EngineOptions> = {}): Promise<WritableLog> {
    return openWritableLog({
      disk: this.disk,
      clock: this.clock,
      random: seededRandom(7),
      path: LOG_PATH,
      create: true,
      durability: 'sync',
      firstSegmentBytes: 16_384,
      maxSegmentBytes: 32_768,
      retention: {},
      ...options,
    })
  }

  openReader(): ReadOnlyAppendLog {
    return openReadOnlyLog({ disk: this.disk, clock: this.clock, path: LOG_PATH }, POLL_MS)
  }

  /** Ends the syncs that were held back, and holds back no more. */
  async completeSyncs(done: Promise<unknown>): Promise<void> {
    this.disk.manualSyncs = false
    while (this.disk.pendingSyncs.length > 0) this.disk.completeSync()
    await done
  }

  /** Takes everything that is not certain to stay. */
  cutPower(): void {
    this.disk = new SimulatedDisk({
      image: this.disk.crashImage(this.disk.history.length, 'none', seededRandom(1)),
    })
  }

  /** The names of the segments that are part of the log. */
  get segments(): string[] {
    return this.disk.list(LOG_PATH).filter((name) => /^log-\d+$/.test(name))
  }
}

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text)
}

export function textsOf(block: LogBlock): string[] {
  return Array.from(block, (record) => Buffer.from(record).toString())
}

/** Everything readable from `from` on. */
export function readAll(log: AppendLog, from = log.firstOffset, maxBytes = 1000): string[] {
  const texts: string[] = []
  for (let next = from; ; ) {
    const block = log.read(next, maxBytes)
    if (block.count === 0) return texts
    texts.push(...textsOf(block))
    next = block.nextOffset
  }
}

/** Appends texts of some length, waiting for all of them. */
export async function fill(log: AppendLog, count: number, bytes = 500): Promise<void> {
  const { nextOffset } = log
  const done = Array.from({ length: count }, (_, i) => log.append(bytesOf(textAt(nextOffset + i, bytes))))
  await Promise.all(done)
}

/** The text that `fill` appends at an offset. */
export function textAt(offset: number, bytes = 500): string {
  return `${offset}:`.padEnd(bytes, 'x')
}
