// The pager: a bounded cache of pages over the data file, and the rule of copy-on-write.
//
// Every state anybody may still look at (an open snapshot, a checkpoint being written, the two metas) is an epoch.
// A page may be edited in place only if it was born after the newest of them; otherwise the writer edits a copy at another
// place and retires the original. So readers never see a page change, and what a meta refers to is never overwritten.
//
// Address and birth mean one content: a page that was written and is edited again is born again, and no two pages that were
// written to one place have the same birth. So a write that the disk lost is found by the reference to it.
import { assert, BedplateError, isCode } from '../../base/errors.ts'
import type { DiskFile } from '../../io/disk.ts'
import { lacks } from '../mutant.ts'
import type { FreeList } from './free-list.ts'
import type { Mutant } from './mutant.ts'
import { checkPage, Page, type PageReference, type PageType } from './page.ts'
import { MIN_CACHE_PAGES } from './types.ts'

/** Figures of the cache since opening. */
export interface CacheStats {
  capacityPages: number
  residentPages: number
  dirtyPages: number
  hits: number
  misses: number
  hitRatio: number
}

export class Pager {
  readonly file: DiskFile
  readonly pageSizeBytes: number
  readonly freeList: FreeList
  readonly capacityPages: number
  readonly mutant: Mutant | undefined
  /** The epoch that new pages are born in; larger than that of every snapshot, checkpoint, meta and written page. */
  epoch: number
  /** Epochs of the two metas on disk, older first. */
  metaEpochs: number[] = []
  /** Set once a page could not be written back, for another reason than a full disk: the owner must take no more work. */
  failure: unknown

  /** In order of use, oldest first, with a second chance: see `trim`. */
  private readonly pages = new Map<number, Page>()
  /** Epochs of open snapshots, rising. */
  private readonly snapshots: number[] = []
  private checkpointEpoch: number
  private frozenEpoch: number
  private dirtyCount = 0
  /** Reads in the background. */
  private fetches = 0
  private closing: { isIdle: () => boolean; closed: () => void } | undefined
  private hits = 0
  private misses = 0

  constructor(
    file: DiskFile,
    options: {
      pageSizeBytes: number
      cacheBytes: number
      freeList: FreeList
      epoch: number
      mutant?: Mutant | undefined
    },
  ) {
    this.file = file
    this.pageSizeBytes = options.pageSizeBytes
    this.capacityPages = Math.max(MIN_CACHE_PAGES, Math.floor(options.cacheBytes / options.pageSizeBytes))
    this.freeList = options.freeList
    this.mutant = options.mutant
    this.epoch = options.epoch
    this.checkpointEpoch = options.epoch - 1
    this.frozenEpoch = options.epoch - 1
  }

  /** The page that `reference` means. Throws CORRUPTION if the file holds something else there. */
  read(reference: PageReference): Page {
    const cached = this.cached(reference)
    if (cached !== undefined) return cached
    this.misses++
    const page = new Page(this.pageSizeBytes)
    return this.admit(page, reference, this.file.read(page.bytes, this.offsetOf(reference)))
  }

  /** The page as it is in the file, past the cache, unless memory is ahead of the file: for checks of what is stored. */
  readFresh(reference: PageReference): Page {
    const cached = this.pages.get(reference.page)
    if (cached?.dirty) return this.read(reference)
    const page = new Page(this.pageSizeBytes)
    this.check(page, reference, this.file.read(page.bytes, this.offsetOf(reference)))
    return page
  }

  /** The same as `read` without blocking: for callers that found `cached` empty. The reference must stay alive (by a snapshot). */
  async readAsync(reference: PageReference): Promise<Page> {
    const page = new Page(this.pageSizeBytes)
    const read = await this.fetch(page.bytes, this.offsetOf(reference))
    const meanwhile = this.cached(reference)
    if (meanwhile !== undefined) return meanwhile
    this.misses++
    const admitted = this.admit(page, reference, read)
    this.trim()
    return admitted
  }

  /** Where in the file a page lies. Throws CORRUPTION for a reference to where no file reaches: only a forged page has one. */
  offsetOf({ page }: PageReference): number {
    const offset = page * this.pageSizeBytes
    if (Number.isSafeInteger(offset)) return offset
    throw new BedplateError('CORRUPTION', `${this.file.path}: a reference leads to page ${page}`)
  }

  /** Reads from the data file without blocking. `close` waits for it. */
  async fetch(target: Uint8Array, position: number): Promise<number> {
    this.fetches++
    try {
      return await this.file.readAsync(target, position)
    } finally {
      this.fetches--
      this.closeIfIdle()
    }
  }

