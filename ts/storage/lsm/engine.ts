// The engine of a store, on bytes: applies commits at once to a memtable, logs their outcome, and has full memtables written to
// tables in the background. One writer; every method that is not async runs in one turn.
//
// Invariants:
//   1. Memtables and tables together are the state after log record `position`; the tables alone that after the manifest's.
//   2. What a source holds of a key is newer than what any source behind it holds: memtables, level 0, level 1, ...
//   3. Space in the log is reserved before anything in memory changes.
//   4. After a failed write or sync nothing is accepted any more: what is on disk is unknown until reopened.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import type { DiskLock } from '../../io/disk.ts'
import type { Durability, Log } from '../log/types.ts'
import { lacks } from '../mutant.ts'
import { checkCommitBytes, contentBytes } from '../ordered/operation.ts'
import { notify, type WriteObserver } from '../ordered/read-set.ts'
import { RecordWriter } from '../ordered/record.ts'
import { Background } from './background.ts'
import type { Workshop } from './build-tables.ts'
import type { Catalogue } from './catalogue.ts'
import { encodeCommit, type LsmOperation } from './commit.ts'
import type { CompactionLimits } from './compaction.ts'
import type { Manifest } from './manifest.ts'
import type { Memory } from './memory.ts'
import type { Mutant } from './mutant.ts'
import type { ReadState } from './read-state.ts'
import type { Tables } from './tables.ts'
import { MAX_FROZEN_MEMTABLES, MEMTABLE_OVERRUN, MEMTABLE_OVERRUN_BYTES } from './types.ts'
import { Versions } from './versions.ts'

/** A moment that is kept readable. */
export interface Pin {
  /** The log position it shows. */
  readonly position: number
  /** The trees as they were. */
  readonly catalogue: Catalogue
  readonly sinceMs: number
  /** @throws CLOSED once it has been closed. */
  assertOpen(): void
  close(): void
}

/** What an open store consists of; made by `openEngine`. */
export interface EngineParts {
  workshop: Omit<Workshop, 'takeNumber' | 'durably'>
  lock: DiskLock
  readOnly: boolean
  memory: Memory
  tables: Tables
  manifest: Manifest
  log: Log
  durability: Durability
  memtableBytes: number
  /** Bound of memtables, blocks, filters and indexes together: the cache gets what memtables do not take. */
  memoryBytes: number
  tableBytes: number
  limits: CompactionLimits
}

/** Writers that wait until a memtable has become a table. */
interface Stall {
  readonly since: number
  readonly ended: Promise<void>
  readonly end: () => void
}

export class Engine {
  readonly path: string
  readonly readOnly: boolean
  readonly clock: Clock
  readonly memory: Memory
  readonly tables: Tables
  readonly log: Log
  readonly versions: Versions
  readonly background: Background
  readonly mutant: Mutant | undefined
  readonly memoryBytes: number
  /** One for each transaction that runs. */
  readonly observers = new Set<WriteObserver>()
  stalls = { count: 0, totalMs: 0 }
  private readonly parts: EngineParts
  private readonly record = new RecordWriter()
  private readonly pins = new Set<Pin>()
  private stall: Stall | undefined
  private failure: BedplateError | undefined
  private isOpen = true
  private closed: Promise<void> | undefined

  constructor(parts: EngineParts) {
    const { workshop, memory, tables, log, manifest, limits, tableBytes } = parts
    this.parts = parts
    this.path = workshop.path
    this.mutant = workshop.mutant
    this.clock = workshop.clock
    this.readOnly = parts.readOnly
    this.memoryBytes = parts.memoryBytes
    this.memory = memory
    this.tables = tables
    this.log = log
    this.versions = new Versions(manifest.version, workshop, tables)
    this.background = new Background({
      workshop: { ...workshop, durably: (sync) => this.durably(sync) },
      memory,
      tables,
      versions: this.versions,
      manifest,
      limits,
      tableBytes,
      snapshots: () => [...new Set([...this.pins].map(({ position }) => position))].sort((a, b) => a - b),
      logDurable: (position) => log.flushedTo(position),
      onFlushed: (position) => this.log.discardUpTo(lacks(this.mutant, 'log until flushed') ? this.position : position),
      onProgress: () => {
        this.shareMemory()
        this.endStall()
      },
      fail: (error) => void this.fail(error),
    })
    this.shareMemory()
    if (this.readOnly) return
    this.background.wake()
    this.background.watchExpiry()
  }

  get position(): number {
    return this.memory.position
  }

  // -- reading --------------------------------------------------------------------------------------------------

  /** Everything there is now. */
  get state(): ReadState {
    return { version: this.versions.current, memtables: this.memory.memtables }
  }

  /** The same, with the files that it needs kept until `release`. */
  hold(): { state: ReadState; release: () => void } {
    const release = this.versions.hold()
    return { state: this.state, release }
  }

  /** Keeps this moment readable until the pin is closed. */
  pin(): Pin {
    this.assertOpen()
    const { pins } = this
    const pin: Pin = {
      position: this.position,
      catalogue: this.memory.catalogue,
      sinceMs: this.clock.now(),
      assertOpen() {
        if (!pins.has(pin)) throw new BedplateError('CLOSED', 'the snapshot is closed')
      },
      close: () => void pins.delete(pin),
    }
    pins.add(pin)
    return pin
  }

  get openPins(): ReadonlySet<Pin> {
    return this.pins
  }

  // -- writing --------------------------------------------------------------------------------------------------

