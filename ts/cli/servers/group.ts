// Several servers as one: they start in order, and end together.
import { assert } from '../../base/errors.ts'
import type { Address } from '../../io/network.ts'
import type { Logger, Metric, Server } from '../../service/index.ts'
import type { Made, ServerKind } from './kinds.ts'

/** A server of a group, and where it listens once it has started. */
export interface Member extends Made {
  readonly kind: ServerKind
  readonly address: Address | undefined
}

export interface GroupOptions {
  readonly kinds: readonly ServerKind[]
  /** Added to the port of each; undefined: any ports that are free. */
  readonly portOffset: number | undefined
  readonly dataDirectory: string | undefined
  /** Whether servers that can be several nodes are. Default false. */
  readonly isCluster?: boolean
  readonly logger: Logger
}

export class ServerGroup implements Server {
  /** Rejects as soon as one of them cannot go on. */
  readonly failed: Promise<never>
  readonly #members: (Made & { kind: ServerKind; address: Address | undefined })[]

  constructor({ kinds, portOffset, dataDirectory, isCluster = false, logger }: GroupOptions) {
    assert(kinds.length > 0, 'a group has a server')
    this.#members = kinds.map((kind) => {
      const port = portOffset === undefined ? 0 : kind.port + portOffset
      const made = kind.make({ host: '127.0.0.1', port, dataDirectory, isCluster, logger })
      return { ...made, kind, address: undefined }
    })
    this.failed = Promise.race(this.#members.map(({ failed }) => failed))
    this.failed.catch(() => {}) // whoever runs the group listens, or nobody
  }

  get members(): readonly Member[] {
    return this.#members
  }

  /** @returns Where the first one listens. @throws As the first server that cannot start; `stop` ends the others. */
  async start(): Promise<Address> {
    for (const member of this.#members) member.address = await member.server.start()
    return this.#members[0]?.address as Address
  }

  /** What programs find in their environment. Not before they have started. */
  variables(): Record<string, string> {
    const all = this.#members.map(({ kind, address }) => kind.variables(address as Address))
    return Object.assign({}, ...all) as Record<string, string>
  }

  ready(): boolean {
    return this.#members.every(({ server }) => server.ready())
  }

  async drain(): Promise<void> {
    await Promise.all(this.#members.map(({ server }) => server.drain()))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(({ server }) => server.stop()))
  }

  metrics(): readonly Metric[] {
    return this.#members.flatMap(({ server }) => server.metrics())
  }

  inspect(): unknown {
    return Object.fromEntries(this.#members.map(({ kind, server }) => [kind.name, server.inspect()]))
  }
}
