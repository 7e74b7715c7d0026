// The nodes of `replicated-kv up`, and of `bedplate up --cluster`.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PACKAGE_URL } from '../../base/package.ts'
import type { Hello, Message, NodeId } from '../../distributed/raft/index.ts'
import type { ReplicaEvent } from '../../distributed/replication/server/events.ts'
import type { Mode } from '../../distributed/replication/types.ts'
import { freePorts } from '../kit/free-ports.ts'
import type { NodeProcessesOptions } from '../kit/node-processes.ts'
import { LocalNodes } from '../local-cluster/nodes.ts'
import { RAFT } from '../raft/cluster.ts'
import { isMessage } from '../raft/words.ts'
import { SYSTEM } from './settings.ts'

const PROGRAM = fileURLToPath(new URL('bin/replicated-kv', PACKAGE_URL))
export const HOST = '127.0.0.1'
export const MAX_NODES = 9

/** What a node says. */
type NodeEvent = ReplicaEvent | { readonly event: 'ready'; readonly host: string; readonly port: number }

export interface ReplicatedClusterOptions {
  /** Of the nodes 1, 2 and so on, for clients. */
  readonly ports: readonly number[]
  readonly directory: string
  /** Default: that of the cluster in the directory; `semi-sync` for a new one. */
  readonly mode?: Mode | undefined
  /** Further flags of all nodes. */
  readonly flags?: readonly string[]
  readonly onEvent: (id: NodeId, event: NodeEvent) => void
  /** Is told of one that has ended. */
  readonly onEnd: NodeProcessesOptions<NodeId>['ended']
  /** All nodes serve. Is told once. */
  readonly onReady: () => void
  /** Sees what nodes say to each other. */
  readonly saw: (from: NodeId, to: NodeId, message: Message, isLost: boolean) => void
}

/** Processes of `replicated-kv`. */
export type ReplicatedCluster = LocalNodes<NodeId, Hello, Message>

/** Starts node 1, which leads if the directory is empty, and the others, which join it. @throws UNAVAILABLE if a port is taken */
export async function openReplicatedCluster(options: ReplicatedClusterOptions): Promise<ReplicatedCluster> {
  const { ports, directory, mode, flags = [], onEvent, onEnd, saw } = options
  const placeOf = (id: NodeId): string => `${HOST}:${ports[id - 1]}`
  // Nodes are known by where clients reach them: there is the way that can be cut, and each is behind its own.
  const hidden = await freePorts(ports.length)
  const serving = new Set<NodeId>()
  let isReady = false
  const nodes: ReplicatedCluster = new LocalNodes({
    ...{ program: PROGRAM, system: SYSTEM, language: RAFT, faults: 'replicated-kv faults' },
    argsOf: (id) => [
      ...[`--node-id=${id}`, `--port=${hidden[id - 1]}`, `--advertise=${placeOf(id)}`],
      ...(id === 1 ? ['--leader'] : ['--follower', `--leader-addr=${placeOf(1)}`]),
      ...[`--data-dir=${join(directory, `node-${id}`)}`, '--log-level=warn', '--json'],
      ...[...(mode === undefined ? [] : [`--mode=${mode}`]), ...flags],
    ],
    heard: (id, line) => {
      const event = JSON.parse(line) as NodeEvent
      onEvent(id, event)
      if (event.event !== 'ready') serving.add(id)
      if (isReady || serving.size < ports.length) return
      isReady = true
      options.onReady()
    },
    ended: onEnd,
    saw: (from, to, message, isLost) => {
      if (isMessage(message)) saw(from, to, message, isLost)
    },
  })
  try {
    for (const [i, port] of ports.entries()) {
      const node = { host: HOST, port: hidden[i] as number }
      await nodes.add(i + 1, { port, node, gate: { host: HOST, port } })
    }
    for (const id of nodes.ids) await nodes.start(id)
  } catch (error) {
    await nodes.close()
    throw error
  }
  return nodes
}
