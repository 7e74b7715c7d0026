// Carries messages between the nodes of a cluster: one stream a pair of nodes, for all groups.
//
// The node with the higher id connects, the other one listens; both send on the stream. Each begins with preamble and hello; who
// is refused is told by the other one's hello why. What cannot be sent is lost, as Raft expects: while there is no stream, and
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
import {
  type Aside,
  beginsLikeRaft,
  checkHello,
  encodeAside,
  encodeHello,
  encodeMessage,
  FrameDecoder,
  type Hello,
  PREAMBLE,
} from './message-codec.ts'
import type { Message, NodeId } from './types.ts'

export interface TransportOptions {
  /** Default: TCP of the machine. */
  readonly network?: Network
  readonly clock: Clock
  readonly random: Random
  readonly listen: Address
  /** Certificate and key of this node, for both directions; with `ca`, nodes know each other by what it has signed. */
  readonly tls?: TlsFiles | undefined
  /** Who this node is, and what all nodes of the cluster must agree on. */
  readonly own: Omit<Hello, 'to'>
  /** Where the others are reached. */
  readonly peers: ReadonlyMap<NodeId, Address>
  readonly received: (from: NodeId, group: number, message: Message) => void
  /** Answers a call; one that rejects is answered by nothing, and the caller learns that with the end of the stream. */
  readonly called?: ((from: NodeId, group: number, request: Uint8Array) => Promise<Uint8Array>) | undefined
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
interface Stream {
  readonly connection: Connection
  readonly decoder: FrameDecoder
  /** True if the other one has connected. */
  readonly isAccepted: boolean
  /** What came before the preamble was whole; undefined behind it. */
  head: Uint8Array | undefined
  /** Undefined until the hello. */
  from: NodeId | undefined
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
export async function openTransport(options: TransportOptions): Promise<Transport> {
  const transport = new Transport(options)
  await transport.open()
  return transport
}

/** Made by `openTransport`. */
export class Transport {
  private readonly options: TransportOptions
  private readonly network: Network
  /** The last one that was heard of first. */
  private readonly addresses = new Map<NodeId, Address[]>()
  private readonly streams = new Map<NodeId, Stream>()
  private readonly all = new Set<Stream>()
  private readonly timers = new Map<NodeId, Cancel>()
  private readonly pauseMs = new Map<NodeId, number>()
  private readonly incarnations = new Map<NodeId, string>()
  private listener: Listener | undefined
  private cancelBeat: Cancel | undefined
  private nextCall = 1
  private isClosed = false

  constructor(options: TransportOptions) {
    this.options = options
    this.network = options.network ?? realNetwork
  }

  /** Where this node listens. */
  get address(): Address {
    if (this.listener === undefined) throw new BedplateError('CLOSED', 'the transport is not open')
    return this.listener.address
  }

  /** The nodes that messages would reach now. */
  get connected(): NodeId[] {
    return [...this.streams.keys()]
  }

  async open(): Promise<void> {
    const { listen, tls, peers } = this.options
    this.listener = await this.network.listen({ ...listen, tls }, (connection) => this.accept(connection))
    this.beatLater()
    for (const [id, address] of peers) this.addAddress(id, address)
  }

  /** Says where a node is reached. What was known before is tried as well, in turn. */
  addAddress(id: NodeId, address: Address): void {
    const { own } = this.options
    if (id === own.from) return
    const known = this.addresses.get(id)
    const others = (known ?? []).filter(({ host, port }) => host !== address.host || port !== address.port)
    this.addresses.set(id, [address, ...others].slice(0, MAX_ADDRESSES))
    if (known === undefined && id < own.from) this.connect(id)
  }

  /** Sends a message, or loses it. */
  send(to: NodeId, group: number, message: Message): void {
    const stream = this.streams.get(to)
    if (stream !== undefined && !this.isFull(stream)) stream.connection.write(encodeMessage(group, message))
  }

