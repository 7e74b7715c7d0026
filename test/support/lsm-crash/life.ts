// One LSM store on one disk, with everything it promised: what a crash at any point may leave of it follows from that.
import { BedplateError, isCode } from '../../../ts/base/errors.ts'
import type { CrashVariant } from '../../../ts/io/crash-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import type { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Snapshot } from '../../../ts/storage/ordered/types.ts'
import { type Expectation, must, NOTHING } from '../btree-crash/expectation.ts'
import { contentOf, difference, Model, type Trees } from '../btree-crash/model.ts'
import { changeModelAtOnce, performIn, type Write } from '../btree-crash/writes.ts'
import { type Opened, openStore, STORE_PATH, type StoreSettings } from './store.ts'
import { changeModel, type LsmWrite, performOn } from './writes.ts'

/** What happened, and how long the disk's history was then. */
type Event = { readonly at: number; readonly position: number } & (
  | { readonly kind: 'written' | 'found'; readonly model: Model }
  | { readonly kind: 'durable' | 'acknowledged' }
)

/** Files of a closed store. */
const STORE_FILE = /^(FORMAT|manifest|\d{6}\.sst|log-\d{16}(\.new)?)$/

export class LsmLife {
  readonly disk: SimulatedDisk
  readonly settings: StoreSettings
  /** Errors that the store answered with. A workload on a sound disk has none. */
  readonly errors: BedplateError[] = []
  private readonly before: Expectation
  private readonly events: Event[] = []
  private readonly outstanding = new Set<Promise<void>>()
  private readonly snapshots: { snapshot: Snapshot; model: Model }[] = []
  private opened!: Opened
  private current = new Model()
  private madeAt = Number.POSITIVE_INFINITY
  private isIngesting = false

  private constructor(disk: SimulatedDisk, settings: StoreSettings, before: Expectation) {
    this.disk = disk
    this.settings = settings
    this.before = before
  }

  /** Opens what is on `disk`, or makes a store. @throws Violation if it is not what `before` allows. */
  static async begin(
    disk: SimulatedDisk,
    settings: StoreSettings,
    random: Random,
    before: Expectation = NOTHING,
  ): Promise<LsmLife> {
    const life = new LsmLife(disk, settings, before)
    await life.open(before, random)
    return life
  }

  get store(): Opened['store'] {
    return this.opened.store
  }

  get clock(): Opened['clock'] {
    return this.opened.clock
  }

  get model(): Model {
    return this.current
  }

  /** What an image of this disk may show, if the power fails after `point` effects of its history. */
  expectationAt(point: number, variant: CrashVariant): Expectation {
    const states = new Map(this.before.states)
    let { floor, ceiling } = this.before
    // With everything unsynced kept, it is as if the process had been killed.
    const isKill = variant === 'all'
    for (const event of this.events) {
      if (event.at > point) break
      if (event.kind === 'written' || event.kind === 'found') {
        states.set(event.position, event.model)
        ceiling = event.position
        if (event.kind === 'found') floor = event.position
      } else if (event.kind === 'durable' || isKill) floor = Math.max(floor, event.position)
    }
    return { ...NOTHING, states, floor, ceiling, exists: this.before.exists || this.madeAt <= point }
  }

  // -- what can be done: errors of the store are kept, violations come out of `settled` or at once -------------------

  write(write: LsmWrite): void {
    this.commit(
      () => performOn(this.store, write),
      (trees) => changeModel(trees, write),
    )
  }

  transaction(writes: readonly Write[], options: { fails: boolean }): void {
    this.commit(
      () => {
        this.store.transactionSync((tx) => {
          for (const write of writes) performIn(tx, write)
          if (options.fails) throw new BedplateError('CONFLICT', 'given up')
        })
        return this.store.flushed()
      },
      (trees) => changeModelAtOnce(trees, writes),
      options.fails,
    )
  }

  /** Entries of a tree, seen at one instant that the engine chooses, and durable when the promise says so. One at a time. */
  ingest(entries: readonly [string, string][], tree: string): void {
    if (this.isIngesting) return
    this.isIngesting = true
    const { length } = this.disk.history
    const before = this.store.position
    const target = tree === '' ? this.store : this.store.tree(tree)
    const position = this.noteAttaching(entries, tree, () => target.ingest(entries))
    if (this.store.position > before) {
      this.current = this.current.with((trees) => void trees.set(tree, new Map()))
      this.events.push({ kind: 'written', position: this.store.position, model: this.current, at: length })
    }
    const settled = position.then(
      (attached) => void (attached !== undefined && this.note({ kind: 'durable', position: attached })),
      (error: unknown) => {
        if (!isCode(error, 'CLOSED') && !isCode(error, 'CONFLICT')) this.keep(error)
      },
    )
    this.outstanding.add(settled)
    void settled.finally(() => {
      this.isIngesting = false
      this.outstanding.delete(settled)
    })
  }

  /** @returns The position at which the entries came to be seen, once they are durable; undefined if there were none. */
  private async noteAttaching(
    entries: readonly [string, string][],
    tree: string,
    ingest: () => Promise<number>,
  ): Promise<number | undefined> {
    const { engine } = this.opened
    let position: number | undefined
    const { attach } = engine
    engine.attach = (...args) => {
      const { length } = this.disk.history
      const named = attach.apply(engine, args)
      position = engine.position
      this.current = this.current.with((trees) => {
        for (const [key, value] of entries) changeModel(trees, { kind: 'put', tree, key, value })
      })
      this.events.push({ kind: 'written', position, model: this.current, at: length })
      return named
    }
    try {
      const count = await ingest()
      must(count === entries.length, () => `${entries.length} entries were ingested, and ${count} counted`)
      return position
    } finally {
      engine.attach = attach
    }
  }

