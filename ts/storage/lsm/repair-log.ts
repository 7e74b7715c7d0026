// What the log of a damaged store still says.
import { isCode } from '../../base/errors.ts'
import { joinPath } from '../../io/disk.ts'
import { hasLog, openLog } from '../log/index.ts'
import { decodeSegmentHeader, parseSegmentName, SEGMENT_HEADER_BYTES } from '../log/segment.ts'
import { visitRecord } from '../ordered/record.ts'
import type { Workshop } from './build-tables.ts'
import { type Catalogue, catalogueOf } from './catalogue.ts'
import { FIRST_TREE_ID, MAX_TREE_ID } from './internal-key.ts'
import type { Manifest } from './manifest.ts'
import { Memory } from './memory.ts'

type Source = Pick<Workshop, 'disk' | 'clock' | 'path'>
type LogStart = Pick<Manifest, 'uuid' | 'position'>

const UUID_AT = 48
const UUID_BYTES = 16

/** Whose the log is, and its first record, if any segment can be read. */
export function logIdentity({ disk, path }: Source): { uuid: Uint8Array; firstRecord: number } | undefined {
  for (const name of disk.list(path)) {
    if (parseSegmentName(name)?.prepared !== false) continue
    const file = disk.open(joinPath(path, name), 'read')
    try {
      const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
      file.read(bytes, 0)
      const uuid = bytes.slice(UUID_AT, UUID_AT + UUID_BYTES)
      const result = decodeSegmentHeader(bytes, uuid)
      if (result.kind === 'ok') return { uuid, firstRecord: result.header.firstRecord }
    } finally {
      file.close()
    }
  }
  return undefined
}

/** Replays what can be read of the log. @returns What memory holds then, and what is wrong with the rest. */
export async function replayLog(
  source: Source,
  { catalogue, ...start }: LogStart & { catalogue: Catalogue },
): Promise<{ memory: Memory; problem: string | undefined }> {
  const memory = new Memory(catalogue, start.position)
  const problem = await readRecords(source, start, (position, record) => memory.apply(position, record))
  return { memory, problem }
}

/**
 * The trees as of a position that nobody wrote down: those with keys in tables, and those that the log writes to without having
 * made them. Their names are gone; a single one is taken for the default tree, unless the log makes that.
 */
export async function guessCatalogue(source: Source, start: LogStart, seen: ReadonlySet<number>): Promise<Catalogue> {
  const ids = new Set([...seen].filter((id) => id >= FIRST_TREE_ID && id < MAX_TREE_ID))
  const made = new Map<number, string>()
  const note = (id: number): void => {
    if (!made.has(id)) ids.add(id)
  }
  await readRecords(source, start, (_, record) =>
    visitRecord(record, {
      put: note,
      delete: note,
      clear: note,
      increment: note,
      append: note,
      dropTree: note,
      bulkLoad: note,
      createTree: (id, name) => void made.set(id, Buffer.from(name).toString()),
    }),
  )
  const names = new Set(made.values())
  const nameOf = (id: number): string => {
    let name = ids.size === 1 && !names.has('') ? '' : `tree-${id}`
    while (names.has(name)) name += '-'
    return name
  }
  const nextTreeId = Math.min(...made.keys(), Math.max(0, ...ids) + 1)
  const known = [...ids].filter((id) => id < nextTreeId)
  return catalogueOf(new Map(known.map((id) => [nameOf(id), id])), Math.max(FIRST_TREE_ID, nextTreeId))
}

/** @returns What is wrong with the log, undefined if all of it could be read. */
async function readRecords(
  { disk, clock, path }: Source,
  { uuid, position }: LogStart,
  replay: (position: number, record: Uint8Array) => void,
): Promise<string | undefined> {
  if (!hasLog(disk.list(path))) return `${path}: the log is missing`
  try {
    const log = await openLog({
      disk,
      clock,
      directory: path,
      uuid,
      durability: 'sync',
      keptElsewhere: position,
      readOnly: true,
      replay,
    })
    log.abandon()
    return undefined
  } catch (error) {
    if (!isCode(error, 'CORRUPTION')) throw error
    return (error as Error).message
  }
}
