// One tree of a store that the native engine runs.
import { checkArray } from '../../../base/options.ts'
import type { NativeTree } from '../../../native/store.ts'
import { resolveBounds } from '../../compare.ts'
import type { KeyRange } from '../../ordered-store.ts'
import { checkOperation, checkTreeName, checkValue, encodeBatch } from '../arguments.ts'
import {
  type ByteOperation,
  checkCommitBytes,
  contentBytes,
  DEFAULT_TREE,
  type OperandOperation,
} from '../operation.ts'
import type { Codecs } from '../reader.ts'
import type { NamedTree, TreeBatchOperation } from '../types.ts'
import type { NativeCore } from './core.ts'
import { OperationList } from './operations.ts'
import { NativeReader } from './reader.ts'

/** Where one operation of a batch is larger, all are looked at before any is copied. */
const LARGE_BYTES = 1024 * 1024

/** What a tree needs of its store beside the core. */
export interface TreeOwner {
  readonly core: NativeCore
  flushed(): Promise<void>
  close(): Promise<void>
}

export class NativeTreeHandle<K, V> extends NativeReader<K, V> implements NamedTree<K, V> {
  readonly name: string
  private readonly owner: TreeOwner
  /** Undefined before the first use: a handle may be had of a closed store. */
  private tree: NativeTree | undefined

  constructor(owner: TreeOwner, name: string, codecs: Codecs<K, V>) {
    super(owner.core, codecs)
    this.owner = owner
    this.name = name
  }

  put(key: K, value: V): Promise<void> {
    const { core, codecs } = this
    const { memory, valueStart } = core
    // The value first: encoding it may run code of the caller's, which may use the same memory.
    const valueBytes = codecs.value.encodeInto(value, memory, valueStart, memory.length)
    if (valueBytes < 0) return this.putLarge(key, value)
    const keyBytes = this.passKey(key)
    return core.written(this.open().put(keyBytes, valueBytes))
  }

  delete(key: K): Promise<void> {
    return applyOperations(this.core, [{ kind: 'delete', tree: this.name, key: this.encodeKey(key) }])
  }

  batch(operations: readonly TreeBatchOperation<K, V>[]): Promise<void> {
    checkArray(operations, 'batch', 'operations')
    const list = new OperationList(this.core)
    try {
      for (const operation of operations) {
        if (!this.addTo(list, operation)) return applyOperations(this.core, this.encodeAll(operations))
      }
      return applyList(this.core, list)
    } finally {
      list.giveBack()
    }
  }

  clear(range: KeyRange<K> = {}): Promise<void> {
    const bounds = resolveBounds(range, this.codecs.key)
    return applyOperations(this.core, [{ kind: 'clear', tree: this.name, range: bounds }])
  }

  async compareAndSwap(key: K, expected: V | undefined, value: V | undefined): Promise<boolean> {
    const keyBytes = this.encodeKey(key)
    const wanted = expected === undefined ? undefined : this.encodeValue(expected)
    const next = value === undefined ? undefined : this.encodeValue(value)
    const { handle } = this.open()
    const { raw } = this.core
    if (this.core.checked(raw.compareAndSwap(handle, keyBytes, wanted, next)) === 0) return false
    await this.core.written(raw.position())
    return true
  }

  flushed(): Promise<void> {
    return this.owner.flushed()
  }

  /** Closes the whole store: trees share it. */
  close(): Promise<void> {
    return this.owner.close()
  }

  open(): NativeTree {
    if (!this.core.isOpen) this.core.assertOpen()
    this.tree ??= this.core.tree(this.name)
    return this.tree
  }

  private putLarge(key: K, value: V): Promise<void> {
    const bytes = this.encodeValue(value)
    const keyBytes = this.passKey(key)
    return this.core.written(this.open().putLarge(keyBytes, bytes))
  }

  /** @returns False if the operation is large; then it is not in the list. */
  private addTo(list: OperationList, operation: TreeBatchOperation<K, V>): boolean {
    checkOperation(operation)
    const { tree = this.name } = operation
    if (tree !== this.name && tree !== DEFAULT_TREE) checkTreeName(tree)
    if (list.appendEncoded(list.trees.indexOf(tree), operation, this.codecs)) return true
    const encoded = this.encodeAll([operation])
    if (contentBytes(encoded) > LARGE_BYTES) return false
    for (const one of encoded) list.add(one)
    return true
  }

  private encodeAll(operations: readonly TreeBatchOperation<K, V>[]): ByteOperation[] {
    return encodeBatch(operations, {
      tree: this.name,
      key: (key) => this.encodeKey(key),
      value: (value) => this.encodeValue(value),
    })
  }

  protected encodeValue(value: V): Uint8Array {
    return checkValue(this.codecs.value.encode(value))
  }
}

/** Applies all of `operations` at one instant. @returns The promise of their durability. */
export function applyOperations(
  core: NativeCore,
  operations: readonly (ByteOperation | OperandOperation)[],
): Promise<void> {
  core.assertWritable()
  checkCommitBytes(contentBytes(operations)) // before anything is copied
  const list = OperationList.of(core, operations)
  try {
    return applyList(core, list)
  } finally {
    list.giveBack()
  }
}

function applyList(core: NativeCore, { bytes, count, trees }: OperationList): Promise<void> {
  core.assertOpen()
  return core.written(core.raw.apply(bytes, count, trees.handles))
}
