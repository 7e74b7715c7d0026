// Strings: https://redis.io/commands/?group=string
import { MAX_STRING_BYTES } from '../../wire/resp/index.ts'
import { Blob } from '../keyspace/blob.ts'
import { addLongDoubles, formatLongDouble, parseLongDouble } from '../keyspace/long-double.ts'
import { addIntegers, parseInteger } from '../keyspace/numbers.ts'
import { compact, lengthOf, type StringValue, textOf } from '../keyspace/values.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, NOT_A_FLOAT, NOT_AN_INTEGER, SYNTAX_ERROR } from './errors.ts'
import { expireNow, isPast, parseTime, type TimeArgument } from './expiry.ts'
import { lcs } from './lcs.ts'

const TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'
/** No number that Redis reads is longer. */
const MAX_NUMBER_CHARACTERS = 5119
const TIMES: ReadonlyMap<string, TimeArgument> = new Map([
  ['EX', { unitMs: 1000, isAbsolute: false }],
  ['PX', { unitMs: 1, isAbsolute: false }],
  ['EXAT', { unitMs: 1000, isAbsolute: true }],
  ['PXAT', { unitMs: 1, isAbsolute: true }],
])

export const STRING_COMMANDS: Handlers = {
  get: (call, args) => replyString(call, call.string(args[1] as string)),
  set,

  setnx(call, [, key = '', value = '']) {
    const isNew = call.db.find(key) === undefined
    if (isNew) assign(call, key, value)
    call.reply.integer(isNew ? 1 : 0)
  },

  setex: setWithTime({ unitMs: 1000, isAbsolute: false }),
  psetex: setWithTime({ unitMs: 1, isAbsolute: false }),

  getset(call, [, key = '', value = '']) {
    replyString(call, call.string(key))
    assign(call, key, value)
    call.propagate(['SET', key, value])
  },

  getdel(call, [, key = '']) {
    const value = call.string(key)
    replyString(call, value)
    if (value !== undefined) expireNow(call, key)
  },

  getex,

  append(call, [, key = '', text = '']) {
    const length = lengthOf(call.string(key) ?? '') + text.length
    if (length > MAX_STRING_BYTES) fail(TOO_LONG)
    if (call.db.find(key) === undefined) call.db.add(key, compact(text))
    else {
      const blob = blobAt(call, key)
      blob.write(text, blob.length)
    }
    call.changed(key, '$', 'append')
    call.reply.integer(length)
  },

  strlen: (call, [, key = '']) => call.reply.integer(lengthOf(call.string(key) ?? '')),

  setrange(call, [, key = '', offsetText = '', text = '']) {
    const offset = call.position(offsetText)
    if (offset < 0) fail('ERR offset is out of range')
    const value = call.string(key)
    if (text === '') return call.reply.integer(lengthOf(value ?? ''))
    if (offset + text.length > MAX_STRING_BYTES) fail(TOO_LONG)
    const blob = blobAt(call, key)
    blob.write(text, offset)
    call.changed(key, '$', 'setrange')
    call.reply.integer(blob.length)
  },

  getrange,
  substr: getrange,
  incr: (call, args) => increment(call, args, 1),
  decr: (call, args) => increment(call, args, -1),
  incrby: (call, args) => increment(call, args, call.integer(args[2] as string)),

  decrby(call, args) {
    const by = BigInt(call.integer(args[2] as string))
    if (by === -(2n ** 63n)) fail('ERR decrement would overflow')
    increment(call, args, -by)
  },

  incrbyfloat,

  mget(call, args) {
    call.reply.array(args.length - 1)
    for (let i = 1; i < args.length; i++) {
      const value = call.db.use(args[i] as string)?.value
      // What is no string has no string: MGET never fails.
      if (value === undefined || (typeof value === 'object' && !(value instanceof Blob))) call.reply.nil()
      else replyString(call, value)
    }
  },

  mset(call, args) {
    checkPairs(call, args)
    for (let i = 1; i < args.length; i += 2) assign(call, args[i] as string, args[i + 1] as string)
    call.reply.ok()
  },

  msetnx(call, args) {
    checkPairs(call, args)
    for (let i = 1; i < args.length; i += 2) {
      if (call.db.find(args[i] as string) !== undefined) return call.reply.integer(0)
    }
    for (let i = 1; i < args.length; i += 2) assign(call, args[i] as string, args[i + 1] as string)
    call.reply.integer(1)
  },

  lcs,
}

/** The string of a key as bytes that can be changed in place; an empty one is made if the key is not there. */
export function blobAt(call: Call, key: string, capacity = 0): Blob {
  const entry = call.db.find(key)
  if (entry === undefined) return call.db.add(key, new Blob('', capacity)).value as Blob
  if (entry.value instanceof Blob) return entry.value
  const blob = new Blob(textOf(entry.value as StringValue), capacity)
  entry.value = blob
  call.db.weigh(key)
  return blob
}

function replyString({ reply }: Call, value: StringValue | undefined): void {
  if (value === undefined) reply.nil()
  else if (value instanceof Blob) reply.bulkBytes(value.bytes())
  else reply.bulk(value)
}

/** Sets a key to a plain string without expiry. */
function assign(call: Call, key: string, text: string): void {
  call.db.set(key, compact(text))
  call.dirty++
  call.engine.notify('$', 'set', key, call.db.index)
}

function checkPairs(call: Call, args: readonly string[]): void {
  if (args.length % 2 === 0) fail(`ERR wrong number of arguments for '${call.command.name}' command`)
}

