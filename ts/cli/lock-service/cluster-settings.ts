// What `lock-service` can be told about the cluster that it is a member of.
import type { OpenRaftOptions } from '../../distributed/raft/index.ts'
import { numberSetting, type SERVER_SETTINGS, type Setting, textSetting, type ValuesOf } from '../../service/index.ts'
import { MAX_PORT, optionalNumber } from '../kit/node-settings.ts'
import { refuseOpenDoor } from '../kit/open-door.ts'
import { UsageError } from '../kit/program.ts'
import { membersOf } from '../raft-node/settings.ts'

/** Members of a cluster on one machine have ports in a row, so their ports for each other lie elsewhere. */
const PEER_PORT_DISTANCE = 10_000
const MAX_NODES = 9

export const CLUSTER_SETTINGS = {
  nodes: numberSetting('run a cluster of so many members on this machine, a process each', 1, {
    low: 1,
    high: MAX_NODES,
  }),
  id: optionalNumber('this member: never the number of another one, nor of one whose disk is lost', {
    low: 1,
    placeholder: '<n>',
  }),
  cluster: textSetting('the ids of the members that the cluster is founded with, equal on all members', '<ids>'),
  'peer-port': optionalNumber('the port for other members, that of clients + 10000; member j listens on it - id + j', {
    low: 1,
    high: MAX_PORT,
    placeholder: '<port>',
  }),
  peers: textSetting('where the others are, if not by that rule: 2=10.0.0.2:12379,3=...', '<list>'),
  'cluster-id': textSetting('a name that keeps clusters apart', '<name>', 'lock-service'),
  advertise: textSetting('where clients find this server, behind NAT or a proxy', '<host:port>'),
  'tick-ms': numberSetting('a tick of Raft: elections begin after 10 to 20 of silence', 30, { low: 5, high: 10_000 }),
}

/** What members of a cluster need, and what of the other settings it depends on. */
export type ClusterValues = ValuesOf<typeof CLUSTER_SETTINGS> &
  Pick<ValuesOf<typeof SERVER_SETTINGS>, 'host' | 'tls-ca'> & { readonly port: number }

/** Says whether the server is to be a member of a cluster. */
export function isMember({ id, cluster }: Pick<ClusterValues, 'id' | 'cluster'>): boolean {
  return id !== undefined || cluster !== ''
}

/** The port of members for each other, next to that for clients. */
export function peerPortOf({ port, 'peer-port': given }: Pick<ClusterValues, 'port' | 'peer-port'>): number {
  if (given !== undefined) return given
  if (port > 0 && port + PEER_PORT_DISTANCE <= MAX_PORT) return port + PEER_PORT_DISTANCE
  throw new UsageError(
    '--peer-port is needed',
    `without it, it is --port + ${PEER_PORT_DISTANCE}, which cannot be here`,
  )
}

/** What `openRaft` is to be told. @throws UsageError, INVALID_INPUT for an address that is open to others */
export function memberOf(values: ClusterValues, isInsecure: boolean): Omit<OpenRaftOptions, 'tls' | 'create'> {
  const { id, cluster, peers, host, 'cluster-id': clusterId } = values
  if (id === undefined || cluster === '') {
    throw new UsageError('--id and --cluster belong together', 'lock-service --id=1 --cluster=1,2,3 --port=2379')
  }
  refuseOpenDoor(host, values['tls-ca'], isInsecure)
  const port = peerPortOf(values)
  const { members, basePort } = membersOf({ id, port, host, cluster, peers }, '--peer-port')
  return { id, members, clusterId, listen: { host, port }, basePort }
}

/** What each setting is if nobody says otherwise. */
export function defaultsOf(settings: Readonly<Record<string, Setting<unknown>>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(settings).map(([name, { fallback }]) => [name, fallback]))
}
