// The B-tree store under power cuts, failing disks, full disks and damage, and without one of its rules at a time: then the
// same checks must fail. What is checked: test/support/btree-crash.
//
//   workload=7            the random workload of that seed, without a crash
//   workload=7 image=12   the same, and the 12th of its crash images: point, variant and random bytes follow from both
//   failing=7 call=31 error=EIO forever short kept    the workload on a disk whose 31st call fails (see FaultSpec)
//   full=7 spare=65536    the workload on a disk with so much room
//   damage=7 kind=2       what the workload left, damaged in the way of that index
//   mutant=7 without=page checksum    the store without that rule, tried with the workloads from that seed on
import type { FaultSpec } from '../../ts/io/disk-faults.ts'
import { describeEffect } from '../../ts/io/disk-history.ts'
import { seededRandom } from '../../ts/io/random.ts'
import type { Rule } from '../../ts/storage/btree/mutant.ts'
import { newTally, type Tally } from '../support/btree-crash/check-image.ts'
import { type CrashPoint, checkCrashOf, crashesOf } from '../support/btree-crash/crashes.ts'
import { checkDamage, DAMAGES, type Damage } from '../support/btree-crash/damage.ts'
import { checkFailingDisk, checkFullDisk } from '../support/btree-crash/faults.ts'
import { MutantHunt, RULES } from '../support/btree-crash/mutants.ts'
import type { Recorder } from '../support/btree-crash/recorder.ts'
import { below, runWorkload } from '../support/btree-crash/workload.ts'
import type { HeavyContext, HeavyFailure, HeavyResult, HeavySuite } from '../support/heavy.ts'

const FAILING_DISKS_A_ROUND = 8
const DAMAGES_A_ROUND = 6
const ENOUGH_FAILURES = 10
/** A mutant that lives through so many workloads is not caught. */
const MUTANT_WORKLOADS = 60

const suite: HeavySuite = {
  name: 'btree',
  atLeast: leastOf,
  run: (context) => new Run(context).all(),
}

export default suite

function leastOf(soak: boolean): Record<string, number> {
  return soak
    ? { images: 100_000, compoundImages: 20_000, failingDisks: 1500, fullDisks: 60, mutantsCaught: RULES.length }
    : { images: 5000, compoundImages: 1000, failingDisks: 200, fullDisks: 8, mutantsCaught: RULES.length }
}

class Run {
  private readonly context: HeavyContext
  private readonly tally: Tally = newTally()
  private readonly failures: HeavyFailure[] = []
  private readonly counts = { workloads: 0, failingDisks: 0, refusals: 0, fullDisks: 0, noticedDamages: 0 }
  private readonly caught = new Set<Rule>()
  private cases = 0

  constructor(context: HeavyContext) {
    this.context = context
  }

  async all(): Promise<HeavyResult> {
    const { only, remembered, seed } = this.context
    for (const name of only === undefined ? remembered : [only]) await this.named(name)
    if (only === undefined) {
      await this.attempt(`workload=${seed * 1e6}`, () => checkRepeats(seed * 1e6))
      const hunt = new MutantHunt(seed * 1e6, MUTANT_WORKLOADS)
      for (const rule of RULES)
        await this.attempt(`mutant=${seed * 1e6} without=${rule}`, () => this.mutant(hunt, rule))
      for (let round = 0; this.goesOn(); round++) {
        await this.round(seed * 1e6 + round)
        if (round % 50 === 49) this.context.report(`${this.tally.images} images of ${round + 1} workloads`)
      }
    }
    return this.soFar()
  }

  private soFar(): HeavyResult {
    return { cases: this.cases, counts: this.summary(), failures: this.failures }
  }

  private goesOn(): boolean {
    if (this.failures.length >= ENOUGH_FAILURES) return false
    const counts = this.summary()
    const { mutantsCaught: _, ...least } = leastOf(this.context.soak)
    const isShort = Object.entries(least).some(([name, wanted]) => (counts[name] ?? 0) < wanted)
    return isShort || this.context.hasTime()
  }

  private summary(): Record<string, number> {
    const { byVariant, ...tally } = this.tally
    return { ...tally, ...byVariant, ...this.counts, mutantsCaught: this.caught.size }
  }

  /** Everything that is done with the workload of one seed. */
  private async round(seed: number): Promise<void> {
    await this.workload(seed)
    const random = seededRandom(seed)
    for (let i = 0; i < FAILING_DISKS_A_ROUND; i++) {
      // Early calls as often as late ones: a call that the workload never comes to proves nothing.
      const nth = 1 + Math.floor(Math.exp(random.next() * 6))
      const flags = ['forever', 'short', 'kept'].filter(() => random.next() < 0.5)
      const error = random.next() < 0.5 ? 'EIO' : 'ENOSPC'
      await this.named([`failing=${seed} call=${nth} error=${error}`, ...flags].join(' '))
    }
    await this.named(`full=${seed} spare=${4096 * (9 + below(random, 60))}`)
  }

