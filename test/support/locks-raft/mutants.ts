// Every rule of the replicated lock service, taken away alone, must be missed: by a scenario, or by some seed of the swarm.
import { AUTH_ACTION } from '../../../ts/distributed/locks/auth/command.ts'
import { isRefusal } from '../../../ts/distributed/locks/errors.ts'
import { endOf, LeaseClock } from '../../../ts/distributed/locks/lease-clock.ts'
import type { Mutant, Rule } from '../../../ts/distributed/locks/mutant.ts'
import { MemoryBackend } from '../../../ts/distributed/locks/mvcc/backend.ts'
import { LocksState } from '../../../ts/distributed/locks/state.ts'
import { put } from '../locks-state.ts'
import type { Planted } from '../planted.ts'
import { explain, type RunOptions, runSeed } from './run.ts'

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

/** @param options - Of the runs of seeds. */
export function planted(options: RunOptions): Planted<Rule> {
  return {
    rules: Object.keys(IS_RULE) as Rule[],
    // What needs too much to come together for seeds to find it soon.
    scenarios: {
      'permissions as of now': oldPermission,
      'expiry is of its term': lateExpiry,
      'full time after elections': comeback,
    },
    noticedFrom: { 'applied with the state': 37, 'executed once': 2, 'watches outlive snapshots': 2 },
    run: (seed, mutant) => runSeed(seed, { ...options, mutant }).complaint,
    explain: (seed, mutant) => explain(runSeed(seed, { ...options, mutant }), { ...options, mutant }),
  }
}

function stateWith(mutant: Mutant | undefined): LocksState {
  return new LocksState({ backend: new MemoryBackend(), maxTxnOps: 128, quotaBytes: 1e9, mutant })
}

/**
 * A leader decides to end a lease, is replaced, and hands the command on to its heir, which has kept the lease alive since. Told that
 * it was refused, it leads again: the lease has its whole time once more, there too.
 */
function lateExpiry(mutant?: Mutant): string | undefined {
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
  return state.leases.get(1n) === undefined || older.takeExpired(state, 20_000).length > 0
    ? 'a lease that was kept alive has ended'
    : undefined
}

/** A leader is replaced and comes back; meanwhile another one has kept the lease alive. */
function comeback(mutant?: Mutant): string | undefined {
  const state = stateWith(mutant)
  state.apply({ grant: { id: 1n, ttlSeconds: 10 } }, 1)
  const clock = new LeaseClock(mutant)
  clock.lead(1, state.leases.all(), 0)
  clock.follow({ role: 'follower', term: 2 }, state.leases.all(), 8000)
  clock.lead(3, state.leases.all(), 9000) // in term 2, at 8,900, somebody else has kept it alive
  return clock.takeExpired(state, 10_500).length === 0 ? undefined : 'a lease that was kept alive has ended'
}

/** Somebody is let through, a permission goes, and then the command comes. */
function oldPermission(mutant?: Mutant): string | undefined {
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
    return 'what was let through by rules of the past is done'
  } catch (error) {
    if (!isRefusal(error, 'oldAuthRevision')) throw error
    return undefined
  }
}
