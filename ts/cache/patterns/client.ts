// Any client of Redis as one narrow interface, recognised by its shape: no client is a dependency.
import { BedplateError } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'

/** What the patterns need of a client. Replies are as clients give them: strings, numbers, null. */
export interface RedisCommands {
  /**
   * Sends a command.
   * @param args - Its name and arguments.
   * @param key - The first key of it, by which a cluster finds the node.
   */
  command(args: readonly string[], key: string): Promise<unknown>
  /** A connection that nobody else uses, for WATCH. Needed only where the server has no EVAL. */
  session?(): Promise<RedisSession>
}

/** A connection of its own. */
export interface RedisSession {
  command(args: readonly string[]): Promise<unknown>
  close(): void
}

/** What of an ioredis `Redis` or `Cluster` is used. */
export interface IoredisLike {
  call(command: string, args: string[]): Promise<unknown>
}

/** What of a node-redis client or pool is used. */
export interface NodeRedisLike {
  sendCommand(args: readonly string[]): Promise<unknown>
}

/** What of a node-redis cluster is used. */
export interface NodeRedisClusterLike {
  sendCommand(firstKey: string | undefined, isReadonly: boolean | undefined, args: string[]): Promise<unknown>
  getRandomNode(): unknown
}

export type RedisClient = RedisCommands | IoredisLike | NodeRedisLike | NodeRedisClusterLike

/** The parts that not every client has. */
interface Parts {
  command?: unknown
  call?: unknown
  sendCommand?: unknown
  getRandomNode?: unknown
  duplicate?: unknown
}

/** The client by its shape. @throws INVALID_INPUT if it is none that is known. */
export function asRedis(client: RedisClient): RedisCommands {
  const { command, call, sendCommand, getRandomNode, duplicate } = (client ?? {}) as Parts
  const mayOpen = typeof duplicate === 'function' && typeof getRandomNode !== 'function'
  if (typeof call === 'function') {
    const ioredis = client as IoredisLike
    const redis: RedisCommands = { command: ([name = '', ...args]) => ioredis.call(name, args) }
    return mayOpen ? { ...redis, session: () => openIoredis(client as unknown as IoredisOpener) } : redis
  }
  if (typeof sendCommand === 'function' && typeof getRandomNode === 'function') {
    const cluster = client as NodeRedisClusterLike
    return { command: (args, key) => cluster.sendCommand(key, false, [...args]) }
  }
  if (typeof sendCommand === 'function') {
    const nodeRedis = client as NodeRedisLike
    const redis: RedisCommands = { command: (args) => nodeRedis.sendCommand(args) }
    return mayOpen ? { ...redis, session: () => openNodeRedis(client as unknown as NodeRedisOpener) } : redis
  }
  // Last: clients have a method `command` as well, for COMMAND.
  if (typeof command === 'function') return client as RedisCommands
  throw new BedplateError('INVALID_INPUT', `cacheAside: client must be a client of Redis, got ${describe(client)}`, {
    hint: 'give it a client of ioredis or node-redis, or an object with command(args)',
  })
}

/** A reply as text; undefined for nil. */
export function textOfReply(reply: unknown): string | undefined {
  if (reply === null || reply === undefined) return undefined
  return typeof reply === 'string' ? reply : String(reply) // a Buffer is decoded as UTF-8
}

interface IoredisOpener {
  duplicate(): IoredisLike & { on(event: 'error', listener: () => void): unknown; disconnect(): void }
}

async function openIoredis(client: IoredisOpener): Promise<RedisSession> {
  const own = client.duplicate()
  own.on('error', () => {}) // whoever waits for a reply is told
  return { command: ([name = '', ...args]) => own.call(name, args), close: () => own.disconnect() }
}

interface NodeRedisOpener {
  duplicate(): NodeRedisLike & {
    on(event: 'error', listener: () => void): unknown
    connect(): Promise<unknown>
    destroy(): void
  }
}

async function openNodeRedis(client: NodeRedisOpener): Promise<RedisSession> {
  const own = client.duplicate()
  own.on('error', () => {})
  await own.connect()
  return { command: (args) => own.sendCommand(args), close: () => own.destroy() }
}
