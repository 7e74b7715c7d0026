// One seed: draws a group, its mode, its faults and its clients, runs them, and says what was wrong.
import type { NodeId } from '../../../ts/distributed/raft/index.ts'
import type { Mode } from '../../../ts/distributed/replication/index.ts'
import type { Mutant } from '../../../ts/distributed/replication/mutant.ts'
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
import { mayLose, type Operations, type Organised, Reorganiser } from '../raft/reorganiser.ts'
import type { ClientOptions } from './client.ts'
import { describeWire, type GroupOptions, ReplicationGroup } from './group.ts'

export interface Plan {
  readonly seed: number
  readonly faults: FaultPlan
  readonly group: Omit<GroupOptions, 'seed' | 'faults' | 'mutant'>
  readonly clientCount: number
  readonly client: Pick<
    ClientOptions,
    'keyCount' | 'timeoutMs' | 'thinkMs' | 'readRate' | 'maxStalenessMs' | 'maxDrift'
  >
  /** Mean times between what operators do; Infinity for never. */
  readonly operations: Operations
}

export interface RunOptions {
  /** Of the first phase. */
  readonly events: number
  readonly mutant?: Mutant | undefined
  /** Drawn if it is not said. */
  readonly mode?: Mode
}

export interface RunResult {
  readonly plan: Plan
  readonly digest: string
  readonly events: number
  readonly virtualMs: number
  readonly writes: number
  readonly reads: number
  /** Acknowledged, and not there in the end; in mode `async` only. */
  readonly lost: number
  readonly conflicts: number
  readonly elections: number
  /** Changes of membership that were asked for. */
  readonly changes: number
  /** Undefined if nothing was wrong. */
  readonly complaint: string | undefined
  readonly trace: readonly string[]
  readonly faults: Readonly<Record<string, number>>
}

const TICK_MS = 10
const CONVERGE_MS = 60_000

function drawPlan(seed: number, wanted: Mode | undefined): Plan {
  const random = seededRandom(seed)
  const drawn = pick(random, ['sync', 'semi-sync', 'async', 'async'] as const)
  const electionTicks = pick(random, [5, 10, 20])
  const usualMs = 1.5 * electionTicks * TICK_MS
  const faults = drawFaults(random, usualMs)
  const plan = {
    seed,
    faults,
    group: {
      mode: wanted ?? drawn,
      nodeCount: pick(random, [3, 3, 4, 5]),
      tickMs: TICK_MS,
      snapshotEvery: pick(random, [5, 20, 100, Number.POSITIVE_INFINITY]),
      raft: {
        electionTicks,
        heartbeatTicks: pick(random, [1, 2, 4]),
        stallTicks: electionTicks * pick(random, [1, 3, 10]),
        maxBatchBytes: pick(random, [1, 150, 100_000]),
        maxInflightMessages: pick(random, [1, 3, 64]),
        chunkBytes: pick(random, [16, 65_536]),
        keptEntries: pick(random, [0, 3, 50]),
        reads: pick(random, ['quorum', 'lease'] as const),
      },
      replication: {
        confirmTicks: pick(random, [10, 50]),
        maxElectionTicks: electionTicks * pick(random, [1, 2, 4]),
      },
    },
    clientCount: wholeBetween(random, 2, 6),
    client: {
      keyCount: pick(random, [1, 3]),
      timeoutMs: pick(random, [60, 300]),
      thinkMs: pick(random, [1, 10, 40]),
      readRate: pick(random, [0.3, 0.7]),
      maxStalenessMs: pick(random, [20, 100, 400]),
      maxDrift: faults.clock.maxDrift,
    },
  }
  const transferMs = chance(random, 0.3) ? usualMs * pick(random, [2, 8]) : Number.POSITIVE_INFINITY
  const changes = chance(random, 0.3)
  const replaces = !changes && chance(random, 0.5)
  const operations = {
    transferMs,
    changeMs: changes ? usualMs * pick(random, [1, 3, 10]) : Number.POSITIVE_INFINITY,
    replaceMs: replaces ? usualMs * pick(random, [1, 5]) : Number.POSITIVE_INFINITY,
  }
  const spareCount = changes || replaces ? wholeBetween(random, 1, 3) : 0
  return { ...plan, group: { ...plan.group, spareCount }, operations }
}

