// Lists of operations as the core reads them:
//
//   kind u8 | tree u32: an index into the trees beside the list | flags u8 | length u32 | length u32 | first | second
//
//   put, increment, append: key and value; delete: key; clear: the bounds; drop: nothing
import { type NativeTreeHandle, OperationKind } from '../../../native/store.ts'
import type { BatchOperation } from '../../ordered-store.ts'
import type { ByteOperation, OperandOperation } from '../operation.ts'
import type { ByteRange } from '../range.ts'
import type { Codecs } from '../reader.ts'
import type { NativeCore } from './core.ts'
import { larger } from './reader.ts'
import { rangeFlags } from './walk.ts'

const HEADER_BYTES = 14
const TREE_AT = 1
const FLAGS_AT = 5
const FIRST_LENGTH_AT = 6
const SECOND_LENGTH_AT = 10
const NOTHING = new Uint8Array(0)

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
export class OperationList {
  bytes: Buffer
  count = 0
  readonly trees: TreeList
  private readonly core: NativeCore
  private length = 0

  constructor(core: NativeCore, trees = new TreeList(core)) {
    this.core = core
    this.trees = trees
    this.bytes = core.lend()
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

  append(kind: number, tree: number, first: Uint8Array = NOTHING, second: Uint8Array = NOTHING): void {
    const at = this.begin(kind, tree, HEADER_BYTES + first.length + second.length)
    this.bytes.writeUInt32LE(first.length, at + FIRST_LENGTH_AT)
    this.bytes.writeUInt32LE(second.length, at + SECOND_LENGTH_AT)
    this.bytes.set(first, at + HEADER_BYTES)
    this.bytes.set(second, at + HEADER_BYTES + first.length)
    this.length = at + HEADER_BYTES + first.length + second.length
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
    bytes.writeUInt32LE(keyBytes, at + FIRST_LENGTH_AT)
    bytes.writeUInt32LE(valueBytes, at + SECOND_LENGTH_AT)
    this.length = valueAt + valueBytes
    return true
  }

  giveBack(): void {
    this.core.giveBack(this.bytes)
  }

  /** Makes room and writes the first fields of an operation. @returns Where it begins. */
  private begin(kind: number, tree: number, bytes: number): number {
    const at = this.length
    if (at + bytes > this.bytes.length) this.bytes = larger(this.bytes, at, at + bytes)
    this.bytes[at] = kind
    this.bytes.writeUInt32LE(tree, at + TREE_AT)
    this.bytes[at + FLAGS_AT] = 0
    this.count++
    return at
  }

  private without(at: number): false {
    this.length = at
    this.count--
    return false
  }
}
