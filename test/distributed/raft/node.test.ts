// The engine alone: what it asks its driver to do, and in which order.
import { describe, expect, it } from 'vitest'
import type {
  Effect,
  Entry,
  Event,
  HardState,
  Message,
  RaftNode,
  RaftOptions,
  RaftStart,
  SnapshotMeta,
} from '../../../ts/distributed/raft/index.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { pick, wholeBetween } from '../../../ts/testing/simulation/index.ts'
import { codeOf } from '../../support/errors.ts'
import { append, command, EMPTY, elect, leader, nodeWith, only, play, request } from '../../support/raft/one-node.ts'

describe('durability', () => {
  it('of a vote comes before the vote', () => {
    const [persist, send] = play(nodeWith()).from(2, request(1, 0, 0))
    expect(persist).toMatchObject({ kind: 'persist', write: 1, hardState: { term: 1, votedFor: 2 } })
    expect(send).toMatchObject({ kind: 'send', to: 2, after: 1, message: { kind: 'vote', granted: true } })
  })

  it('of its own vote comes before a candidate asks others and counts it', () => {
    const node = nodeWith()
    const { step, from } = play(node, 20)
    step({ kind: 'tick' })
    const effects = from(2, { kind: 'vote', term: 1, isPre: true, granted: true })
    expect(only(effects, 'persist')[0]).toMatchObject({ hardState: { term: 1, votedFor: 1 } })
    expect(only(effects, 'send').map(({ after }) => after)).toEqual([1, 1])
    from(2, { kind: 'vote', term: 1, isPre: false, granted: true })
    expect(node.status.role).toBe('candidate')
    step({ kind: 'persisted', write: 1 })
    expect(node.status.role).toBe('leader')
  })

  it('of entries comes before their acknowledgement, and not before a heartbeat is answered', () => {
    const { from, step } = play(nodeWith({ hardState: { term: 1, votedFor: undefined } }))
    const effects = from(2, append(1, 0, 0, [command(1, 1), command(2, 1)]))
    expect(effects[0]).toMatchObject({ kind: 'persist', write: 1, entries: [{ index: 1 }, { index: 2 }] })
    expect(only(effects, 'send')).toMatchObject([{ after: 1, message: { kind: 'appended', match: 2 } }])
    const ack = from(2, { kind: 'heartbeat', term: 1, commit: 0, round: 5 })
    expect(only(ack, 'send')).toMatchObject([{ after: 0, message: { kind: 'heartbeatAck', round: 5 } }])
    step({ kind: 'persisted', write: 1 })
    const again = from(2, append(1, 0, 0, [command(1, 1), command(2, 1)]))
    expect(only(again, 'persist')).toEqual([])
    expect(only(again, 'send')).toMatchObject([{ after: 0, message: { kind: 'appended', match: 2 } }])
  })

  it('of a majority is told to whoever has nothing under way, and wants no answer', () => {
    const { step, from } = play(leader(), 20)
    for (const id of [2, 3]) from(id, { kind: 'appended', term: 1, match: 1 })
    step({ kind: 'propose', proposals: [{ id: 7, command: Uint8Array.of(1) }] })
    step({ kind: 'persisted', write: 3 })
    const told: Message = { kind: 'heartbeat', term: 1, commit: 2, round: 0 }
    // Node 3 has not acknowledged the entry: it could not commit it.
    expect(only(from(2, { kind: 'appended', term: 1, match: 2 }), 'send')).toEqual([
      { kind: 'send', to: 2, after: 0, message: told },
    ])
    const follower = nodeWith({ hardState: { term: 1, votedFor: 2 }, entries: [command(1, 1), command(2, 1)] })
    const effects = play(follower).from(2, told)
    expect([only(effects, 'send'), only(effects, 'apply')]).toMatchObject([
      [],
      [{ entries: [{ index: 1 }, { index: 2 }] }],
    ])
  })

  it('of a leader is not waited for by what it sends, and counts when it is there', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    const effects = step({ kind: 'propose', proposals: [{ id: 7, command: Uint8Array.of(1) }] })
    expect(only(effects, 'persist')).toMatchObject([{ write: 3, entries: [{ index: 2 }] }])
    expect(only(effects, 'send').map(({ to, after }) => [to, after])).toEqual([
      [2, 0],
      [3, 0],
    ])
    from(2, { kind: 'appended', term: 1, match: 2 })
    expect(node.status.commitIndex).toBe(1)
    expect([...node.matchIndexes]).toEqual([
      [2, 2],
      [3, 1],
    ])
    const done = step({ kind: 'persisted', write: 3 })
    expect(node.status.commitIndex).toBe(2)
    expect(done.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['apply', 'reply']))
    expect(only(done, 'reply')).toEqual([{ kind: 'reply', id: 7, outcome: { kind: 'done', index: 2 } }])
  })

  it('of entries that were truncated meanwhile is not counted for those that took their place', () => {
    const node = nodeWith({ hardState: { term: 1, votedFor: undefined } })
    const { step, from } = play(node)
    from(2, append(1, 0, 0, [command(1, 1), command(2, 1), command(3, 1)]))
    from(3, append(2, 1, 1, [command(2, 2)]))
    step({ kind: 'persisted', write: 1 })
    expect(node.status).toMatchObject({ lastIndex: 2, durableIndex: 1 })
    step({ kind: 'persisted', write: 2 })
    expect(node.status.durableIndex).toBe(2)
  })

  it('of what is committed comes before it is applied', () => {
    const { step, from } = play(nodeWith({ hardState: { term: 1, votedFor: undefined } }))
    expect(only(from(2, append(1, 0, 0, [command(1, 1)], 1)), 'apply')).toEqual([])
    expect(only(step({ kind: 'persisted', write: 1 }), 'apply')).toMatchObject([{ entries: [{ index: 1 }] }])
  })
})

