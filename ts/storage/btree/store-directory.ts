// A store is a directory: `FORMAT` (engine and version, for people and for other engines), `data`, `log-*`, `LOCK`, and
// `stats.json` while it is open. It appears whole: made under another name, synced, renamed, its parent synced.
import { BedplateError } from '../../base/errors.ts'
import { type Disk, joinPath, parentDirectory } from '../../io/disk.ts'
import type { Random } from '../../io/random.ts'
import { createLog, hasLog } from '../log/index.ts'
import { lacks, type Mutant } from '../mutant.ts'
import { FIRST_TREE_ID } from './catalogue.ts'
import { encodeMeta, FIRST_PAGE, FORMAT_VERSION, type Meta } from './meta.ts'
import { NO_PAGE } from './page.ts'

export const DATA_FILE = 'data'
/** The data file of a compaction, until it takes the place of `data`. */
export const COMPACTED_FILE = 'data.compact'
/** Figures for onlookers, kept while the store is open for writing; and their next version while it is written. */
export const STATS_FILE = 'stats.json'
/** Files that no open store of ours can be using when a writer opens it. */
export const LEFTOVERS = [COMPACTED_FILE, STATS_FILE, `${STATS_FILE}.new`]
const FORMAT_FILE = 'FORMAT'
/** A store's uuid tells its log from that of others. */
export const UUID_BYTES = 16

/** What the file FORMAT of a store says: `bedplate <engine> <version>`. */
export interface Format {
  engine: string
  version: number
}

const BTREE: Format = { engine: 'btree', version: FORMAT_VERSION }

/** What a store is made with. */
interface Maker {
  disk: Disk
  random: Random
  mutant?: Mutant<string> | undefined
}

/** Makes an empty store at `path`, where nothing but an empty directory may be. */
export async function createStore(maker: Maker, path: string, pageSizeBytes: number): Promise<void> {
  const { disk, random, mutant } = maker
  await makeDirectoryAtomically(maker, path, async (temporary) => {
    const uuid = random.bytes(UUID_BYTES)
    await createLog(disk, temporary, uuid)
    const data = disk.open(joinPath(temporary, DATA_FILE), 'create')
    try {
      writeEmptyData(data, pageSizeBytes, uuid)
      if (!lacks(mutant, 'first data sync')) await data.sync()
    } finally {
      data.close()
    }
  })
}

/** Runs `fill` on a new directory with a FORMAT file, then gives it its name, durably. */
export async function makeDirectoryAtomically(
  { disk, random, mutant }: Maker,
  path: string,
  fill: (temporary: string) => Promise<void>,
  format = BTREE,
): Promise<void> {
  const atOnce = lacks(mutant, 'temporary name')
  const suffix = `.creating-${Buffer.from(random.bytes(6)).toString('hex')}`
  const temporary = path.replace(/\/+$/, '') + (atOnce ? '' : suffix)
  disk.mkdir(temporary)
  try {
    await writeFormat(disk, temporary, format, mutant)
    await fill(temporary)
    if (!lacks(mutant, 'first names sync')) await disk.syncDirectory(temporary)
    if (disk.kind(path) === 'directory' && !atOnce) disk.rmdir(path) // it is empty, or this fails and nothing is lost
    disk.rename(temporary, path)
  } catch (error) {
    removeDirectory(disk, temporary)
    throw error
  }
  if (!lacks(mutant, 'store name sync')) await disk.syncDirectory(parentDirectory(path))
}

/** Checks that `path` holds a store of the engine of `wanted`, and of no later version. */
export function checkFormat(disk: Disk, path: string, wanted = BTREE): void {
  const format = readFormat(disk, path)
  if (format === undefined) {
    throw new BedplateError('INCOMPATIBLE', `${path} is not a bedplate store: it has no readable ${FORMAT_FILE} file`)
  }
  if (format.engine !== wanted.engine) {
    throw new BedplateError(
      'INCOMPATIBLE',
      `${path} is a store of the engine "${format.engine}", not "${wanted.engine}"`,
      {
        hint: `open it with bedplate/${format.engine}`,
      },
    )
  }
  if (format.version > wanted.version) throw newerVersion(path, format.version, wanted.version)
}

/**
 * Checks that every part of the store at `path` is there. Each has been since it was made: what is missing was removed or
 * lost, and an empty log in its place would pass for the loss of nothing.
 * @throws CORRUPTION
 */
export function checkParts(disk: Disk, path: string): void {
  const names = disk.list(path)
  const missing = !names.includes(DATA_FILE) ? `its file ${DATA_FILE}` : hasLog(names) ? undefined : 'its log'
  if (missing === undefined) return
  throw new BedplateError('CORRUPTION', `${path} is a store, but ${missing} is missing`, {
    hint: 'nothing on disk was changed; put the file back, or restore the store from a backup',
  })
}

/** The error for files that a later bedplate wrote. */
export function newerVersion(path: string, version: number, newest = FORMAT_VERSION): BedplateError {
  return new BedplateError(
    'INCOMPATIBLE',
    `${path} has format version ${version}; this bedplate reads up to ${newest}`,
    {
      hint: 'update bedplate',
    },
  )
}

/** True if a store could be made at `path`: nothing is there, or an empty directory. */
export function isVacant(disk: Disk, path: string): boolean {
  const kind = disk.kind(path)
  return kind === undefined || (kind === 'directory' && disk.list(path).length === 0)
}

function readFormat(disk: Disk, path: string): Format | undefined {
  const name = joinPath(path, FORMAT_FILE)
  if (disk.kind(name) !== 'file') return undefined
  const file = disk.open(name, 'read')
  try {
    const bytes = new Uint8Array(64)
    const text = Buffer.from(bytes.subarray(0, file.read(bytes, 0))).toString('latin1')
    const match = /^bedplate ([a-z]{1,16}) (\d{1,6})\n/.exec(text)
    return match === null ? undefined : { engine: match[1] as string, version: Number(match[2]) }
  } finally {
    file.close()
  }
}

async function writeFormat(
  disk: Disk,
  directory: string,
  { engine, version }: Format,
  mutant: Maker['mutant'],
): Promise<void> {
  const file = disk.open(joinPath(directory, FORMAT_FILE), 'create')
  try {
    file.write(Buffer.from(`bedplate ${engine} ${version}\n`), 0)
    if (!lacks(mutant, 'FORMAT sync')) await file.sync()
  } finally {
    file.close()
  }
}

/** Writes the two metas of an empty store. */
function writeEmptyData(
  data: { write(bytes: Uint8Array, position: number): void },
  pageSizeBytes: number,
  uuid: Uint8Array,
): void {
  const empty: Meta = {
    pageSizeBytes,
    epoch: 0,
    position: 0,
    pageCount: FIRST_PAGE,
    catalogue: NO_PAGE,
    freeList: NO_PAGE,
    uuid,
    freeCount: 0,
    nextTreeId: FIRST_TREE_ID,
  }
  const pages = new Uint8Array(FIRST_PAGE * pageSizeBytes)
  pages.set(encodeMeta(empty), 0)
  pages.set(encodeMeta({ ...empty, epoch: 1 }), pageSizeBytes)
  data.write(pages, 0)
}

function removeDirectory(disk: Disk, directory: string): void {
  try {
    for (const name of disk.list(directory)) disk.unlink(joinPath(directory, name))
    disk.rmdir(directory)
  } catch {
    // What led here is the error worth telling; a leftover `.creating-` directory harms nobody.
  }
}
