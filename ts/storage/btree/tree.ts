// One B-tree over the pager: search, insert, delete, splits and merges (Comer, "The Ubiquitous B-Tree", ACM Computing
// Surveys 1979; Graefe, "Modern B-Tree Techniques", 2011, §3). Pages are copied on write along the path from the root, so
// a root reference is a whole frozen tree. No logging and no durability here: that is the store's.
import { assert, BedplateError, isCode } from '../../base/errors.ts'
import { commonPrefixLength } from '../compare.ts'
import type { ByteRange } from '../ordered/range.ts'
import { Cursor } from './cursor.ts'
import { checkLevel, valueAt } from './leaf-value.ts'
import { retireOverflow, writeOverflow } from './overflow.ts'
import {
  BRANCH_CELL_HEADER_BYTES,
  childAt,
  childIndexFor,
  insertIntoBranch,
  insertIntoLeaf,
  isOverflowAt,
  keyAt,
  LEAF_CELL_HEADER_BYTES,
  type LeafValue,
  mergeInto,
  moveCells,
  NO_PAGE,
  overflowAt,
  PAGE_HEADER_BYTES,
  type Page,
  type PageReference,
  PageType,
  REFERENCE_BYTES,
  removeCell,
  replaceInLeaf,
  search,
  setChildAt,
  splitPoint,
  usedBytes,
  valueLengthAt,
} from './page.ts'
import type { Pager } from './pager.ts'

/** A page that uses less than this share of its bytes looks for a neighbour to merge with. */
const MERGE_BELOW = 0.35
/** Two pages are merged only if the result leaves some room, so that the next insert does not split it again. */
const MERGED_AT_MOST = 0.8

/** Finds the leaf that would hold `key` below `root`. */
export function findLeaf(pager: Pager, root: PageReference, key: Uint8Array): Page {
  let page = pager.read(root)
  while (!page.isLeaf) page = readChild(pager, page, childIndexFor(page, key))
  return page
}

/** Reads a child and checks that it stands one level below: so no path is endless. */
function readChild(pager: Pager, branch: Page, child: number): Page {
  const page = pager.read(childAt(branch, child))
  checkLevel(pager, branch, page)
  return page
}

/** The value of `key` below `root`, or undefined. A view of the page if the value is inline: copy it before the next write. */
export function getBelow(pager: Pager, root: PageReference, key: Uint8Array): Uint8Array | undefined {
  if (root.page === 0) return undefined
  const leaf = findLeaf(pager, root, key)
  const slot = search(leaf, key)
  return slot < 0 ? undefined : valueAt(pager, leaf, slot)
}

/** Values longer than this are kept in overflow pages: a leaf always has room for at least four cells. */
export function maxInlineBytes(pageSizeBytes: number, keyLength: number): number {
  const perCell = Math.floor((pageSizeBytes - PAGE_HEADER_BYTES) / 4) - LEAF_CELL_HEADER_BYTES - 6
  return Math.max(REFERENCE_BYTES, perCell - keyLength)
}

/**
 * What `value` will be in a leaf beside `key`. Writes a long value to overflow pages: the only step of a `put` that a full
 * disk can refuse, so the store does it before anything else changes.
 */
export function prepareValue(pager: Pager, treeId: number, key: Uint8Array, value: Uint8Array): LeafValue {
  if (value.length <= maxInlineBytes(pager.pageSizeBytes, key.length)) return { length: value.length, inline: value }
  return { length: value.length, overflow: writeOverflow(pager, treeId, value) }
}

/** Undoes `prepareValue` for a value that did not get into its tree. */
export function dropPrepared(pager: Pager, value: LeafValue): void {
  if (value.overflow !== undefined) retireOverflow(pager, value.overflow, value.length)
}

/** A tree of the current state, for its one writer. */
export class Tree {
  readonly id: number
  /** NO_PAGE while the tree is empty. */
  root: PageReference
  keyCount: number
  private readonly pager: Pager
  /** Told when the root moves, so that the tree of trees can follow. */
  private readonly onRootMoved: (root: PageReference) => void
  /** The path of the last descent: branches with the child taken, then the leaf. Reused to spare garbage. */
  private readonly path: Page[] = []
  private readonly children: number[] = []

  constructor(pager: Pager, id: number, root: PageReference, onRootMoved: (root: PageReference) => void) {
    this.pager = pager
    this.id = id
    this.root = root
    this.keyCount = root.page === 0 ? 0 : pager.read(root).keyCount
    this.onRootMoved = onRootMoved
  }

  get depth(): number {
    return this.root.page === 0 ? 0 : this.pager.read(this.root).level + 1
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return getBelow(this.pager, this.root, key)
  }

