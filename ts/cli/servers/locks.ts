// The lock service of `bedplate up` and `bedplate run`.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BedplateError } from '../../base/errors.ts'
import type { Address } from '../../io/network.ts'
import type { Logger, Metric, Server } from '../../service/index.ts'

/** How it is made. */
interface LocksOptions extends Address {
  readonly logger: Logger
  /** Undefined: nothing is kept. */
  readonly dataDirectory: string | undefined
}

/** Where `lock-service` has its data, too, unless it is told otherwise. */
const DIRECTORY = 'lock-service'

/** Makes a lock service; its data directory is opened when it starts. */
export function makeLocks(options: LocksOptions): { server: Server; failed: Promise<never> } {
  const server = new LateLocks(options)
  return { server, failed: server.failed }
}

/** To open a store takes time, and may fail: a server that does it when it starts. */
class LateLocks implements Server {
  readonly failed: Promise<never>
  readonly #options: LocksOptions
  #fail: (error: unknown) => void = () => {}
  #server: Server | undefined

  constructor(options: LocksOptions) {
    this.#options = options
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
  }

  async start(): Promise<Address> {
    const { host, port, logger, dataDirectory } = this.#options
    const path = dataDirectory === undefined ? undefined : join(dataDirectory, DIRECTORY)
    if (dataDirectory !== undefined) mkdirSync(dataDirectory, { recursive: true })
    const { openLocksService } = await import('../../distributed/locks/open.ts')
    const { node, server } = await openLocksService({ path, host, port, logger })
    node.failed.catch((error: unknown) => this.#fail(new BedplateError('IO', 'locks cannot go on', { cause: error })))
    this.#server = server
    return server.start()
  }

  ready(): boolean {
    return this.#server?.ready() === true
  }

  async drain(): Promise<void> {
    await this.#server?.drain()
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
  }

  metrics(): readonly Metric[] {
    return this.#server?.metrics() ?? []
  }

  inspect(): unknown {
    return this.#server?.inspect()
  }
}
