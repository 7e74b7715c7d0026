// The LSM store under power cuts, failing disks, full disks and damage, and without one of its rules at a time: then the same
// checks must fail. What is checked: test/support/lsm-crash.
//
//   workload=7           the random workload of that seed, crashed many times
//   failing=7 call=31 operation=sync    the same on a disk whose 31st call of that kind fails
//   full=7 spare=65536   the same on a disk with so much room
//   damage=7 flip=2      what it left, with one bit flipped
//   mutant=7 without=table sync    the store without that rule, tried with the workloads from that seed on
import type { DiskOperation } from '../../ts/io/disk-faults.ts'
import { seededRandom } from '../../ts/io/random.ts'
import type { Rule } from '../../ts/storage/lsm/mutant.ts'
import { pick } from '../support/btree-crash/workload.ts'
import { complaintOf } from '../support/errors.ts'
import type { HeavyContext, HeavyFailure, HeavyResult, HeavySuite } from '../support/heavy.ts'
import { checkDamage, checkFailingDisk, checkFullDisk, checkWorkload, newTally } from '../support/lsm-crash/check.ts'
import { huntMutant, RULES } from '../support/lsm-crash/mutants.ts'

/** Of a workload that takes longer than they do; in the soak, where there are many workloads anyway, more. */
const IMAGES_A_WORKLOAD = 40
const IMAGES_A_SOAKED_WORKLOAD = 160
/** A mutant that lives through so many workloads is not caught. */
const MUTANT_WORKLOADS = 80
/** Workloads that notice, for rules that most miss: what a short run begins with. */
const NOTICED_FROM: Readonly<Partial<Record<Rule, number>>> = {
  'table name sync': 1_000_000,
  'catalogue of L': 6,
  'space first': 5,
}
const ENOUGH_FAILURES = 10
/** How often the soak says how far it is. */
const ROUNDS_A_REPORT = 100
const FAILING: readonly DiskOperation[] = ['sync', 'syncDirectory', 'write', 'rename', 'create', 'open', 'truncate']

const suite: HeavySuite = {
  name: 'lsm',
  atLeast: leastOf,
  run: (context) => new Run(context).all(),
}

export default suite

function leastOf(soak: boolean): Record<string, number> {
  return soak
    ? { images: 100_000, compoundImages: 20_000, failingDisks: 300, refusals: 300, mutantsCaught: RULES.length }
    : { images: 5000, compoundImages: 1000, failingDisks: 50, refusals: 20, mutantsCaught: RULES.length }
}

class Run {
  private readonly context: HeavyContext
  private readonly tally = newTally()
  private readonly failures: HeavyFailure[] = []
  private readonly counts = { workloads: 0, failingDisks: 0, refusals: 0, noticedDamages: 0, mutantsCaught: 0 }
  private cases = 0

  constructor(context: HeavyContext) {
    this.context = context
  }

  async all(): Promise<HeavyResult> {
    const { only, remembered, seed, soak } = this.context
    const beginning = (rule: Rule): number => (soak ? undefined : NOTICED_FROM[rule]) ?? seed * 1e6
    for (const name of only === undefined ? remembered : [only]) await this.attempt(name)
    if (only === undefined) {
      for (const rule of RULES) await this.attempt(`mutant=${beginning(rule)} without=${rule}`)
      for (let round = 0; this.goesOn(); round++) {
        await this.round(seed * 1e6 + round)
        if (this.context.soak && (round + 1) % ROUNDS_A_REPORT === 0) this.reportProgress()
      }
    }
    return this.soFar()
  }

  private soFar(): HeavyResult {
    const { images, compoundImages, byVariant } = this.tally
    return {
      cases: this.cases,
      counts: { images, compoundImages, ...byVariant, ...this.counts },
      failures: this.failures,
    }
  }

  private goesOn(): boolean {
    if (this.failures.length >= ENOUGH_FAILURES) return false
    if (this.context.hasTime()) return true
    const { images, compoundImages } = this.tally
    const reached: Record<string, number> = { images, compoundImages, ...this.counts }
    const { mutantsCaught: _, ...least } = leastOf(this.context.soak)
    return Object.entries(least).some(([name, count]) => (reached[name] as number) < count)
  }

  private async round(seed: number): Promise<void> {
    const random = seededRandom(seed)
    await this.attempt(`workload=${seed}`)
    const call = 1 + Math.floor(random.next() * 60)
    await this.attempt(`failing=${seed} call=${call} operation=${pick(random, FAILING)}`)
    await this.attempt(`full=${seed} spare=${40_000 + Math.floor(random.next() * 80_000)}`)
    await this.attempt(`damage=${seed} flip=${Math.floor(random.next() * 1000)}`)
  }

  private async attempt(caseName: string): Promise<void> {
    this.context.begin(caseName, this.soFar())
    this.cases++
    const message = await this.complaint(caseName)
    if (message !== undefined) this.failures.push({ caseName, message })
  }

  private reportProgress(): void {
    const { images, compoundImages } = this.tally
    const { workloads, failingDisks, refusals } = this.counts
    const failed = this.failures.length
    this.context.report(JSON.stringify({ workloads, images, compoundImages, failingDisks, refusals, failed }))
  }

  private async complaint(caseName: string): Promise<string | undefined> {
    const [, kind, number = '', rest = ''] = /^(\w+)=(\d+)(?: (.*))?$/.exec(caseName) ?? []
    const seed = Number(number)
    const parts = new Map(rest.split(' ').map((part) => part.split('=') as [string, string]))
    const { tally, counts } = this
    switch (kind) {
      case 'workload':
        counts.workloads++
        return await complaintOf(() =>
          checkWorkload(seed, this.context.soak ? IMAGES_A_SOAKED_WORKLOAD : IMAGES_A_WORKLOAD, tally),
        )
      case 'failing': {
        const operation = parts.get('operation') as DiskOperation
        const spec = { operation, nth: Number(parts.get('call')), error: 'EIO' as const }
        return await complaintOf(async () => {
          if ((await checkFailingDisk(seed, spec, tally)) > 0) counts.failingDisks++
        })
      }
      case 'full':
        return await complaintOf(async () => {
          counts.refusals += await checkFullDisk(seed, Number(parts.get('spare')), tally)
        })
      case 'damage':
        return await complaintOf(async () => {
          if (await checkDamage(seed, seededRandom(Number(parts.get('flip'))))) counts.noticedDamages++
        })
      case 'mutant': {
        const message = await huntMutant(rest.replace('without=', '') as Rule, seed, MUTANT_WORKLOADS)
        if (message === undefined) counts.mutantsCaught++
        return message
      }
      default:
        return `no such case: ${caseName}`
    }
  }
}
