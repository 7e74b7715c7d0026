// Ranges of sorted sets, by rank, by score and by member. Each comes down to a range of ranks, which a binary search finds.
import { scanDouble } from '../keyspace/numbers.ts'
import { SortedSet } from '../keyspace/sorted-set.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { range as clampRange } from './lists.ts'

const NOT_A_SCORE = 'ERR min or max is not a float'
const NOT_A_MEMBER = 'ERR min or max not valid string range item'
const NO_LIMIT = 'ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX'
const NO_SCORES = 'ERR syntax error, WITHSCORES not supported in combination with BYLEX'

type By = 'rank' | 'score' | 'lex'

/** Ranks from `start` to before `end`. */
interface Ranks {
  readonly start: number
  readonly end: number
}

/** Finds the ranks of a range in a set. */
type Range = (zset: SortedSet) => Ranks

interface RangeRequest {
  readonly range: Range
  readonly isReversed: boolean
  readonly offset: number
  /** Negative for all. */
  readonly limit: number
  readonly withScores: boolean
}

export const SORTED_SET_RANGES: Handlers = {
  zrange: show(undefined, undefined),
  zrevrange: show('rank', true),
  zrangebyscore: show('score', false),
  zrevrangebyscore: show('score', true),
  zrangebylex: show('lex', false),
  zrevrangebylex: show('lex', true),

  /** ZRANGESTORE destination source min max [BYSCORE | BYLEX] [REV] [LIMIT offset count] */
  zrangestore(call, args) {
    const request = parseRequest(call, args, { first: 3, by: undefined, isReversed: undefined, stores: true })
    const source = call.zset(args[2] as string)
    const result = new SortedSet()
    if (source !== undefined) visit(source, request, (member, score) => result.set(member, score, call.limits))
    call.store(args[1] as string, result.size === 0 ? undefined : result, 'z', 'zrangestore')
    call.reply.integer(result.size)
  },

  zcount: count('score'),
  zlexcount: count('lex'),
  zremrangebyrank: remove('rank'),
  zremrangebyscore: remove('score'),
  zremrangebylex: remove('lex'),
}

/** What is fixed by the name of a command. */
interface RequestForm {
  /** The index of the lower bound. */
  readonly first: number
  readonly by: By | undefined
  readonly isReversed: boolean | undefined
  readonly stores: boolean
}

function parseRequest(call: Call, args: readonly string[], form: RequestForm): RangeRequest {
  const { first, stores } = form
  let { by, isReversed } = form
  let withScores = false
  let offset = 0
  let limit = -1
  for (let i = first + 2; i < args.length; i++) {
    if (!stores && isWord(args[i], 'WITHSCORES')) withScores = true
    else if (isWord(args[i], 'LIMIT') && i + 2 < args.length) {
      offset = call.position(args[++i] as string)
      limit = call.position(args[++i] as string)
    } else if (isReversed === undefined && form.by === undefined && isWord(args[i], 'REV')) isReversed = true
    else if (by === undefined && isWord(args[i], 'BYLEX')) by = 'lex'
    else if (by === undefined && isWord(args[i], 'BYSCORE')) by = 'score'
    else fail(SYNTAX_ERROR)
  }
  if (limit !== -1 && (by ?? 'rank') === 'rank') fail(NO_LIMIT)
  if (withScores && by === 'lex') fail(NO_SCORES)
  const [low = '', high = ''] = args.slice(first, first + 2)
  const isSwapped = isReversed === true && (by ?? 'rank') !== 'rank'
  const range = isSwapped ? parseRange(call, by, high, low) : parseRange(call, by, low, high)
  // Ranks of a reversed range count from the end.
  const ranks: Range = (zset) => {
    const { start, end } = range(zset)
    const isCountedBack = isReversed === true && (by ?? 'rank') === 'rank'
    return isCountedBack ? { start: zset.size - end, end: zset.size - start } : { start, end }
  }
  return { range: ranks, isReversed: isReversed === true, offset, limit, withScores }
}

