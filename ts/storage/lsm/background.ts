// Flushes and compactions: one after the other, slice by slice between the turns of others. A flush that becomes due goes
// before the rest of a compaction.
//
// Order, each step durable before the next: tables and their names; the manifest that names them; and only then the log and
// the tables that it makes needless are let go. A full disk ends the work without a trace, and it is tried again later.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Cancel } from '../../io/clock.ts'
import { compareBytes } from '../compare.ts'
import { lacks } from '../mutant.ts'
import { buildTables, discard, type Workshop } from './build-tables.ts'
import {
  bytesOf,
  type Compaction,
  type CompactionLimits,
  compactionOfAll,
  nextExpiryMs,
  pickCompaction,
} from './compaction.ts'
import type { VersionCursor } from './entry.ts'
import { internalKey, MAX_TREE_ID } from './internal-key.ts'
import { type Manifest, replaceManifest } from './manifest.ts'
import type { Frozen, Memory } from './memory.ts'
import { MergeCursor } from './merge.ts'
import { RangeTombstones } from './range-tombstones.ts'
import { type Retention, SurvivorCursor, survivingTombstones } from './survivors.ts'
import { RunCursor } from './table-cursor.ts'
import { type TableInfo, tableName } from './table-format.ts'
import type { Tables } from './tables.ts'
import { MAX_LEVELS, RETRY_MS } from './types.ts'
import type { Version } from './version.ts'
import type { Versions } from './versions.ts'

/** What the work is done on. */
export interface BackgroundOptions {
  readonly workshop: Omit<Workshop, 'takeNumber'>
  readonly memory: Memory
  readonly tables: Tables
  readonly versions: Versions
  /** The manifest in force. */
  readonly manifest: Manifest
  readonly limits: CompactionLimits
  /** A table of a compaction is full once its data has so many bytes. */
  readonly tableBytes: number
  /** The sequences of open snapshots, rising. */
  snapshots(): number[]
  /** Makes the log durable up to `position`. */
  logDurable(position: number): Promise<void>
  /** Everything up to `position` is in tables, for good. */
  onFlushed(position: number): void
  /** Called when work has ended, or was put off for want of space. */
  onProgress(): void
  /** Takes note of an error that ends the work of the store. */
  fail(error: unknown): void
}

/** Thrown inside to leave work that closing has made needless. */
const CANCELLED = new BedplateError('CLOSED', 'the work was cancelled: the store is being closed')
/** Bounds of a wait for the next table to be too old: clocks jump. */
const MIN_WATCH_MS = 1000
const MAX_WATCH_MS = 3_600_000
/** Above every key of every tree. */
const END = internalKey(MAX_TREE_ID + 1, new Uint8Array(0))
const EVERYTHING = { start: new Uint8Array(0), end: END, reverse: false }

export class Background {
  manifest: Manifest
  flushes = 0
  compactions = 0
  /** Bytes of keys and values that flushes took from memory, and bytes written to tables altogether. */
  flushedBytes = 0
  writtenBytes = 0
  /** True if the last try found no space. */
  isStarved = false
  private readonly options: BackgroundOptions
  private readonly workshop: Workshop
  private nextNumber: number
  private running: Promise<void> | undefined
  private wantsAll = false
  private cancelRetry: Cancel = () => {}
  private isClosing = false
  private failure: unknown
  /** What a compaction has read that is damaged: there are no more of them, and everything else goes on. */
  private damage: unknown

  constructor(options: BackgroundOptions) {
    this.options = options
    this.manifest = options.manifest
    this.nextNumber = options.manifest.nextNumber
    this.workshop = { ...options.workshop, takeNumber: () => this.nextNumber++ }
  }

  /** Begins what is due, if nothing is being done. */
  wake(): void {
    if (this.isClosing || this.running !== undefined || !this.isDue()) return
    this.cancelRetry()
    this.running = this.run().finally(() => {
      this.running = undefined
      if (!this.isStarved) this.watchExpiry()
      if (!this.isStarved) this.wake() // what became due while it was ending
    })
  }

  /** Resolves when memtables that are frozen now are tables. @throws DISK_FULL if there is no space for that. */
  async flushed(): Promise<void> {
    const { memory } = this.options
    const last = memory.frozen[0]
    while (last !== undefined && memory.frozen.includes(last) && !this.isClosing) {
      this.wake()
      await this.running
      this.assertAlive()
      if (this.isStarved && memory.frozen.includes(last)) throw noSpace(this.workshop.path)
    }
  }

  /** Merges all that is in tables now into one level. */
  async compactAll(): Promise<void> {
    await this.flushed()
    this.wantsAll = true
    while (this.wantsAll && !this.isClosing) {
      this.wake()
      await this.running
      this.assertAlive()
      if (this.damage !== undefined) throw this.damage
      if (this.isStarved) throw noSpace(this.workshop.path)
    }
  }

  /** Resolves when nothing is due any more. */
  async settled(): Promise<void> {
    while (this.running !== undefined) await this.running
  }

  /** Ends the work: flushes what is frozen, if there is space, and leaves compactions. */
  async close(): Promise<void> {
    this.isClosing = true
    this.cancelRetry()
    await this.settled()
    if (this.failure !== undefined) return
    try {
      while (this.options.memory.frozen.length > 0) await this.flushOldest()
    } catch (error) {
      if (!isCode(error, 'DISK_FULL')) throw this.failed(error)
    }
  }

  // -- what is due --------------------------------------------------------------------------------------------------

  private isDue(): boolean {
    if (this.failure !== undefined) return false
    if (this.options.memory.frozen.length > 0 || this.wantsAll) return true
    if (this.damage !== undefined) return false
    return this.pick(false) !== undefined
  }

