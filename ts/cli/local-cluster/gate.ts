// The way to a node: a proxy of its port. Who comes in says who it is as nodes do; what passes between two that are cut from each other
// is lost without a word, as a network loses it. Once they are whole again, streams that have lost bytes are closed, and the nodes
// connect anew. Others than nodes, such as clients over HTTP, always come through.
import type { Aside, Greeting, LinkId } from '../../distributed/link/index.ts'
import { type Address, type Connection, type ConnectionEvents, type Listener, realNetwork } from '../../io/network.ts'
import { Ear, type Language } from './ear.ts'

/** Who sends faster than the other one takes waits from here on. */
const MAX_WAITING_BYTES = 1024 * 1024

export interface GateOptions<Id extends LinkId, H extends Greeting<Id>, M extends { readonly kind: string }> {
  /** The node behind it. */
  readonly to: Id
  /** Where it listens; port 0 is any, and the same from then on. */
  readonly listen: Address
  /** Where the node listens. */
  readonly target: Address
  readonly language: Language<Id, H, M>
  readonly isCut: (one: Id, other: Id) => boolean
  /** Sees what nodes say on the way. `isLost`: it does not arrive. */
  readonly saw: (from: Id, to: Id, message: M | Aside, isLost: boolean) => void
}

/** Made shut. */
export class Gate<Id extends LinkId, H extends Greeting<Id>, M extends { readonly kind: string }> {
  readonly options: GateOptions<Id, H, M>
  readonly streams = new Set<Stream<Id, H, M>>()
  private listener: Promise<Listener> | undefined
  private place: Address

  constructor(options: GateOptions<Id, H, M>) {
    this.options = options
    this.place = options.listen
  }

  /** Where it listens. */
  get address(): Address {
    return this.place
  }

  /** Lets streams in. Twice is as good as once. @throws UNAVAILABLE if the port is taken */
  async open(): Promise<void> {
    this.listener ??= realNetwork.listen(this.place, (near) => new Stream(this, near))
    try {
      this.place = (await this.listener).address
    } catch (error) {
      this.listener = undefined
      throw error
    }
  }

  /** Ends all streams, and is not there: who connects learns at once that nobody is. */
  shut(): void {
    void this.listener?.then(
      (listener) => listener.close(),
      () => {},
    )
    this.listener = undefined
    for (const stream of this.streams) stream.destroy()
  }

  /** Ends streams that have lost something, and would lose nothing more. */
  mend(): void {
    for (const stream of this.streams) if (stream.hasLost && !stream.isCut) stream.destroy()
  }
}

/** One connection through a gate. */
class Stream<Id extends LinkId, H extends Greeting<Id>, M extends { readonly kind: string }>
  implements ConnectionEvents
{
  hasLost = false
  private readonly gate: Gate<Id, H, M>
  private readonly near: Connection
  private readonly there: Ear<Id, H, M>
  private readonly back: Ear<Id, H, M>
  private far: Connection | undefined
  /** What came before there was somebody to hand it to, or before it was known from whom it is. */
  private held: Uint8Array[] = []

  constructor(gate: Gate<Id, H, M>, near: Connection) {
    const { language, target } = gate.options
    this.gate = gate
    this.near = near
    this.there = new Ear(language)
    this.back = new Ear(language)
    gate.streams.add(this)
    realNetwork
      .connect(target, (far) => this.connected(far))
      .then(
        (far) => {
          if (!gate.streams.has(this)) far.destroy()
        },
        () => this.destroy(),
      )
  }

  get isCut(): boolean {
    const { hello } = this.there
    const { isCut, to } = this.gate.options
    return hello !== undefined && isCut(hello.from, to)
  }

  /** From who has connected. */
  data(bytes: Uint8Array): void {
    if (!this.gate.streams.has(this)) return
    this.hear(this.there, bytes)
    this.held.push(bytes)
    this.forward()
  }

  drained(): void {
    this.far?.resume()
  }

  /** The other side gets what was written to it. It may be paused, and who reads nothing never learns that its peer has gone. */
  closed(): void {
    this.gate.streams.delete(this)
    this.far?.resume()
    this.far?.end()
  }

  destroy(): void {
    this.gate.streams.delete(this)
    this.near.destroy()
    this.far?.destroy()
  }

  private connected(far: Connection): ConnectionEvents {
    this.far = far
    this.forward()
    return {
      data: (bytes) => {
        if (!this.gate.streams.has(this)) return
        this.hear(this.back, bytes)
        if (!this.passes()) return
        this.near.write(bytes)
        if (this.near.waitingBytes > MAX_WAITING_BYTES) far.pause()
      },
      drained: () => this.near.resume(),
      closed: () => {
        this.gate.streams.delete(this)
        this.near.resume()
        this.near.end()
      },
    }
  }

  /** Hands on what is held, once it is known from whom and to whom. A hello is short, and what else comes meanwhile stays with its sender. */
  private forward(): void {
    const { far, near, there } = this
    if (far === undefined) {
      near.pause()
      return
    }
    if (there.hello !== undefined || there.isDeaf) {
      for (const bytes of this.held.splice(0)) if (this.passes()) far.write(bytes)
    }
    if (far.waitingBytes > MAX_WAITING_BYTES) near.pause()
    else near.resume()
  }

  private passes(): boolean {
    if (!this.isCut) return true
    this.hasLost = true
    return false
  }

  private hear(ear: Ear<Id, H, M>, bytes: Uint8Array): void {
    const messages = ear.hear(bytes)
    const { hello } = this.there
    if (hello === undefined) return
    const { to, saw } = this.gate.options
    for (const message of messages) {
      if (ear === this.there) saw(hello.from, to, message, this.isCut)
      else saw(to, hello.from, message, this.isCut)
    }
  }
}
