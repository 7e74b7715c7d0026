// The partitioned store under faults, in one thread, by seed; and without one of its rules at a time, which a seed must notice.
//
//   seed=7                          the cluster, its clients and its faults as drawn from that seed, 10,000 events and then rest
//   seed=7 without=replicas merge   short runs of the seeds from that one on, without that rule
import { explain, planted, runSeed } from '../support/ring-store/run.ts'
import { type SeedRun, simulationSuite } from '../support/simulation-suite.ts'

const EVENTS = 10_000
const MUTANT_EVENTS = 3000

export default simulationSuite({
  name: 'ring',
  planted: planted({ events: MUTANT_EVENTS }),
  mutantSeeds: 400,
  repeatedEvery: 50,

  leastOf(soak) {
    const seeds = soak ? 20_000 : 200
    return { seeds, completed: seeds * 20, changes: seeds, tombstonesEnded: seeds / 4 }
  },

  run: (seed, words) => (words === '' ? run(seed) : undefined),
})

function run(seed: number): SeedRun {
  const result = runSeed(seed, { events: EVENTS })
  const { events, completed, changes, ended: tombstonesEnded, faults, complaint, digest } = result
  return {
    ...{ complaint, digest, counts: { events, completed, changes, tombstonesEnded, ...faults } },
    explain: () => explain(result, { events: EVENTS }),
  }
}
