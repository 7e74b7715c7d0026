// Raft under faults, in one thread, by seed; and without one of its rules at a time, which a told scenario or a seed must notice.
//
//   seed=7             the cluster, its clients and its faults as drawn from that seed, 20,000 events and then rest
//   seed=7 without=votes are persisted    the scenario of that rule, or else short runs of the seeds from that one on
import type { Rule } from '../../ts/distributed/raft/mutant.ts'
import type { HeavyContext, HeavyFailure, HeavyResult, HeavySuite } from '../support/heavy.ts'
import { missedByScenario, missedBySeeds, RULES } from '../support/raft/mutants.ts'
import { describeRun, explain, runSeed } from '../support/raft/run.ts'

const EVENTS = 20_000
const MUTANT_EVENTS = 4000
/** A mutant that lives through so many seeds is not caught. */
const MUTANT_SEEDS = 200
const ENOUGH_FAILURES = 5
/** Of so many seeds one runs twice, and must do the same. */
const REPEATED_EVERY = 50

const suite: HeavySuite = {
  name: 'raft',
  atLeast: leastOf,
  run: (context) => Promise.resolve(new Run(context).all()),
}

export default suite

function leastOf(soak: boolean): Record<string, number> {
  const seeds = soak ? 20_000 : 500
  return {
    ...{ seeds, events: seeds * EVENTS, operations: seeds * 300, mutantsCaught: RULES.length },
    ...{ crashes: seeds, pause: seeds, stall: seeds, full: seeds, drift: seeds, damagedDisks: seeds / 10 },
    repeatedSeeds: seeds / REPEATED_EVERY,
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
    if (rule === undefined) return this.checkSeed(Number(seed))
    return this.checkMutant(rule as Rule, Number(seed))
  }

  private checkSeed(seed: number): string | undefined {
    const result = runSeed(seed, { events: EVENTS })
    if (this.context.only !== undefined) for (const line of describeRun(result)) this.context.report(line)
    this.add('seeds', 1)
    this.add('events', result.events)
    this.add('virtualSeconds', Math.round(result.virtualMs / 1000))
    this.add('operations', result.operations)
    this.add('elections', result.elections)
    this.add('membershipChanges', result.changes)
    this.add('uncheckedHistories', result.isHistoryChecked ? 0 : 1)
    for (const [name, count] of Object.entries(result.faults)) {
      const isDamage = name === 'rot' || name === 'wipe'
      this.add(isDamage ? 'damagedDisks' : name === 'crash' ? 'crashes' : name, count)
    }
    if (result.complaint !== undefined) return explain(result, { events: EVENTS })
    if (seed % REPEATED_EVERY !== 0) return undefined
    this.add('repeatedSeeds', 1)
    const { digest } = runSeed(seed, { events: EVENTS })
    return digest === result.digest
      ? undefined
      : `a second run of seed ${seed} has the hash ${digest}, not ${result.digest}`
  }

  private checkMutant(rule: Rule, first: number): string | undefined {
    const seeds = { first, count: MUTANT_SEEDS, events: MUTANT_EVENTS, explains: this.context.only !== undefined }
    const found = missedByScenario(rule) ?? missedBySeeds(rule, seeds)
    if (found === undefined) return `Raft without its rule "${rule}" passed its scenario, or ${MUTANT_SEEDS} seeds`
    if (this.context.only !== undefined) this.context.report(found.complaint)
    this.add('mutantsCaught', 1)
    return undefined
  }

  private add(name: string, count: number): void {
    this.counts[name] = (this.counts[name] ?? 0) + count
  }
}
