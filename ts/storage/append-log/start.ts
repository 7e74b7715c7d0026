// The file `start`: whose log this is and where it begins. Replaced as a whole: written under another name, synced,
// renamed, the directory synced. Bytes: docs/formats/log.md.
//
//   offset  size  field         (all numbers little-endian)
//        0     4  magic         "BPLA"
//        4     4  checksum      CRC-32C of bytes 8 .. 64
//        8     4  version       1
//       12     4  zero
//       16     8  firstOffset   records below it were removed
//       24     8  zero
//       32    16  uuid          of the log, also in its segments
//       48        zeros up to 64
import { BedplateError } from '../../base/errors.ts'
import { type Disk, joinPath } from '../../io/disk.ts'
import { crc32c } from '../crc32c/index.ts'
import { newerStore } from '../directory.ts'
import { readU64, viewOf, writeU64 } from '../log/frame.ts'
import type { Mutant } from '../log/mutant.ts'
import { UUID_BYTES } from '../log/segment.ts'
import { lacks } from '../mutant.ts'

export const START_FILE = 'start'
/** The next one while it is written; nothing in it counts. */
export const NEW_START_FILE = 'start.new'
export const START_BYTES = 64
/** Of the directory of an append log, in FORMAT and here. */
export const FORMAT_VERSION = 1

const MAGIC = 0x414c5042 // "BPLA"

/** What the file says. */
export interface Start {
  readonly uuid: Uint8Array
  readonly firstOffset: number
}

/** The outcome of reading it. */
export type StartResult =
  | { readonly kind: 'ok'; readonly start: Start }
  | { readonly kind: 'newer'; readonly version: number } // whole, but written by a later version of bedplate
  | { readonly kind: 'damaged' }

/** @returns START_BYTES bytes. */
export function encodeStart({ uuid, firstOffset }: Start): Uint8Array {
  const bytes = new Uint8Array(START_BYTES)
  const view = viewOf(bytes)
  view.setUint32(0, MAGIC, true)
  view.setUint32(8, FORMAT_VERSION, true)
  writeU64(view, 16, firstOffset)
  bytes.set(uuid, 32)
  view.setUint32(4, crc32c(bytes.subarray(8)), true)
  return bytes
}

/** Reads START_BYTES bytes; fewer are a damaged file. */
export function decodeStart(bytes: Uint8Array, mutant?: Mutant): StartResult {
  if (bytes.length < START_BYTES) return { kind: 'damaged' }
  const view = viewOf(bytes)
  const isIntact = view.getUint32(4, true) === crc32c(bytes.subarray(8, START_BYTES)) || lacks(mutant, 'start checksum')
  if (view.getUint32(0, true) !== MAGIC || !isIntact) return { kind: 'damaged' }
  const version = view.getUint32(8, true)
  if (version > FORMAT_VERSION) return { kind: 'newer', version }
  const firstOffset = readU64(view, 16)
  if (version < 1 || firstOffset === undefined) return { kind: 'damaged' }
  return { kind: 'ok', start: { uuid: bytes.slice(32, 32 + UUID_BYTES), firstOffset } }
}

/** @throws CORRUPTION if it is damaged or missing; INCOMPATIBLE if a newer version wrote it. */
export function readStart(disk: Disk, directory: string, mutant?: Mutant): Start {
  const path = joinPath(directory, START_FILE)
  if (disk.kind(path) !== 'file') {
    throw new BedplateError('CORRUPTION', `${directory} is a log, but its file ${START_FILE} is missing`, {
      hint: 'nothing on disk was changed; put the file back, or restore the log from a backup',
    })
  }
  const file = disk.open(path, 'read')
  try {
    const bytes = new Uint8Array(START_BYTES)
    const result = decodeStart(bytes.subarray(0, file.read(bytes, 0)), mutant)
    if (result.kind === 'ok') return result.start
    if (result.kind === 'newer') throw newerStore(path, result.version, FORMAT_VERSION)
    throw new BedplateError('CORRUPTION', `${path} is damaged`, { hint: 'restore the log from a backup' })
  } finally {
    file.close()
  }
}

/**
 * Writes the file under its temporary name and syncs it.
 * @throws what the disk says; nothing that counts has changed then.
 */
export async function prepareStart(disk: Disk, directory: string, start: Start, mutant?: Mutant): Promise<void> {
  const path = joinPath(directory, NEW_START_FILE)
  if (disk.kind(path) !== undefined) disk.unlink(path)
  const file = disk.open(path, 'create')
  try {
    file.write(encodeStart(start), 0)
    if (!lacks(mutant, 'start sync')) await file.sync()
  } finally {
    file.close()
  }
}

/** Puts the prepared file in its place, durably. If that fails, either beginning may be there after a power cut. */
export async function publishStart(disk: Disk, directory: string, mutant?: Mutant): Promise<void> {
  disk.rename(joinPath(directory, NEW_START_FILE), joinPath(directory, START_FILE))
  if (!lacks(mutant, 'start name sync')) await disk.syncDirectory(directory)
}
