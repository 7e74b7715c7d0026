// A segment: a file that starts with a header of one page; frames follow. Bytes: docs/formats/log.md.
//
//   offset  size  field            (all numbers little-endian)
//        0     4  magic            "BPLS"
//        4     4  checksum         CRC-32C of bytes 8 .. 4096
//        8     4  version          1
//       12     4  zero
//       16     8  segment          its number: 1, 2, 3, ... in the order of writing
//       24     8  generation       of the writer that made it
//       32     8  firstRecord      where it takes over: from this record on, earlier segments are void
//       40     8  sizeBytes        as preallocated; a closed log may have cut the file behind its last frame
//       48    16  uuid             of the store
//       64     8  startMs          when it began, in a log that keeps times: milliseconds since 1970; else 0
//       72        zeros up to 4096
import { crc32c } from '../crc32c/index.ts'
import { PAGE_BYTES, readU64, viewOf, writeU64 } from './frame.ts'

export const SEGMENT_HEADER_BYTES = PAGE_BYTES
const LOG_FORMAT_VERSION = 1
export const UUID_BYTES = 16

const MAGIC = 0x534c5042 // "BPLS"
const CHECKED_FROM = 8
const NAME = /^log-(\d{16})(\.new)?$/
const NAME_DIGITS = 16

/** What a segment says of itself. */
export interface SegmentHeader {
  readonly segment: number
  readonly generation: number
  readonly firstRecord: number
  readonly sizeBytes: number
  /** When its first frame was written, in milliseconds since 1970; 0 in a log that keeps no times. */
  readonly startMs: number
}

/** The outcome of reading a segment header. */
export type SegmentHeaderResult =
  | { readonly kind: 'ok'; readonly header: SegmentHeader }
  | { readonly kind: 'newer'; readonly version: number } // whole, but written by a later version of bedplate
  | { readonly kind: 'foreign' } // whole, but of another store
  | { readonly kind: 'damaged' }

/** @returns SEGMENT_HEADER_BYTES bytes. */
export function encodeSegmentHeader(header: SegmentHeader, uuid: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
  const view = viewOf(bytes)
  view.setUint32(0, MAGIC, true)
  view.setUint32(8, LOG_FORMAT_VERSION, true)
  writeU64(view, 16, header.segment)
  writeU64(view, 24, header.generation)
  writeU64(view, 32, header.firstRecord)
  writeU64(view, 40, header.sizeBytes)
  bytes.set(uuid, 48)
  writeU64(view, 64, header.startMs)
  view.setUint32(4, crc32c(bytes.subarray(CHECKED_FROM)), true)
  return bytes
}

/** Reads the first SEGMENT_HEADER_BYTES of a segment; fewer are a damaged header. */
export function decodeSegmentHeader(bytes: Uint8Array, uuid: Uint8Array): SegmentHeaderResult {
  if (bytes.length < SEGMENT_HEADER_BYTES) return { kind: 'damaged' }
  const view = viewOf(bytes)
  const checked = bytes.subarray(CHECKED_FROM, SEGMENT_HEADER_BYTES)
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== crc32c(checked)) return { kind: 'damaged' }
  const version = view.getUint32(8, true)
  if (version > LOG_FORMAT_VERSION) return { kind: 'newer', version }
  if (uuid.some((byte, i) => bytes[48 + i] !== byte)) return { kind: 'foreign' }
  const segment = readU64(view, 16)
  const generation = readU64(view, 24)
  const firstRecord = readU64(view, 32)
  const sizeBytes = readU64(view, 40)
  const startMs = readU64(view, 64)
  if (version < 1 || segment === undefined || generation === undefined) return { kind: 'damaged' }
  if (firstRecord === undefined || firstRecord < 1 || sizeBytes === undefined) return { kind: 'damaged' }
  if (startMs === undefined) return { kind: 'damaged' }
  return { kind: 'ok', header: { segment, generation, firstRecord, sizeBytes, startMs } }
}

/** The name of a segment that is part of the log. */
export function segmentName(segment: number): string {
  return `log-${String(segment).padStart(NAME_DIGITS, '0')}`
}

/** The name of a file that may become that segment. Nothing in it counts. */
export function preparedName(segment: number): string {
  return `${segmentName(segment)}.new`
}

/** What a file name means to the log; undefined if it is none of its files. */
export function parseSegmentName(name: string): { segment: number; prepared: boolean } | undefined {
  const match = NAME.exec(name)
  if (match === null) return undefined
  const segment = Number(match[1])
  return Number.isSafeInteger(segment) && segment >= 1 ? { segment, prepared: match[2] !== undefined } : undefined
}
