// Hashes: https://redis.io/commands/?group=hash
import { Hash } from '../keyspace/hash.ts'
import { addLongDoubles, formatLongDouble, parseLongDouble } from '../keyspace/long-double.ts'
import { addIntegers, parseInteger } from '../keyspace/numbers.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, NOT_A_FLOAT, SYNTAX_ERROR } from './errors.ts'
import { parseRandomCount, randomPositions } from './random-elements.ts'

export const HASH_COMMANDS: Handlers = {
  hset: (call, args) => call.reply.integer(setFields(call, args)),

  hmset(call, args) {
    setFields(call, args)
    call.reply.ok()
  },

  hsetnx(call, [, key = '', field = '', value = '']) {
    if (call.hash(key)?.fields.has(field) === true) return call.reply.integer(0)
    hashAt(call, key).set(field, value, call.limits)
    call.changed(key, 'h', 'hset')
    call.reply.integer(1)
  },

  hget: (call, [, key = '', field = '']) => call.reply.bulkOrNil(call.hash(key)?.fields.get(field)),

  hmget(call, args) {
    const hash = call.hash(args[1] as string)
    call.reply.array(args.length - 2)
    for (let i = 2; i < args.length; i++) call.reply.bulkOrNil(hash?.fields.get(args[i] as string))
  },

  hgetall(call, [, key = '']) {
    const fields = call.hash(key)?.fields
    const size = fields?.size ?? 0
    call.reply.map(size)
    for (let i = 0; i < size; i++) {
      call.reply.bulk(fields?.keyAt(i) as string)
      call.reply.bulk(fields?.valueAt(i) as string)
    }
  },

  hdel(call, args) {
    const key = args[1] as string
    const hash = call.hash(key)
    let count = 0
    if (hash !== undefined) for (let i = 2; i < args.length; i++) if (hash.fields.delete(args[i] as string)) count++
    if (count > 0) {
      call.changed(key, 'h', 'hdel', count)
      call.dropIfEmpty(key, hash?.fields.size ?? 0)
    }
    call.reply.integer(count)
  },

  hlen: (call, [, key = '']) => call.reply.integer(call.hash(key)?.fields.size ?? 0),
  hstrlen: (call, [, key = '', field = '']) => call.reply.integer(call.hash(key)?.fields.get(field)?.length ?? 0),
  hexists: (call, [, key = '', field = '']) => call.reply.integer(call.hash(key)?.fields.has(field) === true ? 1 : 0),
  hkeys: (call, [, key = '']) => call.reply.bulks(call.hash(key)?.fields.keys() ?? []),
  hvals: (call, [, key = '']) => call.reply.bulks(call.hash(key)?.fields.values() ?? []),

  hincrby(call, [, key = '', field = '', byText = '']) {
    const by = call.integer(byText)
    const old = parseInteger(call.hash(key)?.fields.get(field) ?? '0') ?? fail('ERR hash value is not an integer')
    const sum = addIntegers(old, by) ?? fail('ERR increment or decrement would overflow')
    hashAt(call, key).set(field, String(sum), call.limits)
    call.changed(key, 'h', 'hincrby')
    call.reply.integer(sum)
  },

  hincrbyfloat(call, [, key = '', field = '', by = '']) {
    const increment = parseLongDouble(by) ?? fail(NOT_A_FLOAT)
    if (!Number.isFinite(increment.exponent)) fail('ERR value is NaN or Infinity')
    const old = parseLongDouble(call.hash(key)?.fields.get(field) ?? '0') ?? fail('ERR hash value is not a float')
    const sum = formatLongDouble(addLongDoubles(old, increment) ?? fail('ERR increment would produce NaN or Infinity'))
    hashAt(call, key).set(field, sum, call.limits)
    call.changed(key, 'h', 'hincrbyfloat')
    call.propagate(['HSET', key, field, sum])
    call.reply.bulk(sum)
  },

  hrandfield,
}

function hashAt(call: Call, key: string): Hash {
  const hash = call.hash(key)
  if (hash !== undefined) return hash
  const made = new Hash()
  call.db.add(key, made)
  return made
}

/** @returns How many fields are new. */
function setFields(call: Call, args: readonly string[]): number {
  if (args.length % 2 !== 0) fail(`ERR wrong number of arguments for '${call.command.name}' command`)
  const key = args[1] as string
  const hash = hashAt(call, key)
  let added = 0
  for (let i = 2; i < args.length; i += 2) {
    if (hash.set(args[i] as string, args[i + 1] as string, call.limits)) added++
  }
  call.changed(key, 'h', 'hset', (args.length - 2) / 2)
  return added
}

/** HRANDFIELD key [count [WITHVALUES]] */
function hrandfield(call: Call, args: readonly string[]): void {
  const [, key = '', countText, option] = args
  const { reply } = call
  if (countText === undefined) {
    const fields = call.hash(key)?.fields
    if (fields === undefined) {
      reply.nil()
      return
    }
    reply.bulk(fields.keyAt(Math.floor(call.random.next() * fields.size)))
    return
  }
  const count = parseRandomCount(call, countText)
  if (args.length > 4 || (option !== undefined && !isWord(option, 'WITHVALUES'))) fail(SYNTAX_ERROR)
  const fields = call.hash(key)?.fields
  const positions = randomPositions(call.random, fields?.size ?? 0, count)
  const isNested = reply.protocol === 3 && option !== undefined
  reply.array(option === undefined || isNested ? positions.length : 2 * positions.length)
  for (const position of positions) {
    if (isNested) reply.array(2)
    reply.bulk(fields?.keyAt(position) as string)
    if (option !== undefined) reply.bulk(fields?.valueAt(position) as string)
  }
}
