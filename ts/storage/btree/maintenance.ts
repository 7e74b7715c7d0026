// Work on a store as a whole: bulk load, backup, compaction.
import { BedplateError } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import { isVacant } from '../directory.ts'
import { createLog } from '../log/index.ts'
import { UUID_BYTES } from '../log/segment.ts'
import { lacks } from '../mutant.ts'
import { TreeBuilder } from './bulk-load.ts'
import { Catalogue } from './catalogue.ts'
import { copyState } from './copy.ts'
import type { Engine, Pin } from './engine.ts'
import { openPager } from './open.ts'
import { replayer } from './replay.ts'
import { COMPACTED_FILE, DATA_FILE, makeDirectoryAtomically } from './store-directory.ts'

/** Entries added before other work gets a turn. */
const ENTRIES_A_TURN = 512
/** The most bytes of log records that may come in while a store is compacted. */
const MAX_COMPACTION_TAIL_BYTES = 64 * 1024 * 1024

/**
 * Builds tree `name` from sorted entries. The pages are written where nothing refers to; then, in one turn, the tree takes
 * them over and a marker is logged. The log is held until a checkpoint has made the pages part of the durable state, so
 * what is logged behind the marker can never be durable without them.
 */
export async function bulkLoadTree<E>(
  engine: Engine,
  name: string,
  entries: Iterable<E> | AsyncIterable<E>,
  encode: (entry: E) => readonly [Uint8Array, Uint8Array],
): Promise<number> {
  engine.assertWritable()
  assertEmpty(engine, name)
  const { pager } = engine
  const endLoad = engine.beginLoad()
  const pages: number[] = []
  try {
    const builder = new TreeBuilder({
      pager,
      treeId: engine.idFor(name),
      birth: pager.takeEpoch(),
      onAllocate: (page) => {
        pages.push(page)
        engine.unattached.add(page)
      },
    })
    let count = 0
    for await (const entry of entries) {
      engine.assertWritable()
      const [key, value] = encode(entry)
      builder.add(key, value)
      if (++count % ENTRIES_A_TURN === 0) await engine.clock.turn()
    }
    const built = builder.finish()
    if (count > 0) await engine.runExclusive(() => engine.attach(name, builder.treeId, built, pages))
    return count
  } catch (error) {
    for (const page of pages) if (engine.unattached.delete(page)) pager.freeList.release(page)
    throw error
  } finally {
    endLoad()
  }
}

function assertEmpty(engine: Engine, name: string): void {
  if (engine.root(name).page === 0) return
  throw new BedplateError(
    'INVALID_INPUT',
    `bulk load needs an empty tree; ${name === '' ? 'this one' : `"${name}"`} has keys`,
    {
      hint: 'clear() it first, or use batch()',
    },
  )
}

/** Writes a dense copy of this moment to a new store at `path`, on the same disk interface. */
export async function backupStore(engine: Engine, path: string): Promise<void> {
  engine.assertOpen()
  const { disk, random, clock } = engine
  checkBackupPath(disk, path)
  const pin = engine.pin()
  try {
    await makeDirectoryAtomically(engine, path, async (temporary) => {
      // Another uuid: its log and ours must never be mixed up.
      const uuid = random.bytes(UUID_BYTES)
      await createLog(disk, temporary, uuid, pin.position)
      const file = disk.open(joinPath(temporary, DATA_FILE), 'create')
      try {
        await copyState(pin, file, { uuid, nextTreeId: engine.catalogue.nextTreeId }, clock)
      } finally {
        file.close()
      }
    })
  } finally {
    pin.close()
  }
}

/** Refuses what is no place for a backup. */
export function checkBackupPath(disk: Disk, path: string): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw new BedplateError('INVALID_INPUT', `backup needs the path of a new directory, got ${describe(path)}`)
  if (!isVacant(disk, path))
    throw new BedplateError('ALREADY_EXISTS', `${path} exists already: a backup needs a new directory`)
}

/**
 * Rewrites the data file densely: copies a pinned state beside it, applies what was written meanwhile, gives the copy the
 * file's name. Until that rename a crash finds the old file, after it the new one; the log has the rest in both cases.
 */
export function compactStore(engine: Engine): Promise<void> {
  engine.assertWritable()
  return engine.runExclusive(() => rewrite(engine, () => engine.assertWritable()))
}

/** Closes the store. Where that has to write most of it anyway, and much of the data file is free, it writes it densely. */
export function closeStore(engine: Engine): Promise<void> {
  return engine.close(() => rewrite(engine, () => engine.assertUsable()))
}

/** Only inside `runExclusive`, or when nothing else is under way. `assertGoesOn` throws if it is not to be ended. */
async function rewrite(engine: Engine, assertGoesOn: () => void): Promise<void> {
  const { disk } = engine
  const endCompaction = engine.beginCompaction()
  const pin = engine.pinNow()
  const tail = engine.collectRecords(MAX_COMPACTION_TAIL_BYTES)
  try {
    const path = joinPath(engine.path, COMPACTED_FILE)
    if (disk.kind(path) !== undefined) disk.unlink(path)
    const file = disk.open(path, 'create')
    try {
      await replaceDataFile(engine, pin, file, () => {
        assertGoesOn()
        return tail.finish()
      })
    } catch (error) {
      if (engine.pager.file !== file) discard(disk, file)
      throw error
    }
    if (!lacks(engine.mutant, 'compacted name sync')) await engine.guard(() => disk.syncDirectory(engine.path))
    await engine.writeCheckpoint()
  } finally {
    tail.stop()
    pin.close()
    endCompaction()
  }
}

/** Fills `file`, brings it up to date, and lets the engine go on with it under the name of the data file. */
async function replaceDataFile(
  engine: Engine,
  pin: Pin,
  file: DiskFile,
  writtenMeanwhile: () => readonly Uint8Array[],
): Promise<void> {
  const identity = { uuid: engine.metas.current.uuid, nextTreeId: engine.catalogue.nextTreeId }
  await copyState(pin, file, identity, engine.clock)
  const records = writtenMeanwhile()
  const { pager, metas } = openPager(file, engine)
  const catalogue = new Catalogue(pager, metas.current.catalogue, metas.current.nextTreeId)
  const apply = replayer(catalogue, pager)
  for (const record of records) if (!lacks(engine.mutant, 'compaction catches up')) apply(record)
  engine.disk.rename(file.path, joinPath(engine.path, DATA_FILE))
  engine.adopt(pager, catalogue, metas)
}

/** Removes the file of a compaction that failed. If that fails too, the next opening removes it. */
function discard(disk: Disk, file: DiskFile): void {
  file.close()
  try {
    disk.unlink(file.path)
  } catch {
    // What led here is the error worth telling.
  }
}
