import { BedplateError } from '../../base/errors.ts'
import type { Recovered } from './recovery.ts'
import type { Log, LogStats } from './types.ts'

/** A log that was read and cannot be written to. Holds no files. */
export class ReadOnlyLog implements Log {
  readonly lastPosition: number
  readonly durablePosition: number
  readonly failure = undefined
  readonly acknowledged = Promise.resolve()
  readonly #stats: LogStats

  constructor({ lastPosition, durablePosition, segments }: Recovered) {
    this.lastPosition = lastPosition
    this.durablePosition = durablePosition
    const segmentBytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    this.#stats = { appends: 0, frames: 0, syncs: 0, segmentBytes, segmentCount: segments.length }
  }

  reserve(): void {
    throw readOnly()
  }

  append(): number {
    throw readOnly()
  }

  flushed(): Promise<void> {
    return this.flushedTo(this.lastPosition)
  }

  async flushedTo(position: number): Promise<void> {
    if (Math.min(position, this.lastPosition) > this.durablePosition) throw readOnly()
  }

  hold(): void {
    throw readOnly()
  }

  release(): void {
    throw readOnly()
  }

  discardUpTo(): void {
    throw readOnly()
  }

  stats(): LogStats {
    return { ...this.#stats }
  }

  async close(): Promise<void> {
    this.abandon()
  }

  abandon(): void {
    // There is nothing to give back.
  }
}

function readOnly(): BedplateError {
  return new BedplateError('READ_ONLY', 'the log was opened for reading only')
}
