// Taking locks: a lease that is kept alive, a place in the queue, and what the caller gets of them.
import { BedplateError } from '../../../base/errors.ts'
import { checkOptions, describe } from '../../../base/options.ts'
import type { Clock } from '../../../io/clock.ts'
import type { EtcdClient } from './etcd-client.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { leavePlace, type Place, takePlace, waitForTurn } from './queue.ts'
import type { AcquireOptions, Lock, Locks } from './types.ts'

const DEFAULT_TTL_MS = 10_000
const NO_VALUE = new Uint8Array(0)

/** Takes locks through a client. */
export class LockTaker implements Locks {
  readonly #client: EtcdClient
  readonly #clock: Clock
  readonly #held = new Set<HeldLock>()
  #isClosed = false

  constructor(client: EtcdClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  async acquire(name: string, options: AcquireOptions = {}): Promise<Lock> {
    return (await this.#take(name, options, true)) as Lock
  }

  tryAcquire(name: string, options: AcquireOptions = {}): Promise<Lock | undefined> {
    return this.#take(name, options, false)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled([...this.#held].map((lock) => lock.release()))
    this.#client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #take(name: string, options: AcquireOptions, waits: boolean): Promise<HeldLock | undefined> {
    checkOptions(options, { ttlMs: 'number', signal: 'any' }, 'acquire')
    const { ttlMs = DEFAULT_TTL_MS, signal } = options
    if (typeof name !== 'string' || name === '') {
      throw new BedplateError('INVALID_INPUT', `acquire: a lock has a name, got ${describe(name)}`)
    }
    if (!(ttlMs > 0 && ttlMs <= Number.MAX_SAFE_INTEGER)) {
      throw new BedplateError('INVALID_INPUT', `acquire: ttlMs must be a number above 0, got ${ttlMs}`)
    }
    if (this.#isClosed) throw new BedplateError('CLOSED', 'these locks were closed')
    if (isAborted(signal)) throw given(name)
    const askedAtMs = this.#clock.monotonic() / 1e6
    const { id, ttlSeconds } = await this.#client.grant(Math.ceil(ttlMs / 1000), { signal })
    const keeper = new LeaseKeeper({ client: this.#client, clock: this.#clock, id, ttlSeconds, askedAtMs })
    try {
      const place = await this.#wait(name, keeper, { signal, waits })
      if (place === undefined) return await this.#giveUp(keeper)
      const lock = new HeldLock({ client: this.#client, name, place, keeper, onEnd: () => this.#held.delete(lock) })
      this.#held.add(lock)
      return lock
    } catch (error) {
      await this.#giveUp(keeper)
      throw isAborted(signal) ? given(name) : error
    }
  }

  /** @returns The place once it is the first; undefined if it is not and nobody waits. */
  async #wait(
    name: string,
    keeper: LeaseKeeper,
    { signal, waits }: { signal: AbortSignal | undefined; waits: boolean },
  ): Promise<Place | undefined> {
    const key = Buffer.from(name).toString('latin1')
    const place = await takePlace(this.#client, { name: key, lease: keeper.id, value: NO_VALUE, signal })
    if (!place.isFirst && !waits) return undefined
    const ends = signal === undefined ? keeper.lost : AbortSignal.any([signal, keeper.lost])
    const outcome = place.isFirst ? 'held' : await waitForTurn(this.#client, place, ends)
    if (outcome === 'aborted' && isAborted(signal)) throw given(name)
    if (outcome !== 'held' || !keeper.isHeld()) {
      throw new BedplateError('UNAVAILABLE', `the lease ended while waiting for the lock ${JSON.stringify(name)}`, {
        hint: 'the service was not reached for the whole of ttlMs: try again, or with a longer one',
      })
    }
    return place
  }

  /** Takes the place in the queue away by ending its lease; if that cannot be said now, it ends by itself. */
  async #giveUp(keeper: LeaseKeeper): Promise<undefined> {
    keeper.stop()
    await this.#client.revoke(keeper.id).catch(() => {})
    return undefined
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function given(name: string): BedplateError {
  return new BedplateError('CLOSED', `waiting for the lock ${JSON.stringify(name)} was given up`)
}

interface HeldOptions {
  readonly client: EtcdClient
  readonly name: string
  readonly place: Place
  readonly keeper: LeaseKeeper
  readonly onEnd: () => void
}

class HeldLock implements Lock {
  readonly #options: HeldOptions
  #released: Promise<void> | undefined

  constructor(options: HeldOptions) {
    this.#options = options
    options.keeper.lost.addEventListener('abort', options.onEnd, { once: true })
  }

  get name(): string {
    return this.#options.name
  }

  get token(): number {
    return this.#options.place.token
  }

  get lost(): AbortSignal {
    return this.#options.keeper.lost
  }

  isHeld(): boolean {
    return this.#options.keeper.isHeld()
  }

  release(): Promise<void> {
    this.#released ??= this.#release()
    return this.#released
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  async #release(): Promise<void> {
    const { client, place, keeper, onEnd } = this.#options
    onEnd()
    if (keeper.lost.aborted) return
    keeper.stop()
    await leavePlace(client, place)
    // The place is free already; the lease without it is a matter of tidiness.
    await client.revoke(keeper.id).catch(() => {})
  }
}
