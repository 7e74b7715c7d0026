// One seed: draws a lock service, its faults and its clients, runs them, and says what was wrong.
import type { Mutant } from '../../../ts/distributed/locks/mutant.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import {
  chance,
  describeFaults,
  drawFaults,
  type FaultPlan,
  Nemesis,
  pick,
  simplifyFaults,
  untilNext,
  wholeBetween,
} from '../../../ts/testing/simulation/index.ts'
import { type ClusterOptions, LocksCluster } from './cluster.ts'

export interface RunOptions {
  /** How long faults last, in virtual time. */
  readonly virtualMs: number
  readonly mutant?: Mutant | undefined
}

interface Plan {
  readonly seed: number
  readonly faults: FaultPlan
  readonly cluster: Omit<ClusterOptions, 'seed' | 'faults' | 'mutant'>
  /** Mean time between transfers of leadership; Infinity for none. */
  readonly transferMs: number
}

export interface RunResult {
  readonly seed: number
  readonly faults: FaultPlan
  readonly digest: string
  readonly events: number
  readonly virtualMs: number
  readonly operations: number
  readonly terms: number
  readonly acquisitions: number
  readonly losses: number
  readonly restores: number
  readonly strikes: Readonly<Record<string, number>>
  readonly isHistoryChecked: boolean
  /** Undefined if nothing was wrong. */
  readonly complaint: string | undefined
  readonly trace: readonly string[]
}

const TICK_MS = 30
const CONVERGE_MS = 60_000
/** A lock is given up at nine tenths of its time: clocks may differ in speed by less than a tenth. */
const MAX_DRIFT = 0.04

function drawPlan(seed: number): Plan {
  const random = seededRandom(seed)
  const electionTicks = pick(random, [5, 10])
  const usualMs = 1.5 * electionTicks * TICK_MS
  const faults = drawFaults(random, usualMs)
  return {
    seed,
    faults: { ...faults, clock: { ...faults.clock, maxDrift: Math.min(faults.clock.maxDrift, MAX_DRIFT) } },
    cluster: {
      nodeCount: pick(random, [3, 3, 5]),
      tickMs: TICK_MS,
      snapshotEvery: pick(random, [10, 40, Number.POSITIVE_INFINITY]),
      raft: {
        electionTicks,
        heartbeatTicks: pick(random, [1, 2]),
        chunkBytes: pick(random, [200, 65_536]),
        keptEntries: pick(random, [0, 5, 50]),
      },
      client: { timeoutMs: pick(random, [200, 800]), thinkMs: pick(random, [20, 100]) },
      keyClients: wholeBetween(random, 1, 3),
      lockClients: wholeBetween(random, 2, 3),
    },
    transferMs: chance(random, 0.5) ? usualMs * pick(random, [2, 6]) : Number.POSITIVE_INFINITY,
  }
}

function runPlan({ seed, faults, cluster: drawn, transferMs }: Plan, options: RunOptions): RunResult {
  const { virtualMs, mutant } = options
  const cluster = new LocksCluster({ ...drawn, seed, faults, mutant })
  const { simulation, observations } = cluster
  const strikes: Record<string, number> = {}
  let complaint: string | undefined
  let isHistoryChecked = true
  try {
    const nemesis = new Nemesis({
      simulation,
      plan: faults.nemesis,
      targets: () => cluster.nodeIds,
      everybody: () => [...cluster.nodeIds, ...cluster.clientIds],
      favourite: () => cluster.leader,
    })
    let isOver = false
    const transferLater = (): void =>
      simulation.later(untilNext(simulation.random, transferMs), () => {
        if (isOver) return
        transfer(cluster)
        transferLater()
      })
    if (transferMs < Number.POSITIVE_INFINITY) transferLater()
    simulation.runFor(virtualMs)
    isOver = true
    nemesis.stop()
    for (const [havoc, count] of nemesis.strikes) strikes[havoc] = count
    isHistoryChecked = cluster.converge(CONVERGE_MS)
  } catch (error) {
    complaint = `${(error as Error).name}: ${(error as Error).message}`
  }
  return {
    ...{ seed, faults, complaint, isHistoryChecked, strikes, terms: cluster.term },
    digest: simulation.trace.digest,
    events: simulation.trace.eventCount,
    virtualMs: simulation.nowMs,
    operations: observations.nextNumber() - 1,
    acquisitions: observations.acquisitions,
    losses: observations.losses,
    restores: observations.restores,
    trace: simulation.trace.lines(() => ''),
  }
}

function transfer(cluster: LocksCluster): void {
  const { leader, simulation, nodeIds } = cluster
  if (leader === undefined || simulation.isPaused(leader)) return
  const to = pick(simulation.random, nodeIds)
  simulation.note(`${leader} is asked to hand over to ${to}`)
  cluster.host(leader).step({ kind: 'transfer', id: -1, to })
}

export function runSeed(seed: number, options: RunOptions): RunResult {
  return runPlan(drawPlan(seed), options)
}

/** What a person needs to know of a run that failed: the seed, the faults that it needs, what happened last. */
export function explain({ seed, complaint }: RunResult, options: RunOptions): string {
  const plan = drawPlan(seed)
  const fresh = (): RunOptions => ({
    ...options,
    mutant: options.mutant && { ...options.mutant, applied: 0 },
  })
  const simplest = simplifyFaults(
    plan.faults,
    (faults) => runPlan({ ...plan, faults }, fresh()).complaint !== undefined,
  )
  const again = runPlan({ ...plan, faults: simplest }, fresh())
  return [
    `SEED=${seed} fails: ${complaint}`,
    `with these faults alone it also fails: ${describeFaults(simplest)}`,
    `${again.complaint}`,
    ...again.trace,
  ].join('\n')
}
