// The machine's disk, over node:fs.
//
// What a sync means: on Linux fdatasync(2). On macOS libuv turns both fsync and fdatasync into fcntl(F_FULLFSYNC), which
// also empties the drive's own cache, where the file system offers it. On Windows FlushFileBuffers. A drive that lies
// about its cache cannot be seen from here.
import fs from 'node:fs'
import { BedplateError } from '../base/errors.ts'
import type { Disk, DiskFile, OpenMode } from './disk.ts'
import { checkPosition, closedError, diskError, isSystemError, readOnlyError, systemError } from './disk-errors.ts'
import { lockDirectory } from './real-lock.ts'

/** What the system says where there are no hard links, or none from there to there, or no more. */
const UNLINKABLE = ['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']

const OPEN_FLAGS: Readonly<Record<OpenMode, string>> = { read: 'r', write: 'r+', create: 'wx+' }

/** The machine's disk. */
export const realDisk: Disk = {
  open(path, mode) {
    const descriptor = attempt(mode === 'create' ? 'create' : 'open', path, () => fs.openSync(path, OPEN_FLAGS[mode]))
    try {
      // A directory opens for reading without complaint; only its reads fail, far from the mistake.
      if (mode === 'read' && fs.fstatSync(descriptor).isDirectory()) throw systemError('EISDIR')
    } catch (error) {
      fs.closeSync(descriptor)
      throw diskError('open', path, error)
    }
    return new RealFile(path, descriptor, mode !== 'read')
  },

  kind(path) {
    try {
      const stats = fs.statSync(path, { throwIfNoEntry: false })
      if (stats === undefined) return undefined
      return stats.isDirectory() ? 'directory' : 'file'
    } catch (error) {
      if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw diskError('look at', path, error)
    }
  },

  list: (directory) => attempt('list', directory, () => fs.readdirSync(directory).sort()),

  mkdir: (path) => attempt('make the directory', path, () => fs.mkdirSync(path)),

  rename(from, to) {
    attempt('rename', `${from} to ${to}`, () => {
      fs.lstatSync(from) // A missing source is the first thing to say.
      // rename(2) would replace an empty directory; our contract replaces files only.
      if (from !== to && fs.statSync(to, { throwIfNoEntry: false })?.isDirectory()) throw systemError('EEXIST')
      fs.renameSync(from, to)
    })
  },

  link(from, to) {
    const both = `${from} to ${to}`
    try {
      // Linux says of a directory that the operation is not permitted, which also means that there are no links at all.
      if (fs.lstatSync(from).isDirectory()) throw systemError('EISDIR')
      fs.linkSync(from, to)
    } catch (error) {
      if (!isSystemError(error, ...UNLINKABLE)) throw diskError('link', both, error)
      throw new BedplateError('NOT_SUPPORTED', `cannot link ${both}: the file system does not do that`, {
        cause: error,
      })
    }
  },

  unlink: (path) => attempt('remove', path, () => unlinkFile(path)),

  rmdir: (path) => attempt('remove the directory', path, () => fs.rmdirSync(path)),

  async syncDirectory(directory) {
    // Windows has no such call: NTFS journals names by itself, in order.
    if (process.platform === 'win32') return
    const descriptor = await settle<number>('open', directory, (done) => fs.open(directory, 'r', done))
    try {
      await settle<void>('sync the directory', directory, (done) => fs.fsync(descriptor, done))
    } catch (error) {
      if (!isUnsyncable((error as Error).cause)) throw error
    } finally {
      fs.closeSync(descriptor)
    }
  },

  syncDirectoryNow(directory) {
    if (process.platform === 'win32') return
    const descriptor = attempt('open', directory, () => fs.openSync(directory, 'r'))
    try {
      attempt('sync the directory', directory, () => fs.fsyncSync(descriptor))
    } catch (error) {
      if (!isUnsyncable((error as Error).cause)) throw error
    } finally {
      fs.closeSync(descriptor)
    }
  },

  lock: lockDirectory,
}

