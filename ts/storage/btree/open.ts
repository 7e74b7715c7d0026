// Opening a store: lock, metas, list of free pages, replay of the log.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import { overlayFile } from '../../io/overlay-file.ts'
import type { Random } from '../../io/random.ts'
import { isVacant } from '../directory.ts'
import { openLog } from '../log/index.ts'
import type { Durability, Log } from '../log/types.ts'
import { lacks } from '../mutant.ts'
import { Catalogue } from './catalogue.ts'
import { epochsOf, type MetaState } from './checkpoint.ts'
import { Engine } from './engine.ts'
import { decodePageNumbers, FreeList, type RetiredPage } from './free-list.ts'
import { decodeMeta, META_BYTES, type Meta, type MetaResult } from './meta.ts'
import type { Mutant } from './mutant.ts'
import { chainPages } from './overflow.ts'
import { PAGE_HEADER_BYTES, type PageReference, PageType } from './page.ts'
import { Pager } from './pager.ts'
import { replayer } from './replay.ts'
import { checkFormat, checkParts, createStore, DATA_FILE, LEFTOVERS, newerVersion } from './store-directory.ts'
import { MAX_PAGE_SIZE_BYTES } from './types.ts'

/** Everything that the engine takes as given. Unlike the public options, nothing here is optional or checked. */
export interface EngineOptions {
  disk: Disk
  clock: Clock
  random: Random
  path: string
  create: boolean | 'new'
  readOnly: boolean
  pageSizeBytes: number
  cacheBytes: number
  durability: Durability
  checkpointLogBytes: number
  denseCloseBytes: number
  firstSegmentBytes: number
  maxSegmentBytes: number
  /** Only for tests of the crash suite. */
  mutant?: Mutant | undefined
}

/** Opens (or makes) the store at `options.path`. Whatever fails, the lock and the files are given back. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { disk, path, mutant } = options
  await makeOrFind(options)
  const lock = disk.lock(path, options.readOnly ? 'reader' : 'writer')
  let file: DiskFile | undefined
  try {
    checkParts(disk, path)
    if (!options.readOnly && !lacks(mutant, 'leftovers removed')) removeLeftovers(disk, path)
    file = disk.open(joinPath(path, DATA_FILE), options.readOnly ? 'read' : 'write')
    const inMemory = options.readOnly && !lacks(mutant, 'reader in memory')
    const { pager, metas } = openPager(inMemory ? overlayFile(file) : file, options)
    const catalogue = new Catalogue(pager, metas.current.catalogue, metas.current.nextTreeId)
    const log = await openStoreLog(options, metas.current, replayer(catalogue, pager))
    const engine = new Engine({ ...options, lock, pager, catalogue, log, metas })
    return engine
  } catch (error) {
    file?.close()
    lock.release()
    throw error
  }
}

/** Makes the store, or sees to it that there is one of ours. */
export async function makeOrFind(options: EngineOptions): Promise<void> {
  const { disk, path, create } = options
  if (!isVacant(disk, path)) {
    if (create === 'new') throw new BedplateError('ALREADY_EXISTS', `${path} exists already`)
    if (disk.kind(path) === 'file') throw new BedplateError('INCOMPATIBLE', `${path} is a file; a store is a directory`)
    checkFormat(disk, path)
    return
  }
  if (create === false) {
    throw new BedplateError('NOT_FOUND', `there is no store at ${path}`, {
      hint: 'make one: openBTree(path, { create: true })',
    })
  }
  if (options.readOnly) throw new BedplateError('INVALID_INPUT', 'a store cannot be created for reading only')
  await createStore({ disk, random: options.random, mutant: options.mutant }, path, options.pageSizeBytes)
}

/** What a compaction or a writer of figures left behind when it was cut off. */
function removeLeftovers(disk: Disk, path: string): void {
  const names = disk.list(path)
  for (const name of LEFTOVERS) if (names.includes(name)) disk.unlink(joinPath(path, name))
}

function openStoreLog(options: EngineOptions, meta: Meta, apply: (record: Uint8Array) => void): Promise<Log> {
  return openLog({
    disk: options.disk,
    clock: options.clock,
    directory: options.path,
    uuid: meta.uuid,
    durability: options.durability,
    keptElsewhere: lacks(options.mutant, 'replay from L') ? 0 : meta.position,
    readOnly: options.readOnly,
    firstSegmentBytes: options.firstSegmentBytes,
    maxSegmentBytes: options.maxSegmentBytes,
    replay: (_sequence, record) => apply(record),
  })
}

// -- metas and free pages -----------------------------------------------------------------------------------------

