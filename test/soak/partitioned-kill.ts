// Four real nodes of the partitioned store, killed and stopped under load in turn: no acknowledged write is lost, in 50 rounds and more.
import type { HeavyFailure, HeavySuite } from '../support/heavy.ts'
import { killRounds } from '../support/ring-store/kill-rounds.ts'

const ROUNDS_A_CASE = 10

const suite: HeavySuite = {
  name: 'partitioned-kill',

  atLeast: () => ({ rounds: 50 }),

  async run(context) {
    const failures: HeavyFailure[] = []
    let rounds = 0
    let acknowledged = 0
    const attempt = async (caseName: string): Promise<void> => {
      context.begin(caseName)
      const seed = Number(/^seed=(\d+)$/.exec(caseName)?.[1])
      try {
        acknowledged += await killRounds(seed, ROUNDS_A_CASE)
        rounds += ROUNDS_A_CASE
      } catch (error) {
        failures.push({ caseName, message: error instanceof Error ? error.message : String(error) })
      }
    }
    if (context.only !== undefined) await attempt(context.only)
    else {
      for (const caseName of context.remembered) await attempt(caseName)
      for (let number = 0; failures.length < 3 && (context.hasTime() || rounds < 50); number++) {
        await attempt(`seed=${context.seed + number}`)
      }
    }
    return { cases: rounds, counts: { rounds, acknowledged }, failures }
  },
}

export default suite
