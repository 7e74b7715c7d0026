// What `partitioned-kv` can be told, for a whole cluster and for one node of it.
import { checkName } from '../../distributed/ring/store/host.ts'
import { type Address, parseAddress, type TlsFiles } from '../../io/network.ts'
import { numberSetting, SERVER_SETTINGS, textSetting, type ValuesOf } from '../../service/index.ts'
import { tlsFilesOf } from '../kit/files.ts'
import { UsageError } from '../kit/program.ts'
import { HOST_SUMMARY, SECRET_SETTING, secretOf } from '../kit/secret.ts'
import { asUsage } from '../kit/server-command.ts'
import type { NodeData } from './node-messages.ts'

const MAX_PORT = 65_535
const MAX_NODES = 32
const { 'admin-port': _admin, host, 'log-level': level, ...SERVER } = SERVER_SETTINGS

/** What all nodes of a cluster share. */
const SHARED = {
  replicas: numberSetting('how many nodes hold a key (N); 0: 3, or all if they are fewer', 0),
  'read-quorum': numberSetting('how many of them a read asks (R); 0: a majority', 0),
  'write-quorum': numberSetting(
    'how many of them have a write on disk before it is acknowledged (W); 0: a majority',
    0,
  ),
  vnodes: numberSetting('virtual nodes of each node', 128, { low: 1, high: 4096 }),
  'tick-ms': numberSetting('a tick: a request ends after 20, a node that is down gets a hint after 5', 100, { low: 5 }),
  'copy-kib': numberSetting('what a node copies at most while the ring changes, in KiB a second', 16 * 1024, {
    low: 1,
  }),
  'memory-bytes': numberSetting('memory of the store of each node', 48 * 1024 * 1024, { low: 1024 * 1024 }),
  'secret-file': SECRET_SETTING,
  host: { ...host, summary: HOST_SUMMARY },
  'log-level': { ...level, fallback: 'warn' as const },
  ...SERVER,
}

export const CLUSTER_SETTINGS = {
  nodes: textSetting('the nodes to start: node1,node2,node3', '<names>'),
  port: {
    ...numberSetting('the control port; nodes listen on those behind it; 0: any that are free', 7100, {
      high: MAX_PORT,
    }),
    placeholder: '<port>',
  },
  'data-dir': textSetting('where the nodes have their data', '<directory>', './bedplate-data/partitioned-kv'),
  ...SHARED,
}

export const NODE_SETTINGS = {
  name: textSetting('this node: never that of another one, nor of one whose disk is lost', '<name>'),
  peers: textSetting('all nodes of the cluster, this one too: node1=10.0.0.1:7101,node2=...', '<list>'),
  port: { ...numberSetting('the port, if not that of --peers', 0, { high: MAX_PORT }), placeholder: '<port>' },
  'data-dir': textSetting('where its data is (./bedplate-data/partitioned-kv-<name>)', '<directory>'),
  'cluster-id': textSetting('a name that keeps clusters apart', '<name>', 'default'),
  ...SHARED,
}

export const SYSTEM = 'PARTITIONED'

export type ClusterValues = ValuesOf<typeof CLUSTER_SETTINGS>
export type NodeValues = ValuesOf<typeof NODE_SETTINGS>
type SharedValues = ValuesOf<typeof SHARED>

/** Names with commas between. @throws UsageError for one that cannot be, and one that stands twice */
export function namesOf(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  for (const name of names) {
    try {
      checkName(name)
    } catch (error) {
      throw asUsage(error)
    }
  }
  const twice = names.find((name, index) => names.indexOf(name) < index)
  if (twice !== undefined) throw new UsageError(`--nodes names ${twice} twice`, 'each node has a name of its own')
  if (names.length > MAX_NODES) throw new UsageError(`--nodes takes at most ${MAX_NODES} names`)
  return names
}

/** What a node is started with, beside who it is. @throws UsageError, NOT_FOUND */
export function sharedData(values: SharedValues, count: number, isInsecure: boolean) {
  const { replicas, 'read-quorum': reads, 'write-quorum': writes } = values
  if (replicas > count) {
    throw new UsageError(`--replicas=${replicas} needs as many nodes, and there are ${count}`, 'name more in --nodes')
  }
  const copies = replicas === 0 ? Math.min(3, count) : replicas
  for (const [flag, quorum] of [
    ['--read-quorum', reads],
    ['--write-quorum', writes],
  ] as const) {
    if (quorum > copies) throw new UsageError(`${flag}=${quorum} is more than the ${copies} replicas`)
  }
  const majority = Math.floor(copies / 2) + 1
  return {
    replicas: copies,
    reads: reads === 0 ? majority : reads,
    writes: writes === 0 ? majority : writes,
    virtualNodes: values.vnodes,
    tickMs: values['tick-ms'],
    copyBytesPerSecond: 1024 * values['copy-kib'],
    memoryBytes: values['memory-bytes'],
    tls: tlsFilesOf(values) as TlsFiles | undefined,
    secret: secretOf(values['secret-file']),
    maxClients: values['max-clients'],
    logLevel: values['log-level'],
    isInsecure,
  }
}

/** One node as it was told to be. @throws UsageError, NOT_FOUND */
export function nodeDataOf(
  values: NodeValues,
  { isInsecure, joins }: { isInsecure: boolean; joins: boolean },
): NodeData {
  const { name, peers, port, host: ownHost } = values
  if (name === '' || peers === '') {
    throw new UsageError(
      '--name and --peers are needed',
      'partitioned-kv node --name=node1 --peers=node1=10.0.0.1:7101',
    )
  }
  const nodes = peersOf(peers)
  const own = nodes[name]
  if (own === undefined) throw new UsageError(`--peers does not say where ${name} itself is`)
  const listen = { host: ownHost, port: port === 0 ? own.port : port }
  const path = values['data-dir'] === '' ? `./bedplate-data/partitioned-kv-${name}` : values['data-dir']
  const shared = sharedData(values, Object.keys(nodes).length, isInsecure)
  return { name, nodes, joins, listen, path, clusterId: values['cluster-id'], ...shared }
}

function peersOf(text: string): Record<string, Address> {
  const peers: Record<string, Address> = {}
  for (const part of text.split(',')) {
    const { name = '', address = '' } = /^\s*(?<name>[^=\s]+)=(?<address>\S+)\s*$/.exec(part)?.groups ?? {}
    if (name === '' || Object.hasOwn(peers, name)) {
      throw new UsageError(`--peers must be like node1=10.0.0.1:7101,node2=10.0.0.2:7101, each name once, got ${part}`)
    }
    namesOf(name)
    try {
      peers[name] = parseAddress(address)
    } catch (error) {
      throw asUsage(error)
    }
  }
  return peers
}
