// Carries messages between the nodes of a cluster: one stream a pair of nodes, for all groups. What is said on it, the protocol knows.
//
// The node with the higher id connects, the other one listens; both send on the stream. Each begins with preamble and hello, and
// with a proof that it knows the secret of the cluster; who is refused is told by the other one's hello why. What cannot be sent is lost, as protocols expect: while there is no stream, and
// while more than `maxUnsentBytes` wait to leave. A stream that fails is opened again after a pause that doubles up to a bound and
// is drawn from its upper half. Pings go both ways, so that a stream whose other end has gone without a word is noticed: TCP
// alone would take minutes, and as long again once the network is whole.
import { BedplateError } from '../../base/errors.ts'
import type { Cancel, Clock } from '../../io/clock.ts'
import {
  type Address,
  type Connection,
  type ConnectionEvents,
  type Listener,
  type Network,
  realNetwork,
  type TlsFiles,
} from '../../io/network.ts'
import type { Random } from '../../io/random.ts'
import { type Aside, beginsLike, type Frame, type FrameDecoder, type Greeting, type LinkId } from './frame.ts'
import { checkProof, prove } from './secret.ts'

/** What nodes say to each other. */
export interface Protocol<Id extends LinkId, H extends Greeting<Id>, M> {
  /** For people: `Raft`. */
  readonly name: string
  /** Eight bytes: see frame.ts. */
  readonly preamble: Uint8Array
  readonly decoder: () => FrameDecoder<Frame<H, M>>
  readonly encodeHello: (hello: H) => Uint8Array
  readonly encodeMessage: (group: number, message: M) => Uint8Array
  readonly encodeAside: (group: number, aside: Aside) => Uint8Array
  /** Refuses somebody who means another cluster or another node. @throws INVALID_INPUT */
  readonly check: (own: H, theirs: H) => void
}

export interface LinksOptions<Id extends LinkId, H extends Greeting<Id>, M> {
  readonly protocol: Protocol<Id, H, M>
  /** Default: TCP of the machine. */
  readonly network?: Network | undefined
  readonly clock: Clock
  readonly random: Random
  readonly listen: Address
  /** Certificate and key of this node, for both directions; with `ca`, nodes know each other by what it has signed. */
  readonly tls?: TlsFiles | undefined
  /** Equal on all nodes; '' keeps nobody out. */
  readonly secret: string
  /** This node. */
  readonly id: Id
  /** Who this node is, and what all nodes of the cluster must agree on: the hello of a new stream. */
  readonly greet: (to: Id) => H
  /** Where the others are reached. */
  readonly peers: ReadonlyMap<Id, Address>
  readonly received: (from: Id, group: number, message: M) => void
  /** Answers a call; one that rejects is answered by nothing, and the caller learns that with the end of the stream. */
  readonly called?: ((from: Id, group: number, request: Uint8Array) => Promise<Uint8Array>) | undefined
  /** Takes over a connection whose first bytes are not those of a node: they are given to `data` once more. */
  readonly onStranger?: ((connection: Connection) => ConnectionEvents) | undefined
  /** Is told of streams that were refused or broken, for people. */
  readonly onTrouble?: ((peer: string, error: Error) => void) | undefined
  /** Messages are lost while so many bytes wait for one node. Default 16 MiB: above what a leader has under way. */
  readonly maxUnsentBytes?: number
  /** How often a ping is sent; a stream on which nothing comes for five times as long is closed. Default 1000. */
  readonly pingMs?: number
  /** Who has not said for so long who it is, is let go. Default 5000. */
  readonly helloMs?: number
}

const MAX_UNSENT_BYTES = 16 * 1024 * 1024
const FIRST_PAUSE_MS = 20
const LAST_PAUSE_MS = 1000
const CONNECT_MS = 3000
const PING_MS = 1000
const HELLO_MS = 5000
/** Pings that may be missing. */
const SILENT_PINGS = 5
/** Connections that have not said yet who they are; more are let go at once. */
const MAX_UNKNOWN = 256
/** Calls to one node that are not answered. */
const MAX_CALLS = 100_000
/** Addresses of one node that are tried in turn: those that were heard of last. */
const MAX_ADDRESSES = 4

/** A stream, from preamble to end. */
interface Stream<Id extends LinkId, H, M> {
  readonly connection: Connection
  readonly decoder: FrameDecoder<Frame<H, M>>
  /** True if the other one has connected. */
  readonly isAccepted: boolean
  /** What came before the preamble was whole; undefined behind it. */
  head: Uint8Array | undefined
  /** The hellos of both ends; undefined until they were said. */
  own: H | undefined
  theirs: H | undefined
  /** Undefined until the other one has said, and proved, who it is. */
  from: Id | undefined
  /** When it began, or something came last. */
  heardMs: number
  /** Calls that wait for their answer. */
  readonly calls: Map<number, (outcome: CallOutcome) => void>
  /** Whose it is, if it is no stream of nodes. */
  owner: ConnectionEvents | undefined
}

