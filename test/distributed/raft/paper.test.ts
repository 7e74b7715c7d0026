// What the Raft paper and the dissertation claim, one test a claim, by section. Traps that need a story, such as figure 8, are
// in scenarios.test.ts, where each cites its section too; what holds always is checked after every event of every cluster.
import { describe, expect, it } from 'vitest'
import type { Effect, Entry, Membership, Message, NodeId } from '../../../ts/distributed/raft/index.ts'
import { Cluster } from '../../support/raft/cluster.ts'
import { append, command, EMPTY, elect, leader, nodeWith, only, play, request } from '../../support/raft/one-node.ts'
import { cutOff, outcomeOf, propose, waitFor } from '../../support/raft/scenarios.ts'

const TERM_1 = { term: 1, votedFor: undefined }
const heartbeat = (term: number, commit = 0): Message => ({ kind: 'heartbeat', term, commit, round: 1 })
const sentTo = (effects: readonly Effect[], to: NodeId): Message[] =>
  only(effects, 'send').flatMap((effect) => (effect.to === to ? [effect.message] : []))
const vote = (term: number, isPre = false): Message => ({ kind: 'vote', term, isPre, granted: true })
const members = (voters: NodeId[], outgoing: NodeId[] = [], learners: NodeId[] = []): Membership => {
  return { voters, outgoing, learners }
}
const follower = (cluster: Cluster): NodeId => cluster.nodeIds.find((id) => id !== cluster.leader) as NodeId

describe('§5.1 terms', () => {
  it('§5.1: a leader that hears of a larger term takes it and follows', () => {
    const node = leader()
    play(node, 20).from(2, heartbeat(5))
    expect(node.status).toMatchObject({ role: 'follower', term: 5, leader: 2 })
  })

  it('§5.1: a request of a term that is over is refused, and the answer says which term it is', () => {
    const { from } = play(nodeWith({ hardState: { term: 5, votedFor: undefined } }))
    expect(sentTo(from(2, request(4, 9, 4)), 2)).toEqual([{ kind: 'vote', term: 5, isPre: false, granted: false }])
    expect(sentTo(from(2, append(4, 0, 0, [command(1, 4)])), 2)).toEqual([{ kind: 'stale', term: 5 }])
  })

  it('§5.1: the term survives a crash', () => {
    const [persist] = play(nodeWith()).from(2, append(7, 0, 0, []))
    expect(persist).toMatchObject({ kind: 'persist', hardState: { term: 7 } })
    expect(nodeWith({ hardState: { term: 7, votedFor: undefined } }).status.term).toBe(7)
  })
})

