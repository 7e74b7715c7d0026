// Lists of operations as the native core reads them, in one piece of memory:
//
//   kind u8 | tree u32: an index into the trees beside the list | flags u8 | length u32 | length u32 | first | second
//
//   put, increment, append: key and value; delete: key; clear: the bounds; drop: nothing
import { OperationKind } from '../../native/store.ts'
import type { WriteOperation } from './arguments.ts'

export const HEADER_BYTES = 14
const TREE_AT = 1
export const FLAGS_AT = 5
const FIRST_LENGTH_AT = 6
const SECOND_LENGTH_AT = 10
const NOTHING = new Uint8Array(0)
/** Shorter pieces are copied faster by a loop than by a call into V8. */
const SHORT_BYTES = 24

/** A list in the making. */
export class PackedOperations {
  bytes: Buffer
  count = 0
  protected length = 0

  /** @param bytes - Where it is made; it grows into another one where that is too small. */
  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  append(kind: number, tree: number, first: Uint8Array = NOTHING, second: Uint8Array = NOTHING): void {
    const at = this.begin(kind, tree, HEADER_BYTES + first.length + second.length)
    this.end(at, first.length, second.length)
    this.bytes.set(first, at + HEADER_BYTES)
    this.bytes.set(second, at + HEADER_BYTES + first.length)
  }

  putPair(tree: number, key: Uint8Array, value: Uint8Array): void {
    this.append(OperationKind.put, tree, key, value)
  }

  /** A put whose key and value are parts of `source`. Both are within the bounds of the store. */
  put(tree: number, source: Uint8Array, keyAt: number, keyBytes: number, valueAt: number, valueBytes: number): void {
    const at = this.begin(OperationKind.put, tree, HEADER_BYTES + keyBytes + valueBytes)
    this.end(at, keyBytes, valueBytes)
    this.copy(source, keyAt, keyBytes, at + HEADER_BYTES)
    this.copy(source, valueAt, valueBytes, at + HEADER_BYTES + keyBytes)
  }

  delete(tree: number, source: Uint8Array, keyAt: number, keyBytes: number): void {
    const at = this.begin(OperationKind.delete, tree, HEADER_BYTES + keyBytes)
    this.end(at, keyBytes, 0)
    this.copy(source, keyAt, keyBytes, at + HEADER_BYTES)
  }

  /** Begins another list in the same memory, unless that has grown beyond `keptBytes`. */
  restart(keptBytes: number): void {
    if (this.bytes.length > keptBytes) this.bytes = Buffer.allocUnsafeSlow(keptBytes)
    this.count = 0
    this.length = 0
  }

  /** The puts and deletes in the list, with memory of their own. @param trees - The names that indexes stand for. */
  *unpack(trees: readonly string[]): Generator<WriteOperation> {
    const { bytes } = this
    for (let at = 0; at < this.length; ) {
      const keyAt = at + HEADER_BYTES
      const valueAt = keyAt + bytes.readUInt32LE(at + FIRST_LENGTH_AT)
      const end = valueAt + bytes.readUInt32LE(at + SECOND_LENGTH_AT)
      const tree = trees[bytes.readUInt32LE(at + TREE_AT)] as string
      const key = Uint8Array.prototype.slice.call(bytes, keyAt, valueAt)
      if (bytes[at] === OperationKind.delete) yield { kind: 'delete', tree, key }
      else yield { kind: 'put', tree, key, value: Uint8Array.prototype.slice.call(bytes, valueAt, end) }
      at = end
    }
  }

  /** Makes room and writes the first fields of an operation. @returns Where it begins. */
  protected begin(kind: number, tree: number, bytes: number): number {
    const at = this.length
    if (at + bytes > this.bytes.length) this.bytes = larger(this.bytes, at, at + bytes)
    this.bytes[at] = kind
    this.bytes.writeUInt32LE(tree, at + TREE_AT)
    this.bytes[at + FLAGS_AT] = 0
    this.count++
    return at
  }

  /** Ends an operation whose parts have these lengths. */
  protected end(at: number, firstBytes: number, secondBytes: number): void {
    this.bytes.writeUInt32LE(firstBytes, at + FIRST_LENGTH_AT)
    this.bytes.writeUInt32LE(secondBytes, at + SECOND_LENGTH_AT)
    this.length = at + HEADER_BYTES + firstBytes + secondBytes
  }

  private copy(source: Uint8Array, start: number, count: number, to: number): void {
    const { bytes } = this
    if (count > SHORT_BYTES) bytes.set(source.subarray(start, start + count), to)
    else for (let i = 0; i < count; i++) bytes[to + i] = source[start + i] as number
  }
}

/** A buffer of at least `bytes` with the first `used` of `buffer`; at least twice as large, so that copying stays rare. */
export function larger(buffer: Buffer, used: number, bytes: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * buffer.length))
  buffer.copy(copy, 0, 0, used)
  return copy
}
