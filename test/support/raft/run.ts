// One seed: draws a cluster, its faults and its clients, runs them, and says what was wrong.
import type { NodeId } from '../../../ts/distributed/raft/index.ts'
import type { Mutant } from '../../../ts/distributed/raft/mutant.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import {
  chance,
  describeFaults,
  drawFaults,
  type FaultPlan,
  Nemesis,
  pick,
  simplifyFaults,
  wholeBetween,
} from '../../../ts/testing/simulation/index.ts'
import type { ClientOptions } from './client.ts'
import { Cluster, type ClusterOptions, describeWire } from './cluster.ts'
import { mayLose, type Organised, Reorganiser } from './reorganiser.ts'

/** All that is drawn from a seed. */
export interface Plan {
  readonly seed: number
  readonly faults: FaultPlan
  readonly cluster: Omit<ClusterOptions, 'seed' | 'faults'>
  readonly clientCount: number
  /** Clients on top that only read: they stay with whoever answers, also with a leader of the past. */
  readonly readerCount: number
  readonly client: Pick<ClientOptions, 'keyCount' | 'timeoutMs' | 'thinkMs' | 'readRate'>
  /** Mean time between changes of membership and between transfers; Infinity for none. */
  readonly changeMs: number
  readonly transferMs: number
  /** Mean time until an operator replaces a node whose disk is damaged; Infinity if no disk is ever damaged for good. */
  readonly replaceMs: number
}

export interface RunOptions {
  /** Of the first phase. */
  readonly events: number
  readonly mutant?: Mutant | undefined
}

export interface RunResult {
  readonly plan: Plan
  readonly digest: string
  readonly events: number
  readonly virtualMs: number
  readonly operations: number
  readonly elections: number
  readonly changes: number
  /** Undefined if nothing was wrong. */
  readonly complaint: string | undefined
  readonly trace: readonly string[]
  /** False if the checker gave up. */
  readonly isHistoryChecked: boolean
  /** What went wrong on purpose, by its name. */
  readonly faults: Readonly<Record<string, number>>
}

const TICK_MS = 10
const CONVERGE_MS = 60_000

function drawPlan(seed: number): Plan {
  const random = seededRandom(seed)
  const nodeCount = pick(random, [3, 3, 4, 5, 5])
  const changes = chance(random, 0.4)
  const replaces = !changes && chance(random, 0.5)
  const spare = changes || replaces ? wholeBetween(random, 1, 3) : 0
  const electionTicks = pick(random, [5, 10, 20])
  /** What an election takes. */
  const usualMs = 1.5 * electionTicks * TICK_MS
  const founders = Array.from({ length: nodeCount }, (_, i) => i + 1)
  return {
    seed,
    faults: drawFaults(random, usualMs),
    cluster: {
      tickMs: TICK_MS,
      nodeCount: nodeCount + spare,
      founding: { voters: founders, outgoing: [], learners: [] },
      snapshotEvery: pick(random, [5, 20, 100, Number.POSITIVE_INFINITY]),
      raft: {
        electionTicks,
        heartbeatTicks: pick(random, [1, 2, 4]),
        stallTicks: electionTicks * pick(random, [1, 3, 10]),
        maxBatchBytes: pick(random, [1, 150, 100_000]),
        maxInflightMessages: pick(random, [1, 3, 64]),
        // Not drawn: the seeds of before are what they were, but for every third.
        maxInflightBytes: seed % 3 === 0 ? 150 : 4 * 1024 * 1024,
        chunkBytes: pick(random, [16, 100, 65_536]),
        keptEntries: pick(random, [0, 3, 50]),
        reads: pick(random, ['quorum', 'lease'] as const),
      },
    },
    clientCount: wholeBetween(random, 1, 5),
    readerCount: wholeBetween(random, 0, 3),
    client: {
      keyCount: pick(random, [1, 3]),
      timeoutMs: pick(random, [20, 60, 200]),
      thinkMs: pick(random, [1, 10, 50]),
      readRate: pick(random, [0.1, 0.5]),
    },
    changeMs: changes ? usualMs * pick(random, [1, 3, 10]) : Number.POSITIVE_INFINITY,
    replaceMs: replaces ? usualMs * pick(random, [1, 5]) : Number.POSITIVE_INFINITY,
    transferMs: chance(random, 0.4) ? usualMs * pick(random, [1, 5]) : Number.POSITIVE_INFINITY,
  }
}

