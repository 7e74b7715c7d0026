// A segment while it is written to: preallocated under a temporary name, later part of the log, in the end recycled.
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import { alignUp, FRAME_ALIGNMENT_BYTES, PAGE_BYTES } from './frame.ts'
import { encodeSegmentHeader, preparedName, SEGMENT_HEADER_BYTES, segmentName } from './segment.ts'

/** What one step of preallocation writes. */
const FILL_BYTES = 256 * 1024
const ZEROS = new Uint8Array(FILL_BYTES)

/** A segment file that is open for writing. */
export class SegmentFile {
  readonly number: number
  readonly file: DiskFile
  readonly sizeBytes: number
  /** It had another name before, which may come back in a power cut: the directory was not synced since. */
  hasOldName: boolean
  /** Where the groups that are to go here end, at the latest. */
  plannedEnd = SEGMENT_HEADER_BYTES
  readonly #disk: Disk
  readonly #directory: string
  #filledBytes: number
  #end = SEGMENT_HEADER_BYTES
  #alignment = PAGE_BYTES

  private constructor(
    disk: Disk,
    place: { directory: string; number: number },
    content: { file: DiskFile; sizeBytes: number; filledBytes: number; hasOldName: boolean },
  ) {
    this.#disk = disk
    this.#directory = place.directory
    this.number = place.number
    this.file = content.file
    this.sizeBytes = content.sizeBytes
    this.hasOldName = content.hasOldName
    this.#filledBytes = content.filledBytes
  }

  /** A new file, still without space. */
  static create(disk: Disk, place: { directory: string; number: number }, sizeBytes: number): SegmentFile {
    const path = joinPath(place.directory, preparedName(place.number))
    if (disk.kind(path) !== undefined) disk.unlink(path) // it could not be removed when it was dropped
    const file = disk.open(path, 'create')
    return new SegmentFile(disk, place, { file, sizeBytes, filledBytes: 0, hasOldName: false })
  }

  /**
   * Makes a segment of the file called `name`, whose content is of no more use. Unless its space is known to outlive a
   * power cut, it is still to be filled.
   * @returns undefined if it is smaller than `sizeBytes`; nothing has changed then.
   */
  static recycle(
    disk: Disk,
    place: { directory: string; number: number },
    from: { name: string; sizeBytes: number; isSpaceDurable: boolean },
  ): SegmentFile | undefined {
    const old = joinPath(place.directory, from.name)
    const path = joinPath(place.directory, preparedName(place.number))
    const probe = disk.open(old, 'read')
    const isWhole = probe.size() >= from.sizeBytes
    probe.close()
    if (!isWhole) return undefined
    if (path !== old) disk.rename(old, path)
    const file = disk.open(path, 'write')
    const { sizeBytes, isSpaceDurable } = from
    const filledBytes = isSpaceDurable ? sizeBytes : 0
    return new SegmentFile(disk, place, { file, sizeBytes, filledBytes, hasOldName: true })
  }

  /** True once all of its space is there. */
  get isFilled(): boolean {
    return this.#filledBytes >= this.sizeBytes
  }

  /** Where room for records ends: the last page is kept for the frame that closes the log. */
  get roomEnd(): number {
    return this.sizeBytes - PAGE_BYTES
  }

  /** Where the next frame goes. */
  get nextFrameOffset(): number {
    return alignUp(this.#end, this.#alignment)
  }

  /** Where the last frame ends. */
  get end(): number {
    return this.#end
  }

  /** What it takes if everything behind its last frame is cut off. */
  get usedBytes(): number {
    return alignUp(this.#end, PAGE_BYTES)
  }

  /** True if the next segment should be made ready. */
  get isHalfFull(): boolean {
    return this.#end * 2 > this.sizeBytes
  }

  /** Takes the next piece of its space by writing zeros. */
  fillSome(): void {
    const from = this.#filledBytes
    const count = Math.min(FILL_BYTES, this.sizeBytes - from)
    this.file.write(ZEROS.subarray(0, count), from)
    this.#filledBytes = from + count
  }

  /** Writes the header. `firstRecord` is where this segment takes over from earlier ones. */
  writeHeader(header: { generation: number; firstRecord: number; startMs: number }, uuid: Uint8Array): void {
    this.file.write(encodeSegmentHeader({ ...header, segment: this.number, sizeBytes: this.sizeBytes }, uuid), 0)
  }

  /** Writes a frame at `nextFrameOffset`. */
  writeFrame(frame: Uint8Array): void {
    const offset = this.nextFrameOffset
    this.file.write(frame, offset)
    this.#end = offset + frame.length
    this.#alignment = FRAME_ALIGNMENT_BYTES
  }

  /** From here on, frames start in a page of their own, so that no later write touches a sector that is being synced. */
  startNewPage(): void {
    this.#alignment = PAGE_BYTES
  }

  /** Gives the file its place in the log. The directory is to be synced afterwards. */
  publish(): void {
    const { number } = this
    this.#disk.rename(joinPath(this.#directory, preparedName(number)), joinPath(this.#directory, segmentName(number)))
  }

  /** Closes a segment that never became part of the log, and removes it if it can. */
  drop(): void {
    this.file.close()
    removeFile(this.#disk, joinPath(this.#directory, preparedName(this.number)))
  }

  /** The size that is needed from now on, if that is less than it has and `keptBytes` are not to be kept. */
  smallerSize(keptBytes: number): number | undefined {
    const sizeBytes = Math.max(this.usedBytes, keptBytes)
    return sizeBytes < this.sizeBytes ? sizeBytes : undefined
  }
}

/** Removes a file that is of no more use. A file that stays does no harm, and is tried again at the next opening. */
export function removeFile(disk: Disk, path: string): void {
  try {
    disk.unlink(path)
  } catch {
    // Nothing depends on its absence.
  }
}
