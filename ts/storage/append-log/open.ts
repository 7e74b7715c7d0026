// Opening a log: making or finding its directory, the lock, where it begins, recovery of its end.
import { BedplateError } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import type { Random } from '../../io/random.ts'
import { checkStoreFormat, isVacant, makeStoreDirectory } from '../directory.ts'
import { createLog, hasLog } from '../log/index.ts'
import type { Mutant } from '../log/mutant.ts'
import { openLogWriter } from '../log/open.ts'
import { UUID_BYTES } from '../log/segment.ts'
import { removeFile } from '../log/segment-file.ts'
import type { Durability } from '../log/types.ts'
import type { LogWriter } from '../log/writer.ts'
import { ReadOnlyAppendLog } from './read-only-log.ts'
import { FORMAT_VERSION, NEW_START_FILE, prepareStart, publishStart, readStart, type Start } from './start.ts'
import type { Retention } from './types.ts'
import { openWatermark } from './watermark.ts'
import { WritableLog } from './writable-log.ts'

const FORMAT = { engine: 'log', version: FORMAT_VERSION }

/** Everything that the engine takes as given. Unlike the public options, nothing here is optional or checked. */
export interface EngineOptions {
  disk: Disk
  clock: Clock
  random: Random
  path: string
  create: boolean | 'new'
  durability: Durability
  firstSegmentBytes: number
  maxSegmentBytes: number
  retention: Retention
  /** Only for tests of the crash suite. */
  mutant?: Mutant | undefined
}

/** Opens (or makes) the log at `options.path` for writing. Whatever fails, the lock and the files are given back. */
export async function openWritableLog(options: EngineOptions): Promise<WritableLog> {
  const { disk, clock, path, durability, retention, mutant } = options
  await makeOrFind(options)
  const lock = disk.lock(path, 'writer')
  let watermark: DiskFile | undefined
  try {
    const { uuid, firstOffset } = findParts(disk, path, mutant)
    removeFile(disk, joinPath(path, NEW_START_FILE))
    watermark = openWatermark(disk, path)
    const place = { disk, clock, directory: path, uuid, mutant }
    const handle = new WritableLog({ ...place, lock, watermark, firstOffset, durability, retention })
    const log = await openWriter(options, { uuid, firstOffset }, () => handle.advanced())
    handle.start(log)
    return handle
  } catch (error) {
    watermark?.close()
    lock.release()
    throw error
  }
}

/** Opens the log at `path` for reading, whoever writes to it. */
export function openReadOnlyLog(
  options: Pick<EngineOptions, 'disk' | 'clock' | 'path' | 'mutant'>,
  pollMs: number,
): ReadOnlyAppendLog {
  const { disk, clock, path, mutant } = options
  find(disk, path)
  const { uuid } = findParts(disk, path, mutant)
  return new ReadOnlyAppendLog({ disk, clock, directory: path, uuid, mutant }, pollMs)
}

async function makeOrFind(options: EngineOptions): Promise<void> {
  const { disk, random, path, create, mutant } = options
  if (!isVacant(disk, path) || create === false) {
    if (create === 'new') throw new BedplateError('ALREADY_EXISTS', `${path} exists already`)
    find(disk, path)
    return
  }
  await makeStoreDirectory({ disk, random, mutant }, { path, format: FORMAT }, async (temporary) => {
    const uuid = random.bytes(UUID_BYTES)
    await createLog(disk, temporary, uuid)
    await prepareStart(disk, temporary, { uuid, firstOffset: 0 }, mutant)
    await publishStart(disk, temporary, mutant)
    openWatermark(disk, temporary).close()
  })
}

/** Sees to it that there is a log at `path`. */
function find(disk: Disk, path: string): void {
  if (isVacant(disk, path)) {
    throw new BedplateError('NOT_FOUND', `there is no log at ${path}`, {
      hint: 'make one: openAppendLog(path, { create: true })',
    })
  }
  if (disk.kind(path) === 'file') throw new BedplateError('INCOMPATIBLE', `${path} is a file; a log is a directory`)
  checkStoreFormat(disk, path, FORMAT)
}

/** Checks that every part is there: what is missing was lost, and an empty one in its place would hide that. */
function findParts(disk: Disk, path: string, mutant: Mutant | undefined): Start {
  if (!hasLog(disk.list(path))) {
    throw new BedplateError('CORRUPTION', `${path} is a log, but its segments are missing`, {
      hint: 'nothing on disk was changed; put them back, or restore the log from a backup',
    })
  }
  return readStart(disk, path, mutant)
}

function openWriter(options: EngineOptions, start: Start, advanced: () => void): Promise<LogWriter> {
  const { disk, clock, path, durability, firstSegmentBytes, maxSegmentBytes, mutant } = options
  return openLogWriter(mutant, {
    disk,
    clock,
    directory: path,
    uuid: start.uuid,
    durability,
    firstSegmentBytes,
    maxSegmentBytes,
    keptElsewhere: start.firstOffset,
    onlyLast: true,
    keepsTimes: true,
    replay: () => {},
    advanced,
  })
}
