// A network between clients and a server that delays, swallows, cuts and refuses as it is told.
import type { Clock } from '../../io/clock.ts'
import type { Connection, ConnectionEvents, Listener, ListenOptions, Network } from '../../io/network.ts'

/** What a network swallows: what servers answer, or what clients ask. */
export type Swallowed = 'replies' | 'commands'

/** Bytes on their way to a client; undefined ends the connection. */
interface Underway {
  readonly atMs: number
  readonly bytes: Uint8Array | undefined
}

export class FaultyNetwork implements Network {
  /** How long replies are on their way. */
  delayMs = 0
  swallows: Swallowed | undefined
  /** Who connects is cut off at once. */
  isDown = false
  readonly #network: Network
  readonly #clock: Clock
  readonly #connections = new Set<Connection>()

  constructor(network: Network, clock: Clock) {
    this.#network = network
    this.#clock = clock
  }

  listen(options: ListenOptions, accept: (connection: Connection) => ConnectionEvents): Promise<Listener> {
    return this.#network.listen(options, (connection) => this.#between(connection, accept))
  }

  connect(...args: Parameters<Network['connect']>): Promise<Connection> {
    return this.#network.connect(...args)
  }

  /** Cuts every connection there is. */
  cut(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  #between(client: Connection, accept: (connection: Connection) => ConnectionEvents): ConnectionEvents {
    if (this.isDown) {
      client.destroy()
      return { data() {}, drained() {}, closed() {} }
    }
    this.#connections.add(client)
    const slow = new SlowLine(client, this.#clock)
    const events = accept({
      remote: client.remote,
      local: client.local,
      get waitingBytes() {
        return client.waitingBytes + slow.waitingBytes
      },
      write: (bytes) => {
        if (this.swallows !== 'replies') slow.send(bytes, this.delayMs)
      },
      pause: () => client.pause(),
      resume: () => client.resume(),
      end: () => slow.send(undefined, this.delayMs),
      destroy: () => client.destroy(),
    })
    return {
      data: (bytes) => {
        if (this.swallows !== 'commands') events.data(bytes)
      },
      drained: () => events.drained(),
      closed: () => {
        slow.stop()
        this.#connections.delete(client)
        events.closed()
      },
    }
  }
}

/** Bytes that arrive later, in order. */
class SlowLine {
  waitingBytes = 0
  readonly #client: Connection
  readonly #clock: Clock
  #underway: Underway[] = []
  #cancel = (): void => {}

  constructor(client: Connection, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  send(bytes: Uint8Array | undefined, delayMs: number): void {
    if (delayMs === 0 && this.#underway.length === 0) this.#arrive(bytes)
    else {
      this.waitingBytes += bytes?.length ?? 0
      this.#underway.push({ atMs: this.#clock.now() + delayMs, bytes })
      if (this.#underway.length === 1) this.#wait()
    }
  }

  stop(): void {
    this.#cancel()
    this.#underway = []
  }

  #wait(): void {
    const [first] = this.#underway
    if (first === undefined) return
    this.#cancel = this.#clock.timer(Math.max(0, first.atMs - this.#clock.now()), () => {
      this.#underway.shift()
      this.waitingBytes -= first.bytes?.length ?? 0
      this.#arrive(first.bytes)
      this.#wait()
    })
  }

  #arrive(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) this.#client.end()
    else this.#client.write(bytes)
  }
}
