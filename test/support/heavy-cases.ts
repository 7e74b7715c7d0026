// How a heavy suite goes through its cases: one that is replayed, or those that failed before, those that every run has, and others
// while there is time.
import { complaintOf } from './errors.ts'
import type { HeavyContext, HeavyFailure, HeavyResult } from './heavy.ts'

/** A suite that fails so often has one cause or two, and the rest of its time is better spent on them. */
const ENOUGH_FAILURES = 5

export interface Cases {
  /** Names of cases that are part of every run. */
  readonly fixed: readonly string[]
  /** The name of the case that is drawn as the `number`th, from 0. */
  drawn(number: number): string
  /** True if the run has covered less than it must. */
  isShort(): boolean
  /** What has been covered, by name. */
  counts(): Readonly<Record<string, number>>
  /** Runs a case. @returns What is wrong, if anything is. @throws Error if something is wrong. */
  check(caseName: string): Promise<string | undefined>
}

export async function runCases(
  context: HeavyContext,
  { fixed, drawn, isShort, counts, check }: Cases,
): Promise<HeavyResult> {
  const failures: HeavyFailure[] = []
  let cases = 0
  const soFar = (): HeavyResult => ({ cases, counts: counts(), failures })
  const attempt = async (caseName: string): Promise<void> => {
    context.begin(caseName, soFar())
    cases++
    let message: string | undefined
    const thrown = await complaintOf(async () => {
      message = await check(caseName)
    })
    message ??= thrown
    if (message !== undefined) failures.push({ caseName, message })
  }
  const { only, remembered } = context
  if (only !== undefined) await attempt(only)
  else {
    for (const caseName of new Set([...remembered, ...fixed])) await attempt(caseName)
    for (let number = 0; failures.length < ENOUGH_FAILURES && (isShort() || context.hasTime()); number++) {
      await attempt(drawn(number))
    }
  }
  return soFar()
}
