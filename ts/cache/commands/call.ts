// What a handler sees of the engine while its command runs.
import type { Random } from '../../io/random.ts'
import type { ReplyWriter } from '../../wire/resp/index.ts'
import type { Database } from '../keyspace/database.ts'
import type { EncodingLimits } from '../keyspace/encoding.ts'
import type { Hash } from '../keyspace/hash.ts'
import type { List } from '../keyspace/list.ts'
import { parseDouble, parseInteger } from '../keyspace/numbers.ts'
import type { MemberSet } from '../keyspace/set.ts'
import type { SortedSet } from '../keyspace/sorted-set.ts'
import type { Stream } from '../keyspace/stream.ts'
import { isString, type StringValue, type TypeName, typeOf, type Value } from '../keyspace/values.ts'
import { fail, NOT_A_FLOAT, NOT_AN_INTEGER, WRONG_TYPE } from './errors.ts'
import type { Host } from './host.ts'
import type { Blocked, Session } from './session.ts'
import type { CommandSpec } from './specs.ts'

const MAX_SAFE = Number.MAX_SAFE_INTEGER
const NOT_32_BITS = 'ERR value is out of range, value must between -2147483648 and 2147483647'

/**
 * Runs one command: reads `args` (the name is the first), changes the keyspace, and writes exactly one reply to `call.reply`.
 * It checks its arguments before it changes anything: after a change it must not throw.
 * @throws CommandError whose text becomes the reply.
 */
export type Handler = (call: Call, args: readonly string[]) => void

/** Handlers by name; subcommands as `container|name`. */
export type Handlers = Readonly<Record<string, Handler>>

/** One run of a command. The engine uses its objects again and again. */
export class Call {
  readonly engine: Host
  session!: Session
  command!: CommandSpec
  db!: Database
  reply!: ReplyWriter
  /** Milliseconds since 1970, the same throughout a transaction. */
  now = 0
  /** How much was changed: above 0 the command is propagated. */
  dirty = 0
  /** It changed nothing, and yet replicas are told. */
  isMessage = false
  /** False inside a transaction: what would block answers as if its time were over. */
  mayBlock = true
  /** What is propagated in place of the command as it came; undefined for the command itself. */
  instead: (readonly string[])[] | undefined

  constructor(engine: Host) {
    this.engine = engine
  }

  get random(): Random {
    return this.engine.random
  }

  get limits(): EncodingLimits {
    return this.engine.encodingLimits
  }

  // Values of keys, for commands that use them. WRONGTYPE if the key holds something else, undefined if it is not there.

  string(key: string): StringValue | undefined {
    const value = this.db.use(key)?.value
    if (value !== undefined && !isString(value)) fail(WRONG_TYPE)
    return value
  }

  list(key: string): List | undefined {
    return this.#typed(key, 'list') as List | undefined
  }

  hash(key: string): Hash | undefined {
    return this.#typed(key, 'hash') as Hash | undefined
  }

  set(key: string): MemberSet | undefined {
    return this.#typed(key, 'set') as MemberSet | undefined
  }

  zset(key: string): SortedSet | undefined {
    return this.#typed(key, 'zset') as SortedSet | undefined
  }

  stream(key: string): Stream | undefined {
    return this.#typed(key, 'stream') as Stream | undefined
  }

  #typed(key: string, type: TypeName): Value | undefined {
    const value = this.db.use(key)?.value
    if (value !== undefined && typeOf(value) !== type) fail(WRONG_TYPE)
    return value
  }

  // Arguments as numbers.

  /** 64 bits. @throws CommandError with `text` */
  integer(text: string, error = NOT_AN_INTEGER): number | bigint {
    return parseInteger(text) ?? fail(error)
  }

  /** The same where a position or a count is meant: what is beyond 2^53 is as good as 2^53. */
  position(text: string, error = NOT_AN_INTEGER): number {
    const value = this.integer(text, error)
    if (typeof value === 'number') return value
    return value > 0n ? MAX_SAFE : -MAX_SAFE
  }

  /** A position within bounds. */
  bounded(text: string, low: number, high: number, error = NOT_AN_INTEGER): number {
    const value = this.position(text, error)
    return value < low || value > high ? fail(error) : value
  }

  /** 32 bits, as for the numbers of databases. @param error - What is said instead of Redis's own two texts. */
  small(text: string, error?: string): number {
    const value = this.position(text, error)
    const isSmall = value >= -(2 ** 31) && value < 2 ** 31
    return isSmall ? value : fail(error ?? NOT_32_BITS)
  }

  double(text: string, error = NOT_A_FLOAT): number {
    return parseDouble(text) ?? fail(error)
  }

  // Changes.

  /**
   * Tells that a key was changed by this command.
   * @param kind - The class of keyspace event, as notify-keyspace-events names it: g $ l s h z t.
   * @param event - Its name.
   * @param count - How many changes it was.
   */
  changed(key: string, kind: string, event: string, count = 1): void {
    this.dirty += count
    this.db.touch(key)
    this.engine.notify(kind, event, key, this.db.index)
  }

  /** Deletes a key whose last element is gone. */
  dropIfEmpty(key: string, size: number): void {
    if (size > 0) return
    this.db.delete(key)
    this.engine.notify('g', 'del', key, this.db.index)
  }

  /** Stores a result under a key, or deletes the key if there is none, as the STORE commands do. */
  store(key: string, value: Value | undefined, kind: string, event: string): void {
    if (value !== undefined) {
      this.db.set(key, value)
      this.dirty++
      this.engine.notify(kind, event, key, this.db.index)
    } else if (this.db.delete(key)) {
      this.dirty++
      this.engine.notify('g', 'del', key, this.db.index)
    }
  }

  /** Propagates this, which has the same effect, in place of the command as it came. A list, since V8 spreads only so many. */
  propagate(args: readonly string[]): void {
    this.instead ??= []
    this.instead.push(args)
  }

  /** Lets the session wait until one of `keys` can serve it; in a transaction answers with a null instead. */
  block(wait: Omit<Blocked, 'command' | 'database'>): void {
    if (!this.mayBlock) {
      this.reply.nilArray()
      return
    }
    this.engine.block(this.session, { ...wait, command: this.command, database: this.db.index })
  }
}

/** True if `text` is the keyword, which is given in upper case. */
export function isWord(text: string | undefined, word: string): boolean {
  return text !== undefined && text.length === word.length && text.toUpperCase() === word
}
