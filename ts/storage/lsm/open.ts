// Making, finding and opening a store: lock, manifest, leftovers, replay of the log.
import { BedplateError } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { type Disk, joinPath } from '../../io/disk.ts'
import type { Random } from '../../io/random.ts'
import { checkStoreFormat, isVacant, makeStoreDirectory } from '../directory.ts'
import { createLog, hasLog, openLog } from '../log/index.ts'
import { UUID_BYTES } from '../log/segment.ts'
import type { Durability, Log } from '../log/types.ts'
import { lacks } from '../mutant.ts'
import { STATS_LEFTOVERS } from '../stats-file.ts'
import { discard } from './build-tables.ts'
import { EMPTY_CATALOGUE } from './catalogue.ts'
import type { CompactionPlan } from './compaction.ts'
import { Engine } from './engine.ts'
import { encodeManifest, FORMAT, MANIFEST_FILE, type Manifest, NEW_MANIFEST_FILE, readManifest } from './manifest.ts'
import { Memory } from './memory.ts'
import type { Mutant } from './mutant.ts'
import { parseTableName, tableName } from './table-format.ts'
import type { TableShape } from './table-writer.ts'
import { Tables } from './tables.ts'
import { Version } from './version.ts'

/** What an owner that died may have left beside tables. */
const LEFTOVERS: ReadonlySet<string> = new Set([NEW_MANIFEST_FILE, ...STATS_LEFTOVERS])

/** Everything that the engine takes as given. Unlike the public options, nothing here is optional or checked. */
export interface EngineOptions {
  disk: Disk
  clock: Clock
  random: Random
  path: string
  create: boolean | 'new'
  readOnly: boolean
  durability: Durability
  /** Of a new store; one that is there keeps its own. */
  shape: TableShape
  /** The same. */
  plan: CompactionPlan
  memtableBytes: number
  memoryBytes: number
  maxOpenFiles: number
  tableBytes: number
  level0Tables: number
  levelBytes: number
  firstSegmentBytes: number
  maxSegmentBytes: number
  /** Only for tests of the crash suite. */
  mutant?: Mutant | undefined
}

/** Opens (or makes) the store at `options.path`. Whatever fails, the lock and the files are given back. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { disk, clock, random, path, readOnly, mutant, memoryBytes, maxOpenFiles } = options
  await makeOrFind(options)
  const lock = disk.lock(path, readOnly ? 'reader' : 'writer')
  const tables = new Tables({ disk, path, cacheBytes: memoryBytes, maxOpenFiles, mutant })
  try {
    const manifest = readManifest(disk, path, mutant)
    checkParts(disk, path, manifest)
    if (!readOnly && !lacks(mutant, 'orphans removed')) await removeOrphans(disk, path, manifest)
    const memory = new Memory(manifest.catalogue, manifest.position)
    const log = await openStoreLog(options, manifest, memory)
    const { shape } = manifest
    const { durability, memtableBytes, tableBytes, level0Tables, levelBytes } = options
    return new Engine({
      workshop: { disk, clock, random, path, shape, mutant },
      lock,
      readOnly,
      memory,
      tables,
      manifest,
      log,
      durability,
      memtableBytes,
      memoryBytes,
      tableBytes,
      limits: { level0Tables, levelBytes },
    })
  } catch (error) {
    tables.close()
    lock.release()
    throw error
  }
}

/** Makes the store, or sees to it that there is one of ours. */
export async function makeOrFind(options: EngineOptions): Promise<void> {
  const { disk, random, path, create, readOnly, mutant } = options
  if (!isVacant(disk, path)) {
    if (create === 'new') throw new BedplateError('ALREADY_EXISTS', `${path} exists already`)
    if (disk.kind(path) === 'file') throw new BedplateError('INCOMPATIBLE', `${path} is a file; a store is a directory`)
    checkStoreFormat(disk, path, FORMAT)
    return
  }
  if (create === false) {
    throw new BedplateError('NOT_FOUND', `there is no store at ${path}`, {
      hint: 'make one: openLsm(path, { create: true })',
    })
  }
  if (readOnly) throw new BedplateError('INVALID_INPUT', 'a store cannot be created for reading only')
  const fill = async (temporary: string): Promise<void> => {
    const uuid = random.bytes(UUID_BYTES)
    await createLog(disk, temporary, uuid)
    const { shape, plan } = options
    const empty = { uuid, position: 0, nextNumber: 1, shape, plan, catalogue: EMPTY_CATALOGUE, version: Version.empty }
    const file = disk.open(joinPath(temporary, MANIFEST_FILE), 'create')
    try {
      file.write(encodeManifest(empty), 0)
      await file.sync()
    } finally {
      file.close()
    }
  }
  await makeStoreDirectory({ disk, random, mutant }, { path, format: FORMAT }, fill)
}

/** @throws CORRUPTION if a file of the store is missing: it was removed, or lost. */
function checkParts(disk: Disk, path: string, { version }: Manifest): void {
  const names = disk.list(path)
  const there = new Set(names)
  const lost = version.tables.map(({ number }) => tableName(number)).find((name) => !there.has(name))
  if (lost === undefined && hasLog(names)) return
  const what = lost === undefined ? 'its log' : `its file ${lost}`
  throw new BedplateError('CORRUPTION', `${path} is a store, but ${what} is missing`, {
    hint: 'nothing on disk was changed; put the file back, restore a backup, or let repairLsm keep what is left',
  })
}

/** What a flush or a compaction left behind when it was cut off. */
async function removeOrphans(disk: Disk, path: string, { version }: Manifest): Promise<void> {
  const named = new Set(version.tables.map(({ number }) => number))
  const orphans = disk.list(path).filter((name) => {
    const number = parseTableName(name)
    return LEFTOVERS.has(name) || (number !== undefined && !named.has(number))
  })
  if (orphans.length === 0) return
  await disk.syncDirectory(path) // the manifest that does without them may owe its name to a writer that died too early
  for (const name of orphans) discard(disk, joinPath(path, name))
}

function openStoreLog(options: EngineOptions, manifest: Manifest, memory: Memory): Promise<Log> {
  const { disk, clock, path, durability, readOnly, memtableBytes, firstSegmentBytes, maxSegmentBytes } = options
  return openLog({
    disk,
    clock,
    directory: path,
    uuid: manifest.uuid,
    durability,
    keptElsewhere: lacks(options.mutant, 'replay from L') ? 0 : manifest.position,
    readOnly,
    firstSegmentBytes,
    maxSegmentBytes,
    replay(position, record) {
      memory.apply(position, record)
      if (memory.isFull(memtableBytes)) memory.freeze()
    },
  })
}
