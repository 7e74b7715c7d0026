// The lock of a store directory on the machine's disk.
//
// A writer holds the file LOCK, each reader an empty file LOCK.reader-<holder>: docs/formats/btree.md has both forms. Either
// names its holder, so that a lock whose holder died (kill -9, power cut) is recognised as stale and taken over instead
// of having to be removed by hand. That of a reader does so in its name alone: on a full disk there is room for a name
// where there is none for a byte, and a store there must stay readable.
//
//   acquire: make the own file, complete at once (LOCK by a link of a temporary one), then look for the other kind.
//            If a live one is there, remove the own file and fail. Two that come at the same moment may both fail,
//            but never both succeed.
//
// A holder is alive if its process is, on the same boot of the same machine, with the same start time (pids are reused).
// What cannot be judged from here counts as alive: holders on other hosts (network file systems) or in other pid
// namespaces (containers). A file that names no holder is one that a power cut left behind.
import fs from 'node:fs'
import os from 'node:os'
import { BedplateError } from '../base/errors.ts'
import { type DiskLock, joinPath, type LockKind } from './disk.ts'
import { diskError, isSystemError } from './disk-errors.ts'
import { loadCrypto, realRandom } from './random.ts'

const WRITER = 'LOCK'
const READER_PREFIX = 'LOCK.reader-'
const TEMPORARY_PREFIX = 'LOCK.new-'
const GUARD_PREFIX = 'LOCK.stale-'

const MAX_HOST_LENGTH = 64
/** What follows READER_PREFIX. */
const NAME =
  /^(?<pid>\d{1,15})_(?<startTime>\d*)_(?<bootId>[0-9a-f-]*)_(?<namespace>\d*)_(?<threadId>\d{1,15})_(?<since>\d{1,15})_(?<nonce>[0-9a-f]+)_(?<host>[A-Za-z0-9.-]*)$/

/** What LOCK says, as JSON. What the platform cannot tell is left out. */
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
      if (name.startsWith(READER_PREFIX)) refuseOrClear(directory, name)
      if (name.startsWith(TEMPORARY_PREFIX) || name.startsWith(GUARD_PREFIX)) clearIfStale(joinPath(directory, name))
    }
  } catch (error) {
    releaseFile(path, holder.nonce)
    throw error
  }
  return lockOn(path, holder.nonce)
}

function lockAsReader(directory: string): DiskLock {
  const path = joinPath(directory, READER_PREFIX + nameOf(describeSelf()))
  const held = makeReaderFile(path)
  const lock = held ? lockOn(path, undefined) : { release: () => undefined }
  try {
    const content = readIfThere(joinPath(directory, WRITER))
    // A stale writer's file stays: taking it over is the next writer's business.
    if (content !== undefined) refuseIfAlive(directory, parseHolder(content))
  } catch (error) {
    lock.release()
    throw error
  }
  return lock
}

/** Makes the reader's file, which stays empty; false if the medium cannot be written. */
function makeReaderFile(path: string): boolean {
  try {
    fs.closeSync(fs.openSync(path, 'wx'))
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
      refuseIfAlive(directory, parseHolder(content))
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
  const stale = loadCrypto().createHash('sha256').update(`${name}\n${content}`).digest('hex').slice(0, 16)
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
  try {
    fs.writeFileSync(path, JSON.stringify(holder))
  } catch (error) {
    fs.rmSync(path, { force: true })
    throw error
  }
  return path
}

function lockOn(path: string, nonce: string | undefined): DiskLock {
  let released = false
  return {
    release() {
      if (released) return
      released = true
      releaseFile(path, nonce)
    },
  }
}

/**
 * Removes the lock file if it is still ours; a directory that has gone, or has become read-only, is no reason to fail.
 * @param nonce - What our file says; undefined if its name is nobody else's.
 */
function releaseFile(path: string, nonce: string | undefined): void {
  try {
    if (nonce === undefined || parseHolder(readIfThere(path))?.nonce === nonce) fs.unlinkSync(path)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'EROFS', 'EACCES', 'EPERM')) throw diskError('unlock', path, error)
  }
}

