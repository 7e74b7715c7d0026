// The file `readable`: how far readers in other threads and processes may read. The writer overwrites it in place after
// every group, without a sync: readers beside it share its page cache. Recovery never looks at it. With durability `sync`
// it only ever says what had been durable before it was written, so it is true after a power cut too, as long as the
// segment it speaks of is the last one. Bytes: docs/formats/log.md.
//
//   offset  size  field           (all numbers little-endian)
//        0     4  magic           "BPLR"
//        4     4  checksum        CRC-32C of the log's uuid followed by bytes 8 .. 64
//        8     8  generation      of the writer
//       16     8  segment         the number of the last segment
//       24     8  firstOffset     of the log
//       32     8  durableOffset   every record below is durable
//       40     8  readableOffset  every record below may be read
//       48        zeros up to 64
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import { crc32c } from '../crc32c/index.ts'
import { readU64, viewOf, writeU64 } from '../log/frame.ts'

export const WATERMARK_FILE = 'readable'
export const WATERMARK_BYTES = 64

const MAGIC = 0x524c5042 // "BPLR"

/** What the file says. */
export interface Watermark {
  readonly generation: number
  readonly segment: number
  readonly firstOffset: number
  readonly durableOffset: number
  readonly readableOffset: number
}

/**
 * Writes the file's content into the first WATERMARK_BYTES of `bytes`.
 * @param seed - The `checksumSeed` of the log.
 */
export function encodeWatermark(bytes: Uint8Array, watermark: Watermark, seed: number): void {
  const view = viewOf(bytes)
  view.setUint32(0, MAGIC, true)
  writeU64(view, 8, watermark.generation)
  writeU64(view, 16, watermark.segment)
  writeU64(view, 24, watermark.firstOffset)
  writeU64(view, 32, watermark.durableOffset)
  writeU64(view, 40, watermark.readableOffset)
  view.setUint32(4, crc32c(bytes.subarray(8, WATERMARK_BYTES), seed), true)
}

/** The content of the file; undefined if it is not whole, as when it was read while it was written. */
export function decodeWatermark(bytes: Uint8Array, seed: number): Watermark | undefined {
  if (bytes.length < WATERMARK_BYTES) return undefined
  const view = viewOf(bytes)
  if (view.getUint32(0, true) !== MAGIC) return undefined
  if (view.getUint32(4, true) !== crc32c(bytes.subarray(8, WATERMARK_BYTES), seed)) return undefined
  const [generation, segment, firstOffset, durableOffset, readableOffset] = [8, 16, 24, 32, 40].map((at) =>
    readU64(view, at),
  )
  if (generation === undefined || segment === undefined || firstOffset === undefined) return undefined
  if (durableOffset === undefined || readableOffset === undefined) return undefined
  return { generation, segment, firstOffset, durableOffset, readableOffset }
}

/** Opens the file for its writer; makes it if it is not there. */
export function openWatermark(disk: Disk, directory: string): DiskFile {
  const path = joinPath(directory, WATERMARK_FILE)
  return disk.open(path, disk.kind(path) === undefined ? 'create' : 'write')
}