  has(key: Uint8Array): boolean {
    if (this.root.page === 0) return false
    return search(findLeaf(this.pager, this.root, key), key) >= 0
  }

  /** Sets the value of `key`. @returns True if the key is new. */
  put(key: Uint8Array, value: LeafValue): boolean {
    if (this.root.page === 0) this.plantRoot()
    const leaf = this.descendToWrite(key)
    const slot = search(leaf, key)
    if (slot >= 0) {
      this.dropOverflowOf(leaf, slot)
      if (!replaceInLeaf(leaf, slot, value)) {
        removeCell(leaf, slot)
        this.insertWithSplit(leaf, slot, key, value)
      }
      return false
    }
    if (!insertIntoLeaf(leaf, ~slot, key, value)) this.insertWithSplit(leaf, ~slot, key, value)
    this.setKeyCount(this.keyCount + 1)
    return true
  }

  /** Removes `key`. @returns False if it was not there. */
  delete(key: Uint8Array): boolean {
    if (!this.has(key)) return false // without this look, deleting an absent key would copy its path
    const leaf = this.descendToWrite(key)
    const slot = search(leaf, key)
    this.dropOverflowOf(leaf, slot)
    removeCell(leaf, slot)
    this.rebalance()
    this.setKeyCount(this.keyCount - 1)
    return true
  }

  /** Removes all keys of `range`. @returns How many there were. */
  deleteRange(range: ByteRange): number {
    let removed = 0
    for (;;) {
      const keys = keysOfFirstLeaf(this.pager, this.root, range)
      if (keys.length === 0) return removed
      for (const key of keys) if (!this.delete(key)) throw this.disorder(key)
      removed += keys.length
    }
  }

  /** Takes over a root that was built apart (bulk load) or none (everything removed). */
  replaceRoot(root: PageReference, keyCount: number): void {
    this.moveRoot(root)
    this.keyCount = keyCount
  }

  /** A walk came to a key that no search finds. Without this, removing what is left would never end. */
  private disorder(key: Uint8Array): BedplateError {
    const name = Buffer.from(key).toString('hex')
    return new BedplateError(
      'CORRUPTION',
      `${this.pager.file.path}: key ${name} of tree ${this.id} is not in its place`,
    )
  }

  // -- the path -------------------------------------------------------------------------------------------------

  /** Goes down to the leaf for `key`, making every page on the way the writer's own. Fills `path` and `children`. */
  private descendToWrite(key: Uint8Array): Page {
    const { path, children, pager } = this
    path.length = 0
    children.length = 0
    let page = this.ownRoot()
    while (!page.isLeaf) {
      const child = childIndexFor(page, key)
      path.push(page)
      children.push(child)
      page = this.ownChild(page, child, readChild(pager, page, child))
    }
    path.push(page)
    return page
  }

  private ownRoot(): Page {
    const own = this.pager.writable(this.pager.read(this.root))
    if (own.birth !== this.root.birth) this.moveRoot(referenceTo(own))
    return own
  }

  private ownChild(branch: Page, child: number, page: Page): Page {
    const { birth } = page
    const own = this.pager.writable(page)
    if (own.birth !== birth) setChildAt(branch, child, referenceTo(own))
    return own
  }

  private plantRoot(): void {
    this.moveRoot(referenceTo(this.pager.allocate(PageType.leaf, this.id, 0)))
  }

  private moveRoot(root: PageReference): void {
    this.root = root
    this.onRootMoved(root)
  }

  private setKeyCount(keyCount: number): void {
    this.keyCount = keyCount
    if (this.root.page !== 0) this.pager.read(this.root).keyCount = keyCount
  }

  private dropOverflowOf(leaf: Page, slot: number): void {
    if (isOverflowAt(leaf, slot)) retireOverflow(this.pager, overflowAt(leaf, slot), valueLengthAt(leaf, slot))
  }

  // -- splits ---------------------------------------------------------------------------------------------------

  /** Splits `leaf`, the end of the current path, and puts the new cell into the half where it belongs. */
  private insertWithSplit(leaf: Page, index: number, key: Uint8Array, value: LeafValue): void {
    const right = this.pager.allocate(PageType.leaf, this.id, 0)
    const cut = this.leafCut(leaf, index, key, value)
    moveCells(leaf, right, cut)
    const goesRight = index > cut || (index === cut && this.goesRightAtCut(leaf, right, cut, index))
    const target = goesRight ? right : leaf
    const inserted = insertIntoLeaf(target, goesRight ? index - cut : index, key, value)
    // The cut was chosen for room. If the halves still have none (a key that broke a long common prefix), cut again.
    if (!inserted) {
      const rightReference = referenceTo(right)
      const separator = separatorBetween(leaf, right)
      this.insertIntoParent(this.path.length - 2, separator, rightReference, leaf)
      this.retryPut(key, value)
      return
    }
    this.insertIntoParent(this.path.length - 2, separatorBetween(leaf, right), referenceTo(right), leaf)
  }