describe('a follower', () => {
  it('votes once a term, also after a crash (§5.2)', () => {
    const { from } = play(nodeWith({ hardState: { term: 3, votedFor: 2 } }))
    expect(only(from(3, request(3, 9, 2)), 'send')).toMatchObject([{ message: { granted: false } }])
    expect(only(from(2, request(3, 9, 2)), 'send')).toMatchObject([{ message: { granted: true } }])
  })

  it('votes for logs that have all of its own (§5.4.1)', () => {
    for (const [lastIndex, lastTerm, granted] of [
      [1, 3, true],
      [2, 2, true],
      [1, 2, false],
      [9, 1, false],
    ] as const) {
      const start = { hardState: { term: 3, votedFor: undefined }, entries: [command(1, 1), command(2, 2)] }
      const effects = play(nodeWith(start)).from(2, request(4, lastIndex, lastTerm))
      expect(only(effects, 'send')).toMatchObject([{ message: { kind: 'vote', granted } }])
    }
  })

  it('keeps what an older append does not mention (§5.3)', () => {
    const node = nodeWith({ hardState: { term: 1, votedFor: undefined } })
    const { from } = play(node)
    from(2, append(1, 0, 0, [command(1, 1), command(2, 1), command(3, 1)]))
    const effects = from(2, append(1, 0, 0, [command(1, 1)]))
    expect(node.status.lastIndex).toBe(3)
    expect(only(effects, 'persist')).toEqual([])
    expect(only(effects, 'send')).toMatchObject([{ message: { kind: 'appended', match: 1 } }])
  })

  it('says from where on its log differs, past all entries of terms the leader has not (§5.3)', () => {
    const entries = [command(1, 1), command(2, 2), command(3, 2), command(4, 2)]
    const { from } = play(nodeWith({ hardState: { term: 3, votedFor: undefined }, entries }))
    expect(only(from(2, append(3, 4, 1, [])), 'send')).toMatchObject([
      { message: { kind: 'refused', prevIndex: 4, hintIndex: 1, hintTerm: 1 } },
    ])
  })

  it('tells a leader of the past that its term is over (§5.1)', () => {
    const { from } = play(nodeWith({ hardState: { term: 5, votedFor: undefined } }))
    expect(only(from(2, append(3, 0, 0, [])), 'send')).toMatchObject([{ message: { kind: 'stale', term: 5 } }])
  })

  it('helps nobody to depose a leader that it hears, unless the leader asked for it (dissertation, §4.2.3, §3.10)', () => {
    const node = nodeWith()
    const { from } = play(node)
    from(2, { kind: 'heartbeat', term: 1, commit: 0, round: 1 })
    expect(from(3, request(2, 9, 1))).toEqual([])
    expect(node.status.term).toBe(1)
    const effects = from(3, { ...request(2, 9, 1), isTransfer: true } as Message)
    expect(only(effects, 'send')).toMatchObject([{ message: { kind: 'vote', granted: true } }])
  })

  it('keeps that promise also in a newer term that it learned of before (dissertation, §6.4.1)', () => {
    const node = nodeWith({ hardState: { term: 1, votedFor: undefined } })
    const { from } = play(node)
    from(2, { kind: 'heartbeat', term: 1, commit: 0, round: 1 })
    from(3, { kind: 'vote', term: 2, isPre: true, granted: false })
    expect(node.status).toMatchObject({ term: 2, leader: undefined })
    expect(only(from(3, request(2, 9, 1)), 'send')).toEqual([])
    expect(only(node.step({ kind: 'message', from: 3, message: request(2, 9, 1) }, 10), 'send')).toHaveLength(1)
  })

  it('takes no entries that no leader sends', () => {
    const membership = { voters: [], outgoing: [], learners: [] }
    const bad: Entry[][] = [
      [command(2, 2)],
      [command(1, 2), command(3, 2)],
      [command(1, 3)],
      [command(1, 2), command(2, 1)],
      [{ kind: 'membership', index: 1, term: 2, membership }],
      [{ kind: 'membership', index: 1, term: 2, membership: { ...membership, voters: [1], outgoing: [2, 2] } }],
    ]
    for (const entries of bad) {
      const { from } = play(nodeWith({ hardState: { term: 2, votedFor: undefined } }))
      expect(only(from(2, append(2, 0, 0, entries)), 'persist'), JSON.stringify(entries)).toEqual([])
    }
  })

  it('begins a snapshot anew when another leader sends one of the same index (§7)', () => {
    const membership = { voters: [1, 2, 3], outgoing: [], learners: [] }
    const snapshot = { index: 9, term: 1, membership, sizeBytes: 4 }
    const chunk = (term: number, offset: number): Message => {
      return { kind: 'snapshotChunk', term, snapshot, offset, data: Uint8Array.of(term, offset), lengthBytes: 2 }
    }
    const { from } = play(nodeWith())
    expect(only(from(2, chunk(1, 0)), 'storeChunk')).toHaveLength(1)
    const other = from(3, chunk(2, 2))
    expect(only(other, 'storeChunk')).toEqual([])
    expect(only(other, 'send')).toMatchObject([{ message: { kind: 'chunkReceived', offset: 0, chunkOffset: 2 } }])
    expect(only(from(3, chunk(2, 0)), 'storeChunk')).toMatchObject([{ offset: 0 }])
    expect(only(from(3, chunk(2, 2)), 'persist')).toMatchObject([{ snapshot }])
  })

  it('with leases also keeps the promise that it may have given before it started', () => {
    const node = nodeWith({ nowTick: 100 }, { reads: 'lease' })
    expect(only(node.step({ kind: 'message', from: 3, message: request(2, 9, 1) }, 109), 'send')).toEqual([])
    expect(only(node.step({ kind: 'message', from: 3, message: request(2, 9, 1) }, 110), 'send')).toHaveLength(1)
  })
})

