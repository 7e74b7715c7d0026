// Every rule of the gossip engine, taken away alone, must be missed: by a scenario, or by some seed of the swarm.
import type { Mutant, Rule } from '../../../ts/cache/cluster/mutant.ts'
import type { Planted, Scenario } from '../planted.ts'
import { explain, type RunOptions, runSeed } from './run.ts'
import { forgottenVote, outdatedCandidate, secondVote } from './scenarios.ts'

/** Rules that matter when slots are moved. */
const MOVING: ReadonlySet<Rule> = new Set([
  'taken slots raise the epoch',
  'slots with keys stay',
  'absent keys are asked for',
])

/** All rules; the compiler sees that none is left out. */
const IS_RULE: Readonly<Record<Rule, true>> = {
  'durable before send': true,
  'one vote an epoch': true,
  'majority elects': true,
  'higher epochs hold': true,
  'collisions are resolved': true,
  'failed by majority': true,
  'no votes for the outdated': true,
  'failures are forgotten': true,
  'taken slots raise the epoch': true,
  'slots with keys stay': true,
  'absent keys are asked for': true,
}

/** @param options - Of the runs of seeds. */
export function planted(options: RunOptions): Planted<Rule> {
  const optionsOf = (mutant: Mutant): RunOptions => ({ ...options, mutant, moves: MOVING.has(mutant.without) })
  return {
    rules: Object.keys(IS_RULE) as Rule[],
    // Seeds alone are enough for the other rules.
    scenarios: {
      'durable before send': votesOf(forgottenVote, 0),
      'one vote an epoch': votesOf(secondVote, 1),
      'no votes for the outdated': votesOf(outdatedCandidate, 0),
    },
    noticedFrom: {
      'majority elects': 26,
      'higher epochs hold': 2,
      'collisions are resolved': 1,
      'failures are forgotten': 2,
    },
    run: (seed, mutant) => runSeed(seed, optionsOf(mutant)).complaint,
    explain: (seed, mutant) => explain(runSeed(seed, optionsOf(mutant)), optionsOf(mutant)),
  }
}

/** @param wanted - How many votes the story must come to. */
function votesOf(story: (mutant?: Mutant) => number, wanted: number): Scenario<Rule> {
  return (mutant) => {
    const votes = story(mutant)
    return votes === wanted ? undefined : `${votes} votes instead of ${wanted}`
  }
}
