// Entries become tables by the TypeScript writer, since they come from this thread anyway; the native engine then takes those.
import type { Cancel, Clock } from '../../../io/clock.ts'
import type { Disk } from '../../../io/disk.ts'
import type { Random } from '../../../io/random.ts'
import type { NativeLsm } from '../../../native/lsm.ts'
import type { NativeCore } from '../../ordered/native/core.ts'
import { EMPTY_CATALOGUE } from '../catalogue.ts'
import { attachEntries, type ByteEntries } from '../ingest.ts'
import { encodeManifest, type Manifest } from '../manifest.ts'
import { closedBeforeNamed, isShortage } from '../shortage.ts'
import type { TableInfo } from '../table-format.ts'
import { RETRY_MS } from '../types.ts'
import { Version } from '../version.ts'

/** Above the numbers of all tables. */
const MAX_NUMBER = 2 ** 48 - 1

/** The world outside that the engine has not in its core. */
export interface Outside {
  disk: Disk
  clock: Clock
  random: Random
}

export class NativeIngestion {
  private readonly core: NativeCore<NativeLsm>
  private readonly outside: Outside
  private readonly tableBytes: number
  /** Those who wait until the manifest names what they ingested. */
  private readonly waiting = new Set<Promise<void>>()
  /** What ends their pauses. */
  private readonly wakers = new Set<() => void>()

  constructor(core: NativeCore<NativeLsm>, outside: Outside & { tableBytes: number }) {
    this.core = core
    this.outside = outside
    this.tableBytes = outside.tableBytes
  }

  /**
   * Writes entries to tables, and puts these above all that the tree holds.
   * @param kind - How the store makes and merges tables.
   * @returns How many there were, and when the manifest names them; as `attachEntries`, also in what it throws.
   */
  async attach(
    tree: string,
    entries: ByteEntries,
    kind: Pick<Manifest, 'shape' | 'plan'>,
  ): Promise<{ count: number; named: Promise<void> | undefined }> {
    const { core, tableBytes } = this
    const { disk, clock, random } = this.outside
    const { handle } = core.tree(tree)
    const treeId = core.checked(core.raw.treeFor(handle))
    const target = {
      treeId,
      workshop: {
        disk,
        clock,
        random,
        path: core.path,
        shape: kind.shape,
        mutant: undefined,
        takeNumber: () => core.raw.takeTableNumber(),
        durably: (sync: () => Promise<void>) => this.durably(sync),
      },
      style: kind.plan.style,
      tableBytes,
      assertWritable: () => core.assertWritable(),
      attach: (tables: readonly TableInfo[]) => {
        core.assertWritable()
        core.checked(core.raw.ingest(handle, treeId, manifestOf(tables, kind)))
        return this.wait()
      },
    }
    return await attachEntries(target, entries)
  }

  /** Lets those who wait for space try once more, and waits for all. */
  async end(): Promise<void> {
    for (const wake of this.wakers) wake()
    await Promise.allSettled(this.waiting)
  }

  private wait(): Promise<void> {
    const named = this.named().finally(() => this.waiting.delete(named))
    this.waiting.add(named)
    return named
  }

  /** Resolves when the manifest names what was ingested; while that has to be put off, it is tried again. */
  private async named(): Promise<void> {
    const { core } = this
    for (;;) {
      try {
        await core.run(core.raw.flushFrozen())
        return
      } catch (error) {
        if (!isShortage(error)) throw error
        if (!core.isOpen) throw closedBeforeNamed(core.path)
      }
      await this.pause()
    }
  }

  private async pause(): Promise<void> {
    let cancel: Cancel = () => {}
    let wake = (): void => {}
    await new Promise<void>((resolve) => {
      wake = resolve
      this.wakers.add(wake)
      cancel = this.outside.clock.timer(RETRY_MS, wake)
    })
    cancel()
    this.wakers.delete(wake)
  }

  /** Runs a sync, whose failure is final: what is on disk is unknown then. */
  private async durably(sync: () => Promise<void>): Promise<void> {
    try {
      await sync()
    } catch (error) {
      this.core.raw.failedSync((error as Error).message)
      throw error
    }
  }
}

/** How tables are told to the core. */
function manifestOf(tables: readonly TableInfo[], { shape, plan }: Pick<Manifest, 'shape' | 'plan'>): Uint8Array {
  const added = tables.map((table) => ({ level: 1, table }))
  return encodeManifest({
    uuid: new Uint8Array(16),
    position: 0,
    nextNumber: MAX_NUMBER,
    shape,
    plan,
    catalogue: EMPTY_CATALOGUE,
    version: Version.empty.with({ removed: new Set(), added }),
  })
}
