// Entries in Redis, with leases: R. Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1.
//
//   reader                            Redis                         writer
//   SET {key}:lease A NX PX 10000     lease = A
//   loads the record                                                changes the record
//                                     no entry, no lease            DEL key {key}:lease
//   if lease = A: SET key, DEL lease  lease is gone: not stored
//
// A lease is both things that the paper makes of it. Only one reader gets it, so only one loads. And whoever invalidates or writes
// takes it away, so a record that was loaded before cannot be stored after: the lease is compared and the entry set in one
// step. A lease that Redis evicts or forgets is one that was taken away: nothing false is stored.
//
// The step is a script. Where there is none (EVAL unknown, or forbidden) it is WATCH and MULTI on a connection of its own.
import { BedplateError } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import type { Random } from '../../io/random.ts'
import { type RedisCommands, type RedisSession, textOfReply } from './client.ts'

/** The right to store the entry of a key. */
export interface Lease {
  readonly key: string
  readonly token: string
}

export interface LeasedStoreOptions {
  readonly redis: RedisCommands
  readonly prefix: string
  readonly leaseMs: number
  readonly commandTimeoutMs: number
  readonly downMs: number
  readonly clock: Clock
  readonly random: Random
  /** Told of each command that failed. */
  readonly onFailure: () => void
}

/** KEYS: the entry, the lease. ARGV: the token; to store, the entry and its milliseconds too. */
const SETTLE = `if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if #ARGV == 3 then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('DEL', KEYS[2])
return 1`
const NO_SCRIPTS = /unknown command|NOPERM/i
/** What servers say, such as `WRONGTYPE ...`: the server is there. */
const SERVERS_WORD = /^[A-Z]{2,} /
const TOKEN_BYTES = 16

/** Redis did not do what it was asked for. */
class CacheFailure extends BedplateError {
  constructor(message: string, cause?: unknown) {
    super('UNAVAILABLE', `the cache ${message}`, {
      cause,
      hint: 'is Redis running, and is the client connected to it?',
    })
  }
}

/** Texts under keys that only the holder of a lease stores. Every call fails with CacheFailure if Redis does. */
export class LeasedStore {
  readonly #options: LeasedStoreOptions
  #downUntilMs = Number.NEGATIVE_INFINITY
  #hasScripts = true
  #session: Promise<RedisSession> | undefined
  /** WATCH is of a connection, so one settlement follows another. */
  #lastSettled: Promise<unknown> = Promise.resolve()

  constructor(options: LeasedStoreOptions) {
    this.#options = options
  }

