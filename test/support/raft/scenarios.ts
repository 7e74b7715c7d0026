// Traps that Raft's rules are there for, as stories that can be told with a rule taken away.
import {
  type Entry,
  encodeCommand,
  type Message,
  type NodeId,
  type Outcome,
  type Term,
} from '../../../ts/distributed/raft/index.ts'
import type { Mutant } from '../../../ts/distributed/raft/mutant.ts'
import { HEALTHY_STORAGE } from '../../../ts/testing/simulation/index.ts'
import { Cluster } from './cluster.ts'
import { type Durable, durableWith } from './durable.ts'
import { Violation } from './invariants.ts'
import { chainCommand } from './machine.ts'
import { append, command, nodeWith, play } from './one-node.ts'

/** A disk with a log of entries of the given terms. */
export function diskOf(term: Term, terms: readonly Term[], votedFor?: NodeId): Durable {
  const entries = terms.map((each, i): Entry => {
    return { index: i + 1, term: each, kind: 'command', command: chainCommand(each, i + 1) }
  })
  return durableWith({ term, votedFor }, entries)
}

/** Lets nothing pass between `some` and other nodes. @returns What undoes it. */
export function cutOff(cluster: Cluster, some: readonly NodeId[]): () => void {
  const others = cluster.nodeIds.filter((id) => !some.includes(id))
  return cluster.simulation.network.separate(some, others)
}

/** Proposes a command that any leader may commit. @returns The id of its outcome. */
export function propose(cluster: Cluster, node: NodeId, added: number): number {
  // A command without a session is malformed to the session layer: it is logged and changes nothing.
  return cluster.ask(node, (id) => ({ kind: 'propose', proposals: [{ id, command: chainCommand(1, added) }] }))
}

/** Runs until `isDone`. @throws Violation if that takes longer than `mostMs`. */
export function waitFor(cluster: Cluster, what: string, isDone: () => boolean, mostMs = 5000): void {
  if (!cluster.simulation.runUntil(isDone, mostMs)) throw new Violation('liveness', `${what}: not within ${mostMs} ms`)
}

/** What came of a request that was asked of a node. */
export function outcomeOf(cluster: Cluster, request: number, mostMs = 5000): Outcome {
  waitFor(cluster, 'an answer', () => cluster.outcomes.has(request), mostMs)
  return cluster.outcomes.get(request) as Outcome
}

/**
 * Paper, figure 8: an entry of an old term is on a majority and can still be overwritten. Begins at (c): node 1 leads again.
 */
export function figure8(mutant?: Mutant): Cluster {
  const logs: readonly Durable[] = [
    diskOf(2, [1, 2]),
    diskOf(2, [1, 2]),
    diskOf(3, [1], 5),
    diskOf(3, [1], 5),
    diskOf(3, [1, 3], 5),
  ]
  const cluster = new Cluster({
    seed: 8,
    nodeCount: 5,
    raft: { maxBatchBytes: 1, mutant },
    patience: [1, 2, 3, 4, 5].map((id) => [id, id === 1 ? 0 : 0.9]),
    durable: (id) => logs[id - 1],
  })
  const join = cutOff(cluster, [4, 5])
  // The new leader's own entry is lost every time, so that only the old one spreads.
  cluster.filter = (from, to, message) => {
    if (message.kind !== 'append' || message.entries.every(({ term }) => term <= 3)) return true
    cluster.simulation.send(from, to, { ...message, entries: [] })
    return false
  }
  waitFor(cluster, 'node 3 has the entry of term 2', () => {
    return cluster.leader === 1 && cluster.host(3).node.termAt(2) === 2 && cluster.status(3).durableIndex === 2
  })
  cluster.simulation.runFor(50)
  // (d): node 1 is gone, node 5 has the newer log and overwrites.
  cluster.simulation.crash(1)
  join()
  cluster.filter = (from, _, message) => message.kind !== 'requestVote' || from === 5
  waitFor(cluster, 'node 5 leads', () => cluster.leader === 5)
  cluster.filter = () => true
  cluster.converge(10_000)
  return cluster
}

