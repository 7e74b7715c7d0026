// SUBSCRIBE and its kin. Each channel of a command is confirmed on its own, with the number of subscriptions that are left.
import { Glob } from '../keyspace/glob.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { fail, failSubcommand } from './errors.ts'

/** What one connection may listen to; Redis has no such bound. */
const MAX_SUBSCRIPTIONS = 2 ** 17

export const PUBSUB_COMMANDS: Handlers = {
  subscribe: subscribe(false),
  ssubscribe: subscribe(true),
  unsubscribe: unsubscribe(false),
  sunsubscribe: unsubscribe(true),
  psubscribe,
  punsubscribe,
  publish: publish(false),
  spublish: publish(true),
  'pubsub|channels': (call, args) => listChannels(call, call.engine.pubsub.channels, args),
  'pubsub|shardchannels': (call, args) => listChannels(call, call.engine.pubsub.shardChannels, args),
  'pubsub|numsub': (call, args) => countListeners(call, call.engine.pubsub.channels, args.slice(2)),
  'pubsub|shardnumsub': (call, args) => countListeners(call, call.engine.pubsub.shardChannels, args.slice(2)),
  'pubsub|numpat': (call) => call.reply.integer(call.engine.pubsub.patterns.size),
}

function publish(isSharded: boolean): Handler {
  return (call, [, channel = '', message = '']) => {
    const { engine, reply } = call
    reply.integer(engine.publish(channel, message, isSharded))
    // Replicas that are nodes hear it from the bus.
    call.isMessage = engine.cluster === undefined
    // Those who listen at other nodes are not counted.
    engine.cluster?.published({ channel, message, isSharded })
  }
}

function subscribe(isSharded: boolean): Handler {
  return (call, args) => {
    checkRoom(call, args)
    for (const channel of args.slice(1)) {
      call.engine.pubsub.subscribe(call.session, channel, isSharded)
      confirm(call, isSharded ? 'ssubscribe' : 'subscribe', channel, countOf(call, isSharded))
    }
  }
}

function unsubscribe(isSharded: boolean): Handler {
  return (call, args) => {
    const kind = isSharded ? 'sunsubscribe' : 'unsubscribe'
    const own = isSharded ? call.session.shardChannels : call.session.channels
    const channels = args.length > 1 ? args.slice(1) : [...own]
    for (const channel of channels) {
      call.engine.pubsub.unsubscribe(call.session, channel, isSharded)
      confirm(call, kind, channel, countOf(call, isSharded))
    }
    if (channels.length === 0) confirm(call, kind, undefined, countOf(call, isSharded))
  }
}

function psubscribe(call: Call, args: readonly string[]): void {
  checkRoom(call, args)
  for (const pattern of args.slice(1)) {
    call.engine.pubsub.subscribePattern(call.session, pattern)
    confirm(call, 'psubscribe', pattern, countOf(call, false))
  }
}

function punsubscribe(call: Call, args: readonly string[]): void {
  const patterns = args.length > 1 ? args.slice(1) : [...call.session.patterns]
  for (const pattern of patterns) {
    call.engine.pubsub.unsubscribePattern(call.session, pattern)
    confirm(call, 'punsubscribe', pattern, countOf(call, false))
  }
  if (patterns.length === 0) confirm(call, 'punsubscribe', undefined, countOf(call, false))
}

/** @throws CommandError if that is more than one connection may listen to. */
function checkRoom({ session }: Call, args: readonly string[]): void {
  const { channels, patterns, shardChannels } = session
  const count = channels.size + patterns.size + shardChannels.size + args.length - 1
  if (count > MAX_SUBSCRIPTIONS) fail(`ERR a connection listens to at most ${MAX_SUBSCRIPTIONS} channels and patterns`)
}

/** A message, and no reply: CLIENT REPLY does not keep it back. */
function confirm({ reply, session }: Call, kind: string, name: string | undefined, count: number): void {
  session.messages?.push(reply.length)
  reply.push(3)
  reply.bulk(kind)
  reply.bulkOrNil(name)
  reply.integer(count)
  session.messages?.push(reply.length)
}

function countOf({ session }: Call, isSharded: boolean): number {
  return isSharded ? session.shardChannels.size : session.channels.size + session.patterns.size
}

function listChannels({ reply }: Call, channels: ReadonlyMap<string, unknown>, args: readonly string[]): void {
  if (args.length > 3) failSubcommand(args)
  const glob = new Glob(args[2] ?? '*')
  reply.bulks([...channels.keys()].filter((channel) => glob.matches(channel)))
}

function countListeners(
  call: Call,
  channels: ReadonlyMap<string, ReadonlySet<unknown>>,
  names: readonly string[],
): void {
  call.reply.array(2 * names.length)
  for (const name of names) {
    call.reply.bulk(name)
    call.reply.integer(channels.get(name)?.size ?? 0)
  }
}
