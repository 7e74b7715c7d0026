// The promises of writes. The log's thread makes records durable and says so now and then; here every write gets a promise
// that settles when the log has come that far, in log order.
import { BedplateError } from '../../../base/errors.ts'
import type { NativeStore } from '../../../native/store.ts'
import { toError } from './errors.ts'

/** Something that waits for the log to reach a position. */
interface Waiter {
  position: number
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Waiters in the order of their positions, which is that of their coming. */
class WaitingLine {
  private waiters: Waiter[] = []
  private first = 0

  get isEmpty(): boolean {
    return this.first === this.waiters.length
  }

  /** Joins with a position that is not below that of the last one. */
  join(position: number): Waiter {
    const waiter = makeWaiter(position)
    this.waiters.push(waiter)
    return waiter
  }

  /** Lets go everybody up to `position`. */
  reached(position: number): void {
    while (!this.isEmpty && (this.waiters[this.first] as Waiter).position <= position) {
      ;(this.waiters[this.first++] as Waiter).resolve()
    }
    if (!this.isEmpty) return
    this.waiters = []
    this.first = 0
  }

  failed(error: unknown): void {
    for (const waiter of this.waiters.splice(this.first)) waiter.reject(error)
    this.waiters = []
    this.first = 0
  }
}

export class Acknowledgements {
  private readonly raw: NativeStore
  private readonly path: string
  private readonly acknowledgement = new WaitingLine()
  private readonly durability = new WaitingLine()
  /**
   * The writes of this turn share a promise, which waits for the last of them, and go to the log together: were the first
   * one handed over at once, those that wait for the same thing would always miss its sync.
   */
  private group: Waiter | undefined
  private isHeld = false
  private hasEnded = false

  constructor(raw: NativeStore, path: string) {
    this.raw = raw
    this.path = path
  }

  /** The promise of the write that became record `position`. It never causes an unhandled rejection. */
  of(position: number): Promise<void> {
    if (this.group !== undefined) this.group.position = position
    else {
      this.group = this.acknowledgement.join(position)
      process.nextTick(this.closeGroup) // after all microtasks, so after everybody who waited for the last group
    }
    return this.group.promise
  }

  /** Resolves when everything up to `position` is durable, whatever the level of durability. */
  durable(position: number): Promise<void> {
    const waiter = this.durability.join(position)
    this.raw.requestSync(position)
    this.update()
    return waiter.promise
  }

  /** Settles what can be settled. Called whenever the log may have moved. */
  readonly update = (): void => {
    if (this.hasEnded) return
    const { raw, acknowledgement, durability } = this
    if (!acknowledgement.isEmpty) {
      const position = raw.acknowledgedPosition()
      // Nobody may join a group whose promise is settled.
      if (this.group !== undefined && this.group.position <= position) this.group = undefined
      acknowledgement.reached(position)
    }
    if (!durability.isEmpty) durability.reached(raw.durablePosition())
    if (this.isWaiting) this.failIfLogHas()
    this.holdWhileWaiting()
  }

  /** Rejects what still waits and is not durable; nothing is asked of the store any more. */
  end(): void {
    this.holdWhileWaiting(false)
    this.hasEnded = true
    this.acknowledgement.reached(this.raw.durablePosition()) // some may have waited for room in memory alone
    this.failWith(undefined)
  }

  private get isWaiting(): boolean {
    return !(this.acknowledgement.isEmpty && this.durability.isEmpty)
  }

  private readonly closeGroup = (): void => {
    this.group = undefined
    if (this.hasEnded) return
    this.raw.submit()
    this.update()
  }

  private failIfLogHas(): void {
    const failure = this.raw.failure()
    if (failure !== undefined) this.failWith(toError(failure))
  }

  private failWith(cause: BedplateError | undefined): void {
    const error = new BedplateError('IO', `outcome unknown: writing the log in ${this.path} failed`, {
      ...(cause === undefined ? {} : { cause }),
      hint: 'what was acknowledged is safe: close the store and open it again to see what became of the rest',
    })
    this.acknowledgement.failed(error)
    this.durability.failed(error)
  }

  /** While promises wait for the log, the event loop must not end. */
  private holdWhileWaiting(isWaiting = this.isWaiting): void {
    if (this.hasEnded || isWaiting === this.isHeld) return
    this.isHeld = isWaiting
    this.raw.hold(isWaiting)
  }
}

function makeWaiter(position: number): Waiter {
  let resolve: () => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  promise.catch(() => {}) // nobody has to look at it
  return { position, promise, resolve, reject }
}
