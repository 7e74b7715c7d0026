// A store over the TypeScript engine: its trees, and the engine as the handles of store.ts see it.
import { checkEntries, checkEntry, keyCheck } from '../ordered/arguments.ts'
import { PinnedMoment, type PinnedState, WatchedAttempt } from '../ordered/moment.ts'
import type { ByteOperation } from '../ordered/operation.ts'
import type { PackedOperations } from '../ordered/packed-operations.ts'
import type { Codecs } from '../ordered/reader.ts'
import type { Attempt, Moment } from '../ordered/store-engine.ts'
import { TreeHandle, type TreeOwner } from '../ordered/tree-handle.ts'
import type { BTreeEngine } from './btree-engine.ts'
import type { Engine } from './engine.ts'
import { describePage } from './inspect.ts'
import { backupStore, bulkLoadTree, closeStore, compactStore } from './maintenance.ts'
import { collectStats } from './stats.ts'
import { BTreeHandle } from './store.ts'
import {
  type BTreeStats,
  type BTreeTree,
  LONG_KEY_HINT,
  maxKeyBytes,
  type PageDescription,
  type VerifyReport,
} from './types.ts'
import { verifyState } from './verify.ts'
import { LiveReader, PinnedReader } from './walk.ts'

/** One tree of an open store. */
class LiveTree<K, V> extends TreeHandle<K, V> implements BTreeTree<K, V> {
  private readonly engine: Engine

  constructor(owner: TreeOwner, engine: Engine, name: string, codecs: Codecs<K, V>) {
    super(owner, name, new LiveReader(engine, name), codecs)
    this.engine = engine
  }

  get keyCount(): number {
    this.engine.assertOpen()
    return this.engine.catalogue.tree(this.name)?.keyCount ?? 0
  }

  async bulkLoad(entries: Iterable<readonly [K, V]> | AsyncIterable<readonly [K, V]>): Promise<number> {
    checkEntries(entries)
    return await bulkLoadTree(this.engine, this.name, entries, (entry) => {
      checkEntry(entry)
      return [this.encodeKey(entry[0]), this.encodeValue(entry[1])]
    })
  }
}

/** The TypeScript engine, as the handles of a store see it. */
class TypeScriptEngine implements BTreeEngine {
  readonly checkKey: (key: Uint8Array) => Uint8Array
  private readonly engine: Engine

  constructor(engine: Engine) {
    this.engine = engine
    this.checkKey = keyCheck(this.maxKeyBytes, LONG_KEY_HINT)
  }

  get mutant(): BTreeEngine['mutant'] {
    return this.engine.mutant
  }

  get path(): string {
    return this.engine.path
  }

  get pageSizeBytes(): number {
    return this.engine.pager.pageSizeBytes
  }

  get maxKeyBytes(): number {
    return maxKeyBytes(this.pageSizeBytes)
  }

  get position(): number {
    return this.engine.position
  }

  get durablePosition(): number {
    return this.engine.log.durablePosition
  }

  assertOpen(): void {
    this.engine.assertOpen()
  }

  assertWritable(): void {
    this.engine.assertWritable()
  }

  tree<K, V>(name: string, codecs: Codecs<K, V>): BTreeTree<K, V> {
    return new LiveTree(this, this.engine, name, codecs)
  }

  treeNames(): string[] {
    return this.engine.catalogue.treeNames()
  }

  put(tree: string, key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.engine.put(tree, key, value)
  }

  apply(operations: readonly ByteOperation[]): Promise<void> {
    return this.engine.apply(operations)
  }

  applyPacked(trees: readonly string[], packed: PackedOperations): Promise<void> {
    return this.engine.apply([...packed.unpack(trees)])
  }

  openMoment(): Moment {
    return new PinnedMoment(pinnedState(this.engine), this.checkKey)
  }

  begin(): Attempt {
    return new WatchedAttempt(this.engine, pinnedState(this.engine))
  }

  async flushed(): Promise<void> {
    this.engine.assertOpen()
    if (!this.engine.readOnly) await this.engine.log.flushed()
  }

  async flushedTo(position: number): Promise<void> {
    if (!this.engine.readOnly) await this.engine.log.flushedTo(position)
  }

  checkpoint(): Promise<void> {
    return this.engine.checkpoint()
  }

  stats(): BTreeStats {
    return collectStats(this.engine)
  }

  async verify(): Promise<VerifyReport> {
    const { engine } = this
    const pin = engine.pin()
    try {
      const { freeList } = engine.pager
      const unused = [...freeList.unusedPages(), ...engine.unattached]
      const listPages = engine.metas.freeListPages
      return await verifyState(pin, { pageCount: freeList.pageCount, unused, listPages }, engine.clock)
    } finally {
      pin.close()
    }
  }

  backup(path: string): Promise<void> {
    return backupStore(this.engine, path)
  }

  compact(): Promise<void> {
    return compactStore(this.engine)
  }

  inspectPage(pageNumber: number): PageDescription {
    return describePage(this.engine.pager.file, pageNumber, this.pageSizeBytes)
  }

  close(): Promise<void> {
    return closeStore(this.engine)
  }
}

/** A store that the TypeScript engine runs. */
export class Store<K, V> extends BTreeHandle<K, V> {
  private readonly onClose: () => void

  constructor(engine: Engine, codecs: Codecs<K, V>, onClose: () => void = () => {}) {
    super(new TypeScriptEngine(engine), codecs)
    this.onClose = onClose
  }

  override async close(): Promise<void> {
    this.onClose()
    await super.close()
  }
}

/** Pins the state of this moment. */
function pinnedState(engine: Engine): PinnedState {
  const pin = engine.pin()
  return {
    position: pin.position,
    assertOpen: () => pin.assertOpen(),
    reader: (tree) => new PinnedReader(engine, pin, tree),
    close: () => pin.close(),
  }
}
