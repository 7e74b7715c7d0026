import { describe, expect, it } from 'vitest'
import { isCode } from '../../../../ts/base/errors.ts'
import type { Aside } from '../../../../ts/distributed/link/index.ts'
import { buildRing } from '../../../../ts/distributed/ring/index.ts'
import {
  foundingRecord,
  type Message,
  type RingRecord,
  type Versions,
} from '../../../../ts/distributed/ring/store/index.ts'
import {
  encodeAside,
  encodeHello,
  encodeMessage,
  type Hello,
  newDecoder,
  type StoreFrame,
} from '../../../../ts/distributed/ring/store/message-codec.ts'
import type { MessageBody } from '../../../../ts/distributed/ring/store/types.ts'
import { decodeVersions, encodeVersions } from '../../../../ts/distributed/ring/store/versions-codec.ts'
import { type Random, seededRandom } from '../../../../ts/io/random.ts'
import { crc32c } from '../../../../ts/storage/crc32c/index.ts'

const NONCE = new Uint8Array(16).fill(7)
const HELLO: Hello = { clusterId: 'shop', from: 'node2', to: 'node1', incarnation: 'a1', nonce: NONCE }
const BIG = 2 ** 53 - 1
const REQUEST = { life: 3, number: BIG }
const CONTEXT = new Map([
  ['node1', 2],
  ['nöde2', 2 ** 52],
])
const VERSIONS: Versions = {
  context: CONTEXT,
  siblings: [
    { dot: { node: 'node1', count: 1 }, value: Uint8Array.of(0, 255), writtenMs: 1 },
    { dot: { node: 'node1', count: 2 }, value: undefined, writtenMs: 0 },
    { dot: { node: 'nöde2', count: 5 }, value: new Uint8Array(0), writtenMs: BIG },
  ],
}
const NOTHING: Versions = { context: new Map(), siblings: [] }
const PUT = {
  key: 'user:1',
  value: Uint8Array.of(1),
  context: CONTEXT,
  replicas: 3,
  acks: 2,
  writtenMs: 1_795_000_000_000,
}

const ENTRY = { key: 'user:1', versions: VERSIONS }
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
const MESSAGES: readonly Message[] = BODIES.map((body, index) => ({ epoch: index, era: BIG - index, ...body }))
const ASIDES: readonly Aside[] = [
  { kind: 'proof', bytes: new Uint8Array(32).fill(9) },
  { kind: 'call', id: 5, bytes: Uint8Array.of(1) },
  { kind: 'answer', id: BIG, bytes: new Uint8Array(0) },
  { kind: 'ping' },
]
const STREAM = [
  encodeHello(HELLO),
  ...ASIDES.map((each) => encodeAside(0, each)),
  ...MESSAGES.map((each) => encodeMessage(0, each)),
]

/** Some bytes of a body changed, taken out or put in, under a checksum that fits. */
function damaged(frame: Uint8Array, random: Random): Uint8Array {
  const body = [...frame.subarray(8)]
  for (let changes = 1 + Math.floor(random.next() * 3); changes > 0; changes--) {
    const at = Math.floor(random.next() * (body.length + 1))
    const how = random.next()
    if (how < 0.6) body[Math.min(at, body.length - 1)] = Math.floor(random.next() * 256)
    else if (how < 0.8) body.splice(at, 1 + Math.floor(random.next() * 4))
    else body.splice(at, 0, ...random.bytes(1 + Math.floor(random.next() * 4)))
  }
  const bytes = new Uint8Array(8 + body.length)
  bytes.set(body, 8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, body.length, true)
  view.setUint32(4, crc32c(bytes.subarray(8)), true)
  return bytes
}

