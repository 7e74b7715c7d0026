// A Redis-compatible server for a test: in its process, in memory, on a free port.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions } from '../../base/options.ts'
import { CacheServer, type Snapshot } from '../../cache/index.ts'
import { type Clock, realClock } from '../../io/clock.ts'
import { realNetwork } from '../../io/network.ts'
import { type Random, realRandom } from '../../io/random.ts'
import type { Logger } from '../../service/index.ts'
import { plainOf, type Reply, ReplyDecoder } from '../../wire/resp/index.ts'
import { FailingCommands, faultsOf, type RedisFaults } from './faults.ts'
import { FaultyNetwork } from './faulty-network.ts'

/** All may be left out. */
export interface StartRedisOptions {
  /** 0, any that is free, unless given. */
  readonly port?: number
  /** What clients have to give; it is in `url`, too. */
  readonly password?: string
  /** How many SELECT can choose of, 16 unless given. */
  readonly databases?: number
  /** What time it is for expiry; the machine's clock unless given. */
  readonly clock?: Clock
  /** For RANDOMKEY and the like; a seeded one makes runs alike. */
  readonly random?: Random
}

/** Keys and values at one moment. It belongs to the process that took it. */
export interface RedisSnapshot {
  /** How many keys it holds. */
  readonly keyCount: number
}

/** A reply as a value: text is decoded as UTF-8. */
export type RedisReply = string | number | bigint | boolean | null | readonly RedisReply[]

/** A server that runs until it is disposed of. */
export interface TestRedis extends AsyncDisposable {
  /** `redis://127.0.0.1:port`, with the password if there is one. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly faults: RedisFaults
  /**
   * Runs a command on keys past the network and its faults, to prepare a test or to look. Not for those that block.
   * @throws INVALID_INPUT with the error that the server answers.
   */
  command(...args: readonly (string | number)[]): RedisReply
  /** Deletes every key and ends every fault. Connections stay. */
  reset(): void
  /** What `restore` brings back. O(all that is kept). */
  snapshot(): RedisSnapshot
  /** @throws INVALID_INPUT for what was not taken of a server with as many databases. */
  restore(snapshot: RedisSnapshot): void
  /** Cuts all connections and ends. May be called again. */
  stop(): Promise<void>
}

/**
 * Starts a Redis-compatible server in this process, in some milliseconds. Any number of them run side by side.
 *
 * The commands of Redis 7.0 are those that docs/systems/cache.md lists; data is in memory alone.
 *
 * @throws INVALID_INPUT for options that cannot be; UNAVAILABLE if the port is taken.
 * @example
 * await using redis = await startRedis()
 * const client = new Redis(redis.url) // of ioredis
 * redis.faults.fail({ command: 'get', after: 2, error: 'ERR the third get fails' })
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<TestRedis> {
  checkOptions(options, OPTION_TYPES, 'startRedis')
  const { port: wanted = 0, password = '', databases = 16, clock = realClock, random = realRandom } = options
  const network = new FaultyNetwork(realNetwork, clock)
  const failing = new FailingCommands()
  const server = new CacheServer({
    network,
    clock,
    random,
    logger: SILENT,
    host: '127.0.0.1',
    port: wanted,
    password: bytesOf(password),
    maxClients: 10_000,
    databases,
    memoryBytes: () => process.memoryUsage().heapUsed,
    intercept: (args) => failing.errorFor(args),
  })
  const { host, port } = await server.start()
  const command = (...args: readonly (string | number)[]): RedisReply => {
    const decoder = new ReplyDecoder()
    decoder.push(server.execute(args.map((arg) => bytesOf(String(arg)))))
    return answerOf(decoder.next())
  }
  const stop = (): Promise<void> => server.stop()
  const credentials = password === '' ? '' : `:${encodeURIComponent(password)}@`
  const faults = faultsOf(network, failing, (keys) => Number(command('DEL', ...keys)))
  return {
    url: `redis://${credentials}${host}:${port}`,
    host,
    port,
    faults,
    command,
    reset() {
      faults.clear()
      command('FLUSHALL')
    },
    snapshot: () => new Taken(server.snapshot()),
    restore(snapshot) {
      if (!(snapshot instanceof Taken) || snapshot.keys.length !== databases) {
        throw new BedplateError('INVALID_INPUT', 'restore takes what snapshot() of such a server has returned', {
          hint: `both need ${databases} databases`,
        })
      }
      server.restore(snapshot.keys)
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

class Taken implements RedisSnapshot {
  readonly keys: Snapshot

  constructor(keys: Snapshot) {
    this.keys = keys
  }

  get keyCount(): number {
    return this.keys.reduce((sum, { length }) => sum + length, 0)
  }
}

const OPTION_TYPES = { port: 'number', password: 'string', databases: 'number', clock: 'any', random: 'any' } as const
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Text as the engine takes it: one character a byte. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** @throws INVALID_INPUT with the text of an error */
function answerOf(reply: Reply | undefined): RedisReply {
  if (reply === undefined) {
    throw new BedplateError('INVALID_INPUT', 'the command was not answered: it blocks, or answers nothing')
  }
  if (reply.kind === 'error') throw new BedplateError('INVALID_INPUT', reply.text)
  return plainOf(reply)
}
