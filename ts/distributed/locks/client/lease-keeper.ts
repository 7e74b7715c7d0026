// Keeps a lease alive, and says in time when it may be over.
//
// The server counts the time of a lease from when it hears of it, and so never from earlier than when the client asked. A
// client that counts from when it asked, and calls the lease lost a little before that time is over, is therefore first
// whenever the two clocks run about equally fast and the client runs at all. Neither is certain (a process can be stopped
// between looking at the clock and writing), which is why a lock also has a token: docs/systems/locks.md.
import { isCode } from '../../../base/errors.ts'
import type { Cancel, Clock } from '../../../io/clock.ts'

/** What keeps a lease alive: an EtcdClient. */
export interface KeepsAlive {
  keepAlive(id: bigint, options: { signal: AbortSignal }): Promise<number>
}

export interface LeaseKeeperOptions {
  readonly client: KeepsAlive
  readonly clock: Clock
  readonly id: bigint
  readonly ttlSeconds: number
  /** When the lease was asked for, in milliseconds of `clock.monotonic`. */
  readonly askedAtMs: number
}

/** The lease is called lost this much before its time, as a part of it: clocks may differ by as much in speed. */
const MARGIN = 0.1
/** It is kept alive whenever this part of its time has passed. */
const PERIOD = 1 / 3
/** After a failure it is tried again this soon, as a part of its time. */
const RETRY = 1 / 20

/** A lease that is kept alive until `stop`. */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions
  readonly #lost = new AbortController()
  readonly #stopped = new AbortController()
  #safeUntilMs = 0
  #cancelDeadline: Cancel = () => {}
  #cancelNext: Cancel = () => {}

  constructor(options: LeaseKeeperOptions) {
    this.#options = options
    this.#extend(options.askedAtMs)
    this.#schedule(PERIOD)
  }

  get id(): bigint {
    return this.#options.id
  }

  /** Aborts when the lease may end before long, or has ended. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** False from when the lease may be over, by the clock: true can be trusted no longer than until the next wait. */
  isHeld(): boolean {
    return !this.#lost.signal.aborted && !this.#stopped.signal.aborted && this.#nowMs() < this.#safeUntilMs
  }

  /** Keeps it alive no longer. The lease itself stays as long as it has time. */
  stop(): void {
    this.#cancelDeadline()
    this.#cancelNext()
    this.#stopped.abort()
  }

  #extend(askedAtMs: number): void {
    this.#safeUntilMs = askedAtMs + this.#options.ttlSeconds * 1000 * (1 - MARGIN)
    this.#cancelDeadline()
    this.#cancelDeadline = this.#options.clock.timer(Math.max(0, this.#safeUntilMs - this.#nowMs()), () => this.#lose())
  }

  #schedule(part: number): void {
    const { clock, ttlSeconds } = this.#options
    this.#cancelNext = clock.timer(ttlSeconds * 1000 * part, () => this.#keepAlive())
  }

  #keepAlive(): void {
    const { client, id } = this.#options
    const askedAtMs = this.#nowMs()
    client.keepAlive(id, { signal: this.#stopped.signal }).then(
      (ttlSeconds) => {
        if (this.#isOver()) return
        if (ttlSeconds <= 0) {
          this.#lose()
          return
        }
        this.#extend(askedAtMs)
        this.#schedule(PERIOD)
      },
      (error: unknown) => {
        if (this.#isOver()) return
        // Whatever else went wrong may be well again while the lease has time.
        if (isCode(error, 'NOT_FOUND')) this.#lose()
        else this.#schedule(RETRY)
      },
    )
  }

  /** True if nothing matters any more; a time that passed while nobody looked counts as passed. */
  #isOver(): boolean {
    if (!this.#stopped.signal.aborted && this.#nowMs() >= this.#safeUntilMs) this.#lose()
    return this.#stopped.signal.aborted || this.#lost.signal.aborted
  }

  #lose(): void {
    if (this.#stopped.signal.aborted) return
    this.stop()
    this.#lost.abort()
  }

  #nowMs(): number {
    return this.#options.clock.monotonic() / 1e6
  }
}
