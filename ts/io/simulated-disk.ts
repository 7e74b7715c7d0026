// A disk in memory that remembers everything that happened to it, so that a workload is run once and its power cuts are
// tried afterwards, at every point and in many ways. What is modelled and what not: docs/decisions/0003-simulated-disk.md.
//
//   const disk = new SimulatedDisk()
//   ... run the engine on it, noting `disk.history.length` whenever it acknowledges something ...
//   for (let point = 0; point <= disk.history.length; point++) {
//     for (const variant of CRASH_VARIANTS) {
//       const after = new SimulatedDisk({ image: disk.crashImage(point, variant, seededRandom(seed)) })
//       ... open the engine on it: everything acknowledged before `point` must be there ...
//     }
//   }
import { BedplateError } from '../base/errors.ts'
import { type CrashVariant, type Medium, makeCrashImage } from './crash-image.ts'
import type { Disk, DiskFile, DiskLock, LockKind, OpenMode } from './disk.ts'
import { checkPosition, closedError, diskError, readOnlyError, systemError } from './disk-errors.ts'
import { type DiskOperation, FaultPlan, type FaultSpec, type PlannedFault } from './disk-faults.ts'
import { DurableState, type Effect, type Inode, ROOT, type SyncOutcome } from './disk-history.ts'
import { DiskImage, type ImageDirectory, splitPath } from './disk-image.ts'
import { CHUNK_BYTES, FileBytes } from './file-bytes.ts'
import type { Random } from './random.ts'

/** How a simulated disk is made. */
export interface SimulatedDiskOptions {
  /** What is on it, all durable. Default: nothing but the root directory. The image stays as it is. */
  image?: DiskImage
  /** What the medium writes at once. Default 512. */
  sectorBytes?: 512 | 4096
  /** False: a torn write may turn whole sectors to garbage, also bytes it did not touch. Default true. */
  powersafe?: boolean
  /** Space for file contents, used in chunks of 4 KiB; names and holes are free. Default: without end. */
  capacityBytes?: number
  /** True: an asynchronous sync ends when `completeSync` says so. Default: on its own, in a microtask. */
  manualSyncs?: boolean
}

/** A sync, as a predicate of `ignoreSyncs` sees it. */
export interface SyncCall {
  readonly path: string
  readonly kind: 'file' | 'directory'
  /** Which sync of this disk it is, counted from 1. */
  readonly nth: number
}

/** A sync that has begun and not ended. */
export interface PendingSync extends SyncCall {
  /** Ends it: its promise settles. */
  complete(): void
}

/** Counts how often a planted bug struck. */
export interface IgnoredSyncs {
  /** How many syncs were ignored: 0 means that the test proved nothing. */
  readonly applied: number
  /** From now on syncs are honest again. */
  cancel(): void
}

/** A disk in memory that can be crashed. Failures look like the real disk's. */
export class SimulatedDisk implements Disk {
  /** Everything that happened. A crash point is an index: the effects before it happened, the others did not. */
  readonly history: readonly Effect[]
  /** True: asynchronous syncs wait for `completeSync`. May be changed at any time. */
  manualSyncs: boolean

  readonly #effects: Effect[] = []
  readonly #root: LiveDirectory
  readonly #medium: Medium
  readonly #capacityBytes: number
  readonly #faults = new FaultPlan()
  readonly #syncFilters = new Set<SyncFilter>()
  readonly #pendingSyncs: PendingSync[] = []
  readonly #locks = new Map<Inode, { writer: boolean; readers: number }>()
  readonly #openInodes = new Map<Inode, number>()
  #usedBytes = 0
  #nextInode: Inode = ROOT
  #syncCount = 0
  /** States to start from when a crash point lies behind the last one, by rising point; and the one that moves on. */
  readonly #checkpoints: DurableState[]
  #cursor: DurableState

