import { type NodeEvent, type OpenRaftOptions, RaftNodeServer } from '../../../ts/distributed/raft/index.ts'
import type { RaftNodeOptions } from '../../../ts/distributed/raft/server/server.ts'
import { realClock } from '../../../ts/io/clock.ts'
import { realNetwork } from '../../../ts/io/network.ts'
import { realRandom } from '../../../ts/io/random.ts'
import { realDisk } from '../../../ts/io/real-disk.ts'
import { createLogger } from '../../../ts/service/index.ts'

/** A node of `raft-node` in this process. */
export interface NodeBed {
  readonly server: RaftNodeServer
  readonly events: NodeEvent[]
  readonly log: { msg: string; hint?: string }[]
  readonly url: string
}

export async function startNode(
  path: string,
  raft: OpenRaftOptions,
  more: Partial<RaftNodeOptions> = {},
): Promise<NodeBed> {
  const events: NodeEvent[] = []
  const log: NodeBed['log'] = []
  const write = (line: string): void => void log.push(JSON.parse(line))
  const server = new RaftNodeServer({
    seams: { disk: realDisk, clock: realClock, random: realRandom, network: realNetwork },
    logger: createLogger({ name: 'raft-node', level: 'warn', now: () => 0, write }),
    ...{ path, raft, maxClients: 100 },
    onEvent: (event) => events.push(event),
    ...more,
  })
  const { host, port } = await server.start()
  return { server, events, log, url: `http://${host}:${port}` }
}