  private pick(isAll: boolean): Compaction | undefined {
    const { versions, limits } = this.options
    const choose = isAll ? compactionOfAll : pickCompaction
    return choose(versions.current, this.manifest.plan, limits, this.workshop.clock.now())
  }

  /** Comes back when the next table of a FIFO store is too old. */
  watchExpiry(): void {
    const { clock } = this.workshop
    const expiryMs = nextExpiryMs(this.options.versions.current, this.manifest.plan)
    if (expiryMs === undefined || this.isClosing || this.failure !== undefined) return
    const afterMs = Math.min(MAX_WATCH_MS, Math.max(MIN_WATCH_MS, expiryMs - clock.now()))
    this.cancelRetry()
    this.cancelRetry = clock.timer(afterMs, () => {
      this.wake()
      if (this.running === undefined) this.watchExpiry()
    })
  }

  private async run(): Promise<void> {
    const { memory } = this.options
    try {
      while (!this.isClosing) {
        await this.workshop.clock.turn() // never in the turn of a writer
        if (memory.frozen.length > 0) {
          await this.flushOldest()
        } else {
          const isAll = this.wantsAll
          const compaction = this.pick(isAll)
          if (compaction !== undefined && this.damage === undefined) await this.compactOrNoteDamage(compaction)
          else if (!isAll) return
          if (isAll) this.wantsAll = false
        }
        this.isStarved = false
        this.options.onProgress()
      }
    } catch (error) {
      this.putOff(error)
    }
  }

  private putOff(error: unknown): void {
    if (error === CANCELLED) return
    if (!isCode(error, 'DISK_FULL')) {
      this.failed(error)
      return
    }
    this.isStarved = true
    this.wantsAll = false
    this.options.onProgress()
    this.cancelRetry = this.workshop.clock.timer(RETRY_MS, () => this.wake())
  }

  private failed(error: unknown): unknown {
    this.failure = error
    this.options.fail(error)
    this.options.onProgress()
    return error
  }

  private assertAlive(): void {
    if (this.failure !== undefined) throw this.failure
  }

  // -- flush --------------------------------------------------------------------------------------------------------

  /** Makes the oldest frozen memtable a table of level 0. */
  private async flushOldest(): Promise<void> {
    const { memory, versions, logDurable, onFlushed } = this.options
    const { mutant } = this.workshop
    const oldest = memory.frozen.at(-1) as Frozen
    const { memtable, position } = oldest
    const catalogue = lacks(mutant, 'catalogue of L') ? memory.catalogue : oldest.catalogue
    const made = await this.merge([memtable.cursor(EVERYTHING, false)], memtable.tombstones, {
      older: versions.current.runs,
      tableBytes: Number.POSITIVE_INFINITY,
      onSlice: async () => {},
    })
    await logDurable(position)
    const added = made.map((table) => ({ level: 0, table }))
    await this.replace(made, versions.current.with({ removed: new Set(), added }), { position, catalogue })
    memory.frozen = memory.frozen.filter((other) => other !== oldest)
    this.flushes++
    this.flushedBytes += memtable.contentBytes
    onFlushed(position)
  }

  // -- compaction ---------------------------------------------------------------------------------------------------

  /** Damaged bytes end compactions: what can be read still can, and nothing that is damaged is written again. */
  private async compactOrNoteDamage(compaction: Compaction): Promise<void> {
    try {
      await this.compact(compaction)
    } catch (error) {
      if (!isCode(error, 'CORRUPTION') && !isCode(error, 'INCOMPATIBLE')) throw error
      this.damage = error
    }
  }

  private async compact(compaction: Compaction): Promise<void> {
    const { versions } = this.options
    const { kind, level, inputs } = compaction
    const made = kind === 'merge' ? await this.mergeTables(compaction) : []
    const removed = new Set(inputs.map(({ number }) => number))
    const added = (kind === 'move' ? inputs : made).map((table) => ({ level, table }))
    // A flush may have changed the version meanwhile: what it added stays.
    await this.replace(made, versions.current.with({ removed, added }))
    this.compactions++
  }

  private async mergeTables({ level, inputs, older }: Compaction): Promise<TableInfo[]> {
    const { tables, versions } = this.options
    // What stays in level 0 is one sorted run a table.
    const tableBytes = level === 0 ? Number.POSITIVE_INFINITY : this.options.tableBytes
    const tombstones = new RangeTombstones()
    for (const info of inputs) {
      if (info.rangeTombstoneCount === 0) continue
      for (const each of (await tables.metaAsync(info)).tombstones.list) tombstones.add(each)
    }
    // Nothing else takes tables out of the version in force, so the inputs stay.
    const cursors = runsOf(inputs, versions.current).map((run) => new RunCursor(tables, run, EVERYTHING))
    return await this.merge(cursors, tombstones, { older, tableBytes, onSlice: () => this.letFlushesGoFirst() })
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

  /** Between two slices of a compaction, which ends here when the store is closed. */
  private async letFlushesGoFirst(): Promise<void> {
    if (this.isClosing) throw CANCELLED
    if (this.options.memory.frozen.length === 0) return
    await this.flushOldest()
    this.options.onProgress()
  }

  // -- the manifest -------------------------------------------------------------------------------------------------

  /** Puts `version` in force, durably. @param made - Its new tables: removed again if there is no space for a manifest. */
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
      if (isCode(error, 'DISK_FULL')) for (const { number } of made) discard(disk, `${path}/${tableName(number)}`)
      throw error
    }
    this.manifest = next
    if (versions.current !== version) versions.install(version)
  }
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

function noSpace(path: string): BedplateError {
  return new BedplateError('DISK_FULL', `${path}: no space to write tables`, {
    hint: 'free some space on the disk; nothing was lost, and it is tried again by itself',
  })
}
