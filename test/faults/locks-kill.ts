// A real lock service of three processes under load, whose members are killed, stopped and cut off: the histories of keys are
// linearizable, nothing that was acknowledged is lost, one client at a time holds the lock and tokens rise.
//
//   seed=7                                    rounds on one cluster, with the faults that the seed draws
//   seed=7 without=reads are linearizable     the same with clients that lie: the checkers must find that out
import type { HeavyContext, HeavyResult, HeavySuite } from '../support/heavy.ts'
import { runCases } from '../support/heavy-cases.ts'
import { PLANTED } from '../support/locks-kill/clients.ts'
import { runRounds } from '../support/locks-kill/rounds.ts'

const ROUNDS_A_CASE = 5
/** A lie that lives through so many rounds is not found out. */
const PLANTED_ROUNDS = 20

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
  readonly #counts: Record<string, number> = { rounds: 0, operations: 0, acquisitions: 0, plantedFound: 0 }
  readonly #failoversMs: number[] = []

  constructor(context: HeavyContext) {
    this.#context = context
  }

  async all(): Promise<HeavyResult> {
    const { seed, soak } = this.#context
    const result = await runCases(this.#context, {
      fixed: PLANTED.map((each) => `seed=${seed} without=${each}`),
      drawn: (number) => `seed=${seed + number}`,
      isShort: () => (this.#counts['rounds'] ?? 0) < roundsOf(soak),
      counts: () => this.#counts,
      check: (caseName) => this.#check(caseName),
    })
    this.#report()
    return result
  }

  async #check(caseName: string): Promise<string | undefined> {
    const [, seed, named] = /^seed=(\d+)(?: without=(.+))?$/.exec(caseName) ?? []
    const planted = PLANTED.find((each) => each === named)
    if (seed === undefined || planted !== named) return `no such case: ${caseName}`
    const found = await runRounds(Number(seed), planted === undefined ? ROUNDS_A_CASE : PLANTED_ROUNDS, planted)
    if (planted !== undefined) {
      if (found.complaint === undefined) return `nobody has noticed in ${PLANTED_ROUNDS} rounds`
      this.#count('plantedFound', 1)
      return undefined
    }
    const { rounds, operations, acquisitions, faults, failoversMs, complaint } = found
    this.#failoversMs.push(...failoversMs)
    for (const [name, count] of Object.entries({ rounds, operations, acquisitions, ...faults }))
      this.#count(name, count)
    return complaint
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
