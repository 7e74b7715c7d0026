// Reads a whole store and checks every rule of the format: what `fsck` is to a file system.
import { type BedplateError, isCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { compareBytes } from '../compare.ts'
import { CATALOGUE_TREE_ID, catalogueEntries } from './catalogue.ts'
import type { Pin } from './engine.ts'
import { FIRST_PAGE } from './meta.ts'
import { chainPageCount, chainPages } from './overflow.ts'
import {
  childAt,
  isOverflowAt,
  keyAt,
  overflowAt,
  type Page,
  type PageReference,
  PageType,
  slotProblem,
  valueLengthAt,
} from './page.ts'
import type { VerifyReport } from './types.ts'

/** Pages checked before other work gets a turn. */
const PAGES_A_TURN = 32
/** A store with more problems than this is beyond a list. */
const MAX_PROBLEMS = 100

/** What is read of a pin. */
export type PinnedState = Pick<Pin, 'pager' | 'catalogue'>

/** What has to add up: taken in one turn with the pin. */
export interface Expected {
  pageCount: number
  /** Free, waiting, and taken by loads under way. */
  unused: Iterable<number>
  /** The pages of the list of free pages. */
  listPages: readonly PageReference[]
}

/** Bounds that a parent sets for the keys of a page: low <= key < high. */
interface Bounds {
  low?: Uint8Array | undefined
  high?: Uint8Array | undefined
}

/** Checks the pinned state. Problems are collected, not thrown. */
export async function verifyState(pin: PinnedState, expected: Expected, clock: Clock): Promise<VerifyReport> {
  return await new Verifier(pin, expected, clock).run()
}

class Verifier {
  private readonly pin: PinnedState
  private readonly expected: Expected
  private readonly clock: Clock
  private readonly report: VerifyReport = {
    ok: true,
    problems: [],
    pages: { branch: 0, leaf: 0, overflow: 0, free: 0 },
    keys: 0,
    trees: 0,
  }
  /** What each page number was found to be. */
  private readonly uses = new Map<number, string>()
  private problemCount = 0
  private sinceTurn = 0

  constructor(pin: PinnedState, expected: Expected, clock: Clock) {
    this.pin = pin
    this.expected = expected
    this.clock = clock
  }

  async run(): Promise<VerifyReport> {
    const { report } = this
    for (const page of this.expected.unused) {
      this.use(page, 'free')
      report.pages.free++
    }
    for (const { page } of this.expected.listPages) this.use(page, 'the free list')
    await this.tree('the catalogue', CATALOGUE_TREE_ID, this.pin.catalogue)
    if (report.ok) await this.trees()
    if (report.ok) this.lost()
    return report
  }

  private async trees(): Promise<void> {
    for (const { name, id, root } of catalogueEntries(this.pin.pager, this.pin.catalogue)) {
      this.report.trees++
      this.report.keys += await this.tree(name === '' ? 'the default tree' : `tree "${name}"`, id, root)
    }
  }

  /** Pages that nothing refers to and that are not free either: space that would never come back. */
  private lost(): void {
    for (let page = FIRST_PAGE; page < this.expected.pageCount && this.problemCount < MAX_PROBLEMS; page++) {
      if (!this.uses.has(page)) this.problem(page, 'is neither used nor free')
    }
  }

  /** @returns The number of keys. */
  private async tree(what: string, id: number, root: PageReference): Promise<number> {
    if (root.page === 0) return 0
    const page = this.read(root, what)
    if (page === undefined) return 0
    const before = this.problemCount
    const keys = await this.subtree(page, what, id, {})
    // Where pages are missing, the count says nothing new.
    if (page.keyCount !== keys && this.problemCount === before)
      this.problem(page.pageNumber, `says that ${what} has ${page.keyCount} keys; it has ${keys}`)
    return keys
  }

  private async subtree(page: Page, what: string, treeId: number, bounds: Bounds): Promise<number> {
    await this.breathe()
    if (page.treeId !== treeId) this.problem(page.pageNumber, `belongs to tree ${page.treeId}, but is part of ${what}`)
    const problem = slotProblem(page)
    if (problem !== undefined) this.problem(page.pageNumber, problem)
    this.keysInOrder(page, bounds)
    return page.isLeaf ? this.leaf(page, what) : await this.branch(page, what, treeId, bounds)
  }

  private leaf(page: Page, what: string): number {
    this.report.pages.leaf++
    for (let slot = 0; slot < page.count; slot++) {
      if (isOverflowAt(page, slot)) this.chain(overflowAt(page, slot), valueLengthAt(page, slot), what)
    }
    return page.count
  }

  private async branch(page: Page, what: string, treeId: number, bounds: Bounds): Promise<number> {
    this.report.pages.branch++
    let keys = 0
    for (let child = 0; child <= page.count; child++) {
      const childPage = this.read(childAt(page, child), what)
      if (childPage === undefined) continue
      if (childPage.level !== page.level - 1) {
        this.problem(childPage.pageNumber, `is at level ${childPage.level} below level ${page.level}`)
        continue
      }
      keys += await this.subtree(childPage, what, treeId, {
        low: child === 0 ? bounds.low : keyAt(page, child - 1),
        high: child === page.count ? bounds.high : keyAt(page, child),
      })
    }
    return keys
  }

  private keysInOrder(page: Page, { low, high }: Bounds): void {
    let previous = low
    for (let slot = 0; slot < page.count; slot++) {
      const key = keyAt(page, slot)
      const order = previous === undefined ? -1 : compareBytes(previous, key)
      if (slot === 0 ? order > 0 : order >= 0) this.problem(page.pageNumber, `key ${slot} is not in order`)
      previous = key
    }
    if (high !== undefined && previous !== undefined && page.count > 0 && compareBytes(previous, high) >= 0) {
      this.problem(page.pageNumber, 'holds a key that belongs to its right neighbour')
    }
  }

  private chain(first: PageReference, length: number, what: string): void {
    const { pager } = this.pin
    let bytes = 0
    try {
      for (const page of chainPages(pager, first, PageType.overflow, chainPageCount(length, pager.pageSizeBytes))) {
        this.use(page.pageNumber, `a value of ${what}`)
        this.report.pages.overflow++
        bytes += page.dataLength
      }
      if (bytes !== length) this.problem(first.page, `begins a value of ${length} bytes that has ${bytes}`)
    } catch (error) {
      this.caught(error)
    }
  }

  private read(reference: PageReference, what: string): Page | undefined {
    if (!this.use(reference.page, what)) return undefined
    try {
      return this.pin.pager.readFresh(reference)
    } catch (error) {
      this.caught(error)
      return undefined
    }
  }

  /** Notes what a page is for. @returns False if it was in use already. */
  private use(page: number, what: string): boolean {
    const other = this.uses.get(page)
    if (page < FIRST_PAGE || page >= this.expected.pageCount)
      this.problem(page, `part of ${what}, lies outside the file`)
    else if (other !== undefined) this.problem(page, `is used twice: as ${other} and as ${what}`)
    else {
      this.uses.set(page, what)
      return true
    }
    return false
  }

  /** Notes what is wrong with the store; all else, CLOSED above all, is not the store's fault. */
  private caught(error: unknown): void {
    if (!isCode(error, 'CORRUPTION') && !isCode(error, 'IO')) throw error
    this.note((error as BedplateError).message)
  }

  private problem(page: number, problem: string): void {
    const { file, pageSizeBytes } = this.pin.pager
    this.note(`${file.path}, page ${page} (offset ${page * pageSizeBytes}) ${problem}`)
  }

  private note(problem: string): void {
    this.report.ok = false
    this.problemCount++
    if (this.report.problems.length < MAX_PROBLEMS) this.report.problems.push(problem)
  }

  private async breathe(): Promise<void> {
    if (++this.sinceTurn < PAGES_A_TURN) return
    this.sinceTurn = 0
    await this.clock.turn()
  }
}
