// Every rule of replication, taken away alone, must be missed: by a scenario, or by some seed of the swarm.
import type { Mutant, Rule } from '../../../ts/distributed/replication/mutant.ts'
import type { Planted, Scenario } from '../planted.ts'
import { explain, type RunOptions, runSeed } from './run.ts'
import {
  lateAnswer,
  leaderAlone,
  leaseOutlived,
  lostSessionServed,
  unconfirmedWrite,
  unevenHeartbeats,
} from './scenarios.ts'

/** Throws, or says so, if something is wrong without the rule. */
type Story = (mutant?: Mutant) => boolean

/** A leader that is alone gives up after two election timeouts of 100 ms at most; some time is for the story. */
const LONGEST_ALONE_MS = 400

/** The others are missed within 40 seeds, wherever one begins. */
const STORIES: Readonly<Partial<Record<Rule, Story>>> = {
  'sync gives up': (mutant) => unconfirmedWrite(mutant).join() !== '3',
  'positions have terms': lostSessionServed,
  'alone no leader for long': (mutant) => leaderAlone(mutant).lastAfterMs > LONGEST_ALONE_MS,
  'patience has a floor': leaseOutlived,
  'patience grows': unevenHeartbeats,
  'fresh as of asking': lateAnswer,
}

/** All rules; the compiler sees that none is left out. */
const IS_RULE: Readonly<Record<Rule, true>> = {
  'sync counts every voter': true,
  'sync gives up': true,
  'durable before shown': true,
  'hide what is cut back': true,
  'positions have terms': true,
  'reads cover what is shown': true,
  'alone no leader for long': true,
  'patience has a floor': true,
  'patience grows': true,
  'fresh as of asking': true,
}

/** @param options - Of the runs of seeds. */
export function planted(options: RunOptions): Planted<Rule> {
  return {
    rules: Object.keys(IS_RULE) as Rule[],
    scenarios: Object.fromEntries(Object.entries(STORIES).map(([rule, story]) => [rule, scenarioOf(rule, story)])),
    noticedFrom: { 'hide what is cut back': 2, 'reads cover what is shown': 10 },
    run: (seed, mutant) => runSeed(seed, { ...options, mutant }).complaint,
    explain: (seed, mutant) => explain(runSeed(seed, { ...options, mutant }), { ...options, mutant }),
  }
}

function scenarioOf(rule: string, story: Story): Scenario<Rule> {
  return (mutant) => {
    try {
      return story(mutant) ? `the story of "${rule}" goes wrong` : undefined
    } catch (error) {
      return String(error)
    }
  }
}
