// Clusters under random faults: invariants after every event, then rest, then the history of the clients.
import { describe, expect, it } from 'vitest'
import { explain, runSeed } from '../../support/raft/run.ts'

const EVENTS = 4000
const SEEDS = 60
/** `SEED=42 npx vitest run test/distributed/raft/swarm.test.ts` runs one seed, and explains it if it fails. */
const [FIRST, COUNT] = process.env['SEED'] === undefined ? [1, SEEDS] : [Number(process.env['SEED']), 1]

describe('clusters under random faults', () => {
  it('stay safe, come to rest, and look like one machine to their clients', () => {
    const total = { events: 0, operations: 0, elections: 0, changes: 0, unchecked: 0 }
    for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
      const result = runSeed(seed, { events: EVENTS })
      if (result.complaint !== undefined) throw new Error(explain(result, { events: EVENTS }))
      total.events += result.events
      total.operations += result.operations
      total.elections += result.elections
      total.changes += result.changes
      if (!result.isHistoryChecked) total.unchecked++
    }
    if (COUNT === 1) return
    expect(total.events).toBeGreaterThan(SEEDS * EVENTS)
    expect(total.operations).toBeGreaterThan(SEEDS * 20)
    expect(total.elections).toBeGreaterThan(SEEDS * 2)
    expect(total.changes).toBeGreaterThan(SEEDS)
    expect(total.unchecked).toBe(0)
  })

  it('do the same again for the same seed', () => {
    for (const seed of [1, 2, 3]) {
      const [first, second] = [runSeed(seed, { events: EVENTS }), runSeed(seed, { events: EVENTS })]
      expect(second.digest).toBe(first.digest)
      expect(second.events).toBe(first.events)
    }
  })
})
