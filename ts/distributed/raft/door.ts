// What users of `bedplate/raft` hold in their hands: a host, and the groups on it.
import type { Address, TlsFiles } from '../../io/network.ts'
import type { Applied, RoleChange } from './raft-error.ts'
import type { StateMachine } from './state-machine.ts'
import type { Coverage, LogIndex, NodeId, NodeStatus, Position, SettledMembership, Term } from './types.ts'

/** Where nodes are reached. */
export type Addresses = ReadonlyMap<NodeId, Address>

/** Who a node is, and where the others are. */
export interface OpenRaftOptions {
  /** This node: a whole number of at least 1, never used for another one of the same cluster, nor again after its disk is lost. */
  readonly id: NodeId
  /** The members that the cluster is founded with, and where each is reached: equal on all nodes, also on those added later. */
  readonly members: Readonly<Record<NodeId, Address>>
  /** Keeps apart clusters that could reach each other. Default `default`. Up to 255 bytes. */
  readonly clusterId?: string
  /** Makes the directory if there is nothing, or an empty one. Default false. */
  readonly create?: boolean
  /** Where this node listens. Default: its address in `members`. */
  readonly listen?: Address
  /**
   * Certificate and key of this node, in PEM, for both directions; with `ca`, nodes accept each other by what it has signed.
   * Default: none, and unless there is a `secret` whoever reaches the port can do everything.
   */
  readonly tls?: TlsFiles
  /** Equal on all nodes; who does not know it is let in by none of them. One line of ASCII. Default: none. */
  readonly secret?: string
  /** Is told of connections that were refused or broken, and why; for people. */
  readonly onTrouble?: (peer: string, error: Error) => void
  /** For servers whose nodes listen on consecutive ports: node j on this plus j. Default 0: they do not. */
  readonly basePort?: number
}

/** How a group runs. All members should have the same. */
export interface GroupOptions {
  /** The length of a tick in milliseconds. Default 30: elections begin after 0.3 to 0.6 s of silence. */
  readonly tickMs?: number
  /** Silence, in ticks, after which a follower campaigns, at least; at most twice as much. Default 10. */
  readonly electionTicks?: number
  /** Ticks between heartbeats. Default 1. */
  readonly heartbeatTicks?: number
  /**
   * How a linearizable read makes sure that there is no newer leader: `quorum`, the default, asks a majority; `lease` relies on
   * clocks of about the same speed and asks nobody while a majority has answered lately (dissertation, §6.4.1).
   */
  readonly reads?: 'quorum' | 'lease'
  /** Longer commands are refused. Default 1 MiB, at most 64 MiB less 18 bytes. */
  readonly maxCommandBytes?: number
  /** A snapshot is made when commands of so many bytes were applied since the last. Default 16 MiB. */
  readonly snapshotBytes?: number
  /** Entries that a snapshot covers and that are kept for followers that are only a little behind, 16 MiB at most. Default 1000. */
  readonly keptEntries?: number
  /**
   * Answers what `ask` asks, on the member that leads: from the state machine, and from what only a leader knows. Asked twice is
   * as good as once. An empty answer says nothing.
   */
  readonly onQuery?: ((query: Uint8Array) => Uint8Array) | undefined
  /** Is told who leads, as far as this node knows, whenever that changes. */
  readonly onRole?: ((change: RoleChange) => void) | undefined
  /**
   * Is told once if the group has ended by itself: its disk or its state machine failed, and the host is to be opened again; or with
   * the code CLOSED this node was removed, and is to be done with.
   */
  readonly onFailure?: ((error: Error) => void) | undefined
}

/** How long a request looks for a leader, and waits for one that does not answer. */
export interface RequestOptions {
  /** Default 5000. */
  readonly timeoutMs?: number
}

export interface ReadOptions extends RequestOptions {
  /**
   * `linearizable`, the default: as of some moment between call and answer. `stale`: as this node knows it, which may be old by
   * any time if the node is cut off; asks nobody.
   */
  readonly consistency?: 'linearizable' | 'stale'
}

