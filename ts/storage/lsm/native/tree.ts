// One tree of an LSM store that the native engine runs.
import { checkArray } from '../../../base/options.ts'
import { resolveBounds } from '../../compare.ts'
import { applyOperations, NativeTreeHandle, type TreeOwner } from '../../ordered/native/tree.ts'
import type { ByteRange } from '../../ordered/range.ts'
import type { Codecs } from '../../ordered/reader.ts'
import type { KeyRange } from '../../ordered-store.ts'
import type { ByteEntries } from '../ingest.ts'
import { encodeEntries, encodeLsmBatch, encodeOperand, isPlain, type LsmEncoder } from '../tree-handle.ts'
import type { Entries, LsmBatchOperation, LsmTree } from '../types.ts'

/** What a tree needs of its store. */
export interface LsmOwner extends TreeOwner {
  /** Merges what tables hold of a range of a tree. */
  compactRange(tree: string, range: ByteRange): Promise<void>
  /** Puts entries above all that the tree holds. @returns How many. */
  ingest(tree: string, entries: ByteEntries): Promise<number>
}

export class NativeLsmTree<K, V> extends NativeTreeHandle<K, V> implements LsmTree<K, V> {
  private readonly store: LsmOwner

  constructor(owner: LsmOwner, name: string, codecs: Codecs<K, V>) {
    super(owner, name, codecs)
    this.store = owner
  }

  increment(key: K, by: number | bigint = 1): Promise<void> {
    return applyOperations(this.core, [encodeOperand({ type: 'increment', key, by }, this.encoder)])
  }

  append(key: K, suffix: V): Promise<void> {
    return applyOperations(this.core, [encodeOperand({ type: 'append', key, value: suffix }, this.encoder)])
  }

  override batch(operations: readonly LsmBatchOperation<K, V>[]): Promise<void> {
    checkArray(operations, 'batch', 'operations')
    if (isPlain(operations)) return super.batch(operations)
    return applyOperations(this.core, encodeLsmBatch(operations, this.encoder))
  }

  async compact(range: KeyRange<K> = {}): Promise<void> {
    await this.store.compactRange(this.name, resolveBounds(range, this.codecs.key, 'compact'))
  }

  async ingest(entries: Entries<K, V>): Promise<number> {
    return await this.store.ingest(this.name, encodeEntries(entries, this.encoder))
  }

  private get encoder(): LsmEncoder<K, V> {
    return {
      tree: this.name,
      key: (key) => this.encodeKey(key),
      value: (value) => this.encodeValue(value),
      values: this.codecs.value,
    }
  }
}
