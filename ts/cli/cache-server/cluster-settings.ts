// What cache-server can be told about clusters, in Redis's names where Redis has them.
import { BedplateError } from '../../base/errors.ts'
import type { ClusterOptions } from '../../cache/index.ts'
import { realDisk } from '../../io/real-disk.ts'
import { choiceSetting, numberSetting, textSetting, type ValuesOf } from '../../service/index.ts'

const MAX_PORT = 65_535
const BUS_PORT_DISTANCE = 10_000
const YES_OR_NO = ['yes', 'no'] as const

export const CLUSTER_SETTINGS = {
  nodes: numberSetting('masters that --cluster starts', 3, { low: 1, high: 100 }),
  replicas: numberSetting('replicas of each of them', 0, { high: 10 }),
  'cluster-enabled': choiceSetting('be one node of a cluster', YES_OR_NO, 'no'),
  'cluster-config-file': textSetting('where a node keeps what it knows of its cluster', '<file>', 'nodes.conf'),
  'cluster-port': {
    ...numberSetting('the port for other nodes; 0: 10000 above that for clients', 0, { high: MAX_PORT }),
    placeholder: '<port>',
  },
  'cluster-announce-ip': textSetting('the address by which others reach this node, if not that they see', '<ip>'),
  'cluster-announce-port': numberSetting('the same for its port, 0 for --port', 0, { high: MAX_PORT }),
  'cluster-announce-bus-port': numberSetting('the same for --cluster-port', 0, { high: MAX_PORT }),
  'cluster-node-timeout': numberSetting('after so long without an answer a node is suspected to have failed', 15_000, {
    low: 50,
    placeholder: '<ms>',
  }),
  'cluster-require-full-coverage': choiceSetting('serve nothing while a slot is not served', YES_OR_NO, 'yes'),
  'cluster-allow-reads-when-down': choiceSetting('serve reads all the same', YES_OR_NO, 'no'),
  'cluster-replica-no-failover': choiceSetting('never replace a master that has failed', YES_OR_NO, 'no'),
  'cluster-replica-validity-factor': numberSetting('nor after so many timeouts without it; 0: always', 10),
  'cluster-allow-replica-migration': choiceSetting('go to masters that lack a replica', YES_OR_NO, 'yes'),
  'cluster-migration-barrier': numberSetting('if so many stay with this one', 1),
}

export type ClusterValues = ValuesOf<typeof CLUSTER_SETTINGS> & { readonly host: string; readonly port: number }

/** What the settings come to for a server; undefined for one on its own. @throws INVALID_INPUT for a port that is none */
export function clusterOf(values: ClusterValues): ClusterOptions | undefined {
  return values['cluster-enabled'] === 'no' ? undefined : { ...nodeOptions(values), store: storeOf(values) }
}

/** The same for any node, without a file. */
export function nodeOptions(values: ClusterValues): ClusterOptions {
  const { host, port } = values
  const isYes = (name: keyof typeof CLUSTER_SETTINGS): boolean => values[name] === 'yes'
  return {
    bus: { host, port: values['cluster-port'] || busPortFor(port) },
    announcedPort: values['cluster-announce-port'],
    announcedBusPort: values['cluster-announce-bus-port'],
    allowsReadsWhenDown: isYes('cluster-allow-reads-when-down'),
    gossip: {
      announcedHost: values['cluster-announce-ip'],
      nodeTimeoutMs: values['cluster-node-timeout'],
      requiresFullCoverage: isYes('cluster-require-full-coverage'),
      noFailover: isYes('cluster-replica-no-failover'),
      replicaValidityFactor: values['cluster-replica-validity-factor'],
      allowsMigration: isYes('cluster-allow-replica-migration'),
      migrationBarrier: values['cluster-migration-barrier'],
    },
  }
}

/** Where the bus is if nobody says: any port for a server on any port. */
function busPortFor(port: number): number {
  if (port === 0) return 0
  if (port + BUS_PORT_DISTANCE <= MAX_PORT) return port + BUS_PORT_DISTANCE
  throw new BedplateError('INVALID_INPUT', `--port ${port} leaves no room for the port of the bus, 10000 above it`, {
    hint: 'choose a lower --port, or say --cluster-port',
  })
}

function storeOf(values: ClusterValues): ClusterOptions['store'] {
  const path = values['cluster-config-file']
  return path === '' ? undefined : { disk: realDisk, path }
}
