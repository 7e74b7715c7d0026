// The writes of a command, found where they lie in its bytes: a command is looked through once for each thing that is done with it,
// and nothing is made for a write that nobody asks for.
import { BedplateError } from '../../../base/errors.ts'
import { KINDS, MAX_BATCH_WRITES, MAX_KEY_BYTES, MAX_VALUE_BYTES } from './command-layout.ts'

/** A change of a key; `value` undefined deletes it. */
export interface Write {
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
}

/** Is told of a write: where its key and its value lie. A delete has no value. */
export type WriteVisitor = (
  isDelete: boolean,
  keyAt: number,
  keyBytes: number,
  valueAt: number,
  valueBytes: number,
) => void

const BATCH_AT = 5

/** What a command of the kinds set, delete and batch does. */
export class WriteList implements Iterable<Write> {
  readonly bytes: Uint8Array
  readonly count: number
  /** Those that delete. */
  readonly deleteCount: number

  /** Checks all of it. @throws CORRUPTION */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    let count = 0
    let deleteCount = 0
    this.visit((isDelete) => {
      count++
      if (isDelete) deleteCount++
    })
    this.count = count
    this.deleteCount = deleteCount
  }

  /** In order. @throws CORRUPTION */
  visit(visitor: WriteVisitor): void {
    const { bytes } = this
    const { length } = bytes
    const kind = bytes[0]
    if (kind === KINDS.delete) {
      this.check(length >= 2 && length - 1 <= MAX_KEY_BYTES, 1)
      visitor(true, 1, length - 1, length, 0)
      return
    }
    if (kind === KINDS.set) {
      const keyBytes = this.lengthAt(1, MAX_KEY_BYTES, 1)
      const valueAt = BATCH_AT + keyBytes
      this.check(length - valueAt <= MAX_VALUE_BYTES, valueAt)
      visitor(false, BATCH_AT, keyBytes, valueAt, length - valueAt)
      return
    }
    this.check(kind === KINDS.batch && length >= BATCH_AT, 0)
    const count = readU32(bytes, 1)
    this.check(count <= MAX_BATCH_WRITES, 1)
    let at = BATCH_AT
    for (let i = 0; i < count; i++) {
      const isDelete = bytes[at] === KINDS.delete
      this.check(isDelete || bytes[at] === KINDS.set, at)
      const keyAt = at + 5
      const keyBytes = this.lengthAt(at + 1, MAX_KEY_BYTES, 1)
      at = keyAt + keyBytes
      if (isDelete) visitor(true, keyAt, keyBytes, at, 0)
      else {
        const valueBytes = this.lengthAt(at, MAX_VALUE_BYTES)
        visitor(false, keyAt, keyBytes, at + 4, valueBytes)
        at += 4 + valueBytes
      }
    }
    this.check(at === length, at)
  }

  /** Keys and values are views of the bytes. */
  [Symbol.iterator](): Iterator<Write> {
    const writes: Write[] = []
    this.visit((isDelete, keyAt, keyBytes, valueAt, valueBytes) => {
      const key = this.bytes.subarray(keyAt, keyAt + keyBytes)
      writes.push({ key, value: isDelete ? undefined : this.bytes.subarray(valueAt, valueAt + valueBytes) })
    })
    return writes.values()
  }

  /** A length, of which so many bytes follow. */
  private lengthAt(at: number, most: number, least = 0): number {
    this.check(at + 4 <= this.bytes.length, at)
    const length = readU32(this.bytes, at)
    this.check(length >= least && length <= most && length <= this.bytes.length - at - 4, at)
    return length
  }

  private check(isSo: boolean, at: number): void {
    if (isSo) return
    const what = `a command of a replicated store of ${this.bytes.length} bytes`
    throw new BedplateError('CORRUPTION', `${what} is none that was written (near byte ${at})`)
  }
}

function readU32(bytes: Uint8Array, at: number): number {
  const high = (bytes[at + 3] as number) * 0x1000000
  return high + (((bytes[at + 2] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at] as number))
}
