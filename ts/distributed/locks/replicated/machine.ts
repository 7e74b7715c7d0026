// The state as something that Raft replicates: bytes in, bytes out.
//
//   snapshot   u64 BE index | the records, see mvcc/snapshot.ts
//
// The records lie in a backend that outlives the process, so a start need not execute the log from its beginning. They may be
// ahead of what the log's driver has executed since that start: it goes through entries that are in them already. Hence the index
// in the snapshot, which says what is in it, whatever the driver believes.
import { BedplateError } from '../../../base/errors.ts'
import { lacks } from '../../../storage/mutant.ts'
import type { StateMachine } from '../../raft/index.ts'
import { type Command, decodeCommand, failed, Result } from '../command.ts'
import { Refusal } from '../errors.ts'
import { type Backend, MemoryBackend } from '../mvcc/backend.ts'
import { readSnapshot, writeSnapshot } from '../mvcc/snapshot.ts'
import { type Applied, LocksState, type StateOptions } from '../state.ts'
import { ReplicaBackend } from './replica-backend.ts'

/** How to make a replica; all replicas of a group need equal bounds. */
export interface MachineOptions extends Omit<StateOptions, 'backend'> {
  /** Where records lie, which may be lost from any write on: the log has them still. Default: in memory. */
  readonly backend?: Backend
  /** Told what a command has done that was not refused, in order; not again after a start. */
  readonly onApplied?: (command: Command, applied: Applied) => void
  /** Told that `state` is another one, some commands ahead. */
  readonly onRestored?: () => void
  /** Told that records could not be written: from now on nothing is executed. */
  readonly onFailure?: (error: unknown) => void
}

const INDEX_BYTES = 8
const NO_RESULT = new Uint8Array(0)

/** The lock service as a state machine. */
export class LocksMachine implements StateMachine {
  readonly #options: MachineOptions
  readonly #backend: ReplicaBackend
  #state: LocksState
  #failure: unknown

  /** @throws CORRUPTION if the backend holds what no replica has written */
  constructor(options: MachineOptions) {
    this.#options = options
    const fail = (error: unknown): void => this.#fail(error)
    this.#backend = new ReplicaBackend(options.backend ?? new MemoryBackend(), fail, options.mutant)
    this.#state = this.#open()
  }

  /** For reads; another one after `restore`. */
  get state(): LocksState {
    return this.#state
  }

  /** The last entry that was executed, in this life or an earlier one. */
  get appliedIndex(): number {
    return this.#backend.appliedIndex
  }

  /** @throws CORRUPTION for bytes that are no command; what the backend throws */
  apply(bytes: Uint8Array, index: number, term: number): Uint8Array {
    if (this.#failure !== undefined) throw this.#failure
    const { mutant, onApplied } = this.#options
    // Who asked for it was told when it was executed, or has gone.
    if (index <= this.#backend.appliedIndex && !lacks(mutant, 'executed once')) return NO_RESULT
    this.#backend.enter(index)
    const command = decodeCommand(bytes)
    try {
      const applied = this.#state.apply(command, term)
      applied.written.catch((error: unknown) => this.#fail(error))
      onApplied?.(command, applied)
      return Result.encode(applied.result)
    } catch (error) {
      if (error instanceof Refusal) return failed(error, this.#state.store.revision)
      throw error
    }
  }

  snapshot(): Uint8Array {
    const index = Buffer.allocUnsafe(INDEX_BYTES)
    index.writeBigUInt64BE(BigInt(this.#backend.appliedIndex))
    return Buffer.concat([index, this.records()])
  }

  /** All records, equal on replicas that are equal. */
  records(): Uint8Array {
    return writeSnapshot(this.#backend)
  }

  /** @throws CORRUPTION, and then nothing has changed; what the backend throws, and then it is replaced at the next start */
  restore(snapshot: Uint8Array, index: number): void {
    const at = Math.max(index, indexOf(snapshot))
    if (at <= this.#backend.appliedIndex && !lacks(this.#options.mutant, 'executed once')) return
    this.#backend.replace(readSnapshot(snapshot.subarray(INDEX_BYTES)), at)
    this.#state = this.#open()
    this.#options.onRestored?.()
  }

  /** Ends the backend. */
  close(): Promise<void> {
    return this.#backend.close()
  }

  /** Bytes on disk, or in memory. */
  get sizeBytes(): number {
    return this.#backend.sizeBytes()
  }

  /** Gives space that nothing needs back to the disk. */
  defragment(): Promise<void> {
    return this.#backend.defragment()
  }

  #open(): LocksState {
    const { maxTxnOps, quotaBytes, mutant } = this.#options
    return new LocksState({ backend: this.#backend, maxTxnOps, quotaBytes, mutant })
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#options.onFailure?.(error)
  }
}

function indexOf(snapshot: Uint8Array): number {
  if (snapshot.length < INDEX_BYTES) {
    throw new BedplateError('CORRUPTION', 'no snapshot of the lock service: it ends within its index')
  }
  const index = new DataView(snapshot.buffer, snapshot.byteOffset, INDEX_BYTES).getBigUint64(0)
  if (index > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new BedplateError('CORRUPTION', `no snapshot of the lock service: there is no entry ${index}`)
  }
  return Number(index)
}