/**
 * Paper, §5.2: a voter crashes, starts again and is asked once more, by the other candidate of the term. If it has forgotten
 * its vote, both lead.
 */
export function forgottenVote(mutant?: Mutant): void {
  const cluster = new Cluster({
    seed: 2,
    nodeCount: 3,
    raft: { mutant },
    patience: [1, 2, 3].map((id) => [id, id === 3 ? 0.9 : 0]),
  })
  cluster.simulation.network.separate([1], [2])
  let late: Message | undefined
  cluster.filter = (from, to, message) => {
    if (from !== 2 || to !== 3 || message.kind !== 'requestVote' || message.isPre) return true
    late ??= message
    return false
  }
  waitFor(cluster, 'node 1 leads', () => cluster.leader === 1 && late?.term === cluster.status(1).term)
  cutOff(cluster, [1])
  cluster.simulation.crash(3)
  cluster.simulation.restart(3)
  cluster.simulation.send(2, 3, late as Message)
  cluster.simulation.runFor(50)
  cluster.filter = () => true
  cluster.converge(5000)
}

/** Paper, §5.3 and figure 2: a follower acknowledges an entry, and crashes before its disk has it. */
export function lostPromise(mutant?: Mutant): void {
  const cluster = new Cluster({
    seed: 1,
    nodeCount: 3,
    raft: { mutant },
    patience: [1, 2, 3].map((id) => [id, id === 1 ? 0 : id / 4]),
  })
  if (cluster.elect() !== 1) throw new Error('node 1 was to lead')
  const { simulation } = cluster
  simulation.runFor(100)
  simulation.crash(3)
  const { lastIndex } = cluster.status(1)
  propose(cluster, 1, 1)
  simulation.storage = { minSyncMs: 500, maxSyncMs: 500, partialRate: 0 } // the leader's own sync has begun before
  waitFor(cluster, 'node 2 has the entry', () => cluster.status(2).lastIndex > lastIndex)
  simulation.runFor(20)
  simulation.storage = HEALTHY_STORAGE
  simulation.crash(1)
  simulation.crash(2)
  for (const id of [2, 3]) simulation.restart(id)
  waitFor(cluster, 'node 2 or 3 leads', () => cluster.leader !== undefined)
  cluster.converge(5000)
}

/**
 * A leader and another node have each a snapshot of the same index, with the same content and other bytes. The leader is lost
 * when only the last piece of its own is missing.
 */
export function snapshotOfTwoLeaders(mutant?: Mutant): void {
  const raft = { keptEntries: 0, chunkBytes: 8, mutant }
  const cluster = new Cluster({ seed: 1, nodeCount: 4, snapshotEvery: 50, raft })
  const client = cluster.addClient({ readRate: 0 })
  const leader = cluster.elect()
  const { simulation } = cluster
  // Bytes are those of odd or even nodes.
  const heir = cluster.nodeIds.find((id) => id % 2 !== leader % 2) as NodeId
  const away = cluster.nodeIds.find((id) => id !== leader && id !== heir) as NodeId
  simulation.crash(away)
  waitFor(cluster, 'two snapshots', () => client.completed > 110, 20_000)
  client.isStopping = true
  waitFor(cluster, 'the client rests', () => client.isIdle)
  simulation.runFor(200)
  simulation.restart(away)
  let isLastDue = false
  cluster.filter = (_, __, message) => {
    if (message.kind !== 'snapshotChunk') return true
    isLastDue = message.offset + message.lengthBytes === message.snapshot.sizeBytes
    return !isLastDue
  }
  waitFor(cluster, 'the last piece', () => isLastDue)
  cluster.filter = () => true
  simulation.crash(leader)
  cluster.patience.set(heir, 0)
  waitFor(cluster, 'another one leads', () => cluster.leader !== undefined)
  cluster.converge(5000)
}

/**
 * The leader's clock is slow, and it is replaced.
 * @param rate - Of its clock, where those of others have 1. @returns Whether it answers from its lease then.
 */
