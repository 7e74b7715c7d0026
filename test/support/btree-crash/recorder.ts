// Runs operations on a store and notes what a crash at any later point may leave of them.
import { type BedplateError, isCode } from '../../../ts/base/errors.ts'
import type { CrashVariant } from '../../../ts/io/crash-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import type { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Snapshot, Transaction, VerifyReport } from '../../../ts/storage/btree/types.ts'
import type { BatchOperation, KeyRange } from '../../../ts/storage/ordered-store.ts'
import { contentOf, difference, Model, type Trees } from './model.ts'
import { type Opened, openStore, STORE_PATH, type StoreSettings } from './store.ts'

/** What must be found after a crash: one state, of a position from `floor` to `ceiling`. */
export interface Expectation {
  /** The content after each log position. */
  readonly states: ReadonlyMap<number, Model>
  /** The last position that was promised to survive. */
  readonly floor: number
  /** The last position that had come into being. */
  readonly ceiling: number
  /** True if the store's creation was acknowledged. */
  readonly exists: boolean
  /** Backups that were begun, with the position they show. `complete`: acknowledged. */
  readonly backups: readonly { path: string; position: number; complete: boolean }[]
}

/** What a store that was never there leaves. */
export const NOTHING: Expectation = {
  states: new Map([[0, new Model()]]),
  floor: 0,
  ceiling: 0,
  exists: false,
  backups: [],
}

/** A promise given: from history index `at` on, everything up to `position` survives. */
interface Promised {
  readonly position: number
  readonly at: number
}

/** An operation whose log record appears at some later moment. */
type Change = (trees: Trees) => void

/** A write, in terms of the store and of the model. */
export type Write =
  | { kind: 'put'; key: string; value: string; tree?: string }
  | { kind: 'delete'; key: string; tree?: string }
  | { kind: 'batch'; operations: readonly BatchOperation[]; tree?: string }
  | { kind: 'clear'; range?: KeyRange; tree?: string }
  | { kind: 'drop'; tree: string }

/** Thrown when the store does what it must not. */
export class Violation extends Error {}

/** Throws a Violation unless `condition` holds. */
export function must(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new Violation(typeof message === 'string' ? message : message())
}

/** Everything that is done to one store on one disk, and what it promised. */
export class Recorder {
  readonly disk: SimulatedDisk
  readonly settings: StoreSettings
  /** Errors that the store answered with. A workload on a sound disk has none. */
  readonly errors: BedplateError[] = []
  private opened: Opened
  private readonly before: Expectation
  private readonly openedAt: number
  private readonly firstPosition: number
  private readonly states: Map<number, Model>
  private readonly appliedAt = new Map<number, number>()
  /** What a power cut leaves, and what a killed process leaves: by rising `at`. */
  private readonly durable: Promised[] = []
  private readonly acknowledged: Promised[] = []
  private readonly backups: { path: string; position: number; begunAt: number; completeAt: number }[] = []
  private readonly outstanding = new Set<Promise<void>>()
  private last: number
  private waiting: Change | undefined

  private constructor(disk: SimulatedDisk, settings: StoreSettings, before: Expectation, opened: Opened) {
    this.disk = disk
    this.settings = settings
    this.before = before
    this.opened = opened
    this.openedAt = disk.history.length
    this.last = opened.store.position
    this.firstPosition = this.last
    const model = before.states.get(this.last)
    must(this.last >= before.floor, () => `lost: opened at position ${this.last}, ${before.floor} had been promised`)
    must(
      this.last <= before.ceiling && model !== undefined,
      () => `invented: opened at position ${this.last}, only ${before.ceiling} had been written`,
    )
    this.states = new Map([[this.last, model]])
    this.promise(this.durable, this.last)
    this.promise(this.acknowledged, this.last)
  }

  /** Opens what a crash left, or makes a new store. @throws Violation if it is not what `before` allows. */
  static async open(
    disk: SimulatedDisk,
    settings: StoreSettings,
    options: { before?: Expectation; random: Random },
  ): Promise<Recorder> {
    const { before = NOTHING, random } = options
    const opened = await openStore(disk, settings, { create: !before.exists, random })
    try {
      return new Recorder(disk, settings, before, opened)
    } catch (error) {
      await opened.store.close()
      throw error
    }
  }

