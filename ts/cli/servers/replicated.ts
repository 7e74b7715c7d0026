// The replicated store of `bedplate up --only replicated-kv`: one node, which others may join, or three that the console can hurt.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BedplateError } from '../../base/errors.ts'
import { ReplicaServer } from '../../distributed/replication/server/server.ts'
import { realClock } from '../../io/clock.ts'
import { type Address, realNetwork, showAddress } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import { metric, type Server } from '../../service/index.ts'
import { freePorts } from '../kit/free-ports.ts'
import { describeEnd } from '../kit/node-processes.ts'
import { troubleTo } from '../kit/trouble.ts'
import { Watch } from '../raft/watch.ts'
import { HOST, openReplicatedCluster, type ReplicatedCluster } from '../replicated-kv/cluster.ts'
import { replicatedConsole } from '../replicated-kv/console.ts'
import { REPLICATED_WATCH } from '../replicated-kv/watch.ts'
import type { Made, MakeOptions } from './kinds.ts'
import { lateServer } from './late.ts'

/** Where `replicated-kv --node-id=1` has its data, too, unless it is told otherwise. */
const DIRECTORY = 'replicated-kv-1'

/** Of a cluster: one of them may fail. */
const NODES = 3
const THEIR_WORDS = 'their own words above say why'

export function makeReplicated(options: MakeOptions): Made {
  return options.isCluster ? makeCluster(options) : makeNode(options)
}

/** A node that begins a cluster, or goes on with its own. It has started when it leads. */
function makeNode({ host, port, logger, dataDirectory }: MakeOptions): Made {
  let temporary: string | undefined
  let own: Address | undefined
  const made = lateServer(
    async ({ opened, fail }) => {
      if (dataDirectory === undefined) temporary = mkdtempSync(join(tmpdir(), 'replicated-kv-'))
      else mkdirSync(dataDirectory, { recursive: true })
      const seams = { disk: realDisk, clock: realClock, random: realRandom, network: realNetwork }
      let leads: () => void = () => {}
      const serves = new Promise<void>((resolve) => {
        leads = resolve
      })
      const server = new ReplicaServer(seams, join(dataDirectory ?? (temporary as string), DIRECTORY), {
        ...{ id: 1, listen: { host, port }, lead: true },
        onEvent: () => leads(),
        onTrouble: troubleTo(logger),
      })
      server.failed.catch(fail)
      opened(server)
      const address = await server.start()
      await Promise.race([serves, server.failed])
      own = address
      return address
    },
    () => {
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
    },
  )
  const nodes = () =>
    own === undefined ? [] : [{ id: 1, state: 'running' as const, port: own.port, pid: process.pid, cutFrom: [] }]
  return { ...made, ...replicatedConsole({ nodes, watch: new Watch(REPLICATED_WATCH) }) }
}

/** Nodes as processes, which keep nothing. They have started when all serve. */
function makeCluster({ port, logger }: MakeOptions): Made {
  let temporary: string | undefined
  let nodes: ReplicatedCluster | undefined
  let server: ClusterServer | undefined
  const watch = new Watch(REPLICATED_WATCH)
  const made = lateServer(
    async ({ opened, fail }) => {
      temporary = mkdtempSync(join(tmpdir(), DIRECTORY))
      const ports = port === 0 ? await freePorts(NODES) : Array.from({ length: NODES }, (_, i) => port + i)
      let ready: () => void = () => {}
      let refuse: (error: unknown) => void = () => {}
      const serve = new Promise<void>((resolve, reject) => {
        ready = resolve
        refuse = reject
      })
      serve.catch(() => {}) // one may end before anybody waits
      nodes = await openReplicatedCluster({
        ...{ ports, directory: temporary, onReady: () => ready(), onEvent: () => {} },
        onEnd: (node, status, signal) => {
          const how = describeEnd(status, signal)
          if (!server?.isStopped) logger.warn('a node has ended', { node, how })
          refuse(new BedplateError('UNAVAILABLE', `node ${node} did not start: it ${how}`, { hint: THEIR_WORDS }))
        },
        saw: (from, to, message, isLost) => watch.saw(from, to, message, isLost),
      })
      const gone = nodes.allGone.then(() => {
        throw new BedplateError('UNAVAILABLE', 'all nodes have ended', { hint: THEIR_WORDS })
      })
      gone.catch(fail)
      server = new ClusterServer(nodes)
      opened(server)
      await Promise.race([serve, gone])
      return { host: HOST, port: ports[0] as number }
    },
    () => {
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
    },
  )
  const part = replicatedConsole({ watch, nodes: () => nodes?.states() ?? [], hurtable: () => nodes })
  const connections = (address: Address): readonly string[] => [
    `REPLICATED_KV_URL=http://${showAddress(address)}`,
    `curl 'http://${showAddress(address)}/set?key=user:1&value=Alice'`,
  ]
  return { ...made, ...part, connections, keepsData: false }
}

/** The processes as a server that has started. */
class ClusterServer implements Server {
  isStopped = false
  readonly #nodes: ReplicatedCluster

  constructor(nodes: ReplicatedCluster) {
    this.#nodes = nodes
  }

  start(): Promise<Address> {
    return Promise.reject(new BedplateError('INTERNAL', 'the nodes have started'))
  }

  ready(): boolean {
    return !this.isStopped && this.#running > 0
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.isStopped = true
    await this.#nodes.close()
  }

  metrics() {
    return [metric('gauge', 'bedplate_replicated_nodes', 'Nodes of this cluster that run here.', this.#running)]
  }

  inspect(): unknown {
    return this.#nodes.states()
  }

  get #running(): number {
    return this.#nodes.states().filter(({ state }) => state === 'running').length
  }
}
