// The servers that `bedplate up` and `bedplate run` start. A system that becomes a server adds itself here, and nowhere else.
import type { MaybePage } from '../../io/http.ts'
import { type Address, showAddress } from '../../io/network.ts'
import type { Logger, Server } from '../../service/index.ts'
import { UsageError } from '../kit/program.ts'
import { makeCache } from './cache.ts'
import { makeLocks } from './locks.ts'
import { makeReplicated } from './replicated.ts'

/** How a server is made for `up` and `run`. */
export interface MakeOptions extends Address {
  readonly logger: Logger
  /** Where data may lie; undefined: nothing is kept. */
  readonly dataDirectory: string | undefined
  /** Several nodes instead of one, where there is such a thing. They keep nothing. */
  readonly isCluster: boolean
}

/** A server that was made. */
export interface Made {
  readonly server: Server
  /** Rejects if it cannot go on. */
  readonly failed: Promise<never>
  /** False for one that keeps nothing, whatever its kind could. */
  readonly keepsData?: boolean
  /** Pages of the console, by the path after the server's name. */
  readonly pages?: (path: string) => MaybePage
  /** What the console may ask of it by POST, likewise. */
  readonly change?: (path: string, body: Uint8Array) => MaybePage
}

/** A kind of server. */
export interface ServerKind {
  /** As in --only. */
  readonly name: string
  readonly summary: string
  /** Of the system that it mirrors. */
  readonly port: number
  /** Started by its name alone: what most programs do without. Default false. */
  readonly isOnRequest?: boolean
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
    keepsData: true,
    make: makeCache,
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
  {
    name: 'locks',
    summary: 'etcd-compatible lock service',
    port: 2379,
    keepsData: true,
    make: makeLocks,
    variables: (address) => ({ ETCD_ENDPOINTS: showAddress(address) }),
    connections: (address) => [
      `ETCD_ENDPOINTS=${showAddress(address)}`,
      `etcdctl --endpoints=${showAddress(address)} get --prefix ''`,
    ],
  },
  {
    name: 'replicated-kv',
    summary: 'replicated key-value store',
    port: 8001,
    isOnRequest: true,
    keepsData: true,
    make: makeReplicated,
    variables: (address) => ({ REPLICATED_KV_URL: `http://${showAddress(address)}` }),
    connections: (address) => [
      `REPLICATED_KV_URL=http://${showAddress(address)}`,
      `replicated-kv --node-id=2 --port=${address.port + 1} --follower --leader-addr=${showAddress(address)}`,
    ],
  },
]

/**
 * The servers that --only names, in the order of the registry; all that are not there on request, if it is not given.
 * @throws UsageError for a name that is none.
 */
export function chosenServers(only: string | undefined): readonly ServerKind[] {
  if (only === undefined) return SERVERS.filter(({ isOnRequest = false }) => !isOnRequest)
  const names = only.split(',').map((name) => name.trim())
  const known = SERVERS.map(({ name }) => name)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw new UsageError(`there is no server ${JSON.stringify(unknown)}`, `--only takes ${known.join(', ')}`)
  }
  return SERVERS.filter(({ name }) => names.includes(name))
}
