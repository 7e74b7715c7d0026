// A cache cluster under faults, in one thread, by seed; and without one of its rules at a time, which a told scenario or a seed must
// notice.
//
//   seed=7 ms=2000                    the cluster and its faults as drawn from that seed, for so long, and then rest
//   seed=7 moves ms=2000              the same without replicas, with keys, and with slots that are moved while clients use them
//   seed=7 without=majority elects    the scenario of that rule, or else the seeds from that one on
import type { Rule } from '../../ts/cache/cluster/mutant.ts'
import { missedByScenario, missedBySeeds, RULES } from '../support/cluster/mutants.ts'
import { explain, type RunOptions, runSeed } from '../support/cluster/run.ts'
import type { HeavyContext, HeavyFailure, HeavyResult, HeavySuite } from '../support/heavy.ts'

/** How long faults last in a run, in virtual time: many short ones find more than few long ones, and a soak has time for both. */
const VIRTUAL_MS = 2000
const SOAK_VIRTUAL_MS = 20_000
const MUTANT_VIRTUAL_MS = 4000
/** A mutant that lives through so many seeds is not caught. */
const MUTANT_SEEDS = 200
const ENOUGH_FAILURES = 5
/** Of so many seeds one moves slots. */
const MOVING_EVERY = 4

const suite: HeavySuite = {
  name: 'cache-cluster',
  atLeast: leastOf,
  run: (context) => Promise.resolve(new Run(context).all()),
}

export default suite

function leastOf(soak: boolean): Record<string, number> {
  // An idle core runs about 450 in a minute; on a busy machine the suite must still end in time.
  const seeds = soak ? 20_000 : 200
  return { seeds, promotions: seeds / 20, moves: seeds / 4, writes: 10 * seeds, mutantsCaught: RULES.length }
}

class Run {
  private readonly context: HeavyContext
  private readonly counts: Record<string, number> = { seeds: 0, events: 0, promotions: 0, mutantsCaught: 0 }
  private readonly failures: HeavyFailure[] = []
  private cases = 0

  constructor(context: HeavyContext) {
    this.context = context
  }

  all(): HeavyResult {
    const { only, remembered, seed, soak } = this.context
    if (only !== undefined) this.attempt(only)
    else {
      const first = seed * 1e6
      for (const name of new Set([...remembered, ...RULES.map((rule) => `seed=${first} without=${rule}`)])) {
        this.attempt(name)
      }
      const ms = soak ? SOAK_VIRTUAL_MS : VIRTUAL_MS
      for (let i = 0; this.goesOn(); i++) {
        this.attempt(`seed=${first + i}${i % MOVING_EVERY === 0 ? ' moves' : ''} ms=${ms}`)
      }
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
    const [, seed, moves, ms, rule] = /^seed=(\d+)( moves)?(?: ms=(\d+)| without=(.+))$/.exec(caseName) ?? []
    if (rule !== undefined) return this.checkMutant(rule as Rule, Number(seed))
    if (ms === undefined) return `no such case: ${caseName}`
    return this.checkSeed(Number(seed), { virtualMs: Number(ms), moves: moves !== undefined })
  }

  private checkSeed(seed: number, options: RunOptions): string | undefined {
    const result = runSeed(seed, options)
    this.add('seeds', 1)
    this.add('events', result.events)
    for (const [name, count] of Object.entries(result.moved)) this.add(name, count)
    this.add('virtualSeconds', Math.round(result.virtualMs / 1000))
    for (const name of ['promotions', 'handovers', 'failures'] as const) this.add(name, result[name])
    for (const [name, count] of Object.entries(result.faults)) this.add(name, count)
    return result.complaint === undefined ? undefined : explain(result, options)
  }

  private checkMutant(rule: Rule, first: number): string | undefined {
    const found =
      missedByScenario(rule) ?? missedBySeeds(rule, { first, count: MUTANT_SEEDS, virtualMs: MUTANT_VIRTUAL_MS })
    if (found === undefined) return `without its rule "${rule}" it passed its scenario, or ${MUTANT_SEEDS} seeds`
    this.add('mutantsCaught', 1)
    return undefined
  }

  private add(name: string, count: number): void {
    this.counts[name] = (this.counts[name] ?? 0) + count
  }
}
