// The lock of a store directory on the machine's disk.
//
// A writer holds the file LOCK, each reader a file LOCK.reader-<pid>-<nonce>. A file names its holder, so that a lock whose
// holder died (kill -9, power cut) is recognised as stale and taken over instead of having to be removed by hand.
//
//   acquire: make the own file, complete at once (link or rename of a temporary one), then look for the other kind.
//            If a live one is there, remove the own file and fail. Two that come at the same moment may both fail,
//            but never both succeed.
//
// A holder is alive if its process is, on the same boot of the same machine, with the same start time (pids are reused).
// What cannot be judged from here counts as alive: holders on other hosts (network file systems) or in other pid
// namespaces (containers). An empty or unreadable file is one that a power cut left behind.
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import { threadId } from 'node:worker_threads'
import { BedplateError } from '../base/errors.ts'
import { type DiskLock, joinPath, type LockKind } from './disk.ts'
import { diskError, isSystemError } from './disk-errors.ts'

const WRITER = 'LOCK'
const READER_PREFIX = 'LOCK.reader-'
const TEMPORARY_PREFIX = 'LOCK.new-'
const GUARD_PREFIX = 'LOCK.stale-'

/** What a lock file says, as JSON. What the platform cannot tell is left out. */
interface LockHolder {
  pid: number
  /** The worker thread, 0 for the main one: for the message only. */
  threadId: number
  host: string
  /** When it was taken, ISO 8601. */
  since: string
  /** Tells this lock from every other one. */
  nonce: string
  bootId?: string
  /** When the process started, in clock ticks since boot. */
  startTime?: string
  /** Which pids are meant: processes of another namespace cannot be seen from here. */
  pidNamespace?: string
}

/**
 * Takes the lock of `directory` without waiting. Within one process, too, two locks exclude each other, whatever the
 * thread. A worker thread that is terminated keeps its locks until the process ends.
 *
 * A reader on a medium that cannot be written goes without a file: nobody can write there anyway.
 */
export function lockDirectory(directory: string, kind: LockKind): DiskLock {
  try {
    return kind === 'writer' ? lockAsWriter(directory) : lockAsReader(directory)
  } catch (error) {
    throw diskError('lock', directory, error)
  }
}

function lockAsWriter(directory: string): DiskLock {
  const path = joinPath(directory, WRITER)
  const holder = takeFile(directory, path)
  try {
    for (const name of fs.readdirSync(directory)) {
      if (name.startsWith(READER_PREFIX)) refuseOrClear(directory, joinPath(directory, name))
      if (name.startsWith(TEMPORARY_PREFIX) || name.startsWith(GUARD_PREFIX)) clearIfStale(joinPath(directory, name))
    }
  } catch (error) {
    releaseFile(path, holder.nonce)
    throw error
  }
  return lockOn(path, holder.nonce)
}

function lockAsReader(directory: string): DiskLock {
  const holder = describeSelf()
  const path = joinPath(directory, `${READER_PREFIX}${holder.pid}-${holder.nonce}`)
  const held = makeReaderFile(directory, path, holder)
  try {
    const content = readIfThere(joinPath(directory, WRITER))
    // A stale writer's file stays: taking it over is the next writer's business.
    if (content !== undefined) refuseIfAlive(directory, content)
  } catch (error) {
    if (held) releaseFile(path, holder.nonce)
    throw error
  }
  return held ? lockOn(path, holder.nonce) : { release: () => undefined }
}

/** Makes the reader's file; false if the medium cannot be written. */
function makeReaderFile(directory: string, path: string, holder: LockHolder): boolean {
  try {
    fs.renameSync(writeTemporary(directory, holder), path)
    return true
  } catch (error) {
    if (isSystemError(error, 'EROFS', 'EACCES', 'EPERM')) return false
    throw error
  }
}

/** Makes the file at `path` ours, or throws LOCKED. Gives what it says now. */
function takeFile(directory: string, path: string): LockHolder {
  const holder = describeSelf()
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const temporary = writeTemporary(directory, holder)
    try {
      if (createFrom(temporary, path)) return holder
      const content = readIfThere(path)
      if (content === undefined) continue // It was given back just now.
      refuseIfAlive(directory, content)
      if (replaceStale(directory, path, content, temporary)) return holder
    } catch (error) {
      // A writer that cleared leftovers removed our temporary file in its first moment, when it was still empty.
      if (!isSystemError(error, 'ENOENT')) throw error
    } finally {
      fs.rmSync(temporary, { force: true })
    }
  }
  throw new BedplateError('LOCKED', `${directory} is contended: others take and give back its lock all the time`)
}

/**
 * Puts `temporary` in the place of the stale file at `path`; false if it is no longer the one with `content`.
 *
 * Two that found the same stale file must not both replace it: so the right to replace it is a lock file of its own,
 * named after the stale content. Who holds that one looks again, and what is still stale then nobody else can replace.
 * A stale content never comes back, for it holds a nonce. If the holder of the guard dies, the guard is a stale file
 * like any other.
 */
