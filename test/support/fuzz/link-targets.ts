// What reads what other nodes send, given bytes that no node sends: streams and their handshakes, of the partitioned store and of Raft.
import { openLinks } from '../../../ts/distributed/link/index.ts'
import { prove } from '../../../ts/distributed/link/secret.ts'
import {
  encodeHello as encodeRaftHello,
  encodeMessage as encodeRaftMessage,
  FrameDecoder as RaftDecoder,
} from '../../../ts/distributed/raft/index.ts'
import { STORE_PROTOCOL } from '../../../ts/distributed/ring/store/link-protocol.ts'
import {
  encodeAside,
  encodeHello,
  encodeMessage,
  type Hello,
  newDecoder,
  PREAMBLE,
} from '../../../ts/distributed/ring/store/message-codec.ts'
import type { Message } from '../../../ts/distributed/ring/store/types.ts'
import type { Connection, ConnectionEvents, Network } from '../../../ts/io/network.ts'
import type { Random } from '../../../ts/io/random.ts'
import { must } from '../btree-crash/expectation.ts'
import { below, pick } from '../btree-crash/workload.ts'
import { ManualClock } from '../manual-clock.ts'
import { HELLO as RAFT_HELLO, MESSAGES as RAFT_MESSAGES } from '../raft/messages.ts'
import { ASIDES, HELLO, MESSAGES } from '../ring-store/messages.ts'
import { damagedFrame, pieces } from './damage.ts'
import { mutate } from './mutate.ts'

const SECRET = 'a secret'
/** What the node says that is called. */
const OWN: Hello = { ...HELLO, from: HELLO.to, to: HELLO.from, nonce: new Uint8Array(16).fill(9) }

/** A message that is taken can be sent on: whoever gets it takes it too, and it says the same. */
export function fuzzStoreMessage(random: Random): void {
  const sent = random.next() < 0.9 ? encodeMessage(0, pick(random, MESSAGES)) : encodeAside(0, pick(random, ASIDES))
  for (const message of decodeStore(damagedFrame(sent, random))) {
    if (!('epoch' in message)) continue
    const passedOn = encodeMessage(0, message)
    const [again] = decodeStore(passedOn)
    must(again !== undefined && isSame(encodeMessage(0, again as Message), passedOn), 'a message that changes')
  }
}

export function fuzzRaftMessage(random: Random): void {
  const decode = (bytes: Uint8Array) => {
    const decoder = new RaftDecoder()
    decoder.push(encodeRaftHello(RAFT_HELLO))
    return decoder.push(bytes)
  }
  for (const { group, message } of decode(damagedFrame(encodeRaftMessage(1, pick(random, RAFT_MESSAGES)), random))) {
    if (!('term' in message)) continue
    const passedOn = encodeRaftMessage(group, message)
    const [again] = decode(passedOn)
    must(again !== undefined && isSame(encodeRaftMessage(again.group, again.message as never), passedOn), 'it changes')
  }
}

/** Nobody is heard who has not proved to know the secret, whatever comes; and a stream that fits nothing ends, and no more. */
export async function fuzzHandshake(random: Random): Promise<void> {
  const proof = encodeAside(0, { kind: 'proof', bytes: prove(SECRET, HELLO, OWN) })
  const parts = [
    PREAMBLE,
    encodeHello(HELLO),
    proof,
    ...Array.from({ length: 3 }, () => encodeMessage(0, pick(random, MESSAGES))),
  ]
  const damaged = below(random, parts.length + 1)
  const stream = Buffer.concat(
    parts.map((part, i) => (i !== damaged ? part : i === 0 ? mutate(part, random) : damagedFrame(part, random))),
  )
  const heard: Message[] = []
  const listener = new OneListener()
  const links = await openLinks<string, Hello, Message>({
    ...{
      protocol: STORE_PROTOCOL,
      secret: SECRET,
      network: listener,
      clock: new ManualClock(),
      random,
      listen: { host: 'h', port: 1 },
    },
    ...{ id: OWN.from, greet: (to) => ({ ...OWN, to }), peers: new Map() },
    received: (from, _group, message) => {
      must(from === HELLO.from || damaged === 1, 'somebody is heard who did not speak')
      heard.push(message)
    },
    called: async () => new Uint8Array(0),
  })
  try {
    const events = listener.call()
    for (const piece of pieces(stream, random)) events.data(piece)
    events.closed()
  } finally {
    links.close()
  }
  must(heard.length === 0 || hasProved(stream), 'somebody is heard who has not proved who it is')
  must(damaged < parts.length || heard.length === 3, 'a node is not heard')
}

/** Read anew, by the rules of docs/protocols/partitioned-kv.md. */
function hasProved(stream: Uint8Array): boolean {
  const decoder = newDecoder()
  const said: unknown[] = []
  try {
    for (const piece of splitFrames(stream.subarray(PREAMBLE.length)))
      for (const { message } of decoder.push(piece)) said.push(message)
  } catch {
    // What came before it counts.
  }
  const [hello, proof] = said as [Hello | undefined, { kind?: string; bytes?: Uint8Array } | undefined]
  if (hello === undefined || proof?.kind !== 'proof' || proof.bytes === undefined) return false
  if (hello.clusterId !== OWN.clusterId || hello.to !== OWN.from) return false
  return isSame(proof.bytes, prove(SECRET, hello, { ...OWN, to: hello.from }))
}

function* splitFrames(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at + 8 <= bytes.length; ) {
    const end = at + 8 + view.getUint32(at, true)
    yield bytes.subarray(at, end)
    at = end
  }
}

function decodeStore(bytes: Uint8Array): (Message | object)[] {
  const decoder = newDecoder()
  decoder.push(Buffer.concat([encodeHello(HELLO), encodeAside(0, { kind: 'ping' })]))
  return decoder.push(bytes).map(({ message }) => message)
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** A network with one port, and somebody who calls there and hears nothing. */
class OneListener implements Network {
  private accept: ((connection: Connection) => ConnectionEvents) | undefined

  listen: Network['listen'] = async (address, accept) => {
    this.accept = accept
    return { address, close: () => {} }
  }

  connect: Network['connect'] = async () => {
    throw new Error('nobody listens there')
  }

  call(): ConnectionEvents {
    if (this.accept === undefined) throw new Error('nobody listens')
    const nothing = (): void => {}
    return this.accept({
      ...{ remote: '127.0.0.1:2', local: '127.0.0.1:1', waitingBytes: 0, write: nothing },
      ...{ pause: nothing, resume: nothing, end: nothing, destroy: nothing },
    })
  }
}
