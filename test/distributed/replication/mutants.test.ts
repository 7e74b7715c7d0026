// That the simulated groups can fail: every rule of replication, taken away alone, is missed by its scenario or by a seed.
import { describe, expect, it } from 'vitest'
import { hunt } from '../../support/planted.ts'
import { planted } from '../../support/replication-group/mutants.ts'

const REPLICATION = planted({ events: 4000 })

describe('it is noticed that replication lacks its rule', () => {
  it.each(REPLICATION.rules)('%s', async (rule) => {
    expect((await hunt(REPLICATION, rule, { count: 100 })).missed).toBeDefined()
  })
})