describe('§5.2 elections', () => {
  it('§5.2: a node begins as a follower, and stays one as long as it hears a leader', () => {
    const node = nodeWith()
    expect(node.status.role).toBe('follower')
    for (let now = 0; now < 100; now += 5) {
      play(node, now).from(2, heartbeat(1))
      play(node, now).step({ kind: 'tick' })
    }
    expect(node.status).toMatchObject({ role: 'follower', term: 1, leader: 2 })
  })

  it('§5.2: in an election a node takes the next term, votes for itself and asks all others at once', () => {
    const node = nodeWith({ hardState: { term: 3, votedFor: 2 } })
    play(node, 20).step({ kind: 'tick' })
    const effects = play(node, 20).from(2, vote(4, true))
    expect(only(effects, 'persist')[0]).toMatchObject({ hardState: { term: 4, votedFor: 1 } })
    for (const to of [2, 3]) expect(sentTo(effects, to)).toMatchObject([{ kind: 'requestVote', term: 4, isPre: false }])
  })

  it('§5.2: who has the votes of a majority leads, and says so at once', () => {
    const node = nodeWith({ membership: members([1, 2, 3, 4, 5]) })
    const { step, from } = play(node, 20)
    step({ kind: 'tick' })
    for (const id of [2, 3]) from(id, vote(1, true))
    step({ kind: 'persisted', write: 1 })
    from(2, vote(1))
    from(2, vote(1)) // the same vote again is no other one
    expect(node.status.role).toBe('candidate')
    const effects = from(3, vote(1))
    expect(node.status.role).toBe('leader')
    for (const to of [2, 3, 4, 5])
      expect(sentTo(effects, to)).toMatchObject([{ kind: 'heartbeat' }, { kind: 'append' }])
  })

  it('§5.2: a candidate follows a leader of its own term, and none of an earlier one', () => {
    const node = nodeWith()
    const { step, from } = play(node, 20)
    step({ kind: 'tick' })
    from(2, vote(1, true))
    from(3, heartbeat(0))
    expect(node.status.role).toBe('candidate')
    from(3, heartbeat(1))
    expect(node.status).toMatchObject({ role: 'follower', leader: 3, term: 1 })
  })

  it('§5.2: timeouts are drawn from between one and two election timeouts', () => {
    for (const [drawn, atTick] of [
      [0, 10],
      [0.5, 15],
      [0.999, 19],
    ] as const) {
      const node = nodeWith({}, { random: { next: () => drawn, bytes: () => EMPTY } })
      node.step({ kind: 'tick' }, atTick - 1)
      expect(node.status.role).toBe('follower')
      node.step({ kind: 'tick' }, atTick)
      expect(node.status.role).toBe('preCandidate')
    }
  })

  it('§5.2: split votes end, since timeouts are drawn anew', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = new Cluster({ seed, nodeCount: 4, patience: [1, 2, 3, 4].map((id) => [id, 0]) })
      cluster.simulation.runFor(500) // all campaign at the same time
      cluster.patience.clear()
      cluster.elect(3000)
    }
  })
})

