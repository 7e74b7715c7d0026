// Making a log that holds nothing yet. Its owner has it from the first moment, so that a log which is gone is noticed.
import { type Disk, joinPath } from '../../io/disk.ts'
import { checksumSeed, encodeFrameHeader, FRAME_HEADER_BYTES, PAGE_BYTES } from './frame.ts'
import { encodeSegmentHeader, parseSegmentName, SEGMENT_HEADER_BYTES, segmentName } from './segment.ts'

/** The segment of an empty log: its header, and the frame without records that a closed log ends with. */
const EMPTY_SEGMENT_BYTES = SEGMENT_HEADER_BYTES + PAGE_BYTES

/**
 * Writes an empty log into `directory`, and syncs it; the directory itself is the caller's to sync.
 * @param keptElsewhere - The first record will be the one after this.
 */
export async function createLog(disk: Disk, directory: string, uuid: Uint8Array, keptElsewhere = 0): Promise<void> {
  const firstRecord = keptElsewhere + 1
  const header = { segment: 1, generation: 1, firstRecord, sizeBytes: EMPTY_SEGMENT_BYTES, startMs: 0 }
  const bytes = new Uint8Array(EMPTY_SEGMENT_BYTES)
  bytes.set(encodeSegmentHeader(header, uuid))
  encodeFrameHeader(
    bytes.subarray(SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES),
    { segment: 1, generation: 1, offset: SEGMENT_HEADER_BYTES, firstRecord, recordCount: 0, durable: keptElsewhere },
    checksumSeed(uuid),
  )
  const file = disk.open(joinPath(directory, segmentName(1)), 'create')
  try {
    file.write(bytes, 0)
    await file.sync()
  } finally {
    file.close()
  }
}

/** Says whether there is a log among the files of these names. */
export function hasLog(names: readonly string[]): boolean {
  return names.some((name) => parseSegmentName(name)?.prepared === false)
}