export function slowLeader(rate: number): boolean {
  const cluster = new Cluster({ seed: 1, nodeCount: 3, raft: { reads: 'lease' } })
  const leader = cluster.elect()
  cluster.simulation.setRate(leader, rate)
  cluster.simulation.runFor(1000)
  cutOff(cluster, [leader])
  waitFor(cluster, 'another one leads', () => cluster.inRole('leader').some((id) => id !== leader))
  const read = cluster.ask(leader, (id) => ({ kind: 'read', ids: [id] }))
  return cluster.outcomes.get(read)?.kind === 'done'
}

/**
 * A node hears the leader again after it has helped a candidate: first it learns the candidate's term, then comes the request
 * that was late. @returns Whether the old leader answers from its lease when another one leads.
 */
export function lateElection(mutant?: Mutant): boolean {
  const cluster = new Cluster({
    seed: 1,
    nodeCount: 3,
    raft: { reads: 'lease', mutant },
    patience: [1, 2, 3].map((id) => [id, (id - 1) / 3]),
  })
  if (cluster.elect() !== 1) throw new Error('node 1 was to lead')
  const { simulation } = cluster
  simulation.runFor(500)
  const join = cutOff(cluster, [1])
  let request: Message | undefined
  cluster.filter = (from, to, message) => {
    if (from !== 2 || to !== 3 || message.kind !== 'requestVote' || message.isPre) return true
    request ??= message
    return false
  }
  waitFor(cluster, 'node 2 asks for votes', () => request !== undefined)
  join()
  cutOff(cluster, [2])
  const heard = cluster.ask(1, (id) => ({ kind: 'read', ids: [id] }))
  waitFor(cluster, 'node 1 is heard again', () => cluster.outcomes.has(heard))
  // Node 3 has asked node 2 before; the answer says that there is a newer term. It is not yet out when node 1 has its lease.
  const { term } = cluster.status(2)
  const node3 = cluster.host(3)
  node3.step({ kind: 'message', from: 2, message: { kind: 'vote', term, isPre: true, granted: false } })
  node3.step({ kind: 'message', from: 2, message: request as Message })
  cluster.filter = (_, to) => to !== 1
  simulation.network.heal()
  simulation.runFor(5)
  const read = cluster.ask(1, (id) => ({ kind: 'read', ids: [id] }))
  return cluster.inRole('leader').length > 1 && cluster.outcomes.get(read)?.kind === 'done'
}

/** Dissertation, figure 4.2: a membership that comes at once could decide beside the one before it. */
export function disjointMajorities(mutant?: Mutant): Cluster {
  const cluster = new Cluster({
    seed: 4,
    nodeCount: 5,
    founding: { voters: [1, 2, 3], outgoing: [], learners: [] },
    raft: { mutant },
    // No two campaign at the same time.
    patience: [1, 2, 3, 4, 5].map((id) => [id, (id - 1) / 5]),
  })
  if (cluster.elect() !== 1) throw new Error('node 1 was to lead')
  cutOff(cluster, [1, 4, 5])
  cluster.ask(1, (id) => ({ kind: 'change', id, voters: [1, 2, 3, 4, 5], learners: [] }))
  propose(cluster, 1, 7)
  // Nodes 2 and 3 know nothing of the change, and are a majority of what they know.
  waitFor(cluster, 'node 2 or 3 leads', () => cluster.inRole('leader').some((id) => id === 2 || id === 3))
  cluster.converge(20_000)
  return cluster
}

/** Paper, §6: a second change begins while the first is not committed, and leaves out the voters before both. */
export function twoChanges(mutant?: Mutant): void {
  const cluster = new Cluster({
    seed: 4,
    nodeCount: 5,
    founding: { voters: [1, 2, 3], outgoing: [], learners: [] },
    raft: { mutant },
    patience: [1, 2, 3, 4, 5].map((id) => [id, (id - 1) / 5]),
  })
  if (cluster.elect() !== 1) throw new Error('node 1 was to lead')
  cluster.simulation.runFor(100)
  cutOff(cluster, [1, 4, 5])
  const change = (): number => cluster.ask(1, (id) => ({ kind: 'change', id, voters: [1, 4, 5], learners: [] }))
  change()
  waitFor(cluster, 'it has begun', () => cluster.status(1).membership.outgoing.length > 0)
  change()
  propose(cluster, 1, 7)
  waitFor(cluster, 'node 2 or 3 leads', () => cluster.inRole('leader').some((id) => id === 2 || id === 3))
  cluster.converge(20_000)
}