  /** Applies all of `operations` at one instant. @returns The promise of their durability. */
  apply(operations: readonly LsmOperation[]): Promise<void> {
    this.assertWritable()
    checkCommitBytes(contentBytes(operations)) // before anything is copied
    const { record, memory, log } = this
    encodeCommit(record, operations, memory.catalogue)
    const { bytes } = record
    if (bytes.length === 0) return log.acknowledged // nothing to remove
    checkCommitBytes(bytes.length)
    this.admit()
    const isLate = lacks(this.mutant, 'space first')
    if (!isLate) this.reserve(bytes.length)
    this.change(() => memory.apply(log.lastPosition + 1, bytes))
    if (isLate) this.reserve(bytes.length)
    log.append(bytes)
    this.shareMemory()
    notify(this.observers, operations)
    this.freezeIfFull()
    return this.stall === undefined ? log.acknowledged : behind(this.stall.ended, log.acknowledged)
  }

  // -- work on the whole store ----------------------------------------------------------------------------------

  /** Writes what is in memory to tables. */
  async flush(): Promise<void> {
    this.assertWritable()
    this.memory.freeze()
    await this.background.flushed()
  }

  /** The same, then merges all tables. */
  async compact(): Promise<void> {
    await this.flush()
    await this.background.compactAll()
  }

  /** Flushes, and lets go of the files. Open pins and handles are of no use afterwards. */
  close(): Promise<void> {
    this.closed ??= this.closeOnce()
    return this.closed
  }

  private async closeOnce(): Promise<void> {
    this.isOpen = false
    const { log } = this
    try {
      if (this.readOnly) return
      if (this.standingFailure() === undefined) this.memory.freeze()
      await this.background.close()
      const failure = this.standingFailure()
      if (failure === undefined) {
        await log.close()
        return
      }
      const kept = Math.max(log.durablePosition, this.background.manifest.position)
      // With `sync`, the promise of every write that may be lost has said so itself.
      if (kept < this.position && this.parts.durability !== 'sync') throw failure
    } finally {
      this.endStall()
      log.abandon()
      this.versions.close()
      this.tables.close()
      this.parts.lock.release()
    }
  }

  assertOpen(): void {
    if (!this.isOpen) throw new BedplateError('CLOSED', `the store ${this.path} is closed`)
    const failure = this.standingFailure()
    if (failure !== undefined) throw failure
  }

  assertWritable(): void {
    this.assertOpen()
    if (this.readOnly) throw new BedplateError('READ_ONLY', `the store ${this.path} was opened for reading only`)
  }

  // -- inside ---------------------------------------------------------------------------------------------------

  /** Refuses writes that memory has no room for. */
  private admit(): void {
    const { memory, background } = this
    const isFull = memory.active.bytes >= this.parts.memtableBytes && memory.frozen.length >= MAX_FROZEN_MEMTABLES
    if (!isFull) return
    background.wake()
    if (background.isStarved) {
      throw new BedplateError('DISK_FULL', `${this.path}: no space to write tables`, {
        hint: 'free some space on the disk; nothing was changed',
      })
    }
    if (memory.active.bytes < Math.max(MEMTABLE_OVERRUN * this.parts.memtableBytes, MEMTABLE_OVERRUN_BYTES)) return
    throw new BedplateError('UNAVAILABLE', `${this.path}: too much was written without waiting; nothing was changed`, {
      hint: 'await the promises of writes now and then',
    })
  }

  private shareMemory(): void {
    this.tables.limitCache(this.memoryBytes - this.memory.bytes)
  }

  private reserve(bytes: number): void {
    try {
      this.log.reserve(bytes)
    } catch (error) {
      if (!isCode(error, 'DISK_FULL') && !isCode(error, 'UNAVAILABLE')) this.fail(error)
      throw error
    }
  }

  private change(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  private freezeIfFull(): void {
    const { memory } = this
    if (memory.active.bytes < this.parts.memtableBytes) return
    if (memory.frozen.length < MAX_FROZEN_MEMTABLES) {
      memory.freeze()
      this.background.wake()
    } else if (this.stall === undefined && !this.background.isStarved) this.beginStall()
  }

  /** From here on the promises of writes wait for a flush. */
  private beginStall(): void {
    let end = (): void => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    this.stall = { since: this.clock.monotonic(), ended, end }
    this.stalls.count++
  }

  private endStall(): void {
    const { stall, memory } = this
    if (stall === undefined) return
    const isOver =
      memory.frozen.length < MAX_FROZEN_MEMTABLES || this.background.isStarved || this.failure !== undefined
    if (!isOver && this.isOpen) return
    this.stall = undefined
    this.stalls.totalMs += (this.clock.monotonic() - stall.since) / 1e6
    stall.end()
    if (this.isOpen && this.failure === undefined) this.freezeIfFull()
  }

  /** Runs a sync. If it fails, what is on disk is unknown: also for want of space it is no refusal. */
  private async durably(sync: () => Promise<void>): Promise<void> {
    try {
      await sync()
    } catch (error) {
      throw this.fail(error)
    }
  }

  /** Takes no more work: what is on disk is unknown until the store is reopened. @returns What to throw from now on. */
  private fail(error: unknown): BedplateError {
    this.failure ??= new BedplateError(
      'IO',
      `the store ${this.path} failed and takes no more work until it is reopened`,
      {
        cause: error,
        hint: 'close it, see to the disk, and open it again: what was acknowledged is recovered',
      },
    )
    return this.failure
  }

  private standingFailure(): BedplateError | undefined {
    const { failure: cause } = this.log
    if (cause !== undefined) this.fail(cause)
    return this.failure
  }
}

/** What `acknowledged` comes to, once `ended` has come. Nobody has to listen to it. */
function behind(ended: Promise<void>, acknowledged: Promise<void>): Promise<void> {
  const both = ended.then(() => acknowledged)
  both.catch(() => {})
  return both
}
