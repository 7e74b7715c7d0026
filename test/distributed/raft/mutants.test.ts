// That the simulated clusters can fail: every rule of Raft, taken away alone, is missed by its scenario or by a seed.
import { describe, expect, it } from 'vitest'
import { missedByScenario, missedBySeeds, RULES } from '../../support/raft/mutants.ts'

const BUDGET = { first: 1, count: 60, events: 4000 }

describe('it is noticed that Raft lacks its rule', () => {
  it.each(RULES)('%s', (rule) => {
    expect(missedByScenario(rule) ?? missedBySeeds(rule, BUDGET)).toBeDefined()
  })
})
