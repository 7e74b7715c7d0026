// A table is a file that is written once: data blocks | filter | index | range tombstones | properties | footer.
// To the byte: docs/formats/lsm.md. The footer is the last thing of the file:
//
//    0   4  checksum     CRC-32C of bytes 4 to 127
//    4   4  magic        "BPST"
//    8   4  version      1
//   12   4               0
//   16  16  id           random: in the checksum of every block
//   32  16  filter       offset u64 | length u32 | 0 u32; length 0: there is none
//   48  16  index
//   64  16  tombstones
//   80  16  properties
//   96   8  fileBytes    the size of the file
//  104  24               0
import { BedplateError } from '../../base/errors.ts'
import { crc32c } from '../crc32c/index.ts'
import { type BlockHandle, TABLE_ID_BYTES } from './block.ts'
import type { FieldReader, FieldWriter } from './fields.ts'
import { MAX_BOUND_BYTES } from './internal-key.ts'

export const FOOTER_BYTES = 128
const TABLE_VERSION = 1
const MAGIC = 0x54535042 // "BPST"
const HANDLES_AT = 32
const HANDLE_BYTES = 16

/** What a table says about itself, in its properties and in the manifest. */
export interface TableProperties {
  /** The keys that it holds or deletes lie from `start` up to and without `end`. */
  readonly start: Uint8Array
  readonly end: Uint8Array
  /** Versions; deletions among them; range tombstones. */
  readonly entryCount: number
  readonly tombstoneCount: number
  readonly rangeTombstoneCount: number
  readonly minSequence: number
  readonly maxSequence: number
  /** Bytes of keys and values. */
  readonly contentBytes: number
  /** Milliseconds since 1970, by the clock of its maker. */
  readonly createdAtMs: number
}

/** A table as the manifest names it. */
export interface TableInfo extends TableProperties {
  /** In its name, and never given again. */
  readonly number: number
  readonly id: Uint8Array
  readonly fileBytes: number
  /** The data blocks end, and all else begins. */
  readonly dataBytes: number
  /** What all that it holds counts as having, for a table that was ingested; 0: its entries carry their own. */
  readonly sequence: number
}

/** The parts of a table behind its data. */
export interface Footer {
  readonly id: Uint8Array
  readonly filter: BlockHandle
  readonly index: BlockHandle
  readonly tombstones: BlockHandle
  readonly properties: BlockHandle
  readonly fileBytes: number
}

/** The table as one whose entries all count as written at `sequence`; with 0, as one whose entries carry their own. */
export function withSequence(info: TableInfo, sequence: number): TableInfo {
  return sequence === 0 ? info : { ...info, sequence, minSequence: sequence, maxSequence: sequence }
}

/** The name of a table's file: `000042.sst`. */
export function tableName(number: number): string {
  return `${String(number).padStart(6, '0')}.sst`
}

/** The number in such a name, undefined if it is none. */
export function parseTableName(name: string): number | undefined {
  const match = /^(\d{6,15})\.sst$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

export function writeProperties(fields: FieldWriter, properties: TableProperties): void {
  fields.sized(properties.start)
  fields.sized(properties.end)
  fields.u48(properties.entryCount)
  fields.u48(properties.tombstoneCount)
  fields.u32(properties.rangeTombstoneCount)
  fields.u48(properties.minSequence)
  fields.u48(properties.maxSequence)
  fields.u48(properties.contentBytes)
  fields.u48(properties.createdAtMs)
}

/** @throws CORRUPTION */
export function readProperties(fields: FieldReader): TableProperties {
  const properties = {
    start: fields.sized().slice(),
    end: fields.sized().slice(),
    entryCount: fields.u48(),
    tombstoneCount: fields.u48(),
    rangeTombstoneCount: fields.u32(),
    minSequence: fields.u48(),
    maxSequence: fields.u48(),
    contentBytes: fields.u48(),
    createdAtMs: fields.u48(),
  }
  const longest = Math.max(properties.start.length, properties.end.length)
  if (longest > MAX_BOUND_BYTES) throw fields.broken(`a bound of ${longest} bytes`)
  return properties
}

export function encodeFooter(footer: Footer): Uint8Array {
  const bytes = new Uint8Array(FOOTER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(4, MAGIC, true)
  view.setUint32(8, TABLE_VERSION, true)
  bytes.set(footer.id, 16)
  const handles = [footer.filter, footer.index, footer.tombstones, footer.properties]
  for (const [i, { offset, length }] of handles.entries()) {
    const at = HANDLES_AT + HANDLE_BYTES * i
    writeU64(view, at, offset)
    view.setUint32(at + 8, length, true)
  }
  writeU64(view, 96, footer.fileBytes)
  view.setUint32(0, crc32c(bytes.subarray(4)), true)
  return bytes
}

/**
 * Reads a footer; any bytes are fine.
 * @param path - Of the file, and its size `fileBytes`.
 * @throws CORRUPTION, or INCOMPATIBLE if a later version wrote it.
 */
export function decodeFooter(bytes: Uint8Array, path: string, fileBytes: number): Footer {
  const broken = (problem: string): BedplateError =>
    new BedplateError(
      'CORRUPTION',
      `${path}: the footer at offset ${fileBytes - FOOTER_BYTES} is damaged: ${problem}`,
      {
        hint: 'restore a backup',
      },
    )
  if (bytes.length !== FOOTER_BYTES) throw broken('it ends too early')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(4, true) !== MAGIC) throw broken('it does not say BPST')
  if (view.getUint32(0, true) !== crc32c(bytes.subarray(4))) throw broken('its checksum does not match')
  const version = view.getUint32(8, true)
  if (version !== TABLE_VERSION) {
    throw new BedplateError(
      'INCOMPATIBLE',
      `${path} is a table of version ${version}; this bedplate reads ${TABLE_VERSION}`,
      {
        hint: 'update bedplate',
      },
    )
  }
  const handles = [0, 1, 2, 3].map((i): BlockHandle => {
    const at = HANDLES_AT + HANDLE_BYTES * i
    const handle = { offset: readU64(view, at), length: view.getUint32(at + 8, true) }
    if (handle.offset + handle.length > fileBytes - FOOTER_BYTES) throw broken('it leads outside the file')
    return handle
  })
  if (readU64(view, 96) !== fileBytes) throw broken(`it is of a file of ${readU64(view, 96)} bytes, not ${fileBytes}`)
  const [filter, index, tombstones, properties] = handles as [BlockHandle, BlockHandle, BlockHandle, BlockHandle]
  return { id: bytes.slice(16, 16 + TABLE_ID_BYTES), filter, index, tombstones, properties, fileBytes }
}

function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true)
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}

function readU64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
}
