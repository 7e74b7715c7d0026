// Three processes of replicated-kv, whose leader and followers are killed and paused under load: what clients see stays
// linearizable. How long a failover takes is told, not judged.
import type { HeavyFailure, HeavySuite } from '../support/heavy.ts'
import { hurtRounds } from '../support/replicated-kv/hurt.ts'

const ROUNDS_A_CASE = 5

const suite: HeavySuite = {
  name: 'replicated-kv',

  atLeast: (soak) => ({ rounds: soak ? 50 : 5, failovers: 1 }),

  async run(context) {
    const wanted = context.soak ? 50 : 5
    const failures: HeavyFailure[] = []
    const times: number[] = []
    const counts = { rounds: 0, operations: 0, unknown: 0 }
    const attempt = async (caseName: string): Promise<void> => {
      context.begin(caseName)
      const seed = Number(/^seed=(\d+)$/.exec(caseName)?.[1])
      try {
        const { operations, unknown, failoversMs } = await hurtRounds(seed, ROUNDS_A_CASE)
        counts.rounds += ROUNDS_A_CASE
        counts.operations += operations
        counts.unknown += unknown
        times.push(...failoversMs)
      } catch (error) {
        failures.push({ caseName, message: error instanceof Error ? error.message : String(error) })
      }
    }
    if (context.only !== undefined) await attempt(context.only)
    else {
      for (const caseName of context.remembered) await attempt(caseName)
      const isShort = (): boolean => counts.rounds < wanted || times.length === 0
      for (let number = 0; failures.length < 3 && (context.hasTime() || isShort()); number++) {
        await attempt(`seed=${context.seed + number}`)
      }
    }
    const sorted = times.map(Math.round).sort((a, b) => a - b)
    const middle = sorted[sorted.length >> 1] ?? 0
    const longest = sorted.at(-1) ?? 0
    context.report(`${times.length} failovers: half within ${middle} ms, all within ${longest} ms`)
    return { cases: counts.rounds, counts: { ...counts, failovers: times.length, longestMs: longest }, failures }
  },
}

export default suite
