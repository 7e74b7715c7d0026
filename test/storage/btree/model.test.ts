import fc from 'fast-check'
import { describe, it } from 'vitest'
import { SMALL, type StoreSettings } from '../../support/btree-crash/store.ts'
import { COMMANDS, World } from '../../support/btree-model.ts'
import { BEDS, type StoreBed } from '../../support/store-bed.ts'

/** Runs random commands on a store and on sorted maps; a failure prints the fewest commands that show it. */
async function agree(
  settings: StoreSettings,
  make: (settings: StoreSettings) => StoreBed,
  parameters: fc.Parameters<unknown>,
): Promise<void> {
  const sequences = fc.commands(COMMANDS, { maxCommands: 40, size: 'max' })
  const property = fc.asyncProperty(sequences, async (sequence) => {
    const world = await World.create(settings, make)
    await fc.asyncModelRun(() => ({ model: {}, real: world }), sequence)
    await world.check()
    await world.reopen()
    await world.check()
    await world.close()
  })
  await fc.assert(property, parameters)
}

const DEFAULT: StoreSettings = { ...SMALL, pageSizeBytes: 16 * 1024, cacheBytes: 1024 * 1024 }

describe.each(BEDS)('a B-tree store of the $name engine does what sorted maps do', ({ make }) => {
  it.each([1, 2, 3, 4])('with pages of 512 bytes and a cache of 16 of them (seed %i)', async (seed) => {
    await agree(SMALL, make, { seed, numRuns: 25 })
  })

  it('when checkpoints come all the time (seed 5)', async () => {
    await agree({ ...SMALL, checkpointLogBytes: 2048 }, make, { seed: 5, numRuns: 25 })
  })

  it('with pages of the default size (seed 6)', async () => {
    await agree(DEFAULT, make, { seed: 6, numRuns: 25 })
  })
})
