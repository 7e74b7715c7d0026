// Reading a state: the live tree or a snapshot, behind the interface that all engines have.
import type { ByteReader, ByteWalk } from '../ordered/byte-reader.ts'
import type { WalkRange } from '../ordered/range.ts'
import { Cursor } from './cursor.ts'
import { type Engine, type Pin, rootIn } from './engine.ts'
import { checkLevel } from './leaf-value.ts'
import { readOverflowAsync } from './overflow.ts'
import {
  childAt,
  childIndexFor,
  inlineValueAt,
  isOverflowAt,
  NO_PAGE,
  overflowAt,
  type PageReference,
  search,
  valueLengthAt,
} from './page.ts'
import type { Pager } from './pager.ts'
import { findLeaf, getBelow } from './tree.ts'

/** The current state of one tree. */
export class LiveReader implements ByteReader {
  private readonly engine: Engine
  private readonly tree: string

  constructor(engine: Engine, tree: string) {
    this.engine = engine
    this.tree = tree
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.engine.get(this.tree, key)
  }

  has(key: Uint8Array): boolean {
    return this.engine.has(this.tree, key)
  }

  async getAsync(key: Uint8Array): Promise<Uint8Array | undefined> {
    const pin = this.engine.pin()
    try {
      return await getAsyncBelow(pin.pager, this.engine.root(this.tree), key)
    } finally {
      pin.close()
    }
  }

  walk(range: WalkRange): ByteWalk {
    const pin = this.engine.pin()
    return new PinnedWalk(this.engine, pin, new Cursor(pin.pager, this.engine.root(this.tree), range), () =>
      pin.close(),
    )
  }
}

/** One tree of the state that a pin keeps; the pin is its owner's to close. */
export class PinnedReader implements ByteReader {
  private readonly engine: Engine
  private readonly pin: Pin
  private readonly root: PageReference

  constructor(engine: Engine, pin: Pin, tree: string) {
    this.engine = engine
    this.pin = pin
    this.root = rootIn(pin, tree)
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.assertOpen()
    const value = getBelow(this.pin.pager, this.root, key)
    this.pin.pager.trim()
    return value
  }

  has(key: Uint8Array): boolean {
    this.assertOpen()
    if (this.root.page === 0) return false
    const found = search(findLeaf(this.pin.pager, this.root, key), key) >= 0
    this.pin.pager.trim()
    return found
  }

  async getAsync(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.assertOpen()
    const again = this.pin.share()
    try {
      return await getAsyncBelow(this.pin.pager, this.root, key)
    } finally {
      again.close()
    }
  }

  walk(range: WalkRange): ByteWalk {
    this.assertOpen()
    const again = this.pin.share()
    return new PinnedWalk(this.engine, this.pin, new Cursor(this.pin.pager, this.root, range), () => again.close())
  }

  private assertOpen(): void {
    this.engine.assertOpen()
    this.pin.assertOpen()
  }
}

class PinnedWalk implements ByteWalk {
  private readonly engine: Engine
  private readonly pager: Pager
  private readonly cursor: Cursor
  readonly close: () => void

  constructor(engine: Engine, pin: Pin, cursor: Cursor, close: () => void) {
    this.engine = engine
    this.pager = pin.pager
    this.cursor = cursor
    this.close = close
  }

  next(): boolean {
    this.engine.assertOpen()
    const found = this.cursor.next()
    this.pager.trim()
    return found
  }

  nextAsync(): Promise<boolean> {
    this.engine.assertOpen()
    return this.cursor.nextAsync()
  }

  key(): Uint8Array {
    return this.cursor.key()
  }

  value(): Uint8Array {
    return this.cursor.value()
  }

  async valueAsync(): Promise<Uint8Array> {
    const { leaf, slot } = this.cursor
    if (!isOverflowAt(leaf, slot)) return this.cursor.value()
    return await readOverflowAsync(this.pager, overflowAt(leaf, slot), valueLengthAt(leaf, slot))
  }
}

/** `getBelow` without blocking, and in memory of its own. The root must be pinned. */
async function getAsyncBelow(pager: Pager, root: PageReference, key: Uint8Array): Promise<Uint8Array | undefined> {
  if (root.page === NO_PAGE.page) return undefined
  let page = pager.cached(root) ?? (await pager.readAsync(root))
  while (!page.isLeaf) {
    const reference = childAt(page, childIndexFor(page, key))
    const child = pager.cached(reference) ?? (await pager.readAsync(reference))
    checkLevel(pager, page, child)
    page = child
  }
  const slot = search(page, key)
  if (slot < 0) return undefined
  if (!isOverflowAt(page, slot)) return inlineValueAt(page, slot).slice()
  return await readOverflowAsync(pager, overflowAt(page, slot), valueLengthAt(page, slot))
}
