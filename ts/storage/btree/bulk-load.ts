// Builds a tree bottom-up from entries in key order: every page is filled, written once and never read.
import { BedplateError } from '../../base/errors.ts'
import { commonPrefixLength, compareBytes } from '../compare.ts'
import { chainPageCount, writeChain } from './overflow.ts'
import {
  insertIntoBranch,
  insertIntoLeaf,
  type LeafValue,
  NO_PAGE,
  Page,
  type PageReference,
  PageType,
} from './page.ts'
import type { Pager } from './pager.ts'
import { maxInlineBytes, referenceTo } from './tree.ts'

/** Where the pages go, and what they are called. */
export interface BuildTarget {
  pager: Pager
  treeId: number
  /** The epoch of its pages. */
  birth: number
  /** Called with each page number taken, so that an abandoned build can give them back. */
  onAllocate?: (page: number) => void
}

/** One tree under construction. */
export class TreeBuilder {
  private readonly target: BuildTarget
  private leaf: Page | undefined
  private lastKey: Uint8Array | undefined
  /** The unfinished branch of each level, from level 1 up. */
  private readonly branches: Page[] = []
  private keyCount = 0

  get treeId(): number {
    return this.target.treeId
  }

  constructor(target: BuildTarget) {
    this.target = target
  }

  /** Adds an entry; keys must rise. @throws INVALID_INPUT if they do not. Copies both. */
  add(key: Uint8Array, value: Uint8Array): void {
    const previous = this.lastKey
    if (previous !== undefined && compareBytes(previous, key) >= 0) {
      throw new BedplateError(
        'INVALID_INPUT',
        `bulk load: entry ${this.keyCount + 1} is not greater than the one before`,
        {
          hint: 'sort the entries by the unsigned bytes of their keys, without duplicates; or use batch()',
        },
      )
    }
    const cell = this.prepareValue(key, value)
    this.leaf ??= this.newPage(PageType.leaf, 0)
    if (!insertIntoLeaf(this.leaf, this.leaf.count, key, cell)) {
      const finished = this.leaf
      this.leaf = this.newPage(PageType.leaf, 0)
      insertIntoLeaf(this.leaf, 0, key, cell)
      this.finishPage(finished, separator(previous as Uint8Array, key), referenceTo(this.leaf))
    }
    this.lastKey = Uint8Array.from(key) // `slice` of a Buffer would be a view of the caller's memory
    this.keyCount++
  }

  /** Writes what is unfinished. @returns The root; NO_PAGE if nothing was added. */
  finish(): { root: PageReference; keyCount: number } {
    if (this.leaf === undefined) return { root: NO_PAGE, keyCount: 0 }
    const last = [this.leaf, ...this.branches]
    const root = last[last.length - 1] as Page
    root.keyCount = this.keyCount
    for (const page of last) this.target.pager.writePage(page)
    return { root: referenceTo(root), keyCount: this.keyCount }
  }

  /** Writes a full page and tells the level above that `right` follows it behind `key`. */
  private finishPage(full: Page, key: Uint8Array, right: PageReference): void {
    this.target.pager.writePage(full)
    const { level } = full
    let branch = this.branches[level]
    if (branch === undefined) {
      branch = this.newPage(PageType.branch, level + 1)
      branch.reference = referenceTo(full)
      this.branches[level] = branch
    }
    if (insertIntoBranch(branch, branch.count, key, right)) return
    const next = this.newPage(PageType.branch, level + 1)
    next.reference = right
    this.branches[level] = next
    this.finishPage(branch, key, referenceTo(next))
  }

  private prepareValue(key: Uint8Array, value: Uint8Array): LeafValue {
    const { pager, treeId, birth } = this.target
    if (value.length <= maxInlineBytes(pager.pageSizeBytes, key.length)) return { length: value.length, inline: value }
    const numbers = Array.from({ length: chainPageCount(value.length, pager.pageSizeBytes) }, () => this.allocate())
    writeChain(pager, { type: PageType.overflow, treeId, numbers, birth }, value)
    return { length: value.length, overflow: { page: numbers[0] as number, birth } }
  }

  private newPage(type: PageType, level: number): Page {
    const { pager, treeId, birth } = this.target
    const page = new Page(pager.pageSizeBytes)
    page.identify(this.allocate(), birth)
    page.format(type, treeId, level)
    return page
  }

  private allocate(): number {
    const page = this.target.pager.freeList.allocate()
    this.target.onAllocate?.(page)
    return page
  }
}

function separator(below: Uint8Array, above: Uint8Array): Uint8Array {
  return above.slice(0, commonPrefixLength(below, above) + 1)
}
