import type { Session } from './session.ts'

/** Who may send DEBUG: nobody, clients of this machine, or everybody (`enable-debug-command`). */
export type DebugAccess = 'no' | 'local' | 'yes'

/** What DEBUG RELOAD is told. */
export interface ReloadOptions {
  /** Writes a snapshot first; otherwise that of the disk is loaded. */
  readonly saves: boolean
  /** Deletes all keys first. */
  readonly empties: boolean
  /** Keys that are there already are replaced. */
  readonly merges: boolean
}

/** What a server lends to DEBUG. */
export interface DebugDoor {
  /** Stops the whole process for so many milliseconds. */
  sleep(ms: number): void
  /** Puts a snapshot in the place of what there is, once the command is over, and then answers the session. */
  reload(session: Session, options: ReloadOptions): void
  /** The same with the append-only file. */
  reloadAppendOnly(session: Session): void
}
