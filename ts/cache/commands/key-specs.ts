// Which arguments of a command are keys and what is done to them: for COMMAND, ACL and cluster slots. As COMMAND INFO of Redis 7.0 tells
// it (https://redis.io/docs/reference/key-specs/). Facts alone, in a form of their own: docs/decisions/0010-facts-of-redis.md.
//
//   flags where last[/step[/limit]]; ... : commands
//   flags where #                        : as many as the argument there says, behind it
//
// Where is an index, or `WORD@start`: behind that word, looked for from an index on, from the end if it is negative. Last counts from
// the first key, from the end of the arguments if it is negative. `?` stands for what no rule can tell: then code below looks.
import { parseSafeInteger } from '../keyspace/numbers.ts'
import type { CommandSpec } from './specs.ts'

const TABLE = `
  RW,insert 1 0 : append hsetnx linsert lpush lpushx pfadd rpush rpushx sadd
  RO,access 1 0 : bitcount bitfield_ro bitpos dump expiretime geodist geohash geopos georadius_ro georadiusbymember_ro geosearch get
  RO,access 1 0 : getbit getrange hget hgetall hkeys hmget hrandfield hscan hvals lindex lpos lrange pexpiretime pttl smembers
  RO,access 1 0 : smismember srandmember sscan substr ttl xpending xrange xrevrange zcount zlexcount zmscore zrandmember zrange
  RO,access 1 0 : zrangebylex zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore
  RW,access,update,variable_flags 1 0 : bitfield set
  OW,update 2 0; RO,access 3 -1 : bitop
  RW,access,delete 1 0; RW,insert 2 0 : blmove brpoplpush lmove rpoplpush smove
  RW,access,delete 2 # : blmpop bzmpop
  RW,access,delete 1 -2 : blpop brpop bzpopmax bzpopmin
  RO,access 1 0; OW,update 2 0 : copy
  RW,access,update 1 0 : decr decrby getex getset hincrby hincrbyfloat incr incrby incrbyfloat move setbit zincrby
  RM,delete 1 -1 : del unlink
  RW,access,update 2 # : eval evalsha fcall
  RO,access 2 # : eval_ro evalsha_ro fcall_ro
  RO 1 -1 : exists touch watch
  RW,update 1 0 : expire expireat geoadd hmset hset lset persist pexpire pexpireat setrange xack xadd xclaim xsetid zadd
  RO,access 1 0; OW,update STORE@6 0; OW,update STOREDIST@6 0 : georadius
  RO,access 1 0; OW,update STORE@5 0; OW,update STOREDIST@5 0 : georadiusbymember
  OW,update 1 0; RO,access 2 0 : geosearchstore zrangestore
  RW,access,delete 1 0 : getdel lpop rpop spop zpopmax zpopmin
  RW,delete 1 0 : hdel lrem ltrim srem xautoclaim xdel xtrim zrem zremrangebylex zremrangebyrank zremrangebyscore
  RO 1 0 : hexists hlen hstrlen llen scard sismember strlen type xlen zcard
  RO,access 1 1 : lcs
  RW,access,delete 1 # : lmpop zmpop
  RO 2 0 : memory|usage object|encoding object|freq object|idletime object|refcount
  RO,access 1 -1 : mget sdiff sinter sunion
  RW,access,delete 3 0; RW,access,delete,incomplete KEYS@-2 -1 : migrate
  OW,update 1 -1/2 : mset
  OW,insert 1 -1/2 : msetnx
  RW,access 1 -1 : pfcount
  RW,access 2 0 : pfdebug
  RW,access,insert 1 0; RO,access 2 -1 : pfmerge
  OW,update 1 0 : psetex restore-asking restore setex
  RW,access,delete 1 0; OW,update 2 0 : rename
  RW,access,delete 1 0; OW,insert 2 0 : renamenx
  OW,update 1 0; RO,access 2 -1 : sdiffstore sunionstore
  OW,insert 1 0 : setnx
  RO,access 1 # : sintercard zdiff zinter zintercard zunion
  RW,update 1 0; RO,access 2 -1 : sinterstore
  RO,access 1 0; RO,access ?; OW,update ? : sort
  RO,access 1 0; RO,access ? : sort_ro
  not_key 1 0 : spublish
  not_key 1 -1 : ssubscribe sunsubscribe
  RW,insert 2 0 : xgroup|create xgroup|createconsumer
  RW,delete 2 0 : xgroup|delconsumer xgroup|destroy
  RW,update 2 0 : xgroup|setid
  RO,access 2 0 : xinfo|consumers xinfo|groups xinfo|stream
  RO,access STREAMS@1 -1/1/2 : xread
  RO,access STREAMS@4 -1/1/2 : xreadgroup
  OW,update 1 0; RO,access 2 # : zdiffstore zinterstore zunionstore
`

