import type { ClusterOrder } from '../cluster/orders.ts'
import type { SlotIndex } from '../cluster/slot-index.ts'
import type { Topology } from '../cluster/topology.ts'
import type { ClusterNode } from '../cluster/types.ts'
import type { Message } from './pubsub-registry.ts'

/** What a cluster lends to the engine of one of its nodes. An engine on its own has none of the commands. */
export interface ClusterDoor {
  readonly topology: Topology
  /** The keys of this node by slot. */
  readonly keys: SlotIndex
  /** Messages between nodes so far. */
  readonly messageCounts: { readonly sent: number; readonly received: number }
  /** True for a reply that sends the client elsewhere, or asks it to come again. */
  isRedirection(refusal: string): boolean
  /** Tells the other nodes of a message that was published here. */
  published(message: Message): void
  /** Follows an order. @returns Why not, as the reply; undefined if it did. */
  order(order: ClusterOrder): string | undefined
  /** False while something that was ordered may still be forgotten by a crash. */
  readonly isDurable: boolean
  /** Calls `done` once all that was ordered so far is durable. Never, if that fails: the node ends then. */
  whenDurable(done: () => void): void
  /** How many masters say of a node that it does not answer. */
  failureReports(node: ClusterNode): number
  /** The replication offset of a node, of this one as it is now. */
  offsetOf(node: ClusterNode): number
  /** Bytes that wait for a node on our connection to it. */
  waitingBytes(node: ClusterNode): number
}
