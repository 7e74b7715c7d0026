// Cache servers that replicate from one another within this process.
import { CacheServer, type CacheServerOptions } from '../../ts/cache/index.ts'
import { seededRandom } from '../../ts/io/random.ts'
import { createLogger } from '../../ts/service/index.ts'
import { LifeClient } from './cache-life.ts'
import { ManualClock } from './manual-clock.ts'
import { PipeNetwork } from './pipe-network.ts'

/** Enough for anything that comes at all. */
const MAX_TURNS = 20_000

/** Servers at ports 1, 2 and so on of a network, with one clock. */
export class ReplicationBed {
  readonly clock = new ManualClock(1_700_000_000_000)
  readonly network: PipeNetwork
  readonly servers: CacheServer[] = []
  readonly log: Record<string, unknown>[] = []
  readonly #seed: number
  #started = 0
  readonly #options = new Map<number, Partial<CacheServerOptions>>()

  constructor(seed = 1) {
    this.#seed = seed
    this.network = new PipeNetwork(seededRandom(seed))
  }

  /** Starts one more. @returns Its port */
  async start(options: Partial<CacheServerOptions> = {}): Promise<number> {
    const port = this.servers.length + 1
    await this.#start(port, options)
    return port
  }

  /** Starts the server at a port once more, after it has stopped: with other options, if some are given. */
  async restart(port: number, options: Partial<CacheServerOptions> = {}): Promise<void> {
    await this.#start(port, { ...this.#options.get(port), ...options })
  }

  async #start(port: number, options: Partial<CacheServerOptions>): Promise<void> {
    const server = new CacheServer({
      network: this.network,
      clock: this.clock,
      random: seededRandom(this.#seed * 1000 + this.#started++),
      logger: createLogger({
        name: String(port),
        level: 'info',
        now: () => 0,
        write: (line) => void this.log.push(JSON.parse(line)),
      }),
      host: '127.0.0.1',
      port,
      password: '',
      maxClients: 100,
      databases: 16,
      memoryBytes: () => 0,
      ...options,
    })
    this.servers[port - 1] = server
    this.#options.set(port, options)
    await server.start()
  }

  /** Starts a replica of the server at a port. */
  replica(port: number, options: Partial<CacheServerOptions> = {}): Promise<number> {
    return this.start({ ...options, replication: { ...options.replication, master: { host: '127.0.0.1', port } } })
  }

  server(port: number): CacheServer {
    const server = this.servers[port - 1]
    if (server === undefined) throw new Error(`there is no server ${port}`)
    return server
  }

  /** A client whose connection is never cut. */
  client(port: number): LifeClient {
    const client = new LifeClient()
    client.attach(this.network.acceptAt(port))
    return client
  }

  /** A field of INFO. */
  info(port: number, name: string): string {
    return new RegExp(`^${name}:(.*)\r$`, 'm').exec(this.#infoOf(port))?.[1] ?? ''
  }

  #infoOf(port: number): string {
    return Buffer.from(this.server(port).execute(['INFO', 'everything'])).toString('latin1')
  }

  /** Lets turns and time pass until it is so. @throws Error if it never is */
  async until(isSo: () => boolean, stepMs = 5): Promise<void> {
    for (let turns = 0; !isSo(); turns++) {
      if (turns === MAX_TURNS) throw new Error(`it is not so after ${MAX_TURNS} turns`)
      await this.clock.turn()
      this.clock.advance(stepMs)
    }
  }

  /** Waits until the server at a port has everything that its master has. */
  async synced(port: number, master: number): Promise<void> {
    await this.until(
      () =>
        this.info(port, 'master_link_status') === 'up' &&
        this.#infoOf(master).includes(`port=${port},state=online,`) &&
        this.info(port, 'slave_repl_offset') === this.info(master, 'master_repl_offset'),
    )
  }

  async stop(): Promise<void> {
    for (const server of this.servers) await server.stop()
  }
}
