// Messages between nodes of the store as bodies of frames: see ../../link/frame.ts for these, versions-codec.ts for dots, vectors,
// values and versions. Whole numbers are little-endian; see base/binary.ts. docs/protocols/partitioned-kv.md has it all on one page.
//
//   preamble   "BPPK" | u8 version = 1 | three zeros
//   body       u8 type | u53 epoch | u53 era | what the type has      a hello and asides have neither epoch nor era
//
//   type  0 hello: text cluster id | text from | text to | text incarnation | u32 length, nonce
//         1 put: request | text key | value | vector | u32 replicas | u32 acks | u53 milliseconds
//         2 putEnded: request | outcome
//         3 store: request | text key | versions | text hintFor, empty for none
//         4 stored: request | text hintFor
//         5 fetch: request | text key      6 fetched: request | versions
//         7 otherRing: u8 1, request, or u8 0      8 askRing      9 ring: record
//         10 askRoots: positions      11 roots: positions | digests
//         12 askDigests: u53 start | tree nodes      13 digests: u53 start | tree nodes | digests
//         14 pull: u53 start | u53 end | text after, empty for none
//         15 page: as pull | list of (text key, versions, u8 isSettled) | u8 isLast
//         16 push: list of (text key, versions)
//         17 prepare: ballot      18 promised: ballot | u8 1, ballot, record, or u8 0      19 accept: ballot | record
//         20 accepted: ballot     21 rejected: ballot | ballot      22 gossip: see gossip-codec.ts
//         240 call, 241 answer: u53 id | u32 length, bytes     242 proof: u32 length, bytes     243 ping
//   request    u53 life | u53 number          ballot    u53 number | text node
//   record     u32 length, JSON: `RingRecord`, checked by who takes it
//   positions  list of u53    tree nodes    list of u32    digests    list of u32, two for each position or node
//   outcome    u8 0 written: dot | vector     u8 1 found: versions     u8 2 changing: u53 epoch
//              u8 3 repaired: u32 ranges | u32 keys     u8 4 unavailable: u32 answered | u32 wanted     u8 5 refused: text
import { ByteReader, type ByteWriter } from '../../../base/binary.ts'
import { BedplateError } from '../../../base/errors.ts'
import {
  type Aside,
  beginFrame,
  endFrame,
  type Frame,
  FrameDecoder,
  type Greeting,
  MAX_CLUSTER_ID_BYTES,
  MAX_INCARNATION_BYTES,
  MAX_PROOF_BYTES,
  takeNonce,
} from '../../link/index.ts'
import { RING_SIZE } from '../types.ts'
import { putGossip, takeGossip } from './gossip-codec.ts'
import { MAX_FRAME_BYTES, MAX_KEY_BYTES, MAX_NAME_BYTES } from './limits.ts'
import { MAX_ASKED_NODES } from './merkle.ts'
import {
  type AcceptedRecord,
  type Ballot,
  type Entry,
  MAX_PAGE_ENTRIES,
  MAX_ROOTS,
  type Message,
  type MessageBody,
  type Outcome,
  type Put,
  type RequestId,
  type RingRecord,
} from './types.ts'
import {
  putDot,
  putValue,
  putVector,
  putVersions,
  takeCounted,
  takeDot,
  takeName,
  takeValue,
  takeVector,
  takeVersions,
} from './versions-codec.ts'

/** What the two ends of a connection tell each other first. */
export type Hello = Greeting<string>

export type StoreFrame = Frame<Hello, Message>

/** What a stream begins with. */
export const PREAMBLE: Uint8Array = Uint8Array.of(0x42, 0x50, 0x50, 0x4b, 1, 0, 0, 0)

const MAX_HELLO_BYTES = 4096
const MAX_REASON_BYTES = 16 * 1024
const HELLO = 0
/** A ring of the most tokens, as JSON. */
const MAX_RECORD_BYTES = 32 * 1024 * 1024
const KINDS = [
  ...(['put', 'putEnded', 'store', 'stored', 'fetch', 'fetched', 'otherRing', 'askRing', 'ring'] as const),
  ...(['askRoots', 'roots', 'askDigests', 'digests', 'pull', 'page', 'push'] as const),
  ...(['prepare', 'promised', 'accept', 'accepted', 'rejected', 'gossip'] as const),
] as const
const FIRST_ASIDE = 240
const ASIDES = ['call', 'answer', 'proof', 'ping'] as const
const OUTCOMES = ['written', 'found', 'changing', 'repaired', 'unavailable', 'refused'] as const
/** All messages of a node are those of its one store. */
const GROUP = 0