function parseRange(call: Call, by: By | undefined, low: string, high: string): Range {
  switch (by) {
    case 'score':
      return scoreRange(low, high)
    case 'lex':
      return lexRange(low, high)
    default: {
      const [start, end] = [call.position(low), call.position(high)]
      return (zset) => clampRange(start, end, zset.size)
    }
  }
}

/** `1`, `(1`, `-inf` */
function scoreRange(low: string, high: string): Range {
  const from = parseScore(low)
  const to = parseScore(high)
  return (zset) => {
    const start = zset.countBefore((score) => (from.isExcluded ? score <= from.score : score < from.score))
    const end = zset.countBefore((score) => (to.isExcluded ? score < to.score : score <= to.score))
    return { start, end: Math.max(start, end) }
  }
}

function parseScore(text: string): { score: number; isExcluded: boolean } {
  const isExcluded = text.startsWith('(')
  const digits = isExcluded ? text.slice(1) : text
  const score = scanDouble(digits) ?? fail(NOT_A_SCORE)
  return { score, isExcluded }
}

/** `[a`, `(a`, `-`, `+`, for sets whose members all have one score. */
function lexRange(low: string, high: string): Range {
  const isBelow = parseMember(low, true)
  const isWithin = parseMember(high, false)
  return (zset) => {
    const start = zset.countBefore((_, member) => isBelow(member))
    const end = zset.countBefore((_, member) => isWithin(member))
    return { start, end: Math.max(start, end) }
  }
}

/** Says which members lie before a bound: as a lower bound before the range, as an upper bound in it. */
function parseMember(text: string, isLower: boolean): (member: string) => boolean {
  if (text === '-') return () => false
  if (text === '+') return () => true
  const bound = text.slice(1)
  if (text.startsWith('[')) return isLower ? (member) => member < bound : (member) => member <= bound
  if (text.startsWith('(')) return isLower ? (member) => member <= bound : (member) => member < bound
  return fail(NOT_A_MEMBER)
}

function visit(zset: SortedSet, request: RangeRequest, visitor: (member: string, score: number) => void): void {
  const { start, end } = selected(zset, request)
  zset.visit(start, end, request.isReversed, visitor)
}

/** The ranks that are left once LIMIT has been applied, from the end if the range is reversed. */
function selected(zset: SortedSet, { range, isReversed, offset, limit }: RangeRequest): Ranks {
  const { start, end } = range(zset)
  if (offset < 0) return { start: 0, end: 0 }
  const size = Math.max(0, end - start - offset)
  const count = limit < 0 ? size : Math.min(size, limit)
  return isReversed
    ? { start: end - offset - count, end: end - offset }
    : { start: start + offset, end: start + offset + count }
}

function show(by: By | undefined, isReversed: boolean | undefined): Handler {
  return (call, args) => {
    const { reply } = call
    const request = parseRequest(call, args, { first: 2, by, isReversed, stores: false })
    const zset = call.zset(args[1] as string)
    if (zset === undefined) return reply.array(0)
    const { start, end } = selected(zset, request)
    const size = Math.max(0, end - start)
    const isNested = request.withScores && reply.protocol === 3
    reply.array(request.withScores && !isNested ? 2 * size : size)
    zset.visit(start, end, request.isReversed, (member, score) => {
      if (isNested) reply.array(2)
      reply.bulk(member)
      if (request.withScores) reply.double(score)
    })
  }
}

/** ZCOUNT key min max */
function count(by: By): Handler {
  return (call, [, key = '', low = '', high = '']) => {
    const range = parseRange(call, by, low, high)
    const zset = call.zset(key)
    if (zset === undefined) return call.reply.integer(0)
    const { start, end } = range(zset)
    call.reply.integer(end - start)
  }
}

/** ZREMRANGEBYRANK key start stop */
function remove(by: By): Handler {
  return (call, [, key = '', low = '', high = '']) => {
    const range = parseRange(call, by, low, high)
    const zset = call.zset(key)
    if (zset === undefined) return call.reply.integer(0)
    const { start, end } = range(zset)
    for (const member of zset.slice(start, end)) zset.delete(member)
    if (end > start) {
      call.changed(key, 'z', `zremrangeby${by}`, end - start)
      call.dropIfEmpty(key, zset.size)
    }
    call.reply.integer(end - start)
  }
}
