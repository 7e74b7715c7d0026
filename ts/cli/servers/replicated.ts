// The replicated store of `bedplate up --only replicated-kv`: one node, which others may join.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ReplicaServer } from '../../distributed/replication/server/server.ts'
import { realClock } from '../../io/clock.ts'
import { type Address, realNetwork } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import type { Logger, Metric, Server } from '../../service/index.ts'
import { troubleTo } from '../kit/trouble.ts'

interface ReplicatedOptions extends Address {
  readonly logger: Logger
  /** Undefined: what it keeps goes when it ends. */
  readonly dataDirectory: string | undefined
}

/** Where `replicated-kv --node-id=1` has its data, too, unless it is told otherwise. */
const DIRECTORY = 'replicated-kv-1'

/** Makes a node that begins a cluster, or goes on with its own. */
export function makeReplicated(options: ReplicatedOptions): { server: Server; failed: Promise<never> } {
  const server = new LateReplica(options)
  return { server, failed: server.failed }
}

/** Its directory is opened when it starts, and it has started when it leads. */
class LateReplica implements Server {
  readonly failed: Promise<never>
  readonly #options: ReplicatedOptions
  #fail: (error: unknown) => void = () => {}
  #server: ReplicaServer | undefined
  #temporary: string | undefined

  constructor(options: ReplicatedOptions) {
    this.#options = options
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
  }

  async start(): Promise<Address> {
    const { host, port, logger, dataDirectory } = this.#options
    let parent = dataDirectory
    if (parent === undefined) {
      parent = mkdtempSync(join(tmpdir(), 'replicated-kv-'))
      this.#temporary = parent
    } else mkdirSync(parent, { recursive: true })
    const seams = { disk: realDisk, clock: realClock, random: realRandom, network: realNetwork }
    const serves = new Promise<void>((resolve) => {
      this.#server = new ReplicaServer(seams, join(parent, DIRECTORY), {
        ...{ id: 1, listen: { host, port }, lead: true },
        onEvent: () => resolve(),
        onTrouble: troubleTo(logger),
      })
    })
    const server = this.#server as ReplicaServer
    server.failed.catch((error: unknown) => this.#fail(error))
    const address = await server.start()
    await Promise.race([serves, server.failed])
    return address
  }

  ready(): boolean {
    return this.#server?.ready() === true
  }

  async drain(): Promise<void> {
    await this.#server?.drain()
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
    if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true })
  }

  metrics(): readonly Metric[] {
    return this.#server?.metrics() ?? []
  }

  inspect(): unknown {
    return this.#server?.inspect()
  }
}
