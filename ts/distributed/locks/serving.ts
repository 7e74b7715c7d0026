// What the services of the gRPC API need of the node behind them: the one that serves alone (node.ts), or a member of a cluster
// (replicated/node.ts).
import type { AuthCommand } from './auth/command.ts'
import type { Sessions } from './auth/sessions.ts'
import type { Command, Result } from './command.ts'
import type { LocksState } from './state.ts'
import type { WatchHub } from './watches.ts'

/** What a client is told of a lease. */
export interface LeaseView {
  readonly id: bigint
  readonly ttlSeconds: number
  /** Whole seconds, rounded down; -1 if there is no such lease. */
  readonly leftSeconds: number
  readonly keys: readonly string[]
}

/** How the log of a node is; alone, the node leads in the one term there is. */
export interface RaftFigures {
  readonly term: number
  /** 0 if nobody is known to lead. */
  readonly leader: bigint
  readonly index: number
  readonly appliedIndex: number
  readonly isLearner: boolean
}

/** A member, as the service Cluster tells of it. */
export interface MemberView {
  readonly id: bigint
  readonly name: string
  readonly peerUrls: readonly string[]
  /** None before it has started for the first time. */
  readonly clientUrls: readonly string[]
  readonly isLearner: boolean
}

/** Who belongs to a cluster, and changes of it. All of these may be asked of any member, but `moveLeader`. */
export interface Members {
  /** As this member knows it: also for whoever looks why there is no leader. */
  list(): Promise<readonly MemberView[]>
  /** Takes in a member under the next free id; one that is to vote does so once it has the log. @throws Refusal */
  add(peerUrls: readonly string[], isLearner: boolean): Promise<MemberView>
  /** @throws Refusal */
  remove(id: bigint): Promise<void>
  /** Says where a member is reached from now on. @throws Refusal */
  update(id: bigint, peerUrls: readonly string[]): Promise<void>
  /** Lets a learner vote. @throws Refusal */
  promote(id: bigint): Promise<void>
  /** Hands leadership over, on the member that has it. @throws Refusal */
  moveLeader(to: bigint): Promise<void>
}

export interface ReadMode {
  /** Answer at once from what this node has, which may be old. Default false: as of now, whoever leads. */
  readonly isSerializable?: boolean
}

/** A node that serves. */
export interface ServingNode {
  /** Another object after a replica was replaced by a snapshot: not to be kept. */
  readonly state: LocksState
  readonly watches: WatchHub
  readonly sessions: Sessions
  /** Names the cluster, and this member of it. */
  readonly identity: { readonly clusterId: bigint; readonly memberId: bigint }
  readonly raft: RaftFigures
  /** Undefined if the node serves alone. */
  readonly members: Members | undefined
  /** Bytes on disk. */
  readonly sizeBytes: number
  /** Rejects as soon as the node cannot go on. */
  readonly failed: Promise<never>
  /** Executes a command. @returns When it is durable. @throws Refusal; UNAVAILABLE or IO if the node cannot go on */
  execute(command: Command): Promise<Result>
  /** Reads something. @returns What `read` returned, once everything it can have seen is durable. @throws what `read` throws */
  read<T>(read: (state: LocksState) => T, mode?: ReadMode): Promise<T>
  /** An id that no lease has here; one that somebody else has chosen as well is refused when it is granted. */
  newLeaseId(): bigint
  /** Grants a lease. @param id - 0 to have one chosen. @throws Refusal */
  grant(id: bigint, ttlSeconds: number): Promise<{ id: bigint; ttlSeconds: number }>
  /** Gives a lease its whole time from now on. @returns That time in seconds; 0 if there is no such lease. */
  keepAlive(id: bigint): number | Promise<number>
  /** What there is to know about a lease; of one that does not exist, that nothing is left of it. @throws Refusal */
  leaseView(id: bigint): Promise<LeaseView>
  /** Changes users and roles. @param password - Hashed here, if the change has one. @throws Refusal */
  changeUsers(command: AuthCommand, password?: string): Promise<void>
  /** Gives a token to who knows the password. @throws Refusal */
  logIn(name: string, password: string): Promise<string>
  /** All records of the state, as a replica that starts from nothing gets them, once they are durable. */
  snapshot(): Promise<Uint8Array>
  /** Gives space that nothing needs back to the disk. */
  defragment(): Promise<void>
  /** Clients find the node here from now on. */
  announce(clientUrl: string): void
  /** Lets others take over what only this node does: it is about to end. */
  handOver(): Promise<void>
  /** Ends the node; what was executed stays. */
  close(): Promise<void>
}
