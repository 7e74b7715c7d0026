// Commands on keys whatever they hold.
import type { Database, Entry } from '../keyspace/database.ts'
import { Glob } from '../keyspace/glob.ts'
import { cloneValue, encodingOf, typeOf } from '../keyspace/values.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, NO_SUCH_KEY, SYNTAX_ERROR } from './errors.ts'

const SAME_OBJECT = 'ERR source and destination objects are the same'
const NO_SUCH_DATABASE = 'ERR DB index is out of range'
const NOT_LFU =
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between ' +
  'policies at runtime LRU and LFU data will take some time to adjust.'
const IS_LFU =
  'ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at ' +
  'runtime LRU and LFU data will take some time to adjust.'
const OBJECT_HELP = [
  'OBJECT ENCODING key   how the value is kept',
  'OBJECT FREQ key       how often it was used of late, where the policy counts that',
  'OBJECT IDLETIME key   seconds since it was used last',
  'OBJECT REFCOUNT key   how many share the value',
  'OBJECT HELP           this',
]

export const KEY_COMMANDS: Handlers = {
  del: remove,
  unlink: remove,

  exists: (call, args) => call.reply.integer(countOf(args, (key) => call.db.find(key) !== undefined)),
  touch: (call, args) => call.reply.integer(countOf(args, (key) => call.db.use(key) !== undefined)),

  type(call, [, key = '']) {
    const entry = call.db.find(key)
    call.reply.simple(entry === undefined ? 'none' : typeOf(entry.value))
  },

  keys(call, [, pattern = '']) {
    const glob = new Glob(pattern)
    const found = call.db.entries().filter(({ key }) => glob.matches(key))
    call.reply.bulks(found.map(({ key }) => key))
  },

  randomkey(call) {
    const { db, reply } = call
    // One that has expired is deleted and another one drawn: each round makes the database smaller, or time stands still.
    for (let round = 0; db.size > 0; round++) {
      const { key } = db.entryAt(Math.floor(call.random.next() * db.size))
      if (db.find(key) !== undefined || round > 100) return reply.bulk(key)
    }
    reply.nil()
  },

  rename(call, args) {
    rename(call, args, true)
    call.reply.ok()
  },

  renamenx: (call, args) => call.reply.integer(rename(call, args, false) ? 1 : 0),
  copy,
  move,

  'object|encoding': inspect((call, { value }) => call.reply.bulk(encodingOf(value))),
  'object|idletime': inspect((call, entry) => {
    if (call.engine.memory.rules.counts) fail(IS_LFU)
    call.reply.integer(Math.floor(call.db.idleMsOf(entry) / 1000))
  }),
  'object|refcount': inspect((call, { value }) => {
    // Redis shares its first ten thousand numbers among all who use them.
    call.reply.integer(typeof value === 'number' && value >= 0 && value < 10_000 ? 2_147_483_647 : 1)
  }),
  'object|freq': inspect((call, entry) => {
    if (!call.engine.memory.rules.counts) fail(NOT_LFU)
    call.reply.integer(call.db.frequencyOf(entry))
  }),
  'object|help'(call) {
    call.reply.array(OBJECT_HELP.length)
    for (const line of OBJECT_HELP) call.reply.simple(line)
  },

  dbsize: ({ db, reply }) => reply.integer(db.size),

  swapdb(call, [, first = '', second = '']) {
    if (call.engine.cluster !== undefined) fail('ERR SWAPDB is not allowed in cluster mode')
    const a = call.small(first, 'ERR invalid first DB index')
    const b = call.small(second, 'ERR invalid second DB index')
    const { databases } = call.engine
    if (databases[a] === undefined || databases[b] === undefined) fail(NO_SUCH_DATABASE)
    if (a !== b) call.engine.swap(a, b)
    call.dirty++
    call.reply.ok()
  },

  flushdb: flush((call) => [call.db]),
  flushall: flush((call) => call.engine.databases),
}

function remove(call: Call, args: readonly string[]): void {
  let count = 0
  for (let i = 1; i < args.length; i++) {
    const key = args[i] as string
    if (!call.db.delete(key)) continue
    count++
    call.engine.notify('g', 'del', key, call.db.index)
  }
  call.dirty += count
  call.reply.integer(count)
}

