// What a group replicates: a state that commands change, the same way everywhere (paper, §2).
import type { LogIndex } from './types.ts'

/**
 * Deterministic: equal commands in equal order give equal states and equal results, whatever the machine, the time and the
 * order of keys in memory. An error that another replica would not meet must not become a result: throw, and the node stops.
 */
export interface StateMachine {
  /** Executes a command. @returns Its result, any bytes; they are kept and must not be changed later. */
  apply(command: Uint8Array, index: LogIndex): Uint8Array
  /** All of the state. */
  snapshot(): Uint8Array
  /** Replaces all of the state. @throws CORRUPTION if the bytes are no snapshot. */
  restore(snapshot: Uint8Array): void
}
