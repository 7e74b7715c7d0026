// Writes a table: versions in order, then the range tombstones. Nothing is synced here.
import { assert } from '../../base/errors.ts'
import type { DiskFile } from '../../io/disk.ts'
import { buildFilter, hash64 } from '../bloom/index.ts'
import { compareBytes } from '../compare.ts'
import { BLOCK_ALIGNMENT, type BlockHandle, BlockType, sealBlock, tableSeed } from './block.ts'
import { DataBlockBuilder } from './data-block.ts'
import { compareEntries, type Entry, EntryKind } from './entry.ts'
import { FieldWriter } from './fields.ts'
import { type KeySpan, successor } from './internal-key.ts'
import type { RangeTombstone } from './range-tombstones.ts'
import { encodeFooter, FOOTER_BYTES, type TableInfo, writeProperties } from './table-format.ts'
import type { Compression } from './types.ts'

/** Blocks are gathered until they have so many bytes, then written by one call. */
const WRITE_BYTES = 256 * 1024
const NO_BLOCK: BlockHandle = { offset: 0, length: 0 }

/** How tables are made; the store keeps it. */
export interface TableShape {
  /** A data block is full once it has so many bytes. */
  readonly blockBytes: number
  /** Bits of the Bloom filter for each key; 0: no filter. */
  readonly bitsPerKey: number
  /** How new blocks of data are packed. */
  readonly compression: Compression
}

export class TableWriter {
  private readonly file: DiskFile
  private readonly identity: { number: number; id: Uint8Array; createdAtMs: number }
  private readonly shape: TableShape
  private readonly seed: number
  private readonly block: DataBlockBuilder
  private readonly index = new FieldWriter()
  private blockCount = 0
  private readonly hashes: number[] = []
  private waiting: Uint8Array[] = []
  private waitingBytes = 0
  private written = 0
  private previous: Entry | undefined
  private firstKey: Uint8Array | undefined
  private entryCount = 0
  private tombstoneCount = 0
  private contentBytes = 0
  private minSequence = Number.POSITIVE_INFINITY
  private maxSequence = 0

  /** @param file - Empty; stays the caller's. @param identity - What the table will be known by; `id` is random. */
  constructor(file: DiskFile, identity: { number: number; id: Uint8Array; createdAtMs: number }, shape: TableShape) {
    this.file = file
    this.identity = identity
    this.shape = shape
    this.seed = tableSeed(identity.id)
    this.block = new DataBlockBuilder(shape.blockBytes)
  }

  /** About the bytes that the data takes so far. */
  get dataBytes(): number {
    return this.end
  }

  /** Behind all that were added before (`compareEntries`). */
  add(entry: Entry): void {
    const { previous } = this
    assert(previous === undefined || compareEntries(previous, entry) < 0, 'versions come in order')
    const isNewKey = previous === undefined || compareBytes(previous.key, entry.key) !== 0
    if (this.block.isFull) this.finishBlock(isNewKey ? entry.key : undefined)
    this.firstKey ??= entry.key
    this.block.add(entry)
    if (isNewKey && this.shape.bitsPerKey > 0) {
      const { high, low } = hash64(entry.key)
      this.hashes.push(high, low)
    }
    this.previous = entry
    this.entryCount++
    if (entry.kind === EntryKind.delete) this.tombstoneCount++
    this.contentBytes += entry.key.length + entry.value.length
    this.noteSequence(entry.sequence)
  }

  /** Writes what is left. @returns undefined if the table would hold nothing: then nothing was written. */
  finish(tombstones: readonly RangeTombstone[]): TableInfo | undefined {
    if (this.entryCount + tombstones.length === 0) return undefined
    if (!this.block.isEmpty) this.finishBlock(undefined)
    const dataBytes = this.end
    for (const { sequence } of tombstones) this.noteSequence(sequence)
    const filter =
      this.hashes.length === 0
        ? NO_BLOCK
        : this.append(BlockType.filter, buildFilter(Uint32Array.from(this.hashes), this.shape.bitsPerKey))
    const index = this.append(BlockType.index, this.indexPayload())
    const ranges = this.append(BlockType.tombstones, tombstonePayload(tombstones))
    const { id, number, createdAtMs } = this.identity
    const properties = {
      ...this.span(tombstones),
      entryCount: this.entryCount,
      tombstoneCount: this.tombstoneCount,
      rangeTombstoneCount: tombstones.length,
      minSequence: this.minSequence,
      maxSequence: this.maxSequence,
      contentBytes: this.contentBytes,
      createdAtMs,
    }
    const fields = new FieldWriter()
    writeProperties(fields, properties)
    const propertiesHandle = this.append(BlockType.properties, fields.bytes)
    const fileBytes = this.end + FOOTER_BYTES
    const parts = { filter, index, tombstones: ranges, properties: propertiesHandle }
    this.push(encodeFooter({ id, ...parts, fileBytes }))
    this.writeWaiting()
    return { ...properties, number, id, fileBytes, dataBytes, sequence: 0 }
  }