export function encodeHello({ clusterId, from, to, incarnation, nonce }: Hello): Uint8Array {
  const body = beginFrame().u8(HELLO).text(clusterId).text(from).text(to).text(incarnation).blob(nonce)
  return frame(body)
}

/** @throws INVALID_INPUT for a message that no receiver would take. */
export function encodeMessage(_group: number, message: Message): Uint8Array {
  const body = beginFrame()
    .u8(1 + KINDS.indexOf(message.kind))
    .u53(message.epoch)
    .u53(message.era)
  put(body, message)
  return frame(body)
}

export function encodeAside(_group: number, aside: Aside): Uint8Array {
  const body = beginFrame().u8(FIRST_ASIDE + ASIDES.indexOf(aside.kind))
  if (aside.kind === 'call' || aside.kind === 'answer') body.u53(aside.id)
  if (aside.kind !== 'ping') body.blob(aside.bytes)
  return frame(body)
}

/** Takes frames out of a stream, behind its preamble. The first one must be a hello, and no other. */
export function newDecoder(): FrameDecoder<StoreFrame> {
  return new FrameDecoder({ maxBytes: MAX_FRAME_BYTES, maxHelloBytes: MAX_HELLO_BYTES }, decode)
}

function decode(body: Uint8Array, isFirst: boolean): StoreFrame {
  const reader = new ByteReader(body, 'message')
  const type = reader.u8()
  if ((type === HELLO) !== isFirst) throw reader.corrupt('is out of place: a hello comes first, and once')
  const message = type === HELLO ? takeHello(reader) : type < FIRST_ASIDE ? take(reader, type) : takeAside(reader, type)
  reader.end()
  return { group: GROUP, message }
}

function put(body: ByteWriter, message: MessageBody): void {
  switch (message.kind) {
    case 'put':
      putRequest(body, message.request)
      putPut(body, message.put)
      return
    case 'putEnded':
      putRequest(body, message.request)
      putOutcome(body, message.outcome)
      return
    case 'store':
      putRequest(body, message.request)
      putEntry(body, message)
      body.text(message.hintFor ?? '')
      return
    case 'stored':
      putRequest(body, message.request)
      body.text(message.hintFor ?? '')
      return
    case 'fetch':
      putRequest(body, message.request)
      body.text(message.key)
      return
    case 'fetched':
      putRequest(body, message.request)
      putVersions(body, message.versions)
      return
    case 'otherRing':
      body.u8(Number(message.request !== undefined))
      if (message.request !== undefined) putRequest(body, message.request)
      return
    case 'askRing':
      return
    case 'ring':
      putRecord(body, message.record)
      return
    case 'askRoots':
      body.list(message.starts, (start) => body.u53(start))
      return
    case 'roots':
      body.list(message.starts, (start) => body.u53(start))
      putDigests(body, message.digests)
      return
    case 'askDigests':
      body.u53(message.start).list(message.nodes, (node) => body.u32(node))
      return
    case 'digests':
      body.u53(message.start).list(message.nodes, (node) => body.u32(node))
      putDigests(body, message.digests)
      return
    case 'pull':
      body.u53(message.start)
      putPosition(body, message.end)
      body.text(message.after ?? '')
      return
    case 'page':
      body.u53(message.start)
      putPosition(body, message.end)
      body.text(message.after ?? '')
      body.list(message.entries, (entry) => {
        putEntry(body, entry)
        body.u8(Number(entry.isSettled))
      })
      body.u8(Number(message.isLast))
      return
    case 'push':
      body.list(message.entries, (entry) => putEntry(body, entry))
      return
    case 'prepare':
    case 'accepted':
      putBallot(body, message.ballot)
      return
    case 'promised':
      putBallot(body, message.ballot)
      body.u8(Number(message.accepted !== undefined))
      if (message.accepted === undefined) return
      putBallot(body, message.accepted.ballot)
      putRecord(body, message.accepted.record)
      return
    case 'accept':
      putBallot(body, message.ballot)
      putRecord(body, message.record)
      return
    case 'rejected':
      putBallot(body, message.ballot)
      putBallot(body, message.promised)
      return
    case 'gossip':
      putGossip(body, message.gossip)
  }
}

function putRequest(body: ByteWriter, { life, number }: RequestId): void {
  body.u53(life).u53(number)
}

function putBallot(body: ByteWriter, { number, node }: Ballot): void {
  body.u53(number).text(node)
}

function putEntry(body: ByteWriter, { key, versions }: Entry): void {
  body.text(key)
  putVersions(body, versions)
}

function putRecord(body: ByteWriter, record: unknown): void {
  body.text(JSON.stringify(record))
}

