// The engine of a store, on bytes: applies commits at once to a memtable, logs their outcome, and has full memtables written to
// tables in the background. One writer; every method that is not async runs in one turn.
//
// Invariants:
//   1. Memtables and tables together are the state after log record `position`; the tables alone that after the manifest's.
//   2. What a source holds of a key is newer than what any source behind it holds: memtables, level 0, level 1, ...
//   3. Space in the log is reserved before anything in memory changes.
//   4. After a failed write or sync nothing is accepted any more: what is on disk is unknown until reopened.
import { BedplateError } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import type { Disk, DiskLock } from '../../io/disk.ts'
import type { Durability, Log } from '../log/types.ts'
import { lacks } from '../mutant.ts'
import { checkCommitBytes, contentBytes } from '../ordered/operation.ts'
import { WHOLE_RANGE } from '../ordered/range.ts'
import { notify, type WriteObserver } from '../ordered/read-set.ts'
import { RecordWriter } from '../ordered/record.ts'
import { Background } from './background.ts'
import type { Workshop } from './build-tables.ts'
import type { Catalogue } from './catalogue.ts'
import { encodeCommit, type LsmOperation } from './commit.ts'
import type { CompactionLimits } from './compaction.ts'
import { Emitter } from './events.ts'
import type { KeySpan } from './internal-key.ts'
import type { Manifest } from './manifest.ts'
import type { Memory } from './memory.ts'
import type { Mutant } from './mutant.ts'
import type { ReadState } from './read-state.ts'
import { closedBeforeNamed, isShortage, shortOf } from './shortage.ts'
import { type TableInfo, withSequence } from './table-format.ts'
import type { Tables } from './tables.ts'
import { LEAST_CACHE_SHARE, MAX_FROZEN_MEMTABLES, MEMTABLE_OVERRUN, MEMTABLE_OVERRUN_BYTES } from './types.ts'
import { Versions } from './versions.ts'
import { Works } from './works.ts'

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

/** Somebody who waits until the manifest names what was ingested. */
interface Attached {
  readonly position: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Writers that wait until a memtable has become a table. */
interface Stall {
  readonly since: number
  /** In memtables, at its beginning. */
  readonly bytes: number
  readonly ended: Promise<void>
  readonly end: () => void
}

export class Engine {
  readonly path: string
  readonly readOnly: boolean
  readonly disk: Disk
  readonly clock: Clock
  readonly memory: Memory
  readonly tables: Tables
  readonly log: Log
  readonly versions: Versions
  readonly background: Background
  readonly mutant: Mutant | undefined
  readonly memoryBytes: number
  readonly limits: CompactionLimits
  /** One for each transaction that runs. */
  readonly observers = new Set<WriteObserver>()
  readonly events = new Emitter()
  stalls = { count: 0, totalMs: 0 }
  private readonly parts: EngineParts
  private readonly record = new RecordWriter()
  private readonly pins = new Set<Pin>()
  private readonly works = new Works()
  private readonly attached = new Set<Attached>()
  /** Log records from this one on are not written: the manifest does not name tables yet that are older than them. */
  private heldFrom = Number.POSITIVE_INFINITY
  private stall: Stall | undefined
  private failure: BedplateError | undefined
  private isOpen = true
  private closed: Promise<void> | undefined

