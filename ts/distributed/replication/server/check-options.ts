// What a replica is told, checked before anything is written: a directory remembers its node and its mode.
import { BedplateError } from '../../../base/errors.ts'
import { checkOptions, describe } from '../../../base/options.ts'
import { isAddress } from '../../../io/network.ts'
import { checkSecretText } from '../../link/index.ts'
import { MODES } from '../types.ts'
import { isDefaultReads } from './default-reads.ts'
import { CONSISTENCIES, type ReadOptions, type ReplicaOptions } from './types.ts'

const COUNTS = ['id', 'tickMs', 'requestMs', 'snapshotBytes', 'joinMs', 'maxClients'] as const
const ADDRESSES = ['listen', 'advertise', 'leader'] as const

const TYPES = {
  ...Object.fromEntries(COUNTS.map((name) => [name, 'number'] as const)),
  ...Object.fromEntries(ADDRESSES.map((name) => [name, 'any'] as const)),
  lead: 'boolean',
  mode: 'string',
  reads: 'string',
  tls: 'any',
  secret: 'string',
  onEvent: 'function',
  onTrouble: 'function',
} as const

const READ = 'a read'
const READ_TYPES = {
  consistency: 'string',
  session: 'string',
  maxStalenessMs: 'number',
  timeoutMs: 'number',
  limit: 'number',
} as const

/** @throws INVALID_INPUT, naming the option. */
export function checkReplicaOptions(options: ReplicaOptions): void {
  checkOptions(options, TYPES, 'openReplica')
  const { mode, reads, secret } = options
  if (secret) checkSecretText('openReplica', secret)
  for (const [name, count] of COUNTS.map((each) => [each, options[each]] as const)) {
    if (count === undefined && name !== 'id') continue
    if (!Number.isSafeInteger(count) || (count as number) < 1) {
      throw refusal(`${name} must be a whole number of at least 1, got ${describe(count)}`)
    }
  }
  for (const [name, address] of ADDRESSES.map((each) => [each, options[each]] as const)) {
    if (address === undefined && name !== 'listen') continue
    if (!isAddress(address)) throw refusal(`${name} must be an address { host, port }, got ${describe(address)}`)
  }
  if (mode !== undefined && !MODES.includes(mode)) {
    throw refusal(`mode must be one of ${MODES.join(', ')}, got ${describe(mode)}`)
  }
  if (reads !== undefined && !isDefaultReads(reads)) {
    throw refusal(`reads must be linearizable, stale or bounded:<milliseconds>, got ${describe(reads)}`)
  }
}

/** @throws INVALID_INPUT for what is no option, or out of range, and for promises that exclude each other. */
export function checkReadOptions(options: ReadOptions & { readonly limit?: number }): void {
  checkOptions(options, READ_TYPES, READ)
  const { consistency, session, maxStalenessMs, timeoutMs, limit } = options
  if (consistency !== undefined && !CONSISTENCIES.includes(consistency)) {
    throw refusal(`consistency must be one of ${CONSISTENCIES.join(', ')}, got ${describe(consistency)}`, READ)
  }
  for (const [name, ms] of Object.entries({ maxStalenessMs, timeoutMs })) {
    if (ms === undefined || (Number.isFinite(ms) && ms >= 0)) continue
    throw refusal(`${name} must be a finite number >= 0, got ${ms}`, READ)
  }
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 1)) {
    throw refusal(`limit must be a whole number >= 1, got ${limit}`, READ)
  }
  if (consistency !== 'stale' || (session === undefined && maxStalenessMs === undefined)) return
  throw new BedplateError('INVALID_INPUT', 'a read that is "stale" promises nothing', {
    hint: 'leave that out beside a session or a bound of staleness: those say how old the answer may be',
  })
}

function refusal(what: string, where = 'openReplica'): BedplateError {
  return new BedplateError('INVALID_INPUT', `${where}: ${what}`)
}
