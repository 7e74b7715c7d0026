// A cursor walks the entries of one frozen root in key order, either way. It keeps the path from the root instead of
// links between leaves: leaves are copied on write, so a neighbour's address is never stable.
import type { WalkRange } from '../ordered/range.ts'
import { checkLevel, valueAt } from './leaf-value.ts'
import { childAt, childIndexFor, copyKeyAt, keyAt, keyLengthAt, type Page, type PageReference, search } from './page.ts'
import type { Pager } from './pager.ts'

export class Cursor {
  private readonly pager: Pager
  private readonly range: WalkRange
  private remaining: number
  /** The path: branches with the child taken, then the current leaf. Empty before the start and at the end. */
  private readonly pages: Page[] = []
  private readonly indexes: number[] = []
  /** The slots of the current leaf that lie in the range. */
  private firstSlot = 0
  private endSlot = 0
  /** True until the first leaf is reached: the bound guides the descent only once. */
  private seeking = true
  private pending: PageReference | undefined

  /** @param root - Must stay frozen (by a snapshot) while the cursor lives; or the caller works within one turn. */
  constructor(pager: Pager, root: PageReference, range: WalkRange) {
    this.pager = pager
    this.range = range
    this.remaining = root.page === 0 ? 0 : range.limit
    this.pending = root
  }

  /** The leaf and the slot of the current entry. */
  get leaf(): Page {
    return this.pages[this.pages.length - 1] as Page
  }
  get slot(): number {
    return this.indexes[this.indexes.length - 1] as number
  }

  /** Moves to the next entry. @returns False at the end. */
  next(): boolean {
    for (;;) {
      const missing = this.step()
      if (typeof missing === 'boolean') return missing
      this.push(this.pager.read(missing))
    }
  }

  /** The same without blocking for the device. */
  async nextAsync(): Promise<boolean> {
    for (;;) {
      const missing = this.step()
      if (typeof missing === 'boolean') return missing
      this.push(this.pager.cached(missing) ?? (await this.pager.readAsync(missing)))
    }
  }

  /** True if the next entry is at hand: in the leaf that the cursor stands on. */
  get hasNextAtHand(): boolean {
    if (this.pages.length === 0 || !this.leaf.isLeaf || this.remaining <= 0) return false
    return this.range.reverse ? this.slot > this.firstSlot : this.slot + 1 < this.endSlot
  }

  /** The current key, in fresh memory. */
  key(): Uint8Array {
    return keyAt(this.leaf, this.slot)
  }

  keyLength(): number {
    return keyLengthAt(this.leaf, this.slot)
  }

  copyKey(target: Uint8Array, offset: number): void {
    copyKeyAt(this.leaf, this.slot, target, offset)
  }

  /** The current value: a view of the page, which does not change while the root is frozen. */
  value(): Uint8Array {
    return valueAt(this.pager, this.leaf, this.slot)
  }

  /** Advances as far as it can without I/O: true at an entry, false at the end, or the page it needs. */
  private step(): boolean | PageReference {
    if (this.remaining <= 0) return false
    if (this.pending !== undefined) return this.pending
    const direction = this.range.reverse ? -1 : 1
    const { pages, indexes } = this
    while (pages.length > 0) {
      const top = pages.length - 1
      const page = pages[top] as Page
      const index = (indexes[top] as number) + direction
      indexes[top] = index
      if (page.isLeaf) {
        if (index >= this.firstSlot && index < this.endSlot) {
          this.remaining--
          return true
        }
        if (this.isPastRange(page)) break
      } else if (index >= 0 && index <= page.count) {
        this.pending = childAt(page, index)
        return this.pending
      }
      pages.pop()
      indexes.pop()
    }
    this.remaining = 0
    return false
  }

  /** True if the bound in the walking direction lies inside this leaf: no later leaf can hold an entry. */
  private isPastRange(leaf: Page): boolean {
    return this.range.reverse ? this.firstSlot > 0 : this.endSlot < leaf.count
  }

  /** Goes one level down to a page that was fetched. */
  private push(page: Page): void {
    const parent = this.pages.at(-1)
    if (parent !== undefined) checkLevel(this.pager, parent, page)
    this.pending = undefined
    this.pages.push(page)
    if (page.isLeaf) this.enterLeaf(page)
    else this.enterBranch(page)
  }

  private enterBranch(page: Page): void {
    const { reverse, lower, upper } = this.range
    const bound = reverse ? upper : lower
    let child = reverse ? page.count : 0
    if (this.seeking && bound !== undefined) child = childIndexFor(page, bound)
    this.indexes.push(reverse ? child + 1 : child - 1) // `step` moves onto it
  }

  private enterLeaf(page: Page): void {
    this.seeking = false
    const { reverse, lower, upper, lowerInclusive, upperInclusive } = this.range
    this.firstSlot = lower === undefined ? 0 : slotOf(page, lower, lowerInclusive)
    this.endSlot = upper === undefined ? page.count : slotOf(page, upper, !upperInclusive)
    this.indexes.push(reverse ? this.endSlot : this.firstSlot - 1)
  }
}

/** The first slot whose key is >= `key`, or > `key` if it does not itself count. */
function slotOf(page: Page, key: Uint8Array, counts: boolean): number {
  const slot = search(page, key)
  if (slot < 0) return ~slot
  return counts ? slot : slot + 1
}
