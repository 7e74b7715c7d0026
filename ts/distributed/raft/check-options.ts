// Options of a node and what it begins with: refused where they cannot work.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions } from '../../base/options.ts'
import { isUsable } from './membership.ts'
import { DEFAULTS, type RaftOptions, type RaftStart } from './types.ts'

/** Options with their defaults filled in. */
export type KnownOptions = Required<Omit<RaftOptions, 'mutant'>> & Pick<RaftOptions, 'mutant'>

const COUNTS = [
  'id',
  'electionTicks',
  'heartbeatTicks',
  'stallTicks',
  'maxBatchBytes',
  'maxInflightMessages',
  'maxInflightBytes',
  'maxUncommittedBytes',
  'maxCommandBytes',
  'chunkBytes',
  'maxSnapshotBytes',
  'keptBytes',
  'maxPendingReads',
  'leaseTicks',
] as const

const KINDS = {
  ...Object.fromEntries(COUNTS.map((name) => [name, 'number'] as const)),
  keptEntries: 'number',
  random: 'any',
  reads: 'string',
  mutant: 'any',
} as const

/** @throws INVALID_INPUT, naming the option. */
export function knownOptions(given: RaftOptions): KnownOptions {
  checkOptions(given, KINDS, 'RaftNode')
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as RaftOptions
  const electionTicks = given.electionTicks ?? DEFAULTS.electionTicks
  const leaseTicks = Math.max(1, Math.floor((electionTicks * 2) / 5))
  const options: KnownOptions = { ...DEFAULTS, leaseTicks, stallTicks: 10 * electionTicks, ...defined }
  for (const name of COUNTS) {
    if (!Number.isSafeInteger(options[name]) || options[name] < 1) {
      throw new BedplateError('INVALID_INPUT', `RaftNode: ${name} must be a whole number >= 1, got ${options[name]}`)
    }
  }
  if (!Number.isSafeInteger(options.keptEntries) || options.keptEntries < 0) {
    throw new BedplateError('INVALID_INPUT', `RaftNode: keptEntries must be a whole number, got ${options.keptEntries}`)
  }
  if (typeof options.random?.next !== 'function') {
    throw new BedplateError('INVALID_INPUT', 'RaftNode: random must be a source of randomness, with a function next')
  }
  if (options.heartbeatTicks >= options.electionTicks) {
    throw new BedplateError('INVALID_INPUT', 'RaftNode: heartbeatTicks must be below electionTicks', {
      hint: 'a follower campaigns when it has heard nothing for electionTicks: a tenth of it is a good heartbeat',
    })
  }
  if (options.reads !== 'quorum' && options.reads !== 'lease') {
    throw new BedplateError('INVALID_INPUT', `RaftNode: reads must be "quorum" or "lease", got "${options.reads}"`)
  }
  if (options.reads === 'lease' && options.leaseTicks + 2 > options.electionTicks) {
    throw new BedplateError('INVALID_INPUT', 'RaftNode: leaseTicks must be at least 2 below electionTicks', {
      hint: 'a lease must end before anybody else can be elected, also on a clock that is slow',
    })
  }
  return options
}

/** Refuses a start that no node can have left on its disk. @throws CORRUPTION, or INVALID_INPUT for the membership. */
export function checkStart({ hardState, snapshot, entries, membership }: RaftStart): void {
  if (snapshot === undefined && !isUsable(membership.voters, membership.learners)) {
    throw new BedplateError('INVALID_INPUT', 'a cluster begins with at least one voter, and each member once')
  }
  const start = snapshot?.index ?? 0
  let index = entries[0]?.index ?? start + 1
  if (index > start + 1) {
    throw new BedplateError('CORRUPTION', `the log begins at entry ${index}, and the snapshot ends at ${start}`)
  }
  let term = 0
  for (const entry of entries) {
    if (entry.index !== index++) throw new BedplateError('CORRUPTION', `the log lacks entry ${index - 1}`)
    if (entry.term < term)
      throw new BedplateError('CORRUPTION', `the term of entry ${entry.index} is below its predecessor's`)
    if (entry.index === start && entry.term !== snapshot?.term)
      throw new BedplateError('CORRUPTION', `entry ${start} has term ${entry.term}, the snapshot ${snapshot?.term}`)
    term = entry.term
  }
  if (entries.length > 0 && index <= start) {
    throw new BedplateError(
      'CORRUPTION',
      `the log ends at entry ${index - 1}, before the snapshot, which is at ${start}`,
    )
  }
  const last = Math.max(term, snapshot?.term ?? 0)
  if (hardState.term < last) {
    throw new BedplateError(
      'CORRUPTION',
      `the log has an entry of term ${last}, and the node knows only term ${hardState.term}`,
    )
  }
}
