// Servers of the cache that replicate from one another, cut off from each other at any byte, by seed; and without one of their rules
// at a time, which one of some seeds must notice.
//
//   seed=7                              the servers, changes and cuts as drawn from that seed
//   seed=7 without=whole transactions   the seeds from that one on, until one notices
import type { Mutant, Rule } from '../../ts/cache/replication/mutant.ts'
import type { HeavyContext, HeavyFailure, HeavyResult, HeavySuite } from '../support/heavy.ts'
import { runReplication } from '../support/replication-run.ts'

const RULES: readonly Rule[] = ['whole transactions', 'old ids end']
/** A mutant that lives through so many seeds is not caught. */
const MUTANT_SEEDS = 40
const ENOUGH_FAILURES = 5

const suite: HeavySuite = { name: 'cache-replication', atLeast: leastOf, run }

export default suite

function leastOf(soak: boolean): Record<string, number> {
  return { seeds: soak ? 500 : 15, partialSyncs: soak ? 1000 : 20, mutantsCaught: RULES.length }
}

async function run({ only, remembered, seed, soak, begin, hasTime }: HeavyContext): Promise<HeavyResult> {
  const counts = { seeds: 0, partialSyncs: 0, fullSyncs: 0, mutantsCaught: 0 }
  const failures: HeavyFailure[] = []
  let cases = 0
  const attempt = async (caseName: string): Promise<void> => {
    begin(caseName)
    cases++
    const message = await complaintOf(caseName, counts)
    if (message !== undefined) failures.push({ caseName, message })
  }
  const first = seed * 1000
  const named = [...remembered, ...RULES.map((rule) => `seed=${first} without=${rule}`)]
  for (const name of only === undefined ? new Set(named) : [only]) await attempt(name)
  const { seeds: least = 0 } = leastOf(soak)
  for (let i = 0; only === undefined && (hasTime() || counts.seeds < least); i++) {
    if (failures.length >= ENOUGH_FAILURES) break
    await attempt(`seed=${first + i}`)
  }
  return { cases, counts, failures }
}

async function complaintOf(
  caseName: string,
  counts: Record<'seeds' | 'partialSyncs' | 'fullSyncs' | 'mutantsCaught', number>,
): Promise<string | undefined> {
  const [, seed, rule] = /^seed=(\d+)(?: without=(.+))?$/.exec(caseName) ?? []
  if (seed === undefined) return `no such case: ${caseName}`
  if (rule !== undefined) {
    for (let i = 0; i < MUTANT_SEEDS; i++) {
      const mutant: Mutant = { without: rule as Rule, applied: 0 }
      const found = await runReplication(Number(seed) + i, mutant).catch((error: unknown) => ({
        complaint: String(error),
      }))
      if (found.complaint === undefined) continue
      counts.mutantsCaught++
      return undefined
    }
    return `without its rule "${rule}" ${MUTANT_SEEDS} seeds passed`
  }
  const { complaint, partialSyncs, fullSyncs } = await runReplication(Number(seed))
  counts.seeds++
  counts.partialSyncs += partialSyncs
  counts.fullSyncs += fullSyncs
  return complaint
}
