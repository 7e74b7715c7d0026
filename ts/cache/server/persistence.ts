// What of the cache outlives its process: snapshots, the append-only file, and when which of them is written.
//
// There is no fork: a snapshot is cut in one moment and written in slices, see ../keyspace/cut.ts. One is made at a time.
import { BedplateError } from '../../base/errors.ts'
import type { Cancel, Clock } from '../../io/clock.ts'
import { type Disk, type DiskLock, joinPath } from '../../io/disk.ts'
import type { Logger } from '../../service/index.ts'
import { lacks } from '../../storage/mutant.ts'
import type { Engine } from '../commands/engine.ts'
import type { FunctionCode } from '../commands/functions.ts'
import type { DoorAnswer } from '../commands/persistence-door.ts'
import type { CommandSpec } from '../commands/specs.ts'
import type { FsyncPolicy } from '../persistence/aof-writer.ts'
import { AppendOnly } from '../persistence/append-only.ts'
import { makeDirectories, removeQuietly, saveSnapshotNow, sourceOf, writeSnapshot } from '../persistence/files.ts'
import type { Mutant } from '../persistence/mutant.ts'
import { RdbReader } from '../persistence/rdb-reader.ts'
import { drain, type Replayed, type ReplayOptions, replayCommands, replaySnapshot } from '../persistence/replay.ts'
import type { SavePoint } from '../persistence/save-points.ts'
import { Snapshot } from '../persistence/snapshot.ts'

/** Where data lies and when it is written, in the words of redis.conf. */
export interface PersistenceSettings {
  /** `dir`; made if it is not there. */
  readonly directory: string
  /** `dbfilename` */
  readonly snapshotName: string
  appendOnly: boolean
  appendFsync: FsyncPolicy
  /** `save` */
  savePoints: readonly SavePoint[]
  /** `auto-aof-rewrite-percentage` and `-min-size`: how much the files grow before they are rewritten; 0 per cent: never. */
  rewritePercentage: number
  rewriteMinBytes: number
  /** `aof-load-truncated` */
  forgivesTorn: boolean
  /** `aof-use-rdb-preamble`: the append-only file begins with a snapshot, and not with commands that make one. */
  beginsWithSnapshot: boolean
  /** `stop-writes-on-bgsave-error` */
  stopsOnSaveError: boolean
}

export const DEFAULT_PERSISTENCE: Omit<PersistenceSettings, 'directory'> = {
  snapshotName: 'dump.rdb',
  appendOnly: false,
  appendFsync: 'everysec',
  savePoints: [],
  rewritePercentage: 100,
  rewriteMinBytes: 64 * 2 ** 20,
  forgivesTorn: true,
  beginsWithSnapshot: true,
  stopsOnSaveError: true,
}

/** The directory and the first part of the names of the append-only file: `appenddirname`, `appendfilename`. */
export const APPEND_DIRECTORY = 'appendonlydir'
export const APPEND_NAME = 'appendonly.aof'

export interface PersistenceOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly logger: Logger
  readonly engine: Engine
  readonly settings: PersistenceSettings
  readonly mutant?: Mutant | undefined
  /** Libraries of functions, for whoever has them: their code, and what takes it. */
  readonly functions: FunctionCode
  /** What snapshots say of the history of the data, and whoever goes on with it once one was loaded. */
  readonly history?: {
    readonly isReplica: boolean
    facts(): readonly (readonly [string, string])[]
    resume(
      facts: ReadonlyMap<string, string>,
      leftOut: readonly { readonly database: number; readonly key: string }[],
    ): void
  }
  /** More has become durable: replies that wait may leave. */
  readonly released: () => void
  /** It cannot go on: what was promised cannot be kept. */
  readonly failed: (error: unknown) => void
}

const TICK_MS = 1000
/** After a rewriting that failed by itself, the next one waits so long. */
const RETRY_MS = 60_000
const SAVE_BUSY = 'ERR Background save already in progress'
const OTHER_BUSY =
  "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible."
