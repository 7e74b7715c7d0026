// A copy of a moment as a store of its own. Tables never change, so a second name for each is enough where the file system has
// such: then a backup costs no bytes, and each of the two goes its own way.
import { BedplateError, isCode } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'
import type { Clock } from '../../io/clock.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import type { Random } from '../../io/random.ts'
import { isVacant, makeStoreDirectory } from '../directory.ts'
import { createLog } from '../log/index.ts'
import { UUID_BYTES } from '../log/segment.ts'
import { lacks } from '../mutant.ts'
import type { Engine } from './engine.ts'
import { encodeManifest, FORMAT, MANIFEST_FILE, type Manifest } from './manifest.ts'
import type { Mutant } from './mutant.ts'
import { tableName } from './table-format.ts'

/** Bytes that are copied before other work gets a turn. */
const COPY_BYTES = 256 * 1024

/** A store, whatever engine runs it. */
export interface BackupSource {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly mutant: Mutant | undefined
  readonly path: string
  /** @throws CLOSED, which ends the backup. */
  assertOpen(): void
}

/**
 * Makes a store at `path` that holds what the manifest does once all that was written before is in tables.
 * @throws As `checkBackupPath` and `copyStore`.
 */
export async function backupStore(engine: Engine, path: string): Promise<void> {
  engine.assertWritable()
  checkBackupPath(engine.disk, path)
  await engine.during(async () => {
    await engine.flush()
    engine.assertOpen() // one that is being closed does not end its flushes
    const { manifest, workshop } = engine.background.work
    const { disk, clock, random, mutant } = workshop
    const source = { disk, clock, random, mutant, path: engine.path, assertOpen: () => engine.assertOpen() }
    const release = engine.versions.hold() // of the same moment as the manifest: they change in one turn
    try {
      await copyStore(source, path, manifest)
    } finally {
      release()
    }
  })
}

/**
 * Makes a store at `path` that holds what `manifest` names; the files of those tables must stay meanwhile.
 * @throws DISK_FULL and other errors of the disk; then nothing is left of it.
 */
export async function copyStore(source: BackupSource, path: string, manifest: Manifest): Promise<void> {
  const { disk, random, mutant } = source
  await makeStoreDirectory({ disk, random, mutant }, { path, format: FORMAT }, async (temporary) => {
    // Another uuid: its log and ours must never be mixed up.
    const uuid = random.bytes(UUID_BYTES)
    await createLog(disk, temporary, uuid, manifest.position)
    for (const { number } of manifest.version.tables) {
      await source.clock.turn()
      source.assertOpen()
      await linkOrCopy(source, joinPath(source.path, tableName(number)), joinPath(temporary, tableName(number)))
    }
    const file = disk.open(joinPath(temporary, MANIFEST_FILE), 'create')
    try {
      file.write(encodeManifest({ ...manifest, uuid }), 0)
      if (!lacks(mutant, 'backup manifest sync')) await file.sync()
    } finally {
      file.close()
    }
  })
}

async function linkOrCopy({ disk, clock }: BackupSource, from: string, to: string): Promise<void> {
  try {
    disk.link(from, to)
  } catch (error) {
    if (!isCode(error, 'NOT_SUPPORTED')) throw error
    await copyFile(disk, from, to, () => clock.turn())
  }
}

async function copyFile(disk: Disk, from: string, to: string, turn: () => Promise<void>): Promise<void> {
  const source = disk.open(from, 'read')
  let target: DiskFile | undefined
  try {
    target = disk.open(to, 'create')
    const buffer = new Uint8Array(COPY_BYTES)
    for (let at = 0; ; ) {
      const count = await source.readAsync(buffer, at)
      if (count === 0) break
      target.write(buffer.subarray(0, count), at)
      at += count
      await turn()
    }
    await target.sync()
  } finally {
    source.close()
    target?.close()
  }
}

/** @throws INVALID_INPUT, ALREADY_EXISTS if no backup can be made at `path`. */
export function checkBackupPath(disk: Disk, path: string): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw new BedplateError('INVALID_INPUT', `backup needs the path of a new directory, got ${describe(path)}`)
  if (!isVacant(disk, path))
    throw new BedplateError('ALREADY_EXISTS', `${path} exists already: a backup needs a new directory`)
}