  /** Runs something that makes all that was written before durable. */
  async durably(work: (store: Opened['store']) => Promise<void>): Promise<void> {
    const { position } = this.store
    if (await this.tolerate(() => work(this.store))) this.note({ kind: 'durable', position })
  }

  pin(): void {
    this.snapshots.push({ snapshot: this.store.snapshot(), model: this.current })
  }

  unpin(index: number): void {
    for (const { snapshot } of this.snapshots.splice(index, 1)) snapshot.close()
  }

  get pinCount(): number {
    return this.snapshots.length
  }

  /** @throws Violation unless the store and all its snapshots show what they should. */
  check(): void {
    checkShows(this.store, this.current, `the store at position ${this.store.position}`)
    for (const { snapshot, model } of this.snapshots) checkShows(snapshot, model, `a snapshot of ${snapshot.position}`)
  }

  async verify(): Promise<void> {
    const report = await this.store.verify()
    must(report.ok, () => `verify: ${report.problems.slice(0, 3).join('; ')}`)
  }

  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.clock.turn()
  }

  /** Waits for every promise that is open, but for those that wait for space. */
  async settled(): Promise<void> {
    const { engine, clock } = this.opened
    while (this.outstanding.size > 0 && !engine.isWaitingForSpace)
      await Promise.race([Promise.all(this.outstanding), clock.turn()])
  }

  async close(): Promise<void> {
    const { position } = this.store
    this.snapshots.length = 0
    const isSound = this.isSound() // one that failed in the background promises nothing by closing
    const errors = this.errors.length
    const hasClosed = await this.tolerate(() => this.store.close())
    await this.settled()
    // With `sync`, one that fails while it is closed leaves it to the promises of its writes to say so.
    if (hasClosed && isSound && this.errors.length === errors) this.note({ kind: 'durable', position })
    must(this.disk.openHandles + this.disk.heldLocks === 0, () => `${this.disk.openHandles} files were left open`)
  }

  async reopen(random: Random): Promise<void> {
    await this.close()
    const strange = this.disk.list(STORE_PATH).filter((name) => !STORE_FILE.test(name))
    must(strange.length === 0 || this.errors.length > 0, () => `left in the store's directory: ${strange}`)
    await this.open(this.expectationAt(this.disk.history.length, 'all'), random)
  }

  /** False once the store has failed, if only in the background: it says so to whoever asks next. */
  isSound(): boolean {
    try {
      this.store.has('never written')
      return true
    } catch (error) {
      this.keep(error)
      return false
    }
  }

  /** True once the store refuses everything. */
  get hasFailed(): boolean {
    return this.errors.some(({ code }) => code === 'IO')
  }

  private async open(expected: Expectation, random: Random): Promise<void> {
    this.opened = await openStore(this.disk, this.settings, { create: !expected.exists, random })
    const { position } = this.store
    const model = expected.states.get(position)
    const { floor, ceiling } = expected
    try {
      must(position >= floor, () => `lost: opened at position ${position}, ${floor} had been promised`)
      must(position <= ceiling && model !== undefined, () => `invented: opened at ${position}, ${ceiling} was written`)
    } catch (error) {
      await this.store.close()
      throw error
    }
    this.current = model
    this.madeAt = Math.min(this.madeAt, this.disk.history.length)
    this.note({ kind: 'found', position, model })
  }

  private commit(perform: () => Promise<unknown>, change: (trees: Trees) => void, fails = false): void {
    const { length } = this.disk.history
    const before = this.store.position
    let promise: Promise<unknown>
    try {
      promise = perform()
    } catch (error) {
      must(this.store.position === before, 'a refused write was logged')
      if (!fails) this.keep(error)
      return
    }
    const { position } = this.store
    if (position > before) {
      this.current = this.current.with(change)
      // Its frame may be written, by back-pressure, before this line is reached.
      this.events.push({ kind: 'written', position, model: this.current, at: length })
    }
    const { durability } = this.settings
    const kind = durability === 'sync' ? 'durable' : durability === 'memory' ? undefined : 'acknowledged'
    const settled = promise.then(
      () => void (kind !== undefined && this.note({ kind, position })),
      (error: unknown) => this.keep(error),
    )
    this.outstanding.add(settled)
    void settled.finally(() => this.outstanding.delete(settled))
  }

  private async tolerate(work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      this.keep(error)
      return false
    }
  }

  private keep(error: unknown): void {
    if (!(error instanceof BedplateError)) throw error
    this.errors.push(error)
  }

  private note(event: EventContent): void {
    this.events.push({ ...event, at: this.disk.history.length } as Event)
  }
}

type EventContent = Event extends infer Each ? (Each extends Event ? Omit<Each, 'at'> : never) : never

function checkShows(reader: Opened['store'] | Snapshot, model: Model, what: string): void {
  const found = contentOf(reader, model.treeNames())
  must(found === model.content, () => `${what}: ${difference(found, model.content)}`)
  for (const key of model.keys('').slice(0, 8)) {
    must(reader.get(key) === model.get('', key), () => `${what}: get("${key}") differs from the range`)
  }
  must(reader.get('never written') === undefined, () => `${what}: a key that was never written is there`)
}