/**
 * An open file. Asynchronous calls hold the descriptor: `close` during one refuses new calls at once and gives the
 * descriptor back when the last of them has settled, so that none can ever touch a stranger's file.
 */
class RealFile implements DiskFile {
  readonly path: string
  readonly #descriptor: number
  readonly #writable: boolean
  #closed = false
  #inFlight = 0

  constructor(path: string, descriptor: number, writable: boolean) {
    this.path = path
    this.#descriptor = descriptor
    this.#writable = writable
  }

  size(): number {
    const descriptor = this.#open()
    return attempt('look at', this.path, () => fs.fstatSync(descriptor).size)
  }

  read(target: Uint8Array, position: number): number {
    const descriptor = this.#open()
    checkPosition(position)
    return attempt('read', this.path, () => {
      let done = 0
      while (done < target.length) {
        const count = fs.readSync(descriptor, target, done, target.length - done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    })
  }

  async readAsync(target: Uint8Array, position: number): Promise<number> {
    checkPosition(position)
    return this.#holding(async (descriptor) => {
      let done = 0
      while (done < target.length) {
        const length = target.length - done
        const count = await settle<number>('read', this.path, (callback) =>
          fs.read(descriptor, target, done, length, position + done, callback),
        )
        if (count === 0) break
        done += count
      }
      return done
    })
  }

  write(bytes: Uint8Array, position: number): void {
    const descriptor = this.#openForWriting()
    checkPosition(position)
    attempt('write', this.path, () => {
      // write(2) may take less than all, for instance just before the disk is full: the next call then says why.
      for (let done = 0; done < bytes.length; ) {
        const count = fs.writeSync(descriptor, bytes, done, bytes.length - done, position + done)
        if (count === 0) throw systemError('EIO')
        done += count
      }
    })
  }

  truncate(sizeBytes: number): void {
    const descriptor = this.#openForWriting()
    checkPosition(sizeBytes)
    attempt('truncate', this.path, () => fs.ftruncateSync(descriptor, sizeBytes))
  }

  async sync(): Promise<void> {
    await this.#holding((descriptor) =>
      settle<void>('sync', this.path, (callback) => fs.fdatasync(descriptor, callback)),
    )
  }

  syncNow(): void {
    const descriptor = this.#open()
    attempt('sync', this.path, () => fs.fdatasyncSync(descriptor))
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#inFlight === 0) this.#giveBack()
  }

  #open(): number {
    if (this.#closed) throw closedError(this.path)
    return this.#descriptor
  }

  #openForWriting(): number {
    const descriptor = this.#open()
    if (!this.#writable) throw readOnlyError(this.path)
    return descriptor
  }

  /** Runs `work` with the descriptor kept open until it settles. */
  async #holding<T>(work: (descriptor: number) => Promise<T>): Promise<T> {
    const descriptor = this.#open()
    this.#inFlight++
    try {
      return await work(descriptor)
    } finally {
      this.#inFlight--
      if (this.#closed && this.#inFlight === 0) this.#giveBack()
    }
  }

  #giveBack(): void {
    attempt('close', this.path, () => fs.closeSync(this.#descriptor))
  }
}

/** Some network and user-space file systems refuse to sync directories at all; there is nothing better to do. */
function isUnsyncable(error: unknown): boolean {
  return isSystemError(error, 'EINVAL', 'ENOTSUP')
}

/** Removes a file; a directory is refused with one error everywhere (Linux says EISDIR, macOS and Windows EPERM). */
function unlinkFile(path: string): void {
  try {
    fs.unlinkSync(path)
  } catch (error) {
    if (!isSystemError(error, 'EPERM') || !fs.lstatSync(path).isDirectory()) throw error
    throw systemError('EISDIR')
  }
}

/** Runs a synchronous system call, turning its error into ours. */
function attempt<T>(action: string, path: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw diskError(action, path, error)
  }
}

/** Runs a callback-style system call, turning its error into ours. */
function settle<T>(
  action: string,
  path: string,
  call: (callback: (error: Error | null, value?: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => (error ? reject(diskError(action, path, error)) : resolve(value as T)))
  })
}
