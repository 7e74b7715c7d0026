// What the servers of `bedplate up` and `bedplate run` have in common.
import type { MaybePage } from '../../io/http.ts'
import type { Address } from '../../io/network.ts'
import type { Logger, Server } from '../../service/index.ts'

/** How a server is made for `up` and `run`. */
export interface MakeOptions extends Address {
  readonly logger: Logger
  /** Where data may lie; undefined: nothing is kept. */
  readonly dataDirectory: string | undefined
  /** Several nodes instead of one, where there is such a thing. They keep nothing. */
  readonly isCluster: boolean
}

/** A server that was made. */
export interface Made {
  readonly server: Server
  /** Rejects if it cannot go on. */
  readonly failed: Promise<never>
  /** False for one that keeps nothing, whatever its kind could. */
  readonly keepsData?: boolean
  /** Ways to connect, where they are others than those of its kind. */
  readonly connections?: (address: Address) => readonly string[]
  /** Pages of the console, by the path after the server's name. */
  readonly pages?: (path: string) => MaybePage
  /** What the console may ask of it by POST, likewise. */
  readonly change?: (path: string, body: Uint8Array) => MaybePage
}

/** A kind of server. */
export interface ServerKind {
  /** As in --only. */
  readonly name: string
  readonly summary: string
  /** Of the system that it mirrors. */
  readonly port: number
  /** Started by its name alone: what most programs do without. Default false. */
  readonly isOnRequest?: boolean
  /** Whether it keeps data where it is told to. */
  readonly keepsData: boolean
  readonly make: (options: MakeOptions) => Made
  /** What programs find in their environment. */
  readonly variables: (address: Address) => Readonly<Record<string, string>>
  /** Ways to connect, to be copied. */
  readonly connections: (address: Address) => readonly string[]
}

/** Ways to connect to a server that has started. */
export function connectionsOf({ kind, address, connections = kind.connections }: StartedServer): readonly string[] {
  return connections(address as Address)
}

interface StartedServer extends Pick<Made, 'connections'> {
  readonly kind: ServerKind
  readonly address: Address | undefined
}
