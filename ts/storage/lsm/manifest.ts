// The manifest says what the store consists of as of one log position. It is written whole, under another name, and renamed;
// it is small: a hundred bytes a table.
//
//    0   4  checksum      CRC-32C of bytes 4 to the end
//    4   4  magic         "BPMF"
//    8   4  version       1
//   12   4  length        of the whole file
//   16  16  uuid          of the store; also in every frame of its log
//   32   6  position      L: the tables hold exactly the state after log record L
//   38   6  nextNumber    no table has this number or a larger one
//   44   4  nextTreeId    no tree has this id or a larger one
//   48   4  blockBytes    a data block is full once it has so many
//   52   1  bitsPerKey    of the Bloom filters; 0: none
//   53   1  style         how tables are merged: 0 leveled, 1 tiered, 2 first in, first out
//   54   1  compression   what new blocks are packed with: 0 nothing, 1 LZ4
//   55   1                0
//   56   6  ttlMs         of the last style: when a table is dropped; 0: never
//   62   6  maxBytes      of the last style: bytes of tables; 0: no bound
//   68   4  treeCount     then of each tree: id u32, nameLength u16, name
//        4  tableCount    then of each table: level u8, number u48, id, fileBytes u48, dataBytes u48, sequence u48, properties
import { BedplateError } from '../../base/errors.ts'
import { type Disk, joinPath } from '../../io/disk.ts'
import { MAX_BITS_A_KEY } from '../bloom/index.ts'
import { crc32c } from '../crc32c/index.ts'
import { lacks } from '../mutant.ts'
import { BLOCK_HEADER_BYTES, TABLE_ID_BYTES } from './block.ts'
import { discard } from './build-tables.ts'
import { type Catalogue, catalogueOf, MAX_TREES } from './catalogue.ts'
import type { CompactionPlan } from './compaction.ts'
import { MAX_BLOCK_TARGET_BYTES } from './data-block.ts'
import { FieldReader, FieldWriter } from './fields.ts'
import { FIRST_TREE_ID, MAX_TREE_ID } from './internal-key.ts'
import type { Mutant } from './mutant.ts'
import { FOOTER_BYTES, readProperties, type TableInfo, withSequence, writeProperties } from './table-format.ts'
import type { TableShape } from './table-writer.ts'
import { type CompactionStyle, type Compression, MAX_LEVELS, MIN_BLOCK_BYTES } from './types.ts'
import { Version } from './version.ts'

export const MANIFEST_FILE = 'manifest'
/** The next manifest, until it takes the place of the one in force. */
export const NEW_MANIFEST_FILE = 'manifest.new'
export const FORMAT_VERSION = 1
const MAGIC = 0x464d5042 // "BPMF"
const UUID_BYTES = 16
/** By their numbers in the manifest. */
const STYLES: readonly CompactionStyle[] = ['leveled', 'tiered', 'fifo']
const COMPRESSIONS: readonly Compression[] = ['none', 'lz4']
const HEADER_BYTES = 16
const LEAST_TREE_BYTES = 6
const LEAST_TABLE_BYTES = 85
/** More than any store needs: a million tables. */
const MAX_MANIFEST_BYTES = 2 ** 30

