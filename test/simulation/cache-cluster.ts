// A cache cluster under faults, in one thread, by seed; and without one of its rules at a time, which a told scenario or a seed must
// notice.
//
//   seed=7 ms=2000                    the cluster and its faults as drawn from that seed, for so long, and then rest
//   seed=7 moves ms=2000              the same without replicas, with keys, and with slots that are moved while clients use them
//   seed=7 without=majority elects    the scenario of that rule, or else the seeds from that one on
import { planted } from '../support/cluster/mutants.ts'
import { explain, type RunOptions, runSeed } from '../support/cluster/run.ts'
import { type SeedRun, simulationSuite } from '../support/simulation-suite.ts'

/** How long faults last in a run, in virtual time: many short ones find more than few long ones, and a soak has time for both. */
const VIRTUAL_MS = 2000
const SOAK_VIRTUAL_MS = 20_000
const MUTANT_VIRTUAL_MS = 4000
/** Of so many seeds one moves slots. */
const MOVING_EVERY = 4

export default simulationSuite({
  name: 'cache-cluster',
  planted: planted({ virtualMs: MUTANT_VIRTUAL_MS }),
  mutantSeeds: 200,
  repeatedEvery: 50,

  leastOf(soak) {
    // An idle core runs about 450 in a minute; on a busy machine the suite must still end in time.
    const seeds = soak ? 20_000 : 200
    return { seeds, promotions: seeds / 20, moves: seeds / 4, writes: 10 * seeds }
  },

  wordsOf: (number, soak) => `${number % MOVING_EVERY === 0 ? 'moves ' : ''}ms=${soak ? SOAK_VIRTUAL_MS : VIRTUAL_MS}`,

  run(seed, words) {
    const [, moves, ms] = /^(moves )?ms=(\d+)$/.exec(words) ?? []
    return ms === undefined ? undefined : run(seed, { virtualMs: Number(ms), moves: moves !== undefined })
  },
})

function run(seed: number, options: RunOptions): SeedRun {
  const result = runSeed(seed, options)
  const { events, moved, promotions, handovers, failures, faults, complaint, digest } = result
  const virtualSeconds = Math.round(result.virtualMs / 1000)
  return {
    ...{ complaint, digest },
    counts: { events, ...moved, virtualSeconds, promotions, handovers, failures, ...faults },
    explain: () => explain(result, options),
  }
}