/** Where some of the keys of a command are, and what is done to them. */
export interface KeySpec {
  /** `RO`, `RW`, `OW` or `RM`, then what it does: `access`, `update`, `insert`, `delete`, and what is to be known of the spec. */
  readonly flags: readonly string[]
  readonly begin:
    | { readonly kind: 'index'; readonly index: number }
    | { readonly kind: 'keyword'; readonly word: string; readonly start: number }
    | { readonly kind: 'unknown' }
  readonly find:
    | { readonly kind: 'range'; readonly last: number; readonly step: number; readonly limit: number }
    | { readonly kind: 'counted' }
    | { readonly kind: 'unknown' }
}

/** A key among the arguments, and what the command does to it. */
export interface KeyReference {
  readonly position: number
  readonly flags: readonly string[]
}

const NONE: readonly KeySpec[] = []
const SPECS: ReadonlyMap<string, readonly KeySpec[]> = readTable()

/** The specs of a command; none if it has no keys. */
export function keySpecsOf({ name }: CommandSpec): readonly KeySpec[] {
  return SPECS.get(name) ?? NONE
}

/** True if a command can have keys. */
export function hasKeys(command: CommandSpec): boolean {
  return keySpecsOf(command).some(({ flags }) => !flags.includes('not_key'))
}

/**
 * The keys among `args`, whose first is the name.
 * @returns Undefined if the command's own syntax is not kept: then it will refuse, and touch no key.
 */
export function keyReferences(command: CommandSpec, args: readonly string[]): KeyReference[] | undefined {
  const look = LOOKERS.get(command.name)
  if (look !== undefined) return look(args)
  const found: KeyReference[] = []
  for (const spec of keySpecsOf(command)) {
    if (spec.flags.includes('not_key')) continue
    const positions = positionsOf(spec, args)
    if (positions === undefined) return undefined
    for (const position of positions) found.push({ position, flags: spec.flags })
  }
  return found
}

/**
 * Where the keys are, and the channels of sharded messages, which have slots as keys have.
 * @returns As `keyReferences`.
 */
export function keyPositions(command: CommandSpec, args: readonly string[]): readonly number[] | undefined {
  const look = LOOKERS.get(command.name)
  if (look !== undefined) return look(args)?.map(({ position }) => position)
  const specs = keySpecsOf(command)
  if (specs.length === 1) return positionsOf(specs[0] as KeySpec, args)
  const found: number[] = []
  for (const spec of specs) {
    const positions = positionsOf(spec, args)
    if (positions === undefined) return undefined
    found.push(...positions)
  }
  return found
}

/** Where a spec begins; undefined if its word is not there. */
function beginOf({ begin }: KeySpec, args: readonly string[]): number | undefined {
  if (begin.kind === 'index') return begin.index
  if (begin.kind === 'unknown') return undefined
  for (let i = begin.start; i < args.length; i++) if ((args[i] as string).toUpperCase() === begin.word) return i + 1
  return undefined
}

/** None if its word is not there; undefined if what is there cannot be. */
function positionsOf(spec: KeySpec, args: readonly string[]): number[] | undefined {
  const { find } = spec
  const begin = beginOf(spec, args)
  if (begin === undefined) return []
  let first = begin
  let last: number
  let step = 1
  if (find.kind === 'counted') {
    const count = parseSafeInteger(args[begin] ?? '')
    if (count === undefined || count < 1) return undefined
    first = begin + 1
    last = begin + count
  } else if (find.kind === 'range') {
    step = find.step
    if (find.last >= 0) last = begin + find.last
    else if (find.limit === 0) last = args.length + find.last
    else last = begin + Math.floor((args.length - begin) / find.limit) + find.last
  } else return undefined
  // Nothing follows where something may: PFMERGE with its destination alone.
  if (first === args.length && last < first) return []
  if (last >= args.length || last < first) return undefined
  const positions: number[] = []
  for (let position = first; position <= last; position += step) positions.push(position)
  return positions
}

const READ = ['RO', 'access']
const OVERWRITE = ['OW', 'update']
const CHANGE = ['RW', 'access', 'update']
const TAKE = ['RW', 'access', 'delete']
/** Words of SORT that are followed by so many arguments, which may look like STORE. */
const SORT_WORDS: ReadonlyMap<string, number> = new Map([
  ['LIMIT', 2],
  ['GET', 1],
  ['BY', 1],
])
/** Words of XREADGROUP before its keys; a group or a consumer may be called STREAMS. */
const GROUP_WORDS: ReadonlyMap<string, number> = new Map([
  ['GROUP', 2],
  ['COUNT', 1],
  ['BLOCK', 1],
  ['NOACK', 0],
])
const MIGRATE_WORDS: ReadonlyMap<string, number> = new Map([
  ['AUTH', 1],
  ['AUTH2', 2],
])