describe('a leader', () => {
  it('sends one message behind the other until the window is full, then waits (dissertation, §10.2.1)', () => {
    const node = leader({ maxInflightMessages: 3 })
    const { step, from } = play(node, 20)
    const sizes = Array.from({ length: 5 }, (_, i) => {
      const effects = step({ kind: 'propose', proposals: [{ id: i, command: EMPTY }] })
      return only(effects, 'send').filter(({ to }) => to === 2).length
    })
    expect(sizes).toEqual([1, 1, 1, 0, 0])
    const next = only(from(2, { kind: 'appended', term: 1, match: 2 }), 'send').filter(({ to }) => to === 2)
    expect(next).toMatchObject([{ message: { kind: 'append', prevIndex: 4, entries: [{ index: 5 }, { index: 6 }] } }])
  })

  it('sends one more when a heartbeat is answered, whatever it is that fills the window: all of it may be lost', () => {
    for (const options of [{ maxInflightMessages: 2 }, { maxInflightBytes: 100, maxBatchBytes: 1 }]) {
      const { step, from } = play(leader(options), 20)
      for (let id = 1; id <= 4; id++) step({ kind: 'propose', proposals: [{ id, command: new Uint8Array(60) }] })
      expect(only(step({ kind: 'propose', proposals: [{ id: 9, command: EMPTY }] }), 'send')).toEqual([])
      const [again] = only(from(2, { kind: 'heartbeatAck', term: 1, round: 1 }), 'send')
      expect(again).toMatchObject({ to: 2, message: { kind: 'append', prevIndex: 3 } })
    }
  })

  it('puts many entries into one message, and no more than it may', () => {
    const node = leader({ maxBatchBytes: 100 })
    const proposals = Array.from({ length: 10 }, (_, id) => ({ id, command: new Uint8Array(20) }))
    const effects = play(node, 20).step({ kind: 'propose', proposals })
    const sizes = only(effects, 'send').flatMap(({ to, message }) => {
      return to === 2 && message.kind === 'append' ? [message.entries.length] : []
    })
    expect(sizes).toEqual([2, 2, 2, 2, 2])
  })

  it('goes back to what is known to agree when a message of many was lost, and sends one until that is found', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    for (let id = 1; id <= 4; id++) step({ kind: 'propose', proposals: [{ id, command: EMPTY }] })
    // Entries 2 to 5 are under way, one a message; the one with entry 3 is lost.
    from(2, { kind: 'appended', term: 1, match: 2 })
    const refusal = { kind: 'refused', term: 1, prevIndex: 3, hintIndex: 2, hintTerm: 1 } as const
    const again = only(from(2, refusal), 'send')
    expect(again).toMatchObject([
      { to: 2, message: { prevIndex: 2, entries: [{ index: 3 }, { index: 4 }, { index: 5 }] } },
    ])
    // What the other messages meet there is old news.
    expect(only(from(2, { ...refusal, prevIndex: 4 }), 'send')).toEqual([])
    expect(only(step({ kind: 'propose', proposals: [{ id: 5, command: EMPTY }] }), 'send').map(({ to }) => to)).toEqual(
      [3],
    )
    const next = only(from(2, { kind: 'appended', term: 1, match: 5 }), 'send')
    expect(next).toMatchObject([{ to: 2, message: { prevIndex: 5, entries: [{ index: 6 }] } }])
  })

  it('goes back in a snapshot only for the piece that is under way', () => {
    const membership = { voters: [1, 2, 3], outgoing: [], learners: [] }
    const snapshot = { index: 1, term: 1, membership, sizeBytes: 35 }
    const node = nodeWith({ hardState: { term: 1, votedFor: undefined }, snapshot }, { chunkBytes: 10 })
    elect(node, 2)
    const { from } = play(node, 20)
    const offsetsOf = (effects: Effect[]): unknown[] =>
      only(effects, 'send').map(({ message }) => message.kind === 'snapshotChunk' && message.offset)
    const received = (offset: number, chunkOffset: number): Message => {
      return { kind: 'chunkReceived', term: 2, index: 1, offset, chunkOffset }
    }
    expect(offsetsOf(from(3, { kind: 'refused', term: 2, prevIndex: 1, hintIndex: 0, hintTerm: 0 }))).toEqual([0])
    expect(offsetsOf(from(3, received(10, 0)))).toEqual([10])
    expect(offsetsOf(from(3, received(10, 0)))).toEqual([]) // twice
    expect(offsetsOf(from(3, received(20, 10)))).toEqual([20])
    expect(offsetsOf(from(3, received(0, 20)))).toEqual([0]) // it has started again
    expect(offsetsOf(from(3, received(0, 20)))).toEqual([])
    expect(offsetsOf(from(3, received(20, 0)))).toEqual([20]) // it had not
  })

  it('answers a change when its last entry is applied, whatever was proposed meanwhile', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    step({ kind: 'change', id: 8, voters: [1, 2, 3], learners: [4] })
    step({ kind: 'persisted', write: 3 })
    from(2, { kind: 'appended', term: 1, match: 2 })
    step({ kind: 'propose', proposals: [{ id: 9, command: EMPTY }] })
    step({ kind: 'persisted', write: 5 })
    const effects = from(2, { kind: 'appended', term: 1, match: 3 })
    expect(node.status).toMatchObject({ commitIndex: 3, lastIndex: 4 })
    expect(only(effects, 'reply')).toEqual([{ kind: 'reply', id: 8, outcome: { kind: 'done', index: 3 } }])
  })

  it('refuses what it has no room for', () => {
    const node = leader({ maxUncommittedBytes: 50, maxCommandBytes: 10, maxPendingReads: 1 })
    const { step, from } = play(node, 20)
    const proposals = [11, 10, 10, 0].map((size, id) => ({ id, command: new Uint8Array(size) }))
    const effects = step({ kind: 'propose', proposals })
    expect(only(effects, 'reply').map(({ id, outcome }) => [id, outcome.kind === 'refused' && outcome.reason])).toEqual(
      [
        [0, 'too large'],
        [3, 'busy'],
      ],
    )
    expect(only(step({ kind: 'read', ids: [8, 9] }), 'reply')).toMatchObject([{ id: 8 }, { id: 9 }])
    step({ kind: 'persisted', write: 3 })
    from(2, { kind: 'appended', term: 1, match: 3 })
    expect(only(step({ kind: 'propose', proposals: [{ id: 4, command: EMPTY }] }), 'reply')).toEqual([])
  })

  it('has no room for what its own disk does not take, though others have committed it', () => {
    const node = leader({ maxUncommittedBytes: 100 })
    const { step, from } = play(node, 20)
    const propose = (id: number): Effect[] =>
      step({ kind: 'propose', proposals: [{ id, command: new Uint8Array(100) }] })
    expect(only(propose(1), 'reply')).toEqual([])
    for (const id of [2, 3]) from(id, { kind: 'appended', term: 1, match: 2 })
    expect(node.status).toMatchObject({ commitIndex: 2, appliedIndex: 1 })
    expect(only(propose(2), 'reply')).toMatchObject([{ outcome: { reason: 'busy' } }])
    step({ kind: 'persisted', write: 3 })
    expect(only(propose(3), 'reply')).toEqual([])
  })

  it('answers reads of one round together, when a majority has answered (dissertation, §6.4)', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    const begun = only(step({ kind: 'read', ids: [1] }), 'send')
    expect(begun).toMatchObject([
      { to: 2, message: { kind: 'heartbeat' } },
      { to: 3, message: { kind: 'heartbeat' } },
    ])
    expect(only(step({ kind: 'read', ids: [2, 3] }), 'send')).toEqual([])
    const { round } = only(begun as Effect[], 'send')[0]!.message as Message & { round: number }
    const first = from(2, { kind: 'heartbeatAck', term: 1, round })
    expect(only(first, 'readable')).toEqual([{ kind: 'readable', ids: [1], index: 1 }])
    const second = from(3, { kind: 'heartbeatAck', term: 1, round: round + 1 })
    expect(only(second, 'readable')).toEqual([{ kind: 'readable', ids: [2, 3], index: 1 }])
  })

  it('that hears of a newer term says that it does not know what will become of requests', () => {
    const node = leader()
    const { step, from } = play(node, 20)
    step({ kind: 'propose', proposals: [{ id: 1, command: EMPTY }] })
    step({ kind: 'read', ids: [2] })
    const replies = only(from(3, { kind: 'stale', term: 9 }), 'reply')
    expect(replies.map(({ id, outcome }) => [id, outcome.kind])).toEqual([
      [1, 'unknown'],
      [2, 'unknown'],
    ])
  })

  it('steps down when a majority is silent for an election timeout (dissertation, §6.2)', () => {
    const node = leader()
    for (let now = 21; now <= 41; now++) node.step({ kind: 'tick' }, now)
    expect(node.status).toMatchObject({ role: 'follower', leader: undefined, term: 1 })
  })
})

