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
  readonly memory: NonNullable<CacheServerOptions['memory']>
  readonly cluster: Omit<ClusterOptions, 'store' | 'replication'>
}

export type NodeRequest =
  | { readonly kind: 'start' | 'status' | 'drain' | 'stop' | 'metrics' | 'inspect' }
  | { readonly kind: 'order'; readonly order: ClusterOrder }

/** What a node knows, as far as those who put a cluster together ask. */
export interface NodeStatus {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly busPort: number
  readonly isUp: boolean
  /** It is a master, or has the data of its own. */
  readonly hasData: boolean
  /** Names of the nodes that it knows. */
  readonly known: readonly string[]
}

export type NodeAnswer =
  | { readonly kind: 'status'; readonly status: NodeStatus }
  | { readonly kind: 'done' }
  | { readonly kind: 'metrics'; readonly metrics: readonly Metric[] }
  | { readonly kind: 'inspection'; readonly value: unknown }
  | { readonly kind: 'error'; readonly code: string; readonly message: string; readonly hint: string | undefined }

/** Requests and answers carry a number; what has none is a node that cannot go on. */
export type ToNode = NodeRequest & { readonly id: number }
export type FromNode = (NodeAnswer & { readonly id: number }) | { readonly kind: 'failed'; readonly message: string }
