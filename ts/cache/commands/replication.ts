// REPLICAOF, ROLE and WAIT for people and programs, PSYNC and REPLCONF for replicas. The server does what they say.
import { parseSafeInteger } from '../keyspace/numbers.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR, shown } from './errors.ts'
import type { Peer, ReplicationDoor } from './replication-door.ts'

const MAX_PORT = 65_535
const NO_WAIT_HERE =
  'ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be ' +
  'writable (which is not the default) writes to replicas are just local and are not propagated.'

export const REPLICATION_COMMANDS: Handlers = {
  replicaof: follow,
  slaveof: follow,

  role({ reply, ...call }) {
    const role = doorOf(call).role()
    if (role.kind === 'master') {
      reply.array(3)
      reply.bulk('master')
      reply.integer(role.offset)
      reply.array(role.replicas.length)
      for (const { host, port, offset } of role.replicas) reply.bulks([host, String(port), String(offset)])
      return
    }
    reply.array(5)
    reply.bulk('slave')
    reply.bulk(role.master.host)
    reply.integer(role.master.port)
    reply.bulk(role.state)
    reply.integer(role.offset)
  },

  /** WAIT numreplicas timeout */
  wait(call, [, replicas = '', timeout = '']) {
    const { engine, session, reply, command } = call
    const door = doorOf(call)
    if (door.isReplica) fail(NO_WAIT_HERE)
    const count = call.position(replicas)
    const ms = call.position(timeout, 'ERR timeout is not an integer or out of range')
    if (ms < 0) fail('ERR timeout is negative')
    const reached = door.reached(session)
    if (reached >= count || !call.mayBlock) return reply.integer(reached)
    engine.block(session, {
      command,
      argsFor: () => [],
      database: session.database,
      keys: [],
      type: 'string',
      untilMs: ms === 0 ? undefined : call.now + ms,
      onTimeout: () => reply.integer(door.reached(session)),
    })
    return door.wait(session, count)
  },

  /** REPLCONF name value ... */
  replconf(call, args) {
    if (args.length % 2 === 0) fail(SYNTAX_ERROR)
    const { engine, session } = call
    const door = doorOf(call)
    for (let i = 1; i < args.length; i += 2) {
      const [name = '', value = ''] = [args[i]?.toLowerCase(), args[i + 1]]
      if (name === 'ack') {
        const offset = parseSafeInteger(value)
        if (offset === undefined || offset < 0) return
        for (const done of door.acknowledge(session, offset)) {
          engine.release(done.session, () => done.session.reply.integer(done.count))
        }
        return
      }
      // That is for masters to ask, and they are asked by other means.
      if (name === 'getack') return
      const refusal = door.introduce(session, name, value)
      if (refusal !== undefined) fail(refusal)
    }
    call.reply.ok()
  },

  failover: failOver,

  /** PSYNC id offset [FAILOVER] */
  psync(call, [, id = '', offset = '', word]) {
    const from = Number(call.integer(offset))
    const known = { id: id.toLowerCase(), from, handsOver: isWord(word, 'FAILOVER') }
    const refusal = doorOf(call).attach(call.session, known)
    if (refusal !== undefined) fail(refusal)
  },

  sync(call) {
    const refusal = doorOf(call).attach(call.session, undefined)
    if (refusal !== undefined) fail(refusal)
  },
}

/** FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds] */
function failOver(call: Call, args: readonly string[]): void {
  if (call.engine.cluster !== undefined) fail('ERR FAILOVER not allowed in cluster mode.')
  let target: Peer | undefined
  let timeoutMs: number | undefined
  let isForced = false
  let isAborted = false
  for (let i = 1; i < args.length; i++) {
    if (isWord(args[i], 'TIMEOUT') && i + 1 < args.length && timeoutMs === undefined) {
      timeoutMs = call.position(args[++i] as string)
      if (timeoutMs <= 0) fail('ERR FAILOVER timeout must be greater than 0')
    } else if (isWord(args[i], 'TO') && i + 2 < args.length && target === undefined) {
      target = { host: args[i + 1] as string, port: call.position(args[i + 2] as string) }
      i += 2
    } else if (isWord(args[i], 'FORCE')) isForced = true
    else if (isWord(args[i], 'ABORT') && args.length === 2) isAborted = true
    else fail(SYNTAX_ERROR)
  }
  if (isForced && (target === undefined || timeoutMs === undefined)) {
    fail('ERR FAILOVER with force option requires both a timeout and target HOST and IP.')
  }
  const refusal = doorOf(call).failOver(isAborted ? undefined : { target, timeoutMs, isForced })
  if (refusal !== undefined) fail(refusal)
  call.reply.ok()
}

/** REPLICAOF host port, REPLICAOF NO ONE */
function follow(call: Call, [, host = '', port = '']: readonly string[]): void {
  if (call.engine.cluster !== undefined) fail('ERR REPLICAOF not allowed in cluster mode.')
  const door = doorOf(call)
  if (door.isFailingOver) fail('ERR REPLICAOF not allowed while failing over.')
  if (isWord(host, 'NO') && isWord(port, 'ONE')) {
    call.reply.simple(door.follow(undefined))
    return
  }
  const number = parseSafeInteger(port)
  if (number === undefined || number < 0 || number > MAX_PORT) fail('ERR Invalid master port')
  if (host === '' || !/^[!-~]+$/.test(host)) fail(`ERR Invalid master host: ${shown(host, 128)}`)
  call.reply.simple(door.follow({ host, port: number }))
}

/** Who serves the engine. @throws CommandError where nobody does. */
function doorOf({ engine }: Pick<Call, 'engine'>): ReplicationDoor {
  return engine.server?.replication ?? fail('ERR this engine has no server')
}
