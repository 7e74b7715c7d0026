// The native engine, as the handles of a store see it. What is slow runs on other threads; everything else is one call.
import { isCode } from '../../../base/errors.ts'
import type { Clock } from '../../../io/clock.ts'
import { type Disk, joinPath } from '../../../io/disk.ts'
import type { Random } from '../../../io/random.ts'
import { createLog } from '../../log/index.ts'
import { UUID_BYTES } from '../../log/segment.ts'
import { toError } from '../../ordered/native/errors.ts'
import { NativeAttempt, NativeMoment } from '../../ordered/native/moment.ts'
import { applyOperations } from '../../ordered/native/tree.ts'
import { type ByteOperation, DEFAULT_TREE } from '../../ordered/operation.ts'
import type { Codecs } from '../../ordered/reader.ts'
import type { Attempt, Moment } from '../../ordered/store-engine.ts'
import { StatsFile } from '../../stats-file.ts'
import type { BTreeEngine } from '../btree-engine.ts'
import { describePage } from '../inspect.ts'
import { checkBackupPath } from '../maintenance.ts'
import { DATA_FILE, makeDirectoryAtomically } from '../store-directory.ts'
import type { BTreeStats, BTreeTree, PageDescription, VerifyReport } from '../types.ts'
import type { BTreeCore } from './core.ts'
import { verifyNative } from './examination.ts'
import { NativeBTreeHandle } from './tree.ts'

/** The world outside that the engine has not in its core. */
export interface Outside {
  disk: Disk
  clock: Clock
  random: Random
}

export class NativeEngine implements BTreeEngine {
  readonly core: BTreeCore
  readonly clock: Clock
  readonly path: string
  readonly pageSizeBytes: number
  readonly maxKeyBytes: number
  private readonly outside: Outside
  private readonly figures: StatsFile | undefined
  /** The end of the queue of checkpoints and compactions: one at a time, or they would only fill libuv's pool. */
  private exclusive: Promise<unknown> = Promise.resolve()
  private closed: Promise<void> | undefined
  /** The positions at which the store was closed. */
  private last = { position: 0, durablePosition: 0 }

  constructor(core: BTreeCore, outside: Outside) {
    this.core = core
    this.outside = outside
    this.clock = outside.clock
    this.path = core.path
    this.pageSizeBytes = core.raw.pageSizeBytes
    this.maxKeyBytes = core.maxKeyBytes
    if (!core.readOnly) this.figures = this.keepFigures()
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

  tree<K, V>(name: string, codecs: Codecs<K, V>): BTreeTree<K, V> {
    return new NativeBTreeHandle(this, name, codecs)
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

  checkpoint(): Promise<void> {
    this.core.assertWritable()
    return this.runExclusive(async () => {
      await this.core.run(this.core.raw.checkpoint())
      this.figures?.write()
    })
  }

  compact(): Promise<void> {
    this.core.assertWritable()
    return this.runExclusive(async () => {
      await this.core.run(this.core.raw.compact())
      this.figures?.write()
    })
  }

  /** What was asked for before closing is done before closing. */
  private runExclusive(work: () => Promise<void>): Promise<void> {
    const run = this.exclusive.then(work)
    this.exclusive = run.catch(() => {})
    return run
  }

  // -- the whole store ------------------------------------------------------------------------------------------

  stats(): BTreeStats {
    this.core.assertUsable()
    const { core } = this
    const trees: BTreeStats['trees'] = {}
    let keyCount = 0
    for (const name of core.raw.treeNames().sort()) {
      const measured = core.raw.measure(core.tree(name).handle) ?? core.fail()
      trees[name] = measured
      keyCount += measured.keyCount
    }
    const figures = core.raw.stats()
    const { capacityPages, residentPages, dirtyPages, hits, misses } = figures
    const { appends, frames, syncs, segmentBytes, segmentCount } = figures
    const { pageCount, freePages, retiredPages, dataFileBytes } = figures
    const { position, durablePosition, checkpointPosition, checkpoints } = figures
    return {
      engine: 'native',
      path: this.path,
      pageSizeBytes: this.pageSizeBytes,
      keyCount,
      trees,
      depth: trees[DEFAULT_TREE]?.depth ?? 0,
      dataFileBytes,
      pageCount,
      usedPages: pageCount - freePages - retiredPages,
      freePages,
      retiredPages,
      cache: {
        capacityPages,
        residentPages,
        dirtyPages,
        hits,
        misses,
        hitRatio: misses === 0 ? 1 : hits / (hits + misses),
      },
      log: { appends, frames, syncs, segmentBytes, segmentCount },
      position,
      durablePosition,
      checkpointPosition,
      checkpoints,
      commitsPerSync: syncs === 0 ? 0 : appends / syncs,
      snapshots: { open: figures.openSnapshots, oldestAgeMs: figures.oldestSnapshotMs },
    }
  }

  async verify(): Promise<VerifyReport> {
    return await verifyNative(this.core, this.clock)
  }

  async backup(path: string): Promise<void> {
    this.core.assertUsable()
    const { core } = this
    const { disk, random } = this.outside
    checkBackupPath(disk, path)
    const moment = new NativeMoment(core)
    try {
      await makeDirectoryAtomically(this.outside, path, async (temporary) => {
        core.assertOpen()
        // Another uuid: its log and ours must never be mixed up.
        const uuid = random.bytes(UUID_BYTES)
        await createLog(disk, temporary, uuid, moment.position)
        await core.run(core.raw.copyTo(moment.id, joinPath(temporary, DATA_FILE), uuid))
        core.assertOpen()
      })
    } finally {
      moment.close()
    }
  }

  inspectPage(pageNumber: number): PageDescription {
    const file = this.outside.disk.open(joinPath(this.path, DATA_FILE), 'read')
    try {
      return describePage(file, pageNumber, this.pageSizeBytes)
    } finally {
      file.close()
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
    this.figures?.stop()
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

  private keepFigures(): StatsFile {
    const { core } = this
    return new StatsFile({
      ...this.outside,
      path: this.path,
      get changes() {
        return core.raw.position()
      },
      stats: () => this.stats(),
      keepsFigures: () => core.raw.keepsFigures() === 1,
    })
  }
}
