// The append-only file as a whole: replayed at the start, appended to, and rewritten as a snapshot with an increment behind it.
import { BedplateError } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { type Disk, type DiskFile, joinPath } from '../../io/disk.ts'
import { lacks } from '../../storage/mutant.ts'
import { AofFiles, type AofPart, type Manifest } from './aof-files.ts'
import { AofWriter } from './aof-writer.ts'
import { createFile, makeDirectories, removeQuietly, sourceOf, writeSnapshot } from './files.ts'
import type { Mutant } from './mutant.ts'
import { RdbReader } from './rdb-reader.ts'
import { type Replayed, type ReplayOptions, replayCommands } from './replay.ts'
import type { Snapshot } from './snapshot.ts'

/** How much of a torn end is kept beside the file that it was cut from. */
const MAX_TORN_BYTES = 16 * 2 ** 20

export interface AppendOnlyOptions {
  readonly disk: Disk
  readonly clock: Clock
  /** Holds nothing else; made if it is not there. */
  readonly directory: string
  /** What the names of its files begin with. */
  readonly name: string
  readonly mutant?: Mutant | undefined
  /** Whether a base is written as commands. */
  readonly beginsWithCommands: () => boolean
  /** Begins a snapshot of what there is now. */
  readonly snapshot: (asCommands: boolean) => Snapshot
}

/** What was replayed, and what was cut off at the end of the last file. */
export interface LoadedAof extends Replayed {
  readonly tornBytes: number
}

/** See the top of this file. `load` at most once, then `begin`, then the rest. */
export class AppendOnly {
  readonly #options: AppendOnlyOptions
  readonly #files: AofFiles
  #manifest: Manifest | undefined
  #writer: AofWriter | undefined
  /** Bytes of all files when they were last rewritten or opened, and of those before the last one. */
  #rewrittenBytes = 0
  #earlierBytes = 0
  /** Where the last file is to be cut. */
  #validBytes: number | undefined

  constructor(options: AppendOnlyOptions) {
    this.#options = options
    const { disk, directory, name, mutant } = options
    this.#files = new AofFiles(disk, directory, name, mutant)
  }

