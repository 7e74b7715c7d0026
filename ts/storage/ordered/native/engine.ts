// What every native engine is to the handles of its store. What is slow runs on other threads; everything else is one call.
import { isCode } from '../../../base/errors.ts'
import type { NativeStore } from '../../../native/store.ts'
import type { ByteOperation } from '../operation.ts'
import type { Codecs } from '../reader.ts'
import type { Attempt, Moment, StoreEngine } from '../store-engine.ts'
import type { NamedTree } from '../types.ts'
import type { NativeCore } from './core.ts'
import { toError } from './errors.ts'
import { NativeAttempt, NativeMoment } from './moment.ts'
import { applyOperations } from './tree.ts'

/** @typeParam S - The raw calls of the store. */
export abstract class NativeStoreEngine<S extends NativeStore> implements StoreEngine {
  readonly core: NativeCore<S>
  readonly path: string
  readonly maxKeyBytes: number
  /** The end of the queue of work on the whole store: one piece at a time, or it would only fill libuv's pool. */
  private exclusive: Promise<unknown> = Promise.resolve()
  private closed: Promise<void> | undefined
  /** The positions at which the store was closed. */
  private last = { position: 0, durablePosition: 0 }

  constructor(core: NativeCore<S>) {
    this.core = core
    this.path = core.path
    this.maxKeyBytes = core.maxKeyBytes
  }

  abstract tree<K, V>(name: string, codecs: Codecs<K, V>): NamedTree<K, V>

  get position(): number {
    return this.core.isOpen ? this.core.raw.position() : this.last.position
  }

  get durablePosition(): number {
    return this.core.isOpen ? this.core.raw.durablePosition() : this.last.durablePosition
  }

  checkKey(key: Uint8Array): Uint8Array {
    return this.core.checkKey(key)
  }

  assertOpen(): void {
    this.core.assertUsable()
  }

  assertWritable(): void {
    this.core.assertWritable()
  }

  treeNames(): string[] {
    return this.core.raw.treeNames()
  }

  apply(operations: readonly ByteOperation[]): Promise<void> {
    return applyOperations(this.core, operations)
  }

  openMoment(): Moment {
    return new NativeMoment(this.core)
  }

  begin(): Attempt {
    return new NativeAttempt(this.core)
  }

  async flushed(): Promise<void> {
    this.core.assertUsable()
    await this.flushedTo(this.position)
  }

  async flushedTo(position: number): Promise<void> {
    if (!this.core.readOnly) await this.core.acknowledgements.durable(position)
  }

  close(): Promise<void> {
    this.closed ??= this.closeOnce()
    return this.closed
  }

  /** What was asked for before closing is done before closing. */
  protected runExclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = this.exclusive.then(work)
    this.exclusive = run.catch(() => {})
    return run
  }

  /** Called before the store is closed. */
  protected onClosing(): void {}

  /** What runs on the store and finds it closed at its next step. */
  protected async worksEnded(): Promise<void> {}

  /** Makes all up to `position` durable, by a store that is closed to everybody else. */
  protected async secure(position: number): Promise<void> {
    await this.flushedTo(position)
  }

  /** Other threads may go on with the store, so what this one wrote is made durable before it lets go. */
  private async closeOnce(): Promise<void> {
    const { core } = this
    const { raw, acknowledgements } = core
    this.onClosing()
    this.notePositions()
    core.isOpen = false
    await this.worksEnded()
    this.notePositions()
    const problem = await this.secure(this.last.position).catch((error) => error)
    this.last.durablePosition = raw.durablePosition()
    await this.exclusive
    await core.jobsEnded()
    acknowledgements.end()
    await raw.close().catch((error) => {
      throw toError(error)
    })
    // Where the log failed, the promises of what was written have said so; what else was lost says the core itself.
    if (problem !== undefined && !isCode(problem, 'IO')) throw problem
  }

  private notePositions(): void {
    const { raw } = this.core
    this.last = { position: raw.position(), durablePosition: raw.durablePosition() }
  }
}
