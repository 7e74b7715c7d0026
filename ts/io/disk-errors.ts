// Turns the system's errors into ours. The simulated disk makes the same errors, so both disks fail alike.
import { assert, BedplateError, type ErrorCode } from '../base/errors.ts'

/**
 * What each system error means to a caller; all others are IO.
 *
 * ENOTDIR says that a part of the path is a file: nothing can be there. ENOTEMPTY and EEXIST are one error to POSIX:
 * something is in the way. EINVAL and its like blame the path, not the disk.
 */
const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'NOT_FOUND',
  ENOTDIR: 'NOT_FOUND',
  EEXIST: 'ALREADY_EXISTS',
  ENOTEMPTY: 'ALREADY_EXISTS',
  EACCES: 'PERMISSION',
  EPERM: 'PERMISSION',
  EROFS: 'PERMISSION',
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EISDIR: 'INVALID_INPUT',
  EINVAL: 'INVALID_INPUT',
  ELOOP: 'INVALID_INPUT',
  ENAMETOOLONG: 'INVALID_INPUT',
  EXDEV: 'INVALID_INPUT',
  EMFILE: 'UNAVAILABLE',
  ENFILE: 'UNAVAILABLE',
}

const EXPLANATIONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'it exists already',
  ENOTEMPTY: 'the directory is not empty',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EISDIR: 'it is a directory',
  EINVAL: 'the system calls it invalid',
  EMFILE: 'too many open files in this process',
  ENFILE: 'too many open files on this machine',
  EIO: 'the disk reports an input/output error',
}

/** Says whether `error` is a system error with one of the given names (`ENOENT`, ...). */
export function isSystemError(error: unknown, ...names: string[]): boolean {
  return error instanceof Error && names.includes((error as NodeJS.ErrnoException).code ?? '')
}

/**
 * Our error for what the system said.
 * @param action - What was tried, as in "cannot `action` `path`".
 */
export function diskError(action: string, path: string, cause: unknown): BedplateError {
  if (cause instanceof BedplateError) return cause
  const name = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown error'
  const explanation = EXPLANATIONS[name]
  const text = `cannot ${action} ${path}: ${explanation === undefined ? name : `${explanation} (${name})`}`
  return new BedplateError(CODES[name] ?? 'IO', text, { cause })
}

/** An error such as Node would have thrown, for the simulated disk. */
export function systemError(name: string): Error {
  return Object.assign(new Error(`${name}: ${EXPLANATIONS[name] ?? name}`), { code: name })
}

/** The error of a write on a file that was opened for reading. */
export function readOnlyError(path: string): BedplateError {
  return new BedplateError('READ_ONLY', `cannot write ${path}: it was opened for reading`)
}

/** The error of a call on a closed file. */
export function closedError(path: string): BedplateError {
  return new BedplateError('CLOSED', `${path} was closed`)
}

/** Refuses positions and sizes that only a bug of the caller can ask for. */
export function checkPosition(position: number): void {
  assert(Number.isSafeInteger(position) && position >= 0, `a position in a file is a whole number, got ${position}`)
}
