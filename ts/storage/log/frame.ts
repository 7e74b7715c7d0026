// A frame: one group of records, written by one write. Bytes: docs/formats/log.md.
//
//   offset  size  field            (all numbers little-endian)
//        0     4  magic            "BPLF"
//        4     4  headerChecksum   CRC-32C of the store's uuid followed by bytes 8 .. 64
//        8     4  payloadChecksum  CRC-32C of the payload
//       12     4  payloadBytes
//       16     4  recordCount
//       20     4  ageMs            since its segment began, in a log that keeps times; else 0
//       24     8  generation       of the writer: grows by one with each opening that writes
//       32     8  segment          the number of the segment it was written to
//       40     8  offset           where in that segment
//       48     8  firstRecord      the number of its first record
//       56     8  durable          every record up to and with this one was durable when the frame was written
//       64        payload: recordCount times { length u32, bytes }
//
// The header has a checksum of its own, so that its lengths may be believed before the payload is read, and so that
// `durable` counts even if the payload was torn.
import { assert } from '../../base/errors.ts'
import { crc32c } from '../crc32c/index.ts'
import { lacks } from '../mutant.ts'
import type { Mutant } from './mutant.ts'

export const FRAME_HEADER_BYTES = 64
/** Every frame starts at a multiple of this offset. */
export const FRAME_ALIGNMENT_BYTES = 64
/** A frame that follows a sync starts at a multiple of this offset, so that no write touches a durable sector again. */
export const PAGE_BYTES = 4096
/** What a record takes beside its own bytes. */
export const RECORD_OVERHEAD_BYTES = 4

/** An age that is this one or more. */
export const MAX_AGE_MS = 2 ** 32 - 1

const MAGIC = 0x464c5042 // "BPLF"
const CHECKED_FROM = 8

/** Where a frame lies; part of its checksum, so that a frame of another place or time is never taken for it. */
export interface FrameAddress {
  readonly segment: number
  readonly generation: number
  readonly offset: number
}

/** What a frame says of itself. */
export interface FrameHeader extends FrameAddress {
  readonly firstRecord: number
  readonly recordCount: number
  readonly durable: number
  /** Milliseconds from the beginning of its segment to its writing; 0 in a log that keeps no times. */
  readonly ageMs: number
  readonly payloadBytes: number
  readonly payloadChecksum: number
}

/** The start of every header checksum of a store. */
export function checksumSeed(uuid: Uint8Array): number {
  return crc32c(uuid)
}

/** Writes the header of the frame whose payload lies behind it in `frame`. */
export function encodeFrameHeader(
  frame: Uint8Array,
  header: Omit<FrameHeader, 'payloadBytes' | 'payloadChecksum' | 'ageMs'> & { ageMs?: number },
  seed: number,
): void {
  const payload = frame.subarray(FRAME_HEADER_BYTES)
  const view = viewOf(frame)
  view.setUint32(0, MAGIC, true)
  view.setUint32(8, crc32c(payload), true)
  view.setUint32(12, payload.length, true)
  view.setUint32(16, header.recordCount, true)
  view.setUint32(20, header.ageMs ?? 0, true)
  writeU64(view, 24, header.generation)
  writeU64(view, 32, header.segment)
  writeU64(view, 40, header.offset)
  writeU64(view, 48, header.firstRecord)
  writeU64(view, 56, header.durable)
  view.setUint32(4, crc32c(frame.subarray(CHECKED_FROM, FRAME_HEADER_BYTES), seed), true)
}

/** The header that starts `bytes`, or undefined if no whole one of this address does. Reads no length it cannot trust. */
export function decodeFrameHeader(
  bytes: Uint8Array,
  address: FrameAddress,
  seed: number,
  mutant?: Mutant,
): FrameHeader | undefined {
  if (!startsLikeFrame(bytes)) return undefined
  const header = readFields(viewOf(bytes))
  if (header === undefined || !isAt(header, address, mutant) || !isPlausible(header)) return undefined
  return isHeaderIntact(bytes, seed) || lacks(mutant, 'header checksum') ? header : undefined
}

/** Says whether the magic is there: the cheap first look when searching. */
export function startsLikeFrame(bytes: Uint8Array): boolean {
  return (
    bytes.length >= FRAME_HEADER_BYTES &&
    bytes[0] === 0x42 &&
    bytes[1] === 0x50 &&
    bytes[2] === 0x4c &&
    bytes[3] === 0x46
  )
}

function isHeaderIntact(bytes: Uint8Array, seed: number): boolean {
  return viewOf(bytes).getUint32(4, true) === crc32c(bytes.subarray(CHECKED_FROM, FRAME_HEADER_BYTES), seed)
}

/** Says whether the payload is the one that the header was written for. */
export function isPayloadIntact(payload: Uint8Array, header: FrameHeader, mutant?: Mutant): boolean {
  return crc32c(payload) === header.payloadChecksum || lacks(mutant, 'payload checksum')
}

/** The records of a payload, as views of it; undefined if it is not exactly `count` records. */
export function splitPayload(payload: Uint8Array, count: number): Uint8Array[] | undefined {
  const records: Uint8Array[] = []
  const view = viewOf(payload)
  let at = 0
  while (at + RECORD_OVERHEAD_BYTES <= payload.length && records.length < count) {
    const start = at + RECORD_OVERHEAD_BYTES
    at = start + view.getUint32(at, true)
    if (at > payload.length) return undefined
    records.push(payload.subarray(start, at))
  }
  return at === payload.length && records.length === count ? records : undefined
}

/** The first multiple of `unit` (a power of two) that is not below `offset`. */
export function alignUp(offset: number, unit: number): number {
  return Math.ceil(offset / unit) * unit
}

/** Writes a whole number below 2^53 as eight bytes. */
export function writeU64(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, `a number of the log is a whole number, got ${value}`)
  view.setUint32(at, value >>> 0, true)
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}

/** Reads eight bytes; undefined if the number is 2^53 or above, which nothing of ours ever is. */
export function readU64(view: DataView, at: number): number | undefined {
  const value = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
  return Number.isSafeInteger(value) ? value : undefined
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function readFields(view: DataView): FrameHeader | undefined {
  const generation = readU64(view, 24)
  const segment = readU64(view, 32)
  const offset = readU64(view, 40)
  const firstRecord = readU64(view, 48)
  const durable = readU64(view, 56)
  if (generation === undefined || segment === undefined || offset === undefined) return undefined
  if (firstRecord === undefined || durable === undefined) return undefined
  return {
    generation,
    segment,
    offset,
    firstRecord,
    durable,
    ageMs: view.getUint32(20, true),
    payloadChecksum: view.getUint32(8, true),
    payloadBytes: view.getUint32(12, true),
    recordCount: view.getUint32(16, true),
  }
}

function isAt(header: FrameAddress, address: FrameAddress, mutant: Mutant | undefined): boolean {
  const isOfThisLife = header.segment === address.segment && header.generation === address.generation
  return (isOfThisLife || lacks(mutant, 'generation')) && (header.offset === address.offset || lacks(mutant, 'offset'))
}

/** What no checksum should have to catch. A frame of no records only carries `durable`. */
function isPlausible({ firstRecord, recordCount, durable, payloadBytes }: FrameHeader): boolean {
  return (
    firstRecord >= 1 &&
    durable < firstRecord &&
    Number.isSafeInteger(firstRecord + recordCount) &&
    payloadBytes >= recordCount * RECORD_OVERHEAD_BYTES
  )
}
