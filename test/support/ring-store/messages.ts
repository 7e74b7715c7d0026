// One message of each kind that nodes of the store send each other, and what they have in them.
import type { Aside } from '../../../ts/distributed/link/index.ts'
import { buildRing } from '../../../ts/distributed/ring/index.ts'
import {
  foundingRecord,
  type Message,
  type RingRecord,
  type Versions,
} from '../../../ts/distributed/ring/store/index.ts'
import type { Hello } from '../../../ts/distributed/ring/store/message-codec.ts'
import type { MessageBody } from '../../../ts/distributed/ring/store/types.ts'

const NONCE = new Uint8Array(16).fill(7)
export const HELLO: Hello = { clusterId: 'shop', from: 'node2', to: 'node1', incarnation: 'a1', nonce: NONCE }
const BIG = 2 ** 53 - 1
export const REQUEST = { life: 3, number: BIG }
const CONTEXT = new Map([
  ['node1', 2],
  ['nöde2', 2 ** 52],
])
export const VERSIONS: Versions = {
  context: CONTEXT,
  siblings: [
    { dot: { node: 'node1', count: 1 }, value: Uint8Array.of(0, 255), writtenMs: 1 },
    { dot: { node: 'node1', count: 2 }, value: undefined, writtenMs: 0 },
    { dot: { node: 'nöde2', count: 5 }, value: new Uint8Array(0), writtenMs: BIG },
  ],
}
export const NOTHING: Versions = { context: new Map(), siblings: [] }
export const PUT = {
  key: 'user:1',
  value: Uint8Array.of(1),
  context: CONTEXT,
  replicas: 3,
  acks: 2,
  writtenMs: 1_795_000_000_000,
}

export const ENTRY = { key: 'user:1', versions: VERSIONS }
const BALLOT = { number: 4, node: 'node2' }
const RECORD = JSON.parse(
  JSON.stringify(foundingRecord(buildRing([{ name: 'node1' }, { name: 'node2' }]), 2)),
) as RingRecord
const STATE = {
  ...{ name: 'node1', life: 3, beat: 4 },
  facts: { address: '10.0.0.1:7101', epoch: 1, filled: 2, swept: 3, era: 4, floor: 5 },
}

const BODIES: readonly MessageBody[] = [
  { kind: 'put', request: REQUEST, put: PUT },
  { kind: 'put', request: REQUEST, put: { ...PUT, value: undefined, context: new Map() } },
  { kind: 'putEnded', request: REQUEST, outcome: { kind: 'written', dot: { node: 'n', count: 1 }, context: CONTEXT } },
  { kind: 'putEnded', request: REQUEST, outcome: { kind: 'found', versions: VERSIONS } },
  { kind: 'putEnded', request: REQUEST, outcome: { kind: 'unavailable', answered: 1, wanted: 2 } },
  { kind: 'putEnded', request: REQUEST, outcome: { kind: 'refused', reason: 'the node has another ring' } },
  { kind: 'store', request: REQUEST, key: 'ключ', versions: VERSIONS, hintFor: undefined },
  { kind: 'store', request: REQUEST, key: 'k', versions: NOTHING, hintFor: 'node3' },
  { kind: 'stored', request: REQUEST, hintFor: undefined },
  { kind: 'stored', request: REQUEST, hintFor: 'node3' },
  { kind: 'fetch', request: REQUEST, key: 'k' },
  { kind: 'fetched', request: REQUEST, versions: VERSIONS },
  { kind: 'otherRing', request: REQUEST },
  { kind: 'otherRing', request: undefined },
  { kind: 'askRing' },
  { kind: 'ring', record: RECORD },
  { kind: 'askRoots', starts: [0, BIG] },
  { kind: 'roots', starts: [5], digests: Uint32Array.of(1, 2 ** 32 - 1) },
  { kind: 'askDigests', start: 7, nodes: [1, 2, 3] },
  { kind: 'digests', start: 7, nodes: [9], digests: Uint32Array.of(0, 3) },
  { kind: 'pull', start: 0, end: 2 ** 53, after: undefined },
  { kind: 'page', start: 1, end: 9, after: 'k', entries: [{ ...ENTRY, isSettled: true }], isLast: false },
  { kind: 'push', entries: [ENTRY, ENTRY] },
  { kind: 'prepare', ballot: BALLOT },
  { kind: 'promised', ballot: BALLOT, accepted: undefined },
  { kind: 'promised', ballot: BALLOT, accepted: { ballot: BALLOT, record: RECORD } },
  { kind: 'accept', ballot: BALLOT, record: RECORD },
  { kind: 'accepted', ballot: BALLOT },
  { kind: 'rejected', ballot: BALLOT, promised: { number: 0, node: '' } },
  { kind: 'gossip', gossip: { clusterId: 'shop', kind: 'digest', digests: [{ name: 'node1', life: 1, beat: 2 }] } },
  { kind: 'gossip', gossip: { clusterId: 'shop', kind: 'answer', states: [STATE], wanted: ['node2'] } },
  { kind: 'gossip', gossip: { clusterId: 'shop', kind: 'states', states: [] } },
]
export const MESSAGES: readonly Message[] = BODIES.map((body, index) => ({
  epoch: index,
  era: 2 ** 50 - index,
  ...body,
}))
export const ASIDES: readonly Aside[] = [
  { kind: 'proof', bytes: new Uint8Array(32).fill(9) },
  { kind: 'call', id: 5, bytes: Uint8Array.of(1) },
  { kind: 'answer', id: BIG, bytes: new Uint8Array(0) },
  { kind: 'ping' },
]
