// Takes a table file apart: `lsmstore inspect sstable`. Names of parts are those of docs/formats/lsm.md.
import { BedplateError } from '../../../base/errors.ts'
import type { Disk, DiskFile } from '../../../io/disk.ts'
import { BLOCK_HEADER_BYTES, type BlockHandle, BlockType, openBlock, tableSeed } from '../block.ts'
import { EntryKind } from '../entry.ts'
import { treeIdOf, userKey } from '../internal-key.ts'
import { decodeFooter, FOOTER_BYTES, type Footer } from '../table-format.ts'
import { type PartReader, problemOf, sectionOf } from './parts.ts'
import type { BlockDescription, EntryDescription, FileSection, TableDescription } from './types.ts'

const KIND_NAMES = new Map<number, string>(Object.entries(EntryKind).map(([name, kind]) => [kind, name]))

/**
 * Describes the table in the file `path`; whatever its bytes are, this does not fail on them.
 * @param blockNumber - The data block of which the entries are wanted, counted from 0.
 * @throws INVALID_INPUT if the table has no such block; NOT_FOUND and what else the disk says.
 */
export function describeTable(disk: Disk, path: string, blockNumber: number): TableDescription {
  const file = disk.open(path, 'read')
  try {
    return describeFile(file, blockNumber)
  } finally {
    file.close()
  }
}

function describeFile(file: DiskFile, blockNumber: number): TableDescription {
  const fileBytes = file.size()
  const description: TableDescription = { fileBytes, sections: [], blocks: [], entries: [] }
  const { footer, section } = readFooter(file, fileBytes)
  description.sections.push(section)
  if (footer === undefined) return description

  const blocks: BlockDescription[] = []
  const parts: [string, BlockType, BlockHandle, (reader: PartReader) => void][] = [
    ['properties', BlockType.properties, footer.properties, readProperties],
    ['range tombstones', BlockType.tombstones, footer.tombstones, readTombstones],
    ['index', BlockType.index, footer.index, (reader) => readIndex(reader, blocks)],
    ['filter', BlockType.filter, footer.filter, readFilter],
  ]
  for (const [name, type, handle, read] of parts)
    if (handle.length > 0) description.sections.push(describeBlock(file, footer, { name, type, handle }, read))
  description.blocks = blocks
  const handle = blocks[blockNumber]
  if (handle !== undefined) addDataBlock(file, footer, { handle, blockNumber }, description)
  else if (blockNumber > 0) {
    throw new BedplateError('INVALID_INPUT', `${file.path} has no data block ${blockNumber}`, {
      hint: blocks.length === 0 ? 'its index names none' : `its data blocks are 0 to ${blocks.length - 1}`,
    })
  }
  return description
}

function readFooter(file: DiskFile, fileBytes: number): { footer: Footer | undefined; section: FileSection } {
  const offset = Math.max(0, fileBytes - FOOTER_BYTES)
  const bytes = readAt(file, { offset, length: Math.min(FOOTER_BYTES, fileBytes) })
  let footer: Footer | undefined
  const section = sectionOf(
    { name: 'footer', offset, length: bytes.length, isPacked: false, bytes },
    (reader) => {
      reader.checksum()
      reader.text('magic', 4)
      reader.u32('version')
      reader.raw('zeros', 4)
      reader.hex('id', 16)
      for (const name of ['filter', 'index', 'tombstones', 'properties']) {
        reader.u64(`${name} offset`)
        reader.u32(`${name} length`)
        reader.raw('zeros', 4)
      }
      reader.u64('fileBytes')
      reader.raw('zeros', 24)
    },
    () => {
      footer = decodeFooter(bytes, file.path, fileBytes)
    },
  )
  return { footer, section }
}

