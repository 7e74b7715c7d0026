// Three processes of replicated-kv, whose leader and followers are killed and paused under load: what clients see stays
// linearizable. How long a failover takes is told, not judged.
import type { HeavySuite } from '../support/heavy.ts'
import { runCases } from '../support/heavy-cases.ts'
import { hurtRounds } from '../support/replicated-kv/hurt.ts'

const ROUNDS_A_CASE = 5

const suite: HeavySuite = {
  name: 'replicated-kv',

  atLeast: leastOf,

  async run(context) {
    const { rounds, failovers } = leastOf(context.soak)
    const failoversMs: number[] = []
    const counts = { rounds: 0, operations: 0, unknown: 0, failovers: 0, longestMs: 0 }
    const result = await runCases(context, {
      fixed: [],
      drawn: (number) => `seed=${context.seed + number}`,
      isShort: () => counts.rounds < rounds || counts.failovers < failovers,
      counts: () => counts,
      async check(caseName) {
        const seed = /^seed=(\d+)$/.exec(caseName)?.[1]
        if (seed === undefined) return `no such case: ${caseName}`
        const found = await hurtRounds(Number(seed), ROUNDS_A_CASE)
        failoversMs.push(...found.failoversMs.map(Math.round))
        counts.rounds += ROUNDS_A_CASE
        counts.operations += found.operations
        counts.unknown += found.unknown
        counts.failovers = failoversMs.length
        counts.longestMs = Math.max(0, ...failoversMs)
        return undefined
      },
    })
    const middle = failoversMs.sort((a, b) => a - b)[failoversMs.length >> 1] ?? 0
    context.report(`${counts.failovers} failovers: half within ${middle} ms, all within ${counts.longestMs} ms`)
    return result
  },
}

export default suite

function leastOf(soak: boolean): { rounds: number; failovers: number } {
  return { rounds: soak ? 50 : 5, failovers: 1 }
}
