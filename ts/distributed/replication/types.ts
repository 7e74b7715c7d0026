// What replication adds to a node of Raft: modes of acknowledgement, their options, and how far a node is behind.
import type { LogIndex, NodeId, NodeStatus, Tick } from '../raft/public.ts'
import type { Mutant } from './mutant.ts'

/**
 * When a write is acknowledged (Kleppmann, "Designing Data-Intensive Applications", chapter 5, "Synchronous Versus
 * Asynchronous Replication").
 */
export type Mode =
  | 'sync' // every voter has it on disk: one that is down makes writes wait, and none that was acknowledged needs a majority
  | 'semi-sync' // a majority has it on disk: exactly Raft
  | 'async' // the leader has it on disk: what the followers lack is lost if another one leads next

export const MODES: readonly Mode[] = ['sync', 'semi-sync', 'async']

export interface ReplicationOptions {
  /** Equal on all members. Default `semi-sync`. */
  readonly mode?: Mode
  /**
   * In mode `sync`, how long a write waits for the last voter; then its outcome is unknown, and the answer names who is missing.
   * Default 100.
   */
  readonly confirmTicks?: number
  /**
   * The longest silence that a leader is granted, however unevenly it was heard before; `electionTicks` of Raft is the shortest.
   * Default four times that.
   */
  readonly maxElectionTicks?: number
  readonly mutant?: Mutant | undefined
}

export const DEFAULTS = {
  mode: 'semi-sync',
  confirmTicks: 100,
  maxElectionTimes: 4,
} as const

/** How far a node is behind its leader. */
export interface Lag {
  readonly entries: number
  /** Rounded up to what the log got within one tick. */
  readonly bytes: number
  /**
   * As of a leader's follower: since when the oldest entry that it lacks is there. Of a follower itself: since when the leader
   * has told it nothing that it cannot show. Undefined as long as it has heard of no leader.
   */
  readonly ticks: Tick | undefined
}

/** What a node looks like from outside. */
export interface ReplicationStatus extends NodeStatus {
  readonly mode: Mode
  /** A read of this node's state sees entries up to here: `appliedIndex`, or more in mode `async`. */
  readonly readableIndex: LogIndex
  /** How long a silent leader counts as alive, as things are. */
  readonly patienceTicks: Tick
  /** This node's own: of what it shows, behind what its leader has told it. Nothing on a leader. */
  readonly lag: Lag
  /** On a leader, every other member's: of what it has on disk, behind the leader's log. Empty on others. */
  readonly followers: ReadonlyMap<NodeId, Lag>
}