const REWRITE_BUSY = 'ERR Background append only file rewriting already in progress'
const SAVE_FAILED =
  'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk. Commands that may modify ' +
  'the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails ' +
  '(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.'

/** See the top of this file. `open`, then commands, then `close`. */
export class Persistence {
  readonly settings: PersistenceSettings
  /** When a snapshot was saved last, or the start. */
  savedAtMs: number
  readonly #options: PersistenceOptions
  #lock: DiskLock | undefined
  #appendOnly: AppendOnly | undefined
  #isOpen = false
  #isClosing = false
  #timer: Cancel | undefined
  /** What is being written in the background. */
  #job: { readonly kind: 'save' | 'rewrite'; readonly startedMs: number; readonly ended: Promise<void> } | undefined
  /** All data is being replaced: none of it is for files. */
  #isReplacing = false
  #isSaveWanted = false
  #isRewriteWanted = false
  #retryAtMs = 0
  /** `Engine.changes` when the last snapshot was cut. */
  #savedChanges = 0
  #saveError: unknown
  #rewriteError: unknown
  /** Why commands could not be written, or synced: until that is made good, none that write are run. */
  #writeError: unknown
  #syncError: unknown
  readonly #counts = { saves: 0, rewrites: 0, saveMs: -1000, rewriteMs: -1000, loaded: 0, expired: 0 }

  constructor(options: PersistenceOptions) {
    this.#options = options
    this.settings = options.settings
    this.savedAtMs = options.clock.now()
  }

  /** Takes the directory for this server alone. @throws LOCKED if another one has it. */
  async lock(): Promise<void> {
    const { disk } = this.#options
    await makeDirectories(disk, this.settings.directory)
    this.#lock = disk.lock(this.settings.directory, 'writer')
  }

