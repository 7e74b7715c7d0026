// One message of each kind that nodes of Raft send each other, and what they have in them.
import type { Hello, Message } from '../../../ts/distributed/raft/index.ts'

export const HELLO: Hello = {
  clusterId: 'orders',
  from: 2,
  to: 1,
  members: [1, 2, 3],
  basePort: 8000,
  incarnation: 'a1',
  nonce: new Uint8Array(16).fill(9),
}
const MEMBERSHIP = { voters: [1, 2, 3], outgoing: [1], learners: [9] }
export const BIG = 2 ** 53 - 1

export const MESSAGES: readonly Message[] = [
  { kind: 'requestVote', term: 7, isPre: true, lastIndex: BIG, lastTerm: 6, isTransfer: false },
  { kind: 'requestVote', term: 7, isPre: false, lastIndex: 5, lastTerm: 6, isTransfer: true },
  { kind: 'vote', term: 7, isPre: false, granted: true },
  {
    kind: 'append',
    term: 7,
    prevIndex: 3,
    prevTerm: 2,
    commit: 2,
    entries: [
      { kind: 'command', index: 4, term: 7, command: Uint8Array.of(0, 255, 1) },
      { kind: 'empty', index: 5, term: 7 },
      { kind: 'membership', index: 6, term: 7, membership: MEMBERSHIP },
    ],
  },
  { kind: 'append', term: 7, prevIndex: 3, prevTerm: 2, commit: 2, entries: [] },
  { kind: 'appended', term: 7, match: 6 },
  { kind: 'refused', term: 7, prevIndex: 9, hintIndex: 8, hintTerm: 1 },
  { kind: 'heartbeat', term: 7, commit: 4, round: 12 },
  { kind: 'heartbeatAck', term: 7, round: 12 },
  {
    kind: 'snapshotChunk',
    term: 7,
    snapshot: { index: 4, term: 3, membership: MEMBERSHIP, sizeBytes: 10 },
    offset: 2,
    data: Uint8Array.of(5, 6, 7),
    lengthBytes: 3,
  },
  { kind: 'chunkReceived', term: 7, index: 4, offset: 5, chunkOffset: 2 },
  { kind: 'timeoutNow', term: 7 },
  { kind: 'stale', term: 8 },
  { kind: 'removed', term: 8, index: BIG },
]
