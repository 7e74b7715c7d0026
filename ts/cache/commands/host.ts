import type { Random } from '../../io/random.ts'
import type { Users } from '../acl/users.ts'
import type { Database } from '../keyspace/database.ts'
import type { EncodingLimits } from '../keyspace/encoding.ts'
import type { ClusterDoor } from './cluster-door.ts'
import type { Effect } from './effects.ts'
import type { MemoryLimit } from './memory-limit.ts'
import type { Monitors } from './monitor-registry.ts'
import type { PausedScript } from './paused-script.ts'
import type { PubSub } from './pubsub-registry.ts'
import type { ServerDoor } from './server-door.ts'
import type { Blocked, Session } from './session.ts'
import type { CommandInfo, CommandSpec } from './specs.ts'
import type { Statistics } from './statistics.ts'
import type { Tracking } from './tracking-registry.ts'
import type { Transfers } from './transfers.ts'

/** What handlers may ask of the engine that runs them. */
export interface Host {
  readonly random: Random
  readonly encodingLimits: EncodingLimits
  readonly databases: readonly Database[]
  readonly pubsub: PubSub
  readonly users: Users
  readonly memory: MemoryLimit
  readonly tracking: Tracking
  readonly monitors: Monitors
  /** How often commands were run, and how they ended. */
  readonly statistics: Statistics
  /** Keys that are on their way to other servers. */
  readonly transfers: Transfers
  /** All commands by name, for COMMAND. */
  readonly commands: ReadonlyMap<string, CommandInfo>
  /** Who serves the connections; undefined for an engine on its own. */
  readonly server: ServerDoor | undefined
  /** The cluster that this engine is a node of; undefined for one on its own. */
  readonly cluster: ClusterDoor | undefined
  /** The classes of `notify-keyspace-events`, '' for none. */
  notifiedEvents: string
  /** Whether keys that are due are deleted though nobody asks for them. */
  expiresActively: boolean
  /** Whether scripts may call what is not for scripts, for tests of ours. */
  scriptsMayAll: boolean
  /** Milliseconds since any beginning, for the time limit of scripts; undefined lets them run for ever. */
  readonly monotonicMs: (() => number) | undefined
  /** How long a script runs before other clients are answered again, with BUSY. */
  readonly busyReplyThresholdMs: number
  /** Set by a script that was interrupted. */
  paused: PausedScript | undefined
  /** Runs a command as part of another one. */
  run(session: Session, command: CommandSpec, args: readonly string[], mayBlock: boolean): void
  /** Why a command may not be run now; undefined if it may. */
  refusal(session: Session, command: CommandSpec, args: readonly string[]): string | undefined
  /** The command that `args` names, or the text of the error if there is none. */
  find(args: readonly string[]): CommandInfo | string
  effect(effect: Effect): void
  /** Exchanges two databases under their numbers. */
  swap(a: number, b: number): void
  watch(session: Session, key: string): void
  unwatch(session: Session): void
  block(session: Session, blocked: Blocked): void
  /** Ends the waiting of a session with the reply that `write` writes. @returns False if it does not wait. */
  release(session: Session, write: () => void): boolean
  /** All sessions, the oldest first. */
  sessions(): Iterable<Session>
  /** The session of an id that CLIENT ID gave; undefined if it is gone. */
  session(id: number): Session | undefined
  /** Sends a message to all who listen. @returns How many did. */
  publish(channel: string, message: string, isSharded?: boolean): number
  /** Publishes a keyspace event if it is one of `notifiedEvents`. */
  notify(kind: string, event: string, key: string, database: number): void
}
