// What goes into a node and what comes out of it: entries, messages, events, effects, options and their bounds.
//
// Names are those of the Raft paper (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", USENIX ATC
// 2014, extended version) and of Ongaro's dissertation ("Consensus: Bridging Theory and Practice", Stanford 2014).
import type { Random } from '../../io/random.ts'
import type { Mutant } from './mutant.ts'

/** A member of a cluster: a whole number of at least 1. */
export type NodeId = number
/** Counts elections, from 1; 0 before the first (paper, §5.1). */
export type Term = number
/** A position in the log, from 1; 0 is before the first entry. */
export type LogIndex = number
/** Time as a node counts it, on a monotonic clock. All members use the same length; it never goes back. */
export type Tick = number

/** Who decides. Joint while `outgoing` has members: then both sets decide separately (paper, §6). */
export interface Membership {
  /** At least one. */
  readonly voters: readonly NodeId[]
  /** The voters before a change that is under way; none otherwise. */
  readonly outgoing: readonly NodeId[]
  /** Receive the log and do not vote (dissertation, §4.2.1, "non-voting"). */
  readonly learners: readonly NodeId[]
}

/** A membership without a change under way. The order of its members says nothing. */
export type SettledMembership = Pick<Membership, 'voters' | 'learners'>

/** Names one entry among all that leaders have ever made: two logs that both have it are equal up to there (paper, §5.3). */
export interface Position {
  readonly index: LogIndex
  readonly term: Term
}

/** One entry of the log. Entries are shared and never changed. */
export type Entry = Position &
  (
    | { readonly kind: 'command'; readonly command: Uint8Array }
    /** The first entry of a leader: it commits what earlier leaders left (paper, §8). */
    | { readonly kind: 'empty' }
    /** In force from the moment it is in a log, committed or not (paper, §6). */
    | { readonly kind: 'membership'; readonly membership: Membership }
  )

/** What a node must know after a crash beside its log (paper, figure 2, "persistent state"). */
export interface HardState {
  readonly term: Term
  /** Whom the node has voted for in `term`. */
  readonly votedFor: NodeId | undefined
}

/** Which state a snapshot is: everything up to `index` was applied (paper, §7). */
export interface SnapshotMeta extends Position {
  /** In force at `index`. */
  readonly membership: Membership
  readonly sizeBytes: number
}

/** Asks for a vote (paper, §5.2), or whether there would be one (dissertation, §9.6). */
export interface RequestVote {
  readonly kind: 'requestVote'
  /** With `isPre`, the term that the sender would go to. */
  readonly term: Term
  readonly isPre: boolean
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  /** The leader asked for this election: it may be deposed (dissertation, §3.10). */
  readonly isTransfer: boolean
}

export interface Vote {
  readonly kind: 'vote'
  /** Of the request if granted, otherwise of the sender. */
  readonly term: Term
  readonly isPre: boolean
  readonly granted: boolean
}

/** Entries that follow `prevIndex` (paper, §5.3). */
export interface Append {
  readonly kind: 'append'
  readonly term: Term
  readonly prevIndex: LogIndex
  readonly prevTerm: Term
  readonly entries: readonly Entry[]
  readonly commit: LogIndex
}

/** The sender's log is durable and equal to the leader's up to `match`. */
export interface Appended {
  readonly kind: 'appended'
  readonly term: Term
  readonly match: LogIndex
}

/** The sender has not `prevIndex` as the leader has it; its log may agree at `hintIndex` (paper, §5.3, end). */
export interface Refused {
  readonly kind: 'refused'
  readonly term: Term
  readonly prevIndex: LogIndex
  readonly hintIndex: LogIndex
  readonly hintTerm: Term
}

/** Says that there is a leader. Apart from `Append`, since its answer waits for no disk. */
export interface Heartbeat {
  readonly kind: 'heartbeat'
  readonly term: Term
  /** Not above what the receiver is known to have. */
  readonly commit: LogIndex
  /** Rounds of one term rise from 1; the answer to one answers all before it (dissertation, §6.4). 0 wants no answer. */
  readonly round: number
}

export interface HeartbeatAck {
  readonly kind: 'heartbeatAck'
  readonly term: Term
  readonly round: number
}

/** A piece of a snapshot (paper, §7, figure 13). */
export interface SnapshotChunk {
  readonly kind: 'snapshotChunk'
  readonly term: Term
  readonly snapshot: SnapshotMeta
  readonly offset: number
  /** Empty as the node makes it: the driver puts `lengthBytes` bytes of its snapshot here. */
  readonly data: Uint8Array
  readonly lengthBytes: number
}

/** The receiver has everything before `offset`. */
export interface ChunkReceived {
  readonly kind: 'chunkReceived'
  readonly term: Term
  readonly index: LogIndex
  readonly offset: number
  /** Where the chunk began that this answers: one that is not the next is not taken, and `offset` may be further back. */
  readonly chunkOffset: number
}