/** How many of the arguments after the name pass. */
function countOf(args: readonly string[], passes: (key: string) => boolean): number {
  let count = 0
  for (let i = 1; i < args.length; i++) if (passes(args[i] as string)) count++
  return count
}

/** @returns False if the new name is taken and may not be replaced. */
function rename(call: Call, [, from = '', to = '']: readonly string[], replaces: boolean): boolean {
  const { db, engine } = call
  const entry = db.find(from) ?? fail(NO_SUCH_KEY)
  if (from === to) return replaces
  if (db.find(to) !== undefined) {
    if (!replaces) return false
    db.delete(to)
  }
  moveEntry(db, entry, db, to)
  call.dirty++
  engine.notify('g', 'rename_from', from, db.index)
  engine.notify('g', 'rename_to', to, db.index)
  return true
}

/** Gives the value and the expiry of an entry to a key that is free. */
function moveEntry(source: Database, { key, value, expiry }: Entry, target: Database, name: string): void {
  const at = expiry?.at
  source.delete(key)
  const moved = target.add(name, value)
  if (at !== undefined) target.expire(moved, at)
}

/** COPY source destination [DB number] [REPLACE] */
function copy(call: Call, args: readonly string[]): void {
  const [, source = '', destination = ''] = args
  let target = call.db
  let replaces = false
  for (let i = 3; i < args.length; i++) {
    if (isWord(args[i], 'REPLACE')) replaces = true
    else if (isWord(args[i], 'DB') && i + 1 < args.length) {
      target = call.engine.databases[call.small(args[++i] as string)] ?? fail(NO_SUCH_DATABASE)
    } else fail(SYNTAX_ERROR)
  }
  if (call.engine.cluster !== undefined && target !== call.db) {
    fail('ERR Copying to another database is not allowed in cluster mode')
  }
  if (target === call.db && source === destination) fail(SAME_OBJECT)
  const entry = call.db.use(source)
  const isTaken = target.find(destination) !== undefined
  if (entry === undefined || (isTaken && !replaces)) {
    call.reply.integer(0)
    return
  }
  if (isTaken) target.delete(destination)
  const copied = target.add(destination, cloneValue(entry.value))
  if (entry.expiry !== undefined) target.expire(copied, entry.expiry.at)
  call.dirty++
  call.engine.notify('g', 'copy_to', destination, target.index)
  call.reply.integer(1)
}

function move(call: Call, [, key = '', number = '']: readonly string[]): void {
  if (call.engine.cluster !== undefined) fail('ERR MOVE is not allowed in cluster mode')
  const target = call.engine.databases[call.small(number)] ?? fail(NO_SUCH_DATABASE)
  if (target === call.db) fail(SAME_OBJECT)
  const entry = call.db.find(key)
  if (entry === undefined || target.find(key) !== undefined) {
    call.reply.integer(0)
    return
  }
  moveEntry(call.db, entry, target, key)
  call.dirty++
  call.engine.notify('g', 'move_from', key, call.db.index)
  call.engine.notify('g', 'move_to', key, target.index)
  call.reply.integer(1)
}

/** Subcommands of OBJECT look at a key without using it. */
function inspect(show: (call: Call, entry: Entry) => void): Handler {
  return (call, [, , key = '']) => {
    const entry = call.db.find(key)
    if (entry === undefined) call.reply.nil()
    else show(call, entry)
  }
}

/** SYNC and ASYNC are the same here: the tables are dropped, and the garbage collector does the rest. */
function flush(databases: (call: Call) => readonly Database[]): Handler {
  return (call, args) => {
    const [, mode] = args
    if (args.length > 2 || (mode !== undefined && !isWord(mode, 'SYNC') && !isWord(mode, 'ASYNC'))) fail(SYNTAX_ERROR)
    call.engine.tracking.flush(() => {
      for (const database of databases(call)) call.dirty += database.clear()
    })
    call.dirty++
    call.reply.ok()
  }
}
