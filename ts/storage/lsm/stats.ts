// The figures of an open store.
import { StatsFile, type StatsSource } from '../stats-file.ts'
import { bytesOf, debtOf } from './compaction.ts'
import type { Engine } from './engine.ts'
import type { Emitter } from './events.ts'
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
    compactionDebtBytes: debtOf(current, manifest.plan, engine.limits),
    stalls: { ...engine.stalls },
    amplification: {
      read: engine.state.length,
      write: flushedBytes === 0 ? 0 : writtenBytes / flushedBytes,
      space: lastBytes === 0 ? 1 : tableBytes / lastBytes,
    },
    snapshots: { open: engine.openPins.size + versions.readerCount, oldestAgeMs: oldestAgeMs(engine) },
  }
}

/** A store whose figures are kept, whatever engine runs it. */
export interface FiguresOwner extends Pick<StatsSource, 'disk' | 'clock' | 'path'> {
  readonly position: number
  readonly events: Emitter
}

/** Keeps `stats.json` current. @returns Stops it. */
export function keepStatsFile(owner: FiguresOwner, figures: Pick<StatsSource, 'stats' | 'keepsFigures'>): () => void {
  let events = 0
  const file = new StatsFile({
    disk: owner.disk,
    clock: owner.clock,
    path: owner.path,
    get changes() {
      return owner.position + events
    },
    ...figures,
  })
  const write = (): void => {
    events++
    file.write()
  }
  const stops = [owner.events.on('flush', write), owner.events.on('compaction', write)]
  return () => {
    for (const stop of stops) stop()
    file.stop()
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
