// The handle of an open store that the native engine runs: its default tree, and what concerns all of it.
import { checkTreeName, codecsOf } from '../../ordered/arguments.ts'
import { checkTreeOptions } from '../../ordered/check-options.ts'
import { DEFAULT_TREE } from '../../ordered/operation.ts'
import type { Codecs } from '../../ordered/reader.ts'
import { StoreHandle } from '../../ordered/store.ts'
import type { TreeOptions } from '../../ordered/types.ts'
import type { KeyRange } from '../../ordered-store.ts'
import { checkListener, type LsmEvents, type LsmListener } from '../events.ts'
import type { Entries, Lsm, LsmBatchOperation, LsmStats, LsmTree, LsmVerifyReport } from '../types.ts'
import type { NativeLsmEngine } from './engine.ts'

export class NativeLsmHandle<K, V> extends StoreHandle<K, V, LsmTree<K, V>> implements Lsm<K, V> {
  private readonly engine: NativeLsmEngine

  constructor(engine: NativeLsmEngine, codecs: Codecs<K, V>) {
    super(engine, engine.tree(DEFAULT_TREE, codecs), codecs)
    this.engine = engine
  }

  override tree<K2, V2>(name: string, options: TreeOptions = {}): LsmTree<K2, V2> {
    return this.engine.tree(checkTreeName(name), codecsOf<K2, V2>(checkTreeOptions(options)))
  }

  override batch(operations: readonly LsmBatchOperation<K, V>[]): Promise<void> {
    return this.reader.batch(operations)
  }

  increment(key: K, by?: number | bigint): Promise<void> {
    return this.reader.increment(key, by)
  }

  append(key: K, suffix: V): Promise<void> {
    return this.reader.append(key, suffix)
  }

  flush(): Promise<void> {
    return this.engine.flush()
  }

  async compact(range?: KeyRange<K>): Promise<void> {
    await (range === undefined ? this.engine.compact() : this.reader.compact(range))
  }

  ingest(entries: Entries<K, V>): Promise<number> {
    return this.reader.ingest(entries)
  }

  backup(path: string): Promise<void> {
    return this.engine.backup(path)
  }

  on<E extends keyof LsmEvents>(event: E, listener: LsmListener<E>): () => void {
    checkListener(event, listener)
    return this.engine.events.on(event, listener)
  }

  stats(): LsmStats {
    return this.engine.stats()
  }

  verify(): Promise<LsmVerifyReport> {
    return this.engine.verify()
  }
}
