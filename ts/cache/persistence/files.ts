// Files that appear whole or not at all: written under another name, synced, renamed, the directory synced.
import type { Clock } from '../../io/clock.ts'
import { type Disk, type DiskFile, joinPath, parentDirectory } from '../../io/disk.ts'
import { lacks } from '../../storage/mutant.ts'
import type { Mutant } from './mutant.ts'
import type { ByteSource } from './rdb-reader.ts'
import type { Snapshot } from './snapshot.ts'

/** How much of a snapshot is made in one go, before others get their turn. */
const SLICE_BYTES = 64 * 1024
const READ_BYTES = 256 * 1024
/** Synced in between after so much, so that the last sync is short. */
const SYNC_BYTES = 32 * 2 ** 20

/** A new file in place of whatever has its name. */
export function createFile(disk: Disk, path: string): DiskFile {
  if (disk.kind(path) !== undefined) disk.unlink(path)
  return disk.open(path, 'create')
}

/** Makes a directory and those above it that are missing, durably. */
export async function makeDirectories(disk: Disk, path: string): Promise<void> {
  if (disk.kind(path) === 'directory' || path === '.' || path === '/') return
  const parent = parentDirectory(path)
  await makeDirectories(disk, parent)
  disk.mkdir(path)
  await disk.syncDirectory(parent)
}

/** Reads a file in pieces. @param start - Where to begin. */
export function sourceOf(file: DiskFile, start = 0): ByteSource {
  let at = start
  return () => {
    const bytes = new Uint8Array(READ_BYTES)
    const count = file.read(bytes, at)
    at += count
    return count === 0 ? undefined : bytes.subarray(0, count)
  }
}

/** Where a snapshot goes, and what may be missing. */
export interface SnapshotTarget {
  readonly disk: Disk
  readonly clock: Clock
  readonly path: string
  /** True once nobody wants it any more. */
  readonly isCancelled: () => boolean
  readonly mutant?: Mutant | undefined
  /** The rule that says that it is synced at the end. */
  readonly rule: 'snapshot sync' | 'base sync'
}

/**
 * Writes a snapshot in slices, between which others get their turn, and syncs it. It has no lasting name yet.
 * @returns Its size, or undefined if it was cancelled.
 */
export async function writeSnapshot(snapshot: Snapshot, target: SnapshotTarget): Promise<number | undefined> {
  const { disk, clock, path, isCancelled, mutant, rule } = target
  const file = createFile(disk, path)
  let at = 0
  let synced = 0
  try {
    for (let isEnded = false; !isEnded; ) {
      if (isCancelled()) return undefined
      isEnded = snapshot.step(SLICE_BYTES)
      const bytes = snapshot.take()
      file.write(bytes, at)
      at += bytes.length
      if (at - synced > SYNC_BYTES) {
        await file.sync()
        synced = at
      }
      await clock.turn()
    }
    if (!lacks(mutant, rule)) await file.sync()
    return isCancelled() ? undefined : at
  } finally {
    snapshot.abort()
    file.close()
  }
}

/** The same in one go, with its name: nobody gets a turn meanwhile. */
export function saveSnapshotNow(
  disk: Disk,
  snapshot: Snapshot,
  { directory, name }: { directory: string; name: string },
): void {
  const temporary = joinPath(directory, `temp-${name}`)
  const file = createFile(disk, temporary)
  let at = 0
  try {
    for (let isEnded = false; !isEnded; ) {
      isEnded = snapshot.step(16 * SLICE_BYTES)
      const bytes = snapshot.take()
      file.write(bytes, at)
      at += bytes.length
    }
    file.syncNow()
  } catch (error) {
    removeQuietly(disk, temporary)
    throw error
  } finally {
    snapshot.abort()
    file.close()
  }
  disk.rename(temporary, joinPath(directory, name))
  disk.syncDirectoryNow(directory)
}

/** Removes a file that nothing needs; if that fails, it lies there. */
export function removeQuietly(disk: Disk, path: string): void {
  try {
    disk.unlink(path)
  } catch {
    // It is in nobody's way, and what led here is the error worth telling.
  }
}
