// Where frames stand in a segment: one entry for so many bytes, kept in memory. Nothing of it is on disk: it is noted down
// whenever somebody reads past a frame, so opening a log reads no old segment, and a place is looked for only once.
import type { FrameHeader } from '../log/frame.ts'
import { SEGMENT_HEADER_BYTES } from '../log/segment.ts'

/** At most so many bytes are between two entries, or one frame if that is larger. */
const ENTRY_DISTANCE_BYTES = 256 * 1024

/** A place to read on from, in the words of `SegmentReader.frameAfter`: the frame at or after `offset`. */
export interface Place {
  readonly offset: number
  readonly record: number
}

/** The entries of one segment: about 8 KiB for one of 64 MiB. */
export class SegmentIndex {
  readonly #start: Place
  /** The frames that were noted, by rising offset; so their records and ages never fall. */
  readonly #frames: { readonly offset: number; readonly record: number; readonly ageMs: number }[] = []

  /** @param firstRecord - Of the segment. */
  constructor(firstRecord: number) {
    this.#start = { offset: SEGMENT_HEADER_BYTES, record: firstRecord }
  }

  /** Takes note of a frame that was read. All the frames between the newest entry and it should have been. */
  note({ offset, firstRecord, ageMs }: FrameHeader): void {
    const last = this.#frames.at(-1)?.offset ?? SEGMENT_HEADER_BYTES
    if (offset >= last + ENTRY_DISTANCE_BYTES) this.#frames.push({ offset, record: firstRecord, ageMs })
  }

  /** The last known frame that begins at `record` or before. */
  placeOf(record: number): Place {
    return this.#lastBefore((frame) => frame.record > record)
  }

  /** The last known frame that is younger than its segment by less than `ageMs`. */
  placeOfAge(ageMs: number): Place {
    return this.#lastBefore((frame) => frame.ageMs >= ageMs)
  }

  /** The entry before the first one that is too far; none at or after it may be not. */
  #lastBefore(isTooFar: (frame: { readonly record: number; readonly ageMs: number }) => boolean): Place {
    // Invariant: entries before `low` are not too far, those from `high` on are.
    let low = 0
    let high = this.#frames.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isTooFar(this.#frames[middle] as { record: number; ageMs: number })) high = middle
      else low = middle + 1
    }
    return this.#frames[low - 1] ?? this.#start
  }
}
