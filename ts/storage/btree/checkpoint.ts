// A checkpoint: the state at one log position, written beside everything that is still needed, then one meta flipped.
//
// Order, each step durable before the next begins:
//   1. the log up to L
//   2. the pages of the state, to places that neither meta nor an open snapshot needs, and the list of free pages
//   3. the meta block that holds the older state
//   4. only then: pages and log segments that the older meta needed are free
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import type { Log } from '../log/types.ts'
import { lacks } from '../mutant.ts'
import type { Catalogue } from './catalogue.ts'
import { encodePageNumbers, MAX_NUMBER_BYTES } from './free-list.ts'
import { encodeMeta, eraseMeta, type Meta } from './meta.ts'
import type { Mutant } from './mutant.ts'
import { chainPageBytes, writeChain } from './overflow.ts'
import { NO_PAGE, type PageReference, PageType } from './page.ts'
import type { Pager } from './pager.ts'

/** Pages written before other work gets a turn. */
const PAGES_A_TURN = 64

/** The two metas as they are on disk, and which block holds the newer one. */
export interface MetaState {
  current: Meta
  /** Absent if its block was found damaged. */
  older: Meta | undefined
  currentSlot: 0 | 1
  /** Pages of the newest list of free pages: the current meta's, or the one that a checkpoint is writing. */
  freeListPages: PageReference[]
}

/** The epochs that the metas need, older first. */
export function epochsOf({ current, older }: MetaState, mutant: Mutant | undefined): number[] {
  if (older === undefined || lacks(mutant, 'pages of the older meta')) return [current.epoch]
  return lacks(mutant, 'pages of the meta') ? [older.epoch] : [older.epoch, current.epoch]
}

/** What a checkpoint works on. */
export interface CheckpointTarget {
  pager: Pager
  catalogue: Catalogue
  log: Log
  clock: Clock
  metas: MetaState
  /** Page numbers taken but not part of any state yet: a bulk load under way. */
  unattached: ReadonlySet<number>
  mutant: Mutant | undefined
}

/**
 * Writes the state of this moment.
 * @param flushTo - The log position that has to be durable first; less than the last one only while the log is held.
 * @returns The metas as they are now. On DISK_FULL nothing has changed; on other errors nothing is known.
 */
export async function writeCheckpoint(target: CheckpointTarget, flushTo?: number): Promise<MetaState> {
  const { pager, log, metas, mutant } = target
  const epoch = pager.openEpoch()
  pager.beginCheckpoint(epoch)
  try {
    const { list, ...meta } = captureState(target, epoch)
    if (!lacks(mutant, 'log before meta')) await log.flushedTo(flushTo ?? meta.position)
    const other = metas.currentSlot === 0 ? 1 : 0
    // What is left of a damaged meta must not become whole again as a part of a torn write of the new one.
    if (metas.older === undefined) eraseMeta(pager.file, other * pager.pageSizeBytes)
    await writeState(target, epoch, list)
    if (!lacks(mutant, 'pages before meta')) await sync(target)
    const slot = lacks(mutant, 'other slot') ? metas.currentSlot : other
    // From here on the new state may be what a crash leaves.
    if (!lacks(mutant, 'pages of the new meta')) pager.metaEpochs = [...pager.metaEpochs, epoch]
    pager.file.write(encodeMeta(meta), slot * pager.pageSizeBytes)
    if (!lacks(mutant, 'meta before reuse')) await sync(target)
    return { current: meta, older: metas.current, currentSlot: slot, freeListPages: metas.freeListPages }
  } finally {
    pager.closeEpoch(epoch)
  }
}

/**
 * An upper bound of the pages that a checkpoint begun now would allocate, with one change to the catalogue before it: its
 * path, split at every level, and the list of free pages, which that change makes a little longer.
 */
export function pagesOfNextCheckpoint(target: CheckpointTarget): number {
  const { pager, catalogue, metas } = target
  const listBytes = encodePageNumbers(unusedPages(target)).length
  const moreNumbers = catalogue.depth + metas.freeListPages.length
  const listPages = Math.ceil((listBytes + moreNumbers * MAX_NUMBER_BYTES) / chainPageBytes(pager.pageSizeBytes))
  return 2 * (catalogue.depth + 1) + listPages
}

/** A list of free pages, and the pages that it goes to. */
interface LaidOutList {
  pages: number[]
  bytes: Uint8Array
}

/** Writes the pages of the state of `epoch`, and its list of free pages. */
async function writeState(target: CheckpointTarget, epoch: number, list: LaidOutList): Promise<void> {
  const { pager, clock, metas } = target
  try {
    await writeDirtyPages(pager, clock, epoch)
    writeChain(pager, { type: PageType.freeList, treeId: 0, numbers: list.pages, birth: epoch }, list.bytes)
  } catch (error) {
    // Whoever gets DISK_FULL goes on with the old metas: the list's pages are nobody's then.
    if (isCode(error, 'DISK_FULL')) {
      for (const page of list.pages) pager.freeList.release(page)
      metas.freeListPages = []
    }
    throw error
  }
}

/** A failed sync is no refusal, whatever its reason: nothing is known any more of what it was to cover. */
async function sync({ pager: { file }, mutant }: CheckpointTarget): Promise<void> {
  try {
    await file.sync()
  } catch (cause) {
    if (lacks(mutant, 'failed sync')) throw cause
    throw new BedplateError('IO', `${file.path} could not be synced`, { cause })
  }
}

/** The meta of this moment, and its list of free pages laid out. No I/O: it is one instant of the single writer. */
function captureState(target: CheckpointTarget, epoch: number): Meta & { list: LaidOutList } {
  const { pager, catalogue, log, metas } = target
  const { freeList } = pager
  for (const { page, birth } of metas.freeListPages) freeList.retire({ page, birth, retiredAt: epoch })

  // Taking pages for the list can only make the list shorter, so the first count is enough.
  const bytesBefore = encodePageNumbers(unusedPages(target)).length
  const pages = Array.from({ length: Math.ceil(bytesBefore / chainPageBytes(pager.pageSizeBytes)) }, () =>
    freeList.allocate(),
  )
  metas.freeListPages = pages.map((page) => ({ page, birth: epoch }))
  const unused = unusedPages(target)
  return {
    pageSizeBytes: pager.pageSizeBytes,
    epoch,
    position: log.lastPosition,
    pageCount: freeList.pageCount,
    catalogue: catalogue.root,
    freeList: pages.length === 0 ? NO_PAGE : { page: pages[0] as number, birth: epoch },
    uuid: metas.current.uuid,
    freeCount: unused.length,
    nextTreeId: catalogue.nextTreeId,
    list: { pages, bytes: encodePageNumbers(unused) },
  }
}

function unusedPages({ pager, unattached, mutant }: CheckpointTarget): Float64Array {
  const unused = pager.freeList.unusedPages()
  return unattached.size === 0 || lacks(mutant, 'loading pages are free')
    ? unused
    : Float64Array.from([...unused, ...unattached]).sort()
}

async function writeDirtyPages(pager: Pager, clock: Clock, epoch: number): Promise<void> {
  let written = 0
  for (const page of pager.dirtyPages(epoch)) {
    if (!page.dirty) continue // evicted or freed while others had their turn
    pager.writePage(page)
    if (++written % PAGES_A_TURN === 0) await clock.turn()
  }
}