/** SET key value [NX | XX] [GET] [EX | PX | EXAT | PXAT time | KEEPTTL] */
function set(call: Call, args: readonly string[]): void {
  const [, key = '', text = ''] = args
  if (args.length === 3) {
    assign(call, key, text)
    call.reply.ok()
    return
  }
  const flags = new Set<string>()
  let time: { readonly kind: TimeArgument; readonly text: string } | undefined
  for (let i = 3; i < args.length; i++) {
    const word = (args[i] as string).toUpperCase()
    const kind = TIMES.get(word)
    if (kind !== undefined && args[i + 1] !== undefined && time === undefined && !flags.has('KEEPTTL')) {
      time = { kind, text: args[++i] as string }
    } else if (['NX', 'XX', 'GET'].includes(word)) flags.add(word)
    else if (word === 'KEEPTTL' && time === undefined) flags.add(word)
    else fail(SYNTAX_ERROR)
  }
  if (flags.has('NX') && flags.has('XX')) fail(SYNTAX_ERROR)
  const at = time === undefined ? undefined : parseTime(call, time.text, time.kind, 1n)
  const old = flags.has('GET') ? call.string(key) : undefined
  const exists = call.db.find(key) !== undefined
  const isRefused = (flags.has('NX') && exists) || (flags.has('XX') && !exists)
  // The old value is told before it is replaced.
  if (flags.has('GET')) replyString(call, old)
  else if (isRefused) call.reply.nil()
  else call.reply.ok()
  if (isRefused) return
  const entry = call.db.set(key, compact(text), flags.has('KEEPTTL'))
  call.dirty++
  call.engine.notify('$', 'set', key, call.db.index)
  if (at === undefined) {
    if (flags.has('GET')) call.propagate(args.filter((arg, i) => i < 3 || !isWord(arg, 'GET')))
    return
  }
  call.db.expire(entry, at)
  call.engine.notify('g', 'expire', key, call.db.index)
  call.propagate(['SET', key, text, 'PXAT', String(at)])
}

/** SETEX key time value */
function setWithTime(kind: TimeArgument): Handler {
  return (call, [, key = '', time = '', text = '']) => {
    const at = parseTime(call, time, kind, 1n)
    call.db.expire(call.db.set(key, compact(text)), at)
    call.changed(key, '$', 'set')
    call.engine.notify('g', 'expire', key, call.db.index)
    call.propagate(['SET', key, text, 'PXAT', String(at)])
    call.reply.ok()
  }
}

/** GETEX key [EX | PX | EXAT | PXAT time | PERSIST] */
function getex(call: Call, args: readonly string[]): void {
  const [, key = '', option, time] = args
  const kind = TIMES.get((option ?? '').toUpperCase())
  const persists = isWord(option, 'PERSIST') && args.length === 3
  if (option !== undefined && !persists && (kind === undefined || args.length !== 4)) fail(SYNTAX_ERROR)
  const value = call.string(key)
  const entry = call.db.find(key)
  if (entry === undefined) {
    call.reply.nil()
    return
  }
  const at = kind === undefined ? undefined : parseTime(call, time as string, kind, 1n)
  replyString(call, value)
  if (at !== undefined && isPast(call, at)) expireNow(call, key)
  else if (at !== undefined) {
    call.db.expire(entry, at)
    call.changed(key, 'g', 'expire')
    call.propagate(['PEXPIREAT', key, String(at)])
  } else if (persists && call.db.persist(entry)) {
    call.changed(key, 'g', 'persist')
    call.propagate(['PERSIST', key])
  }
}

function getrange(call: Call, [, key = '', startText = '', endText = '']: readonly string[]): void {
  let start = call.position(startText)
  let end = call.position(endText)
  const value = call.string(key) ?? ''
  const length = lengthOf(value)
  if (start < 0 && end < 0 && start > end) {
    call.reply.bulk('')
    return
  }
  if (start < 0) start = Math.max(0, length + start)
  if (end < 0) end = Math.max(0, length + end)
  end = Math.min(end, length - 1)
  if (start > end || length === 0) {
    call.reply.bulk('')
    return
  }
  if (value instanceof Blob) call.reply.bulkBytes(value.bytes().subarray(start, end + 1))
  else call.reply.bulk(textOf(value).slice(start, end + 1))
}

function increment(call: Call, [, key = '']: readonly string[], by: number | bigint): void {
  const value = call.string(key) ?? 0
  const current = typeof value === 'number' ? value : (parseInteger(shortText(value)) ?? fail(NOT_AN_INTEGER))
  const sum = addIntegers(current, by) ?? fail('ERR increment or decrement would overflow')
  call.db.set(key, typeof sum === 'number' ? compact(String(sum)) : String(sum), true)
  call.dirty++
  call.engine.notify('$', 'incrby', key, call.db.index)
  call.reply.integer(sum)
}

/** The text of a value that may be a number; nothing for one that is too long to be one, whose text would be a copy of it. */
function shortText(value: StringValue): string {
  return lengthOf(value) > MAX_NUMBER_CHARACTERS ? '' : textOf(value)
}

function incrbyfloat(call: Call, [, key = '', by = '']: readonly string[]): void {
  const current = parseLongDouble(shortText(call.string(key) ?? '0')) ?? fail(NOT_A_FLOAT)
  const added = addLongDoubles(current, parseLongDouble(by) ?? fail(NOT_A_FLOAT))
  const sum = formatLongDouble(added ?? fail('ERR increment would produce NaN or Infinity'))
  call.db.set(key, sum, true)
  call.dirty++
  call.engine.notify('$', 'incrbyfloat', key, call.db.index)
  call.propagate(['SET', key, sum, 'KEEPTTL']) // replicas must not add once more, with other roundings
  call.reply.bulk(sum)
}
