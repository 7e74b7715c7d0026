// Every rule of Raft, taken away alone, must be missed: by a scenario, or by some seed of the swarm.
import type { Mutant, Rule } from '../../../ts/distributed/raft/mutant.ts'
import { explain, runSeed } from './run.ts'
import {
  commitBehindEntries,
  deafNode,
  delayedDuplicate,
  disjointMajorities,
  figure8,
  forgottenVote,
  hastyRead,
  lateElection,
  lateTransfer,
  lonelyNode,
  lostPromise,
  slowNewcomer,
  snapshotOfTwoLeaders,
  stalledLeader,
  truncatedWrite,
  twoChanges,
  zombieRead,
} from './scenarios.ts'

/** Throws, or says so, if something is wrong without the rule. */
type Scenario = (mutant?: Mutant) => unknown

/** Seeds alone are enough for the others. */
const SCENARIOS: Readonly<Partial<Record<Rule, Scenario>>> = {
  'votes are persisted': forgottenVote,
  'durable before reply': lostPromise,
  'commit own terms only': figure8,
  'joint phase': disjointMajorities,
  'one change at a time': twoChanges,
  'commit what agrees': commitBehindEntries,
  'truncation voids writes': truncatedWrite,
  'sessions in snapshots': delayedDuplicate,
  'pre-vote': lonelyNode,
  'new voters catch up': slowNewcomer,
  'stalled disks do not lead': stalledLeader,
  'reads ask a quorum': zombieRead,
  'reads after own commit': hastyRead,
  'no lease after transfer': lateTransfer,
  'leader stickiness': deafNode,
  'promises of any term': lateElection,
  'snapshots of one leader': snapshotOfTwoLeaders,
}

/** All rules; the compiler sees that none is left out. */
const IS_RULE: Readonly<Record<Rule, true>> = {
  'votes are persisted': true,
  'durable before reply': true,
  'commit own terms only': true,
  'commit what agrees': true,
  'heartbeats commit what agrees': true,
  'truncation voids writes': true,
  'one change at a time': true,
  'pre-vote': true,
  'truncate conflicts only': true,
  'votes for the up-to-date': true,
  'apply committed only': true,
  'sessions in snapshots': true,
  'joint phase': true,
  'new voters catch up': true,
  'stalled disks do not lead': true,
  'reads ask a quorum': true,
  'reads after own commit': true,
  'no lease after transfer': true,
  'leader stickiness': true,
  'promises of any term': true,
  'snapshots of one leader': true,
}
export const RULES = Object.keys(IS_RULE) as readonly Rule[]

export interface Missed {
  /** What went wrong. */
  readonly complaint: string
}

/** Tells the scenario of a rule without it. @returns undefined if nothing went wrong, or there is none. */
export function missedByScenario(rule: Rule): Missed | undefined {
  const scenario = SCENARIOS[rule]
  if (scenario === undefined) return undefined
  if (wrongIn(() => scenario()) !== undefined) return undefined // it must pass with the rule
  const mutant = { without: rule, applied: 0 }
  const complaint = wrongIn(() => scenario(mutant))
  return complaint === undefined || mutant.applied === 0 ? undefined : { complaint }
}

/** Seeds `first` and on. `explains` if it shall be said which faults a seed needs, and what happened last. */
export interface Seeds {
  readonly first: number
  readonly count: number
  readonly events: number
  readonly explains?: boolean
}

/** Looks for a seed that misses a rule. @returns undefined if nothing went wrong. */
export function missedBySeeds(rule: Rule, { first, count, events, explains = false }: Seeds): Missed | undefined {
  for (let seed = first; seed < first + count; seed++) {
    const options = { events, mutant: { without: rule, applied: 0 } }
    const result = runSeed(seed, options)
    if (result.complaint === undefined) continue
    return { complaint: explains ? explain(result, options) : `seed ${seed}: ${result.complaint}` }
  }
  return undefined
}

function wrongIn(tell: () => unknown): string | undefined {
  try {
    const found = tell()
    return found === true || (typeof found === 'number' && found > 0) ? 'the scenario goes wrong' : undefined
  } catch (error) {
    return String(error)
  }
}
