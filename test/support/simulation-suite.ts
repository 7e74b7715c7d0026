// What the suites of test/simulation are: clusters in one thread under faults, by seed, of which some run twice; and without one of
// their rules at a time, which a scenario or a seed must notice. A suite says only how a seed of its own runs.
//
//   seed=7                    all that is drawn from that seed
//   seed=7 moves ms=2000      the same, with words that mean something to the suite
//   seed=7 without=RULE       the scenario of that rule, or else the seeds from that one on; outside the soak one that is known to notice
import type { HeavyContext, HeavyResult, HeavySuite } from './heavy.ts'
import { runCases } from './heavy-cases.ts'
import { hunt, newMutant, type Planted } from './planted.ts'

/** What has come of a seed. */
export interface SeedRun {
  /** What was covered, by name; it is added up. `seeds` is counted without it. */
  readonly counts: Readonly<Record<string, number>>
  /** What was wrong; undefined if nothing was. */
  readonly complaint: string | undefined
  /** Of all that has happened: a second run must have the same. */
  readonly digest?: string
  /** What a person needs to know of a run that failed. `complaint` if absent. */
  explain?(): string
  /** Lines of what the seed had and what came of it, for a replay. */
  describe?(): readonly string[]
}

export interface SimulationSuite<Rule extends string> {
  /** The file's name without `.ts`. */
  readonly name: string
  /** The least that a run must cover; rules and repeated seeds are added to it. */
  leastOf(soak: boolean): Readonly<Record<string, number>> & { readonly seeds: number }
  /** Words that follow the seed in the name of the case that is drawn as the `number`th, from 0. None if absent. */
  wordsOf?(number: number, soak: boolean): string
  /** Runs a seed. @returns undefined if such words mean nothing. */
  run(seed: number, words: string): SeedRun | Promise<SeedRun> | undefined
  readonly planted: Planted<Rule>
  /** A mutant that lives through so many seeds is not caught. */
  readonly mutantSeeds: number
  /** Of so many seeds one runs twice. Never if absent. */
  readonly repeatedEvery?: number
}

/** Seeds of one run; those of the next begin behind them. */
const SEEDS_A_RUN = 1e6

export function simulationSuite<Rule extends string>(suite: SimulationSuite<Rule>): HeavySuite {
  return {
    name: suite.name,
    atLeast: (soak) => leastOf(suite, soak),
    run: (context) => new Run(suite, context).all(),
  }
}

function leastOf<Rule extends string>(suite: SimulationSuite<Rule>, soak: boolean): Record<string, number> {
  const least = suite.leastOf(soak)
  const { repeatedEvery } = suite
  return {
    ...least,
    mutantsCaught: suite.planted.rules.length,
    ...(repeatedEvery === undefined ? {} : { repeatedSeeds: Math.floor(least.seeds / repeatedEvery) }),
  }
}

class Run<Rule extends string> {
  private readonly suite: SimulationSuite<Rule>
  private readonly context: HeavyContext
  private readonly counts: Record<string, number>

  constructor(suite: SimulationSuite<Rule>, context: HeavyContext) {
    this.suite = suite
    this.context = context
    this.counts = Object.fromEntries(Object.keys(leastOf(suite, context.soak)).map((name) => [name, 0]))
  }

  all(): Promise<HeavyResult> {
    const { seed, soak } = this.context
    const { rules, noticedFrom } = this.suite.planted
    const first = seed * SEEDS_A_RUN
    const beginning = (rule: Rule): number => (soak ? undefined : noticedFrom?.[rule]) ?? first
    const { mutantsCaught: _, ...least } = leastOf(this.suite, soak)
    return runCases(this.context, {
      fixed: rules.map((rule) => `seed=${beginning(rule)} without=${rule}`),
      drawn: (number) => `seed=${first + number} ${this.suite.wordsOf?.(number, soak) ?? ''}`.trimEnd(),
      isShort: () => Object.entries(least).some(([name, count]) => (this.counts[name] ?? 0) < count),
      counts: () => this.counts,
      check: (caseName) => this.check(caseName),
    })
  }

  private check(caseName: string): Promise<string | undefined> {
    const [, seed, rule, words = ''] = /^seed=(\d+)(?: without=(.+)| (.+))?$/.exec(caseName) ?? []
    const known = this.suite.planted.rules.find((each) => each === rule)
    if (seed === undefined || known !== rule) return Promise.resolve(`no such case: ${caseName}`)
    return known === undefined ? this.checkSeed(Number(seed), words) : this.checkMutant(known, Number(seed))
  }

  private async checkSeed(seed: number, words: string): Promise<string | undefined> {
    const { suite, context } = this
    const result = await suite.run(seed, words)
    if (result === undefined) return `no such case: seed=${seed} ${words}`
    if (context.only !== undefined) for (const line of result.describe?.() ?? []) context.report(line)
    this.add('seeds', 1)
    for (const [name, count] of Object.entries(result.counts)) this.add(name, count)
    if (result.complaint !== undefined) return result.explain?.() ?? result.complaint
    if (suite.repeatedEvery === undefined || seed % suite.repeatedEvery !== 0) return undefined
    this.add('repeatedSeeds', 1)
    const again = await suite.run(seed, words)
    return again?.digest === result.digest
      ? undefined
      : `a second run of seed ${seed} has the hash ${again?.digest}, not ${result.digest}`
  }

  private async checkMutant(rule: Rule, first: number): Promise<string | undefined> {
    const { planted, mutantSeeds, name } = this.suite
    const { missed, applied } = await hunt(planted, rule, { first, count: mutantSeeds })
    if (missed === undefined) {
      return `${name} without its rule "${rule}" passed its scenario, or ${mutantSeeds} seeds; the rule was missing ${applied} times`
    }
    this.add('mutantsCaught', 1)
    const { seed, complaint } = missed
    if (this.context.only !== undefined) {
      this.context.report(
        (seed === 'scenario' ? undefined : planted.explain?.(seed, newMutant(rule))) ?? `${seed}: ${complaint}`,
      )
    }
    return undefined
  }

  private add(name: string, count: number): void {
    this.counts[name] = (this.counts[name] ?? 0) + count
  }
}