/** The section of a block, from its header on. @param read - Reads the payload. */
function describeBlock(
  file: DiskFile,
  footer: Footer,
  { name, type, handle }: { name: string; type: BlockType; handle: BlockHandle },
  read: (reader: PartReader) => void,
): FileSection {
  const stored = readAt(file, handle)
  const place = { name, offset: handle.offset, length: handle.length }
  let payload: Uint8Array | undefined
  const problem = problemOf(() => {
    payload = openBlock(type, stored, { seed: tableSeed(footer.id), path: file.path }, handle.offset)
  })
  const isPacked = payload !== undefined && stored[5] !== 0
  const bytes = isPacked ? Buffer.concat([stored.subarray(0, BLOCK_HEADER_BYTES), payload as Uint8Array]) : stored
  const section = sectionOf({ ...place, isPacked, bytes }, (reader) => {
    readBlockHeader(reader)
    if (payload !== undefined) read(reader)
  })
  return problem === undefined ? section : { ...section, problem }
}

function readBlockHeader(reader: PartReader): void {
  reader.checksum()
  reader.u8('type')
  reader.u8('codec')
  reader.raw('zeros', 2)
  reader.u32('length')
  reader.u32('rawLength')
}

export function readProperties(reader: PartReader): void {
  reader.key('start')
  reader.key('end')
  reader.u48('entryCount')
  reader.u48('tombstoneCount')
  reader.u32('rangeTombstoneCount')
  reader.u48('minSequence')
  reader.u48('maxSequence')
  reader.u48('contentBytes')
  reader.u48('createdAt')
}

function readTombstones(reader: PartReader): void {
  const count = reader.u32('count')
  for (let i = 0; i < count; i++) {
    reader.key('start')
    reader.key('end')
    reader.u48('sequence')
  }
}

function readIndex(reader: PartReader, blocks: BlockDescription[]): void {
  const count = reader.u32('count')
  for (let i = 0; i < count; i++) {
    const separator = reader.key('separator')
    blocks.push({ separator, offset: reader.u48('offset'), length: reader.u32('length') })
  }
}

function readFilter(reader: PartReader): void {
  reader.text('magic', 4)
  reader.u32('lineCount')
  reader.u8('probes')
  reader.u8('version')
  reader.raw('zeros', 54)
  reader.raw('lines', reader.left)
}

function addDataBlock(
  file: DiskFile,
  footer: Footer,
  { handle, blockNumber }: { handle: BlockHandle; blockNumber: number },
  description: TableDescription,
): void {
  const { entries, sections, fileBytes } = description
  const name = `data block ${blockNumber}`
  if (handle.offset + handle.length > fileBytes) {
    const problem = 'the index places it behind the end of the file'
    sections.push({ name, ...handle, problem, isPacked: false, bytes: new Uint8Array(0), parts: [] })
    return
  }
  sections.push(
    describeBlock(file, footer, { name, type: BlockType.data, handle }, (reader) => readData(reader, entries)),
  )
}

function readData(reader: PartReader, entries: EntryDescription[]): void {
  const count = reader.u16('count')
  const prefixLength = reader.u16('prefixLength')
  reader.raw('zeros', 4)
  reader.raw('heads', 4 * count)
  reader.raw('offsets', 2 * count)
  const prefix = reader.raw('prefix', prefixLength)
  for (let i = 0; i < count; i++) entries.push(reader.group(`entry ${i}`, (fields) => readEntry(fields, prefix)))
}

function readEntry(fields: PartReader, prefix: Uint8Array): EntryDescription {
  const suffixLength = fields.u16('suffixLength')
  const kind = fields.u8('kind')
  const sequence = fields.u48('sequence')
  const valueLength = fields.u32('valueLength')
  const key = Buffer.concat([prefix, fields.raw('suffix', suffixLength)])
  const value = fields.raw('value', valueLength)
  return { treeId: treeIdOf(key), key: userKey(key), sequence, kind: KIND_NAMES.get(kind) ?? String(kind), value }
}

function readAt(file: DiskFile, { offset, length }: BlockHandle): Uint8Array {
  const bytes = new Uint8Array(length)
  return bytes.subarray(0, file.read(bytes, offset))
}