  get store(): Opened['store'] {
    return this.opened.store
  }

  get clock(): Opened['clock'] {
    return this.opened.clock
  }

  get engine(): Opened['engine'] {
    return this.opened.engine
  }

  /** What the store should hold now. */
  get model(): Model {
    this.catchUp()
    return this.states.get(this.last) as Model
  }

  // -- operations -------------------------------------------------------------------------------------------------

  put(key: string, value: string, tree = ''): Promise<void> {
    return this.write({ kind: 'put', key, value, tree })
  }

  delete(key: string, tree = ''): Promise<void> {
    return this.write({ kind: 'delete', key, tree })
  }

  /** Does one write. @returns Settles when the store's promise does; errors are in `errors`. */
  write(write: Write): Promise<void> {
    return this.commit(
      () => this.perform(write),
      (trees) => changeModel(trees, write),
    )
  }

  /** @returns Whether the swap was made; undefined if the store failed. */
  compareAndSwap(key: string, expected: string | undefined, value: string | undefined): Promise<boolean | undefined> {
    const matches = this.model.get('', key) === expected
    const before = this.last
    let result: boolean | undefined
    const settled = this.commit(
      async () => {
        result = await this.store.compareAndSwap(key, expected, value)
      },
      (trees) => changeModel(trees, value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value }),
    )
    must(matches || this.store.position === before, 'a failed compare-and-swap was logged')
    return settled.then(() => {
      must(
        result === undefined || result === matches,
        `compareAndSwap gave ${result}, its key ${matches ? 'matched' : 'did not match'}`,
      )
      return result
    })
  }

  /** Writes in one transaction. `meanwhile` runs inside it, before it commits. */
  async transaction(
    writes: readonly Write[],
    options: { meanwhile?: (tx: Transaction) => void | Promise<void>; fails?: boolean } = {},
  ): Promise<void> {
    this.catchUp()
    const change: Change = (trees) => {
      for (const write of writes) changeModel(trees, write)
    }
    await this.later(change, async () => {
      await this.store.transaction(async (tx) => {
        for (const write of writes) performIn(tx, write)
        await options.meanwhile?.(tx)
        this.catchUp(undefined)
        if (options.fails) throw new Abandoned()
        if (writes.length > 0) this.waiting = change
      })
    })
  }

  transactionSync(writes: readonly Write[]): Promise<void> {
    return this.commit(
      () => {
        this.store.transactionSync((tx) => {
          for (const write of writes) performIn(tx, write)
        })
        return this.engine.log.acknowledged
      },
      (trees) => {
        for (const write of writes) changeModel(trees, write)
      },
    )
  }

  /** Loads entries; they must be sorted. Writes may go on meanwhile, but no other transaction or load. */
  async bulkLoad(entries: readonly (readonly [string, string])[], tree = ''): Promise<void> {
    this.catchUp()
    const change: Change = (trees) => {
      for (const [key, value] of entries) changeModel(trees, { kind: 'put', key, value, tree })
    }
    this.waiting = change
    await this.later(change, async () => {
      await this.target(tree).bulkLoad(entries)
      this.catchUp()
      this.promise(this.durable, this.last === this.store.durablePosition ? this.last : this.store.durablePosition)
    })
  }

  /** Folds the log in; everything before the call is durable after it. */
  checkpoint(): Promise<void> {
    return this.durably(() => this.store.checkpoint())
  }

  flushed(): Promise<void> {
    return this.durably(() => this.store.flushed())
  }

  compact(): Promise<void> {
    return this.durably(() => this.store.compact())
  }

  /** Backs up to a directory beside the store. */
  async backup(path: string): Promise<void> {
    this.catchUp()
    const backup = {
      path,
      position: this.last,
      begunAt: this.disk.history.length,
      completeAt: Number.POSITIVE_INFINITY,
    }
    this.backups.push(backup)
    await this.track(async () => {
      await this.store.backup(path)
      backup.completeAt = this.disk.history.length
    })
  }

  /** A pinned moment. */
  snapshot(): Pinned {
    const model = this.model
    return new Pinned(this.store.snapshot(), model)
  }

  async durableSnapshot(): Promise<Pinned> {
    const model = this.model
    const position = this.last
    const snapshot = await this.store.snapshot({ durable: true })
    this.promise(this.durable, position)
    return new Pinned(snapshot, model)
  }

  /** Waits for everything that was begun. */
  async settled(): Promise<void> {
    while (this.outstanding.size > 0) await Promise.all(this.outstanding)
    this.catchUp()
  }

  /** Closes cleanly: afterwards everything is durable, unless the store had failed. */
  async close(): Promise<void> {
    await this.settled()
    const { length } = this.errors
    await this.track(() => this.store.close())
    if (length === this.errors.length && this.engine.log.failure === undefined && !this.hasFailed)
      this.promise(this.durable, this.last)
  }

  /** True once the store refuses to work until it is reopened. */
  get hasFailed(): boolean {
    return this.errors.some((error) => isCode(error, 'IO'))
  }

  /** Closes and opens again. */
  async reopen(random: Random): Promise<void> {
    await this.close()
    this.opened = await openStore(this.disk, this.settings, { random })
    must(this.store.position === this.last, () => `reopened at position ${this.store.position} instead of ${this.last}`)
  }

  // -- checks -----------------------------------------------------------------------------------------------------

  /** Compares the store with the model. */
  checkContent(): void {
    const { model, store } = this
    const names = store.treeNames().join()
    must(
      names === model.treeNames().join(),
      () => `found trees "${names}" instead of "${model.treeNames()}" at position ${this.last}`,
    )
    const found = contentOf(store, model.treeNames())
    must(found === model.content, () => `at position ${this.last} ${difference(found, model.content)}`)
  }

  async verify(): Promise<VerifyReport> {
    const report = await this.store.verify()
    must(report.ok, () => `verify: ${report.problems.slice(0, 3).join('; ')}`)
    return report
  }

  /** Nothing may be held once everything is closed. */
  checkNothingHeld(): void {
    const { openHandles, heldLocks, pendingSyncs } = this.disk
    const held = `${openHandles} open files, ${heldLocks} locks, ${pendingSyncs.length} syncs`
    must(openHandles + heldLocks + pendingSyncs.length === 0, `left behind: ${held}`)
  }

  /** What a crash after `point` effects may leave. */
  expectationAt(point: number, variant: CrashVariant): Expectation {
    if (point < this.openedAt) return this.before
    // With all effects in place the crash is that of the process alone.
    const promises = variant === 'all' ? [...this.durable, ...this.acknowledged] : this.durable
    const kept = promises.filter(({ at }) => at <= point).map(({ position }) => position)
    const written = [...this.appliedAt].filter(([, at]) => at <= point).map(([position]) => position)
    const own = this.backups.filter(({ begunAt }) => begunAt <= point)
    const backups = own.map(({ path, position, completeAt }) => ({ path, position, complete: completeAt <= point }))
    return {
      states: this.states,
      floor: Math.max(this.firstPosition, ...kept),
      ceiling: Math.max(this.firstPosition, ...written),
      exists: true,
      backups: [...this.before.backups, ...backups],
    }
  }

  // -- inside -----------------------------------------------------------------------------------------------------

  private target(tree: string): Pick<Opened['store'], 'put' | 'delete' | 'batch' | 'clear' | 'bulkLoad'> {
    return tree === '' ? this.store : this.store.tree(tree)
  }

  private perform(write: Write): Promise<void> {
    const target = this.target(write.tree ?? '')
    switch (write.kind) {
      case 'put':
        return target.put(write.key, write.value)
      case 'delete':
        return target.delete(write.key)
      case 'batch':
        return target.batch(write.operations)
      case 'clear':
        return target.clear(write.range)
      case 'drop':
        return this.store.dropTree(write.tree)
    }
  }

  /** Does a write whose record is appended within the call. */
  private commit(call: () => Promise<void>, change: Change): Promise<void> {
    this.catchUp()
    const begunAt = this.disk.history.length
    let durable: Promise<void>
    try {
      durable = call()
    } catch (error) {
      this.note(error)
      must(this.store.position === this.last, 'a refused write was logged')
      return Promise.resolve()
    }
    if (this.store.position > this.last) this.advance(change, begunAt)
    const position = this.last
    return this.track(async () => {
      await durable
      this.promise(this.acknowledged, position)
      if (this.settings.durability === 'sync') this.promise(this.durable, position)
    })
  }

  /** Does work that makes the present durable. */
  private durably(work: () => Promise<void>): Promise<void> {
    this.catchUp()
    const position = this.last
    return this.track(async () => {
      await work()
      this.promise(this.durable, position)
    })
  }

  /** Does work that logs `change` at some moment, or never. */
  private async later(change: Change, work: () => Promise<void>): Promise<void> {
    await this.track(async () => {
      try {
        await work()
        this.catchUp()
        this.promise(this.acknowledged, this.positionOf(change))
        if (this.settings.durability === 'sync') this.promise(this.durable, this.positionOf(change))
      } catch (error) {
        this.catchUp()
        if (!(error instanceof Abandoned)) throw error
      } finally {
        if (this.waiting === change) this.waiting = undefined
      }
    })
  }

  private readonly positions = new Map<Change, number>()

  private positionOf(change: Change): number {
    return this.positions.get(change) ?? this.firstPosition
  }

  /** Takes note of a record that was appended since the last look. */
  private catchUp(change = this.waiting): void {
    if (this.store.position === this.last) return
    must(change !== undefined, `position ${this.store.position} came out of nothing`)
    this.waiting = undefined
    this.advance(change, this.disk.history.length)
  }

  private advance(change: Change, at: number): void {
    const model = (this.states.get(this.last) as Model).with(change)
    this.last++
    must(this.store.position === this.last, `position ${this.store.position} follows ${this.last - 1}`)
    this.states.set(this.last, model)
    this.appliedAt.set(this.last, at)
    this.positions.set(change, this.last)
  }

  private promise(list: Promised[], position: number): void {
    list.push({ position, at: this.disk.history.length })
  }

  private track(work: () => Promise<void>): Promise<void> {
    const tracked = work().catch((error) => this.note(error))
    this.outstanding.add(tracked)
    return tracked.finally(() => this.outstanding.delete(tracked))
  }

  private note(error: unknown): void {
    if (error instanceof Violation || !(error instanceof Error) || error.name !== 'BedplateError') throw error
    this.errors.push(error as BedplateError)
  }
}

