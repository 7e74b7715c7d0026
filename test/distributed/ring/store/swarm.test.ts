// The store under random faults: with R + W > N a read sees what was told before it began, and replicas become equal at last.
import { describe, expect, it } from 'vitest'
import { hunt } from '../../../support/planted.ts'
import { explain, planted, runSeed } from '../../../support/ring-store/run.ts'

const EVENTS = 3000
const SEEDS = 8
/** `SEED=42 npx vitest run test/distributed/ring/store/swarm.test.ts` runs one seed, and explains it if it fails. */
const [FIRST, COUNT] = process.env['SEED'] === undefined ? [1, SEEDS] : [Number(process.env['SEED']), 1]

describe('a store under random faults', () => {
  it('keeps its promises, and comes to rest', () => {
    let completed = 0
    for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
      const result = runSeed(seed, { events: EVENTS })
      if (result.complaint !== undefined) throw new Error(explain(result, { events: EVENTS }))
      completed += result.completed
    }
    if (COUNT > 1) expect(completed).toBeGreaterThan(SEEDS * 20)
  })

  it('does the same again for the same seed', () => {
    const [first, second] = [runSeed(3, { events: EVENTS }), runSeed(3, { events: EVENTS })]
    expect(second.digest).toBe(first.digest)
  })

  const rules = planted({ events: EVENTS })
  it.each(rules.rules)('misses its rule: %s', async (rule) => {
    expect((await hunt(rules, rule, { count: 60 })).missed).toBeDefined()
  })
})
