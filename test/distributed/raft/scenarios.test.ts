// Known traps, each with its section of the paper or dissertation.
import { describe, expect, it } from 'vitest'
import type { Message, NodeId, Term } from '../../../ts/distributed/raft/index.ts'
import { Cluster } from '../../support/raft/cluster.ts'
import {
  cutOff,
  damagedDisk,
  deafNode,
  delayedDuplicate,
  disjointMajorities,
  diskOf,
  figure8,
  forgottenVote,
  hastyRead,
  lateElection,
  lateTransfer,
  lonelyNode,
  lostPromise,
  outcomeOf,
  propose,
  slowLeader,
  slowNewcomer,
  snapshotOfTwoLeaders,
  stalledLeader,
  twoChanges,
  twoOperators,
  waitFor,
  zombieRead,
} from '../../support/raft/scenarios.ts'

const others = (cluster: Cluster, ...ids: NodeId[]): NodeId[] => cluster.nodeIds.filter((id) => !ids.includes(id))

describe('election (§5.2, §5.4.1)', () => {
  it('gives one leader, and it stays one while nothing happens', () => {
    const cluster = new Cluster({ seed: 1, nodeCount: 5 })
    const leader = cluster.elect()
    const { term } = cluster.status(leader)
    cluster.simulation.runFor(10_000)
    expect(cluster.inRole('leader')).toEqual([leader])
    expect(cluster.nodeIds.map((id) => cluster.status(id).term)).toEqual(Array(5).fill(term))
  })

  it('needs no other node in a cluster of one', () => {
    const cluster = new Cluster({ seed: 1, nodeCount: 1 })
    expect(cluster.elect()).toBe(1)
    expect(outcomeOf(cluster, propose(cluster, 1, 1))).toEqual({ kind: 'done', index: 2 })
  })

  it('gives another leader within four election timeouts after a crash', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const cluster = new Cluster({ seed, nodeCount: 5 })
      const leader = cluster.elect()
      cluster.simulation.crash(leader)
      waitFor(cluster, 'another leader', () => cluster.leader !== undefined, 800)
    }
  })

  it('gives none to a minority, and the old leader there steps down', () => {
    const cluster = new Cluster({ seed: 2, nodeCount: 5 })
    const leader = cluster.elect()
    const heal = cutOff(cluster, [leader, others(cluster, leader)[0] as NodeId])
    waitFor(cluster, 'it steps down', () => cluster.status(leader).role !== 'leader', 1000)
    waitFor(cluster, 'the majority has a leader', () => cluster.leader !== undefined)
    heal()
    cluster.converge(5000)
  })

  it('does not go to who has less in its log', () => {
    const cluster = new Cluster({
      seed: 3,
      nodeCount: 3,
      patience: [
        [1, 0],
        [2, 0.5],
        [3, 0.9],
      ],
      durable: (id) => (id === 1 ? diskOf(2, [1]) : diskOf(2, [1, 2])),
    })
    expect(cluster.elect()).toBe(2)
    cluster.converge(5000)
    expect(cluster.host(1).node.termAt(2)).toBe(2)
  })

  it('is not won twice in a term, though a voter crashes between two requests (§5.2)', () => forgottenVote())

  it('is not disturbed by a node that comes back after it heard nothing for long (dissertation, §9.6)', () => {
    expect(lonelyNode()).toBe(0)
  })

  it('is not disturbed by a node that hears followers only (dissertation, §4.2.3)', () => {
    expect(deafNode()).toBe(0)
  })
})

