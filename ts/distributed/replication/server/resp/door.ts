// Connections of clients that speak Redis's protocol, on the port of the nodes: what begins with `*` is theirs.
import type { Cancel, Clock } from '../../../../io/clock.ts'
import type { Connection, ConnectionEvents } from '../../../../io/network.ts'
import { WriteGatherer } from '../gatherer.ts'
import type { Replica } from '../replica.ts'
import { Client, type ClientSeams } from './client.ts'

/** The first byte of what a client library sends; HTTP begins with a letter. */
const STAR = 0x2a
/** Whoever has begun a command and not ended it for one to two of these is let go. */
const HALF_MS = 30_000

export interface DoorOptions {
  readonly clock: Clock
  /** The node. @throws UNAVAILABLE while it is starting */
  readonly replica: () => Replica
  readonly maxClients: number
  /** Of the cluster; '' if it has none. */
  readonly secret: string
  /** How long a write waits for room. */
  readonly patienceMs: number
}

/** Whether a connection is one of Redis's protocol. @param first - What came first; at least a byte. */
export function beginsLikeResp(first: Uint8Array): boolean {
  return first[0] === STAR
}

/** See the top of this file. */
export class RespDoor implements ClientSeams {
  readonly clock: Clock
  readonly gatherer: WriteGatherer
  readonly secret: string
  readonly #options: DoorOptions
  /** With how many commands each had sent when it was last seen in the middle of one. */
  readonly #clients = new Map<Client, { halfAt: number | undefined }>()
  #nextId = 1
  #goneCommands = 0
  #isClosing = false
  #cancelLook: Cancel | undefined
  #empty: Promise<void> | undefined
  #emptied: (() => void) | undefined

  constructor(options: DoorOptions) {
    const { clock, patienceMs } = options
    this.#options = options
    this.clock = clock
    this.secret = options.secret
    this.gatherer = new WriteGatherer({ clock, patienceMs, propose: async (command) => this.replica.execute(command) })
  }

  get replica(): Replica {
    return this.#options.replica()
  }

  get clientCount(): number {
    return this.#clients.size
  }

  /** Commands that were answered, ever. */
  get commandCount(): number {
    let count = this.#goneCommands
    for (const client of this.#clients.keys()) count += client.commandCount
    return count
  }

  accept(connection: Connection): ConnectionEvents {
    const client = new Client(this.#nextId++, connection, this)
    if (this.#clients.size >= this.#options.maxClients || this.#isClosing) {
      client.reply.error('ERR max number of clients reached')
      client.hangUp()
    } else {
      this.#clients.set(client, { halfAt: undefined })
      if (this.#cancelLook === undefined) this.#lookLater()
    }
    return {
      data: (bytes) => client.arrived(bytes),
      drained: () => client.drained(),
      closed: () => {
        client.closed()
        if (this.#clients.delete(client)) this.#goneCommands += client.commandCount
        if (this.#clients.size === 0) this.#emptied?.()
      },
    }
  }

  /** Clients get the answers to what is under way, and are let go. Resolves when they are gone. */
  async drain(): Promise<void> {
    this.#isClosing = true
    for (const client of this.#clients.keys()) client.hangUp()
    if (this.#clients.size === 0) return
    this.#empty ??= new Promise((resolve) => {
      this.#emptied = resolve
    })
    await this.#empty
  }

  close(): void {
    this.#isClosing = true
    this.#cancelLook?.()
    for (const client of this.#clients.keys()) client.destroy()
  }

  #lookLater(): void {
    this.#cancelLook = this.clock.timer(HALF_MS, () => {
      this.#cancelLook = undefined
      for (const [client, state] of this.#clients) {
        const halfAt = client.isHalfWritten ? client.commandCount : undefined
        if (halfAt !== undefined && halfAt === state.halfAt) client.destroy() // it is the same command still
        state.halfAt = halfAt
      }
      if (this.#clients.size > 0 && !this.#isClosing) this.#lookLater()
    })
  }
}
