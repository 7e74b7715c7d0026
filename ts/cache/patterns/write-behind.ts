// Write-behind: what is written is cached at once and saved later, many keys together.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions } from '../../base/options.ts'
import type { Cancel, Clock } from '../../io/clock.ts'
import { checkRange, type GetOptions } from './types.ts'

/** What a write-behind queue is told. */
export interface WriteBehindOptions<V> {
  /**
   * Writes records where they belong, all or none; undefined as a value: the record was deleted. It is called with the same ones
   * again if it fails, so it must be able to write twice.
   */
  readonly save: (records: ReadonlyMap<string, V | undefined>) => Promise<void> | void
  /** How long a write may wait to be saved with others, 100 ms unless given. */
  readonly delayMs?: number
  /** Records of one call of `save`, 100 unless given. */
  readonly batchSize?: number
  /** Keys that may wait, 10,000 unless given; a write beyond them is refused. */
  readonly maxPending?: number
  /** How long to wait after a `save` that failed, twice as long after each further one up to a minute; 1 s unless given. */
  readonly retryMs?: number
  /** Told of each `save` that failed. */
  readonly onError?: (error: unknown) => void
}

/** Counts of a write-behind queue. */
export interface WriteBehindStats {
  /** Keys that wait to be saved. */
  pending: number
  writes: number
  /** Writes that another one of the same key has made needless. */
  coalesced: number
  /** Records that were saved. */
  saved: number
  saveErrors: number
}

/** What the queue needs of its cache. */
export interface CacheBehind<V> {
  readonly clock: Clock
  readonly read: (key: string, options: GetOptions) => Promise<V | undefined>
  readonly cache: (key: string, value: V | undefined) => Promise<void>
  readonly confirm: (key: string, value: V | undefined) => Promise<void>
}

const LONGEST_RETRY_MS = 60_000

/**
 * Writes that are saved later. **What waits is lost if the process ends before `close` or `flush`**, and until it is saved only the
 * cache and this object know it: a key should have one process that writes it.
 */
export class WriteBehind<V> {
  readonly #settings: Required<WriteBehindOptions<V>>
  readonly #behind: CacheBehind<V>
  /** The last write of each key, those that wait the longest first. Writes are told apart by the object. */
  readonly #pending = new Map<string, { readonly value: V | undefined }>()
  #timer: Cancel | undefined
  /** The last of the saves, which run one after the other: two at a time could write a key in the wrong order. */
  #saving: Promise<void> = Promise.resolve()
  #retryMs: number
  #isClosed = false
  readonly #stats = { writes: 0, coalesced: 0, saved: 0, saveErrors: 0 }

  /** For `CacheAside.writeBehind`. @throws INVALID_INPUT */
  constructor(settings: WriteBehindOptions<V>, behind: CacheBehind<V>) {
    checkOptions(settings, SETTINGS, 'writeBehind')
    const { save, delayMs = 100, batchSize = 100, maxPending = 10_000, retryMs = 1000, onError = () => {} } = settings
    if (save === undefined) throw new BedplateError('INVALID_INPUT', 'writeBehind: save is missing')
    this.#settings = { save, delayMs, batchSize, maxPending, retryMs, onError }
    checkRange('delayMs', delayMs, 0)
    for (const name of ['batchSize', 'maxPending', 'retryMs'] as const) checkRange(name, this.#settings[name], 1)
    this.#behind = behind
    this.#retryMs = retryMs
  }

  /**
   * Caches a value and leaves it to be saved.
   * @returns Once it is cached, not saved.
   * @throws UNAVAILABLE if too many keys wait, or Redis does not answer (it is saved nevertheless); CLOSED
   */
  async set(key: string, value: V | undefined): Promise<void> {
    if (this.#isClosed) throw new BedplateError('CLOSED', 'the write-behind queue was closed')
    const { maxPending, delayMs } = this.#settings
    const isThere = this.#pending.has(key)
    if (!isThere && this.#pending.size >= maxPending) {
      throw new BedplateError('UNAVAILABLE', `${maxPending} keys wait to be saved, there is no room for more`, {
        hint: 'wait until some are saved (flush), or give maxPending more room',
      })
    }
    this.#stats.writes++
    if (isThere) this.#stats.coalesced++
    this.#pending.set(key, { value })
    this.#plan(delayMs)
    await this.#behind.cache(key, value)
  }

  /** The value that waits to be saved, else what the cache gives. */
  async get(key: string, options: GetOptions = {}): Promise<V | undefined> {
    const waiting = this.#pending.get(key)
    return waiting === undefined ? this.#behind.read(key, options) : waiting.value
  }

  /** Saves all that waits. @throws What `save` throws; what it had stays and is tried again. */
  async flush(): Promise<void> {
    while (this.#pending.size > 0) await this.#save()
  }

  /** Takes no more writes and saves all that waits. @throws As `flush`: call it again, or lose what waits. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.()
    this.#timer = undefined
    await this.flush()
  }

  stats(): WriteBehindStats {
    return { pending: this.#pending.size, ...this.#stats }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #plan(afterMs: number): void {
    if (this.#timer !== undefined || this.#isClosed) return
    this.#timer = this.#behind.clock.timer(afterMs, () => {
      this.#timer = undefined
      this.#save().then(
        () => this.#pending.size > 0 && this.#plan(0),
        () => {
          this.#plan(this.#retryMs)
          this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS)
        },
      )
    })
  }

  #save(): Promise<void> {
    const next = this.#saving.catch(() => {}).then(() => this.#saveBatch())
    this.#saving = next
    return next
  }

  async #saveBatch(): Promise<void> {
    const { save, batchSize, retryMs, onError } = this.#settings
    const batch = [...this.#pending].slice(0, batchSize)
    if (batch.length === 0) return
    try {
      await save(new Map(batch.map(([key, { value }]) => [key, value])))
    } catch (error) {
      this.#stats.saveErrors++
      onError(error)
      throw error
    }
    this.#retryMs = retryMs
    this.#stats.saved += batch.length
    // What was written meanwhile waits on.
    const settled = batch.filter(([key, write]) => this.#pending.get(key) === write)
    for (const [key] of settled) this.#pending.delete(key)
    await Promise.all(settled.map(([key, { value }]) => this.#behind.confirm(key, value).catch(onError)))
  }
}

const SETTINGS = {
  save: 'function',
  delayMs: 'number',
  batchSize: 'number',
  maxPending: 'number',
  retryMs: 'number',
  onError: 'function',
} as const
