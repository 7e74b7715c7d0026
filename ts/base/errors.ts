// One class of error for the whole package. Callers match `code`, never the text.

/** The stable codes. Adding one is a minor version; changing the meaning of one is a major version. */
export type ErrorCode =
  | 'INVALID_INPUT' // the caller passed something that can never work
  | 'NOT_FOUND' // the named store, tree or file does not exist
  | 'ALREADY_EXISTS' // it was to be made, and is there already
  | 'CONFLICT' // another writer was first: run the whole transaction again
  | 'LOCKED' // another process or another handle holds the store
  | 'CLOSED' // the handle was closed
  | 'READ_ONLY' // a write on a handle that was opened for reading
  | 'PERMISSION' // the operating system refuses access
  | 'DISK_FULL' // no space: nothing was changed, free some and try again
  | 'UNAVAILABLE' // cannot serve right now: try again later
  | 'NOT_SUPPORTED' // knowingly not offered
  | 'INCOMPATIBLE' // a foreign engine's files, or files of a newer version
  | 'IO' // the disk failed; the handle takes no more writes until it is reopened
  | 'CORRUPTION' // bytes on disk are not what was written; names file and offset
  | 'INTERNAL' // an assertion of ours failed: a bug in bedplate

const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['CONFLICT', 'LOCKED', 'UNAVAILABLE', 'DISK_FULL'])

/** What may be said about an error beside its text. */
export interface ErrorDetails {
  /** The error that led to this one. */
  cause?: unknown
  /** What the reader can do about it, one sentence; commands print it as the hint. */
  hint?: string
}

/**
 * Every error that bedplate throws or rejects with.
 *
 * @example
 * try {
 *   await openBTree('./no-such-store')
 * } catch (error) {
 *   if (error instanceof BedplateError && error.code === 'NOT_FOUND') console.error(error.message)
 * }
 */
export class BedplateError extends Error {
  /** The stable code to match. */
  readonly code: ErrorCode
  /** True if the same call may succeed later without a change on the caller's side. */
  readonly retryable: boolean
  /** What the reader can do about it, if there is something. */
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'BedplateError'
    this.code = code
    this.retryable = RETRYABLE.has(code)
    this.hint = details.hint
  }
}

/** Says whether `error` is one of ours with the given code. */
export function isCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof BedplateError && error.code === code
}

/** Fails with INTERNAL unless `condition` holds. Only for what a bug of ours could break. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BedplateError('INTERNAL', `assertion failed: ${message}`)
}

/** Marks a branch that the type checker proves unreachable. */
export function assertNever(value: never): never {
  throw new BedplateError('INTERNAL', `unexpected value: ${JSON.stringify(value)}`)
}
