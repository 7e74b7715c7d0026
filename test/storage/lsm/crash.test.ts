// Power cuts, failing disks, full disks and damage: a little of what test/faults/lsm.ts does for as long as it may.
import { describe, expect, it } from 'vitest'
import type { DiskOperation } from '../../../ts/io/disk-faults.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { checkDamage, checkFailingDisk, checkFullDisk, checkWorkload, newTally } from '../../support/lsm-crash/check.ts'

describe('an LSM store', () => {
  it('shows after any crash one of the states that it was in, with everything that it had promised', async () => {
    const tally = newTally()
    for (let seed = 0; seed < 25; seed++) await named(`seed ${seed}`, () => checkWorkload(seed, 6, tally))
    expect(tally.compoundImages).toBeGreaterThan(20)
  })

  it('on a disk that fails goes on without what it refused, or refuses everything', async () => {
    let applied = 0
    for (const [i, operation] of (
      ['sync', 'syncDirectory', 'write', 'rename', 'create', 'open'] as DiskOperation[]
    ).entries()) {
      for (let seed = 0; seed < 5; seed++) {
        const spec = { operation, nth: 1 + ((seed * 7 + i) % 25), error: 'EIO' as const }
        applied += await named(`${JSON.stringify(spec)} seed ${seed}`, () => checkFailingDisk(seed, spec, newTally()))
      }
    }
    expect(applied).toBeGreaterThan(10)
  })

  it('on a full disk can be read, and goes on when there is room again', async () => {
    let refused = 0
    for (let seed = 0; seed < 8; seed++) {
      const spare = 60_000 + 15_000 * (seed % 4)
      refused += await named(`seed ${seed} spare ${spare}`, () => checkFullDisk(seed, spare, newTally()))
    }
    expect(refused).toBeGreaterThan(10)
  })

  it('notices a flipped bit of a table or of the manifest, or shows nothing wrong', async () => {
    let noticed = 0
    for (let seed = 0; seed < 25; seed++) {
      if ((await named(`seed ${seed}`, () => checkDamage(seed, seededRandom(seed)))) === true) noticed++
    }
    expect(noticed).toBeGreaterThan(10)
  })
})

async function named<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error })
  }
}
