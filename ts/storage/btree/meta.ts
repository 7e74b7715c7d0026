// The two meta blocks, at offset 0 and at offset pageSizeBytes of the data file. A checkpoint overwrites the older one.
//
//   offset  size  field
//        0     4  checksum       CRC-32C of bytes 4 .. 512
//        4     4  magic          "BPBT"
//        8     4  version        1
//       12     4  pageSizeBytes
//       16     8  epoch          of the checkpoint; the valid meta with the larger epoch is the current one
//       24     8  position       L: the state is exactly the one after log record L
//       32     8  pageCount      pages of the file that this state knows of, the two meta pages included
//       40    12  catalogue      reference to the root of the tree of trees; page 0: there is no tree
//       52    12  freeList       reference to the first page of the list of free pages; page 0: none is free
//       64    16  uuid           of the store
//       80     8  freeCount      page numbers in the list
//       88     4  nextTreeId
import type { DiskFile } from '../../io/disk.ts'
import { crc32c } from '../crc32c/index.ts'
import { lacks } from '../mutant.ts'
import type { Mutant } from './mutant.ts'
import { type PageReference, readReference, readU48, writeReference, writeU48 } from './page.ts'
import { MAX_PAGE_SIZE_BYTES } from './types.ts'

export const META_BYTES = 512
export const FORMAT_VERSION = 1
/** Page numbers 0 and 1 are the metas. */
export const FIRST_PAGE = 2
const MAGIC = 0x54425042 // "BPBT", little-endian
/** In its place in a block that was erased: no byte of it is right. */
const ERASED = ~MAGIC >>> 0
/** Smaller than the public minimum, so that tests can force deep trees. */
const SMALLEST_PAGE_BYTES = 512

/** What a checkpoint leaves behind. */
export interface Meta {
  pageSizeBytes: number
  epoch: number
  position: number
  pageCount: number
  catalogue: PageReference
  freeList: PageReference
  uuid: Uint8Array
  freeCount: number
  nextTreeId: number
}

/** The outcome of reading one meta block. */
export type MetaResult =
  | { kind: 'ok'; meta: Meta }
  | { kind: 'newer'; version: number } // whole, but written by a later version of bedplate
  | { kind: 'foreign' } // not a meta block at all
  | { kind: 'damaged' } // began as one, but the checksum does not match

/** @returns META_BYTES bytes. */
export function encodeMeta(meta: Meta): Uint8Array {
  const bytes = new Uint8Array(META_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(4, MAGIC, true)
  view.setUint32(8, FORMAT_VERSION, true)
  view.setUint32(12, meta.pageSizeBytes, true)
  writeU48(bytes, 16, meta.epoch)
  writeU48(bytes, 24, meta.position)
  writeU48(bytes, 32, meta.pageCount)
  writeReference(bytes, 40, meta.catalogue)
  writeReference(bytes, 52, meta.freeList)
  bytes.set(meta.uuid, 64)
  writeU48(bytes, 80, meta.freeCount)
  view.setUint32(88, meta.nextTreeId, true)
  view.setUint32(0, crc32c(bytes.subarray(4)), true)
  return bytes
}

/**
 * Makes sure that a damaged block is none any more, and that no part of this write, nor of one of another meta over it, makes
 * it whole: each byte of the checksum and of the magic becomes one that is certainly wrong.
 */
export function eraseMeta(file: Pick<DiskFile, 'read' | 'write'>, position: number): void {
  const head = Buffer.alloc(8)
  file.read(head, position)
  if (head.readUInt32LE(4) === ERASED) return
  head.writeUInt32LE(~head.readUInt32LE(0) >>> 0, 0)
  head.writeUInt32LE(ERASED, 4)
  file.write(head, position)
}

/** Reads a meta block; any bytes are fine. */
export function decodeMeta(bytes: Uint8Array, mutant?: Mutant): MetaResult {
  if (bytes.length < META_BYTES) return { kind: 'foreign' }
  const view = new DataView(bytes.buffer, bytes.byteOffset, META_BYTES)
  if (view.getUint32(4, true) !== MAGIC) return { kind: 'foreign' }
  const isIntact = crc32c(bytes.subarray(4, META_BYTES)) === view.getUint32(0, true)
  if (!isIntact && !lacks(mutant, 'meta checksum')) return { kind: 'damaged' }
  const version = view.getUint32(8, true)
  if (version !== FORMAT_VERSION) return { kind: 'newer', version }
  const meta: Meta = {
    pageSizeBytes: view.getUint32(12, true),
    epoch: readU48(bytes, 16),
    position: readU48(bytes, 24),
    pageCount: readU48(bytes, 32),
    catalogue: readReference(bytes, 40),
    freeList: readReference(bytes, 52),
    uuid: bytes.slice(64, 80),
    freeCount: readU48(bytes, 80),
    nextTreeId: view.getUint32(88, true),
  }
  return isSane(meta) ? { kind: 'ok', meta } : { kind: 'damaged' }
}

/** A checksum proves that we wrote it; this proves that nothing in it leads outside the file's possible shape. */
function isSane(meta: Meta): boolean {
  const { pageSizeBytes: size, pageCount, catalogue, freeList } = meta
  const isPowerOfTwo = (size & (size - 1)) === 0
  if (!isPowerOfTwo || size < SMALLEST_PAGE_BYTES || size > MAX_PAGE_SIZE_BYTES) return false
  if (pageCount < FIRST_PAGE || pageCount * size > Number.MAX_SAFE_INTEGER) return false
  return catalogue.page < pageCount && freeList.page < pageCount && meta.freeCount <= pageCount
}
