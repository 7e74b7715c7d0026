// Known traps, each with its section of the paper or dissertation.
import { describe, expect, it } from 'vitest'
import type { NodeId, Term } from '../../../ts/distributed/raft/index.ts'
import { Cluster } from '../../support/raft/cluster.ts'
import {
  cutOff,
  deafNode,
  disjointMajorities,
  diskOf,
  figure8,
  hastyRead,
  lateTransfer,
  outcomeOf,
  propose,
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

  it('is not disturbed by a node that comes back after it heard nothing for long (dissertation, §9.6)', () => {
    const cluster = new Cluster({ seed: 4, nodeCount: 5 })
    const leader = cluster.elect()
    const { term } = cluster.status(leader)
    const lonely = others(cluster, leader)[0] as NodeId
    const heal = cutOff(cluster, [lonely])
    cluster.simulation.runFor(10_000)
    heal()
    cluster.simulation.runFor(2000)
    expect([cluster.leader, cluster.status(lonely).term]).toEqual([leader, term])
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

  it('never lets two majorities decide without each other', () => {
    const cluster = disjointMajorities()
    expect(cluster.leader).toBeDefined()
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

describe('snapshots (§7)', () => {
  it('bring back in pieces who was away for longer than the log goes back', () => {
    const raft = { keptEntries: 5, chunkBytes: 10 }
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