/** Asks the receiver to hold an election at once (dissertation, §3.10). */
export interface TimeoutNow {
  readonly kind: 'timeoutNow'
  readonly term: Term
}

/** Tells a leader of the past that its term is over. */
export interface Stale {
  readonly kind: 'stale'
  readonly term: Term
}

/** Tells a node that asks for votes that it is no member any more, since the membership that is committed at `index`. */
export interface Removed {
  readonly kind: 'removed'
  readonly term: Term
  readonly index: LogIndex
}

export type Message =
  | RequestVote
  | Vote
  | Append
  | Appended
  | Refused
  | Heartbeat
  | HeartbeatAck
  | SnapshotChunk
  | ChunkReceived
  | TimeoutNow
  | Stale
  | Removed

/** A command, and what its answer is to be called. Ids are the caller's; a node never compares them. */
export interface Proposal {
  readonly id: number
  readonly command: Uint8Array
}

export type Event =
  /** Time has passed. Early and late ones do no harm. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: Message }
  /** Everything in `persist` effects up to and with this one is durable. */
  | { readonly kind: 'persisted'; readonly write: number }
  | { readonly kind: 'propose'; readonly proposals: readonly Proposal[] }
  /** Asks for linearizable reads: answered by `readable`, or by `reply` if there is no way. */
  | { readonly kind: 'read'; readonly ids: readonly number[] }
  /**
   * Asks for another membership. Whoever is in neither list leaves the cluster. New voters are sent the log first; until they
   * have it nothing changes. One that names what it `replaces` is refused if another membership is in force: two that were
   * made for the same one, each naming all members, would else undo each other.
   */
  | {
      readonly kind: 'change'
      readonly id: number
      readonly voters: readonly NodeId[]
      readonly learners: readonly NodeId[]
      readonly replaces?: SettledMembership | undefined
    }
  | { readonly kind: 'transfer'; readonly id: number; readonly to: NodeId }
  /** The driver has made a snapshot and it is durable; `snapshot` is what `describeSnapshot` said of it. */
  | { readonly kind: 'snapshotted'; readonly snapshot: SnapshotMeta }

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader'

/** What became of a request. */
export type Outcome =
  /** It is done: the command was applied, the membership is in force, the heir of the leadership campaigns. */
  | { readonly kind: 'done'; readonly index: LogIndex }
  /** Nothing has happened and nothing will. */
  | { readonly kind: 'refused'; readonly reason: Refusal; readonly leader: NodeId | undefined }
  /** Leadership was lost, or members in `missing` have not answered: it may still happen. Only asking again, in a session, tells. */
  | {
      readonly kind: 'unknown'
      readonly leader: NodeId | undefined
      /** Whose confirmation is wanted and has not come in time; only of engines that want those of certain members. */
      readonly missing?: readonly NodeId[]
    }

export type Refusal =
  | 'not leader' // `leader` may be
  | 'transferring' // leadership is about to go over
  | 'busy' // too much is not committed yet
  | 'change under way' // one membership after the other
  | 'other membership' // another one is in force than the change was made for
  | 'bad membership' // no voters, somebody twice, or an id that is none
  | 'voter behind' // a new voter did not answer, or did not get the log in reasonable time; nothing was changed
  | 'not a voter' // leadership goes to voters only
  | 'heir behind' // it did not catch up within an election timeout
  | 'too large' // the command is above `maxCommandBytes`

export type Effect =
  /**
   * Write to disk, in the order of these effects and without waiting; `persisted` tells when it is durable. First
   * `hardState`; then, if there is a `snapshot`, it becomes the log's start and the log is empty; then entries from
   * `truncateFrom` on go; then `entries` come.
   */
  | {
      readonly kind: 'persist'
      /** Rises by one with each of these effects. */
      readonly write: number
      readonly hardState: HardState | undefined
      readonly snapshot: SnapshotMeta | undefined
      readonly truncateFrom: LogIndex | undefined
      readonly entries: readonly Entry[]
    }
  /** Send once everything up to write `after` is durable; at once if that is 0. May be lost. */
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: Message; readonly after: number }
  /** Keep a piece of a snapshot that is coming in; at offset 0 a new one begins. Durable before any later `persist` is. */
  | {
      readonly kind: 'storeChunk'
      readonly snapshot: SnapshotMeta
      readonly offset: number
      readonly data: Uint8Array
    }
  /** Replace the state machine by the snapshot that has come in. */
  | { readonly kind: 'restore'; readonly snapshot: SnapshotMeta }
  /** Apply entries, in order; the first follows what was applied or restored last. */
  | { readonly kind: 'apply'; readonly entries: readonly Entry[] }
  /**
   * Entries that are durable here, in order, the first follows what was shown or applied last. They may be read and are not
   * committed: what comes of them, `apply` or `hide`, is not certain. Raft itself shows nothing; engines on top of it may.
   */
  | { readonly kind: 'show'; readonly entries: readonly Entry[] }
  /** Shown entries from `from` on were cut back and are to be forgotten: they are not what was committed in their place. */
  | { readonly kind: 'hide'; readonly from: LogIndex }
  /** The state machine as it is now may answer these reads. */
  | { readonly kind: 'readable'; readonly ids: readonly number[]; readonly index: LogIndex }
  | { readonly kind: 'reply'; readonly id: number; readonly outcome: Outcome }
  /** Entries up to `upTo` are not needed any more, nor are snapshots below `snapshotsBelow`. */
  | { readonly kind: 'discard'; readonly upTo: LogIndex; readonly snapshotsBelow: LogIndex }
  /** Give the node a `tick` at `atTick`. Takes the place of the one before. */
  | { readonly kind: 'timer'; readonly atTick: Tick }
  /** This node was removed from the group, for good unless it is taken in again; it campaigns no more. Said once. */
  | { readonly kind: 'removed' }
  /** For people and statistics. */
  | { readonly kind: 'role'; readonly role: Role; readonly term: Term; readonly leader: NodeId | undefined }

