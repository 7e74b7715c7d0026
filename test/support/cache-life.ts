// A cache server on a simulated disk, with a clock in hand and connections without sockets: one life of it, from start to end.
import {
  CacheServer,
  type CacheServerOptions,
  DEFAULT_PERSISTENCE,
  type PersistenceSettings,
} from '../../ts/cache/index.ts'
import type { Mutant } from '../../ts/cache/persistence/mutant.ts'
import type { Connection, ConnectionEvents, Network } from '../../ts/io/network.ts'
import { seededRandom } from '../../ts/io/random.ts'
import { SimulatedDisk } from '../../ts/io/simulated-disk.ts'
import { createLogger } from '../../ts/service/index.ts'
import { type Reply, ReplyDecoder } from '../../ts/wire/resp/index.ts'
import { ManualClock } from './manual-clock.ts'

export const DATA = '/data'

/** A client of a server in this process. */
export class LifeClient {
  readonly replies: Reply[] = []
  isClosed = false
  /** Called when replies have come. */
  heard: () => void = () => {}
  readonly #decoder = new ReplyDecoder()
  #events: ConnectionEvents | undefined
  #told: () => void = () => {}

  /** Gives the server its end. */
  attach(accept: (connection: Connection) => ConnectionEvents): void {
    const close = (): void => {
      if (this.isClosed) return
      this.isClosed = true
      queueMicrotask(() => this.#events?.closed())
      this.#told()
    }
    this.#events = accept({
      remote: 'test:1',
      local: 'test:2',
      waitingBytes: 0,
      write: (bytes) => {
        this.#decoder.push(bytes)
        for (let reply = this.#decoder.next(); reply !== undefined; reply = this.#decoder.next())
          this.replies.push(reply)
        this.heard()
        this.#told()
      },
      pause() {},
      resume() {},
      end: close,
      destroy: close,
    })
  }

  send(...args: readonly string[]): void {
    const parts = args.map((arg) => `$${arg.length}\r\n${arg}\r\n`)
    this.#events?.data(Buffer.from(`*${args.length}\r\n${parts.join('')}`, 'latin1'))
  }

  /** The next reply, as text: errors begin with `-`, what is nested is JSON. */
  async next(): Promise<string> {
    while (this.replies.length === 0) {
      if (this.isClosed) throw new Error('the server closed the connection')
      await new Promise<void>((resolve) => {
        this.#told = resolve
      })
    }
    return textOf(this.replies.shift() as Reply)
  }

  /** Waits until everything that was sent is answered, and forgets the answers. */
  async drained(): Promise<void> {
    this.send('ECHO', 'drained')
    while ((await this.next()) !== 'drained');
  }

  async ask(...args: readonly string[]): Promise<string> {
    this.send(...args)
    return this.next()
  }
}

function textOf(reply: Reply): string {
  if (reply.kind === 'error') return `-${reply.text}`
  if ('text' in reply) return reply.text
  if ('value' in reply) return String(reply.value)
  return 'items' in reply ? JSON.stringify(reply.items.map(textOf)) : 'nil'
}

export interface LifeOptions extends Partial<PersistenceSettings> {
  readonly disk?: SimulatedDisk
  readonly mutant?: Mutant | undefined
  readonly server?: Partial<CacheServerOptions>
}

/** See the top of this file. */
export class CacheLife {
  readonly disk: SimulatedDisk
  readonly clock: ManualClock
  readonly server: CacheServer
  readonly log: Record<string, unknown>[] = []
  #accept: ((connection: Connection) => ConnectionEvents) | undefined

  private constructor({ disk = new SimulatedDisk(), mutant, server, ...settings }: LifeOptions, clock: ManualClock) {
    this.disk = disk
    this.clock = clock
    const network: Network = {
      listen: async (address, accept) => {
        this.#accept = accept
        return { address, close() {} }
      },
      connect: () => Promise.reject(new Error('nobody is there')),
    }
    this.server = new CacheServer({
      network,
      clock,
      random: seededRandom(1),
      logger: createLogger({
        name: 'cache',
        level: 'info',
        now: () => 0,
        write: (line) => void this.log.push(JSON.parse(line)),
      }),
      host: '127.0.0.1',
      port: 1,
      password: '',
      maxClients: 100,
      databases: 16,
      memoryBytes: () => 0,
      persistence: { disk, mutant, settings: { ...DEFAULT_PERSISTENCE, directory: DATA, ...settings } },
      ...server,
    })
  }

  static async start(options: LifeOptions = {}, clock = new ManualClock(1_700_000_000_000)): Promise<CacheLife> {
    const life = CacheLife.make(options, clock)
    await life.server.start()
    return life
  }

  /** One that was not started. */
  static make(options: LifeOptions = {}, clock = new ManualClock(1_700_000_000_000)): CacheLife {
    return new CacheLife(options, clock)
  }

  /** Clients may come. */
  get isOpen(): boolean {
    return this.#accept !== undefined
  }

  client(): LifeClient {
    const client = new LifeClient()
    client.attach(this.#accept as (connection: Connection) => ConnectionEvents)
    return client
  }

  /** Waits until a field of INFO persistence is so. */
  async until(client: LifeClient, field: string, value: string): Promise<void> {
    while (!(await client.ask('INFO', 'persistence')).includes(`${field}:${value}\r\n`)) await this.clock.turn()
  }

  /** Ends as SIGTERM ends it. */
  async stop(): Promise<void> {
    await this.server.stop()
  }
}

/** Everything in all databases, the same text for the same content. */
export async function contentOf(client: LifeClient): Promise<string> {
  const lines: string[] = []
  for (let database = 0; database < 3; database++) {
    await client.ask('SELECT', String(database))
    const keys = (JSON.parse(await client.ask('KEYS', '*')) as string[]).sort()
    for (const key of keys) {
      // The bytes of a dump depend on the order in which hashes and sets were filled: so what commands say is compared.
      lines.push(`${database} ${key} ${await client.ask('PEXPIRETIME', key)} ${await shownValue(client, key)}`)
    }
  }
  await client.ask('SELECT', '0')
  return lines.join('\n')
}

async function shownValue(client: LifeClient, key: string): Promise<string> {
  const type = await client.ask('TYPE', key)
  switch (type) {
    case 'string':
      return client.ask('GET', key)
    case 'list':
      return client.ask('LRANGE', key, '0', '-1')
    case 'set':
      return JSON.stringify((JSON.parse(await client.ask('SMEMBERS', key)) as string[]).sort())
    case 'zset':
      return client.ask('ZRANGE', key, '0', '-1', 'WITHSCORES')
    case 'hash': {
      const flat = JSON.parse(await client.ask('HGETALL', key)) as string[]
      const pairs = flat.flatMap((field, i) => (i % 2 === 0 ? [`${field}=${flat[i + 1]}`] : []))
      return JSON.stringify(pairs.sort())
    }
    default:
      return `${await client.ask('XRANGE', key, '-', '+')} ${await client.ask('XINFO', 'GROUPS', key)}`
  }
}
