// Which page numbers are free, and which are waiting because somebody may still read them.
//
// A page lives from its birth to the moment it is retired (replaced by a copy, or emptied). A reader or a meta that shows
// epoch e needs exactly the pages with birth <= e < retiredAt. So a retired page is free as soon as no live snapshot and
// neither meta lies in that interval: a pinned snapshot holds back the pages of its own moment, not all later ones.
import { assert } from '../../base/errors.ts'
import { FIRST_PAGE } from './meta.ts'

/** A page that left the current state. */
export interface RetiredPage {
  page: number
  birth: number
  retiredAt: number
}

/** The allocator of page numbers. Pure: it knows nothing of files. */
export class FreeList {
  /** Pages of the file, the two metas included; allocation beyond it grows the file. */
  pageCount: number
  /** Free now, to be taken from the end. */
  private readonly free: number[]
  private retired: RetiredPage[]
  private reclaimAt = 64

  constructor(pageCount = FIRST_PAGE, free: number[] = [], retired: RetiredPage[] = []) {
    this.pageCount = pageCount
    this.free = free
    this.retired = retired
  }

  get freeCount(): number {
    return this.free.length
  }
  get retiredCount(): number {
    return this.retired.length
  }

  allocate(): number {
    return this.free.pop() ?? this.pageCount++
  }

  /** Gives back a page that nobody but the current state ever saw. */
  release(page: number): void {
    assert(page >= FIRST_PAGE && page < this.pageCount, 'a released page is one of ours')
    this.free.push(page)
  }

  /** Takes a page out of the current state; it becomes free once nobody needs it. */
  retire(retired: RetiredPage): void {
    this.retired.push(retired)
  }

  /** True once so many pages wait that a look at them pays. */
  get wantsReclaim(): boolean {
    return this.retired.length >= this.reclaimAt
  }

  /**
   * Frees what no epoch in `needed` (sorted, rising) can see. O(retired x log needed).
   * @param onFree - Told of each freed page.
   */
  reclaim(needed: readonly number[], onFree: (page: number) => void): void {
    const waiting: RetiredPage[] = []
    for (const entry of this.retired) {
      if (isNeeded(entry, needed)) waiting.push(entry)
      else {
        this.free.push(entry.page)
        onFree(entry.page)
      }
    }
    this.retired = waiting
    this.reclaimAt = Math.max(64, waiting.length * 2)
  }

  /** Every page number that the current state does not use: what a checkpoint writes down. Sorted, rising. */
  unusedPages(): Float64Array {
    const numbers = new Float64Array(this.free.length + this.retired.length)
    numbers.set(this.free)
    for (let i = 0; i < this.retired.length; i++) numbers[this.free.length + i] = (this.retired[i] as RetiredPage).page
    return numbers.sort()
  }
}

function isNeeded({ birth, retiredAt }: RetiredPage, needed: readonly number[]): boolean {
  // The first epoch >= birth; it needs the page if it lies before the retirement.
  let low = 0
  let high = needed.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((needed[middle] as number) < birth) low = middle + 1
    else high = middle
  }
  return low < needed.length && (needed[low] as number) < retiredAt
}

// The list on disk: rising page numbers, each as the LEB128 of its distance to the one before, cut into free-list pages
// at any byte; `dataLength` of each page says how many bytes of the stream it holds.

/** What one number takes at most. */
export const MAX_NUMBER_BYTES = 7

/** The numbers as one stream. */
export function encodePageNumbers(numbers: Float64Array): Uint8Array {
  const bytes = new Uint8Array(numbers.length * MAX_NUMBER_BYTES)
  let length = 0
  let previous = 0
  for (const number of numbers) {
    let distance = number - previous
    previous = number
    while (distance >= 0x80) {
      bytes[length++] = (distance % 0x80) | 0x80
      distance = Math.floor(distance / 0x80)
    }
    bytes[length++] = distance
  }
  return bytes.subarray(0, length)
}

/** The reverse. @returns undefined if the stream is not a rising list of `count` numbers in [FIRST_PAGE, pageCount). */
export function decodePageNumbers(bytes: Uint8Array, count: number, pageCount: number): number[] | undefined {
  const numbers: number[] = []
  let at = 0
  let previous = 0
  while (numbers.length < count) {
    let distance = 0
    let scale = 1
    let byte: number
    do {
      if (at >= bytes.length || scale > 2 ** 49) return undefined
      byte = bytes[at++] as number
      distance += (byte & 0x7f) * scale
      scale *= 0x80
    } while (byte >= 0x80)
    const number = previous + distance
    if (distance === 0 || number < FIRST_PAGE || number >= pageCount) return undefined
    numbers.push(number)
    previous = number
  }
  return at === bytes.length ? numbers : undefined
}
