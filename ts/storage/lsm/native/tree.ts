// One tree of an LSM store that the native engine runs.
import { checkArray } from '../../../base/options.ts'
import { applyOperations, NativeTreeHandle } from '../../ordered/native/tree.ts'
import { encodeLsmBatch, encodeOperand, isPlain, type LsmEncoder } from '../tree-handle.ts'
import type { LsmBatchOperation, LsmTree } from '../types.ts'

export class NativeLsmTree<K, V> extends NativeTreeHandle<K, V> implements LsmTree<K, V> {
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

  private get encoder(): LsmEncoder<K, V> {
    return {
      tree: this.name,
      key: (key) => this.encodeKey(key),
      value: (value) => this.encodeValue(value),
      values: this.codecs.value,
    }
  }
}
