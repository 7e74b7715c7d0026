// The crash suite can fail: a few rules taken away, quickly. All of them: test/faults/btree.ts.
import { describe, expect, it } from 'vitest'
import type { Mutant } from '../../../ts/storage/btree/mutant.ts'
import { MutantHunt, RULES } from '../../support/btree-crash/mutants.ts'
import { runWorkload } from '../../support/btree-crash/workload.ts'

const SEED = 20261125

describe('a store without one of its rules', () => {
  it.each(['page checksum', 'pages of the new meta', 'page birth'] as const)(
    'is told from a whole one: %s',
    async (rule) => {
      const { complaint, applied } = await new MutantHunt(SEED, 10).without(rule)
      expect(complaint).toBeDefined()
      expect(applied).toBeGreaterThan(0)
    },
  )

  it('counts how often that mattered', async () => {
    const mattered: Mutant = { without: 'meta before reuse', applied: 0 }
    const { engine } = await runWorkload(SEED, { mutant: mattered, focus: ['checkpoint'] })
    expect(engine.checkpoints).toBeGreaterThan(0)
    expect(mattered.applied).toBeGreaterThanOrEqual(engine.checkpoints)

    const neverMattered: Mutant = { without: 'page checksum', applied: 0 }
    await runWorkload(SEED, { mutant: neverMattered })
    expect(neverMattered.applied).toBe(0)
  })

  it('that is not noticed is not called caught', async () => {
    expect((await new MutantHunt(SEED, 0).without('page checksum')).complaint).toBeUndefined()
    expect(RULES.length).toBeGreaterThan(40)
  })
})
