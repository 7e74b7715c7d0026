// A replicated lock service under faults, in one thread, by seed; and without one of its rules at a time, which a told scenario or a
// seed must notice.
//
//   seed=7 ms=15000                      the cluster, its clients and its faults as drawn from that seed, for so long, and then rest
//   seed=7 without=executed once         the scenario of that rule, or else the seeds from that one on
import type { Rule } from '../../ts/distributed/locks/mutant.ts'
import type { HeavyContext, HeavyFailure, HeavyResult, HeavySuite } from '../support/heavy.ts'
import { missedByScenario, missedBySeeds, RULES } from '../support/locks-raft/mutants.ts'
import { explain, type RunOptions, runSeed } from '../support/locks-raft/run.ts'

/** How long faults last in a run, in virtual time. */
const VIRTUAL_MS = 15_000
/** A mutant that lives through so many seeds is not caught. */
const MUTANT_SEEDS = 400
const ENOUGH_FAILURES = 5
/** Of so many seeds one runs twice, and must do the same. */
const REPEATED_EVERY = 50

const suite: HeavySuite = {
  name: 'locks',
  atLeast: leastOf,
  run: (context) => Promise.resolve(new Run(context).all()),
}

export default suite

function leastOf(soak: boolean): Record<string, number> {
  // An idle core runs about 500 in a minute.
  const seeds = soak ? 10_000 : 200
  return {
    ...{ seeds, acquisitions: seeds, losses: seeds / 10, restores: seeds / 10, repeatedSeeds: seeds / REPEATED_EVERY },
    mutantsCaught: RULES.length,
  }
}

class Run {
  private readonly context: HeavyContext
  private readonly counts: Record<string, number> = Object.fromEntries(
    Object.keys(leastOf(false)).map((name) => [name, 0]),
  )
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
      for (const name of new Set([...remembered, ...RULES.map((rule) => `seed=${first} without=${rule}`)])) {
        this.attempt(name)
      }
      for (let i = 0; this.goesOn(); i++) this.attempt(`seed=${first + i} ms=${VIRTUAL_MS}`)
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
    const [, seed, ms, rule] = /^seed=(\d+)(?: ms=(\d+)| without=(.+))$/.exec(caseName) ?? []
    if (rule !== undefined) return this.checkMutant(rule as Rule, Number(seed))
    if (ms === undefined) return `no such case: ${caseName}`
    return this.checkSeed(Number(seed), { virtualMs: Number(ms) })
  }

  private checkSeed(seed: number, options: RunOptions): string | undefined {
    const result = runSeed(seed, options)
    this.add('seeds', 1)
    this.add('virtualSeconds', Math.round(result.virtualMs / 1000))
    this.add('uncheckedHistories', result.isHistoryChecked ? 0 : 1)
    for (const name of ['events', 'operations', 'terms', 'acquisitions', 'losses', 'restores'] as const) {
      this.add(name, result[name])
    }
    for (const [name, count] of Object.entries(result.strikes)) this.add(name, count)
    if (result.complaint !== undefined) return explain(result, options)
    if (seed % REPEATED_EVERY !== 0) return undefined
    this.add('repeatedSeeds', 1)
    const { digest } = runSeed(seed, options)
    return digest === result.digest
      ? undefined
      : `a second run of seed ${seed} has the hash ${digest}, not ${result.digest}`
  }

  private checkMutant(rule: Rule, first: number): string | undefined {
    const found = missedByScenario(rule) ?? missedBySeeds(rule, { first, count: MUTANT_SEEDS, virtualMs: VIRTUAL_MS })
    if (found === undefined) return `without its rule "${rule}" it passed its scenario, or ${MUTANT_SEEDS} seeds`
    if (this.context.only !== undefined) this.context.report(typeof found === 'string' ? found : found.complaint)
    this.add('mutantsCaught', 1)
    return undefined
  }

  private add(name: string, count: number): void {
    this.counts[name] = (this.counts[name] ?? 0) + count
  }
}