function runPlan(plan: Plan, { events, mutant }: RunOptions): RunResult {
  const { seed, faults } = plan
  const group = new ReplicationGroup({ ...plan.group, seed, faults, mutant })
  const { simulation, observer } = group
  for (let i = 0; i < plan.clientCount; i++) group.addClient(plan.client)
  const strikes: Record<string, number> = {}
  const organised: Organised = {
    ...{ simulation, nodeIds: group.nodeIds },
    leaders: () => group.leaders,
    membership: (id) => group.host(id).node.inForce.membership,
    isSettled: (id) => group.host(id).isSettled,
    isLost: (id) => group.isLost(id),
    hand: (leader, make) => group.step(leader, make(-1)),
  }
  let complaint: string | undefined
  let lost = 0
  let changes = 0
  try {
    const nemesis = new Nemesis({
      simulation,
      plan: faults.nemesis,
      targets: () => group.nodeIds,
      everybody: () => [...group.nodeIds, ...group.clientIds],
      favourite: () => group.leader,
      ...(plan.operations.replaceMs === Number.POSITIVE_INFINITY
        ? {}
        : { damage: (kind: 'rot' | 'wipe', id: NodeId) => mayLose(organised, id) && group.damage(kind, id) }),
    })
    const reorganiser = new Reorganiser(organised, plan.operations)
    while (simulation.trace.eventCount < events && simulation.step()) {
      // Until enough has happened.
    }
    nemesis.stop()
    reorganiser.isStopped = true
    changes = reorganiser.changes
    for (const [havoc, count] of nemesis.strikes) strikes[havoc] = count
    group.converge(CONVERGE_MS)
    lost = observer.lostWrites(group.host(group.leader as number).position).length
  } catch (error) {
    complaint = `${(error as Error).name}: ${(error as Error).message}`
  }
  return {
    plan,
    digest: simulation.trace.digest,
    events: simulation.trace.eventCount,
    virtualMs: simulation.nowMs,
    writes: observer.writes.length,
    reads: observer.reads.length,
    lost,
    conflicts: observer.conflicts,
    elections: Math.max(...group.nodeIds.map((id) => group.status(id).term)),
    changes,
    complaint,
    trace: simulation.trace.lines(describeWire),
    faults: { ...strikes, ...simulation.network.counts },
  }
}

export function runSeed(seed: number, options: RunOptions): RunResult {
  return runPlan(drawPlan(seed, options.mode), options)
}

/** What a person needs to know of a run that failed: the seed, the faults that it needs, what happened last. */
export function explain(failed: RunResult, options: RunOptions): string {
  const { plan } = failed
  const fresh = (): RunOptions => ({
    ...options,
    mutant: options.mutant === undefined ? undefined : { without: options.mutant.without, applied: 0 },
  })
  const fails = (faults: FaultPlan): boolean => runPlan({ ...plan, faults }, fresh()).complaint !== undefined
  const simplest = simplifyFaults(plan.faults, fails)
  const again = runPlan({ ...plan, faults: simplest }, fresh())
  return [
    `SEED=${plan.seed}, mode ${plan.group.mode}, fails: ${failed.complaint}`,
    `with these faults alone it also fails: ${describeFaults(simplest)}`,
    `${again.complaint}`,
    ...again.trace,
  ].join('\n')
}

/** What a seed had and what came of it. */
export function describeRun({ plan, ...result }: RunResult): string[] {
  const { nodeCount, spareCount, mode, raft, replication } = plan.group
  const options = Object.entries({ ...raft, ...replication }).map((option) => option.join(' '))
  return [
    `seed ${plan.seed}: ${nodeCount} members, ${spareCount} spare, mode ${mode}, ${plan.clientCount} clients`,
    `options: ${options.join(', ')}`,
    `faults: ${describeFaults(plan.faults)}`,
    `${result.events} events in ${(result.virtualMs / 1000).toFixed(1)} s of virtual time, hash ${result.digest}: ` +
      `${result.writes} writes, ${result.lost} of them lost, ${result.reads} reads, ${result.conflicts} conflicts, last term ${result.elections}, ${result.changes} changes of membership`,
    ...(result.complaint === undefined ? result.trace : []),
  ]
}
