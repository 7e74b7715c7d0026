// The `stats.json` that the owner of a store keeps for commands of other processes.
import type { Clock } from '../io/clock.ts'
import { type Disk, joinPath } from '../io/disk.ts'

/** Figures for onlookers, kept while a store is open for writing. */
const STATS_FILE = 'stats.json'
/** Their next version, while it is written. */
const NEW_STATS_FILE = `${STATS_FILE}.new`
/** Files that a dead owner may have left; nothing in them counts. */
export const STATS_LEFTOVERS = [STATS_FILE, NEW_STATS_FILE]
const STATS_EVERY_MS = 1000

/** A store whose figures are kept for onlookers. */
export interface StatsSource {
  readonly disk: Disk
  readonly clock: Clock
  readonly path: string
  /** Grows with everything that onlookers should hear of: commits, and work in the background that has ended. */
  readonly changes: number
  stats(): object
  /** False while another thread with the same store keeps them. */
  keepsFigures(): boolean
}

/**
 * Keeps `stats.json` in the store's directory current while the store is open: at once, whenever `write` is called, and
 * every second in which something changed. Best effort: a failure to write it never disturbs the store.
 */
export class StatsFile {
  private readonly source: StatsSource
  private writtenFor = -1
  private cancel: () => void = () => {}

  constructor(source: StatsSource) {
    this.source = source
    this.again()
  }

  /** Writes the figures of now, if something changed in the store since the last time. */
  write(): void {
    const { source } = this
    try {
      if (source.changes === this.writtenFor || !source.keepsFigures()) return
      this.writtenFor = source.changes
      const writtenAt = new Date(source.clock.now()).toISOString()
      replaceFile(source, Buffer.from(`${JSON.stringify({ ...source.stats(), writtenAt }, null, 2)}\n`))
    } catch {
      // The figures are for onlookers; the store itself tells its own caller what is wrong.
    }
  }

  /** Stops keeping it, and removes the file. */
  stop(): void {
    this.cancel()
    const { disk, path } = this.source
    try {
      if (this.source.keepsFigures()) disk.unlink(joinPath(path, STATS_FILE))
    } catch {
      // It was never written.
    }
  }

  private again(): void {
    this.write()
    this.cancel = this.source.clock.timer(STATS_EVERY_MS, () => this.again())
  }
}

function replaceFile({ disk, path }: StatsSource, bytes: Uint8Array): void {
  const name = joinPath(path, STATS_FILE)
  const temporary = joinPath(path, NEW_STATS_FILE)
  if (disk.kind(temporary) !== undefined) disk.unlink(temporary)
  const file = disk.open(temporary, 'create')
  try {
    try {
      file.write(bytes, 0)
    } finally {
      file.close()
    }
    disk.rename(temporary, name)
  } catch (error) {
    disk.unlink(temporary) // On a full disk half of the figures must not take the last room.
    throw error
  }
}
