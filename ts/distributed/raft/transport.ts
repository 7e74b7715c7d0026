// Carries messages between the nodes of a cluster: one stream a pair of nodes, for all groups.
//
// The node with the higher id connects, the other one listens; both send on the stream. Each begins with preamble and hello.
// What cannot be sent is lost, as Raft expects: while there is no stream, and while more than `maxUnsentBytes` wait to leave.
// A stream that fails is opened again after a pause that doubles up to a bound and is drawn from its upper half.
import { BedplateError } from '../../base/errors.ts'
import type { Cancel, Clock } from '../../io/clock.ts'
import {
  type Address,
  type Connection,
  type ConnectionEvents,
  type Listener,
  type Network,
  realNetwork,
} from '../../io/network.ts'
import type { Random } from '../../io/random.ts'
import {
  beginsLikeRaft,
  checkHello,
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
  /** Who this node is, and what all nodes of the cluster must agree on. */
  readonly own: Omit<Hello, 'to'>
  /** Where the others are reached. */
  readonly peers: ReadonlyMap<NodeId, Address>
  readonly received: (from: NodeId, group: number, message: Message) => void
  /** Is told of streams that were refused or broken, for people. */
  readonly onTrouble?: ((peer: string, error: Error) => void) | undefined
  /** Messages are lost while so many bytes wait for one node. Default 16 MiB: above what a leader has under way. */
  readonly maxUnsentBytes?: number
}

const MAX_UNSENT_BYTES = 16 * 1024 * 1024
const FIRST_PAUSE_MS = 20
const LAST_PAUSE_MS = 1000

/** A stream, from preamble to end. */
interface Stream {
  readonly connection: Connection
  readonly decoder: FrameDecoder
  /** What came before the preamble was whole; undefined behind it. */
  head: Uint8Array | undefined
  /** Undefined until the hello. */
  from: NodeId | undefined
}

/** Begins to listen and to connect. @throws UNAVAILABLE if the port is taken, PERMISSION, INVALID_INPUT */
export async function openTransport(options: TransportOptions): Promise<Transport> {
  const transport = new Transport(options)
  await transport.open()
  return transport
}

/** Made by `openTransport`. */
export class Transport {
  private readonly options: TransportOptions
  private readonly streams = new Map<NodeId, Stream>()
  private readonly all = new Set<Stream>()
  private readonly timers = new Map<NodeId, Cancel>()
  private readonly pauseMs = new Map<NodeId, number>()
  private listener: Listener | undefined
  private isClosed = false

  constructor(options: TransportOptions) {
    this.options = options
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
    const { network = realNetwork, listen, own, peers } = this.options
    this.listener = await network.listen(listen, (connection) => this.accept(connection))
    for (const id of peers.keys()) if (id < own.from) this.connect(id)
  }

  /** Sends a message, or loses it. */
  send(to: NodeId, group: number, message: Message): void {
    const connection = this.streams.get(to)?.connection
    const { maxUnsentBytes = MAX_UNSENT_BYTES } = this.options
    if (connection === undefined || connection.waitingBytes > maxUnsentBytes) return
    connection.write(encodeMessage(group, message))
  }

  /** Ends all streams. Nothing is received or opened any more. */
  close(): void {
    this.isClosed = true
    for (const cancel of this.timers.values()) cancel()
    this.listener?.close()
    for (const { connection } of this.all) connection.destroy()
  }

  private accept(connection: Connection): ConnectionEvents {
    const stream = this.begin(connection)
    return this.eventsOf(stream, () => {})
  }

  /** @param ended - What follows once the stream is gone. */
  private eventsOf(stream: Stream, ended: () => void): ConnectionEvents {
    return {
      data: (bytes) => this.receive(stream, bytes),
      drained: () => {}, // what did not fit was lost already
      closed: () => {
        this.end(stream)
        ended()
      },
    }
  }

  private connect(id: NodeId): void {
    if (this.isClosed) return
    const { network = realNetwork, own, peers } = this.options
    const again = (): void => this.connectLater(id)
    const accept = (connection: Connection): ConnectionEvents => {
      const stream = this.begin(connection)
      if (this.isClosed) connection.destroy()
      connection.write(PREAMBLE)
      connection.write(encodeHello({ ...own, to: id }))
      return this.eventsOf(stream, again)
    }
    network.connect(peers.get(id) as Address, accept).catch(again)
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

  private begin(connection: Connection): Stream {
    const stream = { connection, decoder: new FrameDecoder(), head: new Uint8Array(0), from: undefined }
    this.all.add(stream)
    return stream
  }

  private end(stream: Stream): void {
    this.all.delete(stream)
    if (stream.from !== undefined && this.streams.get(stream.from) === stream) this.streams.delete(stream.from)
  }

  private receive(stream: Stream, bytes: Uint8Array): void {
    if (!this.all.has(stream)) return // it was refused
    try {
      const rest = behindPreamble(stream, bytes)
      if (rest === undefined) return
      for (const { group, message } of stream.decoder.push(rest)) {
        if (!('kind' in message)) this.greet(stream, message)
        else if (stream.from !== undefined) this.options.received(stream.from, group, message)
      }
    } catch (error) {
      this.all.delete(stream)
      stream.connection.destroy()
      this.options.onTrouble?.(stream.connection.remote, error as Error)
    }
  }

  private greet(stream: Stream, hello: Hello): void {
    const { own } = this.options
    checkHello(own, hello)
    const { from } = hello
    stream.from = from
    this.pauseMs.delete(from)
    if (from > own.from) {
      // It called: it has not heard who answers. A stream from before its last crash may still look alive here.
      stream.connection.write(PREAMBLE)
      stream.connection.write(encodeHello({ ...own, to: from }))
      this.streams.get(from)?.connection.destroy()
    }
    this.streams.set(from, stream)
  }
}

/** Takes the preamble off a stream. @returns What follows; undefined while it is not whole. */
function behindPreamble(stream: Stream, bytes: Uint8Array): Uint8Array | undefined {
  if (stream.head === undefined) return bytes
  const head = new Uint8Array(Buffer.concat([stream.head, bytes]))
  const isRaft = beginsLikeRaft(head)
  if (isRaft === false) throw new BedplateError('INVALID_INPUT', 'somebody connected who is no node of Raft')
  stream.head = isRaft ? undefined : head
  return isRaft ? head.subarray(PREAMBLE.length) : undefined
}
