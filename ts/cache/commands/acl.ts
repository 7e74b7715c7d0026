// ACL: https://redis.io/docs/management/security/acl/. What users may do is in ../acl; here it is told and changed, and connections are
// cut that lose what they hold on to.

import type { ReplyWriter } from '../../wire/resp/index.ts'
import { CATEGORIES, COMMANDS_OF } from '../acl/categories.ts'
import type { Denial, Selector } from '../acl/selector.ts'
import type { User } from '../acl/user.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, failSubcommand, shown } from './errors.ts'
import { help } from './help.ts'

const MAX_PASSWORD_BITS = 4096
const DEFAULT_PASSWORD_BITS = 256
const DEFAULT_LOG_COUNT = 10
const BAD_BITS = `ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to ${MAX_PASSWORD_BITS}`
const NO_FILE =
  'ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.'

export const ACL_COMMANDS: Handlers = {
  'acl|whoami': ({ reply, session }) => reply.bulk(session.user.name),
  'acl|users': ({ engine, reply }) => reply.bulks(engine.users.all().map(({ name }) => name)),
  'acl|list': ({ engine, reply }) =>
    reply.bulks(engine.users.all().map((user) => `user ${user.name} ${user.describe()}`)),

  /** ACL SETUSER name [rule ...] */
  'acl|setuser'(call, [, , name = '', ...rules]) {
    const problem = call.engine.users.set(name, rules, (user, next) => cutListeners(call, user, next))
    if (problem !== undefined) fail(`ERR ${problem}`)
    call.reply.ok()
  },

  'acl|deluser'(call, args) {
    const names = args.slice(2)
    if (names.includes('default')) fail("ERR The 'default' user cannot be removed")
    const deleted = names.flatMap((name) => call.engine.users.delete(name) ?? [])
    call.reply.integer(deleted.length)
    cutUsers(call, deleted)
  },

  'acl|getuser': getUser,

  /** ACL CAT [category] */
  'acl|cat'(call, args) {
    if (args.length > 3) failSubcommand(args)
    const category = args[2]
    if (category === undefined) return call.reply.bulks(CATEGORIES)
    const commands = COMMANDS_OF.get(category.toLowerCase()) ?? fail(`ERR Unknown category '${shown(category, 128)}'`)
    call.reply.bulks(commands.map(({ name }) => name))
  },

  /** ACL GENPASS [bits] */
  'acl|genpass'(call, args) {
    if (args.length > 3) failSubcommand(args)
    const bits = args[2] === undefined ? DEFAULT_PASSWORD_BITS : call.position(args[2])
    if (bits < 1 || bits > MAX_PASSWORD_BITS) fail(BAD_BITS)
    const digits = Math.ceil(bits / 4)
    const bytes = call.random.bytes(Math.ceil(digits / 2))
    call.reply.bulk(Buffer.from(bytes).toString('hex').slice(0, digits))
  },

  'acl|log': showLog,
  'acl|dryrun': dryRun,

  'acl|load'(call) {
    const file = call.engine.server?.users ?? fail(NO_FILE)
    const replaced = file.load()
    if (typeof replaced === 'string') fail(`ERR ${replaced}`)
    call.reply.ok()
    cutUsers(call, replaced)
  },

  'acl|save'(call) {
    const file = call.engine.server?.users ?? fail(NO_FILE)
    const problem = file.save()
    if (problem !== undefined) fail(problem)
    call.reply.ok()
  },

  'acl|help': help('ACL', {
    'CAT [<category>]': 'The categories of commands, or the commands of one.',
    'DELUSER <username> [<username> ...]': 'Deletes users and cuts their connections.',
    'DRYRUN <username> <command> [<arg> ...]': 'Whether a user may run a command, without running it.',
    'GENPASS [<bits>]': 'A password made by chance, of 256 bits unless told otherwise.',
    'GETUSER <username>': 'What a user may do.',
    LIST: 'All users, each as the rules that make it.',
    LOAD: 'Replaces all users by those of the file.',
    'LOG [<count> | RESET]': 'What was refused, the newest first; RESET forgets it.',
    SAVE: 'Writes all users to the file.',
    'SETUSER <username> [<rule> ...]': 'Makes a user, or changes one.',
    USERS: 'The names of all users.',
    WHOAMI: 'The user of this connection.',
  }),
}

