// Options of replication, checked.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions } from '../../base/options.ts'
import { DEFAULTS, MODES, type ReplicationOptions } from './types.ts'

/** Options with their defaults filled in. */
export type KnownReplication = Required<Omit<ReplicationOptions, 'mutant'>> & Pick<ReplicationOptions, 'mutant'>

const TYPES = { mode: 'string', confirmTicks: 'number', maxElectionTicks: 'number', mutant: 'any' } as const

/** @throws INVALID_INPUT, naming the option. */
export function knownReplication(
  given: ReplicationOptions,
  { electionTicks }: { readonly electionTicks: number },
): KnownReplication {
  checkOptions(given, TYPES, 'ReplicationNode')
  const {
    mode = DEFAULTS.mode,
    confirmTicks = DEFAULTS.confirmTicks,
    maxElectionTicks = DEFAULTS.maxElectionTimes * electionTicks,
    mutant,
  } = given
  if (!MODES.includes(mode)) throw refusal(`mode must be one of ${MODES.join(', ')}, got "${mode}"`)
  for (const [name, ticks] of Object.entries({ confirmTicks, maxElectionTicks })) {
    if (!Number.isSafeInteger(ticks) || ticks < 1) throw refusal(`${name} must be a whole number >= 1, got ${ticks}`)
  }
  if (maxElectionTicks < electionTicks) {
    throw refusal(`maxElectionTicks must be at least electionTicks, which is ${electionTicks}, got ${maxElectionTicks}`)
  }
  return { mode, confirmTicks, maxElectionTicks, mutant }
}

function refusal(what: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `ReplicationNode: ${what}`)
}
