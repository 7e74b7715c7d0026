// Power loss under the append log: what was promised is there after any crash, also one of the recovery or in the middle
// of a truncation at either end; readers beside the writer never see what a crash takes away; and every rule is needed.
import { seededRandom } from '../../ts/io/random.ts'
import type { Mutant, Rule } from '../../ts/storage/log/mutant.ts'
import { crashOnce, damageStart, newTally, type Tally } from '../support/append-log-crash/check.ts'
import { runWorkload } from '../support/append-log-crash/workload.ts'
import type { HeavyContext, HeavyFailure, HeavySuite } from '../support/heavy.ts'

const RULES: readonly Rule[] = [
  'void segments',
  'durable truncation',
  'numbers of the truncated',
  'start sync',
  'start name sync',
  'start before discarding',
  'flush before start',
  'start checksum',
  'readable is durable',
  'readable of this segment',
]

const IMAGES_A_CASE = 30
const DAMAGES_A_CASE = 3
/** A mutant that lives through so many cases is not caught. */
const MUTANT_CASES = 400

const suite: HeavySuite = {
  name: 'append-log',

  atLeast: (soak) => ({ images: imagesAtLeast(soak), mutantsCaught: RULES.length }),

  async run(context) {
    const tally = newTally()
    const failures: HeavyFailure[] = []
    let cases = 0
    const attempt = async (caseName: string): Promise<void> => {
      cases++
      const message = await runCase(caseName, tally)
      if (message !== undefined) failures.push({ caseName, message })
    }
    if (context.only !== undefined) await attempt(context.only)
    else {
      const mutants = RULES.map((rule) => `seed=${context.seed} mutant=${rule}`)
      for (const caseName of new Set([...context.remembered, ...mutants])) await attempt(caseName)
      for (let number = 0; goesOn(context, tally); number++) await attempt(`seed=${context.seed} workload=${number}`)
    }
    const { images, compoundImages, damaged, byVariant } = tally
    const isMutant = ({ caseName }: HeavyFailure): boolean => caseName.includes(' mutant=')
    const mutantsCaught = context.only === undefined ? RULES.length - failures.filter(isMutant).length : 0
    return { cases, counts: { images, compoundImages, damaged, mutantsCaught, ...byVariant }, failures }
  },
}

export default suite

function goesOn(context: HeavyContext, tally: Tally): boolean {
  return context.hasTime() || tally.images < imagesAtLeast(context.soak)
}

function imagesAtLeast(soak: boolean): number {
  return soak ? 100_000 : 5000
}

/** @returns What is wrong, if anything is. */
async function runCase(caseName: string, tally: Tally): Promise<string | undefined> {
  const [, seed, kind, what] = /^seed=(\d+) (workload|mutant)=(.+)$/.exec(caseName) ?? []
  if (kind === 'workload') return await complaintOf(() => runWorkloadCase(`${seed}/${what}`, tally))
  if (kind === 'mutant') return await checkMutant(what as Rule, Number(seed))
  return `no such case: ${caseName}`
}

/** One workload, crashed many times, and damaged after it was closed. */
async function runWorkloadCase(seed: string, tally: Tally, mutant?: Mutant): Promise<void> {
  const random = seededRandom(hash(seed))
  const { life, settings } = await runWorkload(random, mutant)
  for (let i = 0; i < IMAGES_A_CASE; i++) await crashOnce(life, random, tally, { settings, mutant })
  await life.close()
  for (let i = 0; i < DAMAGES_A_CASE; i++) damageStart(life, random, tally, mutant)
}

/** Takes a rule away and looks for a workload that notices. */
async function checkMutant(rule: Rule, seed: number): Promise<string | undefined> {
  let applied = 0
  for (let number = 0; number < MUTANT_CASES; number++) {
    const mutant = { without: rule, applied: 0 }
    const complaint = await complaintOf(() => runWorkloadCase(`${seed}/${number}`, newTally(), mutant))
    applied += mutant.applied
    if (complaint !== undefined && mutant.applied > 0) return undefined
  }
  return `the log without its rule "${rule}" passed ${MUTANT_CASES} workloads; the rule was taken away ${applied} times`
}

async function complaintOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** A seed for each text. */
function hash(text: string): number {
  let value = 0
  for (const character of text) value = (Math.imul(value, 31) + character.charCodeAt(0)) >>> 0
  return value
}
