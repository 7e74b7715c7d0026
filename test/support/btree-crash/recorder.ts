// Runs operations on a store and notes what a crash at any later point may leave of them.
import { type BedplateError, isCode } from '../../../ts/base/errors.ts'
import type { Random } from '../../../ts/io/random.ts'
import type { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { VerifyReport } from '../../../ts/storage/btree/types.ts'
import type { Transaction } from '../../../ts/storage/ordered/types.ts'
import { type Expectation, must, NOTHING, Violation } from './expectation.ts'
import { contentOf, difference, type Model, type Trees } from './model.ts'
import { Pinned } from './pinned.ts'
import { type Opened, openStore, type StoreSettings } from './store.ts'
import { changeModel, changeModelAtOnce, performIn, performOn, treeOf, type Write } from './writes.ts'

/** A promise given: from history index `at` on, everything up to `position` survives. */
interface Promised {
  readonly position: number
  readonly at: number
}

/** What an operation does to a model. */
type Change = (trees: Trees) => void

/** A change whose record is appended at some moment from history index `begunAt` on. */
interface Awaited {
  readonly change: Change
  readonly begunAt: number
  readonly isLoad: boolean
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
  private readonly positions = new Map<Change, number>()
  private readonly loads: { position: number; completeAt: number }[] = []
  private readonly isSound: boolean
  /** What a power cut leaves, and what a killed process leaves: by rising `at`. */
  private readonly durable: Promised[] = []
  private readonly acknowledged: Promised[] = []
  private readonly backups: { path: string; position: number; model: Model; begunAt: number; completeAt: number }[] = []
  private readonly outstanding = new Set<Promise<void>>()
  /** Whatever went wrong in the background that is not an error of the store. */
  private broken: unknown
  private isClosed = false
  private last: number
  private waiting: Awaited | undefined

  private constructor(
    disk: SimulatedDisk,
    settings: StoreSettings,
    opened: Opened,
    { before, isSound }: { before: Expectation; isSound: boolean },
  ) {
    this.disk = disk
    this.isSound = isSound
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

  /**
   * Opens what a crash left, or makes a new store.
   * @param options.isSound - False if the disk may refuse what it is asked for.
   * @throws Violation if it is not what `before` allows.
   */
  static async open(
    disk: SimulatedDisk,
    settings: StoreSettings,
    options: { before?: Expectation; random: Random; isSound?: boolean },
  ): Promise<Recorder> {
    const { before = NOTHING, random, isSound = true } = options
    const opened = await openStore(disk, settings, { create: !before.exists, random })
    try {
      return new Recorder(disk, settings, opened, { before, isSound })
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

  // -- operations: their promises never reject. Errors of the store are in `errors`, violations come out of `settled` ----

  put(key: string, value: string, tree = ''): Promise<void> {
    return this.write({ kind: 'put', key, value, tree })
  }

  delete(key: string, tree = ''): Promise<void> {
    return this.write({ kind: 'delete', key, tree })
  }

  /** Does one write. @returns Settles when the store's promise does. */
  write(write: Write): Promise<void> {
    return this.commit(
      () => performOn(this.store, write),
      (trees) => changeModel(trees, write),
    )
  }

  compareAndSwap(key: string, expected: string | undefined, value: string | undefined): Promise<void> {
    const matches = this.model.get('', key) === expected
    const before = this.last
    const settled = this.commit(
      async () => {
        const swapped = await this.store.compareAndSwap(key, expected, value)
        must(swapped === matches, `compareAndSwap gave ${swapped}, its key ${matches ? 'matched' : 'did not match'}`)
        return swapped
      },
      (trees) => changeModel(trees, value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value }),
    )
    must(matches || this.store.position === before, 'a failed compare-and-swap was logged')
    return settled
  }

  /** Writes in one transaction. `meanwhile` runs inside it, before it commits. */
  transaction(
    writes: readonly Write[],
    options: { meanwhile?: (tx: Transaction) => void | Promise<void>; fails?: boolean } = {},
  ): Promise<void> {
    const change: Change = (trees) => changeModelAtOnce(trees, writes)
    return this.later(change, async () => {
      await this.store.transaction(async (tx) => {
        for (const write of writes) performIn(tx, write)
        await options.meanwhile?.(tx)
        this.catchUp()
        if (options.fails) throw new Abandoned()
        this.waiting = { change, begunAt: this.disk.history.length, isLoad: false }
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
      (trees) => changeModelAtOnce(trees, writes),
    )
  }

  /**
   * Loads entries; they must be sorted. Plain writes may go on meanwhile, but no transaction and no other load.
   * @param between - Awaited before each entry.
   */
  bulkLoad(entries: readonly (readonly [string, string])[], tree = '', between?: () => Promise<void>): Promise<void> {
    this.catchUp()
    const change: Change = (trees) => {
      for (const [key, value] of entries) changeModel(trees, { kind: 'put', key, value, tree })
    }
    this.waiting = { change, begunAt: this.disk.history.length, isLoad: true }
    return this.later(change, async () => {
      await treeOf(this.store, tree).bulkLoad(between === undefined ? entries : slowly(entries, between))
      this.catchUp()
      const position = this.positionOf(change)
      this.promise(this.durable, position)
      const load = this.loads.find((other) => other.position === position)
      if (load !== undefined && this.isSound) load.completeAt = this.disk.history.length
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
  backup(path: string): Promise<void> {
    const { model, last: position } = this
    const begunAt = this.disk.history.length
    const backup = { path, position, model, begunAt, completeAt: Number.POSITIVE_INFINITY }
    this.backups.push(backup)
    return this.track(async () => {
      await this.store.backup(path)
      backup.completeAt = this.disk.history.length
    })
  }

  /** A pinned moment. */
  snapshot(): Pinned {
    const { model } = this
    return new Pinned(this.store.snapshot(), model)
  }

  /** A pinned moment that is durable when it is there; undefined if the store failed. */
  async durableSnapshot(): Promise<Pinned | undefined> {
    const { model, last: position } = this
    let pinned: Pinned | undefined
    await this.track(async () => {
      const snapshot = await this.store.snapshot({ durable: true })
      this.promise(this.durable, position)
      pinned = new Pinned(snapshot, model)
    })
    return pinned
  }

  /** Waits for everything that was begun. */
  async settled(): Promise<void> {
    while (this.outstanding.size > 0) await Promise.all(this.outstanding)
    this.catchUp()
    if (this.broken !== undefined) throw this.broken
  }

  /** Closes, if it is not closed yet: afterwards everything is durable, unless the store had failed. */
  async close(): Promise<void> {
    await this.settled()
    if (this.isClosed) return
    const { hasFailed } = this
    const before = this.errors.length
    this.isClosed = true
    await this.track(() => this.store.close())
    if (before === this.errors.length && !hasFailed) this.promise(this.durable, this.last)
  }

  /** True once the store refuses to work until it is reopened. */
  get hasFailed(): boolean {
    try {
      this.engine.assertWritable()
      return false
    } catch (error) {
      return isCode(error, 'IO')
    }
  }

  /** False once it was closed, or refuses to work until it is reopened. */
  get isUsable(): boolean {
    return !this.isClosed && !this.hasFailed
  }

  /** Closes and opens again. After an error of closing it stays closed: what is left is for a crash check to see. */
  async reopen(random: Random): Promise<void> {
    const { length } = this.errors
    const { hasFailed } = this
    await this.close()
    if (hasFailed || this.errors.length > length) return
    this.opened = await openStore(this.disk, this.settings, { random })
    this.isClosed = false
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

  /**
   * What a crash after `point` effects may leave.
   * @param killed - Only the process ended: what the kernel had been given is there.
   */
  expectationAt(point: number, killed: boolean): Expectation {
    if (point < this.openedAt) return this.before
    const promises = killed ? [...this.durable, ...this.acknowledged] : this.durable
    const kept = promises.filter(({ at }) => at <= point).map(({ position }) => position)
    const written = [...this.appliedAt].filter(([, at]) => at <= point).map(([position]) => position)
    const unfinished = this.loads.filter(({ completeAt }) => completeAt > point)
    const own = this.backups.filter(({ begunAt }) => begunAt <= point)
    const backups = own.map(({ completeAt, ...backup }) => ({ ...backup, complete: completeAt <= point }))
    return {
      states: this.states,
      floor: Math.max(this.firstPosition, ...kept),
      ceiling: Math.max(this.firstPosition, ...written),
      exists: true,
      backups: [...this.before.backups, ...backups],
      loads: [...this.before.loads, ...unfinished.map(({ position }) => position)],
    }
  }

  // -- inside -----------------------------------------------------------------------------------------------------

  /** Does a write whose record is appended within the call. One that comes to `false` was none, and promises nothing. */
  private commit(call: () => Promise<unknown>, change: Change): Promise<void> {
    this.catchUp()
    const begunAt = this.disk.history.length
    let durable: Promise<unknown>
    try {
      durable = call()
    } catch (error) {
      this.note(error)
      must(this.store.position === this.last, 'a refused write was logged')
      return Promise.resolve()
    }
    if (this.store.position > this.last) this.advance({ change, begunAt, isLoad: false })
    const position = this.last
    return this.track(async () => {
      if ((await durable) !== false) this.acknowledge(position)
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
  private later(change: Change, work: () => Promise<void>): Promise<void> {
    return this.track(async () => {
      try {
        await work()
        this.catchUp()
        this.acknowledge(this.positionOf(change))
      } catch (error) {
        this.catchUp()
        if (!(error instanceof Abandoned)) throw error
      } finally {
        if (this.waiting?.change === change) this.waiting = undefined
      }
    })
  }

  private positionOf(change: Change): number {
    return this.positions.get(change) ?? this.firstPosition
  }

  /** Takes note of a record that was appended since the last look. */
  private catchUp(): void {
    if (this.store.position === this.last) return
    const { waiting } = this
    must(waiting !== undefined, `position ${this.store.position} came out of nothing`)
    this.waiting = undefined
    this.advance(waiting)
  }

  private advance({ change, begunAt, isLoad }: Awaited): void {
    const model = (this.states.get(this.last) as Model).with(change)
    this.last++
    must(this.store.position === this.last, `position ${this.store.position} follows ${this.last - 1}`)
    this.states.set(this.last, model)
    this.appliedAt.set(this.last, begunAt)
    this.positions.set(change, this.last)
    if (isLoad) this.loads.push({ position: this.last, completeAt: Number.POSITIVE_INFINITY })
  }

  /** Notes what a write's promise has promised, which depends on the durability. */
  private acknowledge(position: number): void {
    const { durability } = this.settings
    if (durability !== 'memory') this.promise(this.acknowledged, position)
    if (durability === 'sync') this.promise(this.durable, position)
  }

  private promise(list: Promised[], position: number): void {
    list.push({ position, at: this.disk.history.length })
  }

  private track(work: () => Promise<void>): Promise<void> {
    const tracked: Promise<void> = work()
      .catch((error) => this.note(error))
      .catch((error) => {
        this.broken ??= error
      })
      .finally(() => this.outstanding.delete(tracked))
    this.outstanding.add(tracked)
    return tracked
  }

  /** Keeps an error of the store; throws everything else. */
  note(error: unknown): void {
    if (error instanceof Violation || !(error instanceof Error) || error.name !== 'BedplateError') throw error
    this.errors.push(error as BedplateError)
  }
}

/** Ends a transaction without a commit. */
class Abandoned extends Error {}

async function* slowly<T>(items: readonly T[], between: () => Promise<void>): AsyncGenerator<T> {
  for (const item of items) {
    await between()
    yield item
  }
}
