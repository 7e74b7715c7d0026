// One tree of the store, live or pinned, as the handles read it.
import type { ByteReader, ByteWalk } from '../ordered/byte-reader.ts'
import type { WalkRange } from '../ordered/range.ts'
import type { Catalogue } from './catalogue.ts'
import type { Engine, Pin } from './engine.ts'
import { internalKey } from './internal-key.ts'
import { getValue, getValueAsync, lookUp, StateWalk } from './read-state.ts'

/** What is read of the engine, and as of when. */
abstract class StateReader implements ByteReader {
  protected readonly engine: Engine
  private readonly tree: string

  constructor(engine: Engine, tree: string) {
    this.engine = engine
    this.tree = tree
  }

  protected abstract get catalogue(): Catalogue
  protected abstract get sequence(): number
  protected abstract assertOpen(): void

  get(key: Uint8Array): Uint8Array | undefined {
    this.assertOpen()
    const { engine } = this
    const treeId = this.catalogue.ids.get(this.tree)
    if (treeId === undefined) return undefined
    return getValue(lookUp(engine.tables, engine.state, internalKey(treeId, key), this.sequence))
  }

  has(key: Uint8Array): boolean {
    return this.get(key) !== undefined
  }

  async getAsync(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.assertOpen()
    const { engine } = this
    const treeId = this.catalogue.ids.get(this.tree)
    if (treeId === undefined) return undefined
    const { state, release } = engine.hold()
    try {
      const found = await getValueAsync(lookUp(engine.tables, state, internalKey(treeId, key), this.sequence))
      return found?.slice()
    } finally {
      release()
    }
  }

  walk(range: WalkRange): ByteWalk {
    this.assertOpen()
    const { engine } = this
    const treeId = this.catalogue.ids.get(this.tree)
    const { state, release } = engine.hold()
    const place = treeId === undefined ? { treeId: 0, range: { ...range, limit: 0 } } : { treeId, range }
    return new StateWalk(engine, state, { ...place, sequence: this.sequence }, release)
  }
}

/** The current state of one tree. */
export class LiveReader extends StateReader {
  protected get catalogue(): Catalogue {
    return this.engine.memory.catalogue
  }

  protected get sequence(): number {
    return this.engine.position
  }

  protected assertOpen(): void {
    this.engine.assertOpen()
  }
}

/** One tree as of a pin, which is its owner's to close. Walks that began on it go on. */
export class PinnedReader extends StateReader {
  private readonly pin: Pin

  constructor(engine: Engine, tree: string, pin: Pin) {
    super(engine, tree)
    this.pin = pin
  }

  protected get catalogue(): Catalogue {
    return this.pin.catalogue
  }

  protected get sequence(): number {
    return this.pin.position
  }

  protected assertOpen(): void {
    this.engine.assertOpen()
    this.pin.assertOpen()
  }
}