/** What a node begins with: what the driver finds on disk, and the given start of a new cluster. */
export interface RaftStart {
  readonly hardState: HardState
  readonly snapshot: SnapshotMeta | undefined
  /** What the log holds, without gaps, from `snapshot.index + 1` or earlier. */
  readonly entries: readonly Entry[]
  /** In force before the first entry; not used if there is a snapshot. Equal on all founding members. */
  readonly membership: Membership
  readonly nowTick: Tick
}

export interface RaftOptions {
  readonly id: NodeId
  /** For timeouts of elections, which must differ between nodes. */
  readonly random: Random
  /** Silence after which a follower campaigns, at least; at most twice as much. Default 10. */
  readonly electionTicks?: number
  /** Default 1; well below `electionTicks`. */
  readonly heartbeatTicks?: number
  /**
   * A disk whose write takes so long has stalled: the node hands leadership over, and does not campaign. Default ten times
   * `electionTicks`. Too short, and a cluster whose disks are all slow has no leader for long.
   */
  readonly stallTicks?: number
  /** Default 256 KiB of entries in one `Append`; one entry may be larger. */
  readonly maxBatchBytes?: number
  /** `Append`s to one follower that are not answered; default 64. */
  readonly maxInflightMessages?: number
  /** And what is in them; default 4 MiB. */
  readonly maxInflightBytes?: number
  /** Commands that are not committed or not on the leader's own disk; more are refused as `busy`. Default 64 MiB. */
  readonly maxUncommittedBytes?: number
  /** Default 1 MiB. */
  readonly maxCommandBytes?: number
  /** Default 64 KiB of a snapshot in one message. */
  readonly chunkBytes?: number
  /** Larger snapshots are not taken from others; default 1 TiB. */
  readonly maxSnapshotBytes?: number
  /** Entries that a snapshot covers and that are kept for followers that are only a little behind. Default 1000. */
  readonly keptEntries?: number
  /** And what they have together, at most; default 16 MiB. */
  readonly keptBytes?: number
  /** Reads that wait; more are refused as `busy`. Default 100,000. */
  readonly maxPendingReads?: number
  /**
   * How a read makes sure that there is no newer leader. `quorum`, the default, asks a majority (dissertation, §6.4). `lease`
   * relies on clocks: that no node's runs faster than another's by more than `electionTicks / (leaseTicks + 2)` (§6.4.1).
   */
  readonly reads?: 'quorum' | 'lease'
  /** Default two fifths of `electionTicks`. */
  readonly leaseTicks?: number
  readonly mutant?: Mutant | undefined
}

export const DEFAULTS = {
  electionTicks: 10,
  heartbeatTicks: 1,
  maxBatchBytes: 256 * 1024,
  maxInflightMessages: 64,
  maxInflightBytes: 4 * 1024 * 1024,
  maxUncommittedBytes: 64 * 1024 * 1024,
  maxCommandBytes: 1024 * 1024,
  chunkBytes: 64 * 1024,
  maxSnapshotBytes: 2 ** 40,
  keptEntries: 1000,
  keptBytes: 16 * 1024 * 1024,
  maxPendingReads: 100_000,
  reads: 'quorum',
} as const

/** What the state of a node has to do with a position that it was told. */
export type Coverage =
  | 'covered' // it has that entry and all before it
  | 'behind' // it may come
  | 'lost' // other entries were committed in its place: it never will
  | 'forgotten' // the log behind it is gone, so that this cannot be told any more

/** A membership has at most so many members. */
export const MAX_MEMBERS = 64

/** What a node looks like from outside. */
export interface NodeStatus {
  readonly id: NodeId
  readonly role: Role
  readonly term: Term
  /** Who leads, as far as the node knows. */
  readonly leader: NodeId | undefined
  readonly commitIndex: LogIndex
  readonly appliedIndex: LogIndex
  readonly lastIndex: LogIndex
  /** The log on this node's disk reaches so far. */
  readonly durableIndex: LogIndex
  readonly membership: Membership
}
