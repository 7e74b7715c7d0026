// What nodes tell each other. Names are Redis's (cluster.h, CLUSTERMSG_TYPE_*); bytes are in bus-codec.ts.
//
//   meet                 take me in: whoever is told so trusts the sender
//   ping, pong           I am here; this is what I own, and what I think of some of the others. A ping or meet is answered by a pong
//   fail                 most masters say that this node has failed: believe it
//   failoverAuthRequest  a replica asks for votes to replace its master, in the epoch of the header
//   failoverAuthAck      a master's vote for it
//   update               a claim of yours is outdated: this node has those slots, with that epoch
//   mfstart              a replica asks its master to hand over to it
//   publish(Shard)       a message on a channel
import type { SlotBitmap } from './slots.ts'
import type { NodeName } from './types.ts'

/** What every message says of who sends it. */
export interface BusHeader {
  readonly sender: NodeName
  /** '' lets the receiver take the address that the connection comes from. */
  readonly host: string
  readonly port: number
  readonly busPort: number
  readonly flags: number
  /** Whether the sender serves commands. */
  readonly isUp: boolean
  readonly currentEpoch: number
  /** Of the sender, or of its master: of whoever owns `slots`. */
  readonly configEpoch: number
  readonly slots: SlotBitmap
  /** Undefined for a master. */
  readonly master: NodeName | undefined
  /** The replication offset. */
  readonly offset: number
  /** A master that is handing over has stopped its clients: `offset` is final. */
  readonly isPaused: boolean
  /** Voters need not believe that the master has failed: it hands over. */
  readonly forcesVote: boolean
}

/** What one node says of another. */
export interface GossipEntry {
  readonly name: NodeName
  readonly flags: number
  readonly host: string
  readonly port: number
  readonly busPort: number
  /** To the second. */
  readonly pingSentMs: number
  readonly pongReceivedMs: number
}

export type BusBody =
  | { readonly kind: 'ping' | 'pong' | 'meet'; readonly gossip: readonly GossipEntry[] }
  | { readonly kind: 'fail'; readonly node: NodeName }
  | { readonly kind: 'failoverAuthRequest' | 'failoverAuthAck' | 'mfstart' }
  | { readonly kind: 'update'; readonly node: NodeName; readonly configEpoch: number; readonly slots: SlotBitmap }
  | { readonly kind: 'publish' | 'publishShard'; readonly channel: string; readonly message: string }

export interface BusMessage {
  readonly header: BusHeader
  readonly body: BusBody
}
