// What a cache-aside cache is told, and what it tells of itself. The bounds of everything stand here.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions } from '../../base/options.ts'
import { type Clock, realClock } from '../../io/clock.ts'
import { type Random, realRandom } from '../../io/random.ts'
import type { RedisClient } from './client.ts'

/** An entry longer than this is not read: it counts as missing. In characters. */
export const MAX_ENTRY_LENGTH = 64 * 2 ** 20
/** Refreshes that may run in the background at a time; what would be one more is left to the next who asks. */
export const MAX_REFRESHES = 256
/** The pauses between two looks at a lease that somebody else holds, the first and the longest, in milliseconds. */
export const FIRST_POLL_MS = 5
export const LONGEST_POLL_MS = 100

/** How values become text and values again. */
export interface CacheCodec<V> {
  encode(value: V): string
  /** Throws for text that is none of ours: the entry then counts as missing. */
  decode(text: string): V
}

/** What a loader is given beside the key. */
export interface LoadContext {
  /** Aborts once nobody waits for the record any more. */
  readonly signal: AbortSignal
}

/** What a cache-aside cache needs to know. Only `client`, `ttlMs` and `load` have to be given. */
export interface CacheAsideOptions<V> {
  /** A client of Redis: ioredis, node-redis, their clusters, or anything with `command`. It stays the caller's to close. */
  readonly client: RedisClient
  /** Reads the record of a key from where it belongs; undefined: there is none. */
  readonly load: (key: string, context: LoadContext) => Promise<V | undefined> | V | undefined
  /** How long a record may be served after it was loaded, at least 1 ms. */
  readonly ttlMs: number
  /** Put before every key. '' unless given. */
  readonly prefix?: string
  /** JSON unless given. */
  readonly codec?: CacheCodec<V>
  /** How long it is remembered that there is no record: 0, the default, remembers it not at all. */
  readonly negativeTtlMs?: number
  /**
   * The part of the time to live by which chance shortens it, 0 to 1; 0.1 unless given. Keys that were filled together then
   * do not expire together.
   */
  readonly jitter?: number
  /** So long after its time a record is still served, while it is loaded again in the background; 0 unless given. */
  readonly staleMs?: number
  /** A record that is asked for so shortly before its end is loaded again in the background; 0 unless given. */
  readonly refreshAheadMs?: number
  /** The beta of XFetch (see `isEarly`): above 1 refreshes earlier, 0 not at all; 1 unless given. */
  readonly earlyBeta?: number
  /**
   * How long one process may take to load a record before another may try, 10 s unless given. Choose it longer than `load` ever
   * takes: what comes later is not cached.
   */
  readonly leaseMs?: number
  /** How long to wait for the process that loads before loading without it, `leaseMs` unless given. */
  readonly waitMs?: number
  /** How long a command to Redis may take, 1 s unless given. */
  readonly commandTimeoutMs?: number
  /** After a command without an answer, so long nothing is asked of Redis but invalidations; 1 s unless given. */
  readonly downMs?: number
  /** What `get` does if Redis does not answer: `load` the record from where it belongs (the default), or `fail`. */
  readonly onCacheError?: 'load' | 'fail'
  /** Told of errors that nobody waits for: a refresh in the background, an entry that could not be stored. */
  readonly onError?: (error: unknown, key: string) => void
  readonly clock?: Clock
  readonly random?: Random
}

/** How one `get` is made. */
export interface GetOptions {
  /** Ends the waiting of this caller; the load goes on as long as others wait for it. */
  readonly signal?: AbortSignal
}

/** Counts since the cache was made. Every `get` that ended with a record, or with none, is one of hits, stale and misses. */
export interface CacheStats {
  /** Answered by an entry within its time. */
  hits: number
  /** Those of `hits` that said that there is no record. */
  negativeHits: number
  /** Answered by an entry after its time, while it was loaded again. */
  stale: number
  /** Answered by a load, of this process or another. */
  misses: number
  /** Those that joined a `get` of the same key in this process. */
  joined: number
  /** Times that a process waited for another one to load. */
  waits: number
  /** Calls of `load`. */
  loads: number
  loadErrors: number
  /** Loads in the background. */
  refreshes: number
  /** Records that were not cached, since they were invalidated or written while they were loaded. */
  refused: number
  invalidations: number
  /** Entries that could not be understood. */
  unreadable: number
  /** Commands that failed or were not answered in time. */
  cacheErrors: number
}

