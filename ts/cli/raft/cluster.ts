// The nodes of `bedplate raft up`.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PACKAGE_URL } from '../../base/package.ts'
import { FrameDecoder, type Hello, type Message, type NodeId, PREAMBLE } from '../../distributed/raft/index.ts'
import { showAddress } from '../../io/network.ts'
import { describeEnd } from '../kit/node-processes.ts'
import { LocalNodes } from '../local-cluster/nodes.ts'
import { SYSTEM } from '../raft-node/settings.ts'
import { isMessage } from './words.ts'

const PROGRAM = fileURLToPath(new URL('bin/raft-node', PACKAGE_URL))
const HOST = '127.0.0.1'

export interface ClusterOptions {
  readonly count: number
  /** Of node 1; the others have those behind it. */
  readonly port: number
  readonly directory: string
  /** Takes a line of a node, for people. */
  readonly print: (line: string) => void
  /** Sees what nodes say to each other. */
  readonly saw: (from: NodeId, to: NodeId, message: Message, isLost: boolean) => void
}

/** What nodes of Raft say to each other. */
export const RAFT = { preamble: PREAMBLE, decoder: () => new FrameDecoder() }

/** Processes of `raft-node`. */
export type Cluster = LocalNodes<NodeId, Hello, Message>

/** Opens the ways between the nodes and starts them. */
export async function openCluster({ count, port, directory, print, saw }: ClusterOptions): Promise<Cluster> {
  const portOf = (id: number): number => port + id - 1
  const nodes: Cluster = new LocalNodes({
    ...{ program: PROGRAM, system: SYSTEM, language: RAFT, faults: 'bedplate raft faults' },
    argsOf: (id) => {
      const others = nodes.ids.filter((other) => other !== id)
      const peers = others.map((other) => `${other}=${showAddress(nodes.addressOf(other))}`)
      return [
        ...[`--id=${id}`, `--cluster=${nodes.ids.join(',')}`, `--port=${portOf(id)}`, '--log-level=warn'],
        ...[`--data-dir=${join(directory, `node-${id}`)}`, ...(peers.length > 0 ? [`--peers=${peers}`] : [])],
      ]
    },
    heard: (_, line) => print(line),
    ended: (id, status, signal) => print(`[Node ${id}] ${describeEnd(status, signal)}`),
    saw: (from, to, message, isLost) => {
      if (isMessage(message)) saw(from, to, message, isLost)
    },
  })
  try {
    for (let id = 1; id <= count; id++) {
      const node = { host: HOST, port: portOf(id) }
      await nodes.add(id, { port: portOf(id), node, gate: { host: HOST, port: 0 } })
    }
    for (const id of nodes.ids) await nodes.start(id)
  } catch (error) {
    await nodes.close()
    throw error
  }
  return nodes
}