describe('§5.3 replication', () => {
  it('§5.3: an entry is committed once a majority has it, and then the state machine gets it', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    step({ kind: 'propose', proposals: [{ id: 1, command: EMPTY }] })
    expect(only(step({ kind: 'persisted', write: 3 }), 'apply')).toEqual([])
    expect(only(from(3, { kind: 'appended', term: 1, match: 2 }), 'apply')).toMatchObject([{ entries: [{ index: 2 }] }])
  })

  it('§5.3: followers learn what is committed from later messages, and apply it in order', () => {
    const { from, step } = play(nodeWith({ hardState: TERM_1 }))
    from(2, append(1, 0, 0, [command(1, 1), command(2, 1)]))
    step({ kind: 'persisted', write: 1 })
    expect(only(from(2, append(1, 2, 1, [], 1)), 'apply')).toMatchObject([{ entries: [{ index: 1 }] }])
    expect(only(from(2, heartbeat(1, 2)), 'apply')).toMatchObject([{ entries: [{ index: 2 }] }])
  })

  it('§5.3: a follower refuses entries that do not follow what it has', () => {
    const node = nodeWith({ hardState: TERM_1, entries: [command(1, 1)] })
    const { from } = play(node)
    expect(sentTo(from(2, append(1, 5, 1, [command(6, 1)])), 2)).toMatchObject([{ kind: 'refused', prevIndex: 5 }])
    expect(sentTo(from(2, append(2, 1, 2, [command(2, 2)])), 2)).toMatchObject([{ kind: 'refused', prevIndex: 1 }])
    expect(node.status.lastIndex).toBe(1)
  })

  it('§5.3: an entry that differs goes, with all behind it', () => {
    const node = nodeWith({ hardState: TERM_1, entries: [1, 2, 3, 4].map((index) => command(index, 1)) })
    const [persist] = play(node).from(2, append(2, 1, 1, [command(2, 2)]))
    expect(persist).toMatchObject({ kind: 'persist', truncateFrom: 2, entries: [{ index: 2, term: 2 }] })
    expect([node.status.lastIndex, node.termAt(2)]).toEqual([2, 2])
  })

  it('§5.3: a leader neither removes nor replaces entries of its own log', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    step({ kind: 'propose', proposals: [{ id: 1, command: EMPTY }] })
    expect(only(from(2, append(1, 1, 1, [{ kind: 'empty', index: 2, term: 1 }])), 'persist')).toEqual([])
    expect(node.status).toMatchObject({ role: 'leader', lastIndex: 2 })
  })

  it('§5.3: a new leader begins behind its last entry and goes back to where a follower agrees', () => {
    const node = nodeWith({ hardState: TERM_1, entries: [1, 2, 3].map((index) => command(index, 1)) })
    elect(node, 2)
    const { from } = play(node, 20)
    const refused = { kind: 'refused', term: 2, prevIndex: 3, hintIndex: 1, hintTerm: 1 } as const
    expect(sentTo(from(3, refused), 3)).toMatchObject([
      { prevIndex: 1, entries: [{ index: 2 }, { index: 3 }, { index: 4 }] },
    ])
  })

  it('§5.3: entries are sent again until the follower has them, also when they are committed', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    step({ kind: 'propose', proposals: [{ id: 1, command: EMPTY }] })
    step({ kind: 'persisted', write: 3 })
    from(2, { kind: 'appended', term: 1, match: 2 })
    expect(node.status.commitIndex).toBe(2)
    for (let now = 21; now < 25; now++) {
      const beats = sentTo(node.step({ kind: 'tick' }, now), 3).find(({ kind }) => kind === 'heartbeat')
      const again = node.step(
        {
          kind: 'message',
          from: 3,
          message: { kind: 'heartbeatAck', term: 1, round: (beats as { round: number }).round },
        },
        now,
      )
      // What was lost shows in the answer to what follows it.
      expect(sentTo(again, 3)).toMatchObject([{ kind: 'append', prevIndex: 2 }])
    }
    expect(sentTo(from(3, { kind: 'refused', term: 1, prevIndex: 2, hintIndex: 1, hintTerm: 1 }), 3)).toMatchObject([
      { kind: 'append', prevIndex: 1, entries: [{ index: 2 }] },
    ])
  })

  it('§5.3: one slow follower holds up nobody', () => {
    const cluster = new Cluster({ seed: 1, nodeCount: 3 })
    const first = cluster.elect()
    cluster.simulation.network.clog(first, follower(cluster), cluster.simulation.nowMs + 5000)
    for (let i = 0; i < 20; i++) expect(outcomeOf(cluster, propose(cluster, first, i), 50).kind).toBe('done')
  })
})

describe('§5.4 safety', () => {
  it('§5.4.1: a candidate without all committed entries loses', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const cluster = new Cluster({ seed, nodeCount: 3 })
      const first = cluster.elect()
      const behind = follower(cluster)
      const join = cutOff(cluster, [behind])
      expect(outcomeOf(cluster, propose(cluster, first, 1)).kind).toBe('done')
      cluster.simulation.crash(first)
      cluster.patience.set(behind, 0)
      join()
      waitFor(cluster, 'another one leads', () => cluster.leader !== undefined)
      expect(cluster.leader).not.toBe(behind)
    }
  })

  it('§5.4.2: entries of earlier terms are committed only with one that the leader has made', () => {
    const node = nodeWith({ hardState: TERM_1, entries: [command(1, 1)] }, { maxBatchBytes: 1 })
    elect(node, 2)
    const { from } = play(node, 20)
    for (const id of [2, 3]) from(id, { kind: 'appended', term: 2, match: 1 })
    expect(node.status.commitIndex).toBe(0)
    from(2, { kind: 'appended', term: 2, match: 2 })
    expect(node.status.commitIndex).toBe(2)
  })
})

