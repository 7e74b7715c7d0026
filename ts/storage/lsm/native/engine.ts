// The native engine, as the handles of a store see it, in what is its own beside ../../ordered/native/engine.ts.
import type { Clock } from '../../../io/clock.ts'
import { type Disk, joinPath } from '../../../io/disk.ts'
import type { Random } from '../../../io/random.ts'
import type { NativeLsm } from '../../../native/lsm.ts'
import type { NativeCore } from '../../ordered/native/core.ts'
import { NativeStoreEngine } from '../../ordered/native/engine.ts'
import { rangeFlags } from '../../ordered/native/walk.ts'
import type { ByteRange } from '../../ordered/range.ts'
import type { Codecs } from '../../ordered/reader.ts'
import { checkBackupPath, copyStore } from '../backup.ts'
import { Emitter } from '../events.ts'
import type { ByteEntries } from '../ingest.ts'
import { decodeManifest, MANIFEST_FILE, type Manifest } from '../manifest.ts'
import { shortOf } from '../shortage.ts'
import { keepStatsFile } from '../stats.ts'
import { Tables } from '../tables.ts'
import type { LsmStats, LsmTree, LsmVerifyReport } from '../types.ts'
import { verifyTables } from '../verify.ts'
import { Works } from '../works.ts'
import { NativeIngestion, type Outside } from './ingest.ts'
import { statsOf } from './stats.ts'
import { NativeLsmTree } from './tree.ts'

/** Files that are open at a time while a store is verified, beside those of the core. */
const VERIFY_OPEN_FILES = 16
const NOTHING = new Uint8Array(0)
/** The verifier keeps what it needs itself. */
const VERIFY_CACHE_BYTES = 0

export class NativeLsmEngine extends NativeStoreEngine<NativeLsm> {
  readonly disk: Disk
  readonly clock: Clock
  readonly events = new Emitter()
  private readonly random: Random
  private readonly memoryBytes: number
  private readonly ingestion: NativeIngestion
  private readonly stopFigures: () => void
  private readonly works = new Works()

  constructor(core: NativeCore<NativeLsm>, outside: Outside & { memoryBytes: number; tableBytes: number }) {
    super(core)
    this.memoryBytes = outside.memoryBytes
    this.disk = outside.disk
    this.clock = outside.clock
    this.random = outside.random
    this.ingestion = new NativeIngestion(core, outside)
    this.stopFigures = core.readOnly ? () => {} : this.keepFigures()
  }

  /** Called whenever a position has moved, something has ended in the background, or the store has failed. */
  onProgress(): void {
    this.core.acknowledgements.update()
    this.tell()
  }

  tree<K, V>(name: string, codecs: Codecs<K, V>): LsmTree<K, V> {
    return new NativeLsmTree(this, name, codecs)
  }

  /** @throws DISK_FULL where that has to wait for space. */
  override async flushedTo(position: number): Promise<void> {
    const { core } = this
    if (!core.readOnly && core.raw.waitsForSpace() === 1 && position >= core.raw.heldFrom()) throw shortOf(this.path)
    await super.flushedTo(position)
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

  stats(): LsmStats {
    this.core.assertUsable()
    const { raw } = this.core
    return statsOf({ path: this.path, trees: raw.treeNames(), memoryBytes: this.memoryBytes }, raw.stats())
  }

  /** Tables never change, so the TypeScript verifier reads the files of those that are held. */
  async verify(): Promise<LsmVerifyReport> {
    const { core, disk, path } = this
    core.assertUsable()
    const tables = new Tables({ disk, path, cacheBytes: VERIFY_CACHE_BYTES, maxOpenFiles: VERIFY_OPEN_FILES })
    try {
      return await this.works.during(() =>
        this.withManifest(({ version }) =>
          verifyTables(version, tables, { clock: this.clock, assertOpen: () => core.assertUsable() }),
        ),
      )
    } finally {
      tables.close()
    }
  }

  /** Puts entries above all that the tree holds. @returns How many. */
  async ingest(tree: string, entries: ByteEntries): Promise<number> {
    this.core.assertWritable()
    const { count, named } = await this.works.during(async () => {
      const { shape, plan } = await this.withManifest(async (manifest) => manifest)
      return await this.ingestion.attach(tree, entries, { shape, plan })
    })
    await named
    return count
  }

  async backup(path: string): Promise<void> {
    const { core, disk, clock, random } = this
    core.assertWritable()
    checkBackupPath(disk, path)
    const source = { disk, clock, random, mutant: undefined, path: this.path, assertOpen: () => core.assertUsable() }
    await this.works.during(async () => {
      await this.flush()
      core.assertUsable()
      await this.withManifest((manifest) => copyStore(source, path, manifest))
    })
  }

  protected override onClosing(): void {
    this.stopFigures()
  }

  protected override async worksEnded(): Promise<void> {
    await this.works.ended() // each finds the store closed at its next step
    await this.ingestion.end()
  }

  /** @throws DISK_FULL where that has to wait for space. */
  protected override async secure(position: number): Promise<void> {
    const { core } = this
    // What is held back waits for the manifest to name what was ingested, by whatever thread.
    if (core.raw.heldFrom() <= position) await core.run(core.raw.flushFrozen())
    await super.secure(position)
  }

  /** Listeners hear of the work before whoever asked for it goes on. */
  protected override runExclusive<T>(work: () => Promise<T>): Promise<T> {
    return super.runExclusive(() => work().finally(() => this.tell()))
  }

  /** Runs `work` with the manifest in force; the tables that it names stay meanwhile. */
  private async withManifest<T>(work: (manifest: Manifest) => Promise<T>): Promise<T> {
    const { core, path } = this
    const held = core.checked(core.raw.holdTables())
    try {
      return await work(decodeManifest(core.raw.heldManifest(held), joinPath(path, MANIFEST_FILE)))
    } finally {
      if (core.isOpen) core.raw.releaseTables(held)
    }
  }

  private keepFigures(): () => void {
    return keepStatsFile(this, {
      stats: () => this.stats(),
      keepsFigures: () => this.core.raw.keepsFigures() === 1,
    })
  }

  /** Tells listeners of this thread what has ended since the last time. */
  private tell(): void {
    if (!this.core.isOpen) return
    for (const { kind, level, inputBytes, bytes, milliseconds } of this.core.raw.takeEvents() ?? []) {
      if (kind === 'flush') this.events.emit('flush', { level, bytes, milliseconds })
      else if (kind === 'stall') this.events.emit('stall', { bytes, milliseconds })
      else this.events.emit('compaction', { kind, level, inputBytes, bytes, milliseconds })
    }
  }
}