function refuseOrClear(directory: string, name: string): void {
  const path = joinPath(directory, name)
  const content = readIfThere(path)
  if (content === undefined) return
  // Once they had a content like LOCK's.
  refuseIfAlive(directory, content === '' ? parseName(name) : parseHolder(content))
  fs.rmSync(path, { force: true })
}

function clearIfStale(path: string): void {
  const content = readIfThere(path)
  const holder = parseHolder(content)
  if (content !== undefined && (holder === undefined || !isAlive(holder))) fs.rmSync(path, { force: true })
}

/** Throws LOCKED if the holder that a lock file names is alive. */
function refuseIfAlive(directory: string, holder: LockHolder | undefined): void {
  if (holder === undefined || !isAlive(holder)) return
  const own = describeMachine()
  const here = isHere(holder, own) && holder.pidNamespace === own.pidNamespace
  const who = here ? `process ${holder.pid}` : `process ${holder.pid} on ${holder.host}`
  const where = holder.threadId === 0 ? '' : ` (thread ${holder.threadId})`
  throw new BedplateError('LOCKED', `${directory} is in use by ${who}${where} since ${holder.since}`, {
    hint: here ? adviceHere(holder) : `If that process is gone for good, remove the LOCK files in ${directory}.`,
  })
}

function adviceHere({ pid }: LockHolder): string {
  if (pid !== process.pid) return `Close the store there or end process ${pid}.`
  return 'This very process has it open: close that store first, or share it.'
}

function isAlive(holder: LockHolder): boolean {
  const own = describeMachine()
  if (!isHere(holder, own)) return true
  if (holder.bootId !== own.bootId) return false
  if (holder.pidNamespace !== own.pidNamespace) return true
  if (!processExists(holder.pid)) return false
  const startTime = processStartTime(holder.pid)
  return startTime === undefined || holder.startTime === undefined || startTime === holder.startTime
}

/** True if a holder names this host, in the form of LOCK or in that of a name. */
function isHere({ host }: LockHolder, own: Pick<LockHolder, 'host'>): boolean {
  return host === own.host || host === toNamePart(own.host)
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
    threadId: process.getBuiltinModule('node:worker_threads').threadId,
    since: new Date().toISOString(),
    nonce: Buffer.from(realRandom.bytes(8)).toString('hex'),
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

/**
 * A holder as the rest of a file's name, without what could be missing in it or mean something to a file system:
 * pid_startTime_bootId_pidNamespace_threadId_since_nonce_host, what is unknown left empty.
 */
function nameOf({ pid, startTime, bootId, pidNamespace, threadId, since, nonce, host }: LockHolder): string {
  const namespace = /^pid:\[(\d+)\]$/.exec(pidNamespace ?? '')?.[1]
  const parts = [pid, startTime, bootId, namespace, threadId, Date.parse(since), nonce, toNamePart(host)]
  return parts.map((part) => part ?? '').join('_')
}

/** The host as names of files have it: they may have 255 bytes, and the other parts need about 110 of them. */
function toNamePart(host: string): string {
  return host.replaceAll(/[^A-Za-z0-9.-]/g, '-').slice(0, MAX_HOST_LENGTH)
}

/** The holder that the name of a reader's file tells; undefined if it tells none. */
function parseName(name: string): LockHolder | undefined {
  const fields = NAME.exec(name.slice(READER_PREFIX.length))?.groups
  if (fields === undefined) return undefined
  const { pid, startTime = '', bootId = '', namespace = '', threadId, since, nonce = '', host = '' } = fields
  return {
    pid: Number(pid),
    threadId: Number(threadId),
    since: new Date(Number(since)).toISOString(),
    nonce,
    host,
    ...(bootId === '' ? {} : { bootId }),
    ...(startTime === '' ? {} : { startTime }),
    ...(namespace === '' ? {} : { pidNamespace: `pid:[${namespace}]` }),
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
