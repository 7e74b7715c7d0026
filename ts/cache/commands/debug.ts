// DEBUG, for tests of servers and of clients: https://redis.io/commands/debug/. Whether anybody may send it is for the server to
// say (`enable-debug-command`). Of what looks into Redis's own structures, there is what means something here.
import { Glob } from '../keyspace/glob.ts'
import { parseDouble } from '../keyspace/numbers.ts'
import { encodingOf, isString } from '../keyspace/values.ts'
import { dumpValue } from '../persistence/dump.ts'
import { type Call, type Handler, type Handlers, isWord } from './call.ts'
import { datasetDigest, valueDigest } from './dataset-digest.ts'
import type { DebugDoor } from './debug-door.ts'
import { fail, NO_SUCH_KEY, shown } from './errors.ts'
import { help } from './help.ts'

const MAX_SLEEP_MS = 600_000
/** What a dump has beside the value: its type, a version and a checksum. */
const DUMP_OVERHEAD_BYTES = 11
/** Bytes that Redis puts into one node of a list unless told otherwise. */
const NODE_BYTES = 8192
const MAX_POPULATED_KEYS = 2 ** 24
const MAX_POPULATED_BYTES = 2 ** 30
const SYNTAX = 'DEBUG HELP.'

/** By subcommand: how many arguments it takes at least and at most, the name and the subcommand among them, and what it does. */
const SUBCOMMANDS: Readonly<Record<string, readonly [least: number, most: number, run: Handler]>> = {
  'aof-flush-sleep': [3, 3, accept],
  'change-repl-id': [2, 2, accept],
  digest: [2, 2, ({ engine, reply }) => reply.simple(datasetDigest(engine.databases))],
  'digest-value': [2, Number.POSITIVE_INFINITY, digestValues],
  error: [3, 3, ({ reply }, [, , text = '']) => reply.error(text.replaceAll(/[\r\n]/g, ' '))],
  help: [
    2,
    2,
    help('DEBUG', {
      'CHANGE-REPL-ID': 'Does nothing: a server on its own has no such id.',
      DIGEST: 'A digest of all keys and values, the same as that of Redis.',
      'DIGEST-VALUE <key> [<key> ...]': 'Digests of values.',
      'ERROR <string>': 'Answers with this error.',
      'HTSTATS <dbid>': 'How many keys a database has, and how many of them expire.',
      'HTSTATS-KEY <key>': 'How many elements a value has that is kept as a hash table.',
      JMAP: 'What the heap holds: see MEMORY STATS.',
      'LISTPACK <key>': 'Whether a value is kept as a listpack.',
      LOADAOF: 'Loads the append-only file in place of what is in memory.',
      'LOG <message>': 'Writes to the log of the server.',
      'OBJECT <key>': 'How a value is kept.',
      'POPULATE <count> [<prefix>] [<size>]': 'Makes keys that are not there yet; they are not propagated.',
      'PROTOCOL <type>': [
        'Answers with a value of a type: string, integer, double, bignum, null, array, set, map, attrib, push, verbatim,',
        'true, false.',
      ],
      'QUICKLIST-PACKED-THRESHOLD <size>': 'Does nothing: lists have no such nodes.',
      'RELOAD [MERGE] [NOFLUSH] [NOSAVE]': 'Saves a snapshot and loads it in place of what is in memory.',
      'SET-ACTIVE-EXPIRE <0|1>': 'Whether keys are deleted that are due and that nobody asks for.',
      'SLEEP <seconds>': 'Stops the whole server for a while.',
      'STRINGMATCH-LEN <length> <pattern>': 'Matches a pattern against so many letters a.',
    }),
  ],
  htstats: [3, 3, showTables],
  'htstats-key': [3, 3, showTable],
  jmap: [2, 2, ({ reply }) => reply.simple('MEMORY STATS says what is kept')],
  listpack: [
    3,
    3,
    (call, [, , key = '']) => {
      const { value } = call.db.find(key) ?? fail(NO_SUCH_KEY)
      if (encodingOf(value) !== 'listpack') fail('ERR Not a listpack encoded object.')
      call.reply.simple('Values are kept as tables of V8; Redis would keep this one as a listpack')
    },
  ],
  loadaof: [2, 2, (call) => doorOf(call).reloadAppendOnly(call.session)],
  log: [
    3,
    3,
    ({ engine, reply }, [, , text = '']) => {
      engine.server?.log(3, `DEBUG LOG: ${text}`)
      reply.ok()
    },
  ],
  object: [3, 3, showObject],
  'pause-cron': [3, 3, accept],
  populate: [3, 5, populate],
  protocol: [3, 3, showProtocol],
  'quicklist-packed-threshold': [3, 3, accept],
  reload: [2, 5, reload],
  replybuffer: [4, 4, accept],
  'set-active-expire': [
    3,
    3,
    ({ engine, reply }, [, , flag = '']) => {
      engine.expiresActively = Number.parseInt(flag, 10) !== 0
      reply.ok()
    },
  ],
  'set-disable-deny-scripts': [
    3,
    3,
    ({ engine, reply }, [, , flag = '']) => {
      engine.scriptsMayAll = Number.parseInt(flag, 10) !== 0
      reply.ok()
    },
  ],
  'set-skip-checksum-validation': [3, 3, accept],
  sleep: [3, 3, sleep],
  'stringmatch-len': [
    4,
    4,
    (call, [, , length = '', pattern = '']) => {
      const text = 'a'.repeat(call.bounded(length, 0, 2 ** 20))
      call.reply.integer(new Glob(pattern).matches(text) ? 1 : 0)
    },
  ],
}

