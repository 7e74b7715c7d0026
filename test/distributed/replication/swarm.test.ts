// Groups in all modes under random faults: promises after every event, then rest, then what clients saw.
import { describe, expect, it } from 'vitest'
import { explain, runSeed } from '../../support/replication-group/run.ts'

const EVENTS = 4000
const SEEDS = 24
/** `SEED=42 npx vitest run test/distributed/replication/swarm.test.ts` runs one seed, and explains it if it fails. */
const [FIRST, COUNT] = process.env['SEED'] === undefined ? [1, SEEDS] : [Number(process.env['SEED']), 1]

describe('replicated groups under random faults', () => {
  it('keep what they acknowledged, and every guarantee of a read, and come to rest', () => {
    const total = { writes: 0, reads: 0, lost: 0, elections: 0 }
    const modes = new Set<string>()
    for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
      const result = runSeed(seed, { events: EVENTS })
      if (result.complaint !== undefined) throw new Error(explain(result, { events: EVENTS }))
      modes.add(result.plan.group.mode)
      total.writes += result.writes
      total.reads += result.reads
      total.lost += result.lost
      total.elections += result.elections
    }
    if (COUNT === 1) return
    expect(modes.size).toBe(3)
    expect(total.writes).toBeGreaterThan(SEEDS * 10)
    expect(total.reads).toBeGreaterThan(SEEDS * 20)
    expect(total.elections).toBeGreaterThan(SEEDS)
    expect(total.lost).toBeGreaterThan(0) // mode `async` does lose some, or the faults are too mild
  })

  it('do the same again for the same seed', () => {
    const [first, second] = [runSeed(2, { events: EVENTS }), runSeed(2, { events: EVENTS })]
    expect(second.digest).toBe(first.digest)
    expect(second.events).toBe(first.events)
  })
})
