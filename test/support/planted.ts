// Rules taken away on purpose, one at a time: a scenario, or else one of some seeds, must notice each.
import type { Mutant } from '../../ts/storage/mutant.ts'

/** Tells a story with all rules, or without one. @returns What went wrong; undefined if nothing did. It throws nothing. */
export type Scenario<Rule extends string> = (mutant?: Mutant<Rule>) => string | undefined

type Complaint = string | undefined

/** The rules of a system, and what must notice that one is missing. */
export interface Planted<Rule extends string> {
  readonly rules: readonly Rule[]
  /** For rules that need too much to come together for seeds to find it soon. They are told first. */
  readonly scenarios?: Readonly<Partial<Record<Rule, Scenario<Rule>>>>
  /**
   * Seeds that notice, for rules that others notice seldom: where a short run begins to look. Once a change has made one of them
   * blind, those behind it are looked through as ever, which takes longer and no more. The soak begins anywhere.
   */
  readonly noticedFrom?: Readonly<Partial<Record<Rule, number>>>
  /** Runs a seed without a rule. @returns What went wrong; undefined if nothing did. */
  run(seed: number, mutant: Mutant<Rule>): Complaint | Promise<Complaint>
  /** What a person needs to know of a seed that noticed. */
  explain?(seed: number, mutant: Mutant<Rule>): string
}

/** What has come of a rule that was taken away. */
export interface Hunt {
  /** What noticed, a seed or the scenario; undefined if nothing did. */
  readonly missed: { readonly seed: number | 'scenario'; readonly complaint: string } | undefined
  /** How often the rule would have mattered. */
  readonly applied: number
}

export interface Seeds {
  /** Default: one that is known to notice, else 1. */
  readonly first?: number
  readonly count: number
}

/**
 * Looks for a scenario or a seed that misses `rule`. Only what went wrong after the rule was asked for counts.
 *
 * @throws Error if something goes wrong that the rule has nothing to do with: then a rule that is there does not hold.
 */
export async function hunt<Rule extends string>(
  { scenarios, noticedFrom, run }: Planted<Rule>,
  rule: Rule,
  { first = noticedFrom?.[rule] ?? 1, count }: Seeds,
): Promise<Hunt> {
  let applied = 0
  const scenario = scenarios?.[rule]
  if (scenario !== undefined) {
    const wrong = scenario()
    if (wrong !== undefined) throw new Error(`the scenario of "${rule}" goes wrong with all rules: ${wrong}`)
    const mutant = newMutant(rule)
    const complaint = scenario(mutant)
    applied += mutant.applied
    if (complaint !== undefined && mutant.applied > 0) return { missed: { seed: 'scenario', complaint }, applied }
  }
  for (let seed = first; seed < first + count; seed++) {
    const mutant = newMutant(rule)
    const complaint = await run(seed, mutant)
    applied += mutant.applied
    if (complaint === undefined) continue
    if (mutant.applied === 0) throw new Error(`seed ${seed} fails, and its rule "${rule}" never mattered: ${complaint}`)
    return { missed: { seed, complaint }, applied }
  }
  return { missed: undefined, applied }
}

export function newMutant<Rule extends string>(rule: Rule): Mutant<Rule> {
  return { without: rule, applied: 0 }
}
