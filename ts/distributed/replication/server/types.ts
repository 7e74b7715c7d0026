// How a replica is opened, and what is asked of it.
import type { Address, TlsFiles } from '../../../io/network.ts'
import type { Addresses, NodeId } from '../../raft/public.ts'
import type { Mode } from '../types.ts'
import type { ReplicaEvent } from './events.ts'

export const DEFAULT_REQUEST_MS = 5000

/** See `ReplicaOptions.reads`. */
export type DefaultReads = 'linearizable' | 'stale' | `bounded:${number}`

/** How a replica is opened. */
export interface ReplicaOptions {
  /** This node: a whole number of at least 1, never used for another one of the same cluster. */
  readonly id: NodeId
  /** Where it listens, to other nodes and to HTTP; port 0 takes any that is free. */
  readonly listen: Address
  /** Where others reach it, if not there. */
  readonly advertise?: Address | undefined
  /** Begins a cluster, if the directory is empty; otherwise it does nothing. */
  readonly lead?: boolean
  /** Joins the cluster that this node is of, if the directory is empty. */
  readonly leader?: Address | undefined
  /** When a write is acknowledged, if this node leads. Default: that of the cluster; `semi-sync` for a new one. */
  readonly mode?: Mode | undefined
  /**
   * What a read on this node is that asks neither for a consistency, nor for a session or a bound: `linearizable`, `stale`, or at most
   * so many milliseconds old, as in `bounded:500`. Default `linearizable`.
   */
  readonly reads?: DefaultReads | undefined
  /** Certificate and key of this node, for nodes and clients; with `ca`, both must show one that it has signed. */
  readonly tls?: TlsFiles | undefined
  /** Equal on all nodes; a node or a client that does not know it is not let in. One line of ASCII. Default: none. */
  readonly secret?: string | undefined
  /** The length of a tick in milliseconds. Default 30. */
  readonly tickMs?: number | undefined
  /** How long a request waits for a leader and for those who have to acknowledge. Default 5000. */
  readonly requestMs?: number | undefined
  /** A snapshot is made when commands of so many bytes were applied since the last. Default 64 MiB. */
  readonly snapshotBytes?: number | undefined
  /** How long a node that joins looks for a cluster. Default 30,000. */
  readonly joinMs?: number | undefined
  /** Connections of HTTP at a time. Default 10,000. */
  readonly maxClients?: number | undefined
  /** Is told who leads. */
  readonly onEvent?: ((event: ReplicaEvent) => void) | undefined
  /** Is told of connections that were refused or broken, and why; for people. */
  readonly onTrouble?: ((peer: string, error: Error) => void) | undefined
}

export const CONSISTENCIES = ['linearizable', 'stale', 'session'] as const

/** How a read is answered. */
export interface ReadOptions {
  /**
   * `linearizable`, the default without the others unless the node has another one: as of some moment between call and answer. `stale`: as this node knows it, at
   * once; it goes with neither of those. `session`, the default with `session` or `maxStalenessMs`: as those want it.
   */
  readonly consistency?: (typeof CONSISTENCIES)[number] | undefined
  /** What an earlier write or read has given: the answer is not older, whatever `consistency` says. */
  readonly session?: string | undefined
  /** The answer is at most so old, by the clock of this node; if it may be older, the leader is asked. A finite number of at least 0. */
  readonly maxStalenessMs?: number | undefined
  /** How long it may wait for that: a finite number of at least 0. Default: `requestMs` of the node. */
  readonly timeoutMs?: number | undefined
}

/** Keys and values as of one moment. */
export interface KeyReader<K> {
  get(key: K): Uint8Array | undefined
  has(key: K): boolean
}

/** What a write or a read has seen: for `session` of the next one. */
export interface Seen {
  readonly session: string
}

/** A member, as others know it. */
export interface MemberView {
  readonly id: NodeId
  readonly address: string
  /** A node that joins is no voter before it has the log. */
  readonly isVoter: boolean
  readonly isLeader: boolean
}

/** What a cluster tells who wants to join. */
export interface JoinInfo {
  readonly cluster: string
  readonly mode: Mode
  readonly founders: Addresses
  /** All who are in it now, and where: one that is to be sent the log has to find who leads, or be found by it. */
  readonly members: Addresses
}
