// The native engine, as the handles of a store see it. What is slow runs on other threads; everything else is one call.
import { isCode } from '../../../base/errors.ts'
import type { Clock } from '../../../io/clock.ts'
import { type Disk, joinPath } from '../../../io/disk.ts'
import type { NativeLsm } from '../../../native/lsm.ts'
import type { NativeCore } from '../../ordered/native/core.ts'
import { toError } from '../../ordered/native/errors.ts'
import { NativeAttempt, NativeMoment } from '../../ordered/native/moment.ts'
import { applyOperations } from '../../ordered/native/tree.ts'
import { rangeFlags } from '../../ordered/native/walk.ts'
import type { ByteOperation } from '../../ordered/operation.ts'
import type { ByteRange } from '../../ordered/range.ts'
import type { Codecs } from '../../ordered/reader.ts'
import type { Attempt, Moment, StoreEngine } from '../../ordered/store-engine.ts'
import { decodeManifest, MANIFEST_FILE } from '../manifest.ts'
import { Tables } from '../tables.ts'
import type { LsmStats, LsmTree, LsmVerifyReport } from '../types.ts'
import { verifyTables } from '../verify.ts'
import { statsOf } from './stats.ts'
import { NativeLsmTree } from './tree.ts'

/** Files that are open at a time while a store is verified, beside those of the core. */
const VERIFY_OPEN_FILES = 16
const NOTHING = new Uint8Array(0)
/** The verifier keeps what it needs itself. */
const VERIFY_CACHE_BYTES = 0

/** The world outside that the engine has not in its core. */
export interface Outside {
  disk: Disk
  clock: Clock
}

export class NativeLsmEngine implements StoreEngine {
  readonly core: NativeCore<NativeLsm>
  readonly path: string
  readonly maxKeyBytes: number
  private readonly outside: Outside
  private readonly memoryBytes: number
  /** The end of the queue of flushes and compactions: one at a time, or they would only fill libuv's pool. */
  private exclusive: Promise<unknown> = Promise.resolve()
  private closed: Promise<void> | undefined
  /** The positions at which the store was closed. */
  private last = { position: 0, durablePosition: 0 }

  constructor(core: NativeCore<NativeLsm>, outside: Outside & { memoryBytes: number }) {
    this.core = core
    this.memoryBytes = outside.memoryBytes
    this.outside = { disk: outside.disk, clock: outside.clock }
    this.path = core.path
    this.maxKeyBytes = core.maxKeyBytes
  }

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

  tree<K, V>(name: string, codecs: Codecs<K, V>): LsmTree<K, V> {
    return new NativeLsmTree(this, name, codecs)
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

  // -- durability -----------------------------------------------------------------------------------------------

  async flushed(): Promise<void> {
    this.core.assertUsable()
    await this.flushedTo(this.position)
  }

  async flushedTo(position: number): Promise<void> {
    if (!this.core.readOnly) await this.core.acknowledgements.durable(position)
  }

  async flush(): Promise<void> {
    this.core.assertWritable()
    await this.runExclusive(() => this.core.run(this.core.raw.flush()))
  }

  async compact(): Promise<void> {
    this.core.assertWritable()
    await this.runExclusive(() => this.core.run(this.core.raw.compact()))
  }

  async compactRange(tree: string, range: ByteRange): Promise<void> {
    const { core } = this
    core.assertWritable()
    const { lower = NOTHING, upper = NOTHING } = range
    const { handle } = core.tree(tree)
    await this.runExclusive(() => core.run(core.raw.compactRange(handle, lower, upper, rangeFlags(range))))
  }

  /** What was asked for before closing is done before closing. */
  private runExclusive(work: () => Promise<unknown>): Promise<unknown> {
    const run = this.exclusive.then(work)
    this.exclusive = run.catch(() => {})
    return run
  }

  // -- the whole store ------------------------------------------------------------------------------------------

  stats(): LsmStats {
    this.core.assertUsable()
    const { raw } = this.core
    return statsOf({ path: this.path, trees: raw.treeNames(), memoryBytes: this.memoryBytes }, raw.stats())
  }

  /** Tables never change, so the TypeScript verifier reads the files of those that are held. */
  async verify(): Promise<LsmVerifyReport> {
    const { core, path } = this
    core.assertUsable()
    const held = core.checked(core.raw.holdTables())
    const tables = new Tables({
      disk: this.outside.disk,
      path,
      cacheBytes: VERIFY_CACHE_BYTES,
      maxOpenFiles: VERIFY_OPEN_FILES,
    })
    try {
      const { version } = decodeManifest(core.raw.heldManifest(held), joinPath(path, MANIFEST_FILE))
      return await verifyTables(version, tables, this.outside.clock)
    } finally {
      tables.close()
      if (core.isOpen) core.raw.releaseTables(held)
    }
  }

  close(): Promise<void> {
    this.closed ??= this.closeOnce()
    return this.closed
  }

  /** Other threads may go on with the store, so what this one wrote is made durable before it lets go. */
  private async closeOnce(): Promise<void> {
    const { core } = this
    const { raw, acknowledgements } = core
    this.last = { position: raw.position(), durablePosition: raw.durablePosition() }
    core.isOpen = false
    try {
      await this.flushedTo(this.last.position)
      this.last.durablePosition = raw.durablePosition()
    } catch (error) {
      // The promises of what was written have said so; what else was lost says the core itself.
      if (!isCode(error, 'IO')) throw error
    }
    await this.exclusive
    await core.jobsEnded()
    acknowledgements.end()
    await raw.close().catch((error) => {
      throw toError(error)
    })
  }
}
