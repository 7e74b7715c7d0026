// The native engine, as the handles of a store see it, in what is its own beside ../../ordered/native/engine.ts.
import type { Clock } from '../../../io/clock.ts'
import { type Disk, joinPath } from '../../../io/disk.ts'
import type { NativeLsm } from '../../../native/lsm.ts'
import type { NativeCore } from '../../ordered/native/core.ts'
import { NativeStoreEngine } from '../../ordered/native/engine.ts'
import { rangeFlags } from '../../ordered/native/walk.ts'
import type { ByteRange } from '../../ordered/range.ts'
import type { Codecs } from '../../ordered/reader.ts'
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

export class NativeLsmEngine extends NativeStoreEngine<NativeLsm> {
  private readonly outside: Outside
  private readonly memoryBytes: number

  constructor(core: NativeCore<NativeLsm>, outside: Outside & { memoryBytes: number }) {
    super(core)
    this.memoryBytes = outside.memoryBytes
    this.outside = { disk: outside.disk, clock: outside.clock }
  }

  tree<K, V>(name: string, codecs: Codecs<K, V>): LsmTree<K, V> {
    return new NativeLsmTree(this, name, codecs)
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
}
