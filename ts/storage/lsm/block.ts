// A block of a table file: a header, then what is in it. The checksum covers the table's id and the block's own place, so that
// a block of another file, or of another place of this one, is never taken for the one that was asked for.
//
//   0  4  checksum    CRC-32C of the table's id, the block's offset as u64, and bytes 4 to the end of the block
//   4  1  type        1 data, 2 filter, 3 index, 4 range tombstones, 5 properties
//   5  1  codec       how the payload is packed; 0: as it is, 1: as an LZ4 block, data alone
//   6  2              0
//   8  4  length      bytes of the payload as stored
//  12  4  rawLength   bytes of the payload unpacked
import { BedplateError } from '../../base/errors.ts'
import { crc32c } from '../crc32c/index.ts'
import { MAX_LZ4_RATIO, packLz4, unpackLz4 } from '../lz4.ts'
import { lacks } from '../mutant.ts'
import { MAX_VALUE_BYTES } from '../ordered/types.ts'
import type { Mutant } from './mutant.ts'
import type { Compression } from './types.ts'

export const BlockType = { data: 1, filter: 2, index: 3, tombstones: 4, properties: 5 } as const
export type BlockType = (typeof BlockType)[keyof typeof BlockType]

export const BLOCK_HEADER_BYTES = 16
/** Blocks begin at multiples of this. */
export const BLOCK_ALIGNMENT = 64
export const TABLE_ID_BYTES = 16
const CODEC_NONE = 0
const CODEC_LZ4 = 1
/** A block stays as it is unless packing saves an eighth. */
const WORTH_PACKING = 7 / 8
/** Bytes of entries but for the last value, which may be the longest there is. */
const MAX_RAW_BYTES = 64 * 1024 + MAX_VALUE_BYTES

/** Where a block is, header included. */
export interface BlockHandle {
  readonly offset: number
  readonly length: number
}

/** The start of the checksums of a table. */
export function tableSeed(id: Uint8Array): number {
  return crc32c(id)
}

/** The block of `payload` for that place. */
export function sealBlock(
  type: BlockType,
  payload: Uint8Array,
  { seed, offset }: { seed: number; offset: number },
  compression: Compression = 'none',
): Uint8Array {
  const packed = compression === 'lz4' ? packLz4(payload, Math.floor(payload.length * WORTH_PACKING)) : undefined
  const stored = packed ?? payload
  const block = new Uint8Array(BLOCK_HEADER_BYTES + stored.length)
  const view = new DataView(block.buffer)
  block[4] = type
  block[5] = packed === undefined ? CODEC_NONE : CODEC_LZ4
  view.setUint32(8, stored.length, true)
  view.setUint32(12, payload.length, true)
  block.set(stored, BLOCK_HEADER_BYTES)
  view.setUint32(0, checksumOf(block, seed, offset), true)
  return block
}

/**
 * The payload of a block that was read from `offset`: a view of it, or what it unpacks to.
 * @param path - Of its file, for the text of errors.
 * @throws CORRUPTION if it is not the block that was written there, INCOMPATIBLE if a later version packed it.
 */
export function openBlock(
  type: BlockType,
  block: Uint8Array,
  { seed, path, mutant }: { seed: number; path: string; mutant?: Mutant | undefined },
  offset: number,
): Uint8Array {
  if (block.length < BLOCK_HEADER_BYTES) throw damaged(path, offset, 'it ends too early')
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  const isIntact = view.getUint32(0, true) === checksumOf(block, seed, offset)
  if (!isIntact && !lacks(mutant, 'block checksum')) throw damaged(path, offset, 'its checksum does not match')
  if (block[4] !== type) throw damaged(path, offset, `it is of type ${block[4]} instead of ${type}`)
  const codec = block[5] as number
  if (codec > CODEC_LZ4) {
    throw new BedplateError('INCOMPATIBLE', `${path}: the block at offset ${offset} is packed by codec ${codec}`, {
      hint: 'update bedplate',
    })
  }
  const [length, rawLength] = [view.getUint32(8, true), view.getUint32(12, true)]
  const isPossible =
    codec === CODEC_NONE ? rawLength === length : type === BlockType.data && canUnpack(length, rawLength)
  if (length !== block.length - BLOCK_HEADER_BYTES || !isPossible)
    throw damaged(path, offset, `its payload is said to have ${length} bytes, unpacked ${rawLength}`)
  const stored = block.subarray(BLOCK_HEADER_BYTES)
  const payload = codec === CODEC_NONE ? stored : unpackLz4(stored, rawLength)
  if (payload === undefined) throw damaged(path, offset, 'it cannot be unpacked')
  return payload
}

/** What is said to come of a packed block, before memory is taken for it. */
function canUnpack(length: number, rawLength: number): boolean {
  return rawLength <= MAX_RAW_BYTES && rawLength <= length * MAX_LZ4_RATIO
}

/** The error for bytes that are not what was written. */
export function damaged(path: string, offset: number, problem: string): BedplateError {
  return new BedplateError('CORRUPTION', `${path}: the block at offset ${offset} is damaged: ${problem}`, {
    hint: 'what other blocks hold can still be read; restore a backup',
  })
}

function checksumOf(block: Uint8Array, seed: number, offset: number): number {
  const place = new Uint8Array(8)
  const view = new DataView(place.buffer)
  view.setUint32(0, offset % 2 ** 32, true)
  view.setUint32(4, Math.floor(offset / 2 ** 32), true)
  return crc32c(block.subarray(4), crc32c(place, seed))
}
