// The figures of an open store, and the `stats.json` that its owner keeps for commands of other processes.
import { joinPath } from '../../io/disk.ts'
import type { Engine } from './engine.ts'
import { DEFAULT_TREE } from './operation.ts'
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

/**
 * Keeps `stats.json` in the store's directory current while the store is open: at once, after each checkpoint, and every
 * second in which something was written. Best effort: a failure to write it never disturbs the store.
 * @returns Stops keeping it and removes the file.
 */
export function keepStatsFile(engine: Engine): () => void {
  const path = joinPath(engine.path, STATS_FILE)
  let writtenFor = -1
  const write = (): void => {
    if (engine.position === writtenFor) return
    writtenFor = engine.position
    try {
      const text = JSON.stringify(
        { ...collectStats(engine), writtenAt: new Date(engine.clock.now()).toISOString() },
        null,
        2,
      )
      replaceFile(engine, path, Buffer.from(`${text}\n`))
    } catch {
      // The figures are for onlookers; the store itself tells its own caller what is wrong.
    }
  }
  let cancel = (): void => {}
  const again = (): void => {
    write()
    cancel = engine.clock.timer(STATS_EVERY_MS, again)
  }
  engine.onCheckpoint = write
  again()
  return () => {
    cancel()
    engine.onCheckpoint = () => {}
    try {
      engine.disk.unlink(path)
    } catch {
      // It was never written.
    }
  }
}

function replaceFile(engine: Engine, path: string, bytes: Uint8Array): void {
  const { disk } = engine
  const temporary = `${path}.new`
  if (disk.kind(temporary) !== undefined) disk.unlink(temporary)
  const file = disk.open(temporary, 'create')
  try {
    file.write(bytes, 0)
  } finally {
    file.close()
  }
  disk.rename(temporary, path)
}
