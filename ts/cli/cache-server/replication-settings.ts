// What cache-server can be told about replication, in Redis's names.
import { type CacheServerOptions, DEFAULT_REPLICATION } from '../../cache/index.ts'
import { parseAddress, type TlsTrust } from '../../io/network.ts'
import { choiceSetting, numberSetting, textSetting, type ValuesOf } from '../../service/index.ts'
import { tlsFilesOf } from '../kit/files.ts'

const YES_OR_NO = ['yes', 'no'] as const
const SECOND_MS = 1000

export const REPLICATION_SETTINGS = {
  replicaof: textSetting('be a replica of the server there', '<host:port>'),
  masteruser: textSetting('the user as whom a replica comes to its master', '<user>'),
  masterauth: textSetting('the password that its master asks of it', '<password>'),
  'tls-replication': choiceSetting('masters speak TLS, by --tls-ca or the same certificate', YES_OR_NO, 'no'),
  'replica-read-only': choiceSetting('a replica takes no writes', YES_OR_NO, 'yes'),
  'replica-serve-stale-data': choiceSetting('nor does it answer without its master', YES_OR_NO, 'yes'),
  'replica-priority': numberSetting('for whoever chooses a new master', DEFAULT_REPLICATION.priority),
  'repl-timeout': numberSetting('seconds of silence before the other side is let go', 60, { low: 1 }),
  'repl-backlog-size': numberSetting(
    'bytes of changes kept for replicas that come back',
    DEFAULT_REPLICATION.backlogBytes,
    {
      low: 16 * 1024,
      placeholder: '<bytes>',
    },
  ),
  'min-replicas-to-write': numberSetting('refuse writes with fewer replicas than this', 0),
  'min-replicas-max-lag': numberSetting('that were heard of within so many seconds', 10),
}

type Values = ValuesOf<typeof REPLICATION_SETTINGS> & Parameters<typeof tlsFilesOf>[0]

/** What the settings come to for a server. @throws INVALID_INPUT for an address that is none */
export function replicationOf(values: Values): NonNullable<CacheServerOptions['replication']> {
  const { replicaof, masteruser, masterauth } = values
  const tls = values['tls-replication'] === 'yes' ? trustOf(values) : undefined
  return {
    ...(replicaof === '' ? {} : { master: parseAddress(replicaof.trim().replace(/\s+/, ':')) }),
    ...(tls === undefined ? {} : { tls }),
    masterUser: Buffer.from(masteruser).toString('latin1'),
    masterPassword: Buffer.from(masterauth).toString('latin1'),
    isReadOnly: values['replica-read-only'] === 'yes',
    servesStale: values['replica-serve-stale-data'] === 'yes',
    priority: values['replica-priority'],
    timeoutMs: values['repl-timeout'] * SECOND_MS,
    backlogBytes: values['repl-backlog-size'],
    minReplicas: values['min-replicas-to-write'],
    maxLagMs: values['min-replicas-max-lag'] * SECOND_MS,
  }
}

/** Whom a replica believes to be its master: who has the same certificate, or one of the same authority. */
export function trustOf(values: Parameters<typeof tlsFilesOf>[0]): TlsTrust | undefined {
  const files = tlsFilesOf(values)
  return files === undefined ? undefined : { ca: files.ca ?? files.cert, cert: files.cert, key: files.key }
}
