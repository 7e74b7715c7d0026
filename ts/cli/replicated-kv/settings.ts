// What `replicated-kv` can be told, and what that comes to.
import { refuseOpenHost } from '../../distributed/link/index.ts'
import { DEFAULT_READS, isDefaultReads } from '../../distributed/replication/server/default-reads.ts'
import type { DefaultReads, ReplicaOptions } from '../../distributed/replication/server/types.ts'
import { MODES } from '../../distributed/replication/types.ts'
import { choiceSetting, numberSetting, type Setting, textSetting, type ValuesOf } from '../../service/index.ts'
import { tlsFilesOf } from '../kit/files.ts'
import {
  addressOf,
  HOST_SETTING,
  MAX_PORT,
  NODE_SETTINGS,
  optionalNumber,
  snapshotSetting,
} from '../kit/node-settings.ts'
import { UsageError } from '../kit/program.ts'
import { HOST_SUMMARY, SECRET_SETTING, secretOf } from '../kit/secret.ts'
import type { GivenOptions } from '../kit/server-command.ts'

export const SETTINGS = {
  'node-id': optionalNumber('this node: never the number of another one, nor of one whose disk is lost', {
    low: 1,
    placeholder: '<n>',
  }),
  port: optionalNumber('the port for HTTP and for the other nodes; 0: any that is free', {
    high: MAX_PORT,
    placeholder: '<port>',
  }),
  'leader-addr': textSetting('with --follower: where the leader is, or any node of the cluster', '<host:port>'),
  mode: {
    ...choiceSetting(
      'who has a write on disk before it is acknowledged: all voters, a majority, the leader',
      MODES,
      'semi-sync',
    ),
    fallback: undefined,
  } as Setting<(typeof MODES)[number] | undefined>,
  reads: readsSetting('what a read on this node is that does not say how old it may be'),
  host: { ...HOST_SETTING, summary: HOST_SUMMARY },
  'secret-file': SECRET_SETTING,
  advertise: textSetting('where other nodes reach this one, if not at its --host and --port', '<host:port>'),
  'data-dir': textSetting('where its data is (./bedplate-data/replicated-kv-<id>)', '<directory>'),
  'tick-ms': numberSetting('a tick: a silent leader has failed after 10 to 20', 30, { low: 5, high: 10_000 }),
  'request-ms': numberSetting('how long a request waits for a leader and for those who have to acknowledge', 5000, {
    low: 1,
  }),
  'snapshot-bytes': snapshotSetting(64 * 1024 * 1024),
  ...NODE_SETTINGS,
  'log-level': { ...NODE_SETTINGS['log-level'], fallback: 'warn' as const },
}
export const SYSTEM = 'REPLICATION'

function readsSetting(summary: string): Setting<DefaultReads> {
  const parse = (text: string): DefaultReads => {
    if (isDefaultReads(text)) return text
    throw new Error('must be linearizable, stale or bounded:<ms>, such as bounded:500')
  }
  return { summary, placeholder: '<linearizable|stale|bounded:ms>', fallback: DEFAULT_READS, parse }
}

export type Values = ValuesOf<typeof SETTINGS>

const EXAMPLE = 'replicated-kv --node-id=1 --port=8001 --leader'

/** What a replica is to be told. @throws UsageError, INVALID_INPUT for an address that is open to others, NOT_FOUND */
export function replicaOptionsOf(values: Values, options: GivenOptions): ReplicaOptions {
  const { 'node-id': id, port, host, 'leader-addr': leaderText, mode } = values
  const { leader: lead, follower, insecure } = options
  if (id === undefined || port === undefined) throw new UsageError('--node-id and --port are needed', EXAMPLE)
  if (lead === true && (follower === true || leaderText !== '')) {
    throw new UsageError('--leader begins a cluster, --follower joins one: give one of them', EXAMPLE)
  }
  if (follower === true && leaderText === '') {
    throw new UsageError(
      '--follower wants --leader-addr',
      'replicated-kv --node-id=2 --port=8002 --follower --leader-addr=localhost:8001',
    )
  }
  const secret = secretOf(values['secret-file'])
  refuseOpenHost(host, secret !== '' || values['tls-ca'] !== '' || insecure === true)
  const advertise = addressOf('--advertise', values.advertise)
  if (advertise === undefined && /^(?:0\.0\.0\.0|::)$/.test(host)) {
    throw new UsageError(`nobody can reach a node at ${host}`, '--advertise host:port says where the others find it')
  }
  return {
    ...{ id, listen: { host, port }, lead: lead === true, mode, reads: values.reads, advertise },
    ...{ leader: addressOf('--leader-addr', leaderText), tls: tlsFilesOf(values) },
    ...{ tickMs: values['tick-ms'], requestMs: values['request-ms'], snapshotBytes: values['snapshot-bytes'] },
    ...{ maxClients: values['max-clients'], secret },
  }
}
