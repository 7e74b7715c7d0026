// Refusals as clients of Redis know them: a word that programs match, then text for people.
import { BedplateError, type ErrorCode } from '../../../../base/errors.ts'
import { RaftError } from '../../../raft/index.ts'

/** A command that cannot be run as it was sent. Its message is the whole reply. */
export class CommandError extends Error {}

export const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.'

/** @param text - With its first word. */
export function refuse(text: string): never {
  throw new CommandError(text)
}

const WORDS: Partial<Record<ErrorCode, string>> = {
  UNAVAILABLE: 'CLUSTERDOWN', // nothing has happened; clients of Redis try again
  CLOSED: 'CLUSTERDOWN', // nor here: what is under way when the node ends is unknown
  CONFLICT: 'CONFLICT', // what the session saw was lost with an earlier leader
  IO: 'MISCONF',
  DISK_FULL: 'MISCONF',
}

/** An error as one line. */
export function errorText(error: unknown): string {
  if (error instanceof CommandError) return error.message
  if (!(error instanceof BedplateError)) return `ERR ${String(error)}`
  const isUnknown = error instanceof RaftError && error.outcome === 'unknown'
  const word = isUnknown ? 'UNKNOWN' : (WORDS[error.code] ?? 'ERR')
  const { message, hint } = error
  return hint === undefined ? `${word} ${message}` : `${word} ${message} (${hint})`
}
