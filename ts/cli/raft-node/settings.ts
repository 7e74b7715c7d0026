// What `raft-node` can be told, and what that comes to: who the node is, where the others are.
import type { OpenRaftOptions } from '../../distributed/raft/index.ts'
import { type Address, parseAddress } from '../../io/network.ts'
import { numberSetting, textSetting, type ValuesOf } from '../../service/index.ts'
import { HOST_SETTING, MAX_PORT, NODE_SETTINGS, optionalNumber, snapshotSetting } from '../kit/node-settings.ts'
import { refuseOpenDoor } from '../kit/open-door.ts'
import { UsageError } from '../kit/program.ts'
import { asUsage } from '../kit/server-command.ts'

export const SETTINGS = {
  id: optionalNumber('this node: never that of another one, nor of one whose disk is lost', {
    low: 1,
    placeholder: '<n>',
  }),
  cluster: textSetting('the ids of the nodes that the cluster is founded with, equal on all nodes', '<ids>'),
  port: optionalNumber('the port for Raft and HTTP; node j listens on port - id + j', {
    high: MAX_PORT,
    placeholder: '<port>',
  }),
  host: HOST_SETTING,
  peers: textSetting('where the others are, if not by the rule of --port: 2=10.0.0.2:8001,3=...', '<list>'),
  advertise: textSetting('where the others reach this node, behind NAT or a proxy', '<host:port>'),
  'cluster-id': textSetting('a name that keeps clusters apart', '<name>', 'default'),
  'data-dir': textSetting('where its data is (./bedplate-data/raft-node-<id>)', '<directory>'),
  'tick-ms': numberSetting('a tick: elections begin after 10 to 20 of silence', 30, { low: 5, high: 10_000 }),
  'snapshot-bytes': snapshotSetting(16 * 1024 * 1024),
  ...NODE_SETTINGS,
}
export const SYSTEM = 'RAFT'

export type Values = ValuesOf<typeof SETTINGS>

/** What `openRaft` is to be told. @throws UsageError, INVALID_INPUT for an address that is open to others */
export function raftOptionsOf(values: Values, isInsecure: boolean): Omit<OpenRaftOptions, 'tls'> & { listen: Address } {
  const { id, port, host, cluster, peers, 'cluster-id': clusterId, 'tls-ca': authority } = values
  if (id === undefined || port === undefined || cluster === '') {
    throw new UsageError('--id, --cluster and --port are needed', 'raft-node --id=1 --cluster=1,2,3 --port=8001')
  }
  refuseOpenDoor(host, authority, isInsecure)
  return { id, ...membersOf({ id, port, host, cluster, peers }), clusterId, listen: { host, port }, create: true }
}

/**
 * The founding members, and where each is reached: node j on port - id + j of this machine, unless `peers` says where.
 * @param flag - What the port is given by.
 * @throws UsageError
 */
export function membersOf(
  { id, port, host, cluster, peers }: { id: number; port: number; host: string; cluster: string; peers: string },
  flag = '--port',
): { members: Record<number, Address>; basePort: number } {
  const ids = idsOf(cluster)
  const named = peersOf(peers)
  const basePort = peers === '' ? Math.max(0, port - id) : 0
  const members: Record<number, Address> = {}
  for (const member of ids) {
    const byRule = { host: '127.0.0.1', port: basePort + member }
    const address = member === id ? { host, port } : (named.get(member) ?? (basePort > 0 ? byRule : undefined))
    if (address === undefined) throw new UsageError(`nobody says where node ${member} is`, '--peers names all others')
    if (address.port > MAX_PORT) {
      throw new UsageError(`node ${member} would listen on port ${address.port}`, `choose another ${flag}`)
    }
    members[member] = address
  }
  return { members, basePort }
}

function idsOf(text: string): number[] {
  const ids = text.split(',').map((part) => (/^\s*[1-9]\d{0,14}\s*$/.test(part) ? Number(part) : 0))
  if (ids.includes(0) || new Set(ids).size !== ids.length) {
    throw new UsageError(`--cluster must be ids like 1,2,3, each once, got ${JSON.stringify(text.slice(0, 80))}`)
  }
  return ids
}

function peersOf(text: string): Map<number, Address> {
  const peers = new Map<number, Address>()
  for (const part of text === '' ? [] : text.split(',')) {
    const { id, address } = /^\s*(?<id>[1-9]\d{0,14})=(?<address>\S+)\s*$/.exec(part)?.groups ?? {}
    if (id === undefined || address === undefined) {
      throw new UsageError(
        `--peers must be like 2=10.0.0.2:8001,3=10.0.0.3:8001, got ${JSON.stringify(part.slice(0, 80))}`,
      )
    }
    try {
      peers.set(Number(id), parseAddress(address))
    } catch (error) {
      throw asUsage(error)
    }
  }
  return peers
}