/** Runs a plan: two phases, safety under faults and then rest without them. */
function runPlan(plan: Plan, { events, mutant }: RunOptions): RunResult {
  const { seed, faults } = plan
  const raft = { ...plan.cluster.raft, mutant }
  // Whoever lacks a rule must be found by what comes of it.
  const cluster = new Cluster({ ...plan.cluster, seed, faults, raft, checksPromises: mutant === undefined })
  const { simulation } = cluster
  for (let i = 0; i < plan.clientCount; i++) cluster.addClient(plan.client)
  for (let i = 0; i < plan.readerCount; i++) cluster.addClient({ ...plan.client, thinkMs: 5, readRate: 1 })
  const organised: Organised = {
    ...{ simulation, nodeIds: cluster.nodeIds },
    leaders: () => cluster.inRole('leader'),
    membership: (id) => cluster.status(id).membership,
    isSettled: (id) => cluster.host(id).isSettled,
    isLost: (id) => cluster.isLost(id),
    hand: (leader, make) => cluster.ask(leader, make),
  }
  let changes = 0
  const strikes: Record<string, number> = {}
  let isHistoryChecked = true
  let complaint: string | undefined
  try {
    const nemesis = new Nemesis({
      simulation,
      plan: faults.nemesis,
      targets: () => cluster.nodeIds,
      everybody: () => [...cluster.nodeIds, ...cluster.clientIds],
      favourite: () => cluster.leader,
      ...(plan.replaceMs === Number.POSITIVE_INFINITY
        ? {}
        : { damage: (kind: 'rot' | 'wipe', id: NodeId) => mayLose(organised, id) && cluster.damage(kind, id) }),
    })
    const reorganise = new Reorganiser(organised, plan)
    while (simulation.trace.eventCount < events && simulation.step()) {
      // Until enough has happened.
    }
    nemesis.stop()
    for (const [havoc, count] of nemesis.strikes) strikes[havoc] = count
    reorganise.isStopped = true
    changes = reorganise.changes
    cluster.converge(CONVERGE_MS)
    isHistoryChecked = cluster.checkHistory()
  } catch (error) {
    complaint = `${(error as Error).name}: ${(error as Error).message}`
  }
  return {
    plan,
    digest: simulation.trace.digest,
    events: simulation.trace.eventCount,
    virtualMs: simulation.nowMs,
    operations: cluster.history.length,
    elections: Math.max(...cluster.nodeIds.map((id) => cluster.status(id).term)),
    changes,
    complaint,
    trace: simulation.trace.lines(describeWire),
    isHistoryChecked,
    faults: { ...strikes, ...simulation.network.counts },
  }
}

export function runSeed(seed: number, options: RunOptions): RunResult {
  return runPlan(drawPlan(seed), options)
}

/** What a person needs to know of a run that failed: the seed, the faults that it needs, what happened last. */
export function explain(failed: RunResult, options: RunOptions): string {
  const { plan } = failed
  const fresh = (): RunOptions => ({
    ...options,
    mutant: options.mutant === undefined ? undefined : { without: options.mutant.without, applied: 0 },
  })
  const simplest = simplifyFaults(
    plan.faults,
    (faults) => runPlan({ ...plan, faults }, fresh()).complaint !== undefined,
  )
  const again = runPlan({ ...plan, faults: simplest }, fresh())
  return [
    `SEED=${plan.seed} fails: ${failed.complaint}`,
    `with these faults alone it also fails: ${describeFaults(simplest)}`,
    `${again.complaint}`,
    ...again.trace,
  ].join('\n')
}

/** What a seed had and what came of it. */
export function describeRun({ plan, ...result }: RunResult): string[] {
  const { raft, nodeCount, snapshotEvery } = plan.cluster
  return [
    `seed ${plan.seed}: ${nodeCount} nodes, ${plan.clientCount} clients, ${plan.readerCount} readers, a snapshot every ${snapshotEvery} entries`,
    `options: ${Object.entries(raft ?? {})
      .map((option) => option.join(' '))
      .join(', ')}`,
    `faults: ${describeFaults(plan.faults)}`,
    `${result.events} events in ${(result.virtualMs / 1000).toFixed(1)} s of virtual time, hash ${result.digest}: ${result.operations} operations, last term ${result.elections}, ${result.changes} changes of membership`,
    ...(result.complaint === undefined ? result.trace : []),
  ]
}
