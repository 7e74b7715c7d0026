// Values that are too large for a leaf, in a chain of overflow pages. They go past the page cache: written when the value
// is put (to places nothing refers to yet), read straight into the answer.
import { BedplateError } from '../../base/errors.ts'
import { lacks } from '../mutant.ts'
import { checkPage, PAGE_HEADER_BYTES, Page, type PageReference, PageType } from './page.ts'
import type { Pager } from './pager.ts'

/** A value gets memory for so much before anybody asks how large the file is. */
const UNCHECKED_BYTES = 64 * 1024

/** Payload bytes of one page of a chain. */
export function chainPageBytes(pageSizeBytes: number): number {
  return pageSizeBytes - PAGE_HEADER_BYTES
}

/** Pages that `length` bytes need: at least one. */
export function chainPageCount(length: number, pageSizeBytes: number): number {
  return Math.max(1, Math.ceil(length / chainPageBytes(pageSizeBytes)))
}

/**
 * Writes `bytes` as a chain into new pages.
 * @returns The first page. On an error (DISK_FULL) the pages are free again and nothing has changed.
 */
export function writeOverflow(pager: Pager, treeId: number, bytes: Uint8Array): PageReference {
  const numbers = Array.from({ length: chainPageCount(bytes.length, pager.pageSizeBytes) }, () =>
    pager.freeList.allocate(),
  )
  const birth = pager.epoch
  try {
    writeChain(pager, { type: PageType.overflow, treeId, numbers, birth }, bytes)
  } catch (error) {
    if (lacks(pager.mutant, 'refused pages back')) throw error
    for (const number of numbers) pager.freeList.release(number)
    throw error
  }
  return { page: numbers[0] as number, birth }
}

/** Writes `bytes` over the given pages, each referring to the next. */
export function writeChain(
  pager: Pager,
  chain: { type: PageType; treeId: number; numbers: readonly number[]; birth: number },
  bytes: Uint8Array,
): void {
  const { type, treeId, numbers, birth } = chain
  const perPage = chainPageBytes(pager.pageSizeBytes)
  const page = new Page(pager.pageSizeBytes)
  for (let i = 0; i < numbers.length; i++) {
    const piece = bytes.subarray(i * perPage, (i + 1) * perPage)
    page.identify(numbers[i] as number, birth)
    page.format(type, treeId, 0)
    page.dataLength = piece.length
    page.bytes.set(piece, PAGE_HEADER_BYTES)
    const next = numbers[i + 1]
    if (next !== undefined) page.reference = { page: next, birth }
    pager.writePage(page)
  }
}

/** Reads a chain of exactly `length` bytes. Bounded by `length`, whatever the pages say. */
export function readOverflow(pager: Pager, first: PageReference, length: number): Uint8Array {
  const value = new ChainValue(pager, first, length)
  for (const page of chainPages(pager, first, PageType.overflow, chainPageCount(length, pager.pageSizeBytes)))
    value.add(page)
  return value.finish()
}

/** The same without blocking for the device. The chain must stay alive (by a snapshot). */
export async function readOverflowAsync(pager: Pager, first: PageReference, length: number): Promise<Uint8Array> {
  const value = new ChainValue(pager, first, length)
  const walk = new ChainWalk(pager, first, PageType.overflow, chainPageCount(length, pager.pageSizeBytes))
  while (!walk.atEnd) value.add(walk.enter(await pager.fetch(walk.page.bytes, walk.offset)))
  return value.finish()
}

/** A value that is put together from the pages of its chain. */
class ChainValue {
  private readonly pager: Pager
  private readonly first: PageReference
  private readonly value: Uint8Array
  private filled = 0

  constructor(pager: Pager, first: PageReference, length: number) {
    if (length > UNCHECKED_BYTES && length > pager.file.size()) {
      throw chainCorruption(pager, first.page, `is said to begin a value of ${length} bytes, more than the file has`)
    }
    this.pager = pager
    this.first = first
    this.value = new Uint8Array(length)
  }

  add(page: Page): void {
    const { dataLength } = page
    if (this.filled + dataLength > this.value.length) {
      throw chainCorruption(this.pager, page.pageNumber, 'holds more than its value')
    }
    this.value.set(page.bytes.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + dataLength), this.filled)
    this.filled += dataLength
  }

  finish(): Uint8Array {
    const { filled, value } = this
    if (filled !== value.length) {
      throw chainCorruption(this.pager, this.first.page, `chain ends after ${filled} of ${value.length} bytes`)
    }
    return value
  }
}

/**
 * The pages of a chain in order. The same Page object is handed out each time, filled anew.
 * @param maxPages - A longer chain is corrupt: a loop cannot catch us.
 */
export function* chainPages(pager: Pager, first: PageReference, type: PageType, maxPages: number): Generator<Page> {
  const walk = new ChainWalk(pager, first, type, maxPages)
  while (!walk.atEnd) yield walk.enter(pager.file.read(walk.page.bytes, walk.offset))
}

/** The steps of walking a chain, apart from the reads, which may block or not. */
class ChainWalk {
  /** Read the next page into its bytes, from `offset` of the data file; then call `enter`. */
  readonly page: Page
  private readonly pager: Pager
  private readonly type: PageType
  private readonly maxPages: number
  private reference: PageReference
  private count = 0

  constructor(pager: Pager, first: PageReference, type: PageType, maxPages: number) {
    this.pager = pager
    this.type = type
    this.maxPages = maxPages
    this.reference = first
    this.page = new Page(pager.pageSizeBytes)
  }

  get atEnd(): boolean {
    return this.reference.page === 0
  }

  get offset(): number {
    return this.pager.offsetOf(this.reference)
  }

  enter(bytesRead: number): Page {
    const { pager, page, reference } = this
    if (this.count++ === this.maxPages)
      throw chainCorruption(pager, reference.page, `chain is longer than its ${this.maxPages} pages`)
    if (bytesRead < pager.pageSizeBytes) throw chainCorruption(pager, reference.page, 'lies beyond the end of the file')
    checkPage(page, reference, pager.file.path, pager.mutant)
    if (page.type !== this.type)
      throw chainCorruption(pager, reference.page, `is of type ${page.type}, not ${this.type}`)
    page.pageNumber = reference.page
    page.birth = reference.birth
    this.reference = page.reference
    return page
  }
}

/** Takes the chain of a value out of the current state. */
export function retireOverflow(pager: Pager, first: PageReference, length: number): void {
  const pages: PageReference[] = []
  for (const page of chainPages(pager, first, PageType.overflow, chainPageCount(length, pager.pageSizeBytes))) {
    pages.push({ page: page.pageNumber, birth: page.birth })
  }
  for (const page of pages) pager.retire(page)
}

function chainCorruption(pager: Pager, page: number, problem: string): BedplateError {
  return new BedplateError(
    'CORRUPTION',
    `${pager.file.path}, page ${page} (offset ${page * pager.pageSizeBytes}): ${problem}`,
  )
}
