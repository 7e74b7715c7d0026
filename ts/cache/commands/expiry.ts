// When keys expire. Times are kept as milliseconds since 1970 and propagated as such, so that replicas agree to the millisecond.
import type { Entry } from '../keyspace/database.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, shown } from './errors.ts'

const MAX_INT64 = 2n ** 63n - 1n
const MIN_INT64 = -(2n ** 63n)
/** The last millisecond of 64 bits that a number can tell. */
const LAST_MS = 2 ** 63 - 1024

export interface TimeArgument {
  /** Milliseconds in one unit of the argument: 1000 or 1. */
  readonly unitMs: number
  /** True if it is a time since 1970, false if it counts from now. */
  readonly isAbsolute: boolean
}

export const EXPIRY_COMMANDS: Handlers = {
  expire: expire({ unitMs: 1000, isAbsolute: false }),
  pexpire: expire({ unitMs: 1, isAbsolute: false }),
  expireat: expire({ unitMs: 1000, isAbsolute: true }),
  pexpireat: expire({ unitMs: 1, isAbsolute: true }),
  ttl: show((call, at) => Math.floor((Math.max(0, at - call.now) + 500) / 1000)),
  pttl: show((call, at) => Math.max(0, at - call.now)),
  expiretime: show((_, at) => Math.floor((at + 500) / 1000)),
  pexpiretime: show((_, at) => at),

  persist(call, [, key = '']) {
    const entry = call.db.use(key)
    const had = entry !== undefined && call.db.persist(entry)
    if (had) call.changed(key, 'g', 'persist')
    call.reply.integer(had ? 1 : 0)
  },
}

/**
 * The time that an argument means, in milliseconds since 1970.
 * @throws CommandError if it does not fit 64 bits; `minimum` is 1 where only the future is allowed.
 */
export function parseTime(call: Call, text: string, kind: TimeArgument, minimum?: bigint): number {
  const value = BigInt(call.integer(text))
  const invalid = `ERR invalid expire time in '${call.command.name}' command`
  const ms = value * BigInt(kind.unitMs)
  const at = kind.isAbsolute ? ms : ms + BigInt(Math.floor(call.now))
  if (minimum !== undefined && value < minimum) fail(invalid)
  if (ms > MAX_INT64 || ms < MIN_INT64 || at > MAX_INT64) fail(invalid)
  return Math.min(Number(at), LAST_MS)
}

/** Whether a key that is told to expire then is to be deleted at once. What is replayed says itself when it was. */
export function isPast(call: Call, at: number): boolean {
  return at <= call.now && !call.db.seesExpired
}

/** Deletes a key that was told to expire in the past, and propagates that. */
export function expireNow(call: Call, key: string): void {
  call.db.delete(key)
  call.dirty++
  call.engine.notify('g', 'del', key, call.db.index)
  call.propagate(['DEL', key])
}

/** EXPIRE key time [NX | XX | GT | LT] */
function expire(kind: TimeArgument): Handler {
  return (call, args) => {
    const [, key = '', time = ''] = args
    const flags = parseFlags(args)
    const at = parseTime(call, time, kind)
    const entry = call.db.use(key)
    if (entry === undefined || !allows(flags, entry, at)) return call.reply.integer(0)
    if (isPast(call, at)) expireNow(call, key)
    else {
      call.db.expire(entry, at)
      call.changed(key, 'g', 'expire')
      call.propagate(['PEXPIREAT', key, String(at)])
    }
    call.reply.integer(1)
  }
}

function parseFlags(args: readonly string[]): ReadonlySet<string> {
  const flags = new Set<string>()
  for (const arg of args.slice(3)) {
    if (!['NX', 'XX', 'GT', 'LT'].some((flag) => isWord(arg, flag))) fail(`ERR Unsupported option ${shown(arg)}`)
    flags.add(arg.toUpperCase())
  }
  if (flags.has('NX') && flags.size > 1) {
    fail('ERR NX and XX, GT or LT options at the same time are not compatible')
  }
  if (flags.has('GT') && flags.has('LT')) fail('ERR GT and LT options at the same time are not compatible')
  return flags
}

/** A key without expiry counts as one that expires in eternity. */
function allows(flags: ReadonlySet<string>, { expiry }: Entry, at: number): boolean {
  if (flags.has('NX') && expiry !== undefined) return false
  if (flags.has('XX') && expiry === undefined) return false
  if (flags.has('GT') && (expiry === undefined || at <= expiry.at)) return false
  return !(flags.has('LT') && expiry !== undefined && at >= expiry.at)
}

/** -2 if there is no such key, -1 if it does not expire. */
function show(remaining: (call: Call, at: number) => number): Handler {
  return (call, [, key = '']) => {
    const entry = call.db.find(key)
    if (entry === undefined) call.reply.integer(-2)
    else call.reply.integer(entry.expiry === undefined ? -1 : remaining(call, entry.expiry.at))
  }
}