/** What became of a call: its answer, or nothing has been sent, or the stream ended before the answer. */
export type CallOutcome = Uint8Array | 'unsent' | 'lost'

/** Begins to listen and to connect. @throws UNAVAILABLE if the port is taken, PERMISSION, INVALID_INPUT */
export async function openLinks<Id extends LinkId, H extends Greeting<Id>, M extends { readonly kind: string }>(
  options: LinksOptions<Id, H, M>,
): Promise<Links<Id, H, M>> {
  const links = new Links(options)
  await links.open()
  return links
}

/** Made by `openLinks`. */
export class Links<Id extends LinkId, H extends Greeting<Id>, M extends { readonly kind: string }> {
  private readonly options: LinksOptions<Id, H, M>
  private readonly network: Network
  /** The last one that was heard of first. */
  private readonly addresses = new Map<Id, Address[]>()
  private readonly streams = new Map<Id, Stream<Id, H, M>>()
  private readonly all = new Set<Stream<Id, H, M>>()
  private readonly timers = new Map<Id, Cancel>()
  private readonly pauseMs = new Map<Id, number>()
  private readonly incarnations = new Map<Id, string>()
  private listener: Listener | undefined
  private cancelBeat: Cancel | undefined
  private nextCall = 1
  private isClosed = false

  constructor(options: LinksOptions<Id, H, M>) {
    this.options = options
    this.network = options.network ?? realNetwork
  }

  /** Where this node listens. */
  get address(): Address {
    if (this.listener === undefined) throw new BedplateError('CLOSED', 'the links are not open')
    return this.listener.address
  }

  /** The nodes that messages would reach now. */
  get connected(): Id[] {
    return [...this.streams.keys()]
  }

  async open(): Promise<void> {
    const { listen, tls, peers } = this.options
    this.listener = await this.network.listen({ ...listen, tls, gathers: true }, (connection) =>
      this.accept(connection),
    )
    this.beatLater()
    for (const [id, address] of peers) this.addAddress(id, address)
  }

  /** Says where a node is reached. What was known before is tried as well, in turn. */
  addAddress(id: Id, address: Address): void {
    const own = this.options.id
    if (id === own) return
    const known = this.addresses.get(id)
    const others = (known ?? []).filter(({ host, port }) => host !== address.host || port !== address.port)
    this.addresses.set(id, [address, ...others].slice(0, MAX_ADDRESSES))
    if (known === undefined && id < own) this.connect(id)
  }

  /** The nodes that there is an address of. */
  get known(): Id[] {
    return [...this.addresses.keys()]
  }

  /** A node is not one of the cluster any more: its stream ends, and it is not looked for. */
  forget(id: Id): void {
    this.addresses.delete(id)
    this.timers.get(id)?.()
    this.streams.get(id)?.connection.destroy()
  }

  /** Sends a message, or loses it. */
  send(to: Id, group: number, message: M): void {
    const stream = this.streams.get(to)
    if (stream !== undefined && !this.isFull(stream)) {
      stream.connection.write(this.options.protocol.encodeMessage(group, message))
    }
  }

  /**
   * Asks another node, whose `called` answers. Ends at the latest with the stream.
   * @throws INVALID_INPUT at once for a request that is too large for the protocol
   */
  call(to: Id, group: number, request: Uint8Array): Promise<CallOutcome> {
    const stream = this.streams.get(to)
    if (stream === undefined || this.isFull(stream) || stream.calls.size >= MAX_CALLS) return Promise.resolve('unsent')
    const id = this.nextCall++
    const frame = this.options.protocol.encodeAside(group, { kind: 'call', id, bytes: request })
    return new Promise((resolve) => {
      stream.calls.set(id, resolve)
      stream.connection.write(frame)
    })
  }

  /** Ends all streams, also those that were handed on. Nothing is received or opened any more. */
  close(): void {
    this.isClosed = true
    this.cancelBeat?.()
    for (const cancel of this.timers.values()) cancel()
    this.listener?.close()
    for (const { connection } of this.all) connection.destroy()
  }

  private isFull({ connection }: Stream<Id, H, M>): boolean {
    return connection.waitingBytes > (this.options.maxUnsentBytes ?? MAX_UNSENT_BYTES)
  }