  /** Where to cut. Rising and falling insertions leave the full page full: a sequential fill packs its leaves. */
  private leafCut(leaf: Page, index: number, key: Uint8Array, value: LeafValue): number {
    if (index === leaf.count && this.isOnEdge('last', this.children.length)) return leaf.count
    if (index === 0 && this.isOnEdge('first', this.children.length)) return 0
    if (leaf.count < 2) return index === 0 ? 0 : leaf.count
    const stored = value.inline === undefined ? REFERENCE_BYTES : value.length
    return splitPoint(leaf, index, LEAF_CELL_HEADER_BYTES + key.length + stored)
  }

  /** At the cut itself the cell may go to either side: to the empty one, else to the one with more room. */
  private goesRightAtCut(left: Page, right: Page, cut: number, index: number): boolean {
    if (right.count === 0) return true
    if (left.count === 0) return false
    assert(cut === index, 'only the cut leaves a choice')
    return usedBytes(right) < usedBytes(left)
  }

  /** True if the path above `depth` always took the first or the last child. */
  private isOnEdge(edge: 'first' | 'last', depth: number): boolean {
    for (let above = 0; above < depth; above++) {
      const end = edge === 'first' ? 0 : (this.path[above] as Page).count
      if (this.children[above] !== end) return false
    }
    return true
  }

  /** After a cut that made no room on its own: goes down again and inserts as if the key were new. */
  private retryPut(key: Uint8Array, value: LeafValue): void {
    const leaf = this.descendToWrite(key)
    const slot = search(leaf, key)
    assert(slot < 0, 'a key is inserted once')
    if (!insertIntoLeaf(leaf, ~slot, key, value)) this.insertWithSplit(leaf, ~slot, key, value)
  }

  /**
   * Tells the branch at `depth` of the path that its child was cut in two.
   * @param left - The page that was cut, which `separator` and `right` now follow.
   */
  private insertIntoParent(depth: number, separator: Uint8Array, right: PageReference, left: Page): void {
    if (depth < 0) {
      this.growRoot(separator, right, left)
      return
    }
    const branch = this.path[depth] as Page
    const index = this.children[depth] as number
    if (insertIntoBranch(branch, index, separator, right)) return
    this.splitBranch(depth, index, separator, right)
  }

  private growRoot(separator: Uint8Array, right: PageReference, left: Page): void {
    const root = this.pager.allocate(PageType.branch, this.id, left.level + 1)
    root.reference = referenceTo(left)
    const inserted = insertIntoBranch(root, 0, separator, right)
    assert(inserted, 'an empty branch has room for one separator')
    root.keyCount = this.keyCount
    left.keyCount = 0
    this.moveRoot(referenceTo(root))
  }

  /** Splits a full branch around a key that moves up, then inserts the separator into the half where it belongs. */
  private splitBranch(depth: number, index: number, separator: Uint8Array, child: PageReference): void {
    const branch = this.path[depth] as Page
    const right = this.pager.allocate(PageType.branch, this.id, branch.level)
    const { count } = branch
    let up: Uint8Array
    if (index === count && this.isOnEdge('last', depth)) {
      // In a rising fill the new separator itself moves up: the full page stays full, the new one starts with one child.
      up = separator
      right.reference = child
    } else if (index === 0 && this.isOnEdge('first', depth)) {
      up = separator
      right.reference = child
      moveCells(branch, right, 0)
    } else {
      const wanted = splitPoint(branch, index, BRANCH_CELL_HEADER_BYTES + separator.length)
      const cut = Math.min(wanted, count - 1) // the key at the cut moves up, so one page may be left with a lone child
      up = keyAt(branch, cut)
      right.reference = childAt(branch, cut + 1)
      moveCells(branch, right, cut, 1)
      const goesRight = index > cut
      const target = goesRight ? right : branch
      if (!insertIntoBranch(target, goesRight ? index - cut - 1 : index, separator, child)) {
        // A separator that broke a long common prefix: make room by cutting its half again, right where it belongs.
        this.insertIntoParent(depth - 1, up, referenceTo(right), branch)
        this.insertSeparatorAgain(branch.level, separator, child)
        return
      }
    }
    this.insertIntoParent(depth - 1, up, referenceTo(right), branch)
  }

  /** Finds the branch at `level` that `separator` belongs to and inserts it there, splitting as needed. */
  private insertSeparatorAgain(level: number, separator: Uint8Array, child: PageReference): void {
    const { path, children, pager } = this
    path.length = 0
    children.length = 0
    let page = this.ownRoot()
    for (;;) {
      const index = childIndexFor(page, separator)
      path.push(page)
      children.push(index)
      if (page.level === level) break
      page = this.ownChild(page, index, readChild(pager, page, index))
    }
    this.insertIntoParent(path.length - 1, separator, child, page)
  }

