// The figures of an open store.

import { bytesOf } from './compaction.ts'
import type { Engine } from './engine.ts'
import type { TableInfo } from './table-format.ts'
import type { LsmStats } from './types.ts'

/** Collects the figures of this moment. Reads nothing from the disk. */
export function collectStats(engine: Engine): LsmStats {
  engine.assertOpen()
  const { memory, versions, background, log } = engine
  const { current } = versions
  const levels = current.levels
    .map((tables, level) => ({ level, tables: tables.length, bytes: bytesOf(tables), entries: entriesOf(tables) }))
    .filter(({ tables }) => tables > 0)
  const tableBytes = bytesOf(current.tables)
  const lastBytes = levels.at(-1)?.bytes ?? 0
  const { flushedBytes, writtenBytes, manifest, flushes, compactions } = background.work
  const cache = engine.tables.stats()
  return {
    engine: 'typescript',
    path: engine.path,
    trees: [...memory.catalogue.ids.keys()].sort(),
    levels,
    tables: current.tables.length,
    tableBytes,
    memory: { limitBytes: engine.memoryBytes, bytes: memory.bytes + cache.bytes },
    memtable: { bytes: memory.active.bytes, entries: memory.active.entryCount, frozen: memory.frozenCount },
    cache: { ...cache, hitRatio: cache.misses === 0 ? 1 : cache.hits / (cache.hits + cache.misses) },
    log: log.stats(),
    position: engine.position,
    durablePosition: log.durablePosition,
    flushedPosition: manifest.position,
    flushes,
    compactions,
    stalls: { ...engine.stalls },
    amplification: {
      read: engine.state.length,
      write: flushedBytes === 0 ? 0 : writtenBytes / flushedBytes,
      space: lastBytes === 0 ? 1 : tableBytes / lastBytes,
    },
    snapshots: { open: engine.openPins.size + versions.readerCount, oldestAgeMs: oldestAgeMs(engine) },
  }
}

function entriesOf(tables: readonly TableInfo[]): number {
  return tables.reduce((sum, { entryCount }) => sum + entryCount, 0)
}

function oldestAgeMs(engine: Engine): number {
  const now = engine.clock.now()
  let oldest = now
  for (const { sinceMs } of engine.openPins) oldest = Math.min(oldest, sinceMs)
  return now - oldest
}
