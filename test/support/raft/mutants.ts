// Every rule of Raft, taken away alone, must be missed: by a scenario, or by some seed of the swarm.
import type { Mutant, Rule } from '../../../ts/distributed/raft/mutant.ts'
import type { Planted, Scenario } from '../planted.ts'
import { explain, type RunOptions, runSeed } from './run.ts'
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
  twoOperators,
  zombieRead,
} from './scenarios.ts'

/** Throws, or says so, if something is wrong without the rule. */
type Story = (mutant?: Mutant) => unknown

/** Seeds alone are enough for the others. */
const STORIES: Readonly<Partial<Record<Rule, Story>>> = {
  'votes are persisted': forgottenVote,
  'durable before reply': lostPromise,
  'commit own terms only': figure8,
  'joint phase': disjointMajorities,
  'one change at a time': twoChanges,
  'changes of what they replace': twoOperators,
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
  'changes of what they replace': true,
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

/** @param options - Of the runs of seeds. */
export function planted(options: RunOptions): Planted<Rule> {
  return {
    rules: Object.keys(IS_RULE) as Rule[],
    scenarios: Object.fromEntries(Object.entries(STORIES).map(([rule, story]) => [rule, scenarioOf(story)])),
    noticedFrom: { 'heartbeats commit what agrees': 1, 'truncate conflicts only': 3 },
    run: (seed, mutant) => runSeed(seed, { ...options, mutant }).complaint,
    explain: (seed, mutant) => explain(runSeed(seed, { ...options, mutant }), { ...options, mutant }),
  }
}

function scenarioOf(story: Story): Scenario<Rule> {
  return (mutant) => {
    try {
      const found = story(mutant)
      return found === true || (typeof found === 'number' && found > 0) ? `${story.name} goes wrong` : undefined
    } catch (error) {
      return String(error)
    }
  }
}
