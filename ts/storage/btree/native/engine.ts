// The native engine, as the handles of a store see it, in what is its own beside ../../ordered/native/engine.ts.
import type { Clock } from '../../../io/clock.ts'
import { type Disk, joinPath } from '../../../io/disk.ts'
import type { Random } from '../../../io/random.ts'
import type { NativeBTree } from '../../../native/btree.ts'
import { createLog } from '../../log/index.ts'
import { UUID_BYTES } from '../../log/segment.ts'
import { NativeStoreEngine } from '../../ordered/native/engine.ts'
import { NativeMoment } from '../../ordered/native/moment.ts'
import { DEFAULT_TREE } from '../../ordered/operation.ts'
import type { PackedOperations } from '../../ordered/packed-operations.ts'
import type { Codecs } from '../../ordered/reader.ts'
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

export class NativeEngine extends NativeStoreEngine<NativeBTree> implements BTreeEngine {
  readonly clock: Clock
  readonly pageSizeBytes: number
  private readonly outside: Outside
  private readonly figures: StatsFile | undefined

  constructor(core: BTreeCore, outside: Outside) {
    super(core)
    this.outside = outside
    this.clock = outside.clock
    this.pageSizeBytes = core.raw.pageSizeBytes
    if (!core.readOnly) this.figures = this.keepFigures()
  }

  tree<K, V>(name: string, codecs: Codecs<K, V>): BTreeTree<K, V> {
    return new NativeBTreeHandle(this, name, codecs)
  }

  applyPacked(trees: readonly string[], { bytes, count }: PackedOperations): Promise<void> {
    const { core } = this
    core.assertWritable()
    return core.written(
      core.raw.apply(
        bytes,
        count,
        trees.map((name) => core.tree(name).handle),
      ),
    )
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

  protected override onClosing(): void {
    this.figures?.stop()
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
