// What the soak's suites of killed servers are: a case is some rounds on one directory or cluster.
import type { HeavySuite } from './heavy.ts'
import { runCases } from './heavy-cases.ts'

const ROUNDS_A_CASE = 10
const ROUNDS_AT_LEAST = 50

/** @param killRounds - Runs so many rounds. @returns Writes that were acknowledged. @throws if one of them is lost */
export function killSuite(name: string, killRounds: (seed: number, rounds: number) => Promise<number>): HeavySuite {
  return {
    name,

    atLeast: () => ({ rounds: ROUNDS_AT_LEAST }),

    run(context) {
      const counts = { rounds: 0, acknowledged: 0 }
      return runCases(context, {
        fixed: [],
        drawn: (number) => `seed=${context.seed + number}`,
        isShort: () => counts.rounds < ROUNDS_AT_LEAST,
        counts: () => counts,
        async check(caseName) {
          const seed = /^seed=(\d+)$/.exec(caseName)?.[1]
          if (seed === undefined) return `no such case: ${caseName}`
          counts.acknowledged += await killRounds(Number(seed), ROUNDS_A_CASE)
          counts.rounds += ROUNDS_A_CASE
          return undefined
        },
      })
    },
  }
}
