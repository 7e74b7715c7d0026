import type { User } from '../acl/user.ts'
import type { DebugDoor } from './debug-door.ts'
import type { PersistenceDoor } from './persistence-door.ts'
import type { ReplicationDoor } from './replication-door.ts'
import type { Session } from './session.ts'
import type { SlowLog } from './slow-log.ts'
import type { CommandSpec } from './specs.ts'

/** A connection, as CLIENT LIST and CLIENT KILL see it. */
export interface ClientView {
  readonly session: Session
  /** What it is connected for. */
  readonly type: 'normal' | 'pubsub' | 'replica' | 'master'
  /** `host:port` of the client, and of ours that it is connected to. */
  readonly address: string
  readonly localAddress: string
  /** What CLIENT LIST tells of it, without a line's end. */
  readonly line: string
}

/** Where users are kept. */
export interface UserFileDoor {
  /** @returns Users whose connections have to be cut, or what is wrong. */
  load(): readonly User[] | string
  /** @returns What is wrong, as the reply. */
  save(): string | undefined
}

/** What a server lends to commands: connections, settings and figures. An engine without a server has none of the commands. */
export interface ServerDoor {
  readonly persistence: PersistenceDoor
  readonly debug: DebugDoor
  readonly replication: ReplicationDoor
  /** The file of users; undefined without one. */
  readonly users: UserFileDoor | undefined
  /** What took long. */
  readonly slowLog: SlowLog
  /** A command was run, by itself, in a transaction or by a script. @param micros - How long it took. */
  ran(session: Session, command: CommandSpec, args: readonly string[], micros: number): void
  /** Checks who a client says it is; it may say a password alone. @returns What is wrong, as the reply; undefined if it may come in. */
  authenticate(session: Session, user: string | undefined, password: string): string | undefined
  /** Takes back what a client was given since it connected, for RESET. */
  reset(session: Session): void
  /** All connections, the oldest first. */
  clients(): readonly ClientView[]
  client(session: Session): ClientView
  /** Where a session is connected from; '' for one without a connection, undefined for who looks on from this process. */
  addressOf(session: Session): string | undefined
  /** Closes a connection; that of the command itself after its reply. */
  kill(session: Session): void
  /** Lets commands wait; those alone that write unless `all`. @param untilMs - Milliseconds since 1970. */
  pause(untilMs: number, all: boolean): void
  unpause(): void
  protect(session: Session, isProtected: boolean): void
  /** The text of INFO. @param sections - In lower case; none for the usual ones. */
  info(sections: readonly string[]): string
  /** Names and values of the settings that one of the patterns fits. */
  settings(matches: (name: string) => boolean): readonly (readonly [string, string])[]
  /** Changes all of them or none. @returns What is wrong, as the reply. */
  change(settings: ReadonlyMap<string, string>): string | undefined
  resetFigures(): void
  /** Writes what a script has to say. @param level - 0 to 3: debug, verbose, notice, warning. */
  log(level: number, text: string): void
}
