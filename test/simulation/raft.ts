// Raft under faults, in one thread, by seed; and without one of its rules at a time, which a told scenario or a seed must notice.
//
//   seed=7             the cluster, its clients and its faults as drawn from that seed, 20,000 events and then rest
//   seed=7 without=votes are persisted    the scenario of that rule, or else short runs of the seeds from that one on
import { planted } from '../support/raft/mutants.ts'
import { describeRun, explain, runSeed } from '../support/raft/run.ts'
import { type SeedRun, simulationSuite } from '../support/simulation-suite.ts'

const EVENTS = 20_000
const MUTANT_EVENTS = 4000

export default simulationSuite({
  name: 'raft',
  planted: planted({ events: MUTANT_EVENTS }),
  mutantSeeds: 200,
  repeatedEvery: 50,

  leastOf(soak) {
    const seeds = soak ? 20_000 : 500
    return {
      ...{ seeds, events: seeds * EVENTS, operations: seeds * 300 },
      ...{ crashes: seeds, pause: seeds, stall: seeds, full: seeds, drift: seeds, damagedDisks: seeds / 10 },
    }
  },

  run: (seed, words) => (words === '' ? run(seed) : undefined),
})

function run(seed: number): SeedRun {
  const result = runSeed(seed, { events: EVENTS })
  const { rot = 0, wipe = 0, crash = 0, ...faults } = result.faults
  return {
    ...{ complaint: result.complaint, digest: result.digest },
    counts: {
      events: result.events,
      virtualSeconds: Math.round(result.virtualMs / 1000),
      operations: result.operations,
      elections: result.elections,
      membershipChanges: result.changes,
      uncheckedHistories: result.isHistoryChecked ? 0 : 1,
      ...{ damagedDisks: rot + wipe, crashes: crash, ...faults },
    },
    explain: () => explain(result, { events: EVENTS }),
    describe: () => describeRun(result),
  }
}
