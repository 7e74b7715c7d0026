// A real lock service of three processes under load, whose members are killed, stopped and cut off: the histories of keys are
// linearizable, nothing that was acknowledged is lost, one client at a time holds the lock and tokens rise.
//
//   seed=7                                    rounds on one cluster, with the faults that the seed draws
//   seed=7 without=reads are linearizable     the same with clients that lie: the checkers must find that out
import type { HeavyContext, HeavyFailure, HeavyResult, HeavySuite } from '../support/heavy.ts'
import type { Planted } from '../support/locks-kill/clients.ts'
import { type Figures, runRounds } from '../support/locks-kill/rounds.ts'

const PLANTED: readonly Planted[] = ['reads are linearizable', 'what was acknowledged is kept']
const ROUNDS_A_CASE = 5
/** A lie that lives through so many rounds is not found out. */
const PLANTED_ROUNDS = 20
const ENOUGH_FAILURES = 3

const suite: HeavySuite = {
  name: 'locks-kill',

  atLeast: (soak) => ({ rounds: roundsOf(soak), plantedFound: PLANTED.length }),

  run: (context) => new Run(context).all(),
}

export default suite

function roundsOf(soak: boolean): number {
  return soak ? 50 : ROUNDS_A_CASE
}

class Run {
  readonly #context: HeavyContext
  readonly #failures: HeavyFailure[] = []
  readonly #counts: Record<string, number> = { rounds: 0, operations: 0, acquisitions: 0, plantedFound: 0 }
  readonly #failoversMs: number[] = []
  #cases = 0

  constructor(context: HeavyContext) {
    this.#context = context
  }

  async all(): Promise<HeavyResult> {
    const { only, remembered, seed, soak } = this.#context
    if (only !== undefined) await this.#attempt(only)
    else {
      const planted = PLANTED.map((each) => `seed=${seed} without=${each}`)
      for (const name of new Set([...remembered, ...planted])) await this.#attempt(name)
      const isDue = (): boolean => this.#context.hasTime() || (this.#counts['rounds'] ?? 0) < roundsOf(soak)
      for (let i = 0; this.#failures.length < ENOUGH_FAILURES && isDue(); i++) await this.#attempt(`seed=${seed + i}`)
    }
    this.#report()
    return { cases: this.#cases, counts: this.#counts, failures: this.#failures }
  }

  async #attempt(caseName: string): Promise<void> {
    this.#context.begin(caseName)
    this.#cases++
    const [, seed, planted] = /^seed=(\d+)(?: without=(.+))?$/.exec(caseName) ?? []
    try {
      if (planted === undefined) this.#add(await runRounds(Number(seed), ROUNDS_A_CASE))
      else await this.#findOut(Number(seed), planted as Planted)
    } catch (error) {
      this.#failures.push({ caseName, message: error instanceof Error ? error.message : String(error) })
    }
  }

  async #findOut(seed: number, planted: Planted): Promise<void> {
    const found = await runRounds(seed, PLANTED_ROUNDS, planted).then(
      () => undefined,
      (error: unknown) => String(error),
    )
    if (!found?.includes('not linearizable')) throw new Error(found ?? `nobody has noticed in ${PLANTED_ROUNDS} rounds`)
    this.#count('plantedFound', 1)
  }

  #add({ rounds, operations, acquisitions, faults, failoversMs }: Figures): void {
    this.#failoversMs.push(...failoversMs)
    for (const [name, count] of Object.entries({ rounds, operations, acquisitions, ...faults }))
      this.#count(name, count)
  }

  #count(name: string, count: number): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + count
  }

  #report(): void {
    const sorted = this.#failoversMs.sort((a, b) => a - b).map(Math.round)
    const at = (part: number): number | undefined =>
      sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]
    this.#context.report(
      `${sorted.length} leaders were hurt; writes went on after p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, at most ${at(1)} ms`,
    )
  }
}