  /** Asks another node, whose `called` answers. Ends at the latest with the stream. */
  call(to: NodeId, group: number, request: Uint8Array): Promise<CallOutcome> {
    const stream = this.streams.get(to)
    if (stream === undefined || this.isFull(stream) || stream.calls.size >= MAX_CALLS) return Promise.resolve('unsent')
    const id = this.nextCall++
    return new Promise((resolve) => {
      stream.calls.set(id, resolve)
      stream.connection.write(encodeAside(group, { kind: 'call', id, bytes: request }))
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

  private isFull({ connection }: Stream): boolean {
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
  private eventsOf(stream: Stream, ended: () => void): ConnectionEvents {
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

  private connect(id: NodeId): void {
    if (this.isClosed) return
    const { own, tls } = this.options
    const [address, ...others] = this.addresses.get(id) as [Address, ...Address[]]
    this.addresses.set(id, [...others, address])
    const again = (): void => this.connectLater(id)
    const accept = (connection: Connection): ConnectionEvents => {
      const stream = this.begin(connection, false)
      if (this.isClosed) connection.destroy()
      connection.write(PREAMBLE)
      connection.write(encodeHello({ ...own, to: id }))
      return this.eventsOf(stream, again)
    }
    this.network.connect({ ...address, tls, timeoutMs: CONNECT_MS }, accept).catch(again)
  }

  private connectLater(id: NodeId): void {
    if (this.isClosed) return
    const { clock, random } = this.options
    const pauseMs = this.pauseMs.get(id) ?? FIRST_PAUSE_MS
    this.pauseMs.set(id, Math.min(2 * pauseMs, LAST_PAUSE_MS))
    this.timers.set(
      id,
      clock.timer(pauseMs * (0.5 + random.next() / 2), () => this.connect(id)),
    )
  }

  private begin(connection: Connection, isAccepted: boolean): Stream {
    const nothing = { head: new Uint8Array(0), from: undefined, owner: undefined }
    const life = { calls: new Map<number, (outcome: CallOutcome) => void>(), heardMs: this.nowMs }
    const stream = { connection, isAccepted, decoder: new FrameDecoder(), ...nothing, ...life }
    this.all.add(stream)
    return stream
  }

  private end(stream: Stream): void {
    this.all.delete(stream)
    if (stream.from !== undefined && this.streams.get(stream.from) === stream) this.streams.delete(stream.from)
    for (const resolve of stream.calls.values()) resolve('lost')
    stream.calls.clear()
  }

  /** Lets go of a stream, and says why. */
  private refuse(stream: Stream, error: Error): void {
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

  private beat(stream: Stream): void {
    const { pingMs = PING_MS, helloMs = HELLO_MS } = this.options
    const silentMs = this.nowMs - stream.heardMs
    const isGreeted = stream.from !== undefined
    if (silentMs < (isGreeted ? SILENT_PINGS * pingMs : helloMs)) {
      if (isGreeted) stream.connection.write(encodeAside(0, { kind: 'ping' }))
      return
    }
    const who = isGreeted ? `node ${stream.from}` : 'somebody who connected'
    this.refuse(stream, new BedplateError('UNAVAILABLE', `${who} has said nothing for ${Math.round(silentMs)} ms`))
    stream.connection.destroy()
  }

  // ---- What comes

  private receive(stream: Stream, bytes: Uint8Array): void {
    if (!this.all.has(stream)) return // it was refused
    try {
      const rest = this.behindPreamble(stream, bytes)
      if (rest === undefined) return
      for (const { group, message } of stream.decoder.push(rest)) {
        if (!('kind' in message)) this.greet(stream, message)
        else if (stream.from !== undefined) this.take(stream, stream.from, group, message)
        if (!this.all.has(stream)) return
      }
      // Somebody unknown does not gain time by speaking slowly.
      if (stream.from !== undefined) stream.heardMs = this.nowMs
    } catch (error) {
      this.refuse(stream, error as Error)
    }
  }

  /** Takes the preamble off a stream. @returns What follows; undefined while it is not whole, and if it is a stranger's. */
  private behindPreamble(stream: Stream, bytes: Uint8Array): Uint8Array | undefined {
    if (stream.head === undefined) return bytes
    const head = new Uint8Array(Buffer.concat([stream.head, bytes]))
    const isRaft = beginsLikeRaft(head)
    if (isRaft === false) {
      const { onStranger } = this.options
      if (onStranger === undefined || !stream.isAccepted) {
        throw new BedplateError('INVALID_INPUT', 'somebody connected who is no node of Raft')
      }
      stream.head = undefined
      stream.owner = onStranger(stream.connection)
      stream.owner.data(head)
      return undefined
    }
    stream.head = isRaft ? undefined : head
    return isRaft ? head.subarray(PREAMBLE.length) : undefined
  }

  private greet(stream: Stream, hello: Hello): void {
    const { own } = this.options
    const { from } = hello
    if (stream.isAccepted) {
      // It called: it has not heard who answers.
      stream.connection.write(PREAMBLE)
      stream.connection.write(encodeHello({ ...own, to: from }))
    }
    checkHello(own, hello)
    this.checkIncarnation(hello)
    stream.from = from
    this.pauseMs.delete(from)
    // A stream from before its last crash may still look alive here.
    if (stream.isAccepted) this.streams.get(from)?.connection.destroy()
    this.streams.set(from, stream)
  }

  /** A node that has voted and then lost its disk would vote once more. What was seen first counts, for this process's life. */
  private checkIncarnation({ from, incarnation }: Hello): void {
    const known = this.incarnations.get(from) ?? incarnation
    this.incarnations.set(from, known)
    if (known === incarnation) return
    throw new BedplateError(
      'INVALID_INPUT',
      `node ${from} comes with another data directory than before (${incarnation}, not ${known}): what it has promised is lost`,
      { hint: 'remove it from the cluster, and add a node with a new id and an empty directory' },
    )
  }

  private take(stream: Stream, from: NodeId, group: number, message: Message | Aside): void {
    switch (message.kind) {
      case 'ping':
        return
      case 'call':
        this.answer(stream, { from, group, id: message.id, request: message.bytes })
        return
      case 'answer':
        stream.calls.get(message.id)?.(message.bytes)
        stream.calls.delete(message.id)
        return
      default:
        this.options.received(from, group, message)
    }
  }

  private answer(stream: Stream, call: { from: NodeId; group: number; id: number; request: Uint8Array }): void {
    const { from, group, id, request } = call
    const { called } = this.options
    if (called === undefined) throw new BedplateError('NOT_SUPPORTED', 'a node calls, and nobody here answers')
    called(from, group, request).then(
      (bytes) => {
        if (this.all.has(stream)) stream.connection.write(encodeAside(group, { kind: 'answer', id, bytes }))
      },
      (error: Error) => {
        if (this.all.has(stream)) this.refuse(stream, error)
      },
    )
  }
}
