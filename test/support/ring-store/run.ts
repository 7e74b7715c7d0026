// One seed: draws a cluster of the store, its faults and its clients, runs them, and says what was wrong.
import type { Mutant, Rule } from '../../../ts/distributed/ring/store/mutant.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import {
  describeFaults,
  drawFaults,
  Nemesis,
  pick,
  simplifyFaults,
  wholeBetween,
} from '../../../ts/testing/simulation/index.ts'
import type { Planted } from '../planted.ts'
import { Cluster, type ClusterPlan, NEVER_TICKS } from './cluster.ts'

export interface RunOptions {
  /** Of the first phase. */
  readonly events: number
  readonly mutant?: Mutant | undefined
}

export interface RunResult {
  readonly plan: ClusterPlan
  readonly digest: string
  readonly events: number
  readonly completed: number
  /** Changes of the ring that were decided. */
  readonly changes: number
  /** Tombstones that ended, as far as nodes remember. */
  readonly ended: number
  /** What went wrong on purpose, by its name. */
  readonly faults: Readonly<Record<string, number>>
  /** Undefined if nothing was wrong. */
  readonly complaint: string | undefined
}

/** N, R, W with R + W > N. */
const QUORUMS = [
  [3, 2, 2],
  [3, 2, 2],
  [3, 1, 3],
  [3, 3, 1],
  [2, 1, 2],
  [1, 1, 1],
] as const

/** All rules; the compiler sees that none is left out. */
const IS_RULE: Readonly<Record<Rule, true>> = {
  'durable before ack': true,
  'durable before send': true,
  'durable before read': true,
  'hints are no acks': true,
  'reads ask R': true,
  'replicas merge': true,
  'answers count once': true,
  'reads repair': true,
  'trees are kept up': true,
  'one epoch': true,
  'newcomers are written': true,
  'streamed before switch': true,
  'release after switch': true,
  'durable before adopting': true,
  'durable before accepted': true,
  'accepted is taken over': true,
  'tombstones wait for all': true,
}
/**
 * Those that seeds hardly ever miss: they take a crash within a sync that others had to hear of, a node that misses a change of the ring
 * from end to end, or an answer that comes twice before another one does. test/distributed/ring/store/ tells their stories (node, rules,
 * changing).
 */
const TOLD: readonly Rule[] = [
  'durable before ack',
  'durable before send',
  'durable before read',
  'answers count once',
  'one epoch',
  'newcomers are written',
  'durable before adopting',
  'durable before accepted',
  'accepted is taken over',
]
const SEEDED_RULES = (Object.keys(IS_RULE) as Rule[]).filter((rule) => !TOLD.includes(rule))

function drawPlan(seed: number): ClusterPlan {
  const random = seededRandom(seed)
  const [replicas, answers, acks] = pick(random, QUORUMS)
  return {
    seed,
    faults: drawFaults(random, 100),
    nodeCount: wholeBetween(random, 3, 5),
    spareCount: wholeBetween(random, 0, 2),
    clientCount: wholeBetween(random, 1, 5),
    keyCount: pick(random, [1, 2, 5, 20]),
    ...{ replicas, answers, acks },
    thinkMs: pick(random, [1, 10, 40]),
    readRate: pick(random, [0.3, 0.6]),
    blindRate: pick(random, [0, 0.2]),
    deleteRate: pick(random, [0, 0.4]),
    changeMs: pick(random, [0, 100, 400]),
    mayLose: acks >= 2 && random.next() < 0.5,
    syncTicks: pick(random, [NEVER_TICKS, 3, 15]),
    entriesPerTick: pick(random, [1, 2, 256]),
  }
}

/** Runs a plan: faults first, then rest without them, in which the replicas become equal. */
function runPlan(plan: ClusterPlan, { events, mutant }: RunOptions): RunResult {
  const cluster = new Cluster(plan, mutant)
  const { simulation } = cluster
  const faults: Record<string, number> = {}
  let complaint: string | undefined
  try {
    const nemesis = new Nemesis({
      simulation,
      plan: plan.faults.nemesis,
      targets: () => cluster.nodeIds,
      everybody: () => [...cluster.nodeIds, ...cluster.clientIds],
    })
    while (simulation.trace.eventCount < events && simulation.step()) {
      // Until enough has happened.
    }
    nemesis.stop()
    for (const [havoc, count] of nemesis.strikes) faults[havoc] = count
    cluster.converge()
  } catch (error) {
    complaint = `${(error as Error).name}: ${(error as Error).message}`
  }
  const { digest, eventCount } = simulation.trace
  const { history, operator, ended } = cluster
  return {
    ...{ plan, digest, events: eventCount, completed: history.completed, changes: operator.changes, ended },
    ...{ faults, complaint },
  }
}

export function runSeed(seed: number, options: RunOptions): RunResult {
  return runPlan(drawPlan(seed), options)
}

/** What a person needs to know of a run that failed. */
export function explain(failed: RunResult, options: RunOptions): string {
  const { plan } = failed
  const simplest = simplifyFaults(
    plan.faults,
    (faults) => runPlan({ ...plan, faults }, options).complaint !== undefined,
  )
  return [
    `SEED=${plan.seed} fails: ${failed.complaint}`,
    `${plan.nodeCount} nodes, N ${plan.replicas}, R ${plan.answers}, W ${plan.acks}, ${plan.clientCount} clients, ${plan.keyCount} keys`,
    `with these faults alone it also fails: ${describeFaults(simplest)}`,
  ].join('\n')
}

const NOTICED_FROM: Readonly<Partial<Record<Rule, number>>> = {
  'hints are no acks': 16,
  'reads ask R': 2,
  'replicas merge': 2,
  'reads repair': 4,
  'trees are kept up': 15,
  'streamed before switch': 8,
  'release after switch': 1,
  'tombstones wait for all': 17,
}

/** @param options - Of the runs of seeds. */
export function planted(options: RunOptions): Planted<Rule> {
  return {
    rules: SEEDED_RULES,
    noticedFrom: NOTICED_FROM,
    run: (seed, mutant) => runSeed(seed, { ...options, mutant }).complaint,
    explain: (seed, mutant) => explain(runSeed(seed, { ...options, mutant }), { ...options, mutant }),
  }
}
