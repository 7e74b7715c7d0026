// What a group replicates: a state that commands change, the same way everywhere (paper, §2).
import type { LogIndex, Term } from './types.ts'

/**
 * Deterministic: equal commands in equal order give equal states and equal results, whatever the machine, the time and the
 * order of keys in memory. An error that another replica would not meet must not become a result: throw, and the node stops.
 */
export interface StateMachine {
  /**
   * Executes a command.
   * @param index - Its place in the log. One that keeps its state by itself passes over what it has executed before.
   * @param term - That of the leader which took it, the same on all members: for commands that are void under another leader.
   * @returns Its result, any bytes; they are kept and must not be changed later.
   */
  apply(command: Uint8Array, index: LogIndex, term: Term): Uint8Array
  /**
   * Takes a command that may be read before it is committed, if the engine of the group shows such entries; in the order of the
   * log, each behind what was shown or applied last. Its effects are kept apart from what was applied, since `hide` may take them
   * back. `apply` of the same entry makes them final, and `restore` takes the place of all that is shown.
   * @returns What `apply` would, to be the answer to whoever proposed it. A machine without it cannot run on such an engine.
   */
  show?(command: Uint8Array, index: LogIndex, term: Term): Uint8Array
  /** Forgets what was shown from entry `from` on. */
  hide?(from: LogIndex): void
  /** All of the state that was applied; nothing that is merely shown. */
  snapshot(): Uint8Array
  /**
   * Replaces all of the state.
   * @param index - The last entry that the snapshot has in it.
   * @throws CORRUPTION if the bytes are no snapshot.
   */
  restore(snapshot: Uint8Array, index: LogIndex): void
}
