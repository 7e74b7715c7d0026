// Every rule of the store, taken away alone, must be missed: some workload, crashed or damaged or on a bad disk, fails without
// it and does not fail with it.
import { seededRandom } from '../../../ts/io/random.ts'
import type { Mutant, Rule } from '../../../ts/storage/lsm/mutant.ts'
import { complaintOf } from '../errors.ts'
import { checkDamage, checkFullDisk, checkWorkload, newTally } from './check.ts'

type Trial = (seed: number, mutant: Mutant | undefined) => Promise<unknown>

const IMAGES_A_WORKLOAD = 12
const DAMAGES_A_WORKLOAD = 12
const DISKS_A_WORKLOAD = 6

const POWER: Trial = (seed, mutant) => checkWorkload(seed, IMAGES_A_WORKLOAD, newTally(), mutant)

const DAMAGE: Trial = async (seed, mutant) => {
  for (let i = 0; i < DAMAGES_A_WORKLOAD; i++) await checkDamage(seed, seededRandom(seed * 1000 + i), mutant)
}

const FULL: Trial = async (seed, mutant) => {
  for (let i = 0; i < DISKS_A_WORKLOAD; i++) await checkFullDisk(seed, 45_000 + 9000 * i, newTally(), mutant)
}

/** The rules, and what is tried without them. */
const TRIALS: Readonly<Record<Rule, Trial>> = {
  'block checksum': DAMAGE,
  'manifest checksum': DAMAGE,
  'table sync': POWER,
  'table name sync': POWER,
  'manifest temporary name': POWER,
  'manifest sync': POWER,
  'manifest name sync': POWER,
  'log until flushed': POWER,
  'tables until replaced': POWER,
  'snapshots keep versions': POWER,
  'tombstones until the bottom': POWER,
  'range tombstones hide': POWER,
  'range tombstones until the bottom': POWER,
  'operands of one stratum': POWER,
  'operands until the bottom': POWER,
  'operands in order': POWER,
  'log until ingested': POWER,
  'readers keep tables': POWER,
  'replay from L': POWER,
  'catalogue of L': POWER,
  'orphans removed': POWER,
  'space first': FULL,
  'private overlay': POWER,
}

export const RULES = Object.keys(TRIALS) as readonly Rule[]

/**
 * Takes `rule` away until a trial fails without it, and sees that the same one is passed with it.
 * @param seed - Of the first workload that is tried. @param mostWorkloads - A mutant that lives through so many has survived.
 * @returns What is wrong; undefined if the mutant was caught.
 */
export async function huntMutant(rule: Rule, seed: number, mostWorkloads: number): Promise<string | undefined> {
  const trial = TRIALS[rule]
  let applied = 0
  for (let number = 0; number < mostWorkloads; number++) {
    const mutant = { without: rule, applied: 0 }
    const complaint = await complaintOf(() => trial(seed + number, mutant))
    applied += mutant.applied
    if (complaint === undefined || mutant.applied === 0) continue
    const sound = await complaintOf(() => trial(seed + number, undefined))
    return sound === undefined ? undefined : `with all its rules the store fails workload ${seed + number}: ${sound}`
  }
  return `the store without its rule "${rule}" passed ${mostWorkloads} workloads; the rule was taken away ${applied} times`
}
