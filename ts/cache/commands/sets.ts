// Sets: https://redis.io/commands/?group=set
import { MemberSet } from '../keyspace/set.ts'
import { parseKeys } from './blocking.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { parseRandomCount, randomPositions } from './random-elements.ts'

type Operation = 'sinter' | 'sunion' | 'sdiff'

const NOT_POSITIVE = 'ERR value is out of range, must be positive'
/** SPOP is propagated as SREM of so many members at a time. */
const MEMBERS_A_COMMAND = 1024

export const SET_COMMANDS: Handlers = {
  sadd(call, args) {
    const key = args[1] as string
    const existing = call.set(key)
    const set = existing ?? new MemberSet()
    let count = 0
    for (let i = 2; i < args.length; i++) if (set.add(args[i] as string, call.limits)) count++
    if (existing === undefined) call.db.add(key, set)
    if (count > 0) call.changed(key, 's', 'sadd', count)
    call.reply.integer(count)
  },

  srem(call, args) {
    const key = args[1] as string
    const set = call.set(key)
    let count = 0
    if (set !== undefined) for (let i = 2; i < args.length; i++) if (set.delete(args[i] as string)) count++
    if (count > 0) removed(call, key, set as MemberSet, 'srem', count)
    call.reply.integer(count)
  },

  scard: (call, [, key = '']) => call.reply.integer(call.set(key)?.size ?? 0),
  sismember: (call, [, key = '', member = '']) => call.reply.integer(call.set(key)?.has(member) === true ? 1 : 0),

  smismember(call, args) {
    const set = call.set(args[1] as string)
    call.reply.array(args.length - 2)
    for (let i = 2; i < args.length; i++) call.reply.integer(set?.has(args[i] as string) === true ? 1 : 0)
  },

  smembers: (call, [, key = '']) => replySet(call, call.set(key)?.members() ?? []),
  spop,
  srandmember,

  smove(call, [, source = '', destination = '', member = '']) {
    const from = call.set(source)
    if (from === undefined) return call.reply.integer(0)
    const to = call.set(destination)
    if (from === to) return call.reply.integer(from.has(member) ? 1 : 0)
    if (!from.delete(member)) return call.reply.integer(0)
    removed(call, source, from, 'srem', 1)
    const target = to ?? new MemberSet()
    const isNew = target.add(member, call.limits)
    if (to === undefined) call.db.add(destination, target)
    if (isNew) call.changed(destination, 's', 'sadd')
    call.reply.integer(1)
  },

  sinter: combination('sinter'),
  sunion: combination('sunion'),
  sdiff: combination('sdiff'),
  sinterstore: storedCombination('sinter'),
  sunionstore: storedCombination('sunion'),
  sdiffstore: storedCombination('sdiff'),

  /** SINTERCARD numkeys key... [LIMIT limit] */
  sintercard(call, args) {
    const { keys, limit } = parseCardinality(call, args)
    const sets = keys.map((key) => call.set(key))
    call.reply.integer(combine('sinter', sets, limit === 0 ? Number.POSITIVE_INFINITY : limit).length)
  },
}

function replySet({ reply }: Call, members: readonly string[]): void {
  reply.set(members.length)
  for (const member of members) reply.bulk(member)
}

function removed(call: Call, key: string, set: MemberSet, event: string, count: number): void {
  call.changed(key, 's', event, count)
  call.dropIfEmpty(key, set.size)
}

/** See `randomPositions`; all members come in the order of SMEMBERS. */
function randomMembers({ random }: Call, set: MemberSet | undefined, count: number): readonly string[] {
  if (set === undefined) return []
  if (count >= set.size) return [...set.members()]
  return randomPositions(random, set.size, count).map((position) => set.at(position))
}

/** SPOP key [count] */
function spop(call: Call, args: readonly string[]): void {
  const [, key = '', countText] = args
  if (args.length > 3) fail(SYNTAX_ERROR)
  const wanted = countText === undefined ? 1 : call.bounded(countText, 0, Number.MAX_SAFE_INTEGER, NOT_POSITIVE)
  const set = call.set(key)
  const members = randomMembers(call, set, wanted)
  if (countText === undefined) call.reply.bulkOrNil(members[0])
  else replySet(call, members)
  if (set === undefined || members.length === 0) return
  for (const member of members) set.delete(member)
  removed(call, key, set, 'spop', members.length)
  if (set.size === 0 && countText !== undefined) {
    call.propagate(['DEL', key])
    return
  }
  for (let i = 0; i < members.length; i += MEMBERS_A_COMMAND) {
    call.propagate(['SREM', key, ...members.slice(i, i + MEMBERS_A_COMMAND)])
  }
}

/** SRANDMEMBER key [count] */
function srandmember(call: Call, args: readonly string[]): void {
  const [, key = '', countText] = args
  if (args.length > 3) fail(SYNTAX_ERROR)
  const count = countText === undefined ? 1 : parseRandomCount(call, countText)
  const set = call.set(key)
  const members = randomMembers(call, set, count)
  if (countText === undefined) call.reply.bulkOrNil(members[0])
  else call.reply.bulks(members)
}

/** Members of an intersection (at most `limit`), union or difference; what is not there counts as empty. */
function combine(operation: Operation, sets: readonly (MemberSet | undefined)[], limit: number): string[] {
  const [first, ...others] = sets
  if (operation === 'sunion') {
    const union = new Set<string>()
    for (const set of sets) for (const member of set?.members() ?? []) union.add(member)
    return [...union]
  }
  if (operation === 'sdiff') {
    return (first?.members() ?? []).filter((member) => !others.some((set) => set?.has(member) === true))
  }
  const found: string[] = []
  // Beginning with the smallest costs the least: O(smallest x sets).
  const bySize = [...sets].sort((a, b) => (a?.size ?? 0) - (b?.size ?? 0))
  for (const member of bySize[0]?.members() ?? []) {
    if (found.length >= limit) break
    if (bySize.every((set) => set?.has(member) === true)) found.push(member)
  }
  return found
}

/** SINTER key..., SUNION key..., SDIFF key... */
function combination(operation: Operation): Handler {
  return (call, args) => {
    const sets = args.slice(1).map((key) => call.set(key))
    replySet(call, combine(operation, sets, Number.POSITIVE_INFINITY))
  }
}

function storedCombination(operation: Operation): Handler {
  return (call, args) => {
    const [, destination = '', ...keys] = args
    const sets = keys.map((key) => call.set(key))
    const members = combine(operation, sets, Number.POSITIVE_INFINITY)
    const result = new MemberSet()
    for (const member of members) result.add(member, call.limits)
    call.store(destination, members.length === 0 ? undefined : result, 's', `${operation}store`)
    call.reply.integer(members.length)
  }
}

/** numkeys key... [LIMIT limit]; a limit of 0 is none. */
function parseCardinality(call: Call, args: readonly string[]): { keys: string[]; limit: number } {
  const { keys, next } = parseKeys(call, args, 1)
  if (next > args.length) fail("ERR Number of keys can't be greater than number of args")
  let limit = 0
  for (let i = next; i < args.length; i += 2) {
    if (!isWord(args[i], 'LIMIT') || args[i + 1] === undefined) fail(SYNTAX_ERROR)
    limit = call.bounded(args[i + 1] as string, 0, Number.MAX_SAFE_INTEGER, "ERR LIMIT can't be negative")
  }
  return { keys, limit }
}