  /** The page if it is in memory. */
  cached(reference: PageReference): Page | undefined {
    const page = this.pages.get(reference.page)
    if (page === undefined) return undefined
    if (page.birth !== reference.birth) {
      // Only a reference that nothing protects any more, or a forged one, can mean another life of this place.
      throw new BedplateError(
        'CORRUPTION',
        `${this.file.path}: a reference means page ${reference.page} of epoch ${reference.birth}, which is of epoch ${page.birth}`,
      )
    }
    page.referenced = true
    this.hits++
    return page
  }

  /** True if nobody but the current state can see a page of that birth. */
  isPrivate(birth: number): boolean {
    return birth > this.frozenEpoch || lacks(this.mutant, 'copy on write')
  }

  /** A new empty page of the current state. */
  allocate(type: PageType, treeId: number, level: number): Page {
    const page = new Page(this.pageSizeBytes)
    page.identify(this.freeList.allocate(), this.epoch)
    page.format(type, treeId, level)
    this.adopt(page)
    return page
  }

  /**
   * `page` itself if it may be edited in place, else a copy of it at a new place; the original is retired. In either case its
   * birth may have become another: then the reference to it has to follow.
   */
  writable(page: Page): Page {
    if (this.isPrivate(page.birth)) {
      this.markDirty(page)
      return page
    }
    const copy = new Page(this.pageSizeBytes)
    copy.bytes.set(page.bytes)
    copy.identify(this.freeList.allocate(), this.epoch)
    this.adopt(copy)
    this.retire({ page: page.pageNumber, birth: page.birth })
    return copy
  }

  /** Takes a page out of the current state. */
  retire(reference: PageReference): void {
    if (this.isPrivate(reference.birth)) {
      this.forget(reference.page)
      this.freeList.release(reference.page)
      return
    }
    this.freeList.retire({ page: reference.page, birth: reference.birth, retiredAt: this.epoch })
    if (this.freeList.wantsReclaim) this.reclaim()
  }

  /** Frees the retired pages that nobody needs any more. */
  reclaim(): void {
    const { metaEpochs, snapshots, mutant } = this
    const pinned = snapshots.length > 0 && lacks(mutant, 'pages of snapshots') ? [] : snapshots
    const needed = [...metaEpochs, ...pinned].sort((a, b) => a - b)
    this.freeList.reclaim(needed, (page) => this.forget(page))
  }

  /** An epoch of its own, for pages that are written apart from the current state. */
  takeEpoch(): number {
    this.epoch += 2
    return this.epoch - 1
  }

  /** Freezes the current state. @returns Its epoch, to be given back to `closeEpoch`. */
  openEpoch(): number {
    const epoch = this.epoch++
    this.snapshots.push(epoch)
    if (!lacks(this.mutant, 'frozen snapshots')) this.frozenEpoch = epoch
    return epoch
  }

  closeEpoch(epoch: number): void {
    const index = this.snapshots.lastIndexOf(epoch)
    assert(index >= 0, 'an epoch is closed once')
    this.snapshots.splice(index, 1)
    this.frozenEpoch = Math.max(this.checkpointEpoch, this.snapshots.at(-1) ?? 0)
    this.closeIfIdle()
  }

  /** Keeps the state of `epoch` frozen for good: a checkpoint of it has begun, and a meta will refer to it. */
  beginCheckpoint(epoch: number): void {
    if (!lacks(this.mutant, 'frozen checkpoint')) this.checkpointEpoch = epoch
  }

  /** The dirty pages of the state of `epoch`, in file order. */
  dirtyPages(epoch: number): Page[] {
    const dirty: Page[] = []
    for (const page of this.pages.values()) if (page.dirty && page.birth <= epoch) dirty.push(page)
    return dirty.sort((a, b) => a.pageNumber - b.pageNumber)
  }

  /** Writes a page to its place. Nothing durable refers to that place yet. */
  writePage(page: Page): void {
    page.seal()
    this.file.write(page.bytes, page.pageNumber * this.pageSizeBytes)
    if (page.birth === this.epoch && !lacks(this.mutant, 'later birth')) this.epoch++
    if (page.dirty) {
      page.dirty = false
      this.dirtyCount--
    }
  }

