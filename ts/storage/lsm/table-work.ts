// What background work does to tables: makes one of a memtable, names those that were ingested, merges and drops. Each ends with
// a manifest that says so.
//
// Order, each step durable before the next: tables and their names; the manifest that names them; and only then the log and
// the tables that it makes needless are let go.
import { joinPath } from '../../io/disk.ts'
import { compareBytes } from '../compare.ts'
import { lacks } from '../mutant.ts'
import { buildTables, discard, type Workshop } from './build-tables.ts'
import { bytesOf, type Compaction } from './compaction.ts'
import type { VersionCursor } from './entry.ts'
import type { Emitter } from './events.ts'
import { EVERYTHING } from './internal-key.ts'
import { type Manifest, replaceManifest } from './manifest.ts'
import type { Frozen, Ingested, Memory } from './memory.ts'
import { MergeCursor } from './merge.ts'
import { RangeTombstones } from './range-tombstones.ts'
import { isShortage } from './shortage.ts'
import { type Retention, SurvivorCursor, survivingTombstones } from './survivors.ts'
import { RunCursor } from './table-cursor.ts'
import { type TableInfo, tableName } from './table-format.ts'
import type { Tables } from './tables.ts'
import { MAX_LEVELS } from './types.ts'
import type { Version } from './version.ts'
import type { Versions } from './versions.ts'

/** What the work is done on. */
export interface TableWorkOptions {
  readonly workshop: Omit<Workshop, 'takeNumber'>
  readonly memory: Memory
  readonly tables: Tables
  readonly versions: Versions
  /** The manifest in force. */
  readonly manifest: Manifest
  readonly events: Emitter
  /** A table of a compaction is full once its data has so many bytes. */
  readonly tableBytes: number
  /** The sequences of open snapshots, rising. */
  snapshots(): number[]
  /** Makes the log durable up to `position`, as far as it is not held back. */
  logDurable(position: number): Promise<void>
  /** Everything up to `position` is in tables, for good. */
  onFlushed(position: number): void
}

export class TableWork {
  manifest: Manifest
  readonly workshop: Workshop
  readonly tableBytes: number
  flushes = 0
  compactions = 0
  /** Bytes of keys and values that flushes took from memory, and bytes written to tables altogether. */
  flushedBytes = 0
  writtenBytes = 0
  private readonly options: TableWorkOptions
  private nextNumber: number

  constructor(options: TableWorkOptions) {
    this.options = options
    this.manifest = options.manifest
    this.tableBytes = options.tableBytes
    this.nextNumber = options.manifest.nextNumber
    this.workshop = { ...options.workshop, takeNumber: () => this.nextNumber++ }
  }

  /** Makes the oldest that waits in memory a part of level 0. */
  async flushOldest(): Promise<void> {
    const { memory, logDurable, onFlushed } = this.options
    const oldest = memory.waiting.at(-1) as Frozen | Ingested
    const { position } = oldest
    const catalogue = lacks(this.workshop.mutant, 'catalogue of L') ? memory.catalogue : oldest.catalogue
    const startedAt = this.workshop.clock.monotonic()
    const made = 'memtable' in oldest ? await this.tablesOf(oldest) : []
    await logDurable(position)
    const named = 'tables' in oldest ? oldest.tables : made
    const added = named.map((table) => ({ level: 0, table }))
    const { versions } = this.options
    await this.replace(made, versions.current.with({ removed: new Set(), added }), { position, catalogue })
    memory.waiting = memory.waiting.filter((other) => other !== oldest)
    if ('memtable' in oldest) this.flushes++
    this.flushedBytes += 'memtable' in oldest ? oldest.memtable.contentBytes : contentOf(named)
    onFlushed(position)
    this.options.events.emit('flush', { level: 0, bytes: bytesOf(named), milliseconds: this.since(startedAt) })
  }