  // -- merges ---------------------------------------------------------------------------------------------------

  /** After a removal from the leaf at the end of the path: merges what got too empty, from the leaf upwards. */
  private rebalance(): void {
    const { path } = this
    for (let depth = path.length - 1; depth > 0; depth--) {
      const page = path[depth] as Page
      if (usedBytes(page) >= page.sizeBytes * MERGE_BELOW) return
      if (!this.mergeWithNeighbour(depth)) return
    }
    this.shrinkRoot()
  }

  /** Merges the page at `depth` with a neighbour below the same parent. @returns False if none fits. */
  private mergeWithNeighbour(depth: number): boolean {
    const page = this.path[depth] as Page
    const parent = this.path[depth - 1] as Page
    const child = this.children[depth - 1] as number
    if (page.count === 0 && (page.isLeaf || page.reference.page === 0)) {
      this.removeChild(parent, child, page)
      return true
    }
    const right = this.neighbour(parent, child + 1)
    if (right !== undefined && this.mergeSiblings(parent, child, page, right)) return true
    const left = this.neighbour(parent, child - 1)
    if (left === undefined || !fitsMerged(left, page)) return false
    return this.mergeSiblings(parent, child - 1, this.ownChild(parent, child - 1, left), page)
  }

  /** A child, if there is one that can be read: merging is an economy, and a broken neighbour no reason to fail. */
  private neighbour(parent: Page, child: number): Page | undefined {
    if (child < 0 || child > parent.count) return undefined
    try {
      return readChild(this.pager, parent, child)
    } catch (error) {
      if (isCode(error, 'CORRUPTION') || isCode(error, 'IO')) return undefined
      throw error
    }
  }

  /** Moves child `index + 1` of `parent` into child `index`. `left` must be the writer's own. */
  private mergeSiblings(parent: Page, index: number, left: Page, right: Page): boolean {
    if (!fitsMerged(left, right)) return false
    const separator = left.isLeaf ? undefined : keyAt(parent, index)
    if (!mergeInto(left, right, separator)) return false
    removeCell(parent, index)
    this.pager.retire(referenceTo(right))
    return true
  }

  /** Takes an empty page out of its parent. */
  private removeChild(parent: Page, child: number, page: Page): void {
    if (child === 0) {
      if (parent.count === 0) {
        // The parent has no other child: it is as empty as this page, and goes the same way one level up.
        this.pager.retire(referenceTo(page))
        parent.reference = NO_PAGE
        return
      }
      parent.reference = childAt(parent, 1)
      removeCell(parent, 0)
    } else removeCell(parent, child - 1)
    this.pager.retire(referenceTo(page))
  }

  /** A branch root with one child gives way to it, if that can be read; an empty leaf root leaves an empty tree. */
  private shrinkRoot(): void {
    let root = this.pager.read(this.root)
    while (!root.isLeaf && root.count === 0) {
      const only = root.reference
      if (only.page !== 0 && this.neighbour(root, 0) === undefined) return
      this.pager.retire(referenceTo(root))
      if (only.page === 0) {
        this.moveRoot(NO_PAGE)
        return
      }
      this.moveRoot(only)
      root = this.ownRoot()
    }
    if (root.isLeaf && root.count === 0) {
      this.pager.retire(referenceTo(root))
      this.moveRoot(NO_PAGE)
    }
  }
}

/** The keys of `range` in the first leaf that has any. */
function keysOfFirstLeaf(pager: Pager, root: PageReference, range: ByteRange): Uint8Array[] {
  const cursor = new Cursor(pager, root, { ...range, reverse: false, limit: Number.POSITIVE_INFINITY })
  const keys: Uint8Array[] = []
  if (!cursor.next()) return keys
  const { leaf } = cursor
  do keys.push(cursor.key())
  while (cursor.next() && cursor.leaf === leaf)
  return keys
}

/** The reference that means this page in this life. */
export function referenceTo(page: Page): PageReference {
  return { page: page.pageNumber, birth: page.birth }
}

function fitsMerged(left: Page, right: Page): boolean {
  return usedBytes(left) + usedBytes(right) - PAGE_HEADER_BYTES <= left.sizeBytes * MERGED_AT_MOST
}

/** The shortest key that is greater than all of `left` and not greater than any of `right` (suffix truncation). */
function separatorBetween(left: Page, right: Page): Uint8Array {
  const below = keyAt(left, left.count - 1)
  const above = keyAt(right, 0)
  return above.subarray(0, commonPrefixLength(below, above) + 1)
}
