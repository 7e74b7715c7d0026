// AUTH, INFO, CONFIG, and the parts of CLIENT that need connections. The engine's server answers; here its answers become replies.
import { Glob } from '../keyspace/glob.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR, shown } from './errors.ts'
import { logWrongLogin } from './rights.ts'
import type { ClientView, ServerDoor } from './server-door.ts'

const NO_SUCH_CLIENT = 'ERR No such client'
const CLIENT_TYPES: ReadonlySet<string> = new Set(['normal', 'pubsub', 'master', 'replica', 'slave'])

export const SERVER_COMMANDS: Handlers = {
  auth(call, args) {
    if (args.length > 3) fail(SYNTAX_ERROR)
    const [, first = '', second] = args
    const refusal =
      second === undefined
        ? doorOf(call).authenticate(call.session, undefined, first)
        : doorOf(call).authenticate(call.session, first, second)
    if (refusal !== undefined) {
      logWrongLogin(call, args[0] as string, second === undefined ? 'default' : first, refusal)
      fail(refusal)
    }
    call.reply.ok()
  },

  info(call, args) {
    const sections = args.slice(1).map((section) => section.toLowerCase())
    call.reply.verbatim('txt', doorOf(call).info(sections))
  },

  'config|get'(call, args) {
    const globs = args.slice(2).map((pattern) => new Glob(pattern.toLowerCase()))
    const found = doorOf(call).settings((name) => globs.some((glob) => glob.matches(name)))
    call.reply.map(found.length)
    for (const [name, value] of found) {
      call.reply.bulk(name)
      call.reply.bulk(value)
    }
  },

  'config|set'(call, args) {
    if (args.length % 2 !== 0) fail("ERR wrong number of arguments for 'config|set' command")
    const settings = new Map<string, string>()
    for (let i = 2; i < args.length; i += 2) {
      const name = (args[i] as string).toLowerCase()
      if (settings.has(name)) {
        fail(`ERR CONFIG SET failed (possibly related to argument '${shown(name, 128)}') - duplicate parameter`)
      }
      settings.set(name, args[i + 1] as string)
    }
    const refusal = doorOf(call).change(settings)
    if (refusal !== undefined) fail(refusal)
    call.reply.ok()
  },

  'config|resetstat'(call) {
    doorOf(call).resetFigures()
    call.reply.ok()
  },

  'client|info': (call) => call.reply.verbatim('txt', `${doorOf(call).client(call.session).line}\n`),

  /** CLIENT LIST [TYPE type] [ID id ...] */
  'client|list'(call, args) {
    const { reply } = call
    let clients = doorOf(call).clients()
    const [, , by, ...values] = args
    if (by !== undefined) {
      if (isWord(by, 'TYPE') && values.length === 1) clients = clients.filter(isOfType(values[0] as string))
      else if (isWord(by, 'ID') && values.length > 0) {
        const ids = new Set(values.map((id) => call.bounded(id, 1, Number.MAX_SAFE_INTEGER, 'ERR Invalid client ID')))
        clients = clients.filter(({ session }) => ids.has(session.id))
      } else fail(SYNTAX_ERROR)
    }
    reply.verbatim('txt', clients.map(({ line }) => `${line}\n`).join(''))
  },

  'client|kill': kill,

  /** CLIENT PAUSE ms [ALL | WRITE] */
  'client|pause'(call, [, , timeout = '', mode]) {
    const isWrite = isWord(mode, 'WRITE')
    if (mode !== undefined && !isWrite && !isWord(mode, 'ALL')) fail('ERR CLIENT PAUSE mode must be WRITE or ALL')
    const outOfRange = 'ERR timeout is not an integer or out of range'
    const ms = call.position(timeout, outOfRange)
    if (ms < 0) fail('ERR timeout is negative')
    doorOf(call).pause(call.now + ms, !isWrite)
    call.reply.ok()
  },

  'client|unpause'(call) {
    doorOf(call).unpause()
    call.reply.ok()
  },

  'client|no-evict'(call, [, , mode]) {
    const isOn = isWord(mode, 'ON')
    if (!isOn && !isWord(mode, 'OFF')) fail(SYNTAX_ERROR)
    doorOf(call).protect(call.session, isOn)
    call.reply.ok()
  },
}

/** Who serves the engine. @throws CommandError where nobody does. */
function doorOf(call: Call): ServerDoor {
  return call.engine.server ?? fail('ERR this engine has no server')
}

/** CLIENT KILL address, or CLIENT KILL with filters, which all have to fit. */
function kill(call: Call, args: readonly string[]): void {
  const door = doorOf(call)
  if (args.length === 3) {
    const found = door.clients().find(({ address }) => address === args[2]) ?? fail(NO_SUCH_CLIENT)
    call.reply.ok()
    door.kill(found.session)
    return
  }
  const filters: ((client: ClientView) => boolean)[] = []
  let skipsMe = true
  if (args.length % 2 !== 0) fail(SYNTAX_ERROR)
  for (let i = 2; i < args.length; i += 2) {
    const [by = '', value = ''] = [args[i], args[i + 1]]
    if (isWord(by, 'ID')) {
      const id = call.bounded(value, 1, Number.MAX_SAFE_INTEGER, 'ERR client-id should be greater than 0')
      filters.push(({ session }) => session.id === id)
    } else if (isWord(by, 'ADDR')) filters.push(({ address }) => address === value)
    else if (isWord(by, 'LADDR')) filters.push(({ localAddress }) => localAddress === value)
    else if (isWord(by, 'TYPE')) filters.push(isOfType(value))
    else if (isWord(by, 'USER')) {
      const user = call.engine.users.get(value) ?? fail(`ERR No such user '${shown(value, 128)}'`)
      filters.push(({ session }) => session.user === user)
    } else if (isWord(by, 'SKIPME')) {
      skipsMe = isWord(value, 'YES') || (isWord(value, 'NO') ? false : fail(SYNTAX_ERROR))
    } else fail(SYNTAX_ERROR)
  }
  const killed = door.clients().filter((client) => {
    return !(skipsMe && client.session === call.session) && filters.every((fits) => fits(client))
  })
  call.reply.integer(killed.length)
  for (const { session } of killed) door.kill(session)
}

function isOfType(text: string): (client: ClientView) => boolean {
  const type = text.toLowerCase()
  if (!CLIENT_TYPES.has(type)) fail(`ERR Unknown client type '${shown(text, 128)}'`)
  const wanted = type === 'slave' ? 'replica' : type
  return (client) => client.type === wanted
}
