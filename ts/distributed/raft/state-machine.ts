// What a group replicates: a state that commands change, the same way everywhere (paper, §2).
import type { LogIndex, Term } from './types.ts'

/**
 * Deterministic: equal commands in equal order give equal states and equal results, whatever the machine, the time and the
 * order of keys in memory. An error that another replica would not meet must not become a result: throw, and the node stops.
 */
export interface StateMachine {
  /**
   * Executes a command.
   * @param index - Its place in the log. One that keeps its state by itself passes over what it has executed before; unless it gives
   *   the same result again, its group must open no sessions, which remember results.
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
  /** For a state that shall never be in memory at once; then `snapshot` and `restore` are not called. */
  readonly pieces?: PiecewiseState | undefined
  /** All of the state that was applied; nothing that is merely shown. */
  snapshot?(): Uint8Array
  /**
   * Replaces all of the state.
   * @param index - The last entry that the snapshot has in it.
   * @throws CORRUPTION if the bytes are no snapshot.
   */
  restore?(snapshot: Uint8Array, index: LogIndex): void
}

/** A state machine whose state is one piece of memory. */
export type WholeStateMachine = StateMachine & Required<Pick<StateMachine, 'snapshot' | 'restore'>>

/** A snapshot that is made while commands are executed. */
export interface SnapshotPieces {
  /** Of any size, memory of their own each; they are taken one by one, once, in many turns of the event loop. */
  readonly pieces: Iterable<Uint8Array>
  /** Called once, also if not all pieces were taken. */
  close(): void
}

/** How a state machine gives and takes a state of any size in bounded memory. */
export interface PiecewiseState {
  /** All of the state that was applied, as of the call. */
  snapshot(): SnapshotPieces
  /**
   * Takes in a state that is to replace this one, aside: nothing of it is seen before `adopt`, and it is worth nothing after a crash.
   * What was taken in before and never adopted may go. No command is executed meanwhile.
   * @param index - The last entry that the snapshot has in it.
   * @throws CORRUPTION if the bytes are no snapshot.
   */
  take(pieces: AsyncIterable<Uint8Array>, index: LogIndex): Promise<void>
  /** What was taken in last replaces all of the state, and all that is shown, at once. */
  adopt(): void
}