  constructor(options: SimulatedDiskOptions = {}) {
    this.history = this.#effects
    this.manualSyncs = options.manualSyncs ?? false
    this.#medium = { sectorBytes: options.sectorBytes ?? 512, powersafe: options.powersafe ?? true }
    this.#capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
    this.#cursor = new DurableState()
    this.#root = this.#load((options.image ?? new DiskImage()).root)
    this.#checkpoints = [this.#cursor.clone()]
  }

  /** How many files are open. */
  get openHandles(): number {
    let count = 0
    for (const handles of this.#openInodes.values()) count += handles
    return count
  }

  /** How many locks are held. */
  get heldLocks(): number {
    let count = 0
    for (const { writer, readers } of this.#locks.values()) count += readers + Number(writer)
    return count
  }

  /** Space in use, in bytes; a file without a name uses space while it is open. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /** The syncs that have begun and not ended, oldest first. */
  get pendingSyncs(): readonly PendingSync[] {
    return this.#pendingSyncs
  }

  /** Ends a pending sync, the oldest unless told. INVALID_INPUT if there is none. */
  completeSync(index = 0): void {
    const sync = this.#pendingSyncs[index]
    if (sync === undefined) throw new BedplateError('INVALID_INPUT', `there is no pending sync ${index}`)
    sync.complete()
  }

  /**
   * What a power cut leaves when it strikes after the first `point` effects. Rising points are cheapest.
   * The same history, point, variant and random sequence give the same image.
   */
  crashImage(point: number, variant: CrashVariant, random: Random): DiskImage {
    return makeCrashImage(this.#stateAt(point), variant, random, this.#medium)
  }

  /** What is there now, synced or not: what a killed process leaves. */
  currentImage(): DiskImage {
    return new DiskImage(imageOf(this.#root))
  }

  /** Forgets the past, to save memory in long runs: crash points before now are no longer there. */
  trimHistory(): void {
    const now = this.#stateAt(this.#effects.length)
    now.dropUnreachable()
    this.#effects.fill({ kind: 'forgotten' }, this.#checkpoints[0]?.point)
    this.#checkpoints.splice(0, this.#checkpoints.length, now.clone())
  }

  /** Makes the n-th matching call fail. */
  failAt(spec: FaultSpec): PlannedFault {
    return this.#faults.add(spec)
  }

  /**
   * Plants a bug or a lying disk: syncs that match report success and make nothing durable.
   * @example
   * const mutant = disk.ignoreSyncs((sync) => sync.kind === 'directory')
   */
  ignoreSyncs(matches: (sync: SyncCall) => boolean): IgnoredSyncs {
    const filter: SyncFilter = { matches, applied: 0, cancel: () => this.#syncFilters.delete(filter) }
    this.#syncFilters.add(filter)
    return filter
  }

  open(path: string, mode: OpenMode): DiskFile {
    this.#mayFail(mode === 'create' ? 'create' : 'open', path)
    const action = mode === 'create' ? 'create' : 'open'
    const { directory, name, node } = this.#lookUp(action, path)
    if (mode !== 'create') {
      if (node === undefined) throw diskError(action, path, systemError('ENOENT'))
      if (node.kind === 'directory') throw diskError(action, path, systemError('EISDIR'))
      return this.#handle(path, node, mode === 'write')
    }
    if (node !== undefined || name === '') throw diskError(action, path, systemError('EEXIST'))
    const file = this.#newFile(new FileBytes())
    directory.entries.set(name, file)
    this.#record({ kind: 'link', action: 'create', path, directory: directory.inode, name, inode: file.inode })
    return this.#handle(path, file, true)
  }

  kind(path: string): 'file' | 'directory' | undefined {
    return this.#find(splitPath(path))?.kind
  }

  list(directory: string): string[] {
    this.#mayFail('list', directory)
    return [...this.#directory('list', directory).entries.keys()].sort()
  }

  mkdir(path: string): void {
    this.#mayFail('mkdir', path)
    const { directory, name, node } = this.#lookUp('make the directory', path)
    if (node !== undefined) throw diskError('make the directory', path, systemError('EEXIST'))
    const child: LiveDirectory = { kind: 'directory', inode: this.#nextInode++, entries: new Map() }
    directory.entries.set(name, child)
    this.#record({ kind: 'link', action: 'mkdir', path, directory: directory.inode, name, inode: child.inode })
  }

  rename(from: string, to: string): void {
    this.#mayFail('rename', from)
    const action = 'rename'
    const both = `${from} to ${to}`
    const source = this.#lookUp(action, from)
    const target = this.#lookUp(action, to)
    const { node } = source
    if (node === undefined) throw diskError(action, both, systemError('ENOENT'))
    if (node === target.node) return
    if (target.node?.kind === 'directory') throw diskError(action, both, systemError('EEXIST'))
    if (node.kind === 'directory') {
      if (contains(node, target.directory)) throw diskError(action, both, systemError('EINVAL'))
      if (target.node !== undefined) throw diskError(action, both, systemError('ENOTDIR'))
    }
    source.directory.entries.delete(source.name)
    target.directory.entries.set(target.name, node)
    const directory = target.directory.inode
    this.#record({ kind: 'link', action: 'rename', path: both, directory, name: target.name, inode: node.inode })
    if (target.node?.kind === 'file') this.#loseName(target.node)
  }

  link(from: string, to: string): void {
    this.#mayFail('link', from)
    const both = `${from} to ${to}`
    const { node } = this.#lookUp('link', from)
    if (node === undefined) throw diskError('link', both, systemError('ENOENT'))
    if (node.kind === 'directory') throw diskError('link', both, systemError('EISDIR'))
    const target = this.#lookUp('link', to)
    if (target.node !== undefined) throw diskError('link', both, systemError('EEXIST'))
    const copy = this.#newFile(node.bytes.clone(), node.space)
    target.directory.entries.set(target.name, copy)
    const names = { directory: target.directory.inode, name: target.name }
    this.#record({ kind: 'link', action: 'copy', path: both, ...names, inode: copy.inode, source: node.inode })
  }

  unlink(path: string): void {
    this.#mayFail('unlink', path)
    const { directory, name, node } = this.#lookUp('remove', path)
    if (node === undefined) throw diskError('remove', path, systemError('ENOENT'))
    if (node.kind === 'directory') throw diskError('remove', path, systemError('EISDIR'))
    directory.entries.delete(name)
    this.#record({ kind: 'unlink', action: 'unlink', path, directory: directory.inode, name })
    this.#loseName(node)
  }

  rmdir(path: string): void {
    this.#mayFail('rmdir', path)
    const action = 'remove the directory'
    const { directory, name, node } = this.#lookUp(action, path)
    if (node === undefined) throw diskError(action, path, systemError('ENOENT'))
    if (node.kind === 'file') throw diskError(action, path, systemError('ENOTDIR'))
    if (node.entries.size > 0 || node === this.#root) throw diskError(action, path, systemError('ENOTEMPTY'))
    directory.entries.delete(name)
    this.#record({ kind: 'unlink', action: 'rmdir', path, directory: directory.inode, name })
  }

  async syncDirectory(directory: string): Promise<void> {
    const { inode } = this.#directory('sync the directory', directory)
    return this.#sync('directory', directory, inode)
  }

  syncDirectoryNow(directory: string): void {
    const { inode } = this.#directory('sync the directory', directory)
    this.#beginSync('directory', directory, inode).end()
  }

  /** The lock lives in memory: a crash ends it. */
  lock(directory: string, kind: LockKind): DiskLock {
    const { inode } = this.#directory('lock', directory)
    const held = this.#locks.get(inode) ?? { writer: false, readers: 0 }
    if (held.writer || (kind === 'writer' && held.readers > 0)) {
      const holder = held.writer ? 'a writer' : `${held.readers} readers`
      throw new BedplateError('LOCKED', `${directory} is held by ${holder} of this simulated disk`)
    }
    this.#locks.set(inode, held)
    if (kind === 'writer') held.writer = true
    else held.readers++
    let released = false
    return {
      release: () => {
        if (released) return
        released = true
        if (kind === 'writer') held.writer = false
        else held.readers--
      },
    }
  }

  /** Notes an effect; it has happened. */
  #record(effect: Effect): void {
    this.#effects.push(effect)
  }

  /** Throws if a fault is planned for this call. */
  #mayFail(operation: DiskOperation, path: string): void {
    const fault = this.#faults.next(operation, path)
    if (fault !== undefined) throw diskError(operation, path, systemError(fault.error))
  }

  // Names.

  #find(parts: readonly string[]): LiveNode | undefined {
    let node: LiveNode | undefined = this.#root
    for (const part of parts) node = node?.kind === 'directory' ? node.entries.get(part) : undefined
    return node
  }

  #directory(action: string, path: string): LiveDirectory {
    const node = this.#find(splitPath(path))
    if (node?.kind === 'directory') return node
    throw diskError(action, path, systemError(node === undefined ? 'ENOENT' : 'ENOTDIR'))
  }

  /** The directory that holds or would hold `path`, the last name, and what has it. The root has the name ''. */
  #lookUp(action: string, path: string): { directory: LiveDirectory; name: string; node: LiveNode | undefined } {
    const parts = splitPath(path)
    const name = parts.pop()
    if (name === undefined) return { directory: this.#root, name: '', node: this.#root }
    const directory = this.#find(parts)
    if (directory?.kind !== 'directory') {
      throw diskError(action, path, systemError(directory === undefined ? 'ENOENT' : 'ENOTDIR'))
    }
    return { directory, name, node: directory.entries.get(name) }
  }

  // Files.

  #handle(path: string, file: LiveFile, writable: boolean): DiskFile {
    this.#openInodes.set(file.inode, (this.#openInodes.get(file.inode) ?? 0) + 1)
    return new SimulatedFile(path, writable, file.bytes, {
      mayFail: (operation) => this.#mayFail(operation, path),
      write: (bytes, position) => this.#write(path, file, bytes, position),
      truncate: (sizeBytes) => this.#truncate(path, file, sizeBytes),
      sync: () => this.#sync('file', path, file.inode),
      syncNow: () => this.#beginSync('file', path, file.inode).end(),
      close: () => this.#closeHandle(file),
    })
  }

  #write(path: string, file: LiveFile, bytes: Uint8Array, position: number): void {
    const fault = this.#faults.next('write', path)
    if (fault !== undefined) {
      if (fault.shortWrite) this.#writeWhatFits(path, file, bytes.subarray(0, bytes.length >> 1), position)
      throw diskError('write', path, systemError(fault.error))
    }
    const written = this.#writeWhatFits(path, file, bytes, position)
    if (written < bytes.length) throw diskError('write', path, systemError('ENOSPC'))
  }

  /** Writes as much as there is space for, like write(2), and gives the count of bytes. */
  #writeWhatFits(path: string, file: LiveFile, bytes: Uint8Array, position: number): number {
    let length = bytes.length
    while (length > 0 && this.#usedBytes + file.bytes.newlyAllocatedBy(position, length) > this.#capacityBytes) {
      const lastChunkStart = Math.floor((position + length - 1) / CHUNK_BYTES) * CHUNK_BYTES
      length = Math.max(0, lastChunkStart - position)
    }
    if (length === 0) return 0
    // The history keeps its own copy: the caller may reuse its buffer. (`slice` of a Buffer would be a view.)
    const copy = new Uint8Array(bytes.subarray(0, length))
    this.#usedBytes += file.bytes.newlyAllocatedBy(position, length)
    file.bytes.write(copy, position)
    this.#record({ kind: 'write', path, inode: file.inode, position, bytes: copy })
    return length
  }

  #truncate(path: string, file: LiveFile, sizeBytes: number): void {
    this.#mayFail('truncate', path)
    const before = file.bytes.allocatedBytes
    file.bytes.truncate(sizeBytes)
    this.#usedBytes += file.bytes.allocatedBytes - before
    this.#record({ kind: 'truncate', path, inode: file.inode, sizeBytes })
  }

  #loseName(file: LiveFile): void {
    file.named = false
    this.#freeIfUnused(file)
  }

