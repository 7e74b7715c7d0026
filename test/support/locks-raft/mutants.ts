// Every rule of the replicated lock service, taken away alone, must be missed: by a scenario, or by some seed of the swarm.
import { AUTH_ACTION } from '../../../ts/distributed/locks/auth/command.ts'
import { isRefusal } from '../../../ts/distributed/locks/errors.ts'
import { endOf, LeaseClock } from '../../../ts/distributed/locks/lease-clock.ts'
import type { Mutant, Rule } from '../../../ts/distributed/locks/mutant.ts'
import { MemoryBackend } from '../../../ts/distributed/locks/mvcc/backend.ts'
import { LocksState } from '../../../ts/distributed/locks/state.ts'
import { put } from '../locks-state.ts'
import { runSeed } from './run.ts'

/** All rules; the compiler sees that none is left out. */
const IS_RULE: Readonly<Record<Rule, true>> = {
  'expiry is of its term': true,
  'full time after elections': true,
  'applied with the state': true,
  'executed once': true,
  'watches outlive snapshots': true,
  'permissions as of now': true,
  'reads ask the leader': true,
}
export const RULES = Object.keys(IS_RULE) as readonly Rule[]

type Scenario = (mutant?: Mutant) => 'safe' | 'unsafe'

/** What needs too much to come together for seeds to find it soon. */
const SCENARIOS: Readonly<Partial<Record<Rule, Scenario>>> = {
  'permissions as of now': oldPermission,
  'expiry is of its term': lateExpiry,
  'full time after elections': comeback,
}

/** Tells the scenario of a rule, if it has one. @returns What went wrong without it; undefined if nothing did. */
export function missedByScenario(rule: Rule): string | undefined {
  const scenario = SCENARIOS[rule]
  if (scenario === undefined || scenario() !== 'safe') return undefined
  const mutant = { without: rule, applied: 0 }
  return scenario(mutant) === 'unsafe' && mutant.applied > 0 ? `what ${scenario.name} tells of` : undefined
}

function stateWith(mutant: Mutant | undefined): LocksState {
  return new LocksState({ backend: new MemoryBackend(), maxTxnOps: 128, quotaBytes: 1e9, mutant })
}

/**
 * A leader decides to end a lease, is replaced, and hands the command on to its heir, which has kept the lease alive since. Told that
 * it was refused, it leads again: the lease has its whole time once more, there too.
 */
function lateExpiry(mutant?: Mutant): 'safe' | 'unsafe' {
  const state = stateWith(mutant)
  const [older, newer] = [new LeaseClock(mutant), new LeaseClock(mutant)]
  state.apply({ grant: { id: 1n, ttlSeconds: 10 } }, 1)
  older.lead(1, state.leases.all(), 0)
  newer.lead(2, state.leases.all(), 9000)
  newer.renew({ id: 1n, ttlSeconds: 10 }, 10_000)
  for (const ending of older.takeExpired(state, 10_000)) {
    try {
      state.apply(endOf(ending), 2)
    } catch (error) {
      if (!isRefusal(error, 'notLeader')) throw error
    }
    older.lead(3, state.leases.all(), 11_000)
    older.retry(ending, 11_000)
  }
  return state.leases.get(1n) === undefined || older.takeExpired(state, 20_000).length > 0 ? 'unsafe' : 'safe'
}

/** A leader is replaced and comes back; meanwhile another one has kept the lease alive. */
function comeback(mutant?: Mutant): 'safe' | 'unsafe' {
  const state = stateWith(mutant)
  state.apply({ grant: { id: 1n, ttlSeconds: 10 } }, 1)
  const clock = new LeaseClock(mutant)
  clock.lead(1, state.leases.all(), 0)
  clock.follow({ role: 'follower', term: 2 }, state.leases.all(), 8000)
  clock.lead(3, state.leases.all(), 9000) // in term 2, at 8,900, somebody else has kept it alive
  return clock.takeExpired(state, 10_500).length === 0 ? 'safe' : 'unsafe'
}

/** Somebody is let through, a permission goes, and then the command comes. */
function oldPermission(mutant?: Mutant): 'safe' | 'unsafe' {
  const state = stateWith(mutant)
  const change = (action: number, role = '', password = new Uint8Array(0)): void => {
    const auth = { action, role, user: 'root', permission: undefined, noPassword: false, passwordHash: password }
    state.apply({ auth })
  }
  change(AUTH_ACTION.addUser)
  change(AUTH_ACTION.addRole, 'root')
  change(AUTH_ACTION.grantRole, 'root')
  change(AUTH_ACTION.enable)
  const authRevision = state.users.revision
  change(AUTH_ACTION.addRole, 'another')
  try {
    state.apply({ ...put('a', '1'), authRevision })
    return 'unsafe'
  } catch (error) {
    if (!isRefusal(error, 'oldAuthRevision')) throw error
    return 'safe'
  }
}

/** Looks for a seed that misses a rule. @returns What went wrong, with how many seeds; undefined if nothing did. */
export function missedBySeeds(
  rule: Rule,
  { first, count, virtualMs }: { first: number; count: number; virtualMs: number },
): { seeds: number; complaint: string } | undefined {
  for (let seed = first; seed < first + count; seed++) {
    const { complaint } = runSeed(seed, { virtualMs, mutant: { without: rule, applied: 0 } })
    if (complaint !== undefined) return { seeds: seed - first + 1, complaint }
  }
  return undefined
}