/** All options with their defaults. */
export type CheckedOptions<V> = Required<Omit<CacheAsideOptions<V>, 'client' | 'onError'>> & {
  readonly client: RedisClient
  readonly onError: (error: unknown, key: string) => void
}

const OPTION_TYPES = {
  client: 'any',
  load: 'function',
  ttlMs: 'number',
  prefix: 'string',
  codec: 'any',
  negativeTtlMs: 'number',
  jitter: 'number',
  staleMs: 'number',
  refreshAheadMs: 'number',
  earlyBeta: 'number',
  leaseMs: 'number',
  waitMs: 'number',
  commandTimeoutMs: 'number',
  downMs: 'number',
  onCacheError: 'string',
  onError: 'function',
  clock: 'any',
  random: 'any',
} as const

/** Checks options and adds the defaults. @throws INVALID_INPUT that names what is wrong. */
export function checkCacheOptions<V>(options: CacheAsideOptions<V>): CheckedOptions<V> {
  checkOptions(options, OPTION_TYPES, 'cacheAside')
  for (const name of ['client', 'load', 'ttlMs'] as const) {
    if (options[name] === undefined) throw new BedplateError('INVALID_INPUT', `cacheAside: ${name} is missing`)
  }
  const leaseMs = options.leaseMs ?? 10_000
  const checked: CheckedOptions<V> = {
    client: options.client,
    load: options.load,
    ttlMs: options.ttlMs,
    prefix: options.prefix ?? '',
    codec: options.codec ?? JSON_CODEC,
    negativeTtlMs: options.negativeTtlMs ?? 0,
    jitter: options.jitter ?? 0.1,
    staleMs: options.staleMs ?? 0,
    refreshAheadMs: options.refreshAheadMs ?? 0,
    earlyBeta: options.earlyBeta ?? 1,
    leaseMs,
    waitMs: options.waitMs ?? leaseMs,
    commandTimeoutMs: options.commandTimeoutMs ?? 1000,
    downMs: options.downMs ?? 1000,
    onCacheError: options.onCacheError ?? 'load',
    onError: options.onError ?? (() => {}),
    clock: options.clock ?? realClock,
    random: options.random ?? realRandom,
  }
  for (const name of ['ttlMs', 'leaseMs', 'commandTimeoutMs'] as const) checkRange(name, checked[name], 1)
  for (const name of ['negativeTtlMs', 'staleMs', 'refreshAheadMs', 'earlyBeta', 'waitMs', 'downMs'] as const)
    checkRange(name, checked[name], 0)
  checkRange('jitter', checked.jitter, 0, 1)
  if (!['load', 'fail'].includes(checked.onCacheError)) {
    throw new BedplateError('INVALID_INPUT', 'cacheAside: onCacheError must be "load" or "fail"')
  }
  return checked
}

/** Counts of a cache that has done nothing. */
export function noStats(): CacheStats {
  return {
    hits: 0,
    negativeHits: 0,
    stale: 0,
    misses: 0,
    joined: 0,
    waits: 0,
    loads: 0,
    loadErrors: 0,
    refreshes: 0,
    refused: 0,
    invalidations: 0,
    unreadable: 0,
    cacheErrors: 0,
  }
}

/** Says whether there is a number where one must be. @throws INVALID_INPUT */
export function checkRange(name: string, value: number, low: number, high = Number.MAX_SAFE_INTEGER): void {
  if (value >= low && value <= high) return
  const range = high === Number.MAX_SAFE_INTEGER ? `at least ${low}` : `from ${low} to ${high}`
  throw new BedplateError('INVALID_INPUT', `cacheAside: ${name} must be a number of ${range}, got ${value}`)
}

const JSON_CODEC: CacheCodec<never> = {
  encode: (value) => JSON.stringify(value),
  decode: (text) => JSON.parse(text) as never,
}