  constructor(parts: EngineParts) {
    const { workshop, memory, tables, log, manifest, limits, tableBytes } = parts
    this.parts = parts
    this.path = workshop.path
    this.mutant = workshop.mutant
    this.disk = workshop.disk
    this.clock = workshop.clock
    this.readOnly = parts.readOnly
    this.memoryBytes = parts.memoryBytes
    this.limits = limits
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
      events: this.events,
      limits,
      tableBytes,
      snapshots: () => [...new Set([...this.pins].map(({ position }) => position))].sort((a, b) => a - b),
      logDurable: (position) => log.flushedTo(Math.min(position, this.heldFrom - 1)),
      onFlushed: (position) => this.passed(position),
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
    return [...this.memory.layers, ...this.versions.current.runs]
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
    this.commit(bytes)
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

  /** The same, then merges what tables hold of the keys in `span`. */
  async compact(span: KeySpan): Promise<void> {
    await this.flush()
    await this.background.compact(span)
  }

  /** The id of a tree, which is made if there is none. @throws DISK_FULL, and then nothing has changed. */
  idFor(tree: string): number {
    this.assertWritable()
    const id = this.memory.catalogue.ids.get(tree)
    if (id !== undefined) return id
    const { nextTreeId } = this.memory.catalogue
    this.record.begin()
    this.record.createTree(nextTreeId, Buffer.from(tree))
    this.commit(this.record.bytes)
    return nextTreeId
  }

  /**
   * Puts tables that were made apart above all that there is, at one instant. The log is held back from there on until the
   * manifest names them: what is written later is never durable without them.
   * @param tables - In order, without a shared key, all of tree `id`.
   * @returns Resolves when the manifest names them.
   * @throws DISK_FULL, CONFLICT, and then nothing has changed and the tables are the caller's.
   */
  attach(tree: string, id: number, tables: readonly TableInfo[]): Promise<void> {
    this.assertWritable()
    const { memory, log, versions, record } = this
    if (memory.catalogue.ids.get(tree) !== id)
      throw new BedplateError('CONFLICT', 'the tree was dropped while entries were ingested into it')
    record.begin()
    record.bulkLoad(id)
    const isFirst = this.heldFrom === Number.POSITIVE_INFINITY
    if (isFirst) this.holdLog() // before reserving: what is held needs room of its own
    try {
      this.reserve(record.bytes.length)
    } catch (error) {
      if (isFirst) this.releaseLog()
      throw error
    }
    memory.freeze()
    this.change(() => memory.apply(log.lastPosition + 1, record.bytes))
    const sequenced = tables.map((table) => withSequence(table, memory.position))
    memory.ingest(sequenced)
    versions.install(versions.current.withPending(sequenced))
    log.append(record.bytes)
    for (const observer of this.observers) observer.wroteRange(tree, WHOLE_RANGE)
    const { position } = memory
    const named = new Promise<void>((resolve, reject) => void this.attached.add({ position, resolve, reject }))
    this.background.wake()
    return named
  }

  /** Runs `work`; the files are not let go before it has ended. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    return await this.works.during(work)
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
      await this.works.ended() // each finds the store closed at its next step
      if (this.standingFailure() === undefined) this.memory.freeze()
      await this.background.close()
      const failure = this.standingFailure()
      if (failure === undefined) {
        await this.closeLog()
        return
      }
      const kept = Math.max(log.durablePosition, this.background.work.manifest.position)
      // With `sync`, the promise of every write that may be lost has said so itself.
      if (kept < this.position && this.parts.durability !== 'sync') throw failure
    } finally {
      this.endStall()
      this.rejectAttached(this.failure ?? closedBeforeNamed(this.path))
      log.abandon()
      this.versions.close()
      this.tables.close()
      this.parts.lock.release()
    }
  }

  /** What is logged behind tables that the manifest does not name, for want of space, must not be written. */
  private async closeLog(): Promise<void> {
    const { log, heldFrom } = this
    if (heldFrom === Number.POSITIVE_INFINITY) {
      await log.close()
      return
    }
    await log.flushedTo(heldFrom - 1)
    const error = closedBeforeNamed(this.path)
    log.abandon(error)
    throw error
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

  /** True if the log is held back, and there is no space for what would end that. */
  get isWaitingForSpace(): boolean {
    return this.isOpen && this.background.shortage !== undefined && this.heldFrom !== Number.POSITIVE_INFINITY
  }

  /** Resolves when everything up to `position` is durable. @throws DISK_FULL where that has to wait for space. */
  async flushedTo(position: number): Promise<void> {
    let isDone = false
    const durable = this.log.flushedTo(position).then(() => {
      isDone = true
    })
    durable.catch(() => {}) // it may end after this has
    // What is held back waits for tables, and they may have to wait for space.
    while (!isDone && position >= this.heldFrom) {
      if (this.isWaitingForSpace) throw shortOf(this.path, this.background.shortage)
      await Promise.race([durable, this.background.progressed()])
    }
    await durable
  }

  // -- inside ---------------------------------------------------------------------------------------------------

  /** Applies a record and logs it. @throws DISK_FULL, and then nothing has changed. */
  private commit(record: Uint8Array): void {
    const { memory, log } = this
    const isLate = lacks(this.mutant, 'space first')
    if (!isLate) this.reserve(record.length)
    this.change(() => memory.apply(log.lastPosition + 1, record))
    if (isLate) this.reserve(record.length)
    log.append(record)
  }

  private holdLog(): void {
    if (lacks(this.mutant, 'log until ingested')) return
    this.log.hold()
    this.heldFrom = this.log.lastPosition + 1
  }

  private releaseLog(): void {
    this.log.release()
    this.heldFrom = Number.POSITIVE_INFINITY
  }

  /** The manifest is past `position`: so much of the log is not needed, and what waited for that goes on. */
  private passed(position: number): void {
    const { log, memory } = this
    for (const each of this.attached) {
      if (each.position > position) continue
      this.attached.delete(each)
      each.resolve()
    }
    if (memory.hasIngested) return // the log is held back still
    if (this.heldFrom !== Number.POSITIVE_INFINITY) this.releaseLog()
    log.discardUpTo(lacks(this.mutant, 'log until flushed') ? this.position : position)
  }

  /** Refuses writes that memory has no room for, and those that could only wait. */
  private admit(): void {
    const { memory, background } = this
    if (this.isWaitingForSpace) {
      background.wake()
      throw shortOf(this.path, background.shortage)
    }
    const isFull = memory.active.bytes >= this.parts.memtableBytes && memory.frozenCount >= MAX_FROZEN_MEMTABLES
    if (!isFull) return
    background.wake()
    if (background.shortage !== undefined) throw shortOf(this.path, background.shortage)
    if (memory.active.bytes < Math.max(MEMTABLE_OVERRUN * this.parts.memtableBytes, MEMTABLE_OVERRUN_BYTES)) return
    throw new BedplateError('UNAVAILABLE', `${this.path}: too much was written without waiting; nothing was changed`, {
      hint: 'await the promises of writes now and then',
    })
  }

  private shareMemory(): void {
    const { memory, memoryBytes, tables } = this
    tables.limitCache(Math.max(LEAST_CACHE_SHARE * memoryBytes, memoryBytes - memory.bytes))
  }

  private reserve(bytes: number): void {
    try {
      this.log.reserve(bytes)
    } catch (error) {
      if (!isShortage(error)) this.fail(error)
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
    if (!memory.isFull(this.parts.memtableBytes)) return
    if (memory.frozenCount < MAX_FROZEN_MEMTABLES) {
      memory.freeze()
      this.background.wake()
    } else if (this.stall === undefined && this.background.shortage === undefined) this.beginStall()
  }

  /** From here on the promises of writes wait for a flush. */
  private beginStall(): void {
    let end = (): void => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    this.stall = { since: this.clock.monotonic(), bytes: this.memory.bytes, ended, end }
    this.stalls.count++
  }

  private endStall(): void {
    const { stall, memory } = this
    if (stall === undefined) return
    const isOver =
      memory.frozenCount < MAX_FROZEN_MEMTABLES || this.background.shortage !== undefined || this.failure !== undefined
    if (!isOver && this.isOpen) return
    this.stall = undefined
    const milliseconds = (this.clock.monotonic() - stall.since) / 1e6
    this.stalls.totalMs += milliseconds
    stall.end()
    this.events.emit('stall', { bytes: stall.bytes, milliseconds })
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
    this.rejectAttached(this.failure)
    // What is held back must never be written: it could be durable without what was ingested before it.
    if (this.heldFrom !== Number.POSITIVE_INFINITY) this.log.abandon(this.failure)
    return this.failure
  }

  private rejectAttached(error: Error): void {
    for (const { reject } of this.attached) reject(error)
    this.attached.clear()
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