describe('the log (§5.3, §5.4.2)', () => {
  it('of every follower in figure 7 becomes that of the leader', () => {
    const terms: readonly Term[][] = [
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
      [1, 1, 1, 4, 4, 5, 5, 6, 6],
      [1, 1, 1, 4],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      [1, 1, 1, 4, 4, 4, 4],
      [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ]
    for (const maxBatchBytes of [1, 100_000]) {
      const cluster = new Cluster({
        seed: 7,
        nodeCount: 7,
        raft: { maxBatchBytes },
        patience: terms.map((_, i) => [i + 1, i === 0 ? 0 : 0.9]),
        durable: (id) => diskOf(7, terms[id - 1] as Term[]),
      })
      expect(cluster.elect()).toBe(1)
      cluster.converge(5000)
      const expected = [...(terms[0] as Term[]), 8]
      for (const id of cluster.nodeIds) {
        expect(expected.map((_, i) => cluster.host(id).node.termAt(i + 1))).toEqual(expected)
        expect(cluster.status(id).lastIndex).toBe(expected.length)
      }
    }
  })

  it('loses no committed entry in figure 8', () => {
    const cluster = figure8()
    expect(cluster.host(1).node.termAt(2)).toBe(3)
  })

  it('keeps what followers have acknowledged, though they crash (figure 2)', () => lostPromise())

  it('finds where a follower differs with one refusal a term, however long the terms are (§5.3)', () => {
    const many = (term: Term, count: number): Term[] => Array(count).fill(term)
    const cluster = new Cluster({
      seed: 9,
      nodeCount: 3,
      patience: [1, 2, 3].map((id) => [id, id === 1 ? 0 : 0.9]),
      durable: (id) =>
        diskOf(6, id === 3 ? [1, ...many(2, 400), ...many(3, 400)] : [1, ...many(4, 500), ...many(5, 500)]),
    })
    let refusals = 0
    cluster.filter = (from, _, { kind }) => {
      if (from === 3 && kind === 'refused') refusals++
      return true
    }
    expect(cluster.elect()).toBe(1)
    cluster.converge(5000)
    expect(refusals).toBeGreaterThan(0)
    expect(refusals).toBeLessThanOrEqual(3)
    expect(cluster.host(3).node.termAt(2)).toBe(4)
  })

  it('of a follower that missed entries catches up', () => {
    const cluster = new Cluster({ seed: 5, nodeCount: 3 })
    const leader = cluster.elect()
    const behind = others(cluster, leader)[0] as NodeId
    cluster.simulation.crash(behind)
    for (let i = 1; i <= 300; i++) propose(cluster, leader, i)
    cluster.simulation.runFor(500)
    cluster.simulation.restart(behind)
    cluster.converge(2000)
    expect(cluster.status(behind).appliedIndex).toBe(cluster.status(leader).lastIndex)
  })

  it('is led by another node when the disk of the leader stalls', () => expect(stalledLeader()).toBe(false))

  it('is led by the only voter there is, whatever its disk does', () => {
    const cluster = new Cluster({ seed: 1, nodeCount: 1, raft: { stallTicks: 5 } })
    cluster.elect()
    cluster.simulation.stall(1)
    const command = propose(cluster, 1, 1)
    cluster.simulation.runFor(5000)
    expect([cluster.leader, cluster.outcomes.has(command)]).toEqual([1, false])
    cluster.simulation.unstall(1)
    expect(outcomeOf(cluster, command).kind).toBe('done')
  })

  it('is committed by followers while the disk of the leader is slow (dissertation, §10.2.1)', () => {
    const cluster = new Cluster({ seed: 6, nodeCount: 3 })
    const leader = cluster.elect()
    cluster.simulation.runFor(100)
    const before = cluster.status(leader)
    // Both followers are done before the leader's own sync, which takes half a second.
    cluster.simulation.storage = { minSyncMs: 500, maxSyncMs: 500, partialRate: 0 }
    propose(cluster, leader, 1)
    cluster.simulation.storage = { minSyncMs: 0.1, maxSyncMs: 0.1, partialRate: 0 }
    cluster.simulation.runFor(100)
    const after = cluster.status(leader)
    expect(after.commitIndex).toBe(before.commitIndex + 1)
    expect(after.durableIndex).toBe(before.durableIndex)
    expect(after.appliedIndex).toBe(before.appliedIndex)
  })
})

describe('reads (dissertation, §6.4)', () => {
  it('are not answered by a leader that was replaced', () => expect(zombieRead()).toBe(false))

  it('are not answered by a new leader before it knows what is committed', () => expect(hastyRead()).toBe(false))

  it('need no message while a lease holds, and end with it', () => {
    const cluster = new Cluster({ seed: 7, nodeCount: 3, raft: { reads: 'lease' } })
    const leader = cluster.elect()
    cluster.simulation.runFor(100)
    const read = cluster.ask(leader, (id) => ({ kind: 'read', ids: [id] }))
    expect(cluster.outcomes.get(read)?.kind).toBe('done')
    cluster.simulation.pause(leader)
    cluster.simulation.runFor(2000)
    const late = cluster.ask(leader, (id) => ({ kind: 'read', ids: [id] }))
    expect(cluster.outcomes.get(late)).toBe(undefined)
    cluster.simulation.resume(leader)
    expect(outcomeOf(cluster, late).kind).toBe('unknown')
  })

  it('rely on no lease once somebody was told to campaign (§6.4.1)', () => expect(lateTransfer()).toBe(false))

  it('rely on no lease that a vote in a newer term could have ended (§6.4.1)', () => expect(lateElection()).toBe(false))

  it('rely on clocks that differ by less than the options say, and on nothing else (§6.4.1)', () => {
    const promised = 10 / (4 + 2) // electionTicks / (leaseTicks + 2)
    expect(slowLeader(1 / promised)).toBe(false)
    expect(slowLeader(0.2)).toBe(true)
  })

  it('are refused by followers, who say who leads', () => {
    const cluster = new Cluster({ seed: 8, nodeCount: 3 })
    const leader = cluster.elect()
    cluster.simulation.runFor(100)
    const read = cluster.ask(others(cluster, leader)[0] as NodeId, (id) => ({ kind: 'read', ids: [id] }))
    expect(cluster.outcomes.get(read)).toEqual({ kind: 'refused', reason: 'not leader', leader })
  })
})

describe('leadership transfer (dissertation, §3.10)', () => {
  it('takes less than an election timeout, with the log brought up to date first', () => {
    const cluster = new Cluster({ seed: 1, nodeCount: 5 })
    const leader = cluster.elect()
    const heir = others(cluster, leader)[0] as NodeId
    const heal = cutOff(cluster, [heir])
    for (let i = 0; i < 50; i++) propose(cluster, leader, i)
    cluster.simulation.runFor(50)
    heal()
    const transfer = cluster.ask(leader, (id) => ({ kind: 'transfer', id, to: heir }))
    const refused = propose(cluster, leader, 99)
    expect(cluster.outcomes.get(refused)).toMatchObject({ kind: 'refused', reason: 'transferring' })
    waitFor(cluster, 'the heir leads', () => cluster.leader === heir, 100)
    expect(cluster.outcomes.get(transfer)?.kind).toBe('done')
    cluster.converge(2000)
  })

  it('is given up after an election timeout if the heir is gone', () => {
    const cluster = new Cluster({ seed: 2, nodeCount: 3 })
    const leader = cluster.elect()
    const heir = others(cluster, leader)[0] as NodeId
    cluster.simulation.crash(heir)
    propose(cluster, leader, 1)
    const transfer = cluster.ask(leader, (id) => ({ kind: 'transfer', id, to: heir }))
    expect(outcomeOf(cluster, transfer, 200)).toEqual({ kind: 'refused', reason: 'heir behind', leader })
    expect(outcomeOf(cluster, propose(cluster, leader, 2)).kind).toBe('done')
  })

  it('goes to voters only', () => {
    const founding = { voters: [1, 2], outgoing: [], learners: [3] }
    const cluster = new Cluster({ seed: 3, nodeCount: 3, founding })
    const transfer = cluster.ask(cluster.elect(), (id) => ({ kind: 'transfer', id, to: 3 }))
    expect(outcomeOf(cluster, transfer)).toMatchObject({ kind: 'refused', reason: 'not a voter' })
  })
})

describe('membership (§6, dissertation §4)', () => {
  it('changes as a whole, to voters that have nobody in common with those before', () => {
    const founding = { voters: [1, 2, 3], outgoing: [], learners: [] }
    const cluster = new Cluster({ seed: 1, nodeCount: 6, founding })
    const leader = cluster.elect()
    propose(cluster, leader, 1)
    const change = cluster.ask(leader, (id) => ({ kind: 'change', id, voters: [4, 5, 6], learners: [] }))
    expect(outcomeOf(cluster, change).kind).toBe('done')
    waitFor(cluster, 'a new one leads', () => [4, 5, 6].includes(cluster.leader ?? 0))
    for (const id of [1, 2, 3]) cluster.simulation.crash(id)
    expect(outcomeOf(cluster, propose(cluster, cluster.leader as NodeId, 2)).kind).toBe('done')
  })

  it('brings a new voter the log before its vote counts (dissertation, §4.2.1)', () =>
    expect(slowNewcomer()).toBe(false))

  it('is not changed for a new voter that does not answer (dissertation, §4.2.1)', () => {
    const founding = { voters: [1, 2, 3], outgoing: [], learners: [] }
    const cluster = new Cluster({ seed: 2, nodeCount: 4, founding })
    const leader = cluster.elect()
    cluster.simulation.crash(4)
    const change = cluster.ask(leader, (id) => ({ kind: 'change', id, voters: [1, 2, 3, 4], learners: [] }))
    const second = cluster.ask(leader, (id) => ({ kind: 'change', id, voters: [1, 2], learners: [] }))
    expect(cluster.outcomes.get(second)).toMatchObject({ reason: 'change under way' })
    expect(outcomeOf(cluster, change, 400)).toMatchObject({ kind: 'refused', reason: 'voter behind' })
    expect(cluster.status(leader).membership).toEqual(founding)
    const third = cluster.ask(leader, (id) => ({ kind: 'change', id, voters: [1, 2, 3], learners: [4] }))
    expect(outcomeOf(cluster, third).kind).toBe('done')
  })

  it('is not changed for a new voter that is always further behind (dissertation, §4.2.1)', () => {
    const founding = { voters: [1, 2, 3], outgoing: [], learners: [] }
    const raft = { maxBatchBytes: 1, maxInflightMessages: 1 }
    const cluster = new Cluster({ seed: 2, nodeCount: 4, founding, raft })
    const leader = cluster.elect()
    // Entries come about as fast as one message after the other brings them.
    const load = (): void => {
      if (cluster.leader === leader) propose(cluster, leader, 1)
      cluster.simulation.later(1, load)
    }
    load()
    cluster.simulation.runFor(300)
    const change = cluster.ask(leader, (id) => ({ kind: 'change', id, voters: [1, 2, 3, 4], learners: [] }))
    expect(outcomeOf(cluster, change, 60_000)).toMatchObject({ kind: 'refused', reason: 'voter behind' })
    expect(cluster.status(leader).membership).toEqual(founding)
  })

  it('never lets two majorities decide without each other', () => {
    const cluster = disjointMajorities()
    expect(cluster.leader).toBeDefined()
  })

  it('does not change again before a change is committed, whoever asks (§6)', () => twoChanges())

  it('is not changed for a membership that another change has replaced', () => {
    expect(twoOperators()).toBe(false)
    const cluster = new Cluster({ seed: 2, nodeCount: 4 })
    const leader = cluster.elect()
    cluster.simulation.runFor(100)
    const before = { voters: [4, 3, 2, 1], learners: [] }
    const change = (voters: number[], replaces: { voters: number[]; learners: number[] }): number =>
      cluster.ask(leader, (id) => ({ kind: 'change', id, voters, learners: [], replaces }))
    const voters = [leader, ...others(cluster, leader).slice(1)]
    expect(outcomeOf(cluster, change(voters, before)).kind).toBe('done')
    const late = change([1, 2, 3, 4], before)
    expect(cluster.outcomes.get(late)).toMatchObject({ kind: 'refused', reason: 'other membership' })
    const asLearner = change([1, 2, 3, 4], { voters: voters.slice(1), learners: [leader] })
    expect(cluster.outcomes.get(asLearner)).toMatchObject({ kind: 'refused', reason: 'other membership' })
    expect(outcomeOf(cluster, change([1, 2, 3, 4], { voters, learners: [] })).kind).toBe('done')
  })

  it('brings learners the log and no vote', () => {
    const founding = { voters: [1, 2, 3], outgoing: [], learners: [] }
    const cluster = new Cluster({ seed: 2, nodeCount: 5, founding })
    const leader = cluster.elect()
    const change = cluster.ask(leader, (id) => ({ kind: 'change', id, voters: [1, 2, 3], learners: [4, 5] }))
    expect(outcomeOf(cluster, change).kind).toBe('done')
    waitFor(cluster, 'they catch up', () => cluster.status(4).appliedIndex === cluster.status(leader).appliedIndex)
    for (const id of others(cluster, leader, 4, 5)) cluster.simulation.crash(id)
    waitFor(cluster, 'the leader steps down', () => cluster.leader === undefined)
    cluster.simulation.runFor(5000)
    expect(cluster.leader).toBe(undefined)
  })

  it('makes a learner a voter, whose vote counts before it knows', () => {
    const founding = { voters: [1, 2], outgoing: [], learners: [3] }
    const patience = [1, 2, 3].map((id) => [id, id === 1 ? 0 : id / 4] as const)
    const cluster = new Cluster({ seed: 5, nodeCount: 3, founding, patience })
    expect(cluster.elect()).toBe(1)
    cluster.simulation.runFor(100)
    // The new membership reaches node 2 alone, and decides without node 1.
    const heal = cluster.simulation.network.separate([1], [3])
    const change = cluster.ask(1, (id) => ({ kind: 'change', id, voters: [1, 2, 3], learners: [] }))
    waitFor(cluster, 'node 2 has it', () => cluster.status(2).membership.voters.length === 3)
    cluster.simulation.crash(1)
    heal()
    expect(cluster.status(3).membership.learners).toEqual([3])
    // Joint: node 2 alone is no majority of the two voters before.
    cluster.simulation.runFor(2000)
    expect(cluster.leader).toBe(undefined)
    cluster.simulation.restart(1)
    waitFor(cluster, 'the change ends', () => {
      const { leader } = cluster
      return leader !== undefined && cluster.status(leader).membership.outgoing.length === 0
    })
    cluster.converge(5000)
    cluster.simulation.crash(1)
    waitFor(cluster, 'nodes 2 and 3 go on', () => cluster.leader !== undefined)
    expect(outcomeOf(cluster, propose(cluster, cluster.leader as NodeId, 1)).kind).toBe('done')
    expect(cluster.outcomes.get(change)?.kind).not.toBe('done')
  })

  it('is led by a node that leaves until that is committed, and then by another at once (dissertation, §4.2.2)', () => {
    const cluster = new Cluster({ seed: 6, nodeCount: 4 })
    const leader = cluster.elect()
    cluster.simulation.runFor(100)
    const voters = others(cluster, leader)
    // One of the new voters is gone: the old leader, which has the entry as well, must not count.
    const gone = voters[0] as NodeId
    cluster.simulation.crash(gone)
    const heal = cluster.simulation.network.separate([leader], [voters[1] as NodeId])
    const change = cluster.ask(leader, (id) => ({ kind: 'change', id, voters, learners: [] }))
    cluster.simulation.runFor(60)
    expect([cluster.status(leader).role, cluster.outcomes.has(change)]).toEqual(['leader', false])
    heal()
    expect(outcomeOf(cluster, change).kind).toBe('done')
    expect(cluster.status(leader).role).toBe('follower')
    waitFor(cluster, 'another one leads', () => voters.includes(cluster.leader ?? 0), 50)
  })

  it('is not disturbed by a node that left and does not know (dissertation, §4.2.3)', () => {
    const cluster = new Cluster({ seed: 7, nodeCount: 4 })
    const leader = cluster.elect()
    const left = others(cluster, leader)[0] as NodeId
    const heal = cutOff(cluster, [left])
    const change = cluster.ask(leader, (id) => ({ kind: 'change', id, voters: others(cluster, left), learners: [] }))
    expect(outcomeOf(cluster, change).kind).toBe('done')
    const { term } = cluster.status(leader)
    heal()
    cluster.simulation.runFor(10_000)
    expect([cluster.leader, cluster.status(leader).term]).toEqual([leader, term])
    // It is told, and asks no more.
    expect([cluster.host(left).node.isRemoved, cluster.status(left).role]).toEqual([true, 'follower'])
    // Nor by one that takes a term of its own, as one without pre-vote would.
    const request = {
      kind: 'requestVote',
      term: term + 5,
      isPre: false,
      lastIndex: 99,
      lastTerm: term,
      isTransfer: false,
    }
    for (const to of others(cluster, left)) cluster.simulation.send(left, to, request as Message)
    cluster.simulation.runFor(1000)
    expect([cluster.leader, cluster.status(leader).term]).toEqual([leader, term])
  })

  it('lets those who leave know, the leader included, and takes them in again', () => {
    const cluster = new Cluster({ seed: 7, nodeCount: 5 })
    const leader = cluster.elect()
    cluster.simulation.runFor(100)
    const [voter, learner, ...rest] = others(cluster, leader) as [NodeId, NodeId, ...NodeId[]]
    const isRemoved = (id: NodeId): boolean => cluster.host(id).node.isRemoved
    const change = (voters: NodeId[], learners: NodeId[]): void => {
      const at = cluster.leader as NodeId
      const asked = cluster.ask(at, (id) => ({ kind: 'change', id, voters, learners }))
      expect(outcomeOf(cluster, asked).kind).toBe('done')
    }
    change([leader, voter, ...rest], [learner])
    expect(cluster.nodeIds.some(isRemoved)).toBe(false)
    change([leader, ...rest], [])
    waitFor(cluster, 'both know', () => isRemoved(voter) && isRemoved(learner), 50)
    change([leader, voter, ...rest], [])
    waitFor(cluster, 'it is back', () => !isRemoved(voter), 50)
    change([voter, ...rest], [leader])
    expect(isRemoved(leader)).toBe(false)
    waitFor(cluster, 'another one leads', () => cluster.leader !== undefined && cluster.leader !== leader)
    cluster.converge(5000)
    change([leader, voter, ...rest], [])
    const back = cluster.ask(cluster.leader as NodeId, (id) => ({ kind: 'transfer', id, to: leader }))
    expect(outcomeOf(cluster, back).kind).toBe('done')
    waitFor(cluster, 'it leads', () => cluster.leader === leader)
    cluster.simulation.runFor(100)
    change([voter, ...rest], [])
    expect(isRemoved(leader)).toBe(true)
    waitFor(cluster, 'another one leads', () => cluster.leader !== undefined && cluster.leader !== leader)
    // One that was down, and has the entry that leaves it out, learns by asking that it is committed.
    cluster.simulation.crash(leader)
    cluster.simulation.restart(leader)
    waitFor(cluster, 'it is told again', () => isRemoved(leader))
    // What was true once, and comes late, is not believed.
    cluster.host(voter).step({ kind: 'message', from: leader, message: { kind: 'removed', term: 1, index: 2 } })
    expect(isRemoved(voter)).toBe(false)
    cluster.converge(5000)
  })

  it('goes on while leadership is handed over', () => {
    const cluster = new Cluster({ seed: 8, nodeCount: 5 })
    const leader = cluster.elect()
    cluster.simulation.runFor(100)
    const [heir, ...rest] = others(cluster, leader) as [NodeId, ...NodeId[]]
    const voters = [leader, heir, rest[0] as NodeId]
    cluster.ask(leader, (id) => ({ kind: 'change', id, voters, learners: [] }))
    const transfer = cluster.ask(leader, (id) => ({ kind: 'transfer', id, to: heir }))
    const second = cluster.ask(leader, (id) => ({ kind: 'change', id, voters: rest, learners: [] }))
    expect(cluster.outcomes.get(second)).toMatchObject({ kind: 'refused', reason: 'transferring' })
    waitFor(cluster, 'the heir leads', () => cluster.leader === heir, 300)
    expect(cluster.outcomes.get(transfer)?.kind).toBe('done')
    waitFor(cluster, 'the change ends', () => cluster.status(heir).membership.outgoing.length === 0)
    expect(cluster.status(heir).membership.voters).toEqual(voters)
    cluster.converge(5000)
  })

  it('waits while leadership is handed over, and ends if that fails', () => {
    const cluster = new Cluster({ seed: 8, nodeCount: 5 })
    const leader = cluster.elect()
    cluster.simulation.runFor(100)
    const [heir, ...rest] = others(cluster, leader) as [NodeId, ...NodeId[]]
    cluster.simulation.crash(heir)
    const voters = [leader, heir, rest[0] as NodeId]
    const change = cluster.ask(leader, (id) => ({ kind: 'change', id, voters, learners: [] }))
    const transfer = cluster.ask(leader, (id) => ({ kind: 'transfer', id, to: heir }))
    expect(outcomeOf(cluster, transfer)).toMatchObject({ kind: 'refused', reason: 'heir behind' })
    expect(outcomeOf(cluster, change, 200).kind).toBe('done')
    expect(cluster.leader).toBe(leader)
  })

  it('changes one at a time, and to what can be a membership', () => {
    const cluster = new Cluster({ seed: 3, nodeCount: 5 })
    const leader = cluster.elect()
    const first = cluster.ask(leader, (id) => ({ kind: 'change', id, voters: [1, 2, 3], learners: [] }))
    const second = cluster.ask(leader, (id) => ({ kind: 'change', id, voters: [1, 2], learners: [] }))
    expect(cluster.outcomes.get(second)).toMatchObject({ reason: 'change under way' })
    expect(outcomeOf(cluster, first).kind).not.toBe('refused')
    waitFor(
      cluster,
      'a leader',
      () => cluster.leader !== undefined && cluster.status(cluster.leader).membership.outgoing.length === 0,
    )
    cluster.simulation.runFor(1000)
    for (const [voters, learners] of [
      [[], []],
      [[1, 1], []],
      [[1], [1]],
      [[0], []],
      [[1.5], []],
    ] as [number[], number[]][]) {
      const bad = cluster.ask(cluster.leader as NodeId, (id) => ({ kind: 'change', id, voters, learners }))
      expect(cluster.outcomes.get(bad)).toMatchObject({ reason: 'bad membership' })
    }
  })

  it('that was begun by a leader that crashed is ended by the next one', () => {
    const cluster = new Cluster({ seed: 4, nodeCount: 5 })
    const leader = cluster.elect()
    const voters = others(cluster, leader)
    cluster.ask(leader, (id) => ({ kind: 'change', id, voters, learners: [] }))
    waitFor(cluster, 'the joint membership is out', () => {
      return voters.filter((id) => cluster.status(id).membership.outgoing.length > 0).length >= 3
    })
    cluster.simulation.crash(leader)
    waitFor(cluster, 'the change ends', () => {
      const next = cluster.leader
      return next !== undefined && cluster.status(next).membership.outgoing.length === 0
    })
    expect(cluster.status(cluster.leader as NodeId).membership.voters).toEqual(voters)
  })
})

describe('clients (§8, dissertation §6.3)', () => {
  it('are not surprised by a copy of a command that arrives late, also after a snapshot', () => {
    expect(delayedDuplicate()).toBe(false)
  })
})

describe('snapshots (§7)', () => {
  it.each([{ keptEntries: 5 }, { keptBytes: 200 }])(
    'bring back in pieces who was away for longer than the log goes back: %j',
    (kept) => {
      const raft = { ...kept, chunkBytes: 10 }
      const cluster = new Cluster({ seed: 1, nodeCount: 3, snapshotEvery: 20, raft })
      const client = cluster.addClient({ thinkMs: 1 })
      const leader = cluster.elect()
      const away = others(cluster, leader)[0] as NodeId
      cluster.simulation.crash(away)
      waitFor(cluster, 'a hundred operations', () => client.completed > 100, 20_000)
      cluster.simulation.restart(away)
      let chunks = 0
      cluster.filter = (_, to, { kind }) => {
        if (to === away && kind === 'snapshotChunk') chunks++
        return true
      }
      cluster.converge(5000)
      expect(chunks).toBeGreaterThan(5)
      expect(cluster.host(away).chain.digest).toBe(cluster.host(leader).chain.digest)
      expect(cluster.checkHistory()).toBe(true)
    },
  )

  it('of two leaders are not put together', () => snapshotOfTwoLeaders())

  it('begin again at a receiver that crashed, and go on where a lost piece was', () => {
    const raft = { keptEntries: 0, chunkBytes: 8 }
    const cluster = new Cluster({ seed: 3, nodeCount: 3, snapshotEvery: 20, raft })
    const client = cluster.addClient({ thinkMs: 1 })
    const leader = cluster.elect()
    const away = others(cluster, leader)[0] as NodeId
    cluster.simulation.crash(away)
    waitFor(cluster, 'a hundred operations', () => client.completed > 100, 20_000)
    client.isStopping = true
    cluster.simulation.restart(away)
    const offsets: number[] = []
    let isLossy = true
    cluster.filter = (_, to, message) => {
      if (to !== away || message.kind !== 'snapshotChunk') return true
      offsets.push(message.offset)
      return !isLossy || offsets.length % 3 !== 0
    }
    waitFor(cluster, 'some pieces', () => offsets.length === 10)
    expect(offsets.filter((offset) => offset === 0)).toHaveLength(1)
    cluster.simulation.crash(away)
    cluster.simulation.restart(away)
    isLossy = false
    cluster.converge(5000)
    expect(offsets.filter((offset) => offset === 0)).toHaveLength(2)
    expect(cluster.host(away).chain.digest).toBe(cluster.host(leader).chain.digest)
  })

  it('and logs are what a whole cluster starts from again', () => {
    const cluster = new Cluster({ seed: 2, nodeCount: 3, snapshotEvery: 10, raft: { keptEntries: 0 } })
    const client = cluster.addClient({ thinkMs: 1 })
    waitFor(cluster, 'fifty operations', () => client.completed > 50, 20_000)
    for (const id of cluster.nodeIds) cluster.simulation.crash(id)
    for (const id of cluster.nodeIds) cluster.simulation.restart(id)
    waitFor(cluster, 'fifty more', () => client.completed > 100, 20_000)
    cluster.converge(5000)
    expect(cluster.checkHistory()).toBe(true)
  })
})

describe('a damaged disk', () => {
  it.each(['rot', 'wipe'] as const)('ends its node, and nothing is lost while a majority has it: %s', (kind) => {
    damagedDisk(kind, false)
    expect(() => damagedDisk(kind, true)).toThrow(/leader completeness|durability/)
  })

  it('is replaced by a new node with a new id', () => {
    const founding = { voters: [1, 2, 3], outgoing: [], learners: [] }
    const cluster = new Cluster({ seed: 3, nodeCount: 4, founding })
    const leader = cluster.elect()
    propose(cluster, leader, 1)
    const lost = others(cluster, leader, 4)[0] as NodeId
    cluster.damage('wipe', lost)
    cluster.simulation.restart(lost)
    expect(cluster.simulation.isUp(lost)).toBe(false)
    const voters = others(cluster, lost)
    const change = cluster.ask(leader, (id) => ({ kind: 'change', id, voters, learners: [] }))
    expect(outcomeOf(cluster, change).kind).toBe('done')
    cluster.simulation.crash(leader)
    waitFor(cluster, 'the others go on', () => cluster.leader !== undefined)
    expect(outcomeOf(cluster, propose(cluster, cluster.leader as NodeId, 2)).kind).toBe('done')
    cluster.converge(5000)
  })

  it('is noticed when a snapshot is sent from it: that ends the node', () => {
    const raft = { keptEntries: 0, chunkBytes: 8 }
    const cluster = new Cluster({ seed: 1, nodeCount: 3, snapshotEvery: 10, raft })
    const leader = cluster.elect()
    const away = others(cluster, leader)[0] as NodeId
    cluster.simulation.crash(away)
    for (let i = 0; i < 50; i++) propose(cluster, leader, i)
    cluster.simulation.runFor(300)
    expect(cluster.damage('rot', leader, 'snapshot')).toBe(true)
    cluster.simulation.restart(away)
    waitFor(cluster, 'the leader ends', () => !cluster.simulation.isUp(leader))
    cluster.converge(5000)
  })
})

describe('a full disk', () => {
  it('ends its node, which goes on from what it had when there is space again', () => {
    const cluster = new Cluster({ seed: 2, nodeCount: 3 })
    const client = cluster.addClient()
    const leader = cluster.elect()
    cluster.simulation.fill(leader)
    waitFor(cluster, 'another one leads', () => cluster.leader !== undefined && cluster.leader !== leader)
    expect(cluster.simulation.isUp(leader)).toBe(false)
    cluster.simulation.restart(leader) // it starts, and ends with the first write
    cluster.simulation.runFor(500)
    expect(cluster.simulation.isUp(leader)).toBe(false)
    cluster.simulation.free(leader)
    cluster.simulation.restart(leader)
    waitFor(cluster, 'the client goes on', () => client.completed > 50)
    cluster.converge(5000)
    expect(cluster.checkHistory()).toBe(true)
  })
})

describe('the simulated disk', () => {
  it.each(['durable before reply', 'votes are persisted'] as const)(
    'shows at once that a node lacks: %s',
    (without) => {
      const raft = { mutant: { without, applied: 0 } }
      expect(() => new Cluster({ seed: 1, nodeCount: 3, raft }).elect()).toThrow('durability')
    },
  )
})
