// What the log says about an ordered store: one record a commit, holding its outcome as a list of operations.
//
//   operation  = kind u8 | treeId varint | body
//   1 put        keyLength varint | key | valueLength varint | value
//   2 delete     keyLength varint | key
//   3 clear      flags u8 (1: lower bound, 2: it counts, 4: upper bound, 8: it counts) | bounds: length varint | key
//   4 createTree nameLength varint | name
//   5 dropTree   nothing
//   6 bulkLoad   nothing: what was loaded was written apart, and is there as of this record
//   7 increment  keyLength varint | key | i64 little-endian; LSM stores alone
//   8 append     keyLength varint | key | valueLength varint | value; LSM stores alone
//   varint     = unsigned LEB128
import { BedplateError } from '../../base/errors.ts'
import type { ByteRange } from './range.ts'

const OperationKind = {
  put: 1,
  delete: 2,
  clear: 3,
  createTree: 4,
  dropTree: 5,
  bulkLoad: 6,
  increment: 7,
  append: 8,
} as const

/** Bytes of what an increment adds. */
export const INCREMENT_BYTES = 8

const MAX_VARINT_BYTES = 8

/** What replay has to do; in the order of the record. Byte arrays are views of the record. */
export interface RecordVisitor {
  put(treeId: number, key: Uint8Array, value: Uint8Array): void
  delete(treeId: number, key: Uint8Array): void
  clear(treeId: number, range: ByteRange): void
  createTree(treeId: number, name: Uint8Array): void
  dropTree(treeId: number): void
  bulkLoad(treeId: number): void
  /** Absent, with `append`, where no record of the kind can be: then one is not read. @param by - Eight bytes. */
  increment?(treeId: number, key: Uint8Array, by: Uint8Array): void
  append?(treeId: number, key: Uint8Array, suffix: Uint8Array): void
}

/** Builds one record at a time in memory that it reuses: `bytes` is good until the next `begin`. */
export class RecordWriter {
  private buffer = new Uint8Array(4096)
  private length = 0

  begin(): void {
    this.length = 0
    if (this.buffer.length > 1 << 20) this.buffer = new Uint8Array(4096) // one huge record is no reason to keep its memory
  }

  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length)
  }

  put(treeId: number, key: Uint8Array, value: Uint8Array): void {
    this.keyAndValue(OperationKind.put, treeId, key, value)
  }

  delete(treeId: number, key: Uint8Array): void {
    this.head(OperationKind.delete, treeId, key.length)
    this.varint(key.length)
    this.raw(key)
  }

  clear(treeId: number, range: ByteRange): void {
    const { lower, upper } = range
    this.head(OperationKind.clear, treeId, 1 + (lower?.length ?? 0) + (upper?.length ?? 0))
    this.buffer[this.length++] =
      (lower === undefined ? 0 : 1 | (range.lowerInclusive ? 2 : 0)) |
      (upper === undefined ? 0 : 4 | (range.upperInclusive ? 8 : 0))
    for (const bound of [lower, upper]) {
      if (bound === undefined) continue
      this.varint(bound.length)
      this.raw(bound)
    }
  }

  createTree(treeId: number, name: Uint8Array): void {
    this.head(OperationKind.createTree, treeId, name.length)
    this.varint(name.length)
    this.raw(name)
  }

  dropTree(treeId: number): void {
    this.head(OperationKind.dropTree, treeId, 0)
  }

  bulkLoad(treeId: number): void {
    this.head(OperationKind.bulkLoad, treeId, 0)
  }

  /** @param by - Eight bytes. */
  increment(treeId: number, key: Uint8Array, by: Uint8Array): void {
    this.head(OperationKind.increment, treeId, key.length + INCREMENT_BYTES)
    this.varint(key.length)
    this.raw(key)
    this.raw(by)
  }

  append(treeId: number, key: Uint8Array, suffix: Uint8Array): void {
    this.keyAndValue(OperationKind.append, treeId, key, suffix)
  }

  private keyAndValue(kind: number, treeId: number, key: Uint8Array, value: Uint8Array): void {
    this.head(kind, treeId, key.length + value.length)
    this.varint(key.length)
    this.raw(key)
    this.varint(value.length)
    this.raw(value)
  }

  /** Makes room for a whole operation, so that the parts need no checks, and writes its first two fields. */
  private head(kind: number, treeId: number, bodyBytes: number): void {
    const needed = this.length + 1 + 3 * MAX_VARINT_BYTES + bodyBytes
    if (needed > this.buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.buffer.length * 2))
      larger.set(this.buffer.subarray(0, this.length))
      this.buffer = larger
    }
    this.buffer[this.length++] = kind
    this.varint(treeId)
  }

  private varint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.buffer[this.length++] = rest | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.buffer[this.length++] = rest
  }

  private raw(bytes: Uint8Array): void {
    if (bytes.length > 32) this.buffer.set(bytes, this.length)
    else for (let i = 0; i < bytes.length; i++) this.buffer[this.length + i] = bytes[i] as number
    this.length += bytes.length
  }
}

/** Reads a record; bytes that are not one give CORRUPTION. */
export function visitRecord(record: Uint8Array, visitor: RecordVisitor): void {
  const reader = new RecordReader(record)
  while (!reader.atEnd) {
    const kind = reader.byte()
    const treeId = reader.varint()
    switch (kind) {
      case OperationKind.put:
        visitor.put(treeId, reader.sized(), reader.sized())
        break
      case OperationKind.delete:
        visitor.delete(treeId, reader.sized())
        break
      case OperationKind.clear:
        visitor.clear(treeId, reader.range())
        break
      case OperationKind.createTree:
        visitor.createTree(treeId, reader.sized())
        break
      case OperationKind.dropTree:
        visitor.dropTree(treeId)
        break
      case OperationKind.bulkLoad:
        visitor.bulkLoad(treeId)
        break
      case OperationKind.increment:
        if (visitor.increment === undefined) throw reader.unknown(kind)
        visitor.increment(treeId, reader.sized(), reader.raw(INCREMENT_BYTES))
        break
      case OperationKind.append:
        if (visitor.append === undefined) throw reader.unknown(kind)
        visitor.append(treeId, reader.sized(), reader.sized())
        break
      default:
        throw reader.unknown(kind)
    }
  }
}

class RecordReader {
  private readonly bytes: Uint8Array
  private at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get atEnd(): boolean {
    return this.at >= this.bytes.length
  }

  byte(): number {
    if (this.atEnd) throw this.broken('it ends too early')
    return this.bytes[this.at++] as number
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    throw this.broken('a number has too many bytes')
  }

  sized(): Uint8Array {
    return this.raw(this.varint())
  }

  raw(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw this.broken(`${length} bytes are said to follow byte ${this.at}`)
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  range(): ByteRange {
    const flags = this.byte()
    const lower = flags & 1 ? this.sized() : undefined
    const upper = flags & 4 ? this.sized() : undefined
    return { lower, lowerInclusive: (flags & 2) !== 0, upper, upperInclusive: (flags & 8) !== 0 }
  }

  unknown(kind: number): BedplateError {
    return this.broken(`unknown operation ${kind}`)
  }

  broken(problem: string): BedplateError {
    return new BedplateError('CORRUPTION', `a log record of ${this.bytes.length} bytes cannot be read: ${problem}`)
  }
}
