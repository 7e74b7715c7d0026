// That the simulated clusters can fail: every rule of Raft, taken away alone, is missed by its scenario or by a seed.
import { describe, expect, it } from 'vitest'
import { hunt } from '../../support/planted.ts'
import { planted } from '../../support/raft/mutants.ts'

const RAFT = planted({ events: 4000 })

describe('it is noticed that Raft lacks its rule', () => {
  it.each(RAFT.rules)('%s', async (rule) => {
    expect((await hunt(RAFT, rule, { count: 60 })).missed).toBeDefined()
  })
})
