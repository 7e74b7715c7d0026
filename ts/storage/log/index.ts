// The shared log: README.md here, bytes in docs/formats/log.md.
import { openLogWithout } from './open.ts'
import type { Log, LogOptions } from './types.ts'

export { createLog, hasLog } from './create.ts'
export type { Log, LogOptions } from './types.ts'

/**
 * Opens the log in a directory, or starts one there. Replays every record above `keptElsewhere` in order, and resolves
 * when all of them are durable. The caller keeps other writers away (see `Disk.lock`).
 *
 * @throws CORRUPTION if a record that had been durable is damaged or missing: nothing on disk has changed then;
 * INCOMPATIBLE if a newer version wrote the log; DISK_FULL if there is no space to secure an unfinished tail; what
 * `replay` throws.
 *
 * @example
 * const log = await openLog({ disk, clock, directory, uuid, durability: 'sync', keptElsewhere: 0, replay: apply })
 * log.reserve(record.length)
 * log.append(record)
 * await log.acknowledged
 */
export function openLog(options: LogOptions): Promise<Log> {
  return openLogWithout(undefined, options)
}
