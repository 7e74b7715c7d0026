// What ends a piece of work without a trace, to be tried again later: no space on the disk, or too many open files.
import { BedplateError, isCode } from '../../base/errors.ts'

/** Says whether `error` means that nothing was changed, and that the same may succeed later. */
export function isShortage(error: unknown): error is BedplateError {
  return isCode(error, 'DISK_FULL') || isCode(error, 'UNAVAILABLE')
}

/** What to tell those who need tables that `shortage` keeps from being written. */
export function shortOf(path: string, shortage?: BedplateError): BedplateError {
  if (shortage?.code !== 'UNAVAILABLE') return noSpace(path)
  return new BedplateError('UNAVAILABLE', `${path}: tables cannot be written: ${shortage.message}`, {
    cause: shortage,
    hint: 'close some files, or raise the limit (ulimit -n); nothing was lost, and it is tried again by itself',
  })
}

function noSpace(path: string): BedplateError {
  return new BedplateError('DISK_FULL', `${path}: no space to write tables`, {
    hint: 'free some space on the disk; nothing was lost, and it is tried again by itself',
  })
}

/** What the writes behind an ingest end with that was never named, for want of space, when the store is closed. */
export function closedBeforeNamed(path: string): BedplateError {
  return new BedplateError('DISK_FULL', `${path} was closed before there was space to name what was ingested`, {
    hint: 'what was ingested and written since then is not in the store: free some space, open it, and write that again',
  })
}
