// PING, HELLO, SELECT and the parts of CLIENT that need no sockets; the others are in server.ts.
import { isMaster } from '../cluster/topology.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR, shown } from './errors.ts'
import { logWrongLogin } from './rights.ts'

/** The version of Redis whose behaviour this is. */
const REDIS_VERSION = '7.0.15'
const BAD_NAME = 'ERR Client names cannot contain spaces, newlines or special characters.'

export const CONNECTION_COMMANDS: Handlers = {
  ping(call, args) {
    const { reply, session } = call
    if (args.length > 2) fail("ERR wrong number of arguments for 'ping' command")
    if (session.isSubscribed && reply.protocol === 2) return reply.bulks(['pong', args[1] ?? ''])
    if (args[1] === undefined) reply.simple('PONG')
    else reply.bulk(args[1])
  },

  echo: ({ reply }, [, text = '']) => reply.bulk(text),

  quit(call) {
    call.reply.ok()
    call.engine.effect({ kind: 'close', session: call.session })
  },

  hello,

  reset(call) {
    const { engine, session, reply } = call
    session.transaction = undefined
    engine.unwatch(session)
    engine.pubsub.leave(session)
    engine.tracking.disable(session)
    engine.monitors.delete(session)
    session.database = 0
    session.name = ''
    session.replies = 'on'
    session.asking = 0
    session.readsReplicas = false
    session.hearsEvictions = false
    reply.protocol = 2
    engine.server?.reset(session)
    reply.simple('RESET')
  },

  select(call, [, number = '']) {
    const index = call.small(number)
    if (call.engine.cluster !== undefined && index !== 0) fail('ERR SELECT is not allowed in cluster mode')
    if (call.engine.databases[index] === undefined) fail('ERR DB index is out of range')
    call.session.database = index
    call.reply.ok()
  },

  'client|id': ({ reply, session }) => reply.integer(session.id),
  'client|getname': ({ reply, session }) => reply.bulkOrNil(session.name === '' ? undefined : session.name),

  'client|setname'(call, [, , name = '']) {
    call.session.name = isName(name) ? name : fail(BAD_NAME)
    call.reply.ok()
  },

  'client|reply'(call, [, , mode = '']) {
    const { session } = call
    if (isWord(mode, 'ON')) {
      session.replies = 'on'
      call.reply.ok()
    } else if (isWord(mode, 'OFF')) session.replies = 'off'
    else if (isWord(mode, 'SKIP')) {
      if (session.replies === 'on') session.replies = 'skip'
    } else fail(SYNTAX_ERROR)
  },

  'client|unblock'(call, [, , id = '', how]) {
    const { engine, reply } = call
    const isError = isWord(how, 'ERROR')
    if (how !== undefined && !isError && !isWord(how, 'TIMEOUT')) {
      fail('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')
    }
    const session = engine.session(call.position(id))
    const onTimeout = session?.blocked?.onTimeout
    const released =
      session?.blocked !== undefined &&
      session.blocked.isFirm !== true &&
      engine.release(session, () => {
        if (isError) session.reply.error('UNBLOCKED client unblocked via CLIENT UNBLOCK')
        else if (onTimeout === undefined) session.reply.nilArray()
        else onTimeout()
      })
    reply.integer(released ? 1 : 0)
  },

  time({ now, reply }) {
    reply.bulks([String(Math.floor(now / 1000)), String(Math.floor((now % 1000) * 1000))])
  },
}

const HELLO_NEEDS_AUTH =
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time'

/** HELLO [version [AUTH user password] [SETNAME name]] */
function hello(call: Call, args: readonly string[]): void {
  const { reply, session } = call
  let version: number | undefined
  if (args[1] !== undefined) {
    version = call.position(args[1], 'ERR Protocol version is not an integer or out of range')
    if (version !== 2 && version !== 3) fail('NOPROTO unsupported protocol version')
  }
  let name: string | undefined
  let login: readonly [string, string] | undefined
  for (let i = 2; i < args.length; i++) {
    if (isWord(args[i], 'AUTH') && i + 2 < args.length) login = [args[++i] as string, args[++i] as string]
    else if (isWord(args[i], 'SETNAME') && i + 1 < args.length) {
      name = args[++i] as string
      if (!isName(name)) fail(BAD_NAME)
    } else fail(`ERR Syntax error in HELLO option '${shown(args[i] as string)}'`)
  }
  const refusal = login && call.engine.server?.authenticate(session, ...login)
  if (refusal !== undefined) {
    logWrongLogin(call, args[0] as string, login?.[0] ?? '', refusal)
    fail(refusal)
  }
  if (!session.isAuthenticated) fail(HELLO_NEEDS_AUTH)
  if (name !== undefined) session.name = name
  if (version !== undefined) reply.protocol = version as 2 | 3
  reply.map(7)
  reply.bulk('server')
  reply.bulk('redis')
  reply.bulk('version')
  reply.bulk(REDIS_VERSION)
  reply.bulk('proto')
  reply.integer(reply.protocol)
  reply.bulk('id')
  reply.integer(session.id)
  reply.bulk('mode')
  const { cluster } = call.engine
  reply.bulk(cluster === undefined ? 'standalone' : 'cluster')
  reply.bulk('role')
  reply.bulk(cluster === undefined || isMaster(cluster.topology.myself) ? 'master' : 'replica')
  reply.bulk('modules')
  reply.array(0)
}

function isName(name: string): boolean {
  return /^[!-~]*$/.test(name)
}
