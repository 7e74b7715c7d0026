// A write-ahead store of a few pages, small enough to be seen to be right, with bugs that can be planted: what the
// simulated disk must find. Not a pattern to copy: `storage/log` and `storage/btree` are.
//
//   data: the pages, written in place by checkpoints.
//   log:  salt u32 | crc u32, then frames: salt u32 | crc u32 | page u32 | content. All little-endian.
//
// A commit appends one frame and syncs. A checkpoint writes the pages, syncs them, and starts the log again under a
// new salt, which makes the frames that still stand there void.
import { crc32 } from 'node:zlib'
import type { Disk, DiskFile } from '../../ts/io/disk.ts'

export const TOY_PAGES = 12
const PAGE_BYTES = 256
const HEADER_BYTES = 8
const FRAME_BYTES = 12 + PAGE_BYTES

/** What the store forgets to do, if anything. */
export interface ToyBugs {
  /** Acknowledges a commit without syncing the log. */
  noCommitSync?: boolean
  /** Does not sync the directories when it is created. */
  noDirectorySync?: boolean
  /** Accepts any frame with the right salt. */
  noChecksum?: boolean
  /** Starts the log again under the old salt. */
  noNewSalt?: boolean
  /** Starts the log again without having synced the pages. */
  noDataSync?: boolean
}

/** Pages of one repeated byte each: the version that was committed last. */
export class ToyStore {
  readonly #log: DiskFile
  readonly #data: DiskFile
  readonly #bugs: ToyBugs
  readonly #versions: number[] = new Array(TOY_PAGES).fill(0)
  /** The pages that have a frame in the log. Only these may be written: a torn one is restored from its frame. */
  readonly #dirty = new Set<number>()
  #salt = 0
  #end = HEADER_BYTES

  private constructor(disk: Disk, mode: 'create' | 'write', bugs: ToyBugs) {
    this.#data = disk.open('store/data', mode)
    this.#log = disk.open('store/log', mode)
    this.#bugs = bugs
  }

  static async create(disk: Disk, bugs: ToyBugs = {}): Promise<ToyStore> {
    disk.mkdir('store')
    const store = new ToyStore(disk, 'create', bugs)
    store.#data.truncate(TOY_PAGES * PAGE_BYTES)
    await store.checkpoint()
    if (!bugs.noDirectorySync) {
      await disk.syncDirectory('store')
      await disk.syncDirectory('.')
    }
    return store
  }

  static async open(disk: Disk, bugs: ToyBugs = {}): Promise<ToyStore> {
    const store = new ToyStore(disk, 'write', bugs)
    await store.#recover()
    // Whatever stands behind the last good frame must never become part of the log again.
    await store.checkpoint()
    return store
  }

  /** The version of every page; -1 for one that holds anything else. */
  get versions(): readonly number[] {
    return this.#versions
  }

  /** Gives a page a new version, 0 to 255; resolves when it is durable. */
  async commit(page: number, version: number): Promise<void> {
    const frame = new Uint8Array(FRAME_BYTES).fill(version, 12)
    const view = new DataView(frame.buffer)
    view.setUint32(0, this.#salt, true)
    view.setUint32(8, page, true)
    view.setUint32(4, frameChecksum(frame), true)
    this.#log.write(frame, this.#end)
    this.#end += FRAME_BYTES
    if (!this.#bugs.noCommitSync) await this.#log.sync()
    this.#versions[page] = version
    this.#dirty.add(page)
  }

  /** Brings the pages up to date and empties the log. */
  async checkpoint(): Promise<void> {
    for (const page of this.#dirty) {
      this.#data.write(new Uint8Array(PAGE_BYTES).fill(this.#versions[page] as number), page * PAGE_BYTES)
    }
    if (!this.#bugs.noDataSync) await this.#data.sync()
    if (!this.#bugs.noNewSalt || this.#salt === 0) this.#salt++
    const header = new Uint8Array(HEADER_BYTES)
    const view = new DataView(header.buffer)
    view.setUint32(0, this.#salt, true)
    view.setUint32(4, crc32(header.subarray(0, 4)), true)
    this.#log.write(header, 0)
    await this.#log.sync()
    this.#end = HEADER_BYTES
    this.#dirty.clear()
  }

  close(): void {
    this.#log.close()
    this.#data.close()
  }

  async #recover(): Promise<void> {
    const pages = new Uint8Array(TOY_PAGES * PAGE_BYTES)
    this.#data.read(pages, 0)
    const log = new Uint8Array(this.#log.size())
    this.#log.read(log, 0)
    const view = new DataView(log.buffer)
    const headerGood = log.length >= HEADER_BYTES && view.getUint32(4, true) === crc32(log.subarray(0, 4))
    if (headerGood) {
      this.#salt = view.getUint32(0, true)
      this.#replay(log, pages)
    } else {
      // A torn header was being rewritten, so the pages are complete. Its salt is lost: no old frame may stay.
      this.#log.truncate(0)
      await this.#log.sync()
    }
    for (let page = 0; page < TOY_PAGES; page++) {
      const content = pages.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
      const version = content[0] as number
      this.#versions[page] = content.every((byte) => byte === version) ? version : -1
    }
  }

  /** Puts the content of all good frames from the start of the log into the pages. */
  #replay(log: Uint8Array, pages: Uint8Array): void {
    const view = new DataView(log.buffer)
    for (let at = HEADER_BYTES; at + FRAME_BYTES <= log.length; at += FRAME_BYTES) {
      const frame = log.subarray(at, at + FRAME_BYTES)
      if (view.getUint32(at, true) !== this.#salt) return
      const page = view.getUint32(at + 8, true)
      if (!this.#bugs.noChecksum && view.getUint32(at + 4, true) !== frameChecksum(frame)) return
      if (page >= TOY_PAGES) continue
      pages.set(frame.subarray(12), page * PAGE_BYTES)
      this.#dirty.add(page)
    }
  }
}

/** Covers the salt, the page number and the content. */
function frameChecksum(frame: Uint8Array): number {
  return crc32(frame.subarray(8), crc32(frame.subarray(0, 4)))
}
