// Proof that the crash suites can fail: an engine runs with one of its rules taken away, and its suite has to notice.
// Each engine lists its rules in a `mutant.ts` of its own. Nothing here can be reached from the public interfaces.

/** An engine with one rule taken away. An engine without a mutant pays one comparison with `undefined` a rule. */
export interface Mutant<Rule extends string> {
  /** The rule that is missing. */
  readonly without: Rule
  /** How often that mattered: 0 means that the test proved nothing. */
  applied: number
}

/** Says whether `rule` has been taken away, and counts. Ask last, where the answer decides. */
export function lacks<Rule extends string>(mutant: Mutant<Rule> | undefined, rule: Rule): boolean {
  if (mutant === undefined || mutant.without !== rule) return false
  mutant.applied++
  return true
}
