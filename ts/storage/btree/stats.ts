// The figures of an open store, and the `stats.json` that its owner keeps for commands of other processes.
import type { Clock } from '../../io/clock.ts'
import { type Disk, joinPath } from '../../io/disk.ts'
import { DEFAULT_TREE } from '../ordered/operation.ts'
import type { Engine } from './engine.ts'
import { STATS_FILE } from './store-directory.ts'
import type { BTreeStats } from './types.ts'

const STATS_EVERY_MS = 1000

/** Collects the figures of this moment. Reads the root of every tree. */
export function collectStats(engine: Engine): BTreeStats {
  engine.assertOpen()
  const { pager, catalogue, log, metas } = engine
  const trees: BTreeStats['trees'] = {}
  let keyCount = 0
  for (const name of catalogue.treeNames().sort()) {
    const tree = catalogue.tree(name)
    if (tree === undefined) continue
    trees[name] = { keyCount: tree.keyCount, depth: tree.depth }
    keyCount += tree.keyCount
  }
  const { freeList } = pager
  const logStats = log.stats()
  return {
    engine: 'typescript',
    path: engine.path,
    pageSizeBytes: pager.pageSizeBytes,
    keyCount,
    trees,
    depth: trees[DEFAULT_TREE]?.depth ?? 0,
    dataFileBytes: pager.file.size(),
    pageCount: freeList.pageCount,
    usedPages: freeList.pageCount - freeList.freeCount - freeList.retiredCount,
    freePages: freeList.freeCount,
    retiredPages: freeList.retiredCount,
    cache: pager.stats(),
    log: logStats,
    position: engine.position,
    durablePosition: log.durablePosition,
    checkpointPosition: metas.current.position,
    checkpoints: engine.checkpoints,
    commitsPerSync: logStats.syncs === 0 ? 0 : logStats.appends / logStats.syncs,
    snapshots: { open: engine.openPins.size, oldestAgeMs: oldestAgeMs(engine) },
  }
}

function oldestAgeMs(engine: Engine): number {
  let oldest = engine.clock.now()
  for (const pin of engine.openPins) oldest = Math.min(oldest, pin.sinceMs)
  return engine.clock.now() - oldest
}

/** A store whose figures are kept for onlookers. */
export interface StatsSource {
  readonly disk: Disk
  readonly clock: Clock
  readonly path: string
  readonly position: number
  stats(): BTreeStats
  /** False while another thread with the same store keeps them. */
  keepsFigures(): boolean
}

/**
 * Keeps `stats.json` in the store's directory current while the store is open: at once, whenever `write` is called, and
 * every second in which something was written. Best effort: a failure to write it never disturbs the store.
 */
export class StatsFile {
  private readonly source: StatsSource
  private writtenFor = -1
  private cancel: () => void = () => {}

  constructor(source: StatsSource) {
    this.source = source
    this.again()
  }

  /** Writes the figures of now, if something was written to the store since the last time. */
  write(): void {
    const { source } = this
    try {
      if (source.position === this.writtenFor || !source.keepsFigures()) return
      this.writtenFor = source.position
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

/** The same for the TypeScript engine. @returns Stops it. */
export function keepStatsFile(engine: Engine): () => void {
  const file = new StatsFile({
    disk: engine.disk,
    clock: engine.clock,
    path: engine.path,
    get position() {
      return engine.position
    },
    stats: () => collectStats(engine),
    keepsFigures: () => true,
  })
  engine.onCheckpoint = () => file.write()
  return () => {
    engine.onCheckpoint = () => {}
    file.stop()
  }
}

function replaceFile({ disk, path }: StatsSource, bytes: Uint8Array): void {
  const name = joinPath(path, STATS_FILE)
  const temporary = `${name}.new`
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
