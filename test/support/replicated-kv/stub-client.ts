// A client of replicated-kv without a socket, and a node without a disk: what is sent, what is answered, and what the connection is told.
import { WriteGatherer } from '../../../ts/distributed/replication/server/gatherer.ts'
import type { Replica } from '../../../ts/distributed/replication/server/replica.ts'
import { Client } from '../../../ts/distributed/replication/server/resp/client.ts'
import type { KeyReader } from '../../../ts/distributed/replication/server/types.ts'
import type { Connection } from '../../../ts/io/network.ts'
import { plainOf, ReplyDecoder } from '../../../ts/wire/resp/index.ts'
import { ManualClock } from '../manual-clock.ts'
import { encode, type Plain } from './resp-connection.ts'

/** A connection that keeps what is written, and says how much of it waits. */
export class StubConnection implements Connection {
  readonly remote = 'stub:1'
  readonly local = 'stub:2'
  waitingBytes = 0
  readonly said: Uint8Array[] = []
  /** What it was told beside that, in order: `pause`, `resume`, `end`, `destroy`. */
  readonly told: string[] = []

  write(bytes: Uint8Array): void {
    this.said.push(bytes)
  }

  pause(): void {
    this.told.push('pause')
  }

  resume(): void {
    this.told.push('resume')
  }

  end(): void {
    this.told.push('end')
  }

  destroy(): void {
    this.told.push('destroy')
  }
}

/** A node on which each key has its own name as its value, unless `keys` say otherwise. */
export function stubReplica(keys: KeyReader<Uint8Array> = { get: (key) => key, has: () => true }): Replica {
  const stub = {
    ...{ id: 1, keyCount: 3, cluster: { cluster: '00' }, host: { addresses: new Map() } },
    status: {
      ...{ role: 'leader', term: 1, leader: 1, mode: 'semi-sync', lastIndex: 3, readableIndex: 3 },
      followers: new Map([[2, { entries: 1 }]]),
    },
    execute: async () => APPLIED,
    async read(_options: unknown, query: (keys: KeyReader<Uint8Array>) => object) {
      return { ...query(keys), session: 's1.1.1' }
    },
  }
  return stub as unknown as Replica
}

interface StubOptions {
  readonly secret?: string
  readonly keys?: KeyReader<Uint8Array>
}

/** One client of one node. */
export class StubClient {
  readonly clock = new ManualClock()
  readonly connection = new StubConnection()
  readonly replica: Replica
  readonly gatherer: WriteGatherer
  readonly client: Client
  readonly #decoder = new ReplyDecoder()

  constructor({ secret = '', keys }: StubOptions = {}) {
    const { clock } = this
    const replica = stubReplica(keys)
    this.replica = replica
    const gatherer = new WriteGatherer({ clock, patienceMs: 1, propose: (command) => replica.execute(command) })
    this.gatherer = gatherer
    this.client = new Client(1, this.connection, { clock, gatherer, replica, secret, clientCount: 1 })
  }

  /** Sends commands in one piece. */
  send(...commands: readonly (readonly (string | Uint8Array)[])[]): void {
    this.client.arrived(Buffer.concat(commands.map(encode)))
  }

  /** Sends commands, lets what they begin go on, and gives the replies that have come. */
  async ask(...commands: readonly (readonly (string | Uint8Array)[])[]): Promise<Plain[]> {
    this.send(...commands)
    return this.heard(commands.length)
  }

  /** The replies that have come since the last call. @param count - Of commands that may still go on. */
  async heard(count = 1): Promise<Plain[]> {
    for (let i = 0; i < 4 * count; i++) await this.clock.turn() // a turn for writes to meet, one for their answer
    for (const bytes of this.connection.said.splice(0)) this.#decoder.push(bytes)
    const replies: Plain[] = []
    for (let reply = this.#decoder.next(); reply !== undefined; reply = this.#decoder.next()) {
      replies.push(plainOf(reply))
    }
    return replies
  }
}

const APPLIED = { index: 1, term: 1, result: Uint8Array.of(1) }