/** Also the end of the last range, which is one above every number of 53 bits. */
function putPosition(body: ByteWriter, position: number): void {
  body.u32(position % 2 ** 32).u32(Math.floor(position / 2 ** 32))
}

function putDigests(body: ByteWriter, digests: Uint32Array): void {
  body.u32(digests.length)
  for (const word of digests) body.u32(word)
}

function putPut(body: ByteWriter, { key, value, context, replicas, acks, writtenMs }: Put): void {
  body.text(key)
  putValue(body, value)
  putVector(body, context)
  body.u32(replicas).u32(acks).u53(writtenMs)
}

function putOutcome(body: ByteWriter, outcome: Outcome): void {
  body.u8(OUTCOMES.indexOf(outcome.kind))
  switch (outcome.kind) {
    case 'written':
      putDot(body, outcome.dot)
      putVector(body, outcome.context)
      return
    case 'found':
      putVersions(body, outcome.versions)
      return
    case 'changing':
      body.u53(outcome.epoch)
      return
    case 'repaired':
      body.u32(outcome.ranges).u32(outcome.keys)
      return
    case 'unavailable':
      body.u32(outcome.answered).u32(outcome.wanted)
      return
    case 'refused':
      body.text(outcome.reason.slice(0, MAX_REASON_BYTES / 4))
  }
}

function take(reader: ByteReader, type: number): Message {
  const kind = KINDS[type - 1]
  if (kind === undefined) throw reader.corrupt(`has type ${type}, which is not known`)
  return { epoch: reader.u53(), era: takeCounted(reader), ...takeBody(reader, kind) }
}

/** Fields are read in the order in which they stand here, which is that of `put`. */
function takeBody(reader: ByteReader, kind: MessageBody['kind']): MessageBody {
  switch (kind) {
    case 'put':
      return { kind, request: takeRequest(reader), put: takePut(reader) }
    case 'putEnded':
      return { kind, request: takeRequest(reader), outcome: takeOutcome(reader) }
    case 'store':
      return { kind, request: takeRequest(reader), ...takeEntry(reader), hintFor: takeOptional(reader, MAX_NAME_BYTES) }
    case 'stored':
      return { kind, request: takeRequest(reader), hintFor: takeOptional(reader, MAX_NAME_BYTES) }
    case 'fetch':
      return { kind, request: takeRequest(reader), key: takeKey(reader) }
    case 'fetched':
      return { kind, request: takeRequest(reader), versions: takeVersions(reader) }
    case 'otherRing':
      return { kind, request: reader.flag() ? takeRequest(reader) : undefined }
    case 'askRing':
      return { kind }
    case 'ring':
      return { kind, record: takeRecord(reader) }
    case 'askRoots':
      return { kind, starts: takeStarts(reader) }
    case 'roots': {
      const starts = takeStarts(reader)
      return { kind, starts, digests: takeDigests(reader, starts.length) }
    }
    case 'askDigests':
      return { kind, start: takePosition(reader), nodes: takeNodes(reader) }
    case 'digests': {
      const [start, nodes] = [takePosition(reader), takeNodes(reader)]
      return { kind, start, nodes, digests: takeDigests(reader, nodes.length) }
    }
    case 'pull':
      return {
        kind,
        start: takePosition(reader),
        end: takePosition(reader),
        after: takeOptional(reader, MAX_KEY_BYTES),
      }
    case 'page': {
      const range = {
        start: takePosition(reader),
        end: takePosition(reader),
        after: takeOptional(reader, MAX_KEY_BYTES),
      }
      const entries = reader.list(ENTRIES, () => ({ ...takeEntry(reader), isSettled: reader.flag() }))
      return { kind, ...range, entries, isLast: reader.flag() }
    }
    case 'push':
      return { kind, entries: reader.list(ENTRIES, () => takeEntry(reader)) }
    case 'prepare':
    case 'accepted':
      return { kind, ballot: takeBallot(reader) }
    case 'promised':
      return { kind, ballot: takeBallot(reader), accepted: reader.flag() ? takeAccepted(reader) : undefined }
    case 'accept':
      return { kind, ballot: takeBallot(reader), record: takeRecord(reader) }
    case 'rejected':
      return { kind, ballot: takeBallot(reader), promised: takeBallot(reader) }
    case 'gossip':
      return { kind, gossip: takeGossip(reader) }
  }
}

const ENTRIES = { most: MAX_PAGE_ENTRIES, itemBytes: 12 }

function takeRequest(reader: ByteReader): RequestId {
  return { life: reader.u53(), number: reader.u53() }
}

function takeBallot(reader: ByteReader): Ballot {
  // A node that has promised nothing yet has the ballot of nobody.
  return { number: takeCounted(reader), node: reader.text(MAX_NAME_BYTES) }
}

