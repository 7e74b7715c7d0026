// The servers that `bedplate up` and `bedplate run` start. A system that becomes a server adds itself here, and nowhere else.
import { showAddress } from '../../io/network.ts'
import { UsageError } from '../kit/program.ts'
import { makeCache } from './cache.ts'
import type { ServerKind } from './kinds.ts'
import { makeLocks } from './locks.ts'
import { makePartitioned } from './partitioned.ts'
import { makeReplicated } from './replicated.ts'

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
  {
    name: 'partitioned-kv',
    summary: 'partitioned key-value store',
    port: 7100,
    isOnRequest: true,
    keepsData: true,
    make: makePartitioned,
    variables: (address) => ({ PARTITIONED_KV_URL: `http://${showAddress(address)}` }),
    connections: (address) => [
      `PARTITIONED_KV_URL=http://${showAddress(address)}`,
      `partitioned-kv status --url http://${showAddress(address)}`,
    ],
  },
]

/** What --only takes. */
export function serverNames(): readonly string[] {
  return SERVERS.map(({ name }) => name)
}

/**
 * The servers that --only names, in the order of the registry; all that are not there on request, if it is not given.
 * @throws UsageError for a name that is none.
 */
export function chosenServers(only: string | undefined): readonly ServerKind[] {
  if (only === undefined) return SERVERS.filter(({ isOnRequest = false }) => !isOnRequest)
  const names = only.split(',').map((name) => name.trim())
  const known = serverNames()
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw new UsageError(`there is no server ${JSON.stringify(unknown)}`, `--only takes ${known.join(', ')}`)
  }
  return SERVERS.filter(({ name }) => names.includes(name))
}