/** Reads the metas and builds the pager on the newer one. */
export function openPager(
  file: DiskFile,
  options: { cacheBytes: number; mutant?: Mutant | undefined },
): { pager: Pager; metas: MetaState } {
  const { cacheBytes, mutant } = options
  const metas = readMetas(file, mutant)
  const { current, older } = metas
  // A pager only to read the lists with: it sees no page of the tree.
  const reader = new Pager(file, { ...current, cacheBytes: 0, freeList: new FreeList(), mutant })
  const currentList = readFreeList(reader, current)
  const olderFree = older === undefined ? undefined : readOlderList(reader, older)
  if (older !== undefined && olderFree === undefined) metas.older = undefined
  const needed = lacks(mutant, 'older pages after opening') ? undefined : olderFree
  const { free, retired } = divide(currentList.numbers, metas.older, needed)
  metas.freeListPages = currentList.pages
  const pager = new Pager(file, {
    pageSizeBytes: current.pageSizeBytes,
    cacheBytes,
    freeList: new FreeList(current.pageCount, free, retired),
    epoch: current.epoch + 1,
    mutant,
  })
  pager.metaEpochs = epochsOf(metas, mutant)
  return { pager, metas }
}

/** What the current state does not use is free, unless the older meta still does. */
function divide(
  unused: number[],
  older: Meta | undefined,
  olderFree: Set<number> | undefined,
): { free: number[]; retired: RetiredPage[] } {
  if (older === undefined || olderFree === undefined) return { free: unused.reverse(), retired: [] }
  const free: number[] = []
  const retired: RetiredPage[] = []
  for (const page of unused) {
    if (page >= older.pageCount || olderFree.has(page)) free.push(page)
    else retired.push({ page, birth: older.epoch, retiredAt: older.epoch + 1 })
  }
  return { free: free.reverse(), retired } // the lowest is taken first
}

function readFreeList(pager: Pager, meta: Meta): { numbers: number[]; pages: PageReference[] } {
  const pages: PageReference[] = []
  const pieces: Uint8Array[] = []
  const pagesInFile = Math.floor(pager.file.size() / pager.pageSizeBytes)
  for (const page of chainPages(pager, meta.freeList, PageType.freeList, pagesInFile)) {
    pages.push({ page: page.pageNumber, birth: page.birth })
    pieces.push(page.bytes.slice(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + page.dataLength))
  }
  const numbers = decodePageNumbers(Buffer.concat(pieces), meta.freeCount, meta.pageCount)
  if (numbers === undefined)
    throw new BedplateError('CORRUPTION', `${pager.file.path}: the list of free pages is broken`)
  return { numbers, pages }
}

/** The older meta is a fallback: if its list cannot be read, it is none, and nothing has to be kept for it. */
function readOlderList(pager: Pager, meta: Meta): Set<number> | undefined {
  try {
    return new Set(readFreeList(pager, meta).numbers)
  } catch (error) {
    if (isCode(error, 'CORRUPTION')) return undefined
    throw error
  }
}

/** Both metas: the whole one with the larger epoch is the current one. */
function readMetas(file: DiskFile, mutant: Mutant | undefined): MetaState {
  const first = readMeta(file, 0, mutant)
  const second = findSecond(file, first, mutant)
  for (const result of [first, second]) if (result.kind === 'newer') throw newerVersion(file.path, result.version)
  const a = first.kind === 'ok' ? first.meta : undefined
  const b = second.kind === 'ok' ? second.meta : undefined
  if (a === undefined && b === undefined) throw noMeta(file, first)
  const both = a !== undefined && b !== undefined
  const isFirst = both ? a.epoch > b.epoch !== lacks(mutant, 'newer meta') : a !== undefined
  const currentSlot = isFirst ? 0 : 1
  return {
    current: (currentSlot === 0 ? a : b) as Meta,
    older: currentSlot === 0 ? b : a,
    currentSlot,
    freeListPages: [],
  }
}

function noMeta(file: DiskFile, first: MetaResult): BedplateError {
  if (file.size() === 0) return new BedplateError('CORRUPTION', `${file.path} is empty`, { hint: 'restore a backup' })
  if (first.kind === 'foreign')
    return new BedplateError('INCOMPATIBLE', `${file.path} is not the data file of a B-tree store`)
  return new BedplateError('CORRUPTION', `${file.path}: both meta blocks are damaged`, { hint: 'restore a backup' })
}

/** The second meta lies one page in; without the first one, the page size has to be guessed. */
function findSecond(file: DiskFile, first: MetaResult, mutant: Mutant | undefined): MetaResult {
  if (first.kind === 'ok') return readMeta(file, first.meta.pageSizeBytes, mutant)
  for (let size = META_BYTES; size <= MAX_PAGE_SIZE_BYTES; size *= 2) {
    const result = readMeta(file, size, mutant)
    if (result.kind === 'newer' || (result.kind === 'ok' && result.meta.pageSizeBytes === size)) return result
  }
  return { kind: 'foreign' }
}

function readMeta(file: DiskFile, position: number, mutant: Mutant | undefined): MetaResult {
  const bytes = new Uint8Array(META_BYTES)
  return decodeMeta(bytes.subarray(0, file.read(bytes, position)), mutant)
}