/** Another membership. Whoever is in neither list leaves. */
export interface MembershipChange {
  readonly voters: readonly NodeId[]
  /** They receive the log and do not vote. Default: none. */
  readonly learners?: readonly NodeId[]
  /** Where members are reached that are new, or that have moved. */
  readonly addresses?: Addresses
  /**
   * The membership that this one was made for: if another one is in force by then, the change is refused with CONFLICT. Default:
   * whatever is in force. `reviseMembership` sees to it.
   */
  readonly replaces?: SettledMembership
}

/** What a node knows of its group. */
export interface GroupStatus extends NodeStatus {
  readonly group: number
}

/** This machine's member of a cluster: one directory, one port. Made by `openRaft`. */
export interface RaftHost extends AsyncDisposable {
  /** This node. */
  readonly id: NodeId
  readonly clusterId: string
  /** Where this node listens. */
  readonly address: Address
  /** Where nodes are reached, as far as is known: the founders as they were given, others as groups have learned. */
  readonly addresses: Addresses
  /** The nodes that there is a connection to. */
  readonly connected: readonly NodeId[]
  /** Tells where nodes are reached: for one that has nobody's log yet to learn it from. What groups learn later counts instead. */
  learn(addresses: Addresses): void
  /**
   * Starts this node's part of a group: from what is on disk, or as one of the founders of a new one.
   * @param group - A whole number below 2^32, the same on all nodes.
   * @param machine - Empty: what it had is restored from snapshot and log.
   * @throws INVALID_INPUT for options that cannot work and a group that is open, CORRUPTION, CLOSED, PERMISSION, DISK_FULL, IO
   */
  openGroup(group: number, machine: StateMachine, options?: GroupOptions): Promise<RaftGroup>
  /** Ends all groups and connections, and gives the directory back. Twice is as good as once. */
  close(): Promise<void>
}

/** Which command of which session: from 1, each number for one command; in no order if `acknowledged` says what has arrived. */
export interface SessionPlace {
  readonly session: number
  readonly sequence: number
  /** The client has the results of all commands up to this one, or does not want them. Default: all before `sequence`. */
  readonly acknowledged?: number
}

/**
 * A client's commands, each of which is executed exactly once: every member remembers what they have come to, also in snapshots and after
 * restarts (dissertation, §6.3). Made by `RaftGroup.openSession`. Of 10,000 sessions, or 64 MiB of results that were not
 * acknowledged, those that were used longest ago are forgotten. There is nothing to close.
 */
export interface RaftSession {
  /** The place in the log at which it was opened. */
  readonly id: number
  /**
   * As `RaftGroup.propose`, but asks again when it is not known what became of the command, until `timeoutMs` are over. Several may
   * be under way, up to 512; they are executed in any order.
   * @returns What the command came to the one time that it was executed. `index` and `term` are those of the entry that was answered.
   * @throws RaftError: `unknown` when the time is over: it was executed once, or will be, or never. CONFLICT, also `unknown`, if the
   *   session was forgotten. CLOSED, or what ended the group: unknown, too.
   *
   * @example
   * const session = await group.openSession()
   * await session.propose(Buffer.from('5')) // also over a change of leaders: 5 is added once
   */
  propose(command: Uint8Array, options?: RequestOptions): Promise<Applied>
}

/**
 * A member of a group. Made by `RaftHost.openGroup`.
 *
 * Requests may be made on any member: one that does not lead asks the one that does, and looks for another leader as long as it
 * is certain that nothing has happened. An error with `outcome: 'unknown'` says that it is not.
 */
