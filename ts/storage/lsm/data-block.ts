// The payload of a data block: versions in order, found by binary search.
//
//   0  2  count         versions, at least 1
//   2  2  prefixLength  bytes that all keys begin with
//   4  4                0
//   8  4 x count  heads    of each key the four bytes after the prefix, big-endian and zero padded, stored as u32
//      2 x count  offsets  where its entry begins, from the first one on
//      prefixLength        the prefix
//      entries             suffixLength u16 | kind u8 | sequence u48 | valueLength u32 | suffix | value
//
// Suffixes are whole, not deltas: a search decodes the one entry that it finds.
import { commonPrefixLength, compareBytes } from '../compare.ts'
import { INCREMENT_BYTES } from '../ordered/record.ts'
import { damaged } from './block.ts'
import { type Entry, EntryKind } from './entry.ts'
import { readU48, writeU48 } from './fields.ts'

const HEADER_BYTES = 8
const ENTRY_HEADER_BYTES = 13
const MAX_COUNT = 0xffff
/** Offsets of entries are u16. */
const MAX_ENTRY_OFFSET = 0xffff

/** Where a block is. */
export interface BlockPlace {
  readonly path: string
  readonly offset: number
}

/** Gathers versions into a block. */
export class DataBlockBuilder {
  private readonly targetBytes: number
  private entries: Entry[] = []
  private size = 0

  /** @param targetBytes - A block is full once it has so many, before its common prefix is taken out; at most 32,768. */
  constructor(targetBytes: number) {
    this.targetBytes = targetBytes
  }

  get isEmpty(): boolean {
    return this.entries.length === 0
  }

  get isFull(): boolean {
    return this.size >= this.targetBytes || this.entries.length === MAX_COUNT
  }

  /** The key of the last version. */
  get lastKey(): Uint8Array {
    return (this.entries.at(-1) as Entry).key
  }

  /** Behind all that were added before. */
  add(entry: Entry): void {
    this.entries.push(entry)
    this.size += ENTRY_HEADER_BYTES + 6 + entry.key.length + entry.value.length
  }

  /** The payload; the builder is empty again. */
  finish(): Uint8Array {
    const { entries } = this
    this.entries = []
    this.size = 0
    const count = entries.length
    const firstKey = (entries[0] as Entry).key
    const prefixLength = commonPrefixLength(firstKey, (entries[count - 1] as Entry).key)
    const start = HEADER_BYTES + 6 * count + prefixLength
    const length = entries.reduce(
      (sum, { key, value }) => sum + ENTRY_HEADER_BYTES + key.length - prefixLength + value.length,
      start,
    )
    const bytes = new Uint8Array(length)
    const view = new DataView(bytes.buffer)
    view.setUint16(0, count, true)
    view.setUint16(2, prefixLength, true)
    bytes.set(firstKey.subarray(0, prefixLength), HEADER_BYTES + 6 * count)
    let at = start
    for (const [i, { key, sequence, kind, value }] of entries.entries()) {
      const suffix = key.subarray(prefixLength)
      view.setUint32(HEADER_BYTES + 4 * i, headOf(suffix), true)
      view.setUint16(HEADER_BYTES + 4 * count + 2 * i, at - start, true)
      view.setUint16(at, suffix.length, true)
      bytes[at + 2] = kind
      writeU48(view, at + 3, sequence)
      view.setUint32(at + 9, value.length, true)
      bytes.set(suffix, at + ENTRY_HEADER_BYTES)
      bytes.set(value, at + ENTRY_HEADER_BYTES + suffix.length)
      at += ENTRY_HEADER_BYTES + suffix.length + value.length
    }
    return bytes
  }
}

/** A data block to be searched. What it gives are views of it, or of memory of their own. */
export class DataBlock {
  readonly count: number
  /** The memory it takes. */
  readonly byteLength: number
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly prefix: Uint8Array
  private readonly entriesStart: number
  private readonly where: BlockPlace
  /** What all versions count as having; 0: each has its own. */
  private readonly sequence: number

