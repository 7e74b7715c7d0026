// The partitioned store under faults, in one thread, by seed; and without one of its rules at a time, which a seed must notice.
//
//   seed=7                          the cluster, its clients and its faults as drawn from that seed, 10,000 events and then rest
//   seed=7 without=replicas merge   short runs of the seeds from that one on, without that rule
import type { Rule } from '../../ts/distributed/ring/store/mutant.ts'
import type { HeavyContext, HeavyFailure, HeavyResult, HeavySuite } from '../support/heavy.ts'
import { explain, missedBySeeds, runSeed, SEEDED_RULES } from '../support/ring-store/run.ts'

const EVENTS = 10_000
const MUTANT_EVENTS = 3000
/** A mutant that lives through so many seeds is not caught. */
const MUTANT_SEEDS = 400
const ENOUGH_FAILURES = 5
/** Of so many seeds one runs twice, and must do the same. */
const REPEATED_EVERY = 50

const suite: HeavySuite = {
  name: 'ring',
  atLeast: leastOf,
  run: (context) => Promise.resolve(new Run(context).all()),
}

export default suite

function leastOf(soak: boolean): Record<string, number> {
  const seeds = soak ? 20_000 : 200
  return { seeds, completed: seeds * 20, mutantsCaught: SEEDED_RULES.length, repeatedSeeds: seeds / REPEATED_EVERY }
}

class Run {
  private readonly context: HeavyContext
  private readonly counts: Record<string, number> = {
    ...{ seeds: 0, events: 0, completed: 0 },
    ...{ mutantsCaught: 0, repeatedSeeds: 0 },
  }
  private readonly failures: HeavyFailure[] = []
  private cases = 0

  constructor(context: HeavyContext) {
    this.context = context
  }

  all(): HeavyResult {
    const { only, remembered, seed } = this.context
    if (only !== undefined) this.attempt(only)
    else {
      const first = seed * 1e6
      const planted = SEEDED_RULES.map((rule) => `seed=${first} without=${rule}`)
      for (const name of new Set([...remembered, ...planted])) this.attempt(name)
      for (let i = 0; this.goesOn(); i++) this.attempt(`seed=${first + i}`)
    }
    return { cases: this.cases, counts: this.counts, failures: this.failures }
  }

  private goesOn(): boolean {
    if (this.failures.length >= ENOUGH_FAILURES) return false
    const { mutantsCaught: _, ...least } = leastOf(this.context.soak)
    return this.context.hasTime() || Object.entries(least).some(([name, count]) => (this.counts[name] ?? 0) < count)
  }

  private attempt(caseName: string): void {
    this.context.begin(caseName)
    this.cases++
    const message = this.complaint(caseName)
    if (message !== undefined) this.failures.push({ caseName, message })
  }

  /** @returns What is wrong, if anything is. */
  private complaint(caseName: string): string | undefined {
    const [, seed, rule] = /^seed=(\d+)(?: without=(.+))?$/.exec(caseName) ?? []
    if (seed === undefined) return `no such case: ${caseName}`
    return rule === undefined ? this.checkSeed(Number(seed)) : this.checkMutant(rule as Rule, Number(seed))
  }

  private checkSeed(seed: number): string | undefined {
    const options = { events: EVENTS }
    const result = runSeed(seed, options)
    this.add('seeds', 1)
    this.add('events', result.events)
    this.add('completed', result.completed)
    for (const [name, count] of Object.entries(result.faults)) this.add(name, count)
    if (result.complaint !== undefined) return explain(result, options)
    if (seed % REPEATED_EVERY !== 0) return undefined
    this.add('repeatedSeeds', 1)
    const { digest } = runSeed(seed, options)
    return digest === result.digest ? undefined : `a second run has the hash ${digest}, not ${result.digest}`
  }

  private checkMutant(rule: Rule, first: number): string | undefined {
    const found = missedBySeeds(rule, { first, count: MUTANT_SEEDS, events: MUTANT_EVENTS })
    if (found === undefined) return `the store without its rule "${rule}" passed ${MUTANT_SEEDS} seeds`
    this.add('mutantsCaught', 1)
    return undefined
  }

  private add(name: string, count: number): void {
    this.counts[name] = (this.counts[name] ?? 0) + count
  }
}
