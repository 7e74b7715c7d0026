// Streams whose clients want a leader (metadata `hasleader: true`) end when the member has none: it may be cut off, and the client
// finds another member. As etcd does it, only after a while, as an election is no reason to go elsewhere.
import type { Cancel, Clock } from '../../../io/clock.ts'
import { refusal } from '../errors.ts'
import { every } from '../repeat.ts'

/** How often is looked, and how often in a row there must have been none: longer than an election takes. */
const LOOK_MS = 1000
const MOST_LOOKS = 3

/** Looks whether there is a leader, as long as anybody wants to know. */
export class LeaderMonitor {
  readonly #clock: Clock
  readonly #hasLeader: () => boolean
  readonly #streams = new Set<AbortController>()
  #cancel: Cancel | undefined
  #looks = 0

  constructor(clock: Clock, hasLeader: () => boolean) {
    this.#clock = clock
    this.#hasLeader = hasLeader
  }

  /**
   * Runs a stream until it ends by itself, or there is no leader.
   * @param run - Gets a signal that aborts when it is to end.
   * @throws Refusal `no leader`, and what `run` throws
   */
  async whileLed(run: (lost: AbortSignal) => Promise<void>): Promise<void> {
    const controller = new AbortController()
    this.#streams.add(controller)
    this.#cancel ??= every(this.#clock, LOOK_MS, () => this.#look())
    const { signal } = controller
    const lost = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(refusal('noLeader')))
    })
    try {
      await Promise.race([run(signal), lost])
    } finally {
      this.#streams.delete(controller)
      if (this.#streams.size === 0) this.close()
    }
  }

  /** Looks no more. */
  close(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#looks = 0
  }

  #look(): void {
    this.#looks = this.#hasLeader() ? 0 : this.#looks + 1
    if (this.#looks < MOST_LOOKS) return
    this.#looks = 0
    for (const controller of [...this.#streams]) controller.abort()
  }
}