function getUser({ engine, reply }: Call, [, , name = '']: readonly string[]): void {
  const user = engine.users.get(name)
  if (user === undefined) {
    reply.nil()
    return
  }
  const [root, ...others] = user.selectors as [Selector, ...Selector[]]
  const flags = user.flags()
  reply.map(6)
  reply.bulk('flags')
  reply.set(flags.length)
  for (const flag of flags) reply.bulk(flag)
  reply.bulk('passwords')
  reply.bulks(user.passwords)
  tellSelector(reply, root)
  reply.bulk('selectors')
  reply.array(others.length)
  for (const selector of others) {
    reply.map(3)
    tellSelector(reply, selector)
  }
}

/** Three fields of a map. */
function tellSelector(reply: ReplyWriter, selector: Selector): void {
  for (const [field, value] of [
    ['commands', selector.commands.describe()],
    ['keys', selector.describeKeys()],
    ['channels', selector.describeChannels()],
  ] as const) {
    reply.bulk(field)
    reply.bulk(value)
  }
}

/** ACL LOG [count | RESET] */
function showLog(call: Call, args: readonly string[]): void {
  const { engine, reply, now } = call
  const { log } = engine.users
  if (args.length > 3) failSubcommand(args)
  if (isWord(args[2], 'RESET')) {
    log.clear()
    reply.ok()
    return
  }
  const count = args[2] === undefined ? DEFAULT_LOG_COUNT : Math.max(0, call.position(args[2]))
  const entries = log.entries.slice(0, count)
  reply.array(entries.length)
  for (const { count: times, event } of entries) {
    reply.map(7)
    reply.bulk('count')
    reply.integer(times)
    for (const field of ['reason', 'context', 'object', 'username'] as const) {
      reply.bulk(field)
      reply.bulk(event[field])
    }
    reply.bulk('age-seconds')
    reply.double(Math.max(0, now - event.atMs) / 1000)
    reply.bulk('client-info')
    reply.bulk(event.client)
  }
}

/** ACL DRYRUN user command [argument ...] */
function dryRun({ engine, reply }: Call, [, , name = '', ...args]: readonly string[]): void {
  const user = engine.users.get(name) ?? fail(`ERR User '${shown(name)}' not found`)
  const command = engine.find(args)
  if (typeof command === 'string') fail(`ERR Command '${shown(args[0] as string)}' not found`)
  const { arity } = command
  if (arity > 0 ? args.length !== arity : args.length < -arity) {
    fail(`ERR wrong number of arguments for '${command.name}' command`)
  }
  const denial = user.denial(command, args)
  if (denial === undefined) reply.ok()
  else reply.bulk(`This user has no permissions to ${wordsOf(denial, command.name, args)}`)
}

function wordsOf({ reason, position }: Denial, command: string, args: readonly string[]): string {
  return reason === 'command' ? `run the '${command}' command` : `access the '${args[position]}' ${reason}`
}

/** Cuts the connections of a user that listen to what it may not hear any more. */
function cutListeners(call: Call, user: User, next: User): void {
  const allowed = next.selectors
  if (allowed.some(({ allChannels }) => allChannels)) return
  const mayHear = (channel: string, isPattern: boolean): boolean =>
    allowed.some((selector) => selector.allowsChannel(channel, isPattern))
  for (const session of call.engine.sessions()) {
    if (session.user !== user) continue
    const { patterns, channels, shardChannels } = session
    const keeps =
      [...patterns].every((pattern) => mayHear(pattern, true)) &&
      [...channels, ...shardChannels].every((channel) => mayHear(channel, false))
    if (!keeps) call.engine.effect({ kind: 'close', session })
  }
}

/** Cuts the connections of users that are gone. Until they are closed they are nobody's. */
function cutUsers(call: Call, users: readonly User[]): void {
  const gone = new Set(users)
  const { engine } = call
  for (const session of engine.sessions()) {
    if (!gone.has(session.user)) continue
    session.user = engine.users.nobody
    session.isAuthenticated = false
    engine.effect({ kind: 'close', session })
  }
}