export const DEBUG_COMMANDS: Handlers = {
  debug(call, args) {
    const [, subcommand = ''] = args
    const name = subcommand.toLowerCase()
    const [least, most, run] = (Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined) ?? [1, 0, accept]
    if (args.length < least || args.length > most) {
      fail(`ERR unknown subcommand or wrong number of arguments for '${shown(subcommand, 128)}'. Try ${SYNTAX}`)
    }
    run(call, args)
  },
}

/** For what means nothing here and is as good as done. */
function accept({ reply }: Call): void {
  reply.ok()
}

function doorOf({ engine, mayBlock }: Call): DebugDoor {
  if (!mayBlock) fail('ERR not within a transaction: nothing can be loaded while commands are run')
  return engine.server?.debug ?? fail('ERR this engine has no server')
}

function digestValues({ db, reply }: Call, args: readonly string[]): void {
  reply.array(args.length - 2)
  for (const key of args.slice(2)) reply.simple(valueDigest(db.find(key)))
}

function showObject(call: Call, [, , key = '']: readonly string[]): void {
  // One that has expired and lies there still is looked at, too.
  const entry = call.db.peek(key) ?? fail(NO_SUCH_KEY)
  const { value } = entry
  const bytes = dumpValue(value).length - DUMP_OVERHEAD_BYTES
  const idleSeconds = Math.floor(call.db.idleMsOf(entry) / 1000)
  let list = ''
  if (!isString(value) && value.type === 'list') {
    let size = 0
    for (const element of value.slice()) size += element.length + 2
    const nodes = Math.max(1, Math.ceil(size / NODE_BYTES))
    const average = (value.length / nodes).toFixed(2)
    list = ` ql_nodes:${nodes} ql_avg_node:${average} ql_listpack_max:-2 ql_compressed:0 ql_uncompressed_size:${size}`
  }
  const used = Math.floor(call.now / 1000 - idleSeconds) % 2 ** 24
  call.reply.simple(
    `Value at:0x0 refcount:1 encoding:${encodingOf(value)} serializedlength:${bytes} lru:${used} lru_seconds_idle:${idleSeconds}${list}`,
  )
}

function showTables(call: Call, [, , number = '']: readonly string[]): void {
  const database = call.engine.databases[call.position(number)] ?? fail('ERR Out of range database')
  const { size, expiringCount } = database
  call.reply.verbatim('txt', `[Dictionary HT]\n${tableOf(size)}[Expires HT]\n${tableOf(expiringCount)}`)
}

function showTable(call: Call, [, , key = '']: readonly string[]): void {
  const { value } = call.db.find(key) ?? fail(NO_SUCH_KEY)
  const encoding = encodingOf(value)
  if (isString(value) || (encoding !== 'hashtable' && encoding !== 'skiplist')) {
    fail('ERR The value stored at the specified key is not represented using an hash table')
  }
  const size =
    value.type === 'hash' ? value.fields.size : value.type === 'set' || value.type === 'zset' ? value.size : 0
  call.reply.verbatim('txt', tableOf(size))
}

