// Leader-follower replication under faults, in one thread, by seed; and without one of its rules at a time, which a told scenario or
// a seed must notice.
//
//   seed=7             the group, its mode, its clients and its faults as drawn from that seed, 10,000 events and then rest
//   seed=7 without=positions have terms    the scenario of that rule, or else short runs of the seeds from that one on
import { planted } from '../support/replication-group/mutants.ts'
import { describeRun, explain, runSeed } from '../support/replication-group/run.ts'
import { type SeedRun, simulationSuite } from '../support/simulation-suite.ts'

const EVENTS = 10_000
const MUTANT_EVENTS = 4000

export default simulationSuite({
  name: 'replication',
  planted: planted({ events: MUTANT_EVENTS }),
  mutantSeeds: 400,
  repeatedEvery: 50,

  leastOf(soak) {
    const seeds = soak ? 20_000 : 200
    return {
      ...{ seeds, events: seeds * EVENTS, writes: seeds * 20, reads: seeds * 40, elections: seeds * 3 },
      ...{ crashes: seeds, pause: seeds, stall: seeds / 2, drift: seeds / 2 },
      ...{ membershipChanges: seeds, damagedDisks: seeds / 10 },
      // What mode `async` may lose is lost now and then, and sessions that saw it are told.
      ...{ lostAsync: seeds / 20, conflicts: seeds / 50 },
    }
  },

  run: (seed, words) => (words === '' ? run(seed) : undefined),
})

function run(seed: number): SeedRun {
  const result = runSeed(seed, { events: EVENTS })
  const { events, writes, reads, elections, changes, conflicts, lost, complaint, digest } = result
  const { crash = 0, rot = 0, wipe = 0, ...faults } = result.faults
  return {
    ...{ complaint, digest },
    counts: {
      ...{ events, writes, reads, elections, conflicts, lostAsync: lost, crashes: crash, ...faults },
      ...{ membershipChanges: changes, damagedDisks: rot + wipe },
      virtualSeconds: Math.round(result.virtualMs / 1000),
    },
    explain: () => explain(result, { events: EVENTS }),
    describe: () => describeRun(result),
  }
}
