// Sorted sets: https://redis.io/commands/?group=sorted-set. Ranges and combinations have files of their own.
import { SortedSet } from '../keyspace/sorted-set.ts'
import { onlyKey, parsePop, parseTimeout } from './blocking.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { parseRandomCount, randomPositions } from './random-elements.ts'
import { SORTED_SET_COMBINATIONS } from './sorted-set-combinations.ts'
import { SORTED_SET_RANGES } from './sorted-set-ranges.ts'

const NOT_POSITIVE = 'ERR value is out of range, must be positive'
const NOT_A_NUMBER = 'ERR resulting score is not a number (NaN)'
const ADD_FLAGS: ReadonlySet<string> = new Set(['NX', 'XX', 'CH', 'INCR', 'GT', 'LT'])

export const SORTED_SET_COMMANDS: Handlers = {
  ...SORTED_SET_RANGES,
  ...SORTED_SET_COMBINATIONS,

  zadd: (call, args) => add(call, args, new Set()),
  /** Takes the flags of ZADD as well. */
  zincrby: (call, args) => add(call, args, new Set(['INCR'])),

  zrem(call, args) {
    const key = args[1] as string
    const zset = call.zset(key)
    let count = 0
    if (zset !== undefined) for (let i = 2; i < args.length; i++) if (zset.delete(args[i] as string)) count++
    if (count > 0) {
      call.changed(key, 'z', 'zrem', count)
      call.dropIfEmpty(key, zset?.size ?? 0)
    }
    call.reply.integer(count)
  },

  zcard: (call, [, key = '']) => call.reply.integer(call.zset(key)?.size ?? 0),

  zscore(call, [, key = '', member = '']) {
    replyScore(call, call.zset(key)?.score(member))
  },

  zmscore(call, args) {
    const zset = call.zset(args[1] as string)
    call.reply.array(args.length - 2)
    for (let i = 2; i < args.length; i++) replyScore(call, zset?.score(args[i] as string))
  },

  zrank(call, [, key = '', member = '']) {
    const rank = call.zset(key)?.rank(member)
    if (rank === undefined) call.reply.nil()
    else call.reply.integer(rank)
  },

  zrevrank(call, [, key = '', member = '']) {
    const zset = call.zset(key)
    const rank = zset?.rank(member)
    if (zset === undefined || rank === undefined) call.reply.nil()
    else call.reply.integer(zset.size - 1 - rank)
  },

  zpopmin: pop('MIN'),
  zpopmax: pop('MAX'),
  bzpopmin: blockingPop('MIN'),
  bzpopmax: blockingPop('MAX'),

  zmpop(call, args) {
    const { keys, end, count } = parsePop(call, args, 1, parseEnd)
    if (!popFirst(call, keys, end, count)) call.reply.nilArray()
  },

  bzmpop(call, args) {
    const untilMs = parseTimeout(call, args[1] as string)
    const { keys, end, count } = parsePop(call, args, 2, parseEnd)
    if (!popFirst(call, keys, end, count)) call.block({ argsFor: onlyKey(args, 2, keys), keys, type: 'zset', untilMs })
  },

  zrandmember,
}

function add(call: Call, args: readonly string[], flags: Set<string>): void {
  let first = 2
  while (first < args.length && ADD_FLAGS.has((args[first] as string).toUpperCase())) {
    flags.add((args[first++] as string).toUpperCase())
  }
  addMembers(call, args, first, flags)
}

function replyScore({ reply }: Call, score: number | undefined): void {
  if (score === undefined) reply.nil()
  else reply.double(score)
}

/** ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member..., the scores beginning at index `first`. */
export function addMembers(call: Call, args: readonly string[], first: number, flags: ReadonlySet<string>): void {
  const count = args.length - first
  if (count === 0 || count % 2 !== 0) fail(SYNTAX_ERROR)
  const [nx, xx, gt, lt] = ['NX', 'XX', 'GT', 'LT'].map((flag) => flags.has(flag))
  const isIncrement = flags.has('INCR')
  if (nx && xx) fail('ERR XX and NX options at the same time are not compatible')
  if ((gt && nx) || (lt && nx) || (gt && lt)) {
    fail('ERR GT, LT, and/or NX options at the same time are not compatible')
  }
  if (isIncrement && count > 2) fail('ERR INCR option supports a single increment-element pair')
  const scores: number[] = []
  for (let i = first; i < args.length; i += 2) scores.push(call.double(args[i] as string))
  const key = args[1] as string
  const existing = call.zset(key)
  const zset = existing ?? new SortedSet()
  let added = 0
  let updated = 0
  let result: number | undefined
  for (const [pair, given] of scores.entries()) {
    const member = args[first + 2 * pair + 1] as string
    const old = zset.score(member)
    if (old === undefined ? xx : nx) continue
    const score = isIncrement && old !== undefined ? old + given : given
    if (Number.isNaN(score)) fail(NOT_A_NUMBER)
    if (old !== undefined && ((gt && score <= old) || (lt && score >= old))) continue
    result = score
    if (old === score) continue
    if (zset.set(member, score, call.limits)) added++
    else updated++
  }
  if (existing === undefined && zset.size > 0) call.db.add(key, zset)
  if (added + updated > 0) call.changed(key, 'z', isIncrement ? 'zincr' : 'zadd', added + updated)
  if (isIncrement) replyScore(call, result)
  else call.reply.integer(flags.has('CH') ? added + updated : added)
}

