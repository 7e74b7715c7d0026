// What a thread that runs a node is started with, and what it says.
import type { Address, TlsFiles } from '../../io/network.ts'

/** A node; values alone, so that it can be handed to a thread. */
export interface NodeData {
  readonly name: string
  /** The nodes, the founders in order, and where each is reached. */
  readonly nodes: Readonly<Record<string, Address>>
  /** It waits to be added to the cluster of the others. */
  readonly joins: boolean
  readonly listen: Address
  readonly path: string
  readonly clusterId: string
  readonly replicas: number
  readonly reads: number
  readonly writes: number
  readonly virtualNodes: number
  readonly tickMs: number
  readonly copyBytesPerSecond: number
  readonly memoryBytes: number
  readonly tls: TlsFiles | undefined
  /** '' for none. */
  readonly secret: string
  readonly maxClients: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly isInsecure: boolean
}

export type FromNode =
  | ({ readonly kind: 'ready' } & Address)
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly hint: string | undefined }
