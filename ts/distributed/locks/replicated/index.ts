// The state as something that Raft replicates: bytes in, bytes out. The node of this folder serves alone and does without; a
// replicated one proposes `Command.encode(...)` to its group, and reads results with `outcomeOf`.
import type { StateMachine } from '../../raft/index.ts'
import { decodeCommand, failed, Result } from '../command.ts'
import { Refusal } from '../errors.ts'
import { type Backend, MemoryBackend, type Write } from '../mvcc/backend.ts'
import { readSnapshot, writeSnapshot } from '../mvcc/snapshot.ts'
import { LocksState, type StateOptions } from '../state.ts'
import type { Event } from '../types.ts'

/** How to make a replica; all replicas of a group need equal bounds. */
export interface MachineOptions extends Omit<StateOptions, 'backend'> {
  /** Told what happened to keys at a main revision, in order. */
  readonly onEvents?: (events: readonly Event[], revision: number) => void
}

/**
 * The lock service as a state machine. It lives in memory: what makes it durable is the log of the group, and its snapshots.
 */
export class LocksMachine implements StateMachine {
  readonly #options: MachineOptions
  #backend: Backend = new MemoryBackend()
  #state: LocksState

  constructor(options: MachineOptions) {
    this.#options = options
    this.#state = this.#open()
  }

  /** For reads; another one after `restore`. */
  get state(): LocksState {
    return this.#state
  }

  /** @throws CORRUPTION for bytes that are no command */
  apply(command: Uint8Array): Uint8Array {
    try {
      const { result, events } = this.#state.apply(decodeCommand(command))
      if (events.length > 0) this.#options.onEvents?.(events, result.revision)
      return Result.encode(result)
    } catch (error) {
      if (error instanceof Refusal) return failed(error, this.#state.store.revision)
      throw error
    }
  }

  snapshot(): Uint8Array {
    return writeSnapshot(this.#backend)
  }

  /** @throws CORRUPTION, and then nothing has changed */
  restore(snapshot: Uint8Array): void {
    const writes: Write[] = readSnapshot(snapshot).map(({ bucket, key, value }) => ({
      bucket,
      key: new Uint8Array(key),
      value: new Uint8Array(value as Uint8Array),
    }))
    const backend = new MemoryBackend()
    void backend.write(writes)
    this.#backend = backend
    this.#state = this.#open()
  }

  #open(): LocksState {
    const { maxTxnOps, quotaBytes } = this.#options
    return new LocksState({ backend: this.#backend, maxTxnOps, quotaBytes })
  }
}