/**
 * Two operators look who is a member, each through a node of its own, and each adds one. @returns Whether the later one undoes what
 * the earlier one did.
 */
export function twoOperators(mutant?: Mutant): boolean {
  const founding = { voters: [1, 2, 3], outgoing: [], learners: [] }
  const cluster = new Cluster({ seed: 5, nodeCount: 5, founding, raft: { mutant } })
  const leader = cluster.elect()
  cluster.simulation.runFor(100)
  for (const newcomer of [4, 5]) {
    const replaces = { voters: [3, 2, 1], learners: [] }
    const change = { voters: founding.voters, learners: [newcomer], replaces }
    outcomeOf(
      cluster,
      cluster.ask(leader, (id) => ({ kind: 'change', id, ...change })),
    )
  }
  return !cluster.status(leader).membership.learners.includes(4)
}

/**
 * Paper, figure 2, AppendEntries, receiver, 5: the leader has compared entry 1 and says that it has committed three; what the
 * follower has behind entry 1 is another leader's. @returns Whether that counts as committed.
 */
export function commitBehindEntries(mutant?: Mutant): boolean {
  const entries = [command(1, 1), command(2, 2), command(3, 2)]
  const node = nodeWith({ hardState: { term: 3, votedFor: undefined }, entries }, { mutant })
  play(node).from(2, append(3, 0, 0, [command(1, 1)], 3))
  return node.status.commitIndex > 1
}

/**
 * Entries are taken out while they are written, and others take their place; then the first write ends.
 * @returns Whether that counts for the others.
 */
export function truncatedWrite(mutant?: Mutant): boolean {
  const node = nodeWith({ hardState: { term: 1, votedFor: undefined } }, { mutant })
  const { from, step } = play(node)
  from(2, append(1, 0, 0, [command(1, 1), command(2, 1), command(3, 1)]))
  from(3, append(2, 1, 1, [command(2, 2)]))
  step({ kind: 'persisted', write: 1 })
  return node.status.durableIndex > 1
}

/**
 * A command is so late that it was repeated, executed and covered by a snapshot when its first copy arrives (dissertation, §6.3).
 * @returns Whether it is executed again.
 */
export function delayedDuplicate(mutant?: Mutant): boolean {
  const cluster = new Cluster({ seed: 13, nodeCount: 3, snapshotEvery: 4, raft: { keptEntries: 0, mutant } })
  const run = (bytes: Uint8Array): void => {
    const leader = cluster.elect()
    const request = cluster.ask(leader, (id) => ({ kind: 'propose', proposals: [{ id, command: bytes }] }))
    if (outcomeOf(cluster, request).kind !== 'done') throw new Error('it was to be executed')
  }
  run(encodeCommand({ kind: 'open' }))
  const session = cluster.invariants.lastCommitted
  const late = encodeCommand({ kind: 'run', session, sequence: 1, acknowledged: 0, command: chainCommand(1, 1) })
  run(late)
  for (let i = 1; i <= 10; i++) run(chainCommand(1, i)) // without a session: they are logged, and change nothing
  const { simulation } = cluster
  for (const id of cluster.nodeIds) simulation.crash(id)
  for (const id of cluster.nodeIds) simulation.restart(id)
  run(chainCommand(1, 99))
  const before = cluster.host(cluster.elect()).chain.digest
  run(late)
  return cluster.host(cluster.elect()).chain.digest !== before
}