  #closeHandle(file: LiveFile): void {
    const handles = (this.#openInodes.get(file.inode) ?? 0) - 1
    if (handles > 0) this.#openInodes.set(file.inode, handles)
    else this.#openInodes.delete(file.inode)
    this.#freeIfUnused(file)
  }

  #freeIfUnused(file: LiveFile): void {
    if (file.named || this.#openInodes.has(file.inode)) return
    if (--file.space.users === 0) this.#usedBytes -= file.bytes.allocatedBytes
  }

  // Syncs.

  #sync(kind: SyncCall['kind'], path: string, inode: Inode): Promise<void> {
    const { call, end } = this.#beginSync(kind, path, inode)
    return new Promise((resolve, reject) => {
      const complete = (): void => {
        const at = this.#pendingSyncs.indexOf(pending)
        if (at < 0) return
        this.#pendingSyncs.splice(at, 1)
        try {
          end()
          resolve()
        } catch (error) {
          reject(error)
        }
      }
      const pending: PendingSync = { ...call, complete }
      this.#pendingSyncs.push(pending)
      if (!this.manualSyncs) queueMicrotask(complete)
    })
  }

  /** Notes the begin of a sync, decides how it will end, and gives what ends it: which throws if it fails. */
  #beginSync(kind: SyncCall['kind'], path: string, inode: Inode): { call: SyncCall; end: () => void } {
    const sync = ++this.#syncCount
    const call = { path, kind, nth: sync }
    const fault = this.#faults.next(kind === 'file' ? 'sync' : 'syncDirectory', path)
    const outcome = this.#outcomeOf(call, fault)
    this.#record({ kind: 'syncBegin', path, inode, sync })
    const end = (): void => {
      this.#record({ kind: 'syncEnd', path, inode, sync, outcome })
      if (fault !== undefined) throw diskError('sync', path, systemError(fault.error))
    }
    return { call, end }
  }

  #outcomeOf(call: SyncCall, fault: FaultSpec | undefined): SyncOutcome {
    // Names are not pages of a file: a directory whose sync failed stays dirty.
    if (fault !== undefined) return fault.keepUnsynced || call.kind === 'directory' ? 'failed' : 'dropped'
    for (const filter of this.#syncFilters) {
      if (!filter.matches(call)) continue
      filter.applied++
      return 'ignored'
    }
    return 'durable'
  }

  // The past.

  #stateAt(point: number): DurableState {
    const inRange = Number.isInteger(point) && point >= 0 && point <= this.#effects.length
    if (!inRange) throw new BedplateError('INVALID_INPUT', `there is no crash point ${point}`)
    if (point < this.#cursor.point) this.#cursor = this.#checkpointBefore(point).clone()
    while (this.#cursor.point < point) {
      this.#cursor.apply(this.#effects[this.#cursor.point] as Effect)
      const lastCheckpoint = this.#checkpoints.at(-1) as DurableState
      if (this.#cursor.point >= lastCheckpoint.point + CHECKPOINT_EFFECTS) this.#checkpoints.push(this.#cursor.clone())
    }
    return this.#cursor
  }

  #checkpointBefore(point: number): DurableState {
    const checkpoint = this.#checkpoints.findLast((state) => state.point <= point)
    if (checkpoint === undefined) {
      throw new BedplateError('INVALID_INPUT', `the history before crash point ${point} was trimmed`)
    }
    return checkpoint
  }

  #newFile(bytes: FileBytes, space: LiveFile['space'] = { users: 0 }): LiveFile {
    space.users++
    return { kind: 'file', inode: this.#nextInode++, bytes, named: true, space }
  }

  /** Takes over an image: numbers its inodes, for the live tree and for the durable state alike. */
  #load(image: ImageDirectory): LiveDirectory {
    const directory: LiveDirectory = { kind: 'directory', inode: this.#nextInode++, entries: new Map() }
    this.#cursor.addDirectory(directory.inode)
    for (const [name, node] of image.entries) {
      const child = node.kind === 'directory' ? this.#load(node) : this.#loadFile(node.bytes)
      directory.entries.set(name, child)
      this.#cursor.link(directory.inode, name, child.inode)
    }
    return directory
  }

  #loadFile(bytes: FileBytes): LiveFile {
    const file = this.#newFile(bytes.clone())
    this.#cursor.addFile(file.inode, bytes.clone())
    this.#usedBytes += bytes.allocatedBytes
    return file
  }
}

