// A replicated lock service under faults, in one thread, by seed; and without one of its rules at a time, which a told scenario or a
// seed must notice.
//
//   seed=7 ms=15000                      the cluster, its clients and its faults as drawn from that seed, for so long, and then rest
//   seed=7 without=executed once         the scenario of that rule, or else the seeds from that one on
import { planted } from '../support/locks-raft/mutants.ts'
import { explain, type RunOptions, runSeed } from '../support/locks-raft/run.ts'
import { type SeedRun, simulationSuite } from '../support/simulation-suite.ts'

/** How long faults last in a run, in virtual time. */
const VIRTUAL_MS = 15_000

export default simulationSuite({
  name: 'locks',
  planted: planted({ virtualMs: VIRTUAL_MS }),
  mutantSeeds: 400,
  repeatedEvery: 50,

  leastOf(soak) {
    // An idle core runs about 500 in a minute.
    const seeds = soak ? 10_000 : 200
    return { seeds, acquisitions: seeds, losses: seeds / 10, restores: seeds / 10 }
  },

  wordsOf: () => `ms=${VIRTUAL_MS}`,

  run(seed, words) {
    const [, ms] = /^ms=(\d+)$/.exec(words) ?? []
    return ms === undefined ? undefined : run(seed, { virtualMs: Number(ms) })
  },
})

function run(seed: number, options: RunOptions): SeedRun {
  const result = runSeed(seed, options)
  const { events, operations, terms, acquisitions, losses, restores, complaint, digest } = result
  return {
    ...{ complaint, digest },
    counts: {
      virtualSeconds: Math.round(result.virtualMs / 1000),
      uncheckedHistories: result.isHistoryChecked ? 0 : 1,
      ...{ events, operations, terms, acquisitions, losses, restores, ...result.strikes },
    },
    explain: () => explain(result, options),
  }
}