/** A node hears nothing for long and comes back (dissertation, §9.6). @returns How many terms that has cost. */
export function lonelyNode(mutant?: Mutant): number {
  const cluster = new Cluster({ seed: 4, nodeCount: 5, raft: { mutant } })
  const leader = cluster.elect()
  const { term } = cluster.status(leader)
  const join = cutOff(cluster, [cluster.nodeIds.find((id) => id !== leader) as NodeId])
  cluster.simulation.runFor(3000)
  join()
  cluster.simulation.runFor(2000)
  return Math.max(...cluster.nodeIds.map((id) => cluster.status(id).term)) - term
}

/** A leader that was replaced without knowing is asked for a read. @returns Whether it answered. */
export function zombieRead(mutant?: Mutant): boolean {
  const cluster = new Cluster({ seed: 3, nodeCount: 3, raft: { mutant } })
  const zombie = cluster.elect()
  cutOff(cluster, [zombie])
  cluster.simulation.pause(zombie)
  waitFor(cluster, 'another one leads', () => cluster.inRole('leader').some((id) => id !== zombie), 5000)
  const isLeading = cluster.status(zombie).role === 'leader'
  const read = cluster.ask(zombie, (id) => ({ kind: 'read', ids: [id] }))
  const answer = cluster.outcomes.get(read)
  return isLeading && answer?.kind === 'done'
}

/**
 * The message that hands leadership over is late: its sender has given up and renewed its lease when the heir is elected.
 * @returns Whether the old leader still answers from its lease.
 */
export function lateTransfer(mutant?: Mutant): boolean {
  const cluster = new Cluster({
    seed: 5,
    nodeCount: 3,
    raft: { reads: 'lease', mutant },
    patience: [1, 2, 3].map((id) => [id, id === 1 ? 0 : 0.9]),
  })
  if (cluster.elect() !== 1) throw new Error('node 1 was to lead')
  cluster.simulation.runFor(500)
  let term = 0
  cluster.filter = (_, __, message) => {
    if (message.kind !== 'timeoutNow') return true
    term = message.term
    return false
  }
  const transfer = cluster.ask(1, (id) => ({ kind: 'transfer', id, to: 2 }))
  if (outcomeOf(cluster, transfer).kind !== 'unknown') throw new Error('an heir that was told may still campaign')
  cluster.simulation.runFor(50)
  cluster.filter = (_, to) => to !== 1
  cluster.host(2).step({ kind: 'message', from: 1, message: { kind: 'timeoutNow', term } })
  waitFor(cluster, 'node 2 leads', () => cluster.status(2).role === 'leader', 20)
  const read = cluster.ask(1, (id) => ({ kind: 'read', ids: [id] }))
  return cluster.status(1).role === 'leader' && cluster.outcomes.get(read)?.kind === 'done'
}

/**
 * A node hears a follower and not the leader (Howard and Abraham, 2020, and dissertation, §4.2.3).
 * @returns How many terms that has cost.
 */
export function deafNode(mutant?: Mutant): number {
  const cluster = new Cluster({ seed: 6, nodeCount: 3, raft: { mutant } })
  const leader = cluster.elect()
  cluster.simulation.runFor(500)
  const deaf = cluster.nodeIds.find((id) => id !== leader) as NodeId
  const { term } = cluster.status(leader)
  cluster.simulation.network.block([leader], [deaf])
  cluster.simulation.runFor(5000)
  return Math.max(...cluster.nodeIds.map((id) => cluster.status(id).term)) - term
}

/**
 * An entry is on two of three nodes; of one the disk is damaged or wiped (the case of Alagappan et al., "Protocol-Aware Recovery
 * for Consensus-Based Storage", FAST 2018).
 * @param goesOn - What no driver may do: the node starts with what is left.
 */
