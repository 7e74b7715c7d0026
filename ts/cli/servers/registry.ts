// The servers that `bedplate up` and `bedplate run` start. A system that becomes a server adds itself here, and nowhere else.
import { CacheServer } from '../../cache/index.ts'
import { realClock } from '../../io/clock.ts'
import type { Page } from '../../io/http.ts'
import { type Address, realNetwork, showAddress } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import type { Logger, Server } from '../../service/index.ts'
import { cpuSeconds } from '../cache-server/cpu.ts'
import { UsageError } from '../kit/program.ts'
import { cachePages } from '../up/console/cache-pages.ts'

/** How a server is made for `up` and `run`. */
export interface MakeOptions extends Address {
  readonly logger: Logger
  /** Where data may lie; undefined: nothing is kept. */
  readonly dataDirectory: string | undefined
}

/** A server that was made. */
export interface Made {
  readonly server: Server
  /** Rejects if it cannot go on. */
  readonly failed: Promise<never>
  /** Pages of the console, by the path after the server's name. */
  readonly pages?: (path: string) => Page | undefined
}

/** A kind of server. */
export interface ServerKind {
  /** As in --only. */
  readonly name: string
  readonly summary: string
  /** Of the system that it mirrors. */
  readonly port: number
  /** Whether it keeps data where it is told to. */
  readonly keepsData: boolean
  readonly make: (options: MakeOptions) => Made
  /** What programs find in their environment. */
  readonly variables: (address: Address) => Readonly<Record<string, string>>
  /** Ways to connect, to be copied. */
  readonly connections: (address: Address) => readonly string[]
}

const SERVERS: readonly ServerKind[] = [
  {
    name: 'cache',
    summary: 'Redis-compatible cache',
    port: 6379,
    keepsData: false,
    make({ host, port, logger }) {
      const server = new CacheServer({
        network: realNetwork,
        clock: realClock,
        random: realRandom,
        logger,
        host,
        port,
        password: '',
        maxClients: 10_000,
        databases: 16,
        memoryBytes: () => process.memoryUsage().heapUsed,
        cpuSeconds,
      })
      return { server, failed: server.failed, pages: cachePages((args) => server.execute(args)) }
    },
    variables: (address) => ({
      REDIS_URL: `redis://${showAddress(address)}`,
      REDIS_HOST: address.host,
      REDIS_PORT: String(address.port),
    }),
    connections: (address) => [
      `REDIS_URL=redis://${showAddress(address)}`,
      `redis-cli -h ${address.host} -p ${address.port}`,
    ],
  },
]

/** The servers that --only names, in the order of the registry. @throws UsageError for a name that is none. */
export function chosenServers(only: string | undefined): readonly ServerKind[] {
  if (only === undefined) return SERVERS
  const names = only.split(',').map((name) => name.trim())
  const known = SERVERS.map(({ name }) => name)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw new UsageError(`there is no server ${JSON.stringify(unknown)}`, `--only takes ${known.join(', ')}`)
  }
  return SERVERS.filter(({ name }) => names.includes(name))
}