  private get nowMs(): number {
    return this.options.clock.monotonic() / 1e6
  }

  // ---- Streams from their beginning to their end

  private accept(connection: Connection): ConnectionEvents {
    const unknown = [...this.all].filter(({ from, owner }) => from === undefined && owner === undefined)
    const stream = this.begin(connection, true)
    if (unknown.length >= MAX_UNKNOWN) connection.destroy()
    return this.eventsOf(stream, () => {})
  }

  /** @param ended - What follows once the stream is gone. */
  private eventsOf(stream: Stream<Id, H, M>, ended: () => void): ConnectionEvents {
    return {
      data: (bytes) => {
        if (stream.owner === undefined) this.receive(stream, bytes)
        else stream.owner.data(bytes)
      },
      drained: () => stream.owner?.drained(), // what did not fit into a stream of nodes was lost already
      closed: () => {
        this.end(stream)
        stream.owner?.closed()
        ended()
      },
    }
  }

  private connect(id: Id): void {
    if (this.isClosed) return
    const { protocol, greet, tls } = this.options
    const [address, ...others] = this.addresses.get(id) ?? []
    if (address === undefined) return // it was forgotten
    this.addresses.set(id, [...others, address])
    const again = (): void => this.connectLater(id)
    const accept = (connection: Connection): ConnectionEvents => {
      const stream = this.begin(connection, false)
      if (this.isClosed) connection.destroy()
      stream.own = greet(id)
      connection.write(protocol.preamble)
      connection.write(protocol.encodeHello(stream.own))
      return this.eventsOf(stream, again)
    }
    this.network.connect({ ...address, tls, timeoutMs: CONNECT_MS, gathers: true }, accept).catch(again)
  }

  private connectLater(id: Id): void {
    if (this.isClosed || !this.addresses.has(id)) return
    const { clock, random } = this.options
    const pauseMs = this.pauseMs.get(id) ?? FIRST_PAUSE_MS
    this.pauseMs.set(id, Math.min(2 * pauseMs, LAST_PAUSE_MS))
    this.timers.set(
      id,
      clock.timer(pauseMs * (0.5 + random.next() / 2), () => this.connect(id)),
    )
  }

  private begin(connection: Connection, isAccepted: boolean): Stream<Id, H, M> {
    const unknown = { own: undefined, theirs: undefined, from: undefined }
    const nothing = { head: new Uint8Array(0), ...unknown, owner: undefined }
    const life = { calls: new Map<number, (outcome: CallOutcome) => void>(), heardMs: this.nowMs }
    const stream = { connection, isAccepted, decoder: this.options.protocol.decoder(), ...nothing, ...life }
    this.all.add(stream)
    return stream
  }

  private end(stream: Stream<Id, H, M>): void {
    this.all.delete(stream)
    if (stream.from !== undefined && this.streams.get(stream.from) === stream) this.streams.delete(stream.from)
    for (const resolve of stream.calls.values()) resolve('lost')
    stream.calls.clear()
  }

  /** Lets go of a stream, and says why. */
  private refuse(stream: Stream<Id, H, M>, error: Error): void {
    this.end(stream)
    const { connection } = stream
    // What was written last, our hello, may still tell the other one what is wrong.
    connection.end()
    this.options.clock.timer(LAST_PAUSE_MS, () => connection.destroy())
    this.options.onTrouble?.(connection.remote, error)
  }

  private beatLater(): void {
    if (this.isClosed) return
    const { clock, pingMs = PING_MS } = this.options
    this.cancelBeat = clock.timer(pingMs, () => {
      for (const stream of this.all) if (stream.owner === undefined) this.beat(stream)
      this.beatLater()
    })
  }

  private beat(stream: Stream<Id, H, M>): void {
    const { pingMs = PING_MS, helloMs = HELLO_MS } = this.options
    const silentMs = this.nowMs - stream.heardMs
    const isGreeted = stream.from !== undefined
    if (silentMs < (isGreeted ? SILENT_PINGS * pingMs : helloMs)) {
      if (isGreeted) stream.connection.write(this.options.protocol.encodeAside(0, { kind: 'ping' }))
      return
    }
    const who = isGreeted ? `node ${stream.from}` : 'somebody who connected'
    this.refuse(stream, new BedplateError('UNAVAILABLE', `${who} has said nothing for ${Math.round(silentMs)} ms`))
    stream.connection.destroy()
  }

  // ---- What comes

