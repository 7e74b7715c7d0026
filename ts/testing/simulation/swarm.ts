// Which faults a run has is drawn from its seed too: a run with all of them at once hides what needs some of them to be
// absent (Groce et al., "Swarm Testing", ISSTA 2012).
import type { Random } from '../../io/random.ts'
import { between, chance } from './chance.ts'
import {
  ALL_HAVOC,
  type FaultPlan,
  type Havoc,
  HEALTHY_CLOCK,
  HEALTHY_NETWORK,
  HEALTHY_STORAGE,
  type NetworkFaults,
} from './types.ts'

/** Draws the faults of a run. @param usualMs - What takes long in the protocol under test, such as an election. */
export function drawFaults(random: Random, usualMs: number): FaultPlan {
  const havocRate = between(random, 0.1, 0.7)
  const flaky = (rate: number): number => (chance(random, 0.5) ? between(random, 0, rate) : 0)
  return {
    network: {
      minDelayMs: between(random, 0.1, 2),
      meanDelayMs: between(random, 0.1, 5),
      lossRate: flaky(0.3),
      duplicateRate: flaky(0.3),
      lateRate: flaky(0.1),
      lateMs: 2 * usualMs,
      reorders: chance(random, 0.7),
    },
    storage: { minSyncMs: 0.1, maxSyncMs: between(random, 0.2, chance(random, 0.3) ? 30 : 5), partialRate: flaky(1) },
    clock: { maxDrift: flaky(0.2), maxJumpMs: flaky(10 * usualMs) },
    nemesis: {
      havoc: ALL_HAVOC.filter(() => chance(random, havocRate)),
      meanIntervalMs: usualMs * between(random, 0.15, 2),
      meanDurationMs: usualMs * between(random, 0.3, 4),
      briefRate: flaky(1),
      favouriteRate: between(random, 0, 1),
    },
  }
}

/** A run without faults. */
export const NO_FAULTS: FaultPlan = {
  network: HEALTHY_NETWORK,
  storage: HEALTHY_STORAGE,
  clock: HEALTHY_CLOCK,
  nemesis: { havoc: [], meanIntervalMs: 1000, meanDurationMs: 1000, briefRate: 0, favouriteRate: 0 },
}

/**
 * Takes faults out of a plan as long as the run keeps failing, so that what remains is what the failure needs.
 * @param fails - Runs the same seed under another plan. It is called at most about 20 times a round.
 */
export function simplifyFaults(plan: FaultPlan, fails: (simpler: FaultPlan) => boolean): FaultPlan {
  let simplest = plan
  let isSimpler = true
  while (isSimpler) {
    isSimpler = false
    for (const candidate of simplerPlans(simplest)) {
      if (!fails(candidate)) continue
      simplest = candidate
      isSimpler = true
      break
    }
  }
  return simplest
}

/** Says in one line what goes wrong in a run. */
export function describeFaults(plan: FaultPlan): string {
  const { network, storage, clock, nemesis } = plan
  const parts = [
    `delay ${network.minDelayMs.toFixed(1)}+${network.meanDelayMs.toFixed(1)} ms`,
    rateText('loss', network.lossRate),
    rateText('duplicates', network.duplicateRate),
    rateText('late', network.lateRate),
    network.reorders ? 'reorder' : '',
    `syncs up to ${storage.maxSyncMs.toFixed(1)} ms`,
    rateText('partial crashes', storage.partialRate),
    rateText('drift', clock.maxDrift),
    nemesis.havoc.length === 0
      ? 'no nemesis'
      : `${nemesis.havoc.join(' ')} every ${nemesis.meanIntervalMs.toFixed(0)} ms`,
  ]
  return parts.filter((part) => part !== '').join(', ')
}

function* simplerPlans(plan: FaultPlan): Generator<FaultPlan> {
  const { network, storage, clock, nemesis } = plan
  const withNetwork = (changed: Partial<NetworkFaults>): FaultPlan => ({ ...plan, network: { ...network, ...changed } })
  for (const each of nemesis.havoc) {
    const havoc: readonly Havoc[] = nemesis.havoc.filter((other) => other !== each)
    yield { ...plan, nemesis: { ...nemesis, havoc } }
  }
  if (network.lossRate > 0) yield withNetwork({ lossRate: 0 })
  if (network.duplicateRate > 0) yield withNetwork({ duplicateRate: 0 })
  if (network.lateRate > 0) yield withNetwork({ lateRate: 0 })
  if (network.reorders) yield withNetwork({ reorders: false })
  if (storage.partialRate > 0) yield { ...plan, storage: { ...storage, partialRate: 0 } }
  if (clock.maxDrift > 0) yield { ...plan, clock: { ...clock, maxDrift: 0 } }
}

function rateText(name: string, rate: number): string {
  return rate === 0 ? '' : `${name} ${(rate * 100).toFixed(0)} %`
}