  /**
   * @param bytes - A payload; any bytes are fine.
   * @param where - Its place, for the text of errors.
   * @param sequence - What all versions count as having; 0: each has its own.
   * @throws CORRUPTION if its arrays do not fit into it.
   */
  constructor(bytes: Uint8Array, where: BlockPlace, sequence = 0) {
    this.bytes = bytes
    this.byteLength = bytes.length
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.where = where
    this.sequence = sequence
    if (bytes.length < HEADER_BYTES) throw this.broken('it has no header')
    this.count = this.view.getUint16(0, true)
    const prefixLength = this.view.getUint16(2, true)
    const prefixStart = HEADER_BYTES + 6 * this.count
    this.entriesStart = prefixStart + prefixLength
    if (this.count === 0 || this.entriesStart > bytes.length) throw this.broken(`${this.count} entries do not fit`)
    this.prefix = bytes.subarray(prefixStart, this.entriesStart)
  }

  /** @throws CORRUPTION if the entry leads outside the block. */
  entryAt(index: number): Entry {
    const { bytes, view, prefix } = this
    const at = this.entryStart(index)
    const suffixLength = view.getUint16(at, true)
    const kind = bytes[at + 2] as number
    const suffixEnd = at + ENTRY_HEADER_BYTES + suffixLength
    const valueEnd = suffixEnd + view.getUint32(at + 9, true)
    if (valueEnd > bytes.length) throw this.broken(`entry ${index} ends behind it`)
    if (kind > EntryKind.append) throw this.broken(`entry ${index} is of kind ${kind}`)
    if (kind === EntryKind.increment && valueEnd - suffixEnd !== INCREMENT_BYTES)
      throw this.broken(`entry ${index} is an increment of ${valueEnd - suffixEnd} bytes`)
    const key = new Uint8Array(prefix.length + suffixLength)
    key.set(prefix)
    key.set(bytes.subarray(at + ENTRY_HEADER_BYTES, suffixEnd), prefix.length)
    return { key, sequence: this.sequenceAt(at), kind: kind as EntryKind, value: bytes.subarray(suffixEnd, valueEnd) }
  }

  /**
   * The first index at or behind the versions of `key` that are not newer than `sequence`; `count` if there is none.
   * With no sequence, the first one whose key is not below `key`.
   */
  search(key: Uint8Array, sequence = Number.POSITIVE_INFINITY): number {
    const { prefix } = this
    const shared = commonPrefixLength(prefix, key)
    if (shared < prefix.length) {
      return shared === key.length || (key[shared] as number) < (prefix[shared] as number) ? 0 : this.count
    }
    const suffix = key.subarray(prefix.length)
    const head = headOf(suffix)
    // Invariant: what is before `low` comes before the wanted place; what is from `high` on does not.
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.isBefore(middle, head, suffix, sequence)) low = middle + 1
      else high = middle
    }
    return low
  }

  private isBefore(index: number, head: number, suffix: Uint8Array, sequence: number): boolean {
    const own = this.view.getUint32(HEADER_BYTES + 4 * index, true)
    if (own !== head) return own < head
    const at = this.entryStart(index)
    const start = at + ENTRY_HEADER_BYTES
    const end = start + this.view.getUint16(at, true)
    if (end > this.bytes.length) throw this.broken(`the key of entry ${index} ends behind it`)
    const order = compareBytes(this.bytes.subarray(start, end), suffix)
    return order < 0 || (order === 0 && this.sequenceAt(at) > sequence)
  }

  private sequenceAt(entryStart: number): number {
    return this.sequence || readU48(this.view, entryStart + 3)
  }

  private entryStart(index: number): number {
    const at = this.entriesStart + this.view.getUint16(HEADER_BYTES + 4 * this.count + 2 * index, true)
    if (at + ENTRY_HEADER_BYTES > this.bytes.length) throw this.broken(`entry ${index} begins behind it`)
    return at
  }

  private broken(problem: string): Error {
    return damaged(this.where.path, this.where.offset, problem)
  }
}

/** The most bytes a block may gather, so that all its offsets can be written. */
export const MAX_BLOCK_TARGET_BYTES = (MAX_ENTRY_OFFSET + 1) / 2

/** The first four bytes as a number that orders as they do. */
function headOf(suffix: Uint8Array): number {
  return (((suffix[0] ?? 0) << 24) | ((suffix[1] ?? 0) << 16) | ((suffix[2] ?? 0) << 8) | (suffix[3] ?? 0)) >>> 0
}
