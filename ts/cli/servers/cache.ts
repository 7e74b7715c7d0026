// The cache of `bedplate up` and `bedplate run`: one server, or a cluster in threads.
import { join } from 'node:path'
import { CacheServer, type CacheServerOptions, DEFAULT_PERSISTENCE } from '../../cache/index.ts'
import { realClock } from '../../io/clock.ts'
import { realNetwork, showAddress } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import { cpuSeconds } from '../cache-server/cpu.ts'
import { memoryCeiling } from '../cache-server/memory.ts'
import { ThreadCluster } from '../cache-server/thread-cluster.ts'
import type { CacheView, NodeFault } from '../console/cache-node.ts'
import { cacheChanges, cachePages } from '../console/cache-pages.ts'
import type { Made, MakeOptions } from './kinds.ts'

/** Masters of a cluster, and replicas of each. */
const MASTERS = 3
const REPLICAS = 1
/** Of a cluster to be looked at: a failure shows within seconds. */
const NODE_TIMEOUT_MS = 2000
const MEMORY = { maxBytes: 0, policy: 'noeviction', samples: 5 } as const
const COMMON = { password: '', maxClients: 10_000, databases: 16 }

/** Makes a cache and what the console shows of it. */
export function makeCache(options: MakeOptions): Made {
  return options.isCluster ? makeCluster(options) : makeServer(options)
}

function makeServer({ host, port, logger, dataDirectory }: MakeOptions): Made {
  const server = new CacheServer({
    ...{ host, port, logger, ...COMMON, ...keptIn(dataDirectory) },
    ...{ network: realNetwork, clock: realClock, random: realRandom },
    memoryBytes: () => process.memoryUsage().heapUsed,
    memory: { ...MEMORY, ceilingBytes: memoryCeiling() },
    cpuSeconds,
  })
  const view: CacheView = {
    nodes: () => [
      {
        ...{ name: 'cache', address: '', state: 'running' as const },
        run: async (commands) => commands.map((args) => server.execute(args)),
      },
    ],
  }
  const keepsData = dataDirectory !== undefined
  return { server, failed: server.failed, keepsData, ...of(view) }
}

/** Every change, in an append-only file of Redis's own format: what `cache-server --appendonly yes` would find there. */
function keptIn(dataDirectory: string | undefined): Pick<CacheServerOptions, 'persistence'> {
  if (dataDirectory === undefined) return {}
  const directory = join(dataDirectory, 'cache-server')
  return { persistence: { disk: realDisk, settings: { ...DEFAULT_PERSISTENCE, directory, appendOnly: true } } }
}

function makeCluster({ host, port }: MakeOptions): Made {
  const cluster = new ThreadCluster({
    clock: realClock,
    masterCount: MASTERS,
    replicaCount: REPLICAS,
    dataOf: (index) => ({
      ...{ name: `node${index + 1}`, host, port: port === 0 ? 0 : port + index, ...COMMON },
      ...{ tls: undefined, replication: {}, logLevel: 'error', memory: MEMORY },
      cluster: { bus: { host, port: 0 }, gossip: { nodeTimeoutMs: NODE_TIMEOUT_MS } },
    }),
  })
  const view: CacheView = {
    nodes: () =>
      cluster.addresses.map((address, index) => ({
        name: `node${index + 1}`,
        address: showAddress(address),
        state: cluster.states[index] ?? 'down',
        // A replica shows what it has; without READONLY it would send the console to its master.
        run: async (commands) => (await cluster.execute(index, [['READONLY'], ...commands])).slice(1),
      })),
    fault: (fault, node) => hurt(cluster, fault, node),
  }
  return { server: cluster, failed: cluster.failed, keepsData: false, ...of(view) }
}

function of(view: CacheView): Pick<Made, 'pages' | 'change'> {
  return { pages: cachePages(view), change: cacheChanges(view) }
}

async function hurt(cluster: ThreadCluster, fault: NodeFault, node: number): Promise<void> {
  switch (fault) {
    case 'pause':
      return cluster.pause(node)
    case 'resume':
      return cluster.resume(node)
    case 'kill':
      return cluster.kill(node)
    case 'start':
      return cluster.restart(node)
    case 'failover':
      return cluster.order(node, { kind: 'failover', mode: 'ask' })
  }
}
