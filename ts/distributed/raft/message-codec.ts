// Messages between nodes as bodies of frames: see link/frame.ts for these. Whole numbers are little-endian; see base/binary.ts.
//
//   preamble   "BPRF" | u8 version = 3 | three zeros
//   body       u8 type | u32 group | what the type has, in the order of `put` below
//
//   type  0 hello: text cluster id | u53 from | u53 to | list of u53: founding members | u53 base port | text incarnation
//                  | u32 length, nonce
//         1 requestVote  2 vote  3 append  4 appended  5 refused  6 heartbeat  7 heartbeatAck
//         8 snapshotChunk  9 chunkReceived  10 timeoutNow  11 stale
//         12 call: u53 id | u32 length, bytes   13 answer: the same   14 ping   15 proof: u32 length, bytes
//         16 removed
import { ByteReader, type ByteWriter } from '../../base/binary.ts'
import { BedplateError } from '../../base/errors.ts'
import {
  type Aside,
  beginFrame,
  beginsLike,
  checkClusterId,
  endFrame,
  type Greeting,
  type Frame as LinkFrame,
  FrameDecoder as LinkFrameDecoder,
  MAX_CLUSTER_ID_BYTES,
  MAX_INCARNATION_BYTES,
  MAX_PROOF_BYTES,
  takeNonce,
} from '../link/index.ts'
import {
  entriesSize,
  LARGEST_COMMAND_BYTES,
  putEntries,
  putSnapshotMeta,
  takeEntries,
  takeSnapshotMeta,
} from './entry-codec.ts'
import { MAX_MEMBERS, type Message, type NodeId } from './types.ts'

/** What the two ends of a connection tell each other first. */
export interface Hello extends Greeting<NodeId> {
  /** The members that the cluster was founded with, in any order. */
  readonly members: readonly NodeId[]
  /** Node j listens on this port plus j; 0 if addresses are given one by one. */
  readonly basePort: number
}

/** A message, and the group of the process that it is for. */
export type Frame = LinkFrame<Hello, Message>

/** What a stream begins with. */
export const PREAMBLE: Uint8Array = Uint8Array.of(0x42, 0x50, 0x52, 0x46, 3, 0, 0, 0)

/** Room for one command of the largest size, or a batch of others. */
const MAX_FRAME_BYTES = LARGEST_COMMAND_BYTES + 1024 * 1024
const MAX_HELLO_BYTES = 4096
/** Room for everything of a message but its entries and a snapshot's data. */
const HEADER_BYTES = 128

const HELLO = 0
const FIRST_ASIDE = 12
const LAST_ASIDE = 15
const TYPES = [
  'hello',
  'requestVote',
  'vote',
  'append',
  'appended',
  'refused',
  'heartbeat',
  'heartbeatAck',
  'snapshotChunk',
  'chunkReceived',
  'timeoutNow',
  'stale',
  'call',
  'answer',
  'ping',
  'proof',
  'removed',
] as const

/** @throws INVALID_INPUT for a cluster id that is too long. */
export function encodeHello(hello: Hello): Uint8Array {
  const { clusterId, from, to, members, basePort, incarnation, nonce } = hello
  checkClusterId(clusterId)
  const body = beginFrame().u8(HELLO).u32(0).text(clusterId).u53(from).u53(to)
  body
    .list(members, (id) => body.u53(id))
    .u53(basePort)
    .text(incarnation)
    .blob(nonce)
  return frame(body)
}

/** @throws INVALID_INPUT for a message that no receiver would take: batches are smaller than 64 MiB. */
export function encodeMessage(group: number, message: Message): Uint8Array {
  const size = message.kind === 'append' ? entriesSize(message.entries) : 0
  const body = beginFrame(HEADER_BYTES + size)
  body.u8(TYPES.indexOf(message.kind)).u32(group).u53(message.term)
  put(body, message)
  return frame(body)
}

/** @throws INVALID_INPUT for more bytes than a receiver takes. */
export function encodeAside(group: number, aside: Aside): Uint8Array {
  const body = beginFrame().u8(TYPES.indexOf(aside.kind)).u32(group)
  if (aside.kind === 'call' || aside.kind === 'answer') body.u53(aside.id)
  if (aside.kind !== 'ping') body.blob(aside.bytes)
  return frame(body)
}

/** Says whether a stream is one of Raft's nodes: see `beginsLike`. @throws INCOMPATIBLE for another version. */
export function beginsLikeRaft(first: Uint8Array): boolean | undefined {
  return beginsLike(PREAMBLE, first)
}

/** Refuses somebody who means another cluster or another node; the text names both sides. @throws INVALID_INPUT */
export function checkHello(own: Omit<Hello, 'to' | 'nonce'>, theirs: Hello): void {
  const differ = (what: string, ours: unknown, others: unknown): never => {
    throw new BedplateError(
      'INVALID_INPUT',
      `node ${own.from} and node ${theirs.from} disagree on ${what}: ${ours} here, ${others} there`,
      { hint: 'start all nodes of a cluster with the same cluster list, ports and cluster id' },
    )
  }
  const sorted = (ids: readonly NodeId[]): string => [...ids].sort((a, b) => a - b).join(',')
  if (own.clusterId !== theirs.clusterId) differ('the cluster id', own.clusterId, theirs.clusterId)
  if (sorted(own.members) !== sorted(theirs.members)) {
    differ('the cluster list', sorted(own.members), sorted(theirs.members))
  }
  if (own.basePort !== theirs.basePort) differ('the base port', own.basePort, theirs.basePort)
  if (theirs.to !== own.from) differ('who is called', `node ${own.from}`, `node ${theirs.to}`)
  if (theirs.from === own.from) differ('who has this id', 'this process', 'another process')
}

