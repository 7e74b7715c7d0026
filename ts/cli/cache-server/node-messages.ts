// What the thread that runs a cluster and those that run its nodes say to each other.
import type { CacheServerOptions, ClusterOptions, ClusterOrder } from '../../cache/index.ts'
import type { TlsFiles } from '../../io/network.ts'
import type { Metric } from '../../service/index.ts'

/** What a node is started with; values alone, so that it can be handed to a thread. */
export interface NodeData {
  /** `node1` and so on, in its log. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly tls: TlsFiles | undefined
  readonly password: string
  readonly replication: NonNullable<CacheServerOptions['replication']>
  readonly maxClients: number
  readonly databases: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** The node knows itself how much its heap holds. */
  readonly memory: Omit<NonNullable<CacheServerOptions['memory']>, 'ceilingBytes'>
  readonly debugCommands?: CacheServerOptions['debugCommands']
  readonly cluster: Omit<ClusterOptions, 'store' | 'replication'>
}

/** Where the thread of a node looks whether it is to stand still: 1 in its only word, which is shared. */
export type Gate = Int32Array<SharedArrayBuffer>

export type NodeRequest =
  | { readonly kind: 'start' | 'status' | 'drain' | 'stop' | 'metrics' | 'inspect' | 'pause' }
  | { readonly kind: 'order'; readonly order: ClusterOrder }
  /** Each is run as `CacheServer.execute` does. */
  | { readonly kind: 'execute'; readonly commands: readonly (readonly string[])[] }

/** What a node knows, as far as those who put a cluster together ask. */
export interface NodeStatus {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly busPort: number
  readonly isUp: boolean
  /** It is a master, or has the data of its own. */
  readonly hasData: boolean
  /** The nodes that it knows, and whose replicas they are. */
  readonly known: readonly { readonly name: string; readonly master: string | undefined }[]
  /** Who owns which slots, as far as it knows: names, and both ends of a range. */
  readonly slots: readonly { readonly owner: string; readonly first: number; readonly last: number }[]
}

export type NodeAnswer =
  | { readonly kind: 'status'; readonly status: NodeStatus }
  | { readonly kind: 'done' }
  | { readonly kind: 'metrics'; readonly metrics: readonly Metric[] }
  | { readonly kind: 'inspection'; readonly value: unknown }
  | { readonly kind: 'replies'; readonly replies: readonly Uint8Array[] }
  | { readonly kind: 'error'; readonly code: string; readonly message: string; readonly hint: string | undefined }

/** Requests and answers carry a number; what has none is a node that cannot go on, or one that a client has ended. */
export type ToNode = NodeRequest & { readonly id: number }
export type FromNode =
  | (NodeAnswer & { readonly id: number })
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'ended' }
