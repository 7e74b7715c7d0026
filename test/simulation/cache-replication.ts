// Servers of the cache that replicate from one another, cut off from each other at any byte, by seed; and without one of their rules
// at a time, which one of some seeds must notice.
//
//   seed=7                              the servers, changes and cuts as drawn from that seed
//   seed=7 without=whole transactions   the seeds from that one on, until one notices
import { planted, runReplication } from '../support/replication-run.ts'
import { simulationSuite } from '../support/simulation-suite.ts'

export default simulationSuite({
  name: 'cache-replication',
  planted,
  mutantSeeds: 40,
  leastOf: (soak) => ({ seeds: soak ? 500 : 15, partialSyncs: soak ? 1000 : 20 }),

  run: (seed, words) =>
    words === '' ? runReplication(seed).then(({ complaint, ...counts }) => ({ complaint, counts })) : undefined,
})
