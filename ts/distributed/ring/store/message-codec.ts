// Messages between nodes of the store as bodies of frames: see ../../link/frame.ts for these, versions-codec.ts for dots, vectors,
// values and versions. Whole numbers are little-endian; see base/binary.ts. docs/protocols/partitioned-kv.md has it all on one page.
//
//   preamble   "BPPK" | u8 version = 1 | three zeros
//   body       u8 type | what the type has
//
//   type  0 hello: text cluster id | text from | text to | text incarnation | u32 length, nonce
//         1 put: request | text key | value | vector | u32 replicas | u32 acks | u53 milliseconds
//         2 putEnded: request | outcome
//         3 store: request | text key | versions | text hintFor, empty for none
//         4 stored: request | text hintFor
//         5 fetch: request | text key      6 fetched: request | versions
//         240 call, 241 answer: u53 id | u32 length, bytes     242 proof: u32 length, bytes     243 ping
//   request    u53 life | u53 number
//   outcome    u8 0 written: dot | vector     u8 1 found: versions
//              u8 2 unavailable: u32 answered | u32 wanted     u8 3 refused: text
import { ByteReader, ByteWriter } from '../../../base/binary.ts'
import { BedplateError } from '../../../base/errors.ts'
import {
  type Aside,
  encodeFrame,
  type Frame,
  FrameDecoder,
  type Greeting,
  MAX_CLUSTER_ID_BYTES,
  MAX_INCARNATION_BYTES,
} from '../../link/index.ts'
import { MAX_FRAME_BYTES, MAX_KEY_BYTES, MAX_NAME_BYTES } from './limits.ts'
import type { Message, Outcome, Put, RequestId } from './types.ts'
import {
  putDot,
  putValue,
  putVector,
  putVersions,
  takeDot,
  takeName,
  takeValue,
  takeVector,
  takeVersions,
} from './versions-codec.ts'

/** What the two ends of a connection tell each other first. */
export interface Hello extends Greeting<string> {
  /** Drawn for this stream: what the other one's proof has to be made of. */
  readonly nonce: Uint8Array
}

export type StoreFrame = Frame<Hello, Message>

/** What a stream begins with. */
export const PREAMBLE: Uint8Array = Uint8Array.of(0x42, 0x50, 0x50, 0x4b, 1, 0, 0, 0)
export const NONCE_BYTES = 16

const MAX_HELLO_BYTES = 4096
const MAX_REASON_BYTES = 16 * 1024
const MAX_PROOF_BYTES = 64
const HELLO = 0
const KINDS = ['put', 'putEnded', 'store', 'stored', 'fetch', 'fetched'] as const
const FIRST_ASIDE = 240
const ASIDES = ['call', 'answer', 'proof', 'ping'] as const
const OUTCOMES = ['written', 'found', 'unavailable', 'refused'] as const
/** All messages of a node are those of its one store. */
const GROUP = 0

export function encodeHello({ clusterId, from, to, incarnation, nonce }: Hello): Uint8Array {
  const body = new ByteWriter().u8(HELLO).text(clusterId).text(from).text(to).text(incarnation).blob(nonce)
  return frame(body)
}

/** @throws INVALID_INPUT for a message that no receiver would take. */
export function encodeMessage(_group: number, message: Message): Uint8Array {
  const body = new ByteWriter().u8(1 + KINDS.indexOf(message.kind))
  body.u53(message.request.life).u53(message.request.number)
  put(body, message)
  return frame(body)
}

export function encodeAside(_group: number, aside: Aside): Uint8Array {
  const body = new ByteWriter().u8(FIRST_ASIDE + ASIDES.indexOf(aside.kind))
  if (aside.kind === 'call' || aside.kind === 'answer') body.u53(aside.id)
  if (aside.kind !== 'ping') body.blob(aside.bytes)
  return frame(body)
}

/** Takes frames out of a stream, behind its preamble. The first one must be a hello, and no other. */
export function newDecoder(): FrameDecoder<StoreFrame> {
  return new FrameDecoder({ maxBytes: MAX_FRAME_BYTES, maxHelloBytes: MAX_HELLO_BYTES, helloFrames: 2 }, decode)
}

function decode(body: Uint8Array, isFirst: boolean): StoreFrame {
  const reader = new ByteReader(body, 'message')
  const type = reader.u8()
  if ((type === HELLO) !== isFirst) throw reader.corrupt('is out of place: a hello comes first, and once')
  const message = type === HELLO ? takeHello(reader) : type < FIRST_ASIDE ? take(reader, type) : takeAside(reader, type)
  reader.end()
  return { group: GROUP, message }
}

function put(body: ByteWriter, message: Message): void {
  switch (message.kind) {
    case 'put':
      putPut(body, message.put)
      return
    case 'putEnded':
      putOutcome(body, message.outcome)
      return
    case 'store':
      body.text(message.key)
      putVersions(body, message.versions)
      body.text(message.hintFor ?? '')
      return
    case 'stored':
      body.text(message.hintFor ?? '')
      return
    case 'fetch':
      body.text(message.key)
      return
    case 'fetched':
      putVersions(body, message.versions)
  }
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
    case 'unavailable':
      body.u32(outcome.answered).u32(outcome.wanted)
      return
    case 'refused':
      body.text(outcome.reason.slice(0, MAX_REASON_BYTES / 4))
  }
}

/** Fields are read in the order in which they stand here, which is that of `put`. */
function take(reader: ByteReader, type: number): Message {
  const kind = KINDS[type - 1]
  if (kind === undefined) throw reader.corrupt(`has type ${type}, which is not known`)
  const request: RequestId = { life: reader.u53(), number: reader.u53() }
  switch (kind) {
    case 'put':
      return { kind, request, put: takePut(reader) }
    case 'putEnded':
      return { kind, request, outcome: takeOutcome(reader) }
    case 'store':
      return { kind, request, key: takeKey(reader), versions: takeVersions(reader), hintFor: takeHintFor(reader) }
    case 'stored':
      return { kind, request, hintFor: takeHintFor(reader) }
    case 'fetch':
      return { kind, request, key: takeKey(reader) }
    case 'fetched':
      return { kind, request, versions: takeVersions(reader) }
  }
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

function takeHintFor(reader: ByteReader): string | undefined {
  const name = reader.text(MAX_NAME_BYTES)
  return name === '' ? undefined : name
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
  return { clusterId, from, to, incarnation: reader.text(MAX_INCARNATION_BYTES), nonce: reader.blob(NONCE_BYTES) }
}

function frame(body: ByteWriter): Uint8Array {
  return encodeFrame(body.finish(), MAX_FRAME_BYTES, 'read the key and write it again: that replaces its siblings')
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