export interface RaftGroup extends AsyncDisposable {
  readonly status: GroupStatus
  /** The term of an entry of this node's log, which need not be committed; undefined where it has none, or none any more. */
  termAt(index: LogIndex): Term | undefined
  /** Why the group has ended by itself; undefined while it runs. */
  readonly failure: Error | undefined
  /**
   * Has a command executed by all members, once a majority has it on disk.
   * @param command - Up to `maxCommandBytes`; copied.
   * @returns Its place in the log, and what the state machine gave.
   * @throws RaftError: with `outcome: 'refused'` nothing has happened; with `unknown` it may have happened, or happen yet. CLOSED,
   *   or what ended the group: then it is unknown, too.
   */
  propose(command: Uint8Array, options?: RequestOptions): Promise<Applied>
  /**
   * Begins a session: its commands are executed exactly once, however often they had to be asked until an answer came. Not for state
   * machines that keep their state by themselves and cannot give the result of a command again.
   * @throws RaftError; NOT_SUPPORTED where commands are shown before a majority has them; CLOSED
   */
  openSession(options?: RequestOptions): Promise<RaftSession>
  /**
   * For servers whose clients count the commands of their session themselves: `propose` in a session, once.
   * @throws as `RaftSession.propose`; CONFLICT, also `unknown`, for a command whose result was acknowledged.
   */
  proposeIn(place: SessionPlace, command: Uint8Array, options?: RequestOptions): Promise<Applied>
  /**
   * Reads from the state machine of this node.
   * @param query - Is called, once, as soon as the state machine may answer; must not wait for anything.
   * @throws RaftError; UNAVAILABLE if this node is too far behind; CLOSED; and what `query` throws.
   *
   * @example
   * const value = await group.read(() => machine.get('key'))
   */
  read<T>(query: () => T, options?: ReadOptions): Promise<T>
  /** What a read of this node's state sees, as of this turn of the event loop. */
  readonly readable: Position
  /** Says whether it sees everything up to a position that `readIndex`, `propose` or `readable` of any member has named. */
  covers(position: Position): Coverage
  /**
   * Asks the leader for a position that covers everything acknowledged before the call, once it is sure that it still leads: a
   * member that has reached it is fresh as of the call. @throws RaftError; CLOSED
   */
  readIndex(options?: RequestOptions): Promise<Position>
  /**
   * Waits until a read of this node's state sees everything up to a position, and then goes on in the same turn.
   * @throws UNAVAILABLE if that takes too long; CONFLICT if what was there was lost, which an engine that acknowledges before a
   *   majority has an entry cannot rule out; CLOSED, or what ended the group.
   */
  reach(position: Position, options?: RequestOptions): Promise<void>
  /**
   * Has the leader answer a question, by its `onQuery`, once it is sure that it still leads and its state machine shows everything
   * that was committed before. Nothing is written.
   * @param query - Copied.
   * @throws RaftError; CLOSED
   */
  ask(query: Uint8Array, options?: RequestOptions): Promise<Uint8Array>
  /**
   * Changes who is a member. Addresses of those who come are made known first, by an entry of their own; new voters are sent the
   * log before anything else changes, for which there are 60 s unless `timeoutMs` says otherwise.
   * @returns When the membership is in force and committed: its place in the log.
   * @param change - Names all members that there are to be; copied. Two such changes at once: the later one undoes the earlier,
   *   unless they say what they replace.
   * @throws RaftError, with the code CONFLICT if there are other members than `replaces` names; INVALID_INPUT for an address that
   *   cannot be.
   */
  changeMembership(change: MembershipChange, options?: RequestOptions): Promise<LogIndex>
  /**
   * Changes the membership that is in force, whatever others do in the same moment: looks, and looks again if another change came
   * first, for as long as `timeoutMs` says.
   * @param revise - Is told who is a member and says who is to be; called once or more often, and what it throws ends this.
   * @throws as `changeMembership`
   *
   * @example
   * await group.reviseMembership(({ voters, learners }) => ({ voters, learners: [...learners, 4] }))
   */
  reviseMembership(revise: (now: SettledMembership) => MembershipChange, options?: RequestOptions): Promise<LogIndex>
  /** Makes known where members are reached, to all members and for good. @throws as `propose`; INVALID_INPUT */
  announce(addresses: Addresses, options?: RequestOptions): Promise<void>
  /** Hands leadership over. Resolves when the heir campaigns. @throws RaftError */
  transfer(to: NodeId, options?: RequestOptions): Promise<void>
  /**
   * Makes a snapshot of what is applied on this node, and lets go of the log behind it.
   * @returns Its index, once it is durable. @throws UNAVAILABLE while one comes in from the leader.
   */
  snapshot(): Promise<LogIndex>
  /** Leaves the group alone: it is as if the node had crashed. What waits is refused with CLOSED. */
  close(): Promise<void>
}
