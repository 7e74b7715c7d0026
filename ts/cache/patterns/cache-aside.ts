// Cache-aside: look into the cache, load what is missing from where it belongs, put it into the cache for the next.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { asRedis } from './client.ts'
import { isEarly } from './early-expiry.ts'
import { decodeEntry, type Entry, encodeEntry } from './entry.ts'
import { type Lease, LeasedStore } from './leased-store.ts'
import { SingleFlight } from './single-flight.ts'
import {
  type CacheAsideOptions,
  type CacheStats,
  type CheckedOptions,
  checkCacheOptions,
  FIRST_POLL_MS,
  type GetOptions,
  LONGEST_POLL_MS,
  MAX_REFRESHES,
  noStats,
} from './types.ts'
import { WriteBehind, type WriteBehindOptions } from './write-behind.ts'

/** How one `get` was answered. */
interface Answer<V> {
  readonly value: V | undefined
  readonly from: 'hits' | 'stale' | 'misses'
}

/** An entry that may be served, or the lease to load it with, or neither in time. */
type Claim<V> = { readonly answer: Answer<V> } | { readonly lease: Lease } | 'late'

/**
 * Makes a cache in front of something slower. Nothing is sent before the first call.
 *
 * Of all who miss a key at the same time, in this process and in others that share the Redis, one loads and the others wait for
 * what it loads. A record that is invalidated while it is loaded is not cached.
 *
 * @throws INVALID_INPUT that names the option that is wrong.
 * @example
 * import { Redis } from 'ioredis'
 *
 * const users = cacheAside({ client: new Redis(), ttlMs: 60_000, load: (id) => database.findUser(id) })
 * await users.get('user:1')
 * await users.update('user:1', () => database.renameUser('user:1', 'Alice'))
 */
export function cacheAside<V>(options: CacheAsideOptions<V>): CacheAside<V> {
  return new CacheAside(checkCacheOptions(options))
}

/** A cache in front of something slower; `cacheAside` makes it. */
export class CacheAside<V> {
  readonly #options: CheckedOptions<V>
  readonly #store: LeasedStore
  readonly #lookups = new SingleFlight<Answer<V>>()
  /** Refreshes in the background by key. */
  readonly #refreshes = new Map<string, Promise<void>>()
  readonly #stopping = new AbortController()
  readonly #stats = noStats()

  /** For `cacheAside`. */
  constructor(options: CheckedOptions<V>) {
    this.#options = options
    const { client, prefix, leaseMs, commandTimeoutMs, downMs, clock, random } = options
    const onFailure = (): void => void this.#stats.cacheErrors++
    const limits = { leaseMs, commandTimeoutMs, downMs }
    this.#store = new LeasedStore({ redis: asRedis(client), prefix, ...limits, clock, random, onFailure })
  }

  /**
   * The record of a key, from the cache if it is there, else from `load`.
   *
   * A call joins one of the same key that is under way in this process. One round trip to Redis for a hit; four and a load for a
   * miss.
   * @returns Undefined if there is no record.
   * @throws Whatever `load` throws, the reason of `signal`, and UNAVAILABLE if Redis does not answer and `onCacheError` is `fail`.
   */
  async get(key: string, { signal }: GetOptions = {}): Promise<V | undefined> {
    signal?.throwIfAborted()
    const onJoin = (): void => void this.#stats.joined++
    const { value, from } = await this.#lookups.run(key, signal, (stop) => this.#lookUp(key, stop), onJoin)
    this.#stats[from]++
    return value
  }