/** What a manifest says. */
export interface Manifest {
  readonly uuid: Uint8Array
  /** The tables hold exactly the state after this log record. */
  readonly position: number
  readonly nextNumber: number
  readonly shape: TableShape
  readonly plan: CompactionPlan
  /** The trees as of `position`. */
  readonly catalogue: Catalogue
  readonly version: Version
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  const fields = new FieldWriter()
  fields.raw(manifest.uuid)
  fields.u48(manifest.position)
  fields.u48(manifest.nextNumber)
  fields.u32(manifest.catalogue.nextTreeId)
  fields.u32(manifest.shape.blockBytes)
  fields.u8(manifest.shape.bitsPerKey)
  fields.u8(STYLES.indexOf(manifest.plan.style))
  fields.u8(COMPRESSIONS.indexOf(manifest.shape.compression))
  fields.u8(0)
  fields.u48(manifest.plan.ttlMs)
  fields.u48(manifest.plan.maxBytes)
  fields.u32(manifest.catalogue.ids.size)
  for (const [name, id] of manifest.catalogue.ids) {
    fields.u32(id)
    fields.sized(Buffer.from(name))
  }
  fields.u32(manifest.version.tables.length)
  for (const [level, tables] of manifest.version.levels.entries()) {
    for (const table of tables) {
      fields.u8(level)
      fields.u48(table.number)
      fields.raw(table.id)
      fields.u48(table.fileBytes)
      fields.u48(table.dataBytes)
      fields.u48(table.sequence)
      writeProperties(fields, table.sequence === 0 ? table : { ...table, minSequence: 0, maxSequence: 0 })
    }
  }
  const bytes = new Uint8Array(HEADER_BYTES + fields.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(4, MAGIC, true)
  view.setUint32(8, FORMAT_VERSION, true)
  view.setUint32(12, bytes.length, true)
  bytes.set(fields.bytes, HEADER_BYTES)
  view.setUint32(0, crc32c(bytes.subarray(4)), true)
  return bytes
}

/**
 * Reads a manifest; any bytes are fine.
 * @param path - Of its file, for the text of errors.
 * @throws CORRUPTION, or INCOMPATIBLE if a later version wrote it.
 */
export function decodeManifest(bytes: Uint8Array, path: string, mutant?: Mutant): Manifest {
  const broken = (problem: string): BedplateError =>
    new BedplateError('CORRUPTION', `${path} is damaged: ${problem}`, { hint: 'restore a backup' })
  if (bytes.length < HEADER_BYTES) throw broken(`it has ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(4, true) !== MAGIC) throw broken('it does not begin as a manifest does')
  const isIntact = view.getUint32(0, true) === crc32c(bytes.subarray(4)) && view.getUint32(12, true) === bytes.length
  if (!isIntact && !lacks(mutant, 'manifest checksum')) throw broken('its checksum does not match')
  const version = view.getUint32(8, true)
  if (version !== FORMAT_VERSION) {
    throw new BedplateError('INCOMPATIBLE', `${path} has version ${version}; this bedplate reads ${FORMAT_VERSION}`, {
      hint: 'update bedplate',
    })
  }
  const fields = new FieldReader(bytes.subarray(HEADER_BYTES), path)
  const uuid = fields.raw(UUID_BYTES).slice()
  const [position, nextNumber, nextTreeId] = [fields.u48(), fields.u48(), fields.u32()]
  const [blockBytes, bitsPerKey] = [fields.u32(), fields.u8()]
  const isPossible =
    blockBytes >= MIN_BLOCK_BYTES && blockBytes <= MAX_BLOCK_TARGET_BYTES && bitsPerKey <= MAX_BITS_A_KEY
  if (!isPossible) throw broken(`blocks of ${blockBytes} bytes, ${bitsPerKey} bits a key`)
  const [style, compression] = [STYLES[fields.u8()], COMPRESSIONS[fields.u8()]]
  if (style === undefined || compression === undefined || fields.u8() !== 0)
    throw broken('it merges or packs in no known way')
  const shape = { blockBytes, bitsPerKey, compression }
  const plan = { style, ttlMs: fields.u48(), maxBytes: fields.u48() }
  const catalogue = readCatalogue(fields, nextTreeId)
  const manifest = { uuid, position, nextNumber, shape, plan, catalogue, version: readTables(fields, nextNumber) }
  fields.end()
  return manifest
}

function readCatalogue(fields: FieldReader, nextTreeId: number): Catalogue {
  const count = fields.count(LEAST_TREE_BYTES)
  if (nextTreeId < FIRST_TREE_ID || nextTreeId > MAX_TREE_ID || count > MAX_TREES)
    throw fields.broken(`${count} trees, the next of which gets id ${nextTreeId}`)
  const ids = new Map<string, number>()
  const taken = new Set<number>()
  for (let i = 0; i < count; i++) {
    const id = fields.u32()
    const name = Buffer.from(fields.sized()).toString()
    if (id < FIRST_TREE_ID || id >= nextTreeId || taken.has(id) || ids.has(name))
      throw fields.broken(`tree ${id} named "${name}" cannot be`)
    taken.add(id)
    ids.set(name, id)
  }
  return catalogueOf(ids, nextTreeId)
}

function readTables(fields: FieldReader, nextNumber: number): Version {
  const count = fields.count(LEAST_TABLE_BYTES)
  const added: { level: number; table: TableInfo }[] = []
  const numbers = new Set<number>()
  for (let i = 0; i < count; i++) {
    const level = fields.u8()
    const number = fields.u48()
    const id = fields.raw(TABLE_ID_BYTES).slice()
    const [fileBytes, dataBytes, sequence] = [fields.u48(), fields.u48(), fields.u48()]
    const table = withSequence({ ...readProperties(fields), number, id, fileBytes, dataBytes, sequence }, sequence)
    const isPossible = level < MAX_LEVELS && number < nextNumber && !numbers.has(number)
    if (!isPossible || dataBytes + BLOCK_HEADER_BYTES + FOOTER_BYTES > fileBytes)
      throw fields.broken(`table ${number} of level ${level} cannot be`)
    numbers.add(number)
    added.push({ level, table })
  }
  return Version.empty.with({ removed: new Set(), added })
}

/** Reads the manifest of the store at `directory`. @throws CORRUPTION, INCOMPATIBLE */
export function readManifest(disk: Disk, directory: string, mutant?: Mutant): Manifest {
  const path = joinPath(directory, MANIFEST_FILE)
  if (disk.kind(path) !== 'file') {
    throw new BedplateError('CORRUPTION', `${directory} is a store, but its file ${MANIFEST_FILE} is missing`, {
      hint: 'nothing on disk was changed; put the file back, or restore the store from a backup',
    })
  }
  const file = disk.open(path, 'read')
  try {
    const size = file.size()
    if (size > MAX_MANIFEST_BYTES) throw new BedplateError('CORRUPTION', `${path} has ${size} bytes`)
    const bytes = new Uint8Array(size)
    return decodeManifest(bytes.subarray(0, file.read(bytes, 0)), path, mutant)
  } finally {
    file.close()
  }
}

/**
 * Replaces the manifest, durably.
 * @param durably - Runs a sync, whose failure is final.
 * @throws DISK_FULL: then the one before is in force as it was.
 */
export async function replaceManifest(
  disk: Disk,
  directory: string,
  manifest: Manifest,
  { durably, mutant }: { durably(sync: () => Promise<void>): Promise<void>; mutant?: Mutant | undefined },
): Promise<void> {
  const path = joinPath(directory, MANIFEST_FILE)
  const isInPlace = lacks(mutant, 'manifest temporary name')
  const temporary = isInPlace ? path : joinPath(directory, NEW_MANIFEST_FILE)
  if (disk.kind(temporary) !== undefined) disk.unlink(temporary)
  const file = disk.open(temporary, 'create')
  try {
    try {
      file.write(encodeManifest(manifest), 0)
      if (!lacks(mutant, 'manifest sync')) await durably(() => file.sync())
    } finally {
      file.close()
    }
    if (!isInPlace) disk.rename(temporary, path)
  } catch (error) {
    if (!isInPlace) discard(disk, temporary)
    throw error
  }
  if (!lacks(mutant, 'manifest name sync')) await durably(() => disk.syncDirectory(directory))
}
