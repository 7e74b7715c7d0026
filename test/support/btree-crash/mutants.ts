// Every rule of the store, taken away alone, must be missed: some workload, crashed or damaged or on a bad disk, fails
// without it and does not fail with it.
import type { DiskOperation, FaultSpec } from '../../../ts/io/disk-faults.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import type { Mutant, Rule } from '../../../ts/storage/btree/mutant.ts'
import { complaintOf } from '../errors.ts'
import { checkAdoption } from './adoption.ts'
import { newTally, type Tally } from './check-image.ts'
import { checkCrashOf, crashesOf } from './crashes.ts'
import { checkDamage, DAMAGES, type Damage } from './damage.ts'
import { checkFailingDisk, checkFullDisk } from './faults.ts'
import { loseLongValues, loseRewrites } from './lost-writes.ts'
import { below, pick, runWorkload, type StepKind } from './workload.ts'

/** What shows that a rule is missing, and the kinds of steps that it takes. */
interface Trial {
  kind: 'power cuts' | 'adoption' | 'damage' | 'lost writes' | 'failing disks' | 'full disks'
  focus?: readonly StepKind[]
  /** What fails on a failing disk; default: the syncs of the data file. */
  fails?: DiskOperation
}

const DAMAGES_A_WORKLOAD = 20
const DISKS_A_WORKLOAD = 4

const POWER: Trial = { kind: 'power cuts' }
const DAMAGE: Trial = { kind: 'damage' }
const LOSING: Trial = { kind: 'lost writes' }
const LOADING: Trial = { kind: 'power cuts', focus: ['load'] }
const COMPACTING: Trial = { kind: 'power cuts', focus: ['compact'] }
const FULL: Trial = { kind: 'full disks' }

/** The rules, and what is tried without them. */
const TRIALS: Readonly<Record<Rule, Trial>> = {
  'page checksum': DAMAGE,
  'page address': DAMAGE,
  'page birth': DAMAGE,
  'born again': LOSING,
  'later birth': LOSING,
  'meta checksum': POWER,
  'log before meta': POWER,
  'pages before meta': POWER,
  'meta before reuse': POWER,
  'other slot': POWER,
  'copy on write': POWER,
  'frozen snapshots': POWER,
  'frozen checkpoint': POWER,
  'pages of snapshots': { kind: 'power cuts', focus: ['pin', 'checkpoint'] },
  'pages of the meta': POWER,
  'pages of the new meta': { kind: 'adoption' },
  'pages of the older meta': POWER,
  'older pages after opening': POWER,
  'log of the older meta': POWER,
  'newer meta': LOADING,
  'replay from L': POWER,
  'reader in memory': POWER,
  'leftovers removed': COMPACTING,
  'temporary name': POWER,
  'FORMAT sync': POWER,
  'first data sync': POWER,
  'first names sync': POWER,
  'store name sync': POWER,
  'copy sync': COMPACTING,
  'two metas of a copy': COMPACTING,
  'compaction catches up': COMPACTING,
  'compacted name sync': { kind: 'power cuts', focus: ['compact', 'load'] },
  'held marker': LOADING,
  'load checkpoint': LOADING,
  'load in both metas': LOADING,
  'loading pages are free': LOADING,
  'space for a load': { kind: 'full disks', focus: ['load'] },
  'space first': FULL,
  'values first': { kind: 'full disks', focus: ['longBatch'] },
  'refused pages back': { kind: 'full disks', focus: ['longBatch'] },
  'refused batch back': { kind: 'full disks', focus: ['longBatch'] },
  'failure is final': { kind: 'failing disks' },
  'failed sync': { kind: 'failing disks' },
  'failed name sync': { kind: 'failing disks', focus: ['compact', 'load'], fails: 'syncDirectory' },
  'private overlay': { kind: 'power cuts', focus: ['abandoned'] },
}

export const RULES = Object.keys(TRIALS) as readonly Rule[]

/** What became of a mutant. */
export interface MutantOutcome {
  /** What the checks said of it; undefined if they noticed nothing. */
  complaint: string | undefined
  /** How often the rule was taken away. */
  applied: number
  workloads: number
  images: number
}

/** Looks for what notices that a rule is missing. */
export class MutantHunt {
  private readonly seed: number
  private readonly mostWorkloads: number
  /** Trials that the store has passed with all its rules. */
  private readonly passed = new Set<string>()

  /**
   * @param seed - A whole number: the seed of the first workload that is tried.
   * @param mostWorkloads - A mutant that lives through so many has survived.
   */
  constructor(seed: number, mostWorkloads: number) {
    this.seed = seed
    this.mostWorkloads = mostWorkloads
  }

  /** Takes `rule` away until a trial fails without it, and sees that the same one is passed with it. */
  async without(rule: Rule): Promise<MutantOutcome> {
    const tally = newTally()
    const trial = TRIALS[rule]
    let applied = 0
    for (let number = 0; number < this.mostWorkloads; number++) {
      const mutant = { without: rule, applied: 0 }
      const seed = this.seed + number
      const complaint = await complaintOf(() => tryOnce(seed, trial, tally, mutant))
      applied += mutant.applied
      if (complaint === undefined || mutant.applied === 0) continue
      await this.withAllRules(seed, trial)
      return { complaint, applied, workloads: number + 1, images: tally.images }
    }
    return { complaint: undefined, applied, workloads: this.mostWorkloads, images: tally.images }
  }

  private async withAllRules(seed: number, trial: Trial): Promise<void> {
    const name = JSON.stringify([seed, trial])
    if (this.passed.has(name)) return
    await tryOnce(seed, trial, newTally())
    this.passed.add(name)
  }
}

async function tryOnce(
  seed: number,
  { kind, focus = [], fails = 'sync' }: Trial,
  tally: Tally,
  mutant?: Mutant,
): Promise<void> {
  const random = seededRandom(seed)
  switch (kind) {
    case 'power cuts': {
      const recorder = await runWorkload(seed, { focus, mutant })
      for (const [index, crash] of crashesOf(seed, recorder).entries()) {
        await checkCrashOf(seed, recorder, index, crash, tally)
      }
      return
    }
    case 'adoption':
      return await checkAdoption(seed, tally, mutant)
    case 'damage': {
      const recorder = await runWorkload(seed, { focus, mutant })
      for (let i = 0; i < DAMAGES_A_WORKLOAD; i++) {
        await checkDamage(recorder, DAMAGES[i % DAMAGES.length] as Damage, random)
      }
      return
    }
    case 'lost writes':
      await loseRewrites(seed, mutant)
      await loseLongValues(seed, mutant)
      return
    case 'failing disks':
      for (let i = 0; i < DISKS_A_WORKLOAD; i++) {
        await checkFailingDisk(seed, failingSync(fails, random), tally, { focus, mutant })
      }
      return
    case 'full disks':
      for (let i = 0; i < DISKS_A_WORKLOAD; i++) {
        await checkFullDisk(seed, 4096 * (9 + below(random, 60)), tally, { focus, mutant })
      }
  }
}

function failingSync(operation: DiskOperation, random: Random): FaultSpec {
  const error = pick(random, ['EIO', 'ENOSPC'] as const)
  return { operation, path: /^\/store(\/data)?$/, nth: 1 + below(random, 12), error, forever: random.next() < 0.5 }
}
