// The figures of an open store.
import { DEFAULT_TREE } from '../ordered/operation.ts'
import { StatsFile } from '../stats-file.ts'
import type { Engine } from './engine.ts'
import type { BTreeStats } from './types.ts'

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

/** Keeps `stats.json` current. @returns Stops it. */
export function keepStatsFile(engine: Engine): () => void {
  const file = new StatsFile({
    disk: engine.disk,
    clock: engine.clock,
    path: engine.path,
    get changes() {
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