type End = 'MIN' | 'MAX'

/** Takes at most `count` members from one end, and tells. */
function take(call: Call, key: string, zset: SortedSet, end: End, count: number): [string, number][] {
  const taken: [string, number][] = []
  const [start, stop] = end === 'MIN' ? [0, Math.min(count, zset.size)] : [Math.max(0, zset.size - count), zset.size]
  zset.visit(start, stop, end === 'MAX', (member, score) => taken.push([member, score]))
  for (const [member] of taken) zset.delete(member)
  if (taken.length > 0) {
    call.changed(key, 'z', end === 'MIN' ? 'zpopmin' : 'zpopmax', taken.length)
    call.dropIfEmpty(key, zset.size)
  }
  return taken
}

/** ZPOPMIN key [count] */
function pop(end: End): Handler {
  return (call, args) => {
    const [, key = '', countText] = args
    if (args.length > 3) fail(SYNTAX_ERROR)
    const count = countText === undefined ? 1 : call.bounded(countText, 0, Number.MAX_SAFE_INTEGER, NOT_POSITIVE)
    const zset = call.zset(key)
    const taken = zset === undefined ? [] : take(call, key, zset, end, count)
    const isNested = call.reply.protocol === 3 && countText !== undefined
    replyPairs(call, taken, isNested)
  }
}

function replyPairs({ reply }: Call, pairs: readonly (readonly [string, number])[], isNested: boolean): void {
  reply.array(isNested ? pairs.length : 2 * pairs.length)
  for (const [member, score] of pairs) {
    if (isNested) reply.array(2)
    reply.bulk(member)
    reply.double(score)
  }
}

/** BZPOPMIN key... timeout */
function blockingPop(end: End): Handler {
  return (call, args) => {
    const keys = args.slice(1, -1)
    const untilMs = parseTimeout(call, args.at(-1) as string)
    for (const key of keys) {
      const zset = call.zset(key)
      if (zset === undefined) continue
      const [member, score] = take(call, key, zset, end, 1)[0] as [string, number]
      call.reply.array(3)
      call.reply.bulk(key)
      call.reply.bulk(member)
      call.reply.double(score)
      return call.propagate([`ZPOP${end}`, key])
    }
    call.block({ argsFor: (key) => [args[0] as string, key, '0'], keys, type: 'zset', untilMs })
  }
}

function parseEnd(text: string | undefined): End {
  if (isWord(text, 'MIN')) return 'MIN'
  return isWord(text, 'MAX') ? 'MAX' : fail(SYNTAX_ERROR)
}

function popFirst(call: Call, keys: readonly string[], end: End, count: number): boolean {
  for (const key of keys) {
    const zset = call.zset(key)
    if (zset === undefined) continue
    const taken = take(call, key, zset, end, count)
    call.reply.array(2)
    call.reply.bulk(key)
    replyPairs(call, taken, true)
    call.propagate([`ZPOP${end}`, key, String(taken.length)])
    return true
  }
  return false
}

/** ZRANDMEMBER key [count [WITHSCORES]] */
function zrandmember(call: Call, args: readonly string[]): void {
  const [, key = '', countText, option] = args
  const { reply } = call
  if (args.length > 4 || (option !== undefined && !isWord(option, 'WITHSCORES'))) fail(SYNTAX_ERROR)
  const count = countText === undefined ? 1 : parseRandomCount(call, countText)
  const zset = call.zset(key)
  const size = zset?.size ?? 0
  // All of them come from the last to the first.
  const members =
    count >= size
      ? (zset?.slice(0, size) ?? []).reverse()
      : randomPositions(call.random, size, count).map((position) => zset?.memberAt(position) as string)
  if (countText === undefined) reply.bulkOrNil(members[0])
  else if (option === undefined) reply.bulks(members)
  else {
    const pairs = members.map((member) => [member, zset?.score(member) as number] as const)
    replyPairs(call, pairs, reply.protocol === 3)
  }
}
