// Opening a log: read it back, then go on behind it.
import { BedplateError } from '../../base/errors.ts'
import { joinPath } from '../../io/disk.ts'
import { lacks } from '../mutant.ts'
import { PAGE_BYTES } from './frame.ts'
import type { Mutant } from './mutant.ts'
import { ReadOnlyLog } from './read-only-log.ts'
import { type Recovered, recover } from './recovery.ts'
import { SEGMENT_HEADER_BYTES, segmentName, UUID_BYTES } from './segment.ts'
import { removeFile } from './segment-file.ts'
import { FIRST_SEGMENT_BYTES, type Log, type LogOptions, MAX_PENDING_BYTES, MAX_SEGMENT_BYTES } from './types.ts'
import { LogWriter } from './writer.ts'

/** The smallest segment: its header, a frame, and the frame that closes the log. */
const SMALLEST_SEGMENT_BYTES = SEGMENT_HEADER_BYTES + 2 * PAGE_BYTES

/** `openLog`, with one rule taken away for a test of the tests. */
export async function openLogWithout(mutant: Mutant | undefined, options: LogOptions): Promise<Log> {
  if (!options.readOnly) return await openLogWriter(mutant, options)
  checkLogOptions(options)
  return new ReadOnlyLog(await recover({ ...options, mutant }))
}

/** What only the owner of a whole log asks for. */
export interface LogWriterOptions extends LogOptions {
  /** See `RecoveryOptions`. */
  onlyLast?: boolean
  /** See `WriterOptions`. */
  keepsTimes?: boolean
  advanced?: () => void
}

/** Opens a log for writing. */
export async function openLogWriter(mutant: Mutant | undefined, options: LogWriterOptions): Promise<LogWriter> {
  const { disk, clock, directory, uuid, durability } = options
  const sizes = checkLogOptions(options)
  const recovered = await recover({ ...options, mutant })
  const { segments, voided, prepared, lastPosition, isNameProven, lastMs } = recovered
  // Its writer may have ended before the name was durable, or because it could not make it so.
  if (segments.length > 0 && !isNameProven && !lacks(mutant, 'names after publishing')) {
    await disk.syncDirectory(directory)
  }
  for (const { segment } of voided) removeFile(disk, joinPath(directory, segmentName(segment)))
  const unproven = lacks(mutant, 'rewritten tail') ? [] : recovered.unproven
  const [first] = unproven
  const { keepsTimes = false, advanced } = options
  const log = new LogWriter(
    { disk, clock, directory, uuid, durability, ...sizes, keepsTimes, advanced, mutant },
    { segments, prepared, lastPosition: first === undefined ? lastPosition : first.header.firstRecord - 1, lastMs },
  )
  return await secureTail(log, unproven)
}

/** Writes again what recovery accepted and cannot know to be durable. */
async function secureTail(log: LogWriter, unproven: Recovered['unproven']): Promise<LogWriter> {
  try {
    if (unproven.length > 0) await log.rewrite(unproven)
    return log
  } catch (error) {
    log.abandon()
    throw error
  }
}

function checkLogOptions(options: LogOptions): {
  firstSegmentBytes: number
  maxSegmentBytes: number
  maxPendingBytes: number
} {
  const { uuid } = options
  const { firstSegmentBytes = FIRST_SEGMENT_BYTES, maxSegmentBytes = MAX_SEGMENT_BYTES } = options
  const { maxPendingBytes = MAX_PENDING_BYTES } = options
  checkSizes({ firstSegmentBytes, maxSegmentBytes, maxPendingBytes })
  if (uuid.length !== UUID_BYTES) throw new BedplateError('INVALID_INPUT', `a uuid has 16 bytes, not ${uuid.length}`)
  return { firstSegmentBytes, maxSegmentBytes, maxPendingBytes }
}

function checkSizes(sizes: { firstSegmentBytes: number; maxSegmentBytes: number; maxPendingBytes: number }): void {
  const { firstSegmentBytes, maxSegmentBytes, maxPendingBytes } = sizes
  for (const [name, bytes] of Object.entries({ firstSegmentBytes, maxSegmentBytes })) {
    if (Number.isSafeInteger(bytes) && bytes >= SMALLEST_SEGMENT_BYTES && bytes % PAGE_BYTES === 0) continue
    throw new BedplateError(
      'INVALID_INPUT',
      `${name} is a multiple of ${PAGE_BYTES}, at least ${SMALLEST_SEGMENT_BYTES}`,
    )
  }
  if (!(maxPendingBytes > 0)) throw new BedplateError('INVALID_INPUT', 'maxPendingBytes is above 0')
}
