// Lists of operations on their way to the core, and the trees that they speak of.
import { type NativeTreeHandle, OperationKind } from '../../../native/store.ts'
import type { BatchOperation } from '../../ordered-store.ts'
import type { ByteOperation, OperandOperation } from '../operation.ts'
import { FLAGS_AT, HEADER_BYTES, PackedOperations } from '../packed-operations.ts'
import type { ByteRange } from '../range.ts'
import type { Codecs } from '../reader.ts'
import type { NativeCore } from './core.ts'
import { rangeFlags } from './walk.ts'

/** The trees that lists speak of. */
export class TreeList {
  readonly handles: NativeTreeHandle[] = []
  private readonly core: NativeCore
  private readonly indexes = new Map<string, number>()

  constructor(core: NativeCore) {
    this.core = core
  }

  indexOf(name: string): number {
    let index = this.indexes.get(name)
    if (index === undefined) {
      index = this.handles.push(this.core.tree(name).handle) - 1
      this.indexes.set(name, index)
    }
    return index
  }
}

/** A list in the making. It must be given back: its memory was lent. */
export class OperationList extends PackedOperations {
  readonly trees: TreeList
  private readonly core: NativeCore

  constructor(core: NativeCore, trees = new TreeList(core)) {
    super(core.lend())
    this.core = core
    this.trees = trees
  }

  static of(core: NativeCore, operations: readonly (ByteOperation | OperandOperation)[]): OperationList {
    const list = new OperationList(core)
    for (const operation of operations) list.add(operation)
    return list
  }

  add(operation: ByteOperation | OperandOperation): void {
    const tree = this.trees.indexOf(operation.tree)
    if ('value' in operation) this.append(OperationKind[operation.kind], tree, operation.key, operation.value)
    else if (operation.kind === 'delete') this.append(OperationKind.delete, tree, operation.key)
    else if (operation.kind === 'clear') this.clear(tree, operation.range)
    else this.append(OperationKind.drop, tree)
  }

  clear(tree: number, range: ByteRange): void {
    const at = this.length
    this.append(OperationKind.clear, tree, range.lower, range.upper)
    this.bytes[at + FLAGS_AT] = rangeFlags(range)
  }

  /**
   * Appends a put or a delete of what is not encoded yet, if there is room for it without a closer look.
   * @returns False if there is not, or if the key is too long; then nothing has changed.
   */
  appendEncoded<K, V>(tree: number, operation: BatchOperation<K, V>, codecs: Codecs<K, V>): boolean {
    const isPut = operation.type === 'put'
    const at = this.begin(isPut ? OperationKind.put : OperationKind.delete, tree, HEADER_BYTES)
    const { bytes } = this
    const keyAt = at + HEADER_BYTES
    const keyBytes = codecs.key.encodeInto(operation.key, bytes, keyAt, bytes.length)
    if (keyBytes < 0 || keyBytes > this.core.maxKeyBytes) return this.without(at)
    const valueAt = keyAt + keyBytes
    const valueBytes = isPut ? codecs.value.encodeInto(operation.value, bytes, valueAt, bytes.length) : 0
    if (valueBytes < 0) return this.without(at)
    this.end(at, keyBytes, valueBytes)
    return true
  }

  giveBack(): void {
    this.core.giveBack(this.bytes)
  }

  private without(at: number): false {
    this.length = at
    this.count--
    return false
  }
}