  /** Takes commands between `begin` and `close`. */
  get writer(): AofWriter {
    if (this.#writer === undefined) throw new BedplateError('CLOSED', 'the append-only file is not open')
    return this.#writer
  }

  /** Bytes of all its files. */
  get bytes(): number {
    return this.#earlierBytes + (this.#writer?.fileBytes ?? 0)
  }

  /** What `bytes` was after the last rewriting. */
  get rewrittenBytes(): number {
    return this.#rewrittenBytes
  }

  /**
   * Replays what is there. A generator: whoever runs it decides when others get their turn.
   * @param forgivesTorn - Whether the last file may end in the middle of a command; it is cut there.
   * @returns Undefined if there is none.
   * @throws CORRUPTION, NOT_FOUND if a file is missing.
   */
  *load(options: ReplayOptions, forgivesTorn: boolean): Generator<void, LoadedAof | undefined> {
    this.#manifest = this.#files.read()
    if (this.#manifest === undefined) return undefined
    const { base, increments } = this.#manifest
    const total = { keys: 0, expired: 0, commands: 0, tornBytes: 0 }
    const parts = base === undefined ? increments : [base, ...increments]
    for (const [index, part] of parts.entries()) {
      const path = this.#files.pathOf(part)
      const file = this.#options.disk.open(path, 'read')
      try {
        const size = file.size()
        const reader = new RdbReader(sourceOf(file), path)
        const found = yield* replayCommands(
          reader,
          options,
          (offset) => new RdbReader(sourceOf(file, offset), path, offset),
        )
        total.keys += found.keys
        total.expired += found.expired
        total.commands += found.commands
        if (index < parts.length - 1) this.#earlierBytes += size
        if (!found.isTruncated) continue
        const isLast = part !== base && parts.slice(index + 1).every((later) => this.#sizeOf(later) === 0)
        if (!isLast || !forgivesTorn) throw truncated(path, found.validBytes)
        if (index < parts.length - 1) this.#dropEmpty(index, parts)
        this.#validBytes = found.validBytes
        total.tornBytes = size - found.validBytes
        break
      } finally {
        file.close()
      }
    }
    return total
  }

  /**
   * Makes it ready for commands: where nothing was loaded, with what there is now as its base.
   * @param started - Called when commands are taken, which may be before the base is written.
   */
  async begin(started: () => void = () => {}): Promise<void> {
    const { disk, directory } = this.#options
    await makeDirectories(disk, directory)
    if (this.#manifest === undefined) await this.#create(started)
    else await this.#reopen(this.#manifest)
    this.#rewrittenBytes = this.bytes
  }

  /**
   * Writes what there is now as the new base, and goes on in a new increment. Commands are appended meanwhile.
   * @param isCancelled - True once nobody wants it any more.
   * @returns False if it was cancelled; then everything is as it was, but for one increment more.
   */
  async rewrite(isCancelled: () => boolean): Promise<boolean> {
    const { disk, clock, mutant } = this.#options
    const before = this.#manifest as Manifest
    const increment = this.#files.increment((before.increments.at(-1)?.sequence ?? 0) + 1)
    const file = createFile(disk, this.#files.pathOf(increment))
    await this.#files.syncNames()
    const between = { base: before.base, increments: [...before.increments, increment] }
    if (!lacks(mutant, 'manifest before increment')) await this.#files.publish(between)
    this.#manifest = between
    if (isCancelled()) {
      file.close()
      return false
    }
    // From here to the end of the next statement no command is run: what comes before is in the base, what comes after is not.
    const earlier = this.bytes
    this.writer.continueIn(file)
    const asCommands = this.#options.beginsWithCommands()
    const snapshot = this.#options.snapshot(asCommands)
    this.#earlierBytes = earlier
    const path = joinPath(this.#files.directory, 'temp-base.rdb')
    try {
      const size = await writeSnapshot(snapshot, { disk, clock, path, isCancelled, mutant, rule: 'base sync' })
      if (size === undefined) {
        removeQuietly(disk, path)
        return false
      }
      const base = this.#files.base((before.base?.sequence ?? 0) + 1, asCommands)
      disk.rename(path, this.#files.pathOf(base))
      await this.#files.syncNames()
      await this.#files.publish({ base, increments: [increment] })
      this.#manifest = { base, increments: [increment] }
      this.#earlierBytes = size
      this.#rewrittenBytes = this.bytes
      for (const part of [before.base, ...before.increments]) {
        if (part !== undefined) removeQuietly(disk, this.#files.pathOf(part))
      }
      return true
    } catch (error) {
      removeQuietly(disk, path)
      throw error
    }
  }

  /** Writes and syncs what was appended, and closes. */
  close(): void {
    this.#writer?.close()
    this.#writer = undefined
  }

  /** Closes as a process does that ends at once. */
  abandon(): void {
    this.#writer?.abandon()
    this.#writer = undefined
  }

  async #create(started: () => void): Promise<void> {
    const { disk, clock, mutant } = this.#options
    // There may be files of a time when it was on: they count until the new manifest is there.
    const before = this.#files.read()
    const asCommands = this.#options.beginsWithCommands()
    const base = this.#files.base((before?.base?.sequence ?? 0) + 1, asCommands)
    const increment = this.#files.increment((before?.increments.at(-1)?.sequence ?? 0) + 1)
    this.#writer = new AofWriter(createFile(disk, this.#files.pathOf(increment)), mutant)
    const snapshot = this.#options.snapshot(asCommands)
    started()
    const path = this.#files.pathOf(base)
    const isCancelled = (): boolean => this.#writer === undefined
    const target = { disk, clock, path, isCancelled, mutant, rule: 'base sync' } as const
    const size = await writeSnapshot(snapshot, target)
    if (size === undefined) return
    this.#earlierBytes = size
    await this.#files.syncNames()
    this.#manifest = { base, increments: [increment] }
    await this.#files.publish(this.#manifest)
    for (const part of [before?.base, ...(before?.increments ?? [])]) {
      if (part !== undefined) removeQuietly(disk, this.#files.pathOf(part))
    }
  }

  async #reopen(manifest: Manifest): Promise<void> {
    const { disk, mutant } = this.#options
    const last = manifest.increments.at(-1)
    if (last === undefined) {
      const increment = this.#files.increment((manifest.base?.sequence ?? 0) + 1)
      await this.#openEmpty(increment, { ...manifest, increments: [increment] })
      return
    }
    const file = disk.open(this.#files.pathOf(last), 'write')
    try {
      if (this.#validBytes !== undefined && this.#validBytes < file.size()) {
        this.#keepTorn(file, this.#validBytes)
        file.truncate(this.#validBytes)
      }
      // What was read has been shown: it must not be lost now.
      await file.sync()
    } catch (error) {
      file.close()
      throw error
    }
    this.#writer = new AofWriter(file, mutant)
  }

  async #openEmpty(increment: AofPart, manifest: Manifest): Promise<void> {
    const { disk, mutant } = this.#options
    const file = createFile(disk, this.#files.pathOf(increment))
    try {
      await this.#files.syncNames()
      await this.#files.publish(manifest)
    } catch (error) {
      file.close()
      throw error
    }
    this.#manifest = manifest
    this.#writer = new AofWriter(file, mutant)
  }

  /** Increments behind the one that is torn are empty: they were made and not written to. */
  #dropEmpty(index: number, parts: readonly AofPart[]): void {
    const { base, increments } = this.#manifest as Manifest
    const kept = new Set(parts.slice(0, index + 1))
    this.#manifest = { base, increments: increments.filter((part) => kept.has(part)) }
    this.#earlierBytes -= this.#sizeOf(parts[index] as AofPart)
  }

  /** What is cut off is kept beside it, if it can be, for whoever wants to look. */
  #keepTorn(file: DiskFile, from: number): void {
    const { disk } = this.#options
    try {
      const bytes = new Uint8Array(Math.min(MAX_TORN_BYTES, file.size() - from))
      file.read(bytes, from)
      const copy = createFile(disk, `${file.path}.torn`)
      copy.write(bytes, 0)
      copy.close()
    } catch {
      // A full disk, for instance. None of it was ever acknowledged.
    }
  }

  #sizeOf(part: AofPart): number {
    const path = this.#files.pathOf(part)
    if (this.#options.disk.kind(path) === undefined) return 0
    const file = this.#options.disk.open(path, 'read')
    try {
      return file.size()
    } finally {
      file.close()
    }
  }
}

function truncated(path: string, validBytes: number): BedplateError {
  return new BedplateError('CORRUPTION', `${path} ends in the middle of a command, behind byte ${validBytes}`, {
    hint: 'redis-check-aof --fix cuts it there; what follows is lost',
  })
}
