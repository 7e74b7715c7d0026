// What of a table is kept in memory while it is read: its filter, its index and its range tombstones.
import { BedplateError } from '../../base/errors.ts'
import { BloomFilter } from '../bloom/index.ts'
import { compareBytes } from '../compare.ts'
import { BLOCK_HEADER_BYTES, type BlockHandle, BlockType, openBlock, tableSeed } from './block.ts'
import { FieldReader } from './fields.ts'
import { MAX_BOUND_BYTES } from './internal-key.ts'
import type { Mutant } from './mutant.ts'
import { type RangeTombstone, RangeTombstones } from './range-tombstones.ts'
import { decodeFooter, FOOTER_BYTES, readProperties, type TableInfo, type TableProperties } from './table-format.ts'

/** Where the data blocks are, by their keys. */
class BlockIndex {
  readonly handles: readonly BlockHandle[]
  private readonly separators: readonly Uint8Array[]

  constructor(handles: readonly BlockHandle[], separators: readonly Uint8Array[]) {
    this.handles = handles
    this.separators = separators
  }

  /** The first block that may hold a key which is not below `key`; `handles.length` if none does. */
  find(key: Uint8Array): number {
    let low = 0
    let high = this.separators.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(this.separators[middle] as Uint8Array, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A table that is ready to be searched. */
export interface TableMeta {
  readonly index: BlockIndex
  /** Undefined if the table was made without one. */
  readonly filter: BloomFilter | undefined
  readonly tombstones: RangeTombstones
  readonly properties: TableProperties
  /** The start of the checksums of its blocks. */
  readonly seed: number
  /** About the memory it takes. */
  readonly byteLength: number
}

/** A separator, its length, and a handle. */
const LEAST_INDEX_ENTRY_BYTES = 12
/** Two bounds with their lengths, and a sequence. */
const LEAST_TOMBSTONE_BYTES = 10
/** About what an entry of the index takes in memory beside its bytes. */
const INDEX_ENTRY_MEMORY = 160

/**
 * Takes apart everything of a table behind its data.
 * @param tail - The bytes of the file from `info.dataBytes` to its end; any bytes are fine.
 * @throws CORRUPTION, INCOMPATIBLE
 */
export function openTail(tail: Uint8Array, info: TableInfo, path: string, mutant?: Mutant): TableMeta {
  const { dataBytes, fileBytes } = info
  const footer = decodeFooter(tail.subarray(Math.max(0, tail.length - FOOTER_BYTES)), path, fileBytes)
  if (compareBytes(footer.id, info.id) !== 0) {
    throw new BedplateError('CORRUPTION', `${path} is another table than the one that the manifest names`, {
      hint: 'restore a backup',
    })
  }
  const seed = tableSeed(footer.id)
  const payload = (type: BlockType, { offset, length }: BlockHandle): Uint8Array => {
    const start = offset - dataBytes
    return openBlock(type, tail.subarray(Math.max(0, start), start + length), { seed, path, mutant }, offset)
  }
  const filter =
    footer.filter.length === 0 ? undefined : new BloomFilter(payload(BlockType.filter, footer.filter), path)
  const index = readIndex(payload(BlockType.index, footer.index), path, dataBytes)
  const tombstones = readTombstones(payload(BlockType.tombstones, footer.tombstones), path, info.sequence)
  const fields = new FieldReader(payload(BlockType.properties, footer.properties), `${path}, properties`)
  const properties = readProperties(fields)
  fields.end()
  const byteLength = tail.length + INDEX_ENTRY_MEMORY * (index.handles.length + tombstones.count)
  return { index, filter, tombstones, properties, seed, byteLength }
}

function readIndex(payload: Uint8Array, path: string, dataBytes: number): BlockIndex {
  const fields = new FieldReader(payload, `${path}, index`)
  const count = fields.count(LEAST_INDEX_ENTRY_BYTES)
  const handles: BlockHandle[] = []
  const separators: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    separators.push(fields.sized())
    const handle = { offset: fields.u48(), length: fields.u32() }
    if (handle.length < BLOCK_HEADER_BYTES || handle.offset + handle.length > dataBytes)
      throw fields.broken(`block ${i} lies outside the data`)
    handles.push(handle)
  }
  fields.end()
  return new BlockIndex(handles, separators)
}

/** @param sequence - What all of them count as having; 0: each has its own. */
function readTombstones(payload: Uint8Array, path: string, sequence: number): RangeTombstones {
  const fields = new FieldReader(payload, `${path}, range tombstones`)
  const count = fields.count(LEAST_TOMBSTONE_BYTES)
  const tombstones: RangeTombstone[] = []
  for (let i = 0; i < count; i++) {
    const [start, end] = [fields.sized(), fields.sized()]
    if (Math.max(start.length, end.length) > MAX_BOUND_BYTES) throw fields.broken(`tombstone ${i} has too long a bound`)
    const own = fields.u48()
    tombstones.push({ start, end, sequence: sequence || own })
  }
  fields.end()
  return new RangeTombstones(tombstones)
}
