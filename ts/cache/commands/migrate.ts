// MIGRATE: keys go to another server. Syntax and texts are those of Redis 7.0 (cluster.c, migrateCommand); the sending is an effect.
import { parseSafeInteger } from '../keyspace/numbers.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { Transfer } from './transfers.ts'

const DEFAULT_TIMEOUT_MS = 1000
const KEYS_AND_KEY = 'ERR When using MIGRATE KEYS option, the key argument must be set to the empty string'
/** Within a transaction or a script nobody can wait. */
const NO_WAITING = 'ERR MIGRATE waits for another server: it is not for transactions and scripts'

export const MIGRATE_COMMANDS: Handlers = { migrate }

interface MigrateOptions {
  readonly copies: boolean
  readonly replaces: boolean
  readonly user: string | undefined
  readonly password: string | undefined
  readonly keys: readonly string[]
}

/** MIGRATE host port (key | "") database timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key...] */
function migrate(call: Call, args: readonly string[]): void {
  const [, host = '', port = '', , database = '', timeout = ''] = args
  const { copies, replaces, user, password, keys } = parseOptions(args)
  const timeoutMs = call.position(timeout)
  const target = {
    host,
    port: parseSafeInteger(port) ?? 0,
    database: call.position(database),
    timeoutMs: timeoutMs <= 0 ? DEFAULT_TIMEOUT_MS : timeoutMs,
    user,
    password,
  }
  const present = [...new Set(keys)].filter((key) => call.db.find(key) !== undefined)
  if (present.length === 0) {
    call.reply.simple('NOKEY')
    return
  }
  if (!call.mayBlock) fail(NO_WAITING)
  const { engine, session, db } = call
  const isAsking = engine.cluster !== undefined
  const transfer = new Transfer({ session, target, database: db, keys: present, copies, replaces, isAsking })
  call.block({ argsFor: () => args, keys: [], type: 'string', untilMs: undefined, isFirm: true })
  engine.transfers.add(transfer)
  engine.effect({ kind: 'migrate', transfer })
}

function parseOptions(args: readonly string[]): MigrateOptions {
  const [, , , key = ''] = args
  let copies = false
  let replaces = false
  let user: string | undefined
  let password: string | undefined
  for (let i = 6; i < args.length; i++) {
    const left = args.length - 1 - i
    if (isWord(args[i], 'COPY')) copies = true
    else if (isWord(args[i], 'REPLACE')) replaces = true
    else if (isWord(args[i], 'AUTH') && left >= 1) {
      user = undefined
      password = args[++i]
    } else if (isWord(args[i], 'AUTH2') && left >= 2) {
      user = args[++i]
      password = args[++i]
    } else if (isWord(args[i], 'KEYS')) {
      if (key !== '') fail(KEYS_AND_KEY)
      return { copies, replaces, user, password, keys: args.slice(i + 1) }
    } else fail(SYNTAX_ERROR)
  }
  return { copies, replaces, user, password, keys: [key] }
}