  private receive(stream: Stream<Id, H, M>, bytes: Uint8Array): void {
    if (!this.all.has(stream)) return // it was refused
    try {
      const rest = this.behindPreamble(stream, bytes)
      if (rest === undefined) return
      for (const { group, message } of stream.decoder.push(rest)) {
        if (!('kind' in message)) this.greet(stream, message)
        else if (stream.from !== undefined) this.take(stream, stream.from, group, message as M | Aside)
        else this.admit(stream, message as M | Aside)
        if (!this.all.has(stream)) return
      }
      // Somebody unknown does not gain time by speaking slowly.
      if (stream.from !== undefined) stream.heardMs = this.nowMs
    } catch (error) {
      this.refuse(stream, error as Error)
    }
  }

  /** Takes the preamble off a stream. @returns What follows; undefined while it is not whole, and if it is a stranger's. */
  private behindPreamble(stream: Stream<Id, H, M>, bytes: Uint8Array): Uint8Array | undefined {
    if (stream.head === undefined) return bytes
    const head = new Uint8Array(Buffer.concat([stream.head, bytes]))
    const { onStranger, protocol } = this.options
    const isNode = beginsLike(protocol.preamble, head)
    if (isNode === false) {
      if (onStranger === undefined || !stream.isAccepted) {
        throw new BedplateError('INVALID_INPUT', `somebody connected who is no node of ${protocol.name}`)
      }
      stream.head = undefined
      stream.owner = onStranger(stream.connection)
      stream.owner.data(head)
      return undefined
    }
    stream.head = isNode ? undefined : head
    return isNode ? head.subarray(protocol.preamble.length) : undefined
  }

  private greet(stream: Stream<Id, H, M>, hello: H): void {
    const { protocol, greet, secret } = this.options
    const { connection, isAccepted } = stream
    if (isAccepted) {
      // It called: it has not heard who answers.
      stream.own = greet(hello.from)
      connection.write(protocol.preamble)
      connection.write(protocol.encodeHello(stream.own))
    }
    const own = stream.own as H
    protocol.check(own, hello)
    stream.theirs = hello
    connection.write(protocol.encodeAside(0, { kind: 'proof', bytes: prove(secret, own, hello) }))
  }

  /** What comes behind a hello: nothing else is heard before. */
  private admit(stream: Stream<Id, H, M>, message: M | Aside): void {
    const { own, theirs } = stream
    if (own === undefined || theirs === undefined) return
    const proof = message.kind === 'proof' ? (message as Aside & { kind: 'proof' }).bytes : new Uint8Array(0)
    checkProof(proof, this.options.secret, { prover: theirs, verifier: own })
    this.admitted(stream, theirs)
  }

  /** From now on messages go both ways. */
  private admitted(stream: Stream<Id, H, M>, hello: H): void {
    const { from } = hello
    this.checkIncarnation(hello)
    stream.from = from
    this.pauseMs.delete(from)
    // A stream from before its last crash may still look alive here.
    if (stream.isAccepted) this.streams.get(from)?.connection.destroy()
    this.streams.set(from, stream)
  }

  /** A node that has voted and then lost its disk would vote once more. What was seen first counts, for this process's life. */
  private checkIncarnation({ from, incarnation }: H): void {
    const known = this.incarnations.get(from) ?? incarnation
    this.incarnations.set(from, known)
    if (known === incarnation) return
    throw new BedplateError(
      'INVALID_INPUT',
      `node ${from} comes with another data directory than before (${incarnation}, not ${known}): what it has promised is lost`,
      {
        hint: `remove it from the cluster, and add a node with a new ${typeof from === 'string' ? 'name' : 'id'} and an empty directory`,
      },
    )
  }

  private take(stream: Stream<Id, H, M>, from: Id, group: number, message: M | Aside): void {
    switch (message.kind) {
      case 'ping':
      case 'proof':
        return
      case 'call': {
        const { id, bytes } = message as Aside & { kind: 'call' }
        this.answer(stream, { from, group, id, request: bytes })
        return
      }
      case 'answer': {
        const { id, bytes } = message as Aside & { kind: 'answer' }
        stream.calls.get(id)?.(bytes)
        stream.calls.delete(id)
        return
      }
      default:
        this.options.received(from, group, message as M)
    }
  }

  private answer(stream: Stream<Id, H, M>, call: { from: Id; group: number; id: number; request: Uint8Array }): void {
    const { from, group, id, request } = call
    const { called } = this.options
    if (called === undefined) throw new BedplateError('NOT_SUPPORTED', 'a node calls, and nobody here answers')
    called(from, group, request)
      .then((bytes) => {
        if (!this.all.has(stream)) return
        stream.connection.write(this.options.protocol.encodeAside(group, { kind: 'answer', id, bytes }))
      })
      .catch((error: Error) => {
        if (this.all.has(stream)) this.refuse(stream, error)
      })
  }
}