export function damagedDisk(kind: 'rot' | 'wipe', goesOn: boolean): void {
  const cluster = new Cluster({
    seed: 12,
    nodeCount: 3,
    patience: [1, 2, 3].map((id) => [id, (id - 1) / 3]),
    checksPromises: false,
  })
  if (cluster.elect() !== 1) throw new Error('node 1 was to lead')
  const { simulation } = cluster
  simulation.runFor(100)
  const join = cutOff(cluster, [3])
  if (outcomeOf(cluster, propose(cluster, 1, 1)).kind !== 'done') throw new Error('nodes 1 and 2 were to agree')
  propose(cluster, 1, 2) // the records of later entries say that the earlier ones were durable
  simulation.runFor(100)
  for (const id of [1, 2]) simulation.crash(id)
  if (!cluster.damage(kind, 2)) throw new Error('there was something to damage')
  if (goesOn) cluster.forget(2, kind === 'rot' ? 2 : 1)
  simulation.restart(2)
  join()
  simulation.runFor(3000)
  if (cluster.leader !== undefined)
    throw new Violation('durability', `${cluster.leader} leads without what was committed`)
  simulation.restart(1)
  cluster.converge(5000)
}

/**
 * A leader whose disk takes nothing any more is asked for something, again and again.
 * @returns Whether nobody else has led when its disk goes on after five election timeouts.
 */
export function stalledLeader(mutant?: Mutant): boolean {
  const cluster = new Cluster({ seed: 10, nodeCount: 3, raft: { stallTicks: 20, mutant } })
  const { simulation } = cluster
  const stalled = cluster.elect()
  simulation.runFor(100)
  simulation.stall(stalled)
  propose(cluster, stalled, 1)
  simulation.runFor(500)
  const isStuck = cluster.inRole('leader').every((id) => id === stalled)
  if (!isStuck && outcomeOf(cluster, propose(cluster, cluster.leader as NodeId, 2)).kind !== 'done') return true
  simulation.unstall(stalled)
  cluster.converge(5000)
  return isStuck
}

/**
 * One of three voters is down, and a fourth is added whose disk is empty, behind a slow way (dissertation, §4.2.1).
 * @returns Whether commands wait for it to receive the log.
 */
export function slowNewcomer(mutant?: Mutant): boolean {
  const founding = { voters: [1, 2, 3], outgoing: [], learners: [] }
  const patience = [1, 2, 3, 4].map((id) => [id, (id - 1) / 4] as const)
  const raft = { maxBatchBytes: 1, maxInflightMessages: 1, mutant }
  const cluster = new Cluster({ seed: 11, nodeCount: 4, founding, patience, raft })
  if (cluster.elect() !== 1) throw new Error('node 1 was to lead')
  for (let i = 0; i < 200; i++) propose(cluster, 1, i)
  cluster.simulation.runFor(1000)
  cluster.simulation.crash(3)
  const change = cluster.ask(1, (id) => ({ kind: 'change', id, voters: [1, 2, 3, 4], learners: [] }))
  cluster.simulation.runFor(100)
  const isBehind = cluster.status(4).lastIndex < 200
  const command = propose(cluster, 1, 999)
  cluster.simulation.runFor(50)
  const isHeldUp = cluster.outcomes.get(command)?.kind !== 'done'
  if (outcomeOf(cluster, change).kind !== 'done' || !isBehind) return true
  cluster.converge(5000)
  return isHeldUp
}

/** A new leader is asked for a read before it knows what its predecessor has committed. @returns Whether it answers from the past. */
export function hastyRead(mutant?: Mutant): boolean {
  const cluster = new Cluster({ seed: 9, nodeCount: 3, raft: { mutant } })
  const first = cluster.elect()
  cluster.simulation.runFor(200)
  // The entry is committed and nobody but the leader knows.
  const before = cluster.status(first).commitIndex
  cluster.filter = (from, _, message) => from !== first || (message.kind === 'append' && message.entries.length > 0)
  propose(cluster, first, 1)
  waitFor(cluster, 'it is committed', () => cluster.status(first).commitIndex > before)
  cluster.simulation.crash(first)
  // The next leader's entries are lost: it leads and can commit nothing.
  cluster.filter = (_, __, message) => message.kind !== 'append'
  waitFor(cluster, 'another one leads', () => cluster.leader !== undefined)
  const next = cluster.leader as NodeId
  const read = cluster.ask(next, (id) => ({ kind: 'read', ids: [id] }))
  cluster.simulation.runFor(50)
  const answer = cluster.outcomes.get(read)
  return answer?.kind === 'done' && answer.index <= before
}
