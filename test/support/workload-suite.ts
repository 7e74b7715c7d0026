// What the heavy suites of the logs and of the cache are: random workloads on a simulated disk, crashed many times, and the same without
// each of the rules.
import { CRASH_VARIANTS, type CrashVariant } from '../../ts/io/crash-image.ts'
import { type Random, seededRandom } from '../../ts/io/random.ts'
import type { Rule as LogRule } from '../../ts/storage/log/mutant.ts'
import type { Mutant } from '../../ts/storage/mutant.ts'
import { complaintOf } from './errors.ts'
import type { HeavySuite } from './heavy.ts'
import { runCases } from './heavy-cases.ts'
import { hunt, type Planted } from './planted.ts'

/** What was covered. */
export interface Tally {
  images: number
  /** Images of crashes during or after a recovery; part of `images`. */
  compoundImages: number
  damaged: number
  byVariant: Record<CrashVariant, number>
}

/** One such suite. */
export interface WorkloadSuite<Rule extends string = LogRule> {
  name: string
  rules: readonly Rule[]
  /** A mutant that lives through so many workloads is not caught. */
  mutantCases: number
  /** Seeds whose first workloads notice, for rules that most miss: what a short run begins with. See `Planted`. */
  noticedFrom?: Readonly<Partial<Record<Rule, number>>>
  imagesAtLeast(soak: boolean): number
  /** Runs a workload and everything that may befall it. @throws if something is wrong. */
  check(random: Random, tally: Tally, mutant?: Mutant<Rule>): Promise<void>
}

export function workloadSuite<Rule extends string = LogRule>({
  name,
  rules,
  mutantCases,
  noticedFrom,
  imagesAtLeast,
  check,
}: WorkloadSuite<Rule>): HeavySuite {
  const checkSeed = (seed: string, tally: Tally, mutant?: Mutant<Rule>): Promise<string | undefined> =>
    complaintOf(() => check(seededRandom(hash(seed)), tally, mutant))

  /** Takes a rule away and looks for a workload that notices. */
  async function checkMutant(rule: Rule, seed: string): Promise<string | undefined> {
    const planted: Planted<Rule> = {
      rules,
      run: (number, mutant) => checkSeed(`${seed}/${number}`, newTally(), mutant),
    }
    const { missed, applied } = await hunt(planted, rule, { first: 0, count: mutantCases })
    if (missed !== undefined) return undefined
    return `${name} without its rule "${rule}" passed ${mutantCases} workloads; the rule was taken away ${applied} times`
  }

  /** @returns What is wrong, if anything is. */
  async function runCase(caseName: string, tally: Tally, caught: Set<string>): Promise<string | undefined> {
    const [, seed = '', kind, what] = /^seed=(\d+) (workload|mutant)=(.+)$/.exec(caseName) ?? []
    if (kind === 'workload') return await checkSeed(`${seed}/${what}`, tally)
    const rule = rules.find((each) => each === what)
    if (kind !== 'mutant' || rule === undefined) return `no such case: ${caseName}`
    const complaint = await checkMutant(rule, seed)
    if (complaint === undefined) caught.add(rule)
    return complaint
  }

  return {
    name,

    atLeast: (soak) => ({ images: imagesAtLeast(soak), mutantsCaught: rules.length }),

    run(context) {
      const tally = newTally()
      const caught = new Set<string>()
      const beginning = (rule: Rule): number => (context.soak ? undefined : noticedFrom?.[rule]) ?? context.seed
      return runCases(context, {
        fixed: rules.map((rule) => `seed=${beginning(rule)} mutant=${rule}`),
        drawn: (number) => `seed=${context.seed} workload=${number}`,
        isShort: () => tally.images < imagesAtLeast(context.soak),
        counts: () => {
          const { byVariant, ...images } = tally
          return { ...images, mutantsCaught: caught.size, ...byVariant }
        },
        check: (caseName) => runCase(caseName, tally, caught),
      })
    },
  }
}

function newTally(): Tally {
  const byVariant = Object.fromEntries(CRASH_VARIANTS.map((variant) => [variant, 0])) as Record<CrashVariant, number>
  return { images: 0, compoundImages: 0, damaged: 0, byVariant }
}

/** A seed for each text. */
function hash(text: string): number {
  let value = 0
  for (const character of text) value = (Math.imul(value, 31) + character.charCodeAt(0)) >>> 0
  return value
}