  /**
   * Brings back what there is, the append-only file before the snapshot, and makes ready for commands.
   * @throws CORRUPTION if it cannot be read; nothing is changed then.
   */
  async open(): Promise<void> {
    const { engine, logger, clock } = this.#options
    const startedMs = clock.now()
    if (this.settings.appendOnly) this.#appendOnly = this.#makeAppendOnly()
    const found = (await this.#loadAppendOnly()) ?? (await this.#loadSnapshot())
    this.#counts.loaded = found?.keys ?? 0
    this.#counts.expired = found?.expired ?? 0
    if (found !== undefined) logger.info('data loaded', { ...found, ms: clock.now() - startedMs })
    await this.#appendOnly?.begin()
    engine.propagates = engine.propagates || this.#appendOnly !== undefined
    engine.changes = 0
    this.#isOpen = true
    this.#plan()
  }

  /** @param saves - Whether a snapshot is saved: undefined if there are save points and something changed since the last one. */
  async close(saves?: boolean): Promise<void> {
    this.#isClosing = true
    this.#timer?.()
    await this.#job?.ended
    try {
      if (!this.#isOpen) return
      this.#isOpen = false
      if ((saves ?? this.#savesAtEnd()) && !this.#isReplacing) this.#saveNow()
      this.#appendOnly?.close()
    } finally {
      this.#lock?.release()
      this.#lock = undefined
    }
  }

  /** Ends as a process does that was killed: nothing more is written. */
  abandon(): void {
    this.#isClosing = true
    this.#isOpen = false
    this.#timer?.()
    this.#appendOnly?.abandon()
    this.#lock?.release()
  }

  /** Lets all data be replaced, while no file is written; the append-only file is begun anew then. */
  async replaceData(replace: () => Promise<void>): Promise<void> {
    while (this.#job !== undefined) await this.#job.ended
    const wasOn = this.settings.appendOnly
    if (wasOn) this.#switchOff()
    this.#isReplacing = true
    try {
      await replace()
    } catch (error) {
      // What is left is nothing that should take the place of an older snapshot by itself.
      this.#savedChanges = this.#options.engine.changes
      throw error
    } finally {
      this.#isReplacing = false
      if (wasOn && !this.#isClosing) this.switchAppendOnly(true)
    }
  }

  // Commands that were run.

  propagate(database: number, args: readonly string[]): void {
    if (this.#isOpen) this.#appendOnly?.writer.append(database, args)
  }

  /** Hands what was propagated to the operating system, and with `always` begins to make it durable. Before replies leave. */
  flush(): void {
    const writer = this.#isOpen ? this.#appendOnly?.writer : undefined
    if (writer === undefined || this.#writeError !== undefined) return
    if (this.settings.appendFsync === 'always') {
      if (!writer.isSyncing && (writer.hasWaiting || writer.durable < writer.position)) this.#commit()
    } else if (writer.hasWaiting) this.#tryToWrite()
  }

  /** What has to be durable before replies may leave that were made by now; undefined if they may leave. */
  barrier(): number | undefined {
    if (!this.#isOpen || this.#appendOnly === undefined || this.settings.appendFsync !== 'always') return undefined
    const { position, durable } = this.#appendOnly.writer
    return position > durable && !lacks(this.#options.mutant, 'reply after sync') ? position : undefined
  }

  /** Everything before it is durable. */
  get durable(): number {
    const isAlways = this.#isOpen && this.#appendOnly !== undefined && this.settings.appendFsync === 'always'
    return isAlways ? (this.#appendOnly as AppendOnly).writer.durable : Number.POSITIVE_INFINITY
  }

  /** Why a command may not be run now: the disk is full or broken. */
  refusal({ name, flags }: CommandSpec): string | undefined {
    if (!flags.has('write') && name !== 'ping') return undefined
    const error = this.#writeError ?? this.#syncError
    if (error !== undefined) return `MISCONF Errors writing to the AOF file: ${reasonOf(error)}`
    const isStopped =
      this.#saveError !== undefined && this.settings.stopsOnSaveError && this.settings.savePoints.length > 0
    return isStopped ? SAVE_FAILED : undefined
  }

  // What commands ask for.

  save(): string | undefined {
    if (this.#job?.kind === 'save') return SAVE_BUSY
    // A snapshot is under way for the append-only file: two at a time are not made.
    if (this.#job !== undefined || this.#isReplacing) return OTHER_BUSY
    try {
      this.#saveNow()
      return undefined
    } catch (error) {
      this.#options.logger.error('the snapshot was not saved', { error: String(error) })
      return 'ERR'
    }
  }

  /** SHUTDOWN: saves a snapshot if that is asked for, or usual. @returns What went wrong. */
  saveBeforeEnd(saves: boolean | undefined): string | undefined {
    if (!(saves ?? this.#savesAtEnd())) return undefined
    if (this.#isReplacing) return OTHER_BUSY
    try {
      this.#saveNow()
      return undefined
    } catch (error) {
      this.#options.logger.error('the last snapshot was not saved', { error: String(error) })
      return String(error)
    }
  }

  saveInBackground(isScheduled: boolean): DoorAnswer {
    if (this.#job?.kind === 'save') return { refusal: SAVE_BUSY }
    if (this.#job !== undefined || this.#isReplacing) {
      if (!isScheduled) return { refusal: OTHER_BUSY }
      this.#isSaveWanted = true
      return { text: 'Background saving scheduled' }
    }
    this.#begin('save')
    return { text: 'Background saving started' }
  }

  rewrite(): DoorAnswer {
    if (this.#job?.kind === 'rewrite') return { refusal: REWRITE_BUSY }
    if (this.#appendOnly === undefined) {
      return { refusal: 'ERR there is no append-only file: CONFIG SET appendonly yes makes one' }
    }
    if (this.#job !== undefined) {
      this.#isRewriteWanted = true
      return { text: 'Background append only file rewriting scheduled' }
    }
    this.#begin('rewrite')
    return { text: 'Background append only file rewriting started' }
  }

  /**
   * DEBUG RELOAD, in one go: writes a snapshot if it `saves`, then `prepare`, then loads the one of the disk.
   * @throws CORRUPTION, NOT_FOUND and other errors of the disk.
   */
  reloadSnapshot(options: { readonly saves: boolean; readonly merges: boolean; readonly prepare: () => void }): void {
    const { disk, functions } = this.#options
    const path = joinPath(this.settings.directory, this.settings.snapshotName)
    if (options.saves && this.#job !== undefined)
      throw new BedplateError('CONFLICT', 'another snapshot is being written')
    if (options.saves) this.#saveNow()
    const file = disk.open(path, 'read')
    try {
      options.prepare()
      const reader = new RdbReader(sourceOf(file), path)
      const loadFunction = (code: string): void => functions.load(code, options.merges)
      drain(replaySnapshot(reader, { ...this.#replayOptions(true), merges: options.merges, loadFunction }))
    } finally {
      file.close()
    }
  }

  /** DEBUG LOADAOF, in one go: `prepare`, then the append-only file as it is on disk. @throws CORRUPTION, NOT_FOUND */
  reloadAppendOnly(prepare: () => void): void {
    if (this.#appendOnly !== undefined) this.#tryToWrite()
    const loading = this.#makeAppendOnly().load(this.#replayOptions(false), this.settings.forgivesTorn)
    prepare()
    if (drain(loading) === undefined) throw new BedplateError('NOT_FOUND', 'there is no append-only file')
  }

  /** Why CONFIG SET appendonly cannot be done now. */
  cannotSwitch(isOn: boolean): string | undefined {
    const isBusy = isOn !== this.settings.appendOnly && (this.#job !== undefined || this.#isReplacing)
    return isBusy ? 'another snapshot is being written: try again later' : undefined
  }

  /** CONFIG SET appendonly. */
  switchAppendOnly(isOn: boolean): void {
    if (isOn === this.settings.appendOnly) return
    if (isOn) {
      this.settings.appendOnly = true
      this.#options.engine.propagates = true
      this.#startAppendOnly(this.#makeAppendOnly())
    } else this.#switchOff()
  }

  /** `appendfsync` is another one: replies that wait may perhaps leave. */
  policyChanged(): void {
    this.#options.released()
    this.flush()
  }

  /** What INFO tells. */
  info(): Readonly<Record<string, string | number>> {
    const { engine, clock } = this.#options
    const { saves, rewrites, saveMs, rewriteMs, loaded, expired } = this.#counts
    const now = clock.now()
    const seconds = (kind: 'save' | 'rewrite'): number =>
      this.#job?.kind === kind ? Math.floor((now - this.#job.startedMs) / 1000) : -1
    const status = (error: unknown): string => (error === undefined ? 'ok' : 'err')
    const writer = this.#appendOnly === undefined || !this.#isOpen ? undefined : this.#appendOnly
    return {
      loading: this.#isOpen ? 0 : 1,
      rdb_changes_since_last_save: engine.changes - this.#savedChanges,
      rdb_bgsave_in_progress: this.#job?.kind === 'save' ? 1 : 0,
      rdb_last_save_time: Math.floor(this.savedAtMs / 1000),
      rdb_last_bgsave_status: status(this.#saveError),
      rdb_last_bgsave_time_sec: Math.floor(saveMs / 1000),
      rdb_current_bgsave_time_sec: seconds('save'),
      rdb_saves: saves,
      rdb_last_load_keys_expired: expired,
      rdb_last_load_keys_loaded: loaded,
      aof_enabled: this.settings.appendOnly ? 1 : 0,
      aof_rewrite_in_progress: this.#job?.kind === 'rewrite' ? 1 : 0,
      aof_rewrite_scheduled: this.#isRewriteWanted ? 1 : 0,
      aof_last_rewrite_time_sec: Math.floor(rewriteMs / 1000),
      aof_current_rewrite_time_sec: seconds('rewrite'),
      aof_last_bgrewrite_status: status(this.#rewriteError),
      aof_rewrites: rewrites,
      aof_last_write_status: status(this.#writeError ?? this.#syncError),
      ...(writer === undefined
        ? {}
        : {
            aof_current_size: writer.bytes,
            aof_base_size: writer.rewrittenBytes,
            aof_pending_rewrite: 0,
            aof_buffer_length: writer.writer.hasWaiting ? 1 : 0,
          }),
    }
  }

  // The append-only file.

  #makeAppendOnly(): AppendOnly {
    const { disk, clock, mutant } = this.#options
    const directory = joinPath(this.settings.directory, APPEND_DIRECTORY)
    const snapshot = (asCommands: boolean): Snapshot => this.#cut([['aof-base', '1']], asCommands)
    const beginsWithCommands = (): boolean => !this.settings.beginsWithSnapshot
    return new AppendOnly({ disk, clock, directory, name: APPEND_NAME, mutant, beginsWithCommands, snapshot })
  }

  #switchOff(): void {
    const appendOnly = this.#appendOnly
    this.settings.appendOnly = false
    this.#appendOnly = undefined
    this.#writeError = undefined
    this.#syncError = undefined
    this.#options.released()
    try {
      appendOnly?.close()
    } catch (error) {
      this.#options.logger.error('the append-only file was closed before all was written', { error: String(error) })
    }
  }

  /** Makes a first base of what there is now; it counts once that is written. */
  #startAppendOnly(appendOnly: AppendOnly): void {
    this.#run('rewrite', async () => {
      try {
        await appendOnly.begin(() => {
          this.#appendOnly = appendOnly
        })
        this.#counts.rewrites++
      } catch (error) {
        this.#switchOff()
        this.#options.logger.error('the append-only file could not be begun', { error: String(error) })
      }
    })
  }

  /** Writes what waits and syncs it; what comes meanwhile is the next group. */
  #commit(): void {
    const { writer } = this.#appendOnly as AppendOnly
    const { failed, released } = this.#options
    try {
      writer.write()
    } catch (error) {
      failed(error)
      return
    }
    writer.sync().then(
      () => {
        released()
        this.flush()
      },
      (error: unknown) => failed(error),
    )
  }

  /** @returns False if the operating system does not take it. */
  #tryToWrite(): boolean {
    try {
      this.#appendOnly?.writer.write()
      if (this.#writeError !== undefined) this.#options.logger.info('the append-only file can be written again')
      this.#writeError = undefined
      return true
    } catch (error) {
      if (this.#writeError === undefined) this.#options.logger.error('cannot append commands', { error: String(error) })
      this.#writeError = error
      return false
    }
  }

  #syncEverySecond(): void {
    const appendOnly = this.#appendOnly
    if (appendOnly === undefined || this.settings.appendFsync !== 'everysec') return
    const { writer } = appendOnly
    if (writer.isSyncing || writer.durable >= writer.position) return
    writer.sync().catch((error: unknown) => {
      // Nothing is known of what was to be synced; only files that are written anew make that good.
      if (this.#appendOnly !== appendOnly || this.#isClosing) return
      this.#options.logger.error('cannot sync the append-only file', { error: String(error) })
      this.#syncError = error
      this.#isRewriteWanted = true
    })
  }

  // Snapshots.

  #cut(aux: readonly (readonly [string, string])[] = [], asCommands = false): Snapshot {
    const { engine, clock, functions, history } = this.#options
    const facts = [
      ['redis-ver', '7.0.15'],
      ['redis-bits', '64'],
      ['ctime', String(Math.floor(clock.now() / 1000))],
      ...(history?.facts() ?? []),
      ...aux,
    ] as const
    return new Snapshot({
      databases: engine.databases,
      functions: functions.dump(),
      aux: facts,
      asCommands,
      usageOf: (database, entry) => engine.memory.usageOf(database, entry, clock.now()),
    })
  }

  #saveNow(): void {
    const { disk, clock, engine } = this.#options
    const { directory, snapshotName: name } = this.settings
    const [changes, cutMs] = [engine.changes, clock.now()]
    try {
      saveSnapshotNow(disk, this.#cut(), { directory, name })
    } catch (error) {
      this.#saveError = error
      throw error
    }
    this.#saved(changes, cutMs)
  }

  async #saveInSlices(): Promise<void> {
    const { disk, clock, engine, mutant, logger } = this.#options
    const { directory, snapshotName } = this.settings
    const [changes, cutMs] = [engine.changes, clock.now()]
    const path = joinPath(directory, `temp-${snapshotName}`)
    const isCancelled = (): boolean => this.#isClosing
    try {
      const target = { disk, clock, path, isCancelled, mutant, rule: 'snapshot sync' } as const
      const bytes = await writeSnapshot(this.#cut(), target)
      if (bytes === undefined) return removeQuietly(disk, path)
      disk.rename(path, joinPath(directory, snapshotName))
      if (!lacks(mutant, 'snapshot name sync')) await disk.syncDirectory(directory)
      this.#saved(changes, cutMs)
      logger.info('snapshot saved', { bytes, ms: clock.now() - cutMs })
    } catch (error) {
      removeQuietly(disk, path)
      this.#saveError = error
      this.#retryAtMs = clock.now() + RETRY_MS / 12
      logger.error('the snapshot was not saved', { error: String(error) })
    }
  }

  #saved(changes: number, cutMs: number): void {
    this.#savedChanges = changes
    this.savedAtMs = cutMs
    this.#saveError = undefined
    this.#counts.saves++
    this.#counts.saveMs = this.#options.clock.now() - cutMs
  }

  async #rewriteInSlices(): Promise<void> {
    const { clock, logger } = this.#options
    const appendOnly = this.#appendOnly
    const startedMs = clock.now()
    try {
      if (appendOnly === undefined || !(await appendOnly.rewrite(() => this.#isClosing))) return
      this.#rewriteError = undefined
      this.#syncError = undefined
      this.#counts.rewrites++
      this.#counts.rewriteMs = clock.now() - startedMs
      logger.info('append-only file rewritten', { bytes: appendOnly.bytes, ms: this.#counts.rewriteMs })
    } catch (error) {
      this.#rewriteError = error
      this.#retryAtMs = clock.now() + RETRY_MS
      logger.error('the append-only file was not rewritten', { error: String(error) })
    }
  }

  #begin(kind: 'save' | 'rewrite'): void {
    if (kind === 'save') this.#isSaveWanted = false
    else this.#isRewriteWanted = false
    this.#run(kind, () => (kind === 'save' ? this.#saveInSlices() : this.#rewriteInSlices()))
  }

  #run(kind: 'save' | 'rewrite', work: () => Promise<void>): void {
    const ended = work().then(() => {
      this.#job = undefined
    })
    this.#job = { kind, startedMs: this.#options.clock.now(), ended }
  }

  #savesAtEnd(): boolean {
    if (this.#isReplacing) return false
    return this.settings.savePoints.length > 0 && this.#options.engine.changes > this.#savedChanges
  }

  // Loading.

  async #loadAppendOnly(): Promise<Replayed | undefined> {
    const { logger } = this.#options
    const loading = this.#appendOnly?.load(this.#replayOptions(false), this.settings.forgivesTorn)
    const found = loading === undefined ? undefined : await this.#inTurns(loading)
    if (found !== undefined && found.tornBytes > 0) {
      logger.warn('the end of the append-only file was torn and is cut off', { bytes: found.tornBytes })
    }
    return found
  }

  /** Without an append-only file the snapshot, or a file of commands as Redis wrote it before 7.0, is where to begin. */
  async #loadSnapshot(): Promise<Replayed | undefined> {
    const { disk } = this.#options
    const { directory, snapshotName, appendOnly } = this.settings
    const [snapshot, older] = [joinPath(directory, snapshotName), joinPath(directory, APPEND_NAME)]
    const isOlder = appendOnly && disk.kind(older) === 'file'
    const path = isOlder ? older : snapshot
    if (disk.kind(path) !== 'file') return undefined
    const file = disk.open(path, 'read')
    try {
      const reader = new RdbReader(sourceOf(file), path)
      if (!isOlder) return await this.#loadWithHistory(reader)
      const found = await this.#inTurns(
        replayCommands(
          reader,
          this.#replayOptions(false),
          (offset) => new RdbReader(sourceOf(file, offset), path, offset),
        ),
      )
      if (found.isTruncated && !this.settings.forgivesTorn) reader.refuse('it ends in the middle of a command')
      return found
    } finally {
      file.close()
    }
  }

  /** A snapshot tells of which history it is, and how far it goes: replication can go on from there. */
  async #loadWithHistory(reader: RdbReader): Promise<Replayed> {
    const { history } = this.#options
    const facts = new Map<string, string>()
    const gone: { database: number; key: string }[] = []
    const options: ReplayOptions = {
      ...this.#replayOptions(history?.isReplica !== true),
      fact: (name, value) => void facts.set(name, value),
      leftOut: (database, key) => void gone.push({ database, key }),
    }
    const replayed = await this.#inTurns(replaySnapshot(reader, options))
    history?.resume(facts, gone)
    return replayed
  }

  #replayOptions(dropsExpired: boolean): ReplayOptions {
    const { engine, clock, functions } = this.#options
    return {
      engine,
      nowMs: clock.now(),
      dropsExpired,
      loadFunction: (code) => functions.load(code),
    }
  }

  async #inTurns<T>(work: Generator<void, T>): Promise<T> {
    for (;;) {
      const step = work.next()
      if (step.done === true) return step.value
      if (this.#isClosing) throw new BedplateError('CLOSED', 'the server was stopped while it loaded its data')
      await this.#options.clock.turn()
    }
  }

  // Time.

  #plan(): void {
    this.#timer = this.#options.clock.timer(TICK_MS, () => {
      if (this.#isClosing) return
      this.#tick()
      this.#plan()
    })
  }

  #tick(): void {
    const nowMs = this.#options.clock.now()
    if (this.#writeError !== undefined && this.#tryToWrite()) this.#options.released()
    this.#syncEverySecond()
    if (this.#job !== undefined || this.#isReplacing) return
    if (this.#isRewriteWanted && this.#appendOnly !== undefined && nowMs >= this.#retryAtMs) this.#begin('rewrite')
    else if (this.#isSaveWanted || this.#isSaveDue(nowMs)) this.#begin('save')
    else if (this.#hasGrown() && nowMs >= this.#retryAtMs) this.#begin('rewrite')
  }

  #isSaveDue(nowMs: number): boolean {
    if (nowMs < this.#retryAtMs && this.#saveError !== undefined) return false
    const changes = this.#options.engine.changes - this.#savedChanges
    const age = nowMs - this.savedAtMs
    return this.settings.savePoints.some((point) => changes >= Math.max(1, point.changes) && age > point.seconds * 1000)
  }

  #hasGrown(): boolean {
    const { rewritePercentage, rewriteMinBytes } = this.settings
    if (this.#appendOnly === undefined || rewritePercentage === 0) return false
    const { bytes, rewrittenBytes } = this.#appendOnly
    return bytes > rewriteMinBytes && (bytes - rewrittenBytes) * 100 >= rewritePercentage * Math.max(1, rewrittenBytes)
  }
}

/** What the operating system says, as it says it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof BedplateError)) return String(error)
  return error.code === 'DISK_FULL' ? 'No space left on device' : 'Input/output error'
}
