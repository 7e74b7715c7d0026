// Bytes that nobody wrote, for everything that reads from disk and from other nodes: test/support/fuzz. Runs as far as the time goes.
//
//   target=page seed=17    one case

import { makeSample, type Sample } from '../support/fuzz/sample.ts'
import { fuzzOnce, TARGET_NAMES, type TargetName } from '../support/fuzz/targets.ts'
import type { HeavyContext, HeavyFailure, HeavyResult, HeavySuite } from '../support/heavy.ts'

/** Cases of each target in a row. */
const CASES_A_ROUND = 20
/** Of those that go through a whole LSM store, or a cluster, which takes as long as a hundred of the others. */
const SLOW_CASES_A_ROUND = 2
const ENOUGH_FAILURES = 10

const suite: HeavySuite = {
  name: 'fuzz',
  atLeast: leastOf,

  async run(context) {
    const sample = await makeSample()
    const counts = Object.fromEntries(TARGET_NAMES.map((name) => [name, 0]))
    const failures: HeavyFailure[] = []
    const attempt = async (caseName: string): Promise<void> => {
      context.begin(caseName, resultOf(counts, failures))
      const message = await runCase(caseName, sample, counts)
      if (message !== undefined) failures.push({ caseName, message })
    }
    for (const name of context.only === undefined ? context.remembered : [context.only]) await attempt(name)
    for (let round = 0; context.only === undefined && goesOn(context, counts, failures); round++) {
      for (const name of TARGET_NAMES) {
        const count = casesARound(name)
        for (let i = 0; i < count; i++) {
          await attempt(`target=${name} seed=${(context.seed % 2 ** 32) * 1e6 + round * count + i}`)
        }
      }
    }
    return resultOf(counts, failures)
  },
}

export default suite

function leastOf(soak: boolean): Record<string, number> {
  const rounds = soak ? 1000 : 50
  return Object.fromEntries(TARGET_NAMES.map((name) => [name, rounds * casesARound(name)]))
}

function casesARound(name: TargetName): number {
  return /^(lsm store|ring node) /.test(name) ? SLOW_CASES_A_ROUND : CASES_A_ROUND
}

function goesOn(context: HeavyContext, counts: Record<string, number>, failures: HeavyFailure[]): boolean {
  if (failures.length >= ENOUGH_FAILURES) return false
  return context.hasTime() || TARGET_NAMES.some((name) => (counts[name] ?? 0) < (leastOf(context.soak)[name] ?? 0))
}

function resultOf(counts: Record<string, number>, failures: HeavyFailure[]): HeavyResult {
  return { cases: Object.values(counts).reduce((a, b) => a + b, 0), counts, failures }
}

/** @returns What is wrong, if anything is. */
async function runCase(caseName: string, sample: Sample, counts: Record<string, number>): Promise<string | undefined> {
  const [, name, seed] = /^target=(.+) seed=(\d+)$/.exec(caseName) ?? []
  if (name === undefined || counts[name] === undefined) return `no such case: ${caseName}`
  counts[name]++
  try {
    await fuzzOnce(name as TargetName, sample, Number(seed))
    return undefined
  } catch (error) {
    return (error as Error).stack ?? String(error)
  }
}