describe('a stream between nodes of the store', () => {
  it('gives every message as it was sent, however the bytes are cut', () => {
    const stream = Buffer.concat(STREAM)
    const random = seededRandom(3)
    for (const most of [1, 7, 50, 1000]) {
      const decoder = newDecoder()
      const frames: StoreFrame[] = []
      for (let at = 0; at < stream.length; ) {
        const end = at + 1 + Math.floor(random.next() * most)
        frames.push(...decoder.push(stream.subarray(at, end)))
        at = end
      }
      expect(frames).toEqual([HELLO, ...ASIDES, ...MESSAGES].map((message) => ({ group: 0, message })))
    }
  })

  it('begins with a hello, and has no second one', () => {
    expect(() => newDecoder().push(encodeMessage(0, MESSAGES[0]!))).toThrow(/a hello comes first/)
    expect(() => newDecoder().push(Buffer.concat([encodeHello(HELLO), encodeHello(HELLO)]))).toThrow(/and once/)
  })

  it('keeps 4 KiB of who has not proved who it is, not what its length says', () => {
    const header = new Uint8Array(8)
    new DataView(header.buffer).setUint32(0, 4097, true)
    expect(() => newDecoder().push(header)).toThrow(/4097 bytes, and 4096 are allowed/)
    expect(() => newDecoder().push(Buffer.concat([encodeHello(HELLO), header]))).toThrow(/4097 bytes, and 4096/)
    expect(newDecoder().push(Buffer.concat([encodeHello(HELLO), encodeAside(0, ASIDES[0]!), header]))).toHaveLength(2)
  })

  it('refuses bodies that are anything else with a typed error, or takes them for what they say', () => {
    const random = seededRandom(11)
    let refused = 0
    for (let round = 0; round < 4000; round++) {
      const index = Math.floor(random.next() * STREAM.length)
      const decoder = newDecoder()
      if (index > 0) decoder.push(STREAM[0]!)
      try {
        decoder.push(damaged(STREAM[index]!, random))
      } catch (error) {
        if (!isCode(error, 'CORRUPTION')) throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(1000)
  })

  it('refuses values, keys and lists that are larger than any node sends', () => {
    const long = { ...PUT, value: new Uint8Array(1024 * 1024 + 1) }
    const key = 'k'.repeat(1025)
    for (const message of [
      { kind: 'put', request: REQUEST, put: long },
      { kind: 'fetch', request: REQUEST, key },
      { kind: 'fetch', request: REQUEST, key: '' },
      { kind: 'fetched', request: REQUEST, versions: { context: new Map([['n', 2 ** 52 + 1]]), siblings: [] } },
      { kind: 'fetched', request: REQUEST, versions: { ...VERSIONS, context: new Map() } },
      { kind: 'fetched', request: REQUEST, versions: { ...VERSIONS, siblings: [...VERSIONS.siblings].reverse() } },
      { kind: 'fetched', request: REQUEST, versions: { ...NOTHING, context: new Map(manyNodes(257)) } },
      { kind: 'roots', starts: [1, 2], digests: Uint32Array.of(1, 2) },
      { kind: 'askRoots', starts: Array.from({ length: 513 }, (_, i) => i) },
      { kind: 'push', entries: Array.from({ length: 257 }, () => ENTRY) },
    ] satisfies MessageBody[]) {
      const decoder = newDecoder()
      decoder.push(Buffer.concat([encodeHello(HELLO), encodeAside(0, ASIDES[0]!)]))
      expect(() => decoder.push(encodeMessage(0, { epoch: 1, era: 0, ...message }))).toThrow(
        expect.objectContaining({ code: 'CORRUPTION' }),
      )
    }
  })
})

describe('a record', () => {
  it('comes back as it was', () => {
    for (const versions of [VERSIONS, NOTHING]) expect(decodeVersions(encodeVersions(versions))).toEqual(versions)
  })

  it('of a later version is not guessed at', () => {
    expect(() => decodeVersions(Uint8Array.of(2, 0))).toThrow(/version 2, and 1 is known/)
    expect(() => decodeVersions(Uint8Array.of(0, 0))).toThrow(/version 0/)
    expect(() => decodeVersions(Uint8Array.of(...encodeVersions(NOTHING), 0))).toThrow(/too many/)
  })
})

function manyNodes(count: number): [string, number][] {
  return Array.from({ length: count }, (_, index) => [`n${index}`, 1])
}
