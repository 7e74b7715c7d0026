// The disk as every engine sees it: real (`real-disk.ts`) or simulated (`simulated-disk.ts`).
//
// Contract, common to both:
// - Reads and writes are synchronous and hit the page cache; `sync` and `syncDirectory` are what makes them durable.
// - `sync` of a file makes its bytes and its size durable, not its name. `syncDirectory` makes the names in that
//   directory durable: creations, renames and unlinks. A name made durable before its file was synced may show a file
//   that is empty, short or full of garbage after a power cut.
// - Unsynced writes may survive in any combination, in any order, torn at sector bounds.
// - After a failed `sync` nothing is known of the unsynced bytes: the caller must refuse further work until reopened.
// - Failures are BedplateErrors: NOT_FOUND (also if a part of the path is a file), ALREADY_EXISTS (also for a directory
//   that is not empty), PERMISSION, DISK_FULL (ENOSPC, EDQUOT), INVALID_INPUT (a directory where a file is meant, a name
//   the system does not take), UNAVAILABLE (too many open files), IO (all else), each with the system's error as `cause`
//   and the path in the text. READ_ONLY: a write on a file opened for reading. CLOSED: a call on a closed file.
// - A write that fails may have written some of its bytes.
// - A held lock may show as names that start with `LOCK` in its directory; they are the disk's own business.
// - Paths are ordinary strings with `/`; on the real disk they may be relative to the working directory.

/** What a lock protects against: a writer excludes everybody, readers exclude writers only. */
export type LockKind = 'writer' | 'reader'

/** A held lock. */
export interface DiskLock {
  /** Gives the lock back. Calling it twice does nothing. */
  release(): void
}

/**
 * - `read`: the file must exist; writes fail.
 * - `write`: the file must exist; opened for reading and writing.
 * - `create`: the file must not exist (ALREADY_EXISTS); made empty, opened for reading and writing.
 */
export type OpenMode = 'read' | 'write' | 'create'

/** An open file. All positions and lengths are bytes. */
export interface DiskFile {
  /** The path it was opened by; for messages. */
  readonly path: string
  /** The current size in bytes. */
  size(): number
  /**
   * Reads into `target` from `position`.
   * @returns The number of bytes read: less than `target.length` only at the end of the file.
   */
  read(target: Uint8Array, position: number): number
  /** The same without blocking the calling thread. `target` must not be used until the promise settles. */
  readAsync(target: Uint8Array, position: number): Promise<number>
  /** Writes all of `bytes` at `position`, growing the file if needed (a gap reads as zeros). */
  write(bytes: Uint8Array, position: number): void
  /** Cuts or grows (with zeros) the file to `sizeBytes`. */
  truncate(sizeBytes: number): void
  /** Makes bytes and size durable (fdatasync; F_FULLFSYNC on macOS where Node offers it). */
  sync(): Promise<void>
  /** The same, blocking the calling thread: for back-pressure and for exits only. */
  syncNow(): void
  /**
   * Closes the file. Calling it twice does nothing. Does not sync. Asynchronous calls under way still end as they would
   * have; new calls are refused at once.
   */
  close(): void
}

/** A disk. Directory operations take effect at once and become durable with `syncDirectory` of the parent. */
export interface Disk {
  open(path: string, mode: OpenMode): DiskFile
  /** Says what is at `path`. */
  kind(path: string): 'file' | 'directory' | undefined
  /** The names (not paths) in a directory, sorted. NOT_FOUND if there is none. */
  list(directory: string): string[]
  /** Makes one directory; the parent must exist. */
  mkdir(path: string): void
  /**
   * Atomically gives `from` the name `to`, replacing a file (not a directory) that has it. Durable with the
   * `syncDirectory` of the directory of `to`.
   */
  rename(from: string, to: string): void
  /**
   * Gives the file `from` a second name `to`, which nothing may have yet. Durable with the `syncDirectory` of the directory of
   * `to`. Both names are one file on most disks, and need not be on all: after it, write to neither.
   * @throws NOT_SUPPORTED where that cannot be, for instance since `to` is on another file system: copy the file instead.
   */
  link(from: string, to: string): void
  /** Removes a file. An open handle to it keeps working. */
  unlink(path: string): void
  /** Removes an empty directory. */
  rmdir(path: string): void
  /** Makes the names in `directory` durable. */
  syncDirectory(directory: string): Promise<void>
  /** The same, blocking the calling thread: for back-pressure and for exits only. */
  syncDirectoryNow(directory: string): void
  /**
   * Takes the lock of a store directory without waiting.
   * @throws LOCKED if another handle, thread or process holds it; the text names the holder.
   */
  lock(directory: string, kind: LockKind): DiskLock
}

/** Joins path parts with `/`. */
export function joinPath(...parts: string[]): string {
  return parts.join('/').replace(/\/{2,}/g, '/')
}

/** The directory that holds `path`: everything before its last `/`; `.` for a bare name, `/` for a name in the root. */
export function parentDirectory(path: string): string {
  const trimmed = path.replace(/\/+$/, '')
  const slash = trimmed.lastIndexOf('/')
  if (slash < 0) return '.'
  return slash === 0 ? '/' : trimmed.slice(0, slash)
}