/** A snapshot that knows what it must show. */
export class Pinned {
  private readonly snapshot: Snapshot<string, string>
  private readonly model: Model

  constructor(snapshot: Snapshot<string, string>, model: Model) {
    this.snapshot = snapshot
    this.model = model
  }

  check(): void {
    const found = contentOf(this.snapshot as never, this.model.treeNames())
    must(
      found === this.model.content,
      () => `a snapshot of position ${this.snapshot.position}: ${difference(found, this.model.content)}`,
    )
  }

  close(): void {
    this.check()
    this.snapshot.close()
  }
}

/** Ends a transaction without a commit. */
class Abandoned extends Error {}

function performIn(tx: Transaction, write: Write): void {
  const target = write.tree === undefined || write.tree === '' ? tx : tx.tree(write.tree)
  switch (write.kind) {
    case 'put':
      target.put(write.key, write.value)
      break
    case 'delete':
      target.delete(write.key)
      break
    case 'batch':
      target.batch(write.operations)
      break
    case 'clear':
      target.clear(write.range)
      break
    case 'drop':
      throw new Violation('a transaction drops no tree')
  }
}

function changeModel(trees: Trees, write: Write): void {
  const name = write.tree ?? ''
  const tree = trees.get(name)
  switch (write.kind) {
    case 'put':
      if (tree === undefined) trees.set(name, new Map([[write.key, write.value]]))
      else tree.set(write.key, write.value)
      break
    case 'delete':
      tree?.delete(write.key)
      break
    case 'batch':
      for (const { type, ...rest } of write.operations) changeModel(trees, { kind: type, tree: name, ...rest } as Write)
      break
    case 'clear':
      for (const key of tree?.keys() ?? []) if (isWithin(write.range ?? {}, key)) tree?.delete(key)
      break
    case 'drop':
      trees.delete(name)
      break
  }
}

function isWithin({ gt, gte, lt, lte }: KeyRange, key: string): boolean {
  return (
    (gt === undefined || key > gt) &&
    (gte === undefined || key >= gte) &&
    (lt === undefined || key < lt) &&
    (lte === undefined || key <= lte)
  )
}

export { STORE_PATH }
