// What every server is, and the listening part of one: who may connect, how many, and how it all ends.
import { assert, BedplateError } from '../base/errors.ts'
import type { Address, Connection, ConnectionEvents, Listener, Network, TlsFiles } from '../io/network.ts'
import type { Logger } from './logger.ts'
import type { Metric } from './metrics.ts'

/** A server, as commands and the console see it. Each call may be made once, in this order; `stop` at any time and again. */
export interface Server {
  /** Listens. @returns Where. @throws UNAVAILABLE if the port is taken. */
  start(): Promise<Address>
  /** True while it takes connections and serves them. */
  ready(): boolean
  /** Takes no more connections and lets those that are there finish what they began. Resolves when none is left. */
  drain(): Promise<void>
  /** Ends everything at once. */
  stop(): Promise<void>
  metrics(): readonly Metric[]
  /** A view of the inside, as JSON. */
  inspect(): unknown
}

export interface DoorOptions extends Address {
  readonly network: Network
  readonly logger: Logger
  readonly tls?: TlsFiles | undefined
  /** Whether clients have to say who they are: else only this machine may be listened on. */
  readonly hasAuthentication: boolean
  readonly maxConnections: number
  /** What one client too many is told before it is let go. */
  readonly fullReply: Uint8Array
}

const LOOPBACK = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

/** The door of a server: it listens, counts who is inside, and closes. */
export class Door {
  readonly #options: DoorOptions
  readonly #inside = new Set<Connection>()
  #listener: Listener | undefined
  #empty: (() => void) | undefined
  /** Connections that were turned away for want of room, ever. */
  rejectedCount = 0

  /** @throws INVALID_INPUT for an address that others reach, if anybody could come in. */
  constructor(options: DoorOptions) {
    this.#options = options
    const { host, hasAuthentication, tls } = options
    if (!isLoopback(host) && !hasAuthentication && tls?.ca === undefined) {
      throw new BedplateError('INVALID_INPUT', `refusing to listen on ${host} without authentication`, {
        hint: 'others could read and change everything: set a password, or listen on 127.0.0.1',
      })
    }
  }

  get connectionCount(): number {
    return this.#inside.size
  }

  get isOpen(): boolean {
    return this.#listener !== undefined
  }

  /** @param accept - Called for each client that is let in. */
  async open(accept: (connection: Connection) => ConnectionEvents): Promise<Address> {
    assert(this.#listener === undefined, 'a door is opened once')
    const { network, host, port, tls } = this.#options
    this.#listener = await network.listen({ host, port, tls }, (connection) => this.#letIn(connection, accept))
    return this.#listener.address
  }

  /** Lets nobody in any more. */
  close(): void {
    this.#listener?.close()
    this.#listener = undefined
  }

  /** Resolves when nobody is inside. */
  async empty(): Promise<void> {
    if (this.#inside.size === 0) return
    await new Promise<void>((resolve) => {
      this.#empty = resolve
    })
  }

  /** Throws everybody out. */
  clear(): void {
    for (const connection of this.#inside) connection.destroy()
  }

  #letIn(connection: Connection, accept: (connection: Connection) => ConnectionEvents): ConnectionEvents {
    const { maxConnections, fullReply, logger } = this.#options
    if (this.#inside.size >= maxConnections || !this.isOpen) {
      this.rejectedCount++
      logger.warn('connection refused: too many', { remote: connection.remote, limit: maxConnections })
      connection.write(fullReply)
      connection.end()
      return { data: () => connection.destroy(), drained() {}, closed() {} }
    }
    this.#inside.add(connection)
    const events = accept(connection)
    return {
      data: (bytes) => events.data(bytes),
      drained: () => events.drained(),
      closed: () => {
        this.#inside.delete(connection)
        events.closed()
        if (this.#inside.size === 0) this.#empty?.()
      },
    }
  }
}