  /**
   * Makes the cache forget keys: call it once their records have been changed. A load that began before stores nothing. In other
   * processes, a `get` that is under way may still return what it has loaded.
   * @throws UNAVAILABLE if Redis does not answer: an entry may then be served until its time is over.
   */
  async invalidate(...keys: string[]): Promise<void> {
    for (const key of keys) this.#lookups.forget(key)
    this.#stats.invalidations += keys.length
    await Promise.all(keys.map((key) => this.#store.invalidate(key)))
    // Whoever has asked meanwhile may have joined what was loaded before.
    for (const key of keys) this.#lookups.forget(key)
  }

  /**
   * Changes a record where it belongs, then makes the cache forget it, even if `change` fails: it may have done something.
   * @returns What `change` does.
   * @throws Whatever `change` throws; UNAVAILABLE as `invalidate`, after the record was changed.
   */
  async update<T>(key: string, change: () => Promise<T> | T): Promise<T> {
    let result: T
    try {
      result = await change()
    } catch (error) {
      await this.invalidate(key).catch((failure) => this.#options.onError(failure, key))
      throw error
    }
    await this.invalidate(key)
    return result
  }

  /**
   * Write-through: changes a record where it belongs, and the cache with it.
   *
   * Of writers that write a key at the same time, none leaves the cache with what another has overwritten: one that has lost its
   * lease meanwhile takes the entry away instead.
   * @param save - Writes the record; undefined as `value` means that it was deleted.
   * @throws Whatever `save` throws; UNAVAILABLE if Redis does not answer, before the record was written if `onCacheError` is
   * `fail`, and after it if the cache may still hold what was.
   */
  async writeThrough(key: string, value: V | undefined, save: () => Promise<void> | void): Promise<void> {
    const lease = await this.#store.takeOver(key).catch((error: unknown) => {
      if (this.#options.onCacheError === 'fail') throw error
    })
    try {
      await save()
    } catch (error) {
      await this.invalidate(key).catch((failure) => this.#options.onError(failure, key))
      throw error
    }
    this.#lookups.forget(key)
    const isStored =
      lease !== undefined && (await this.#keep(lease, value, this.#options.clock.now(), 0).catch(() => false))
    if (!isStored) await this.invalidate(key)
  }

  /** Write-behind: values are cached at once and saved later, in batches. See WriteBehind for what that can lose. */
  writeBehind(options: WriteBehindOptions<V>): WriteBehind<V> {
    const { clock } = this.#options
    return new WriteBehind(options, {
      clock,
      read: (key, how) => this.get(key, how),
      cache: (key, value) => this.writeThrough(key, value, () => {}),
      confirm: (key, value) => this.#confirm(key, value),
    })
  }

  /** Counts since the cache was made. */
  stats(): CacheStats {
    return { ...this.#stats }
  }

  /** Stops refreshing in the background, and waits for that. The client stays open. */
  async close(): Promise<void> {
    const reason = new BedplateError('CLOSED', 'the cache was closed')
    this.#stopping.abort(reason)
    this.#lookups.abort(reason)
    await Promise.all(this.#refreshes.values())
    await this.#store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // Looking up.

  async #lookUp(key: string, signal: AbortSignal): Promise<Answer<V>> {
    let claim: Claim<V>
    try {
      const answer = await this.#read(key)
      claim = answer === undefined ? await this.#claim(key, signal) : { answer }
    } catch (error) {
      signal.throwIfAborted()
      if (this.#options.onCacheError === 'fail') throw error
      claim = 'late'
    }
    if (claim === 'late') return { value: (await this.#load(key, signal)).value, from: 'misses' }
    if ('answer' in claim) return claim.answer
    return { value: await this.#loadInto(claim.lease, signal), from: 'misses' }
  }

  /** What the cache has, if it may be served; what is near its end is loaded again behind it. */
  async #read(key: string): Promise<Answer<V> | undefined> {
    const entry = await this.#entryOf(key)
    if (entry === undefined) return undefined
    const { staleMs, refreshAheadMs, earlyBeta: beta, clock, random } = this.#options
    const { freshUntilMs, loadMs } = entry
    const nowMs = clock.now()
    if (nowMs >= freshUntilMs + staleMs) return undefined
    const isStale = nowMs >= freshUntilMs
    const value = this.#decode(entry)
    if (value === UNREADABLE) return undefined
    const isNear = isStale || nowMs >= freshUntilMs - refreshAheadMs
    const mayBeEarly = beta > 0 && !isNear
    if (isNear || (mayBeEarly && isEarly({ nowMs, expiresAtMs: freshUntilMs, loadMs, beta, chance: random.next() })))
      this.#refresh(key)
    if (!isStale && value === undefined) this.#stats.negativeHits++
    return { value, from: isStale ? 'stale' : 'hits' }
  }

  /** Gets the lease of a key, or what another process has loaded with it. */
  async #claim(key: string, signal: AbortSignal): Promise<Claim<V>> {
    const { clock, random, waitMs } = this.#options
    const untilMs = clock.now() + waitMs
    for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_POLL_MS)) {
      const lease = await this.#store.acquire(key)
      // Asked again with the lease in hand: its last holder may have stored the entry in between.
      const answer = await this.#read(key)
      if (answer !== undefined) {
        if (lease !== undefined) await this.#store.release(lease)
        return { answer: answer.from === 'hits' ? { ...answer, from: 'misses' } : answer }
      }
      if (lease !== undefined) return { lease }
      if (pauseMs === FIRST_POLL_MS) this.#stats.waits++
      if (clock.now() >= untilMs) return 'late'
      await pause(clock, pauseMs * (0.5 + random.next()), signal)
    }
  }

  // Loading.

  /** Loads and stores; what cannot be stored is returned all the same. */
  async #loadInto(lease: Lease, signal: AbortSignal): Promise<V | undefined> {
    const { clock, onError } = this.#options
    const startedMs = clock.now()
    try {
      const { value, loadMs } = await this.#load(lease.key, signal)
      try {
        if (!(await this.#keep(lease, value, clock.now(), loadMs))) this.#stats.refused++
      } catch (error) {
        if (isCode(error, 'NOT_SUPPORTED')) throw error
        onError(error, lease.key)
        await this.#store.release(lease).catch(() => {})
      }
      return value
    } catch (error) {
      // Others need not wait for the lease to end. One that has ended by now is none of ours.
      if (clock.now() - startedMs < this.#options.leaseMs) await this.#store.release(lease).catch(() => {})
      throw error
    }
  }

  async #load(key: string, signal: AbortSignal): Promise<{ value: V | undefined; loadMs: number }> {
    const { load, clock } = this.#options
    this.#stats.loads++
    const started = clock.monotonic()
    try {
      const value = await load(key, { signal })
      return { value, loadMs: (clock.monotonic() - started) / 1e6 }
    } catch (error) {
      this.#stats.loadErrors++
      throw error
    }
  }

  /** Stores a record, or that there is none. @returns False if the lease did not hold. */
  async #keep(lease: Lease, value: V | undefined, nowMs: number, loadMs: number): Promise<boolean> {
    const { ttlMs, negativeTtlMs, staleMs, jitter, random } = this.#options
    const wanted = value === undefined ? negativeTtlMs : ttlMs
    if (wanted === 0) {
      // Nothing is remembered; what was there must go with it.
      await this.#store.invalidate(lease.key)
      return true
    }
    const goodMs = Math.max(1, wanted * (1 - jitter * random.next()))
    const text = value === undefined ? undefined : this.#encode(value)
    const entry = encodeEntry({ text, freshUntilMs: nowMs + goodMs, loadMs })
    return this.#store.store(lease, entry, goodMs + staleMs)
  }

  /** Loads again in the background, unless this or another process does so already. */
  #refresh(key: string): void {
    if (this.#refreshes.has(key) || this.#refreshes.size >= MAX_REFRESHES || this.#stopping.signal.aborted) return
    const work = async (): Promise<void> => {
      try {
        const lease = await this.#store.acquire(key)
        if (lease === undefined) return
        this.#stats.refreshes++
        await this.#loadInto(lease, this.#stopping.signal)
      } catch (error) {
        this.#options.onError(error, key)
      } finally {
        this.#refreshes.delete(key)
      }
    }
    this.#refreshes.set(key, work())
  }

  /** A write behind has been saved: an entry that is another, or that somebody is loading, may be of before. */
  async #confirm(key: string, value: V | undefined): Promise<void> {
    await this.#store.breakLease(key)
    const entry = await this.#entryOf(key)
    const text = value === undefined ? undefined : this.#encode(value)
    if (entry !== undefined && entry.text !== text) await this.invalidate(key)
  }

  async #entryOf(key: string): Promise<Entry | undefined> {
    const stored = await this.#store.read(key)
    if (stored === undefined) return undefined
    const entry = decodeEntry(stored)
    if (entry === undefined) this.#stats.unreadable++
    return entry
  }

  #encode(value: V): string {
    const text: unknown = this.#options.codec.encode(value)
    if (typeof text === 'string') return text
    throw new BedplateError('INVALID_INPUT', 'the codec of the cache gave no text for a value', {
      hint: 'JSON has none for functions and symbols: load something else, or give cacheAside a codec',
    })
  }

  #decode({ text }: Entry): V | undefined | typeof UNREADABLE {
    if (text === undefined) return undefined
    try {
      return this.#options.codec.decode(text)
    } catch {
      this.#stats.unreadable++
      return UNREADABLE
    }
  }
}

const UNREADABLE = Symbol('unreadable')

/** Waits, unless nobody wants to any more. */
function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      cancel()
      reject(signal.reason)
    }
    const cancel = clock.timer(ms, () => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
  })
}