describe('§5.5 and §5.6 crashes and timing', () => {
  it('§5.5: messages may come twice; the second changes nothing', () => {
    const node = nodeWith({ hardState: TERM_1 })
    const { from } = play(node)
    for (const message of [request(2, 0, 0), append(2, 0, 0, [command(1, 2), command(2, 2)])]) {
      const first = from(2, message)
      const { status } = node
      const second = from(2, message)
      expect(node.status).toEqual(status)
      expect(only(second, 'persist')).toEqual([])
      expect(sentTo(second, 2)).toEqual(sentTo(first, 2))
    }
  })

  it('§5.6: safety does not need time; a leader does: messages must be faster than elections', () => {
    const slow = new Cluster({ seed: 1, nodeCount: 3 })
    slow.simulation.network.faults = { ...slow.simulation.network.faults, minDelayMs: 150, meanDelayMs: 150 }
    slow.simulation.runFor(20_000)
    expect(slow.invariants.lastCommitted).toBe(0)
    slow.converge(5000)
    expect(slow.invariants.lastCommitted).toBeGreaterThan(0)
  })
})

describe('§6 membership', () => {
  const joint = members([1, 4, 5], [1, 2, 3])
  const entry: Entry = { kind: 'membership', index: 1, term: 1, membership: joint }

  it('§6: a membership is in force from the moment it is in the log, and no longer when it is taken out', () => {
    const node = nodeWith({ hardState: TERM_1 })
    const { from } = play(node)
    from(2, append(1, 0, 0, [entry]))
    expect(node.status).toMatchObject({ membership: joint, commitIndex: 0 })
    from(3, append(2, 0, 0, [command(1, 2)]))
    expect(node.status.membership).toEqual(members([1, 2, 3]))
  })

  it('§6: in a joint membership elections need a majority of both', () => {
    const node = nodeWith({ hardState: TERM_1, entries: [entry] })
    const { step, from } = play(node, 20)
    step({ kind: 'tick' })
    for (const id of [2, 3]) from(id, vote(2, true))
    expect(node.status.role).toBe('preCandidate')
    from(4, vote(2, true))
    expect(node.status.role).toBe('candidate')
  })

  it('§6: in a joint membership entries need a majority of both', () => {
    const node = nodeWith({ hardState: TERM_1, entries: [entry] })
    const { step, from } = play(node, 20)
    step({ kind: 'tick' })
    for (const id of [2, 4]) from(id, vote(2, true))
    step({ kind: 'persisted', write: 1 })
    for (const id of [2, 4]) from(id, vote(2))
    step({ kind: 'persisted', write: 2 })
    for (const id of [4, 5]) from(id, { kind: 'appended', term: 2, match: 2 })
    expect(node.status.commitIndex).toBe(0)
    from(3, { kind: 'appended', term: 2, match: 2 })
    expect(node.status.commitIndex).toBe(2)
  })

  it('§6: when the joint membership is committed the leader appends the new one alone', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    step({ kind: 'change', id: 1, voters: [1, 2], learners: [] })
    expect(node.status.membership).toEqual(members([1, 2], [1, 2, 3]))
    step({ kind: 'persisted', write: 3 })
    from(2, { kind: 'appended', term: 1, match: 2 })
    expect(node.status).toMatchObject({ membership: members([1, 2]), commitIndex: 2, lastIndex: 3 })
  })

  it('§6, dissertation §4.2.1: a learner is sent the log, and is asked for no vote', () => {
    const node = nodeWith({ membership: members([1, 2, 3], [], [4]) })
    const { step, from } = play(node, 20)
    expect(sentTo(step({ kind: 'tick' }), 4)).toEqual([])
    from(2, vote(1, true))
    step({ kind: 'persisted', write: 1 })
    expect(sentTo(from(2, vote(1)), 4)).toMatchObject([{ kind: 'heartbeat' }, { kind: 'append' }])
  })

  it('dissertation §4.2.2: a leader that is no voter any more does not count itself', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    step({ kind: 'change', id: 1, voters: [2, 3], learners: [] })
    step({ kind: 'persisted', write: 3 })
    from(2, { kind: 'appended', term: 1, match: 2 })
    expect(node.status.commitIndex).toBe(1) // a majority of those before: 1 and 2. Of those after: 2 alone
    from(3, { kind: 'appended', term: 1, match: 2 })
    expect(node.status.commitIndex).toBe(2)
  })
})