function takeAccepted(reader: ByteReader): AcceptedRecord {
  return { ballot: takeBallot(reader), record: takeRecord(reader) as RingRecord }
}

function takeEntry(reader: ByteReader): Entry {
  return { key: takeKey(reader), versions: takeVersions(reader) }
}

/** Whatever JSON it is: the engine checks it. */
function takeRecord(reader: ByteReader): unknown {
  try {
    return JSON.parse(reader.text(MAX_RECORD_BYTES))
  } catch (error) {
    if (error instanceof BedplateError) throw error
    throw reader.corrupt('has a record that is no JSON')
  }
}

function takePosition(reader: ByteReader): number {
  // The end of the last range is 2^53, one above what a position can be: it is written as it is.
  const position = reader.u32() + reader.u32() * 2 ** 32
  if (position > RING_SIZE) throw reader.corrupt('has a position beyond the ring')
  return position
}

function takeStarts(reader: ByteReader): number[] {
  return reader.list({ most: MAX_ROOTS, itemBytes: 8 }, () => takePosition(reader))
}

function takeNodes(reader: ByteReader): number[] {
  return reader.list({ most: MAX_ASKED_NODES, itemBytes: 4 }, () => reader.u32())
}

function takeDigests(reader: ByteReader, count: number): Uint32Array {
  const words = reader.list({ most: 2 * count, itemBytes: 4 }, () => reader.u32())
  if (words.length !== 2 * count) throw reader.corrupt(`has ${words.length / 2} digests for ${count}`)
  return Uint32Array.from(words)
}

function takePut(reader: ByteReader): Put {
  const [key, value, context] = [takeKey(reader), takeValue(reader), takeVector(reader)]
  return { key, value, context, replicas: reader.u32(), acks: reader.u32(), writtenMs: reader.u53() }
}

function takeOutcome(reader: ByteReader): Outcome {
  const kind = OUTCOMES[reader.choice(OUTCOMES.length)] as Outcome['kind']
  switch (kind) {
    case 'written':
      return { kind, dot: takeDot(reader), context: takeVector(reader) }
    case 'found':
      return { kind, versions: takeVersions(reader) }
    case 'changing':
      return { kind, epoch: reader.u53() }
    case 'repaired':
      return { kind, ranges: reader.u32(), keys: reader.u32() }
    case 'unavailable':
      return { kind, answered: reader.u32(), wanted: reader.u32() }
    case 'refused':
      return { kind, reason: reader.text(MAX_REASON_BYTES) }
  }
}

function takeKey(reader: ByteReader): string {
  const key = reader.text(MAX_KEY_BYTES)
  if (key === '') throw reader.corrupt('has an empty key')
  return key
}

/** '' for undefined. */
function takeOptional(reader: ByteReader, mostBytes: number): string | undefined {
  const text = reader.text(mostBytes)
  return text === '' ? undefined : text
}

function takeAside(reader: ByteReader, type: number): Aside {
  const kind = ASIDES[type - FIRST_ASIDE]
  switch (kind) {
    case undefined:
      throw reader.corrupt(`has type ${type}, which is not known`)
    case 'ping':
      return { kind }
    case 'proof':
      return { kind, bytes: reader.blob(MAX_PROOF_BYTES) }
    default:
      return { kind, id: reader.u53(), bytes: reader.blob(MAX_FRAME_BYTES) }
  }
}

function takeHello(reader: ByteReader): Hello {
  const clusterId = reader.text(MAX_CLUSTER_ID_BYTES)
  const [from, to] = [takeName(reader), takeName(reader)]
  return { clusterId, from, to, incarnation: reader.text(MAX_INCARNATION_BYTES), nonce: takeNonce(reader) }
}

function frame(body: ByteWriter): Uint8Array {
  return endFrame(body, MAX_FRAME_BYTES, 'read the key and write it again: that replaces its siblings')
}

/** Refuses somebody who means another cluster or another node; the text names both sides. @throws INVALID_INPUT */
export function checkHello(own: Hello, theirs: Hello): void {
  const differ = (what: string, ours: string, others: string): never => {
    throw new BedplateError(
      'INVALID_INPUT',
      `${own.from} and ${theirs.from} disagree on ${what}: ${ours} here, ${others} there`,
      { hint: 'is that the port of a node of another cluster, or has one of them the data directory of another one?' },
    )
  }
  if (own.clusterId !== theirs.clusterId) differ('the cluster id', own.clusterId, theirs.clusterId)
  if (theirs.to !== own.from) differ('who is called', own.from, theirs.to)
  if (theirs.from === own.from) differ('who has this name', 'this process', 'another process')
}
