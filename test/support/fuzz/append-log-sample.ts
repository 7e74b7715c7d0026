// An append log that has some of everything that can be on disk, to be damaged.
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import { decodeStart, START_FILE } from '../../../ts/storage/append-log/start.ts'
import { bytesOf, fill, LOG_PATH, LogBed } from '../append-log.ts'

/** An append log as it may lie on a disk. */
export interface LogSample {
  image: DiskImage
  uuid: Uint8Array
  /** Paths of its segments. */
  segments: readonly string[]
}

/** Several segments, truncations at both ends, and an end that is not closed. */
export async function makeLogSample(): Promise<LogSample> {
  const bed = new LogBed()
  const log = await bed.open()
  await fill(log, 100, 300)
  await log.truncateAfter(80)
  await log.append([bytesOf(''), bytesOf('after the truncation')])
  await fill(log, 60, 700)
  await log.truncateBefore(20)
  await fill(log, 3, 20)
  const image = bed.disk.currentImage()
  const segments = bed.segments.map((name) => `${LOG_PATH}/${name}`)
  log.abandon()
  const result = decodeStart(image.read(`${LOG_PATH}/${START_FILE}`))
  if (result.kind !== 'ok') throw new Error('the sample has no beginning')
  return { image, uuid: result.start.uuid, segments }
}
