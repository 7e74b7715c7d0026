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
  /** All of the state. */
  snapshot(): Uint8Array
  /**
   * Replaces all of the state.
   * @param index - The last entry that the snapshot has in it.
   * @throws CORRUPTION if the bytes are no snapshot.
   */
  restore(snapshot: Uint8Array, index: LogIndex): void
}