describe('a driver that is wrong is told so', () => {
  it('in options', () => {
    const bad: Partial<RaftOptions>[] = [
      { id: 0 },
      { electionTicks: 1.5 },
      { heartbeatTicks: 10 },
      { keptEntries: -1 },
      { reads: 'guess' as never },
      { reads: 'lease', leaseTicks: 9 },
      { electionTick: 3 } as never,
    ]
    for (const options of bad)
      expect(
        codeOf(() => nodeWith({}, options)),
        JSON.stringify(options),
      ).toBe('INVALID_INPUT')
  })

  it('in what it found on disk', () => {
    const membership = { voters: [1], outgoing: [], learners: [] }
    const snapshot = { index: 5, term: 2, membership, sizeBytes: 0 }
    const hardState = { term: 2, votedFor: undefined }
    const bad: Partial<RaftStart>[] = [
      { hardState, entries: [command(2, 1)] },
      { hardState, entries: [command(1, 1), command(3, 1)] },
      { hardState, entries: [command(1, 2), command(2, 1)] },
      { hardState, entries: [command(1, 3)] },
      { hardState: { term: 1, votedFor: undefined }, snapshot },
      { hardState, snapshot, entries: [command(7, 2)] },
      { hardState, snapshot, entries: [command(5, 1)] },
      { hardState, snapshot, entries: [command(3, 1), command(4, 1)] },
    ]
    for (const start of bad)
      expect(
        codeOf(() => nodeWith(start)),
        JSON.stringify(start),
      ).toBe('CORRUPTION')
    expect(codeOf(() => nodeWith({ membership: { voters: [], outgoing: [], learners: [] } }))).toBe('INVALID_INPUT')
    expect(codeOf(() => leader().describeSnapshot(2, 0))).toBe('INVALID_INPUT')
  })
})

