// What replication promises, and what it does not, as stories. Some can be told with a rule taken away.
import type { NodeId, Position } from '../../../ts/distributed/raft/index.ts'
import { FailoverWatch, failoverLine } from '../../../ts/distributed/replication/index.ts'
import type { Mutant } from '../../../ts/distributed/replication/mutant.ts'
import { ReplicationGroup } from './group.ts'
import type { Answer } from './host.ts'

/** Node 1 leads, node 2 is the next who would, node 3 the last. */
const PATIENCE = [0, 0.4, 0.9, 0.9, 0.9]
const TICK_MS = 10

export function groupOf(options: Partial<ConstructorParameters<typeof ReplicationGroup>[0]>): ReplicationGroup {
  const group = new ReplicationGroup({ seed: 1, mode: 'semi-sync', patience: PATIENCE, ...options })
  if (group.elect() !== 1) throw new Error('node 1 was to lead')
  group.simulation.runFor(100)
  return group
}

export function positionOf(answer: Answer): Position {
  if (answer.kind !== 'written' && answer.kind !== 'value') throw new Error(`it is answered "${answer.kind}"`)
  return answer.position
}

/** In mode `sync` a voter is down, and something is written. @returns Who is said to be missing; throws if nothing is said. */
export function unconfirmedWrite(mutant?: Mutant): readonly NodeId[] {
  const group = groupOf({ mode: 'sync', mutant })
  group.simulation.crash(3)
  const answer = group.write(1, 1, 7)
  if (answer.kind !== 'failed') throw new Error(`it is answered "${answer.kind}"`)
  group.converge(5000)
  return answer.missing
}

/**
 * A split brain attempt: the leader is cut off and does not know it, and clients go on writing to it in mode `async`.
 * @returns How many writes it acknowledges, and which of these are lost.
 */
export function leaderAlone(mutant?: Mutant): { acknowledged: number; lastAfterMs: number; leadersAtOnce: number } {
  const group = groupOf({ mode: 'async', mutant })
  const { simulation } = group
  group.cutOff(1)
  const start = simulation.nowMs
  let acknowledged = 0
  let lastAfterMs = 0
  for (let i = 1; i <= 100; i++) {
    if (group.write(1, 1, i).kind === 'written') {
      acknowledged++
      lastAfterMs = simulation.nowMs - start
    }
    simulation.runFor(20)
  }
  const leading = group.nodeIds.filter((id) => group.status(id).role === 'leader')
  group.converge(5000)
  return { acknowledged, lastAfterMs, leadersAtOnce: leading.length }
}

/**
 * Reads by lease: the leader is cut off, the others elect another one as soon as they may, and write.
 * @returns Whether the old leader, whose lease holds, answers a linearizable read without that write.
 */
export function leaseOutlived(mutant?: Mutant): boolean {
  const group = groupOf({
    raft: { reads: 'lease', electionTicks: 20, leaseTicks: 18 },
    patience: [0, 0.1, 0.9],
    mutant,
  })
  const { simulation } = group
  group.write(1, 1, 1)
  simulation.runFor(200)
  const { term } = group.status(1)
  group.cutOff(1)
  const hasNewLeader = (): boolean => group.status(2).role === 'leader' && group.status(2).term > term
  while (!hasNewLeader() && group.status(1).role === 'leader') simulation.step()
  if (!hasNewLeader()) return false
  group.write(2, 1, 2)
  const answer = group.read(1, 1, { guarantee: 'linearizable' })
  return answer.kind === 'value' && answer.value === 1
}

/**
 * The way to the leader opens more and more seldom, until its heartbeats come further apart than an election timeout.
 * @returns Whether it was deposed, though it never failed.
 */
export function unevenHeartbeats(mutant?: Mutant): boolean {
  const group = groupOf({ mutant })
  const { simulation } = group
  const { term } = group.status(1)
  for (let ticks = 3; ticks <= 14; ticks++) {
    for (let i = 0; i < 10; i++) {
      const join = group.cutOff(1)
      simulation.runFor((ticks - 1.5) * TICK_MS)
      join()
      simulation.runFor(1.5 * TICK_MS)
    }
  }
  return group.status(1).role !== 'leader' || group.status(1).term !== term
}

/**
 * What the leader answers to a follower that wants to be at most 20 ms old is under way for 90 ms, and meanwhile something is written
 * that the follower does not get.
 * @returns Whether the follower takes the answer for fresh, and shows what was there when it asked.
 */
export function lateAnswer(mutant?: Mutant): boolean {
  const group = groupOf({ mutant })
  const { simulation } = group
  group.write(1, 1, 1)
  simulation.runFor(50)
  group.filter = (_, to, message) => to !== 3 || message.kind !== 'append'
  simulation.network.clog(1, 3, simulation.nowMs + 90)
  const number = group.ask(3, { kind: 'read', key: 1, guarantee: 'bounded', session: undefined, maxStalenessMs: 20 })
  simulation.runFor(20) // the leader has answered
  group.write(1, 1, 2)
  simulation.runFor(100)
  const answer = group.answers.get(number)
  return answer?.kind === 'value' && answer.value === 1
}

/** A leader that is cut off acknowledges a write in mode `async`, and the others go on without it. */
export interface LostWrite {
  readonly group: ReplicationGroup
  readonly lost: Position
}

/**
 * The lost asynchronous write: acknowledged by a leader whose followers did not get it in time. They elect another one and write
 * on; then the old leader comes back.
 */
export function lostWrite(mutant?: Mutant): LostWrite {
  const group = groupOf({ mode: 'async', mutant })
  const join = group.cutOff(1)
  const lost = positionOf(group.write(1, 1, 7))
  group.waitFor('another leader', () => group.status(2).role === 'leader')
  if (group.read(1, 1).kind !== 'value') throw new Error('the old leader was to show it')
  group.write(2, 2, 8)
  join()
  group.waitFor(
    'the old leader follows',
    () => group.status(1).leader === 2 && group.status(1).appliedIndex > lost.index,
  )
  return { group, lost }
}

/** @returns Whether some member shows a session, whose write is lost, less than that session has seen. */
export function lostSessionServed(mutant?: Mutant): boolean {
  const { group, lost } = lostWrite(mutant)
  return group.nodeIds.some((id) => group.read(id, 1, { guarantee: 'session', session: lost }).kind !== 'conflict')
}

/** The leader is killed. @returns What is printed. */
export function failover(): readonly string[] {
  const group = groupOf({})
  group.simulation.crash(1)
  group.waitFor('another leader', () => group.status(3).leader === 2 && group.status(2).role === 'leader')
  return [2, 3].flatMap((id) => {
    const watch = new FailoverWatch(id)
    return group.host(id).roles.flatMap((change) => {
      const event = watch.take(change as Parameters<typeof watch.take>[0])
      return (event === undefined ? undefined : failoverLine(id, event)) ?? []
    })
  })
}