/** V8 tells of its tables no more than how much they hold. */
function tableOf(size: number): string {
  return size === 0
    ? 'No stats available for empty dictionaries\n'
    : `Hash table 0 stats (main hash table):\n number of elements: ${size}\n`
}

/** DEBUG POPULATE count [prefix] [size] */
function populate(call: Call, [, , count = '', prefix = 'key', size]: readonly string[]): void {
  const keys = call.bounded(count, 0, MAX_POPULATED_KEYS, 'ERR value is out of range, must be positive')
  const bytes = size === undefined ? 0 : call.bounded(size, 0, 2 ** 29, 'ERR value is out of range, must be positive')
  if (keys * bytes > MAX_POPULATED_BYTES) fail(`ERR that is more than ${MAX_POPULATED_BYTES} bytes`)
  for (let i = 0; i < keys; i++) {
    const key = `${prefix}:${i}`
    if (call.db.find(key) !== undefined) continue
    const text = `value:${i}`
    call.db.add(key, bytes === 0 ? text : text.slice(0, bytes).padEnd(bytes, '\0'))
  }
  call.reply.ok()
}

function reload(call: Call, args: readonly string[]): void {
  const options = { saves: true, empties: true, merges: false }
  for (const option of args.slice(2)) {
    if (isWord(option, 'NOSAVE')) options.saves = false
    else if (isWord(option, 'NOFLUSH')) options.empties = false
    else if (isWord(option, 'MERGE')) options.merges = true
    else fail('ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.')
  }
  doorOf(call).reload(call.session, options)
}

function sleep(call: Call, [, , seconds = '']: readonly string[]): void {
  const ms = 1000 * (parseDouble(seconds) ?? fail('ERR value is not a valid float'))
  const { server } = call.engine
  if (ms > 0) server?.debug.sleep(Math.min(ms, MAX_SLEEP_MS))
  call.reply.ok()
}

function showProtocol({ reply }: Call, [, , type = '']: readonly string[]): void {
  const write = PROTOCOL.get(type.toLowerCase())
  if (write === undefined) {
    fail(`ERR Wrong protocol type name. Please use one of the following: ${[...PROTOCOL.keys()].join('|')}`)
  }
  write(reply)
}

/** The values that Redis answers with, since clients are tested against them. */
const PROTOCOL: ReadonlyMap<string, (reply: Call['reply']) => void> = new Map<string, (reply: Call['reply']) => void>([
  ['string', (reply) => reply.bulk('Hello World')],
  ['integer', (reply) => reply.integer(12_345)],
  ['double', (reply) => reply.doubleText('3.141')],
  ['bignum', (reply) => reply.bigNumber(1234567999999999999999999999999999999n)],
  ['null', (reply) => reply.nil()],
  [
    'array',
    (reply) => {
      reply.array(3)
      for (let i = 0; i < 3; i++) reply.integer(i)
    },
  ],
  [
    'set',
    (reply) => {
      reply.set(3)
      for (let i = 0; i < 3; i++) reply.integer(i)
    },
  ],
  [
    'map',
    (reply) => {
      reply.map(3)
      for (let i = 0; i < 3; i++) {
        reply.integer(i)
        reply.boolean(i === 1)
      }
    },
  ],
  [
    'attrib',
    (reply) => {
      if (reply.protocol === 3) {
        reply.attribute(1)
        reply.bulk('key-popularity')
        reply.array(2)
        reply.bulk('key:123')
        reply.integer(90)
      }
      reply.bulk('Some real reply following the attribute')
    },
  ],
  [
    'push',
    (reply) => {
      if (reply.protocol === 2) fail('ERR RESP2 is not supported by this command')
      reply.push(2)
      reply.bulk('server-cpu-usage')
      reply.integer(42)
      reply.bulk('Some real reply following the push reply')
    },
  ],
  ['verbatim', (reply) => reply.verbatim('txt', 'This is a verbatim\nstring')],
  ['true', (reply) => reply.boolean(true)],
  ['false', (reply) => reply.boolean(false)],
])
