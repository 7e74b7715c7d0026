// The handle of an open B-tree store, whichever of the two engines is below.
import { checkTreeName, codecsOf } from '../ordered/arguments.ts'
import { checkTreeOptions } from '../ordered/check-options.ts'
import { DEFAULT_TREE } from '../ordered/operation.ts'
import type { PackedOperations } from '../ordered/packed-operations.ts'
import type { Codecs } from '../ordered/reader.ts'
import { StoreHandle } from '../ordered/store.ts'
import type { TreeOptions } from '../ordered/types.ts'
import type { BTreeEngine } from './btree-engine.ts'
import type { BTree, BTreeStats, BTreeTree, PageDescription, VerifyReport } from './types.ts'

/** An open store: its default tree, and what concerns all of it. */
export class BTreeHandle<K, V> extends StoreHandle<K, V, BTreeTree<K, V>> implements BTree<K, V> {
  readonly pageSizeBytes: number
  private readonly engine: BTreeEngine

  constructor(engine: BTreeEngine, codecs: Codecs<K, V>) {
    super(engine, engine.tree(DEFAULT_TREE, codecs), codecs)
    this.engine = engine
    this.pageSizeBytes = engine.pageSizeBytes
  }

  get keyCount(): number {
    return this.reader.keyCount
  }

  bulkLoad(entries: Iterable<readonly [K, V]> | AsyncIterable<readonly [K, V]>): Promise<number> {
    return this.reader.bulkLoad(entries)
  }

  override tree<K2, V2>(name: string, options: TreeOptions = {}): BTreeTree<K2, V2> {
    return this.engine.tree(checkTreeName(name), codecsOf<K2, V2>(checkTreeOptions(options)))
  }

  /** `batch` for systems of the house that have keys and values in one piece of memory: see `BTreeEngine`. */
  applyPacked(trees: readonly string[], packed: PackedOperations): Promise<void> {
    return this.engine.applyPacked(trees, packed)
  }

  checkpoint(): Promise<void> {
    return this.engine.checkpoint()
  }

  stats(): BTreeStats {
    return this.engine.stats()
  }

  verify(): Promise<VerifyReport> {
    return this.engine.verify()
  }

  backup(path: string): Promise<void> {
    return this.engine.backup(path)
  }

  compact(): Promise<void> {
    return this.engine.compact()
  }

  inspectPage(pageNumber: number): PageDescription {
    this.engine.assertOpen()
    return this.engine.inspectPage(pageNumber)
  }
}