  /**
   * Takes the space in the file that the current state and `count` more pages need: no full disk can refuse it later.
   * Only until the next page is allocated for something else.
   * @throws DISK_FULL, and then nothing has changed.
   */
  secureSpace(count: number): void {
    for (const page of this.pages.values()) if (page.dirty) this.writePage(page)
    const numbers = Array.from({ length: count }, () => this.freeList.allocate())
    try {
      const nothing = new Uint8Array(this.pageSizeBytes)
      for (const number of numbers) this.file.write(nothing, number * this.pageSizeBytes)
    } finally {
      for (const number of numbers.reverse()) this.freeList.release(number) // the first is taken first again
    }
  }

  /**
   * Brings the cache back under its bound, oldest pages first, dirty ones by writing them. Called between operations:
   * inside one, its pages stay. Never throws: a page that cannot be written stays in memory, see `isStarved` and
   * `failure`.
   */
  trim(): void {
    if (this.pages.size <= this.capacityPages) return
    for (const page of this.pages.values()) {
      if (page.referenced) {
        page.referenced = false
        this.pages.delete(page.pageNumber)
        this.pages.set(page.pageNumber, page) // iteration meets it again, without its second chance
        continue
      }
      if (page.dirty && !this.tryWrite(page)) return
      this.pages.delete(page.pageNumber)
      if (this.pages.size <= this.capacityPages) return
    }
  }

  /** True if a full disk has made the cache outgrow twice its bound: writes must be refused. */
  get isStarved(): boolean {
    return this.pages.size > 2 * this.capacityPages
  }

  /** True if another page has to take the place of one. */
  get isFull(): boolean {
    return this.pages.size >= this.capacityPages
  }

  /** Bytes of pages that a checkpoint would have to write. */
  get dirtyBytes(): number {
    return this.dirtyCount * this.pageSizeBytes
  }

  /** Closes the file once nobody reads in the background any more. */
  close(): Promise<void> {
    return this.closeWhen(() => this.fetches === 0)
  }

  /** Closes the file once the last snapshot of it is closed, or `close` is called: a compacted one has taken its place. */
  closeWhenUnpinned(): Promise<void> {
    return this.closeWhen(() => this.fetches === 0 && this.snapshots.length === 0)
  }

  stats(): CacheStats {
    const { hits, misses } = this
    return {
      capacityPages: this.capacityPages,
      residentPages: this.pages.size,
      dirtyPages: this.dirtyCount,
      hits,
      misses,
      hitRatio: hits + misses === 0 ? 1 : hits / (hits + misses),
    }
  }

  private closeWhen(isIdle: () => boolean): Promise<void> {
    const earlier = this.closing
    return new Promise((resolve) => {
      const closed = (): void => {
        earlier?.closed()
        resolve()
      }
      this.closing = { isIdle, closed }
      this.closeIfIdle()
    })
  }

  private closeIfIdle(): void {
    if (this.closing === undefined || !this.closing.isIdle()) return
    this.file.close()
    this.closing.closed()
    this.closing = undefined
  }

  private tryWrite(page: Page): boolean {
    try {
      this.writePage(page)
      return true
    } catch (error) {
      if (!isCode(error, 'DISK_FULL')) this.failure ??= error
      return false
    }
  }

  private admit(page: Page, reference: PageReference, bytesRead: number): Page {
    this.check(page, reference, bytesRead)
    this.pages.set(page.pageNumber, page)
    return page
  }

  private check(page: Page, reference: PageReference, bytesRead: number): void {
    if (bytesRead < this.pageSizeBytes) {
      throw new BedplateError(
        'CORRUPTION',
        `${this.file.path}: page ${reference.page} (offset ${reference.page * this.pageSizeBytes}) lies beyond the end of the file`,
        { hint: 'the file was cut short: restore a backup' },
      )
    }
    checkPage(page, reference, this.file.path, this.mutant)
    page.pageNumber = reference.page
    page.birth = reference.birth
  }

  private adopt(page: Page): void {
    this.pages.set(page.pageNumber, page)
    page.dirty = true
    this.dirtyCount++
  }

  private markDirty(page: Page): void {
    if (page.dirty) return
    // It was written and perhaps evicted meanwhile; from now on memory is ahead of the file again.
    if (!lacks(this.mutant, 'born again')) page.identify(page.pageNumber, this.epoch)
    page.dirty = true
    this.dirtyCount++
    this.pages.set(page.pageNumber, page)
  }

  private forget(pageNumber: number): void {
    const page = this.pages.get(pageNumber)
    if (page === undefined) return
    if (page.dirty) {
      page.dirty = false
      this.dirtyCount--
    }
    this.pages.delete(pageNumber)
  }
}