  /** @param onSlice - Called between slices of a merge; what it throws ends the work. */
  async compact(compaction: Compaction, onSlice: () => Promise<void>): Promise<void> {
    const { versions } = this.options
    const { kind, level, inputs } = compaction
    const startedAt = this.workshop.clock.monotonic()
    const made = kind === 'merge' ? await this.mergeTables(compaction, onSlice) : []
    const removed = new Set(inputs.map(({ number }) => number))
    const added = (kind === 'move' ? inputs : made).map((table) => ({ level, table }))
    // A flush may have changed the version meanwhile: what it added stays.
    await this.replace(made, versions.current.with({ removed, added }))
    this.compactions++
    const details = { level, inputBytes: bytesOf(inputs), bytes: bytesOf(added.map(({ table }) => table)) }
    this.options.events.emit('compaction', { kind, ...details, milliseconds: this.since(startedAt) })
  }

  private tablesOf({ memtable }: Frozen): Promise<TableInfo[]> {
    return this.merge([memtable.cursor(EVERYTHING, false)], memtable.tombstones, {
      older: this.options.versions.current.runs,
      tableBytes: Number.POSITIVE_INFINITY,
      onSlice: async () => {},
    })
  }

  private async mergeTables({ level, inputs, older }: Compaction, onSlice: () => Promise<void>): Promise<TableInfo[]> {
    const { tables, versions } = this.options
    // What stays in level 0 is one sorted run a table.
    const tableBytes = level === 0 ? Number.POSITIVE_INFINITY : this.tableBytes
    const tombstones = new RangeTombstones()
    for (const info of inputs) {
      if (info.rangeTombstoneCount === 0) continue
      for (const each of (await tables.metaAsync(info)).tombstones.list) tombstones.add(each)
    }
    // Nothing else takes tables out of the version in force, so the inputs stay.
    const cursors = runsOf(inputs, versions.current).map((run) => new RunCursor(tables, run, EVERYTHING))
    return await this.merge(cursors, tombstones, { older, tableBytes, onSlice })
  }

  private async merge(
    cursors: readonly VersionCursor[],
    tombstones: RangeTombstones,
    { older, tableBytes, onSlice }: { older: Retention['older']; tableBytes: number; onSlice: () => Promise<void> },
  ): Promise<TableInfo[]> {
    const retention: Retention = { snapshots: this.options.snapshots(), older, mutant: this.workshop.mutant }
    const made = await buildTables(this.workshop, {
      versions: new SurvivorCursor(new MergeCursor(cursors, false), tombstones, retention),
      tombstones: survivingTombstones(tombstones, retention),
      tableBytes,
      onSlice,
    })
    this.writtenBytes += bytesOf(made)
    return made
  }

  /** Puts `version` in force, durably. @param made - Its new tables: removed again if that has to be put off. */
  private async replace(
    made: readonly TableInfo[],
    version: Version,
    state: Partial<Pick<Manifest, 'position' | 'catalogue'>> = {},
  ): Promise<void> {
    const { disk, path, mutant, durably } = this.workshop
    const { versions } = this.options
    const next = { ...this.manifest, ...state, nextNumber: this.nextNumber, version }
    if (lacks(mutant, 'tables until replaced')) versions.install(version)
    try {
      await replaceManifest(disk, path, next, { durably, mutant })
    } catch (error) {
      if (isShortage(error)) for (const { number } of made) discard(disk, joinPath(path, tableName(number)))
      throw error
    }
    this.manifest = next
    if (versions.current !== version) versions.install(withPendingOf(versions.current, version))
  }

  private since(startedAt: number): number {
    return (this.workshop.clock.monotonic() - startedAt) / 1e6
  }
}

/** What was ingested while the manifest was written stays pending. */
function withPendingOf(current: Version, next: Version): Version {
  const named = new Set(next.files.map(({ number }) => number))
  const since = current.pending.filter(({ number }) => !named.has(number))
  return since.length === 0 ? next : next.withPending(since)
}

/** Sorts the inputs of a compaction into runs: those of level 0 each alone, those of a level together. */
function runsOf(inputs: readonly TableInfo[], version: Version): TableInfo[][] {
  const runs: TableInfo[][] = []
  for (let level = 0; level < MAX_LEVELS; level++) {
    const own = inputs.filter((table) => (version.levels[level] as readonly TableInfo[]).includes(table))
    if (level === 0) runs.push(...own.map((table) => [table]))
    else if (own.length > 0) runs.push(own.sort((a, b) => compareBytes(a.start, b.start)))
  }
  return runs
}

function contentOf(tables: readonly TableInfo[]): number {
  return tables.reduce((sum, { contentBytes }) => sum + contentBytes, 0)
}