/** Takes frames out of a stream, behind its preamble. The first one must be a hello, and no other. */
export class FrameDecoder extends LinkFrameDecoder<Frame> {
  constructor() {
    super({ maxBytes: MAX_FRAME_BYTES, maxHelloBytes: MAX_HELLO_BYTES }, decode)
  }
}

function decode(body: Uint8Array, isFirst: boolean): Frame {
  const reader = new ByteReader(body, 'message')
  const type = reader.choice(TYPES.length)
  if ((type === HELLO) !== isFirst) throw reader.corrupt('is out of place: a hello comes first, and once')
  const group = reader.u32()
  const isAside = type >= FIRST_ASIDE && type <= LAST_ASIDE
  const message = type === HELLO ? takeHello(reader) : isAside ? takeAside(reader, type) : takeMessage(reader, type)
  reader.end()
  return { group, message }
}

function put(body: ByteWriter, message: Message): void {
  switch (message.kind) {
    case 'requestVote':
      body.u8(Number(message.isPre)).u53(message.lastIndex).u53(message.lastTerm).u8(Number(message.isTransfer))
      return
    case 'vote':
      body.u8(Number(message.isPre)).u8(Number(message.granted))
      return
    case 'append':
      body.u53(message.prevIndex).u53(message.prevTerm).u53(message.commit)
      putEntries(body, message.entries)
      return
    case 'appended':
      body.u53(message.match)
      return
    case 'refused':
      body.u53(message.prevIndex).u53(message.hintIndex).u53(message.hintTerm)
      return
    case 'heartbeat':
      body.u53(message.commit).u53(message.round)
      return
    case 'heartbeatAck':
      body.u53(message.round)
      return
    case 'snapshotChunk':
      putSnapshotMeta(body, message.snapshot)
      body.u53(message.offset).blob(message.data)
      return
    case 'chunkReceived':
      body.u53(message.index).u53(message.offset).u53(message.chunkOffset)
      return
    case 'removed':
      body.u53(message.index)
      return
    default: // timeoutNow and stale have nothing but their term
  }
}

/** Fields are read in the order in which object literals name them, which is that of `put`. */
function takeMessage(reader: ByteReader, type: number): Message {
  const kind = TYPES[type] as Message['kind']
  const term = reader.u53()
  switch (kind) {
    case 'requestVote': {
      const [isPre, lastIndex, lastTerm, isTransfer] = [reader.flag(), reader.u53(), reader.u53(), reader.flag()]
      return { kind, term, isPre, lastIndex, lastTerm, isTransfer }
    }
    case 'vote':
      return { kind, term, isPre: reader.flag(), granted: reader.flag() }
    case 'append': {
      const [prevIndex, prevTerm, commit] = [reader.u53(), reader.u53(), reader.u53()]
      return { kind, term, prevIndex, prevTerm, entries: takeEntries(reader), commit }
    }
    case 'appended':
      return { kind, term, match: reader.u53() }
    case 'refused':
      return { kind, term, prevIndex: reader.u53(), hintIndex: reader.u53(), hintTerm: reader.u53() }
    case 'heartbeat':
      return { kind, term, commit: reader.u53(), round: reader.u53() }
    case 'heartbeatAck':
      return { kind, term, round: reader.u53() }
    case 'snapshotChunk': {
      const snapshot = takeSnapshotMeta(reader)
      const offset = reader.u53()
      const data = reader.blob(MAX_FRAME_BYTES)
      return { kind, term, snapshot, offset, data, lengthBytes: data.length }
    }
    case 'chunkReceived':
      return { kind, term, index: reader.u53(), offset: reader.u53(), chunkOffset: reader.u53() }
    case 'removed':
      return { kind, term, index: reader.u53() }
    default:
      return { kind, term }
  }
}

function takeAside(reader: ByteReader, type: number): Aside {
  const kind = TYPES[type] as Aside['kind']
  if (kind === 'ping') return { kind }
  if (kind === 'proof') return { kind, bytes: reader.blob(MAX_PROOF_BYTES) }
  return { kind, id: reader.u53(), bytes: reader.blob(MAX_FRAME_BYTES) }
}

function takeHello(reader: ByteReader): Hello {
  const clusterId = reader.text(MAX_CLUSTER_ID_BYTES)
  const from = reader.u53()
  const to = reader.u53()
  const members = reader.list({ most: MAX_MEMBERS, itemBytes: 8 }, () => reader.u53())
  const [basePort, incarnation] = [reader.u53(), reader.text(MAX_INCARNATION_BYTES)]
  return { clusterId, from, to, members, basePort, incarnation, nonce: takeNonce(reader) }
}

function frame(body: ByteWriter): Uint8Array {
  return endFrame(body, MAX_FRAME_BYTES, 'choose smaller maxBatchBytes, maxCommandBytes or chunkBytes')
}
