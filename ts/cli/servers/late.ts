// Servers that are made as they start: to open a store takes time, and may fail.
import type { Address } from '../../io/network.ts'
import type { Metric, Server } from '../../service/index.ts'
import type { Made } from './kinds.ts'

/** What whoever opens a server has to say. */
export interface Opening {
  /** The server is there: whatever is asked from now on, it answers. */
  readonly opened: (server: Server) => void
  /** It cannot go on. */
  readonly fail: (error: unknown) => void
}

/**
 * @param open - Opens the server and starts it. @returns Where it listens, once it serves.
 * @param ended - What is left to do when it has stopped.
 */
export function lateServer(open: (opening: Opening) => Promise<Address>, ended: () => void = () => {}): Made {
  const server = new LateServer(open, ended)
  return { server, failed: server.failed }
}

class LateServer implements Server {
  readonly failed: Promise<never>
  readonly #open: (opening: Opening) => Promise<Address>
  readonly #ended: () => void
  #fail: (error: unknown) => void = () => {}
  #server: Server | undefined

  constructor(open: (opening: Opening) => Promise<Address>, ended: () => void) {
    this.#open = open
    this.#ended = ended
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
  }

  start(): Promise<Address> {
    const opened = (server: Server): void => {
      this.#server = server
    }
    return this.#open({ opened, fail: (error) => this.#fail(error) })
  }

  ready(): boolean {
    return this.#server?.ready() === true
  }

  async drain(): Promise<void> {
    await this.#server?.drain()
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
    this.#ended()
  }

  metrics(): readonly Metric[] {
    return this.#server?.metrics() ?? []
  }

  inspect(): unknown {
    return this.#server?.inspect()
  }
}