describe('§7 snapshots', () => {
  const snapshot = { index: 2, term: 1, membership: members([1, 2, 3]), sizeBytes: 2 }
  const chunk = (term: number): Message => {
    return { kind: 'snapshotChunk', term, snapshot, offset: 0, data: new Uint8Array(2), lengthBytes: 2 }
  }

  it('§7: a snapshot stands for the entries up to its index, whose term is still known', () => {
    const node = leader({ keptEntries: 0 })
    const { step, from } = play(node, 20)
    step({ kind: 'propose', proposals: [{ id: 1, command: EMPTY }] })
    step({ kind: 'persisted', write: 3 })
    from(2, { kind: 'appended', term: 1, match: 2 })
    const effects = step({ kind: 'snapshotted', snapshot: node.describeSnapshot(2, 10) })
    expect(only(effects, 'discard')).toMatchObject([{ upTo: 2 }])
    expect([node.termAt(1), node.termAt(2), node.status.lastIndex]).toEqual([undefined, 1, 2])
  })

  it('§7: a follower that lacks what was discarded is sent the snapshot', () => {
    const node = nodeWith({ hardState: TERM_1, snapshot })
    elect(node, 2)
    const refused = { kind: 'refused', term: 2, prevIndex: 2, hintIndex: 0, hintTerm: 0 } as const
    expect(sentTo(play(node, 20).from(3, refused), 3)).toMatchObject([{ kind: 'snapshotChunk', snapshot, offset: 0 }])
  })

  it('§7: a follower replaces its log and its state by a snapshot that it has not', () => {
    const node = nodeWith({ hardState: TERM_1, entries: [command(1, 1)] })
    const { from, step } = play(node)
    const effects = from(2, chunk(1))
    expect(effects.map(({ kind }) => kind).slice(0, 2)).toEqual(['storeChunk', 'persist'])
    expect(node.status).toMatchObject({ lastIndex: 2, commitIndex: 2 })
    expect(only(step({ kind: 'persisted', write: 1 }), 'restore')).toEqual([{ kind: 'restore', snapshot }])
    expect(node.status.appliedIndex).toBe(2)
  })

  it('§7: a follower that has the last entry of the snapshot keeps what is behind it', () => {
    const node = nodeWith({ hardState: TERM_1, entries: [1, 2, 3].map((index) => command(index, 1)) })
    const effects = play(node).from(2, chunk(1))
    expect(only(effects, 'persist')).toEqual([])
    expect(node.status).toMatchObject({ lastIndex: 3, commitIndex: 2 })
  })
})

describe('§8 clients', () => {
  it('§8: a follower refuses commands, and says who leads', () => {
    const { step, from } = play(nodeWith())
    from(3, heartbeat(1))
    expect(only(step({ kind: 'propose', proposals: [{ id: 4, command: EMPTY }] }), 'reply')).toEqual([
      { kind: 'reply', id: 4, outcome: { kind: 'refused', reason: 'not leader', leader: 3 } },
    ])
  })

  it('§8: a leader begins its term with an empty entry, and answers no read before it is committed', () => {
    const node = nodeWith({ hardState: TERM_1, entries: [command(1, 1)] })
    elect(node, 2)
    const { step, from } = play(node, 20)
    expect(node.termAt(2)).toBe(2)
    expect(only(step({ kind: 'read', ids: [1] }), 'send')).toEqual([])
    const begun = from(2, { kind: 'appended', term: 2, match: 2 })
    const beat = sentTo(begun, 3).find(({ kind }) => kind === 'heartbeat') as Message & { round: number }
    expect(only(from(3, { kind: 'heartbeatAck', term: 2, round: beat.round }), 'readable')).toEqual([
      { kind: 'readable', ids: [1], index: 2 },
    ])
  })

  it('§8, dissertation §6.3: a command that a client repeats is executed once, though the first answer is lost', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = new Cluster({ seed, nodeCount: 3 })
      cluster.elect()
      cluster.simulation.network.faults = { ...cluster.simulation.network.faults, lossRate: 0.3, duplicateRate: 0.3 }
      const client = cluster.addClient({ readRate: 0, timeoutMs: 20 })
      waitFor(cluster, 'fifty operations', () => client.completed >= 50, 60_000)
      cluster.converge(5000)
      expect(cluster.checkHistory()).toBe(true)
    }
  })
})

