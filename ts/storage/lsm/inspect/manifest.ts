// Takes the manifest apart: `lsmstore inspect manifest`. Names of parts are those of docs/formats/lsm.md.
import { BedplateError } from '../../../base/errors.ts'
import { type Disk, joinPath } from '../../../io/disk.ts'
import { checkStoreFormat, isVacant } from '../../directory.ts'
import { decodeManifest, FORMAT, MANIFEST_FILE, readManifestBytes } from '../manifest.ts'
import { type PartReader, sectionOf } from './parts.ts'
import { readProperties } from './table.ts'
import type { ManifestDescription } from './types.ts'

/**
 * Describes the manifest of the store at `directory`, whoever has it open; whatever its bytes are, this does not fail on them.
 * @throws NOT_FOUND, INCOMPATIBLE if it is no LSM store, CORRUPTION if there is no manifest.
 */
export function describeManifest(disk: Disk, directory: string): ManifestDescription {
  if (isVacant(disk, directory)) throw new BedplateError('NOT_FOUND', `there is no store at ${directory}`)
  checkStoreFormat(disk, directory, FORMAT)
  const bytes = readManifestBytes(disk, directory)
  const description: Pick<ManifestDescription, 'trees' | 'tables'> = { trees: [], tables: [] }
  const section = sectionOf(
    { name: 'manifest', offset: 0, length: bytes.length, isPacked: false, bytes },
    readManifest,
    () => {
      const { catalogue, version } = decodeManifest(bytes, joinPath(directory, MANIFEST_FILE))
      description.trees = Array.from(catalogue.ids, ([name, id]) => ({ id, name }))
      description.tables = version.levels.flatMap((tables, level) => tables.map((table) => ({ level, ...table })))
    },
  )
  return { section, ...description }
}

function readManifest(reader: PartReader): void {
  reader.checksum()
  reader.text('magic', 4)
  reader.u32('version')
  reader.u32('length')
  reader.hex('uuid', 16)
  reader.u48('position')
  reader.u48('nextNumber')
  reader.u32('nextTreeId')
  reader.u32('blockBytes')
  reader.u8('bitsPerKey')
  reader.u8('style')
  reader.u8('compression')
  reader.raw('zero', 1)
  reader.u48('ttlMs')
  reader.u48('maxBytes')
  const treeCount = reader.u32('treeCount')
  for (let i = 0; i < treeCount; i++) {
    reader.u32('tree id')
    reader.text('name', reader.u16('nameLength'))
  }
  const tableCount = reader.u32('tableCount')
  for (let i = 0; i < tableCount; i++) {
    reader.u8('level')
    reader.u48('number')
    reader.hex('id', 16)
    reader.u48('fileBytes')
    reader.u48('dataBytes')
    reader.u48('sequence')
    readProperties(reader)
  }
}
