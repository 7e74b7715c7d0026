// The append log: what users import as `bedplate/log`.
import { BedplateError } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'
import { realClock } from '../../io/clock.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import { FIRST_SEGMENT_BYTES } from '../log/types.ts'
import { checkLogOptions } from './check-options.ts'
import { openReadOnlyLog, openWritableLog } from './open.ts'
import type { AppendLog, AppendLogOptions } from './types.ts'

export { BedplateError, type ErrorCode } from '../../base/errors.ts'
export type { Durability, LogStats } from '../log/types.ts'
export type {
  AppendLog,
  AppendLogOptions,
  AppendLogStats,
  FollowOptions,
  LogBlock,
  LogVerifyReport,
  Retention,
} from './types.ts'

/**
 * Opens the log in the directory `path`: a durable sequence of records, numbered from 0.
 *
 * One handle writes; a second one is LOCKED, whatever thread or process it is in. Handles with `readOnly` read beside it
 * from any thread or process, and `follow` what it appends. Opening reads the headers of all segments and the frames of
 * the last one. When it returns, everything that can be read is as durable as the options say.
 *
 * @param path - A directory, relative to the working directory or absolute.
 * @returns The open log. Close it: `await log.close()` or `await using`.
 * @throws NOT_FOUND without `create`, LOCKED if another handle writes to it, INCOMPATIBLE for foreign or newer files,
 *   CORRUPTION if a record of the last segment that had been durable is damaged (earlier ones are checked when they are
 *   read), INVALID_INPUT for bad options, PERMISSION, DISK_FULL, IO.
 *
 * @example
 * const log = await openAppendLog('./orders', { create: true })
 * const offset = await log.append(Buffer.from('2 apples'))
 * for (const record of log.read(offset)) console.log(Buffer.from(record).toString())
 * await log.close()
 */
export async function openAppendLog(path: string, options: AppendLogOptions = {}): Promise<AppendLog> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new BedplateError(
      'INVALID_INPUT',
      `openAppendLog: path must be the name of a directory, got ${describe(path)}`,
    )
  }
  const { segmentBytes, readOnly, pollMs, ...checked } = checkLogOptions(options)
  const outside = { disk: realDisk, clock: realClock, random: realRandom, path }
  if (readOnly) return openReadOnlyLog(outside, pollMs)
  const sizes = { firstSegmentBytes: Math.min(FIRST_SEGMENT_BYTES, segmentBytes), maxSegmentBytes: segmentBytes }
  return await openWritableLog({ ...outside, ...checked, ...sizes })
}
