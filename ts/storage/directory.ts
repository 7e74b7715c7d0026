// A store is a directory with a file FORMAT, which says its engine and version before anything else is read. It appears
// whole: made under another name, synced, renamed, its parent synced.
import { BedplateError } from '../base/errors.ts'
import { type Disk, joinPath, parentDirectory } from '../io/disk.ts'
import type { Random } from '../io/random.ts'
import { lacks, type Mutant } from './mutant.ts'

const FORMAT_FILE = 'FORMAT'

/** What the file FORMAT of a store says: `bedplate <engine> <version>`. */
export interface Format {
  readonly engine: string
  readonly version: number
}

/** What a store is made with. */
export interface Maker {
  disk: Disk
  random: Random
  /** The rules here are `temporary name`, `first names sync`, `store name sync` and `FORMAT sync`. */
  mutant?: Mutant<string> | undefined
}

/** Runs `fill` on a new directory with a FORMAT file, then gives it its name, durably. */
export async function makeStoreDirectory(
  { disk, random, mutant }: Maker,
  store: { path: string; format: Format },
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  const { path, format } = store
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

/** Checks that `path` holds a store of this engine, and of this version or an earlier one. */
export function checkStoreFormat(disk: Disk, path: string, wanted: Format): void {
  const format = readFormat(disk, path)
  if (format === undefined) {
    throw new BedplateError('INCOMPATIBLE', `${path} is not a bedplate store: it has no readable ${FORMAT_FILE} file`)
  }
  if (format.engine !== wanted.engine) {
    throw new BedplateError(
      'INCOMPATIBLE',
      `${path} is a store of the engine "${format.engine}", not "${wanted.engine}"`,
      { hint: `open it with bedplate/${format.engine}` },
    )
  }
  if (format.version > wanted.version) throw newerStore(path, format.version, wanted.version)
}

/** The error for files that a later bedplate wrote. */
export function newerStore(path: string, version: number, known: number): BedplateError {
  return new BedplateError(
    'INCOMPATIBLE',
    `${path} has format version ${version}; this bedplate reads up to ${known}`,
    { hint: 'update bedplate' },
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

async function writeFormat(disk: Disk, directory: string, format: Format, mutant: Maker['mutant']): Promise<void> {
  const file = disk.open(joinPath(directory, FORMAT_FILE), 'create')
  try {
    file.write(Buffer.from(`bedplate ${format.engine} ${format.version}\n`), 0)
    if (!lacks(mutant, 'FORMAT sync')) await file.sync()
  } finally {
    file.close()
  }
}

function removeDirectory(disk: Disk, directory: string): void {
  try {
    for (const name of disk.list(directory)) disk.unlink(joinPath(directory, name))
    disk.rmdir(directory)
  } catch {
    // What led here is the error worth telling; a leftover `.creating-` directory harms nobody.
  }
}