function replaceStale(directory: string, path: string, content: string, temporary: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1) // Not the path: others may spell it differently.
  const stale = createHash('sha256').update(`${name}\n${content}`).digest('hex').slice(0, 16)
  const guardPath = joinPath(directory, `${GUARD_PREFIX}${stale}`)
  const guard = takeFile(directory, guardPath)
  try {
    if (readIfThere(path) !== content) return false
    fs.renameSync(temporary, path)
    return true
  } finally {
    releaseFile(guardPath, guard.nonce)
  }
}

const MAX_ATTEMPTS = 20

/** Gives the content of `temporary` the name `path` as well, unless there is such a file: then false. */
function createFrom(temporary: string, path: string): boolean {
  try {
    fs.linkSync(temporary, path)
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false
    if (!isSystemError(error, 'EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP')) throw error
    return createExclusively(temporary, path)
  }
}

/**
 * For file systems without hard links (FAT, some network ones). There the file is empty for a moment before it has its
 * content: whoever looks in that moment takes it for stale. Only a lock that the kernel keeps would be safe.
 */
function createExclusively(temporary: string, path: string): boolean {
  try {
    fs.copyFileSync(temporary, path, fs.constants.COPYFILE_EXCL)
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false
    throw error
  }
}

function writeTemporary(directory: string, holder: LockHolder): string {
  const path = joinPath(directory, `${TEMPORARY_PREFIX}${holder.pid}-${holder.nonce}`)
  fs.writeFileSync(path, JSON.stringify(holder))
  return path
}

function lockOn(path: string, nonce: string): DiskLock {
  let released = false
  return {
    release() {
      if (released) return
      released = true
      releaseFile(path, nonce)
    },
  }
}

/** Removes the lock file if it is still ours; a directory that has gone, or has become read-only, is no reason to fail. */
function releaseFile(path: string, nonce: string): void {
  try {
    if (parseHolder(readIfThere(path))?.nonce === nonce) fs.unlinkSync(path)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'EROFS', 'EACCES', 'EPERM')) throw diskError('unlock', path, error)
  }
}

function refuseOrClear(directory: string, path: string): void {
  const content = readIfThere(path)
  if (content === undefined) return
  refuseIfAlive(directory, content)
  fs.rmSync(path, { force: true })
}

function clearIfStale(path: string): void {
  const content = readIfThere(path)
  const holder = parseHolder(content)
  if (content !== undefined && (holder === undefined || !isAlive(holder))) fs.rmSync(path, { force: true })
}

/** Throws LOCKED if the holder that a lock file names is alive. */
function refuseIfAlive(directory: string, content: string): void {
  const holder = parseHolder(content)
  if (holder === undefined || !isAlive(holder)) return
  const own = describeMachine()
  const here = holder.host === own.host && holder.pidNamespace === own.pidNamespace
  const who = here ? `process ${holder.pid}` : `process ${holder.pid} on ${holder.host}`
  const where = holder.threadId === 0 ? '' : ` (thread ${holder.threadId})`
  const hint = here
    ? `Close the store there or end process ${holder.pid}.`
    : `If that process is gone for good, remove the LOCK files in ${directory}.`
  throw new BedplateError('LOCKED', `${directory} is in use by ${who}${where} since ${holder.since}`, { hint })
}

function isAlive(holder: LockHolder): boolean {
  const own = describeMachine()
  if (holder.host !== own.host) return true
  if (holder.bootId !== own.bootId) return false
  if (holder.pidNamespace !== own.pidNamespace) return true
  if (!processExists(holder.pid)) return false
  const startTime = processStartTime(holder.pid)
  return startTime === undefined || holder.startTime === undefined || startTime === holder.startTime
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !isSystemError(error, 'ESRCH') // EPERM: it exists and belongs to another user.
  }
}

function describeSelf(): LockHolder {
  const startTime = processStartTime(process.pid)
  return {
    pid: process.pid,
    threadId,
    since: new Date().toISOString(),
    nonce: randomBytes(8).toString('hex'),
    ...describeMachine(),
    ...(startTime === undefined ? {} : { startTime }),
  }
}

function describeMachine(): Pick<LockHolder, 'host' | 'bootId' | 'pidNamespace'> {
  const bootId = procText(() => fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim())
  const pidNamespace = procText(() => fs.readlinkSync('/proc/self/ns/pid'))
  return {
    host: os.hostname(),
    ...(bootId === undefined ? {} : { bootId }),
    ...(pidNamespace === undefined ? {} : { pidNamespace }),
  }
}

/** Field 22 of /proc/<pid>/stat. Field 2, the command, may hold spaces and parentheses: count from the last `)`. */
function processStartTime(pid: number): string | undefined {
  const stat = procText(() => fs.readFileSync(`/proc/${pid}/stat`, 'latin1'))
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

/** What /proc says, where there is one. */
function procText(read: () => string): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
}

function parseHolder(content: string | undefined): LockHolder | undefined {
  try {
    const holder = JSON.parse(content ?? '') as Partial<LockHolder> | null
    const complete =
      typeof holder?.pid === 'number' && typeof holder.host === 'string' && typeof holder.nonce === 'string'
    return complete ? (holder as LockHolder) : undefined
  } catch {
    return undefined
  }
}
