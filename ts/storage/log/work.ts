// Runs work that has to wait for syncs, in either of two ways: awaiting them, or blocking. A blocking caller may take
// over in the middle of what is being awaited, so there is one order of events whoever moves it along.

/** Something that can be made durable. A DiskFile is one. */
export interface SyncTarget {
  sync(): Promise<void>
  syncNow(): void
}

/** Work that yields what must be synced before it goes on. */
export type Steps = Generator<SyncTarget, void, void>

/** What is to be done, and what to do if it fails. */
export interface WorkOptions {
  /** Begins the work; ends at once if there is none. */
  begin(): Steps
  /** Resolves when awaited work may start. */
  turn(): Promise<void>
  /** Takes note of an error of a step or a sync, after which nothing more will run. */
  fail(error: unknown): Error
}

/** Work under way. */
export class Work {
  /** Syncs that have succeeded. */
  syncs = 0
  readonly #options: WorkOptions
  #steps: Steps | undefined
  #target: SyncTarget | undefined
  /** Changes with every step, so that an awaited sync knows whether it still matters: targets may repeat. */
  #step = 0
  #isDriving = false
  #isStopped = false

  constructor(options: WorkOptions) {
    this.#options = options
  }

  /** True while awaited work is under way or about to start: what is added now will be done. */
  get isAwake(): boolean {
    return this.#isDriving
  }

  /** Sees to it that the work is done soon. */
  wake(): void {
    if (this.#isDriving) return
    this.#isDriving = true
    void this.#drive()
  }

  /** Does all of the work now, blocking. @throws What `fail` gives, if it fails. */
  runNow(): void {
    try {
      for (let target = this.#goOn(); target !== undefined; target = this.#goOn()) {
        target.syncNow()
        this.syncs++
        this.#advance()
      }
    } catch (error) {
      throw this.#options.fail(error)
    }
  }

  /** Ends it for ever. A sync that is under way ends unnoticed. */
  stop(): void {
    this.#isStopped = true
    this.#step++
    this.#steps = undefined
    this.#target = undefined
  }

  async #drive(): Promise<void> {
    try {
      await this.#options.turn()
      for (let target = this.#goOn(); target !== undefined; target = this.#goOn()) {
        const step = this.#step
        await target.sync()
        this.syncs++
        if (step === this.#step) this.#advance()
      }
    } catch (error) {
      this.#options.fail(error)
    }
    this.#isDriving = false
  }

  /** What is waited for, after beginning anew if need be; undefined if there is nothing to do. */
  #goOn(): SyncTarget | undefined {
    if (this.#target === undefined && !this.#isStopped) {
      this.#steps = this.#options.begin()
      this.#advance()
    }
    return this.#target
  }

  #advance(): void {
    this.#step++
    const next = this.#steps?.next()
    this.#target = next === undefined || next.done ? undefined : next.value
  }
}