  /** Runs a workload, crashes it, damages what it left. */
  private async workload(seed: number): Promise<void> {
    const recorder = await this.attempt(`workload=${seed}`, () => runWorkload(seed))
    if (recorder === undefined) return
    this.counts.workloads++
    for (const [index, crash] of crashesOf(seed, recorder).entries()) {
      const name = `workload=${seed} image=${index}`
      const held = await this.attempt(name, () => this.crash(seed, recorder, index, crash))
      if (held === undefined) return // one report is enough: its neighbours fail for the same reason
    }
    for (let i = 0; i < DAMAGES_A_ROUND; i++) {
      const kind = i % DAMAGES.length
      await this.attempt(`damage=${seed} kind=${kind}`, () => this.damage(seed, recorder, kind))
    }
  }

  private async crash(seed: number, recorder: Recorder, index: number, crash: CrashPoint): Promise<true> {
    await checkCrashOf(seed, recorder, index, crash, this.tally)
    return true
  }

  private async damage(seed: number, recorder: Recorder, kind: number): Promise<void> {
    const noticed = await checkDamage(recorder, DAMAGES[kind] as Damage, seededRandom(seed + kind))
    if (noticed) this.counts.noticedDamages++
  }

  private async failing(seed: number, spec: FaultSpec): Promise<void> {
    const { applied, refused } = await checkFailingDisk(seed, spec, this.tally)
    if (applied > 0) this.counts.failingDisks++
    if (refused) this.counts.refusals++
  }

  /** Takes a rule away; all must not be well then. */
  private async mutant(hunt: MutantHunt, rule: Rule): Promise<void> {
    const { complaint, applied, workloads, images } = await hunt.without(rule)
    if (complaint === undefined) {
      throw new Error(`without "${rule}" all is well in ${workloads} workloads; it was taken away ${applied} times`)
    }
    this.caught.add(rule)
    const said = complaint.split('\n')[0]?.replaceAll(/[^ -~]/g, '?') // a damaged value may hold any bytes
    this.context.report(`without "${rule}": workload ${workloads}, ${images} images: ${said}`)
  }

  private async full(seed: number, spareBytes: number): Promise<void> {
    if ((await checkFullDisk(seed, spareBytes, this.tally)) > 0) this.counts.fullDisks++
  }

  /** Runs one case by its name. */
  private async named(name: string): Promise<void> {
    const [, seed, named] = /^mutant=(\d+) without=(.+)$/.exec(name) ?? []
    const rule = RULES.find((each) => each === named)
    if (rule !== undefined) {
      const hunt = new MutantHunt(Number(seed), MUTANT_WORKLOADS)
      return void (await this.attempt(name, () => this.mutant(hunt, rule)))
    }
    if (!/^(?:workload|failing|full|damage)=\d+(?: |$)/.test(name)) {
      await this.attempt(name, () => Promise.reject(new Error(`no such case: ${name}`)))
      return
    }
    const words = new Map(name.split(' ').map((word) => word.split('=') as [string, string | undefined]))
    const number = (key: string): number => Number(words.get(key))
    if (words.has('failing')) await this.attempt(name, () => this.failing(number('failing'), faultOf(words)))
    else if (words.has('full')) await this.attempt(name, () => this.full(number('full'), number('spare')))
    else if (words.has('damage')) {
      const seed = number('damage')
      await this.attempt(name, async () => this.damage(seed, await runWorkload(seed), number('kind')))
    } else if (words.has('image')) {
      const seed = number('workload')
      await this.attempt(name, async () => {
        const recorder = await runWorkload(seed)
        const index = number('image')
        return await this.crash(seed, recorder, index, crashesOf(seed, recorder)[index] as CrashPoint)
      })
    } else await this.attempt(name, () => runWorkload(number('workload')))
  }

  /** Counts a case, and keeps its failure. @returns undefined if it failed. */
  private async attempt<T>(caseName: string, run: () => Promise<T>): Promise<T | undefined> {
    this.context.begin(caseName, this.soFar())
    this.cases++
    try {
      return await run()
    } catch (error) {
      this.failures.push({ caseName, message: messageOf(error) })
      return undefined
    }
  }
}

function faultOf(words: ReadonlyMap<string, string | undefined>): FaultSpec {
  return {
    nth: Number(words.get('call')),
    error: words.get('error') === 'EIO' ? 'EIO' : 'ENOSPC',
    forever: words.has('forever'),
    shortWrite: words.has('short'),
    keepUnsynced: words.has('kept'),
  }
}

/** Replaying by name needs runs that repeat themselves to the last effect. */
async function checkRepeats(seed: number): Promise<void> {
  const [first, second] = [await runWorkload(seed), await runWorkload(seed)]
  const [a, b] = [first, second].map(({ disk }) => disk.history.map(describeEffect))
  const at = a?.findIndex((effect, i) => effect !== b?.[i]) ?? -1
  if (at >= 0 || a?.length !== b?.length) {
    throw new Error(`a second run of the same workload differs at effect ${at}: ${a?.[at]} and ${b?.[at]}`)
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const root = error.cause instanceof Error ? error.cause : error
  return `${error.message}\n${root.stack?.split('\n').slice(1, 6).join('\n')}`
}
