// Who goes along with a log: each knows how far it has got, and is woken when there is more, or when there is less.
import { BedplateError } from '../../base/errors.ts'

/** One iteration of `follow`. */
export class Follower {
  /** What it reads next. */
  nextOffset: number
  /** Why it cannot go on. */
  error: Error | undefined
  wake: (() => void) | undefined

  constructor(from: number) {
    this.nextOffset = from
  }
}

/** All iterations of a handle. */
export class Followers {
  readonly #all = new Set<Follower>()

  get size(): number {
    return this.#all.size
  }

  /** True if somebody waits for more. */
  get areWaiting(): boolean {
    for (const { wake } of this.#all) if (wake !== undefined) return true
    return false
  }

  add(follower: Follower): void {
    this.#all.add(follower)
  }

  delete(follower: Follower): void {
    this.#all.delete(follower)
  }

  /** Resolves at the next `wakeAll`, or when the signal is aborted. */
  async wait(follower: Follower, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        follower.wake = undefined
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      follower.wake = wake
      signal?.addEventListener('abort', wake)
    })
  }

  /** Lets all who wait look again. */
  wakeAll(): void {
    for (const { wake } of this.#all) wake?.()
  }

  /** Ends all with an error. */
  fail(error: Error): void {
    for (const follower of this.#all) follower.error ??= error
    this.wakeAll()
  }

  /** Tells those who were given records at or behind `nextOffset` that these are gone. */
  truncate(nextOffset: number): void {
    for (const follower of this.#all) {
      if (follower.nextOffset <= nextOffset) continue
      const what = `the records from offset ${nextOffset} on were removed, and ${follower.nextOffset} had been reached`
      follower.error ??= new BedplateError('CONFLICT', what, {
        hint: 'undo what came of them, and follow again from there',
      })
    }
    this.wakeAll()
  }
}
