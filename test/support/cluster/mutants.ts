// Every rule of the gossip engine, taken away alone, must be missed: by a scenario, or by some seed of the swarm.
import type { Mutant, Rule } from '../../../ts/cache/cluster/mutant.ts'
import { runSeed } from './run.ts'
import { forgottenVote, outdatedCandidate, secondVote } from './scenarios.ts'

/** Gives the votes that a scenario comes to, and how many they must be. Seeds alone are enough for the other rules. */
const SCENARIOS: Readonly<Partial<Record<Rule, readonly [(mutant?: Mutant) => number, number]>>> = {
  'durable before send': [forgottenVote, 0],
  'one vote an epoch': [secondVote, 1],
  'no votes for the outdated': [outdatedCandidate, 0],
}

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
export const RULES = Object.keys(IS_RULE) as readonly Rule[]

/** Tells the scenario of a rule with it and without it. @returns What went wrong without; undefined if nothing did, or there is none. */
export function missedByScenario(rule: Rule): string | undefined {
  const [scenario, wanted] = SCENARIOS[rule] ?? []
  if (scenario === undefined || scenario() !== wanted) return undefined
  const mutant = { without: rule, applied: 0 }
  const votes = scenario(mutant)
  return votes !== wanted && mutant.applied > 0 ? `${votes} votes instead of ${wanted}` : undefined
}

/** Looks for a seed that misses a rule. @returns What went wrong, with how many seeds; undefined if nothing did. */
export function missedBySeeds(
  rule: Rule,
  { first, count, virtualMs }: { first: number; count: number; virtualMs: number },
): { seeds: number; complaint: string } | undefined {
  for (let seed = first; seed < first + count; seed++) {
    const { complaint } = runSeed(seed, { virtualMs, mutant: { without: rule, applied: 0 }, moves: MOVING.has(rule) })
    if (complaint !== undefined) return { seeds: seed - first + 1, complaint }
  }
  return undefined
}
