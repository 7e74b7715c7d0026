// A store is a directory: `FORMAT` (engine and version, for people and for other engines), `data`, `log-*`, `LOCK`, and
// `stats.json` while it is open.
import { BedplateError } from '../../base/errors.ts'
import { type Disk, joinPath } from '../../io/disk.ts'
import { checkStoreFormat, type Maker, makeStoreDirectory, newerStore } from '../directory.ts'
import { createLog, hasLog } from '../log/index.ts'
import { UUID_BYTES } from '../log/segment.ts'
import { lacks } from '../mutant.ts'
import { STATS_LEFTOVERS } from '../stats-file.ts'
import { FIRST_TREE_ID } from './catalogue.ts'
import { encodeMeta, FIRST_PAGE, FORMAT_VERSION, type Meta } from './meta.ts'
import { NO_PAGE } from './page.ts'

export const DATA_FILE = 'data'
/** The data file of a compaction, until it takes the place of `data`. */
export const COMPACTED_FILE = 'data.compact'
/** Files that no open store of ours can be using when a writer opens it. */
export const LEFTOVERS = [COMPACTED_FILE, ...STATS_LEFTOVERS]
const FORMAT = { engine: 'btree', version: FORMAT_VERSION }

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
  maker: Maker,
  path: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  await makeStoreDirectory(maker, { path, format: FORMAT }, fill)
}

/** Checks that `path` holds a store of this engine and version. */
export function checkFormat(disk: Disk, path: string): void {
  checkStoreFormat(disk, path, FORMAT)
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
export function newerVersion(path: string, version: number): BedplateError {
  return newerStore(path, version, FORMAT_VERSION)
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