/** Commands whose keys, or what is done to them, depend on their options. */
const LOOKERS: ReadonlyMap<string, (args: readonly string[]) => KeyReference[] | undefined> = new Map([
  ['set', (args) => [{ position: 1, flags: args.some((arg, i) => i > 2 && isWord(arg, 'GET')) ? CHANGE : OVERWRITE }]],
  ['bitfield', (args) => [{ position: 1, flags: onlyReads(args) ? READ : CHANGE }]],
  ['sort', (args) => [{ position: 1, flags: READ }, ...destinationOf(args, 2, ['STORE'], SORT_WORDS)]],
  ['sort_ro', () => [{ position: 1, flags: READ }]],
  ['georadius', (args) => [{ position: 1, flags: READ }, ...destinationOf(args, 6, ['STORE', 'STOREDIST'])]],
  ['georadiusbymember', (args) => [{ position: 1, flags: READ }, ...destinationOf(args, 5, ['STORE', 'STOREDIST'])]],
  ['xreadgroup', groupKeys],
  ['migrate', migratedKeys],
])

/** The argument behind the last of the words. @param skipped - Words that are followed by so many arguments. */
function destinationOf(
  args: readonly string[],
  start: number,
  words: readonly string[],
  skipped: ReadonlyMap<string, number> = new Map(),
): KeyReference[] {
  let position: number | undefined
  for (let i = start; i + 1 < args.length; i++) {
    const word = (args[i] as string).toUpperCase()
    if (words.includes(word)) position = ++i
    else i += skipped.get(word) ?? 0
  }
  return position === undefined ? [] : [{ position, flags: OVERWRITE }]
}

/** BITFIELD with GET and OVERFLOW alone. What cannot be read counts as a change. */
function onlyReads(args: readonly string[]): boolean {
  for (let i = 2; i < args.length; i++) {
    if (isWord(args[i], 'GET') && i + 2 < args.length) i += 2
    else if (isWord(args[i], 'OVERFLOW') && i + 1 < args.length) i += 1
    else return false
  }
  return true
}

/** XREADGROUP GROUP group consumer [COUNT n] [BLOCK ms] [NOACK] STREAMS key... id... */
function groupKeys(args: readonly string[]): KeyReference[] | undefined {
  for (let i = 1; i < args.length; i++) {
    const word = (args[i] as string).toUpperCase()
    if (word === 'STREAMS') {
      const count = Math.floor((args.length - i - 1) / 2)
      return Array.from({ length: count }, (_, index) => ({ position: i + 1 + index, flags: READ }))
    }
    const skipped = GROUP_WORDS.get(word)
    if (skipped === undefined) return undefined
    i += skipped
  }
  return undefined
}

/** MIGRATE host port key | "" ... [KEYS key ...]: one or the other. */
function migratedKeys(args: readonly string[]): KeyReference[] | undefined {
  for (let i = 6; i < args.length; i++) {
    if (isWord(args[i], 'KEYS')) {
      if (args[3] !== '') {
        if (i + 1 < args.length) return undefined
        break
      }
      return args.slice(i + 1).map((_, index) => ({ position: i + 1 + index, flags: TAKE }))
    }
    i += MIGRATE_WORDS.get((args[i] as string).toUpperCase()) ?? 0
  }
  return [{ position: 3, flags: TAKE }]
}

function isWord(text: string | undefined, word: string): boolean {
  return text !== undefined && text.length === word.length && text.toUpperCase() === word
}

function readTable(): Map<string, readonly KeySpec[]> {
  const table = new Map<string, readonly KeySpec[]>()
  for (const line of TABLE.trim().split('\n')) {
    const [specs = '', names = ''] = line.split(' : ')
    const read = specs.split(';').map((spec) => readSpec(spec.trim()))
    for (const name of names.split(' ')) table.set(name, read)
  }
  return table
}

function readSpec(text: string): KeySpec {
  const [flags = '', where = '', which = '?'] = text.split(' ')
  return { flags: flags.split(','), begin: readBegin(where), find: readFind(which) }
}

function readBegin(text: string): KeySpec['begin'] {
  if (text === '?') return { kind: 'unknown' }
  const [word = '', start] = text.split('@')
  return start === undefined ? { kind: 'index', index: Number(word) } : { kind: 'keyword', word, start: Number(start) }
}

function readFind(text: string): KeySpec['find'] {
  if (text === '?') return { kind: 'unknown' }
  if (text === '#') return { kind: 'counted' }
  const [last, step = 1, limit = 0] = text.split('/').map(Number)
  return { kind: 'range', last: last as number, step, limit }
}
