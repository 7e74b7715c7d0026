import type { SlotIndex } from '../cluster/slot-index.ts'
import type { Topology } from '../cluster/topology.ts'
import type { Message } from './pubsub-registry.ts'

/** What a cluster lends to the engine of one of its nodes. An engine on its own has none of the commands. */
export interface ClusterDoor {
  readonly topology: Topology
  /** The keys of this node by slot. */
  readonly keys: SlotIndex
  /** True for a reply that sends the client elsewhere, or asks it to come again. */
  isRedirection(refusal: string): boolean
  /** Tells the other nodes of a message that was published here. */
  published(message: Message): void
}