it('messages that no peer would send trip no assertion, and leave a disk that a node can start from', () => {
  const tally = { snapshots: 0, memberships: 0 }
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed)
    const options = { random, keptEntries: wholeBetween(random, 0, 2), chunkBytes: 3 }
    const node = nodeWith({}, options)
    const disk = {
      hardState: { term: 0, votedFor: undefined } as HardState,
      snapshot: undefined as SnapshotMeta | undefined,
    }
    let entries: Entry[] = []
    let now = 0
    let lastWrite = 0
    for (let i = 0; i < 300; i++) {
      now += wholeBetween(random, 0, 4)
      const event = randomEvent(random, node, lastWrite)
      if (event.kind === 'snapshotted') disk.snapshot = event.snapshot
      for (const effect of node.step(event, now)) {
        if (effect.kind === 'discard') entries = entries.filter(({ index }) => index > effect.upTo)
        if (effect.kind !== 'persist') continue
        lastWrite = effect.write
        disk.hardState = effect.hardState ?? disk.hardState
        if (effect.snapshot !== undefined) {
          disk.snapshot = effect.snapshot
          entries = []
          tally.snapshots++
        }
        const { truncateFrom = Number.POSITIVE_INFINITY } = effect
        entries = [...entries.filter(({ index }) => index < truncateFrom), ...effect.entries]
        tally.memberships += effect.entries.filter(({ kind }) => kind === 'membership').length
      }
    }
    const again = nodeWith({ ...disk, entries, nowTick: now }, options)
    expect(again.status).toMatchObject({ lastIndex: node.status.lastIndex, membership: node.status.membership })
  }
  expect(tally.snapshots).toBeGreaterThan(50)
  expect(tally.memberships).toBeGreaterThan(5)
})