  private get end(): number {
    return this.written + this.waitingBytes
  }

  /** @param nextKey - What the next block begins with, if it is another key: a short separator may stand for this one. */
  private finishBlock(nextKey: Uint8Array | undefined): void {
    const { lastKey } = this.block
    const { offset, length } = this.append(BlockType.data, this.block.finish())
    this.blockCount++
    this.index.sized(nextKey === undefined ? lastKey : separator(lastKey, nextKey))
    this.index.u48(offset)
    this.index.u32(length)
  }

  private indexPayload(): Uint8Array {
    const fields = new FieldWriter()
    fields.u32(this.blockCount)
    fields.raw(this.index.bytes)
    return fields.bytes
  }

  private append(type: BlockType, payload: Uint8Array): BlockHandle {
    const offset = this.end
    const compression = type === BlockType.data ? this.shape.compression : 'none'
    const block = sealBlock(type, payload, { seed: this.seed, offset }, compression)
    this.push(block)
    const padding = -this.end & (BLOCK_ALIGNMENT - 1)
    if (padding > 0) this.push(new Uint8Array(padding))
    if (this.waitingBytes >= WRITE_BYTES) this.writeWaiting()
    return { offset, length: block.length }
  }

  private push(bytes: Uint8Array): void {
    this.waiting.push(bytes)
    this.waitingBytes += bytes.length
  }

  private writeWaiting(): void {
    const bytes = Buffer.concat(this.waiting, this.waitingBytes)
    this.file.write(bytes, this.written)
    this.written += bytes.length
    this.waiting = []
    this.waitingBytes = 0
  }

  private noteSequence(sequence: number): void {
    this.minSequence = Math.min(this.minSequence, sequence)
    this.maxSequence = Math.max(this.maxSequence, sequence)
  }

  private span(tombstones: readonly RangeTombstone[]): KeySpan {
    const starts = tombstones.map(({ start }) => start)
    const ends = tombstones.map(({ end }) => end)
    if (this.firstKey !== undefined && this.previous !== undefined) {
      starts.push(this.firstKey)
      ends.push(successor(this.previous.key))
    }
    const least = (a: Uint8Array, b: Uint8Array): Uint8Array => (compareBytes(a, b) <= 0 ? a : b)
    const most = (a: Uint8Array, b: Uint8Array): Uint8Array => (compareBytes(a, b) >= 0 ? a : b)
    // In memory of their own: keys may be views of a whole memtable.
    return { start: new Uint8Array(starts.reduce(least)), end: new Uint8Array(ends.reduce(most)) }
  }
}

/** The payload of the block of range tombstones: count u32, then start and end, each with its length, and sequence u48. */
function tombstonePayload(tombstones: readonly RangeTombstone[]): Uint8Array {
  const fields = new FieldWriter()
  fields.u32(tombstones.length)
  for (const { start, end, sequence } of tombstones) {
    fields.sized(start)
    fields.sized(end)
    fields.u48(sequence)
  }
  return fields.bytes
}

/** A short key from `last` up to and without `next`: what divides two blocks need not be a key (Bayer and Unterauer 1977). */
function separator(last: Uint8Array, next: Uint8Array): Uint8Array {
  for (let i = 0; i < last.length; i++) {
    if (last[i] === next[i]) continue
    const short = last.slice(0, i + 1)
    const raised = (short[i] as number) + 1
    if (raised >= (next[i] as number)) return last
    short[i] = raised
    return short
  }
  return last
}