/** A checkpoint of the durable state is kept every so many effects. */
const CHECKPOINT_EFFECTS = 512

interface LiveFile {
  readonly kind: 'file'
  readonly inode: Inode
  readonly bytes: FileBytes
  named: boolean
  /** What a file and its copies take once. */
  readonly space: { users: number }
}

interface LiveDirectory {
  readonly kind: 'directory'
  readonly inode: Inode
  readonly entries: Map<string, LiveNode>
}

type LiveNode = LiveFile | LiveDirectory

interface SyncFilter extends IgnoredSyncs {
  readonly matches: (sync: SyncCall) => boolean
  applied: number
}

/** What a file asks of its disk. */
interface FileCalls {
  mayFail(operation: DiskOperation): void
  write(bytes: Uint8Array, position: number): void
  truncate(sizeBytes: number): void
  sync(): Promise<void>
  syncNow(): void
  close(): void
}

/** An open file: checks the handle, then lets the disk do it. */
class SimulatedFile implements DiskFile {
  readonly path: string
  readonly #writable: boolean
  readonly #bytes: FileBytes
  readonly #calls: FileCalls
  #closed = false

  constructor(path: string, writable: boolean, bytes: FileBytes, calls: FileCalls) {
    this.path = path
    this.#writable = writable
    this.#bytes = bytes
    this.#calls = calls
  }