describe('dissertation, beyond the paper', () => {
  it('§3.10: who is told to campaign does so at once, and is voted for though there is a leader', () => {
    const node = nodeWith({ hardState: TERM_1 })
    const { from } = play(node)
    from(2, heartbeat(1))
    const effects = from(2, { kind: 'timeoutNow', term: 1 })
    expect(node.status).toMatchObject({ role: 'candidate', term: 2 })
    expect(sentTo(effects, 3)).toMatchObject([{ kind: 'requestVote', isPre: false, isTransfer: true }])
  })

  it('§4.1: one change at a time: the next waits until the one before is committed', () => {
    const node = leader()
    const { step } = play(node, 20)
    step({ kind: 'change', id: 1, voters: [1, 2], learners: [] })
    const replies = only(step({ kind: 'change', id: 2, voters: [1, 3], learners: [] }), 'reply')
    expect(replies).toMatchObject([{ id: 2, outcome: { reason: 'change under way' } }])
  })

  it('§6.4: a read needs no entry, and the answers of a majority that were asked for later', () => {
    const node = leader()
    const { step, from } = play(node, 21)
    const { round } = sentTo(step({ kind: 'tick' }), 2).find(({ kind }) => kind === 'heartbeat') as { round: number }
    const begun = sentTo(step({ kind: 'read', ids: [1] }), 2)[0] as { round: number }
    expect(only(from(2, { kind: 'heartbeatAck', term: 1, round }), 'readable')).toEqual([])
    expect(only(from(2, { kind: 'heartbeatAck', term: 1, round: begun.round }), 'readable')).toHaveLength(1)
    expect(node.status.lastIndex).toBe(1)
  })

  it('§9.6: who would not be elected takes no new term', () => {
    const node = nodeWith({ hardState: TERM_1 })
    const effects = play(node, 20).step({ kind: 'tick' })
    expect(only(effects, 'persist')).toEqual([])
    expect(node.status).toMatchObject({ role: 'preCandidate', term: 1 })
    for (const from of [2, 3]) {
      play(node, 20).from(from, { kind: 'vote', term: 1, isPre: true, granted: false })
    }
    expect(node.status).toMatchObject({ role: 'follower', term: 1 })
  })

  it('§9.6: asking whether there would be a vote costs no vote', () => {
    const { from } = play(nodeWith({ hardState: TERM_1 }))
    const asked = from(2, { ...request(2, 0, 0), isPre: true } as Message)
    expect(only(asked, 'persist')).toEqual([])
    expect(sentTo(asked, 2)).toMatchObject([{ kind: 'vote', isPre: true, granted: true }])
    expect(sentTo(from(3, request(2, 0, 0)), 3)).toMatchObject([{ isPre: false, granted: true }])
  })

  it('§10.2.1: the disk of the leader may be the last: followers alone commit, and it does not apply before', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    step({ kind: 'propose', proposals: [{ id: 1, command: EMPTY }] })
    from(2, { kind: 'appended', term: 1, match: 2 })
    expect(node.status.commitIndex).toBe(1)
    expect(only(from(3, { kind: 'appended', term: 1, match: 2 }), 'apply')).toEqual([])
    expect(node.status.commitIndex).toBe(2)
    expect(only(step({ kind: 'persisted', write: 3 }), 'apply')).toHaveLength(1)
  })
})
