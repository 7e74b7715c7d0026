// The figures of a native store as everybody knows them.
import type { NativeLsmStats } from '../../../native/lsm.ts'
import type { LsmStats } from '../types.ts'

export function statsOf(
  { path, trees, memoryBytes }: { path: string; trees: string[]; memoryBytes: number },
  figures: NativeLsmStats,
): LsmStats {
  const { levels, appends, frames, syncs, segmentBytes, segmentCount } = figures
  const { position, durablePosition, flushedPosition, flushes, compactions } = figures
  const { flushedBytes, writtenBytes, cacheHits: hits, cacheMisses: misses } = figures
  const tableBytes = levels.reduce((sum, { bytes }) => sum + bytes, 0)
  const lastBytes = levels.at(-1)?.bytes ?? 0
  return {
    engine: 'native',
    path,
    trees: trees.sort(),
    levels,
    tables: levels.reduce((sum, { tables }) => sum + tables, 0),
    tableBytes,
    memory: { limitBytes: memoryBytes, bytes: figures.memoryBytes },
    memtable: {
      bytes: figures.memtableBytes,
      entries: figures.memtableEntries,
      frozen: figures.frozenMemtables,
    },
    cache: {
      capacityBytes: figures.cacheCapacityBytes,
      bytes: figures.cacheBytes,
      hits,
      misses,
      hitRatio: misses === 0 ? 1 : hits / (hits + misses),
      openFiles: figures.openFiles,
    },
    log: { appends, frames, syncs, segmentBytes, segmentCount },
    position,
    durablePosition,
    flushedPosition,
    flushes,
    compactions,
    compactionDebtBytes: figures.compactionDebtBytes,
    stalls: { count: figures.stallCount, totalMs: figures.stallMs },
    amplification: {
      read: figures.runs,
      write: flushedBytes === 0 ? 0 : writtenBytes / flushedBytes,
      space: lastBytes === 0 ? 1 : tableBytes / lastBytes,
    },
    snapshots: { open: figures.openSnapshots, oldestAgeMs: figures.oldestSnapshotMs },
  }
}