  size(): number {
    this.#checkOpen()
    return this.#bytes.size
  }

  read(target: Uint8Array, position: number): number {
    this.#checkOpen()
    checkPosition(position)
    this.#calls.mayFail('read')
    return this.#bytes.read(target, position)
  }

  async readAsync(target: Uint8Array, position: number): Promise<number> {
    this.#checkOpen()
    checkPosition(position)
    this.#calls.mayFail('read')
    // A real read happens at some moment between the call and its answer: here, after the caller has gone on.
    await undefined
    return this.#bytes.read(target, position)
  }

  write(bytes: Uint8Array, position: number): void {
    this.#checkWritable()
    checkPosition(position)
    this.#calls.write(bytes, position)
  }

  truncate(sizeBytes: number): void {
    this.#checkWritable()
    checkPosition(sizeBytes)
    this.#calls.truncate(sizeBytes)
  }

  async sync(): Promise<void> {
    this.#checkOpen()
    return this.#calls.sync()
  }

  syncNow(): void {
    this.#checkOpen()
    this.#calls.syncNow()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#calls.close()
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(this.path)
  }

  #checkWritable(): void {
    this.#checkOpen()
    if (!this.#writable) throw readOnlyError(this.path)
  }
}

function contains(directory: LiveDirectory, other: LiveDirectory): boolean {
  if (directory === other) return true
  for (const child of directory.entries.values()) {
    if (child.kind === 'directory' && contains(child, other)) return true
  }
  return false
}

function imageOf(directory: LiveDirectory): ImageDirectory {
  const entries: ImageDirectory['entries'] = new Map()
  for (const [name, node] of directory.entries) {
    entries.set(name, node.kind === 'file' ? { kind: 'file', bytes: node.bytes.clone() } : imageOf(node))
  }
  return { kind: 'directory', entries }
}