  /** The text under a key; undefined if there is none. */
  async read(key: string): Promise<string | undefined> {
    return textOfReply(await this.#ask(['GET', this.#nameOf(key)]))
  }

  /** The lease of a key, unless somebody has it. */
  async acquire(key: string): Promise<Lease | undefined> {
    const lease = this.#newLease(key)
    const reply = await this.#ask(['SET', this.#leaseNameOf(key), lease.token, 'NX', 'PX', this.#leaseMs()])
    return textOfReply(reply) === 'OK' ? lease : undefined
  }

  /** The lease of a key, taken from whoever has it. */
  async takeOver(key: string): Promise<Lease> {
    const lease = this.#newLease(key)
    await this.#ask(['SET', this.#leaseNameOf(key), lease.token, 'PX', this.#leaseMs()])
    return lease
  }

  /**
   * Stores a text if the lease still holds, and gives the lease back.
   * @returns False if it does not hold: nothing was stored.
   */
  store(lease: Lease, text: string, lifeMs: number): Promise<boolean> {
    return this.#settle(lease, [text, String(Math.max(1, Math.ceil(lifeMs)))])
  }

  /** Gives a lease back, if it still holds. */
  async release(lease: Lease): Promise<void> {
    await this.#settle(lease, [])
  }

  /** Takes away entry and lease. Tried whatever Redis did before: what is not taken away is served on. */
  async invalidate(key: string): Promise<void> {
    await this.#send(['DEL', this.#nameOf(key), this.#leaseNameOf(key)])
  }

  /** Takes away the lease alone. */
  async breakLease(key: string): Promise<void> {
    await this.#send(['DEL', this.#leaseNameOf(key)])
  }

  /** Closes what was opened; the client stays open. */
  async close(): Promise<void> {
    const session = await this.#session?.catch(() => undefined)
    this.#session = undefined
    session?.close()
  }

  async #settle(lease: Lease, what: readonly string[]): Promise<boolean> {
    const names = [this.#nameOf(lease.key), this.#leaseNameOf(lease.key)] as const
    if (this.#hasScripts) {
      try {
        return Number(await this.#ask(['EVAL', SETTLE, '2', ...names, lease.token, ...what])) === 1
      } catch (error) {
        const { cause } = error as CacheFailure
        if (!(cause instanceof Error) || !NO_SCRIPTS.test(cause.message)) throw error
        this.#hasScripts = false
      }
    }
    const settled = this.#lastSettled.then(() => this.#settleByWatching(names, lease.token, what))
    this.#lastSettled = settled.catch(() => {})
    return settled
  }

  async #settleByWatching(
    [name, leaseName]: readonly [string, string],
    token: string,
    [text, lifeMs]: readonly string[],
  ): Promise<boolean> {
    const { redis } = this.#options
    if (redis.session === undefined) {
      throw new BedplateError(
        'NOT_SUPPORTED',
        'this server has no EVAL, and this client opens no connection for WATCH',
        {
          hint: 'give cacheAside a client with duplicate() or session(), or use a server with scripts',
        },
      )
    }
    this.#session ??= redis.session()
    try {
      const session = await this.#bounded(this.#session)
      const ask = (args: readonly string[]): Promise<unknown> => this.#bounded(session.command(args))
      await ask(['WATCH', leaseName])
      if (textOfReply(await ask(['GET', leaseName])) !== token) {
        await ask(['UNWATCH'])
        return false
      }
      await ask(['MULTI'])
      if (text !== undefined) await ask(['SET', name, text, 'PX', String(lifeMs)])
      await ask(['DEL', leaseName])
      return Array.isArray(await ask(['EXEC']))
    } catch (error) {
      // Nobody knows what that connection is in the middle of.
      await this.close()
      throw error
    }
  }

  /** Asks unless Redis was silent a moment ago. */
  #ask(args: readonly string[]): Promise<unknown> {
    const { clock, onFailure } = this.#options
    if (clock.now() < this.#downUntilMs) {
      onFailure()
      return Promise.reject(new CacheFailure('did not answer a moment ago'))
    }
    return this.#send(args)
  }

  #send(args: readonly string[]): Promise<unknown> {
    const { redis } = this.#options
    const key = args[0] === 'EVAL' ? args[3] : args[1]
    try {
      return this.#bounded(redis.command(args, key as string))
    } catch (error) {
      return this.#bounded(Promise.reject(error)) // a client may throw instead
    }
  }

  /** Waits no longer than it may, and says of every failure the same way that it is one. */
  async #bounded<T>(work: Promise<T>): Promise<T> {
    const { clock, commandTimeoutMs, downMs, onFailure } = this.#options
    let cancel = (): void => {}
    const late = new Promise<never>((_, reject) => {
      cancel = clock.timer(commandTimeoutMs, () => reject(new Error(`no answer within ${commandTimeoutMs} ms`)))
    })
    try {
      return await Promise.race([work, late])
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      if (!SERVERS_WORD.test(message)) this.#downUntilMs = clock.now() + downMs
      if (!NO_SCRIPTS.test(message)) onFailure()
      throw new CacheFailure(`failed: ${message}`, cause)
    } finally {
      cancel()
    }
  }

  #newLease(key: string): Lease {
    return { key, token: Buffer.from(this.#options.random.bytes(TOKEN_BYTES)).toString('hex') }
  }

  #leaseMs(): string {
    return String(Math.ceil(this.#options.leaseMs))
  }

  #nameOf(key: string): string {
    return this.#options.prefix + key
  }

  /** In the slot of its entry: the part in braces is what clusters hash (a key with a `}` and no such part is not for clusters). */
  #leaseNameOf(key: string): string {
    const name = this.#nameOf(key)
    return /^[^{]*\{[^}]+\}/.test(name) ? `${name}:lease` : `{${name}}:lease`
  }
}
