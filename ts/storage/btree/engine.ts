// The engine of a store, on bytes: applies commits at once to the tree in memory, logs their outcome, folds the log into
// the data file by checkpoints. One writer; every method that is not async runs in one turn.
//
// Invariants:
//   1. The tree in memory is the state after log record `position`. A checkpoint is exactly the state at its position.
//   2. Space in the log is reserved, and long values are written, before anything in memory changes.
//   3. After a failed write or fsync nothing is accepted any more: what is on disk is unknown until reopened.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import type { Disk, DiskLock } from '../../io/disk.ts'
import type { Random } from '../../io/random.ts'
import type { Durability, Log } from '../log/types.ts'
import { lacks } from '../mutant.ts'
import { type ByteOperation, checkCommitBytes, contentBytes } from '../ordered/operation.ts'
import { WHOLE_RANGE } from '../ordered/range.ts'
import { notify, type WriteObserver } from '../ordered/read-set.ts'
import { RecordWriter } from '../ordered/record.ts'
import { type Catalogue, lookUpTree } from './catalogue.ts'
import {
  type CheckpointTarget,
  epochsOf,
  type MetaState,
  pagesOfNextCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts'
import type { Mutant } from './mutant.ts'
import { type LeafValue, NO_PAGE, type PageReference } from './page.ts'
import type { Pager } from './pager.ts'
import { dropPrepared, prepareValue, type Tree } from './tree.ts'

/** A moment that is kept readable. */
export interface Pin {
  readonly pager: Pager
  readonly catalogue: PageReference
  /** The log position it shows. */
  readonly position: number
  readonly sinceMs: number
  /** Another holder of the same moment: it ends when all have closed. */
  share(): Pin
  /** Throws CLOSED if this holder has closed. */
  assertOpen(): void
  close(): void
}

/** What the holders of one pinned moment share. */
interface SharedMoment {
  pager: Pager
  epoch: number
  catalogue: PageReference
  position: number
  sinceMs: number
  holders: number
}

/** What an open store consists of; made by `openEngine`. */
export interface EngineParts {
  disk: Disk
  clock: Clock
  random: Random
  path: string
  lock: DiskLock | undefined
  readOnly: boolean
  pager: Pager
  catalogue: Catalogue
  log: Log
  metas: MetaState
  durability: Durability
  checkpointLogBytes: number
  denseCloseBytes: number
  cacheBytes: number
  mutant?: Mutant | undefined
}

export class Engine {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly path: string
  readonly readOnly: boolean
  readonly cacheBytes: number
  readonly mutant: Mutant | undefined
  pager: Pager
  catalogue: Catalogue
  readonly log: Log
  metas: MetaState
  checkpoints = 0
  /** Called after every change of figures that a watcher may want. */
  onCheckpoint: () => void = () => {}
  /** One for each transaction that runs. */
  readonly observers = new Set<WriteObserver>()
  /** Page numbers of bulk loads under way. */
  readonly unattached = new Set<number>()

  private readonly lock: DiskLock | undefined
  private readonly durability: Durability
  private readonly checkpointLogBytes: number
  private readonly denseCloseBytes: number
  private readonly record = new RecordWriter()
  private readonly pins = new Set<Pin>()
  /** Files that compaction has replaced and that pins still read. */
  private readonly replaced = new Set<Pager>()
  private logBytesSinceCheckpoint = 0
  private failure: BedplateError | undefined
  private isOpen = true
  private closed: Promise<void> | undefined
  /** The end of the queue of checkpoints and everything else that replaces metas. */
  private exclusive: Promise<unknown> = Promise.resolve()
  private checkpointQueued = false
  private loads = 0
  private compacting = false
  private onRecord: ((record: Uint8Array) => void) | undefined

  constructor(parts: EngineParts) {
    this.disk = parts.disk
    this.clock = parts.clock
    this.random = parts.random
    this.path = parts.path
    this.lock = parts.lock
    this.readOnly = parts.readOnly
    this.pager = parts.pager
    this.catalogue = parts.catalogue
    this.log = parts.log
    this.metas = parts.metas
    this.durability = parts.durability
    this.checkpointLogBytes = parts.checkpointLogBytes
    this.denseCloseBytes = parts.denseCloseBytes
    this.cacheBytes = parts.cacheBytes
    this.mutant = parts.mutant
  }

  get position(): number {
    return this.log.lastPosition
  }

  // -- reading --------------------------------------------------------------------------------------------------

  /** The root of a tree of the current state. */
  root(tree: string): PageReference {
    return this.catalogue.tree(tree)?.root ?? NO_PAGE
  }

  /** The value, as a view that dies with the next write. */
  get(tree: string, key: Uint8Array): Uint8Array | undefined {
    this.assertOpen()
    const value = this.catalogue.tree(tree)?.get(key)
    this.pager.trim()
    return value
  }

  has(tree: string, key: Uint8Array): boolean {
    this.assertOpen()
    const found = this.catalogue.tree(tree)?.has(key) ?? false
    this.pager.trim()
    return found
  }

  /** Keeps this moment readable until the pin is closed. */
  pin(): Pin {
    this.assertOpen()
    return this.pinNow()
  }

  /** The same for the engine's own work, which goes on while the store is being closed. */
  pinNow(): Pin {
    const { pager } = this
    const moment: SharedMoment = {
      pager,
      epoch: pager.openEpoch(),
      catalogue: this.catalogue.root,
      position: this.position,
      sinceMs: this.clock.now(),
      holders: 0,
    }
    return this.hold(moment)
  }

  private hold(moment: SharedMoment): Pin {
    const { pins } = this
    let open = true
    moment.holders++
    const pin: Pin = {
      ...moment,
      share: () => this.hold(moment),
      assertOpen() {
        if (!open) throw new BedplateError('CLOSED', 'the snapshot is closed')
      },
      close() {
        if (!open) return
        open = false
        pins.delete(pin)
        if (--moment.holders === 0) moment.pager.closeEpoch(moment.epoch)
      },
    }
    pins.add(pin)
    return pin
  }

  get openPins(): ReadonlySet<Pin> {
    return this.pins
  }

  // -- writing --------------------------------------------------------------------------------------------------

  /** Applies one `put`. @returns The promise of its durability. */
  put(treeName: string, key: Uint8Array, value: Uint8Array): Promise<void> {
    this.assertWritable()
    const existing = this.catalogue.tree(treeName)
    const treeId = existing?.id ?? this.catalogue.nextTreeId
    this.record.begin()
    if (existing === undefined) this.record.createTree(treeId, Buffer.from(treeName))
    this.record.put(treeId, key, value)
    this.reserve()
    const cells = lacks(this.mutant, 'values first') ? [] : [this.prepare(treeId, key, value)]
    this.change(cells, existing !== undefined, () => {
      const tree = existing ?? this.catalogue.create(treeId, treeName)
      const [cell = this.prepare(treeId, key, value)] = cells
      tree.put(key, cell)
    })
    for (const observer of this.observers) observer.wroteKey(treeName, key)
    return this.commit()
  }

  /** Applies all of `operations` at one instant. @returns The promise of their durability. */
  apply(operations: readonly ByteOperation[]): Promise<void> {
    this.assertWritable()
    const [only] = operations
    if (operations.length === 1 && only?.kind === 'put') return this.put(only.tree, only.key, only.value)
    checkCommitBytes(contentBytes(operations)) // before anything is copied
    const ids = this.encode(operations)
    if (this.record.bytes.length === 0) return this.log.acknowledged // nothing to remove
    this.reserve()
    const cells = this.prepareAll(operations, ids)
    this.change([...cells.values()], operations.length === 1 && operations[0]?.kind === 'delete', () => {
      for (const operation of operations) this.perform(operation, ids, cells)
    })
    notify(this.observers, operations)
    return this.commit()
  }

  // -- work on the whole store ----------------------------------------------------------------------------------

  /** The id that tree `name` has, or will have if it comes to exist: no other tree gets it. */
  idFor(name: string): number {
    return this.catalogue.tree(name)?.id ?? this.catalogue.nextTreeId++
  }

  /** Keeps compaction away while pages are written that belong to no state yet. */
  beginLoad(): () => void {
    if (this.compacting)
      throw new BedplateError('UNAVAILABLE', `${this.path} is being compacted: load again when that is done`)
    this.loads++
    return () => void this.loads--
  }

  /** Keeps bulk loads away while the data file is replaced. */
  beginCompaction(): () => void {
    if (this.loads > 0)
      throw new BedplateError('UNAVAILABLE', `a bulk load of ${this.path} is under way: compact when it is done`)
    this.compacting = true
    return () => {
      this.compacting = false
    }
  }

  /**
   * Makes a tree that was built apart the content of the empty tree `name`, durably. Only inside `runExclusive`.
   * @param pages - All pages of the built tree; from here on they are the state's.
   */
  async attach(
    name: string,
    treeId: number,
    built: { root: PageReference; keyCount: number },
    pages: readonly number[],
  ): Promise<void> {
    this.assertWritable()
    const existing = this.catalogue.tree(name)
    if (existing !== undefined && (existing.root.page !== 0 || existing.id !== treeId)) {
      throw new BedplateError('CONFLICT', 'others wrote to the tree while it was being loaded')
    }
    this.record.begin()
    if (existing === undefined) this.record.createTree(treeId, Buffer.from(name))
    this.record.bulkLoad(treeId)
    const before = this.position
    // First: what is held starts a group of its own, which is what needs the room.
    if (!lacks(this.mutant, 'held marker')) this.log.hold()
    try {
      this.reserve()
      if (!lacks(this.mutant, 'space for a load')) this.secureCheckpoint()
    } catch (error) {
      this.log.release()
      throw error
    }
    this.change([], false, () => {
      const tree = existing ?? this.catalogue.create(treeId, name)
      tree.replaceRoot(built.root, built.keyCount)
    })
    for (const page of pages) this.unattached.delete(page)
    this.log.append(this.record.bytes)
    for (const observer of this.observers) observer.wroteRange(name, WHOLE_RANGE)
    try {
      if (!lacks(this.mutant, 'load checkpoint')) await this.writeCheckpoint(before)
    } catch (error) {
      // The marker in the log must never be written without the pages: from here only reopening helps.
      const failure = this.fail(error)
      this.log.abandon(new BedplateError('IO', `outcome unknown: ${this.path} failed`, { cause: error }))
      throw failure
    }
    this.log.release()
    await this.log.flushed()
    // So that the fallback meta knows of the load too.
    if (!lacks(this.mutant, 'load in both metas')) await this.unlessRefused(() => this.writeCheckpoint())
  }

  /** Copies every record logged from now on, for a compacted file to catch up with. */
  collectRecords(maxBytes: number): { finish(): readonly Uint8Array[]; stop(): void } {
    const records: Uint8Array[] = []
    let bytes = 0
    this.onRecord = (record) => {
      bytes += record.length
      if (bytes <= maxBytes) records.push(record.slice())
    }
    const stop = (): void => {
      this.onRecord = undefined
    }
    return {
      stop,
      finish() {
        if (bytes <= maxBytes) return records
        throw new BedplateError('UNAVAILABLE', `more than ${maxBytes} bytes were written during the compaction`, {
          hint: 'compact again at a quieter time; nothing was lost',
        })
      },
    }
  }

  /** Goes on with another data file that holds the same state. */
  adopt(pager: Pager, catalogue: Catalogue, metas: MetaState): void {
    const { pager: old, replaced } = this
    this.pager = pager
    this.catalogue = catalogue
    this.metas = metas
    replaced.add(old)
    void old.closeWhenUnpinned().then(() => replaced.delete(old))
  }

  /** Runs I/O whose failure leaves the disk in an unknown state. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (lacks(this.mutant, 'failed name sync')) throw error
      throw this.fail(error)
    }
  }

  // -- durability -----------------------------------------------------------------------------------------------

  /** Folds the log into the data file: after it, reopening replays nothing older than this call. */
  checkpoint(): Promise<void> {
    this.assertWritable()
    return this.runExclusive(async () => {
      if (this.position > this.metas.current.position) await this.writeCheckpoint()
    })
  }

  /** Runs `work` when no checkpoint and no other such work is running. */
  runExclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = this.exclusive.then(work)
    this.exclusive = run.catch(() => {})
    return run
  }

  /** The checkpoint itself; only inside `runExclusive`. */
  async writeCheckpoint(flushTo?: number): Promise<void> {
    this.assertUsable()
    this.logBytesSinceCheckpoint = 0
    try {
      this.metas = await writeCheckpoint(this.checkpointTarget(), flushTo)
    } catch (error) {
      throw this.failed(error)
    }
    this.checkpoints++
    this.adoptMetas()
    this.onCheckpoint()
  }

  /** Lets go of what the replaced meta needed. */
  adoptMetas(): void {
    const { metas, mutant } = this
    const { current, older } = metas
    this.pager.metaEpochs = epochsOf(metas, mutant)
    this.pager.reclaim()
    const needed = older === undefined || lacks(mutant, 'log of the older meta') ? current : older
    this.log.discardUpTo(needed.position)
  }

  checkpointTarget(): CheckpointTarget {
    const { pager, catalogue, log, clock, metas, unattached, mutant } = this
    return { pager, catalogue, log, clock, metas, unattached, mutant }
  }

  /**
   * Folds everything in and lets go of the files. Open pins and handles are of no use afterwards. A store that failed
   * closes without complaint unless it would lose what it had acknowledged.
   * @param rewrite - Writes the data file anew; called if that is as good as a checkpoint.
   */
  close(rewrite: (engine: Engine) => Promise<void>): Promise<void> {
    this.closed ??= this.closeOnce(rewrite)
    return this.closed
  }

  private async closeOnce(rewrite: (engine: Engine) => Promise<void>): Promise<void> {
    this.isOpen = false
    try {
      await this.exclusive
      if (this.readOnly) return
      const failure = this.standingFailure()
      if (failure === undefined) {
        const { position } = this
        if (position > this.metas.current.position && this.isWasteful) await this.unlessRefused(() => rewrite(this))
        if (position > this.metas.current.position) await this.unlessRefused(() => this.writeCheckpoint())
        await this.log.close()
        return
      }
      const kept = Math.max(this.log.durablePosition, this.metas.current.position)
      // With `sync`, the promise of every write that may be lost has said so itself.
      if (kept < this.position && this.durability !== 'sync') throw failure
    } finally {
      this.log.abandon()
      for (const pager of [this.pager, ...this.replaced]) await pager.close()
      this.lock?.release()
    }
  }

  assertOpen(): void {
    if (!this.isOpen) throw new BedplateError('CLOSED', `the store ${this.path} is closed`)
    this.assertUsable()
  }

  assertWritable(): void {
    this.assertOpen()
    if (this.readOnly) throw new BedplateError('READ_ONLY', `the store ${this.path} was opened for reading only`)
  }

  /** Takes note of an error unless it is one that changed nothing. @returns What to throw. */
  private failed(error: unknown): unknown {
    if (!isRefusal(error) && !lacks(this.mutant, 'failure is final')) this.fail(error)
    return error
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

  // -- inside ---------------------------------------------------------------------------------------------------

  /** @throws IO once the store has failed. */
  assertUsable(): void {
    const failure = this.standingFailure()
    if (failure !== undefined) throw failure
  }

  /** What ended the work of this store, if something did. What its memory shows may then never have become durable. */
  private standingFailure(): BedplateError | undefined {
    const cause = this.log.failure ?? this.pager.failure
    if (cause !== undefined) this.fail(cause)
    return this.failure
  }

  /** Folds the log in, which a full disk may put off: the log has everything. */
  private async unlessRefused(foldIn: () => Promise<void>): Promise<void> {
    try {
      await foldIn()
    } catch (error) {
      if (!isRefusal(error)) throw error
    }
  }

  /** True if a dense copy is no more work than a checkpoint, and gives back half of a file that is not small. */
  private get isWasteful(): boolean {
    const { freeList, dirtyBytes, pageSizeBytes } = this.pager
    const unusedPages = freeList.freeCount + freeList.retiredCount + this.metas.freeListPages.length
    const usedPages = freeList.pageCount - unusedPages
    const givesBackMuch = unusedPages >= usedPages && unusedPages * pageSizeBytes >= this.denseCloseBytes
    return givesBackMuch && dirtyBytes * 2 >= usedPages * pageSizeBytes
  }

  /** Takes the space that a checkpoint begun in this turn will need, for one that no full disk may put off. */
  private secureCheckpoint(): void {
    try {
      this.pager.secureSpace(pagesOfNextCheckpoint(this.checkpointTarget()))
    } catch (error) {
      throw this.failed(error)
    }
  }

  private reserve(): void {
    if (this.pager.isStarved) {
      throw new BedplateError('DISK_FULL', `${this.path}: no space to write back changed pages`, {
        hint: 'free some space on the disk; nothing was changed',
      })
    }
    const bytes = this.record.bytes.length
    checkCommitBytes(bytes)
    if (lacks(this.mutant, 'space first')) return
    try {
      this.log.reserve(bytes)
    } catch (error) {
      throw this.failed(error)
    }
  }

  /** Writes all of `operations` into the record, new trees first. @returns The id of each tree they name. */
  private encode(operations: readonly ByteOperation[]): Map<string, number> {
    const { record, catalogue } = this
    const ids = new Map<string, number>()
    let nextId = catalogue.nextTreeId
    record.begin()
    for (const operation of operations) {
      const { tree } = operation
      let id = ids.get(tree) ?? catalogue.tree(tree)?.id
      if (id === undefined) {
        if (operation.kind !== 'put') continue // there is nothing to remove in a tree that does not exist
        id = nextId++
        record.createTree(id, Buffer.from(tree))
      }
      ids.set(tree, id)
      if (operation.kind === 'put') record.put(id, operation.key, operation.value)
      else if (operation.kind === 'delete') record.delete(id, operation.key)
      else if (operation.kind === 'clear') record.clear(id, operation.range)
      else record.dropTree(id)
    }
    return ids
  }

  private prepareAll(
    operations: readonly ByteOperation[],
    ids: ReadonlyMap<string, number>,
  ): Map<ByteOperation, LeafValue> {
    const cells = new Map<ByteOperation, LeafValue>()
    try {
      for (const operation of operations) {
        if (operation.kind !== 'put') continue
        cells.set(operation, this.prepare(ids.get(operation.tree) as number, operation.key, operation.value))
      }
    } catch (error) {
      if (lacks(this.mutant, 'refused batch back')) throw error
      for (const cell of cells.values()) dropPrepared(this.pager, cell)
      throw error
    }
    return cells
  }

  private prepare(treeId: number, key: Uint8Array, value: Uint8Array): LeafValue {
    try {
      return prepareValue(this.pager, treeId, key, value)
    } catch (error) {
      throw this.failed(error)
    }
  }

  private perform(
    operation: ByteOperation,
    ids: ReadonlyMap<string, number>,
    cells: ReadonlyMap<ByteOperation, LeafValue>,
  ): void {
    const { catalogue } = this
    const tree = catalogue.tree(operation.tree)
    switch (operation.kind) {
      case 'put':
        this.treeFor(tree, operation.tree, ids).put(operation.key, cells.get(operation) as LeafValue)
        break
      case 'delete':
        tree?.delete(operation.key)
        break
      case 'clear':
        tree?.deleteRange(operation.range)
        break
      case 'drop':
        catalogue.drop(operation.tree)
        break
    }
    this.pager.trim()
  }

  private treeFor(tree: Tree | undefined, name: string, ids: ReadonlyMap<string, number>): Tree {
    return tree ?? this.catalogue.create(ids.get(name) as number, name)
  }

  /**
   * Runs the step that changes memory.
   * @param neutral - True if an error in it leaves the state as it was: one operation that failed on its way down.
   */
  private change(cells: readonly LeafValue[], neutral: boolean, step: () => void): void {
    try {
      step()
    } catch (error) {
      if (neutral && isCode(error, 'CORRUPTION')) {
        for (const cell of cells) dropPrepared(this.pager, cell)
        throw error
      }
      this.fail(error)
      throw error
    }
  }

  /** Logs the record of what was just applied. */
  private commit(): Promise<void> {
    const { bytes } = this.record
    if (lacks(this.mutant, 'space first')) this.log.reserve(bytes.length)
    this.log.append(bytes)
    this.onRecord?.(bytes)
    this.logBytesSinceCheckpoint += bytes.length
    this.pager.trim()
    this.checkpointIfDue()
    return this.log.acknowledged
  }

  /**
   * How much log makes a checkpoint due. The more pages it has to write, the more log it should fold in at once: copies of
   * all of them stay in the file until two more checkpoints have come. But a full cache needs clean pages to drop.
   */
  private get dueLogBytes(): number {
    const { dirtyBytes, isFull, capacityPages, pageSizeBytes } = this.pager
    const usual = this.checkpointLogBytes
    if (isFull && dirtyBytes * 2 > capacityPages * pageSizeBytes) return usual / 4
    return Math.min(Math.max(usual, dirtyBytes / 2), 4 * usual)
  }

  private checkpointIfDue(): void {
    if (this.checkpointQueued || this.logBytesSinceCheckpoint < this.dueLogBytes) return
    this.checkpointQueued = true
    this.runExclusive(() => this.writeCheckpoint())
      .catch(() => {}) // a full disk: tried again after as much log; all else is kept in `failure`
      .finally(() => {
        this.checkpointQueued = false
      })
  }
}

/** True for what has changed nothing. */
function isRefusal(error: unknown): boolean {
  return isCode(error, 'DISK_FULL') || isCode(error, 'UNAVAILABLE')
}

/** The root of a tree in the state that a pin keeps. */
export function rootIn(pin: Pin, tree: string): PageReference {
  return lookUpTree(pin.pager, pin.catalogue, tree)?.root ?? NO_PAGE
}
