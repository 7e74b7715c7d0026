// ZUNION, ZINTER, ZDIFF and what stores or counts them. Plain sets take part as if each member had the score 1.
import { parseDouble } from '../keyspace/numbers.ts'
import type { MemberSet } from '../keyspace/set.ts'
import { SortedSet } from '../keyspace/sorted-set.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR, WRONG_TYPE } from './errors.ts'

type Operation = 'zunion' | 'zinter' | 'zdiff' | 'zintercard'
type Source = SortedSet | MemberSet | undefined

interface Combination {
  readonly sources: readonly Source[]
  readonly weights: readonly number[]
  readonly aggregate: (a: number, b: number) => number
  readonly withScores: boolean
  /** Of ZINTERCARD; 0 is none. */
  readonly limit: number
}

export const SORTED_SET_COMBINATIONS: Handlers = {
  zunion: combined('zunion'),
  zinter: combined('zinter'),
  zdiff: combined('zdiff'),
  zunionstore: stored('zunion'),
  zinterstore: stored('zinter'),
  zdiffstore: stored('zdiff'),

  /** ZINTERCARD numkeys key... [LIMIT limit] */
  zintercard(call, args) {
    const { sources, limit } = parseCombination(call, args, 1, 'zintercard')
    const bySize = [...sources].sort((a, b) => (a?.size ?? 0) - (b?.size ?? 0))
    let count = 0
    for (const member of membersOf(bySize[0])) {
      if (limit !== 0 && count >= limit) break
      if (bySize.every((source) => scoreOf(source, member) !== undefined)) count++
    }
    call.reply.integer(count)
  },
}

function sourceAt(call: Call, key: string): Source {
  const value = call.db.use(key)?.value
  if (value === undefined || value instanceof SortedSet) return value
  return typeof value === 'object' && 'type' in value && value.type === 'set' ? value : fail(WRONG_TYPE)
}

function membersOf(source: Source): readonly string[] {
  if (source === undefined) return []
  return source instanceof SortedSet ? source.slice(0, source.size) : source.members()
}

function scoreOf(source: Source, member: string): number | undefined {
  if (source instanceof SortedSet) return source.score(member)
  return source?.has(member) === true ? 1 : undefined
}

/** numkeys key... [WEIGHTS weight...] [AGGREGATE SUM | MIN | MAX] [WITHSCORES], beginning at index `at`. */
function parseCombination(call: Call, args: readonly string[], at: number, operation: Operation): Combination {
  const stores = at === 2
  const count = call.position(args[at] as string)
  if (count < 1) fail(`ERR at least 1 input key is needed for '${call.command.name}' command`)
  let i = at + 1 + count
  if (i > args.length) fail(SYNTAX_ERROR)
  const sources = args.slice(at + 1, i).map((key) => sourceAt(call, key))
  let weights: readonly number[] = sources.map(() => 1)
  let aggregate = (a: number, b: number): number => (Number.isNaN(a + b) ? 0 : a + b)
  let withScores = false
  let limit = 0
  const isWeighed = operation === 'zunion' || operation === 'zinter'
  while (i < args.length) {
    const left = args.length - i
    if (isWeighed && isWord(args[i], 'WEIGHTS') && left >= count + 1) {
      weights = args
        .slice(i + 1, i + 1 + count)
        .map((text) => parseDouble(text) ?? fail('ERR weight value is not a float'))
      i += count + 1
    } else if (isWeighed && isWord(args[i], 'AGGREGATE') && left >= 2) {
      // Not Math.min and Math.max, which tell 0 and -0 apart.
      if (isWord(args[i + 1], 'MIN')) aggregate = (a, b) => (b < a ? b : a)
      else if (isWord(args[i + 1], 'MAX')) aggregate = (a, b) => (b > a ? b : a)
      else if (!isWord(args[i + 1], 'SUM')) fail(SYNTAX_ERROR)
      i += 2
    } else if (operation === 'zintercard' && isWord(args[i], 'LIMIT') && left >= 2) {
      limit = call.bounded(args[i + 1] as string, 0, Number.MAX_SAFE_INTEGER, "ERR LIMIT can't be negative")
      i += 2
    } else if (!stores && operation !== 'zintercard' && isWord(args[i], 'WITHSCORES')) {
      withScores = true
      i++
    } else fail(SYNTAX_ERROR)
  }
  return { sources, weights, aggregate, withScores, limit }
}

function combine(call: Call, operation: Operation, { sources, weights, aggregate }: Combination): SortedSet {
  const scores = new Map<string, number>()
  const weighted = (source: number, member: string): number | undefined => {
    const score = scoreOf(sources[source], member)
    if (score === undefined) return undefined
    const product = score * (weights[source] as number)
    return Number.isNaN(product) ? 0 : product
  }
  if (operation === 'zunion') {
    for (const [source, set] of sources.entries()) {
      for (const member of membersOf(set)) {
        const score = weighted(source, member) as number
        const old = scores.get(member)
        scores.set(member, old === undefined ? score : aggregate(old, score))
      }
    }
  } else {
    for (const member of membersOf(sources[0])) {
      let score: number | undefined = weighted(0, member)
      for (let source = 1; source < sources.length && score !== undefined; source++) {
        const other = weighted(source, member)
        if (operation === 'zdiff') score = other === undefined ? score : undefined
        else score = other === undefined ? undefined : aggregate(score, other)
      }
      if (score !== undefined) scores.set(member, score)
    }
  }
  const result = new SortedSet()
  result.encoding = 'skiplist'
  for (const [member, score] of scores) result.set(member, score, call.limits)
  return result
}

function combined(operation: Operation): Handler {
  return (call, args) => {
    const { reply } = call
    const combination = parseCombination(call, args, 1, operation)
    const result = combine(call, operation, combination)
    const isNested = combination.withScores && reply.protocol === 3
    reply.array(combination.withScores && !isNested ? 2 * result.size : result.size)
    result.visit(0, result.size, false, (member, score) => {
      if (isNested) reply.array(2)
      reply.bulk(member)
      if (combination.withScores) reply.double(score)
    })
  }
}

function stored(operation: Operation): Handler {
  return (call, args) => {
    const result = combine(call, operation, parseCombination(call, args, 2, operation))
    result.compact(call.limits)
    call.store(args[1] as string, result.size === 0 ? undefined : result, 'z', `${operation}store`)
    call.reply.integer(result.size)
  }
}
