// Nodes of a cluster as one of them sees them, and the options of the engine that keeps that view: shapes, units, bounds.

/** 40 characters of 0-9 and a-f; a node draws its own once, and keeps it. */
export type NodeName = string

/** What nodes say of each other, as bits: the numbers are those of the bus and of Redis (cluster.h, CLUSTER_NODE_*). */
export const NodeFlag = {
  master: 1,
  replica: 2,
  /** It may have failed: this node alone has not heard from it in time. */
  suspected: 4,
  /** It has failed: most masters have not. */
  failed: 8,
  myself: 16,
  /** We have only been told to meet it: it has not told its name. */
  handshake: 32,
  /** Where it is is not known. */
  noAddress: 64,
  /** It is to be sent a MEET. */
  meet: 128,
  /** Replicas of others may come to it: it has, or had, some. */
  migrateTo: 256,
  /** It does not want to become a master. */
  noFailover: 512,
} as const

/** Flags that nodes believe of each other. */
export const PASSED_ON_FLAGS = 0x3ff & ~NodeFlag.myself

/** A node as another one knows it. */
export interface ClusterNode {
  /** Until it has told its own, one that we drew. */
  name: NodeName
  flags: number
  /** An IP address, '' while it is not known. */
  host: string
  /** Where clients connect, and where nodes do. */
  port: number
  busPort: number
  /** Orders claims to slots: of two, the one with the higher epoch holds. That of a replica is its master's to others. */
  configEpoch: number
  /** Undefined for masters, and for a replica whose master is not known. */
  master: ClusterNode | undefined
  slotCount: number
  /** When a PING was sent that was not answered; 0 if none is under way. All times are milliseconds since 1970. */
  pingSentMs: number
  /** When it answered last, 0 for never; others tell us, too. */
  pongReceivedMs: number
  /** When anything came from it last. */
  heardMs: number
  failedMs: number
  /** When we voted for a replica of it last. */
  votedMs: number
  /** How much of its data it has: the replication offset that it told last. */
  offset: number
  /** Since when it has no replica that works, though it should; 0 if it has one. */
  orphanedMs: number
  createdMs: number
  /** Who says that it does not answer, and when that was said. Masters only. */
  readonly reports: Map<NodeName, number>
  /** The number of our connection to it, open or not, and when it was asked for; undefined if there is none. */
  link: number | undefined
  linkAskedMs: number
  /** When that was opened; undefined while it is not. */
  linkedMs: number | undefined
}

/** What a cluster is told when it starts. */
export interface GossipOptions {
  /** After so long without an answer a node is suspected; cluster-node-timeout, 15,000 unless given. */
  readonly nodeTimeoutMs: number
  /** True: with one slot that nobody serves, nobody serves any; cluster-require-full-coverage. */
  readonly requiresFullCoverage: boolean
  /** A replica without its master for so many node timeouts does not replace it, 0 for none; cluster-replica-validity-factor. */
  readonly replicaValidityFactor: number
  /** A replica never replaces its master by itself; cluster-replica-no-failover. */
  readonly noFailover: boolean
  /** A master that lost its last slot becomes a replica, and replicas go to masters that lack one; cluster-allow-replica-migration. */
  readonly allowsMigration: boolean
  /** A replica leaves a master only if so many stay with it; cluster-migration-barrier. */
  readonly migrationBarrier: number
  /** What others are told instead of the address that they see; '' for nothing. */
  readonly announcedHost: string
}

export const DEFAULT_GOSSIP_OPTIONS: GossipOptions = {
  nodeTimeoutMs: 15_000,
  requiresFullCoverage: true,
  replicaValidityFactor: 10,
  noFailover: false,
  allowsMigration: true,
  migrationBarrier: 1,
  announcedHost: '',
}

/** How often the engine has to be told that time passes. */
export const TICK_MS = 100
/** How long a master stays out of service after it started with a past: others may have taken its place. */
export const WRITABLE_DELAY_MS = 2000
/** A handover that was asked for is given up after this; its master holds writes for as long again. */
export const HANDOVER_MS = 5000
/** A node that was forgotten is not made known again by gossip for so long. */
export const FORGET_MS = 60_000

/** More nodes than this one does not know; Redis recommends at most 1,000. */
export const MAX_NODES = 10_000
