// Replicated lock services under random faults; npm run test:simulation -- --suite locks runs more of them.
import { describe, expect, it } from 'vitest'
import { planted } from '../../support/locks-raft/mutants.ts'
import { explain, runSeed } from '../../support/locks-raft/run.ts'
import { hunt } from '../../support/planted.ts'

const VIRTUAL_MS = 6000
const SEEDS = 50
/** `SEED=42 npx vitest run test/distributed/locks/swarm.test.ts` runs one seed, and explains it if it fails. */
const [FIRST, COUNT] = process.env['SEED'] === undefined ? [1, SEEDS] : [Number(process.env['SEED']), 1]

describe('lock services under random faults', () => {
  it('look like one machine, let one client at a time hold the lock, and tell watches everything', () => {
    const total = { acquisitions: 0, losses: 0, restores: 0, unchecked: 0 }
    for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
      const result = runSeed(seed, { virtualMs: VIRTUAL_MS })
      if (result.complaint !== undefined) throw new Error(explain(result, { virtualMs: VIRTUAL_MS }))
      total.acquisitions += result.acquisitions
      total.losses += result.losses
      total.restores += result.restores
      if (!result.isHistoryChecked) total.unchecked++
    }
    if (COUNT === 1) return
    expect(total.acquisitions).toBeGreaterThan(SEEDS / 2)
    expect(total.restores).toBeGreaterThan(0)
    expect(total.unchecked).toBe(0)
  })

  it('do the same again for the same seed', () => {
    const [first, second] = [runSeed(2, { virtualMs: VIRTUAL_MS }), runSeed(2, { virtualMs: VIRTUAL_MS })]
    expect(second.digest).toBe(first.digest)
    expect(second.events).toBe(first.events)
  })
})

describe('a lock service without one of its rules', () => {
  const locks = planted({ virtualMs: VIRTUAL_MS })

  it.each(['permissions as of now', 'expiry is of its term', 'full time after elections'] as const)(
    'is found out by a story: %s',
    async (rule) => {
      expect((await hunt(locks, rule, { count: 0 })).missed?.seed).toBe('scenario')
    },
  )

  it.each(['executed once', 'reads ask the leader'] as const)('is found out by a seed: %s', async (rule) => {
    expect((await hunt(locks, rule, { count: 20 })).missed).toBeDefined()
  })
})