/** An event that a driver may give: what comes from outside is anything, what comes from itself is true. */
function randomEvent(random: Random, node: RaftNode, lastWrite: number): Event {
  const kind = pick(random, [
    'tick',
    'message',
    'message',
    'message',
    'message',
    'persisted',
    'propose',
    'read',
    'snapshotted',
  ])
  if (kind === 'persisted') return { kind, write: wholeBetween(random, 0, lastWrite) }
  if (kind === 'propose') return { kind, proposals: [{ id: 1, command: EMPTY }] }
  if (kind === 'read') return { kind, ids: [1] }
  const { appliedIndex } = node.status
  if (kind === 'snapshotted' && node.termAt(appliedIndex) !== undefined && appliedIndex > 0) {
    return { kind, snapshot: node.describeSnapshot(appliedIndex, 5) }
  }
  if (kind !== 'message') return { kind: 'tick' }
  return { kind, from: wholeBetween(random, 1, 4), message: randomMessage(random, node.status.term) }
}

function randomMessage(random: Random, nearTerm: number): Message {
  const number = (): number => wholeBetween(random, 0, 6)
  const yes = (): boolean => random.next() < 0.5
  const near = (): number => Math.max(0, nearTerm + wholeBetween(random, -1, 1))
  const term = near()
  const prevIndex = number()
  const ids = (least: number): number[] => Array.from({ length: wholeBetween(random, least, 3) }, number)
  const usual = { voters: [1, 2, 3], outgoing: [], learners: [] }
  const membership = yes() ? usual : { voters: ids(0), outgoing: ids(0), learners: ids(0) }
  const snapshot = { index: number(), term: near(), membership, sizeBytes: wholeBetween(random, 0, 3) }
  const entries = Array.from({ length: wholeBetween(random, 0, 3) }, (_, i): Entry => {
    const index = prevIndex + 1 + i
    return random.next() < 0.3 ? { kind: 'membership', index, term: near(), membership } : command(index, near())
  })
  const data = new Uint8Array(wholeBetween(random, 0, 3))
  return pick<Message>(random, [
    { kind: 'requestVote', term, isPre: yes(), lastIndex: number(), lastTerm: number(), isTransfer: yes() },
    { kind: 'vote', term: term + (yes() ? 1 : 0), isPre: yes(), granted: yes() },
    { kind: 'append', term, prevIndex, prevTerm: pick(random, [near(), 0]), entries, commit: number() },
    { kind: 'appended', term, match: number() },
    { kind: 'refused', term, prevIndex, hintIndex: number(), hintTerm: number() },
    { kind: 'heartbeat', term, commit: number(), round: number() },
    { kind: 'heartbeatAck', term, round: number() },
    { kind: 'snapshotChunk', term, snapshot, offset: pick(random, [0, number()]), data, lengthBytes: number() },
    { kind: 'chunkReceived', term, index: number(), offset: number(), chunkOffset: number() },
    { kind: 'timeoutNow', term },
    { kind: 'stale', term },
  ])
}
