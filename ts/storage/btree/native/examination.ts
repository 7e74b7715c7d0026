// Verifying a store that the native engine runs: the TypeScript verifier reads a moment's pages through the core, which
// knows of pages that memory is ahead with.

import { BedplateError } from '../../../base/errors.ts'
import type { Clock } from '../../../io/clock.ts'
import { type DiskFile, joinPath } from '../../../io/disk.ts'
import { FreeList } from '../free-list.ts'
import { Pager } from '../pager.ts'
import { DATA_FILE } from '../store-directory.ts'
import type { VerifyReport } from '../types.ts'
import { verifyState } from '../verify.ts'
import type { BTreeCore } from './core.ts'

export async function verifyNative(core: BTreeCore, clock: Clock): Promise<VerifyReport> {
  core.assertOpen()
  const found = core.raw.examine() ?? core.fail()
  try {
    const { pageSizeBytes } = core.raw
    const pager = new Pager(new MomentFile(core, found.snapshot), {
      pageSizeBytes,
      cacheBytes: 0,
      freeList: new FreeList(),
      epoch: 1,
    })
    const catalogue = { page: found.cataloguePage, birth: found.catalogueBirth }
    const listPages = []
    for (let i = 0; i < found.listPages.length; i += 2) {
      listPages.push({ page: found.listPages[i] as number, birth: found.listPages[i + 1] as number })
    }
    const { pageCount, unused } = found
    return await verifyState({ pager, catalogue }, { pageCount, unused, listPages }, clock)
  } finally {
    if (core.isOpen) core.raw.closeSnapshot(found.snapshot)
  }
}

/** The data file as a snapshot sees it, to be read page by page. */
class MomentFile implements DiskFile {
  readonly path: string
  private readonly core: BTreeCore
  private readonly snapshot: number

  constructor(core: BTreeCore, snapshot: number) {
    this.core = core
    this.snapshot = snapshot
    this.path = joinPath(core.path, DATA_FILE)
  }

  read(target: Uint8Array, position: number): number {
    this.core.assertOpen()
    return this.core.checked(this.core.raw.readPage(this.snapshot, position / this.core.raw.pageSizeBytes, target))
  }

  async readAsync(target: Uint8Array, position: number): Promise<number> {
    return this.read(target, position)
  }

  close(): void {}

  size = notForReading
  write = notForReading
  truncate = notForReading
  sync = notForReading
  syncNow = notForReading
}

function notForReading(): never {
  throw new BedplateError('INTERNAL', 'a moment of a store can only be read')
}
