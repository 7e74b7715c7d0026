// Appends commands to the last file of the append-only file, and says what of them is durable.
import type { DiskFile } from '../../io/disk.ts'
import { lacks } from '../../storage/mutant.ts'
import { ByteWriter } from './byte-writer.ts'
import { CommandStream } from './command-stream.ts'
import { formatGroupHeader, GROUP_HEADER_BYTES } from './group-header.ts'
import type { Mutant } from './mutant.ts'

/** Where the header of a group comes once the group is known. */
const NO_HEADER = ' '.repeat(GROUP_HEADER_BYTES)

/**
 * When what was written is made durable:
 *
 * - `always`: before any reply leaves that could tell of it. All that waits is synced at once.
 * - `everysec`: every second. A power cut takes the last second or two.
 * - `no`: when the operating system sees fit. A power cut takes what it has not written yet, usually up to 30 seconds.
 *
 * What a process had replied to outlives it under each of them, however it ends.
 */
export type FsyncPolicy = 'always' | 'everysec' | 'no'

/** See the top of this file. Positions are bytes since it was made, whatever files they went to. */
export class AofWriter {
  readonly #mutant: Mutant | undefined
  readonly #waiting = new ByteWriter()
  readonly #stream = new CommandStream(this.#waiting)
  #file: DiskFile
  /** Where the next byte goes in the file. */
  #end: number
  #written = 0
  #synced = 0
  #syncing: Promise<void> | undefined

  /** @param file - Open for writing, behind whose end is written. It belongs to the writer from now on. */
  constructor(file: DiskFile, mutant?: Mutant) {
    this.#file = file
    this.#end = file.size()
    this.#mutant = mutant
  }

  /** Behind everything that was appended. */
  get position(): number {
    return this.#written + this.#waiting.length
  }

  /** Everything before it is durable. */
  get durable(): number {
    return this.#synced
  }

  /** Something was appended and not written yet. */
  get hasWaiting(): boolean {
    return this.#waiting.length > 0
  }

  get isSyncing(): boolean {
    return this.#syncing !== undefined
  }

  /** Bytes of the file. */
  get fileBytes(): number {
    return this.#end
  }

  append(database: number, args: readonly string[]): void {
    if (this.#waiting.length === 0) this.#waiting.text(NO_HEADER)
    this.#stream.append(database, args)
  }

  /** Hands what waits to the operating system. @throws DISK_FULL or IO; then it still waits, and may be tried again. */
  write(): void {
    const { length } = this.#waiting
    if (length === 0) return
    const group = this.#waiting.view()
    group.write(formatGroupHeader(group.subarray(GROUP_HEADER_BYTES), this.#end), 'latin1')
    try {
      this.#file.write(group, this.#end)
    } catch (error) {
      // Half a command at the end would be in the way of who reads the file.
      try {
        this.#file.truncate(this.#end)
      } catch {
        // The next attempt writes over it.
      }
      throw error
    }
    this.#end += length
    this.#written += length
    this.#waiting.clear()
  }

  /** Makes what is written durable; who calls during one gets the same. @throws IO, and then nothing is known of it. */
  sync(): Promise<void> {
    this.#syncing ??= this.#syncOnce()
    return this.#syncing
  }

  async #syncOnce(): Promise<void> {
    const target = this.#written
    try {
      await (lacks(this.#mutant, 'group sync') ? undefined : this.#file.sync())
      this.#synced = Math.max(this.#synced, target)
    } finally {
      this.#syncing = undefined
    }
  }

  /**
   * Goes on in another file, an empty one. What was appended is durable in the old one first, since a torn end is forgiven
   * in the last file alone.
   */
  continueIn(file: DiskFile): void {
    this.write()
    if (!lacks(this.#mutant, 'increment closed')) {
      this.#file.syncNow()
      this.#synced = this.#written
    }
    this.#file.close()
    this.#file = file
    this.#end = 0
    this.#stream.forgetDatabase()
  }

  /** Writes and syncs what there is, blocking, and closes. */
  close(): void {
    try {
      this.write()
      this.#file.syncNow()
      this.#synced = this.#written
    } finally {
      this.#file.close()
    }
  }

  /** Closes without a word. */
  abandon(): void {
    this.#file.close()
  }
}
