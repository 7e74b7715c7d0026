// `maxmemory`: how much the keyspace may cost, and which keys go when it costs more. What is counted are keys and values, kept up to
// date with every change (keyspace/memory.ts); what connections hold has bounds of its own.
import type { Random } from '../../io/random.ts'
import type { Database, Entry } from '../keyspace/database.ts'
import { type EvictionPolicy, EvictionPool } from '../keyspace/eviction.ts'
import { MemoryMeter } from '../keyspace/memory.ts'
import type { UsageRules } from '../keyspace/usage.ts'
import type { KeyFacts } from '../persistence/rdb-file.ts'
import type { Session } from './session.ts'
import type { CommandSpec } from './specs.ts'

export const SCRIPT_OUT_OF_MEMORY =
  "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
export const OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'."

/** An empty cache costs more than this, about: a limit below it is always exceeded, as it is in Redis. */
const EMPTY_BYTES = 64
const DEFAULT_SAMPLES = 5
/** So many keys go at most after one command; what is still too much goes with the next ones and in ticks. */
const MAX_EVICTIONS = 1000

/** The settings of memory, and what they lead to. */
export class MemoryLimit {
  /** `maxmemory`; 0 for as much as there is room for. */
  maxBytes = 0
  /** What may be used in any case: beyond it the process itself would die. */
  ceilingBytes = Number.POSITIVE_INFINITY
  /** Keys to look at for each eviction, `maxmemory-samples`. */
  samples = DEFAULT_SAMPLES
  readonly rules: UsageRules
  readonly meter = new MemoryMeter()
  /** Nothing is evicted or refused: a replica has what its master has. */
  isSuspended = false
  evictedCount = 0
  /** The most that was used since the start. */
  peakBytes = 0
  #policy: EvictionPolicy = 'noeviction'
  /** Keys are left that may be evicted: it goes on. */
  #isUnderWay = false
  /** When keys were to be evicted last, there were none. */
  #isStuck = false
  readonly #pool: EvictionPool

  constructor(random: Random) {
    this.rules = { counts: false, lfuLogFactor: 10, lfuDecayTime: 1, random }
    this.#pool = new EvictionPool(random)
  }

  get policy(): EvictionPolicy {
    return this.#policy
  }

  /** Sets the policy; what is known of the usage of keys is translated. O(keys) from LRU to LFU and back. */
  choose(policy: EvictionPolicy, databases: readonly Database[]): void {
    this.#policy = policy
    this.rules.counts = policy.endsWith('lfu')
    for (const database of databases) database.adaptUsage()
  }

  /** What a snapshot says of the usage of a key, as Redis's do: what the policy goes by, nothing where it goes by something else. */
  usageOf(database: Database, entry: Entry, nowMs: number): Pick<KeyFacts, 'idleSeconds' | 'frequency'> {
    // Of keys that FLUSHALL took from under a snapshot nothing is known any more.
    if (!/l[rf]u$/.test(this.#policy) || database.peek(entry.key) !== entry) return {}
    if (this.rules.counts) return { frequency: database.frequencyOf(entry, nowMs) }
    return { idleSeconds: Math.floor(database.idleMsOf(entry, nowMs) / 1000) }
  }

  get usedBytes(): number {
    return this.meter.bytes
  }

  /** The same as INFO tells it and as it is held against the limit: never nothing. */
  get totalBytes(): number {
    return Math.max(this.meter.bytes, EMPTY_BYTES)
  }

  get isOver(): boolean {
    if (this.isSuspended) return false
    const limit = this.maxBytes === 0 ? this.ceilingBytes : Math.min(this.maxBytes, this.ceilingBytes)
    return this.totalBytes > limit
  }

  /** True while more has to be evicted than one command may. */
  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  /** True if nothing may be added: too much is used and nothing is left that may be evicted. */
  get isExhausted(): boolean {
    return this.#isStuck && this.isOver
  }

  /** Whether the command may not be run, as it could need more memory: it, or one that EXEC would run. */
  refuses(session: Session, { name, flags }: CommandSpec): boolean {
    if (!this.isExhausted) return false
    if (name !== 'exec') return flags.has('denyoom')
    return session.transaction?.queue.some(({ command }) => command.flags.has('denyoom')) === true
  }

  /** Evicts until no more is used than may be, or as many keys as one command may. `evict` has to delete what it is given. */
  evict(databases: readonly Database[], evict: (database: Database, entry: Entry) => void): void {
    this.#isUnderWay = false
    this.#isStuck = false
    for (let left = MAX_EVICTIONS; this.isOver; left--) {
      if (left === 0) {
        this.#isUnderWay = true
        return
      }
      const chosen = this.#pool.choose(databases, this.#policy, this.samples)
      if (chosen === undefined) {
        this.#isStuck = true
        return
      }
      this.evictedCount++
      evict(chosen.database, chosen.entry)
    }
  }

  /** CONFIG RESETSTAT. */
  resetFigures(): void {
    this.evictedCount = 0
    this.peakBytes = this.meter.bytes
  }

  /** To be called after each command. */
  notePeak(): void {
    if (this.meter.bytes > this.peakBytes) this.peakBytes = this.meter.bytes
  }
}
