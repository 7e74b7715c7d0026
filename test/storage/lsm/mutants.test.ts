// That the crash suite can fail: a little of what test/faults/lsm.ts does with every rule.
import { describe, expect, it } from 'vitest'
import type { Rule } from '../../../ts/storage/lsm/mutant.ts'
import { huntMutant } from '../../support/lsm-crash/mutants.ts'

const QUICK: readonly Rule[] = [
  'manifest sync',
  'manifest name sync',
  'log until flushed',
  'tables until replaced',
  'snapshots keep versions',
  'tombstones until the bottom',
  'range tombstones hide',
  'readers keep tables',
  'replay from L',
  'catalogue of L',
  'orphans removed',
]

describe('the crash suite notices that the LSM store lacks its rule', () => {
  it.each(QUICK)('%s', async (rule) => {
    expect(await huntMutant(rule, 1_000_000, 25)).toBe(undefined)
  })
})
