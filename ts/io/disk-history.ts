// What happened to a simulated disk, effect by effect, and what of it is certain to survive a crash.
import { assert, assertNever } from '../base/errors.ts'
import { FileBytes } from './file-bytes.ts'

/** The number of a file or directory; names point to it. The root directory is 1. */
export type Inode = number

/** A change of the bytes or the size of a file. */
export type FileEffect =
  | { readonly kind: 'write'; readonly path: string; readonly inode: Inode; position: number; bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly path: string; readonly inode: Inode; readonly sizeBytes: number }

/**
 * A change of the names in a directory: `name` in `directory` now stands for `inode`, or for nothing.
 * An inode has one name, so a rename is a `link`: giving the new name takes the old one away. A second name for a file is
 * one for a copy, an inode of its own: who makes it writes to neither any more.
 */
export type NameEffect =
  | {
      readonly kind: 'link'
      readonly action: 'create' | 'mkdir' | 'rename' | 'copy'
      readonly path: string
      readonly directory: Inode
      readonly name: string
      readonly inode: Inode
      /** Of a copy: the inode whose bytes it has. */
      readonly source?: Inode
    }
  | {
      readonly kind: 'unlink'
      readonly action: 'unlink' | 'rmdir'
      readonly path: string
      readonly directory: Inode
      readonly name: string
    }

/**
 * One side of a sync of a file or a directory. Between the two sides nothing it covers is certain yet, and what is
 * written between them is not covered. Outcomes of the end:
 *
 * - `durable`: all effects on the inode before the begin survive.
 * - `ignored`: it did nothing (a lying disk, or a planted bug); a later sync still can.
 * - `failed`: it failed, and the effects stay as uncertain as they were.
 * - `dropped`: it failed, and the page cache forgot that the effects were never written: no later sync writes them.
 */
export type SyncEffect =
  | { readonly kind: 'syncBegin'; readonly path: string; readonly inode: Inode; readonly sync: number }
  | {
      readonly kind: 'syncEnd'
      readonly path: string
      readonly inode: Inode
      readonly sync: number
      readonly outcome: SyncOutcome
    }

/** How a sync ended. */
export type SyncOutcome = 'durable' | 'ignored' | 'failed' | 'dropped'

/** One thing that happened. `forgotten` stands where the history was trimmed. */
export type Effect = FileEffect | NameEffect | SyncEffect | { readonly kind: 'forgotten' }

/** An effect that a crash may undo, with its place in the history. */
export interface Pending<E> {
  readonly index: number
  readonly effect: E
}

/** A file: the bytes that are certain and the changes that are not. */
export interface DurableFile {
  readonly kind: 'file'
  readonly inode: Inode
  readonly bytes: FileBytes
  pending: Pending<FileEffect>[]
}

/** A directory: the names that are certain and the changes that are not. */
export interface DurableDirectory {
  readonly kind: 'directory'
  readonly inode: Inode
  readonly names: Map<string, Inode>
  pending: Pending<NameEffect>[]
}

/** The inode of the root directory. */
export const ROOT: Inode = 1

/** Says in a few words what an effect is: for reports on the crash point that broke something. */
export function describeEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'write':
      return `write ${effect.path} [${effect.position}, ${effect.position + effect.bytes.length})`
    case 'truncate':
      return `truncate ${effect.path} to ${effect.sizeBytes}`
    case 'link':
    case 'unlink':
      return `${effect.action} ${effect.path}`
    case 'syncBegin':
      return `sync of ${effect.path} begins`
    case 'syncEnd':
      return `sync of ${effect.path} ends: ${effect.outcome}`
    case 'forgotten':
      return 'forgotten'
    default:
      return assertNever(effect)
  }
}

/**
 * The certain and the uncertain at one point of a history; moves forward effect by effect.
 *
 * Invariant: the pending effects of an inode are those since the begin of its last durable sync (less the dropped
 * ones), in order. So a sync makes a prefix of them durable.
 */
export class DurableState {
  /** How many effects of the history are in this state. */
  point = 0
  readonly files = new Map<Inode, DurableFile>()
  readonly directories = new Map<Inode, DurableDirectory>()
  /** The durable name of each inode, the other way round. */
  readonly nameOf = new Map<Inode, { directory: Inode; name: string }>()
  /** The place in the history of the newest durable naming of an inode: older pending ones must not undo it. */
  readonly #namedAt = new Map<Inode, number>()
  /** Running syncs, and how much of the history each covers. */
  readonly #covered = new Map<number, number>()

  /** Adds a durable file of the disk's first image. */
  addFile(inode: Inode, bytes: FileBytes): void {
    this.files.set(inode, { kind: 'file', inode, bytes, pending: [] })
  }

  /** Adds a durable, empty directory of the disk's first image. */
  addDirectory(inode: Inode): void {
    this.directories.set(inode, { kind: 'directory', inode, names: new Map(), pending: [] })
  }

  /** Gives a durable name; the inode loses the one it had. */
  link(directory: Inode, name: string, inode: Inode): void {
    const old = this.nameOf.get(inode)
    if (old !== undefined) this.unlink(old.directory, old.name)
    this.unlink(directory, name)
    this.#directory(directory).names.set(name, inode)
    this.nameOf.set(inode, { directory, name })
  }

  /** Takes a durable name away, if it is there. */
  unlink(directory: Inode, name: string): void {
    const { names } = this.#directory(directory)
    const inode = names.get(name)
    if (inode === undefined) return
    names.delete(name)
    this.nameOf.delete(inode)
  }

  /** Takes in the next effect of the history. */
  apply(effect: Effect): void {
    const index = this.point++
    switch (effect.kind) {
      case 'write':
      case 'truncate':
        this.files.get(effect.inode)?.pending.push({ index, effect })
        break
      case 'link':
        if (effect.action === 'create') this.addFile(effect.inode, new FileBytes())
        if (effect.action === 'mkdir') this.addDirectory(effect.inode)
        if (effect.source !== undefined) this.#copyFile(effect.source, effect.inode)
        this.#directory(effect.directory).pending.push({ index, effect })
        break
      case 'unlink':
        this.#directory(effect.directory).pending.push({ index, effect })
        break
      case 'syncBegin':
        this.#covered.set(effect.sync, index)
        break
      case 'syncEnd':
        this.#endSync(effect.inode, effect.sync, effect.outcome)
        break
      case 'forgotten':
        assert(false, 'a crash point lies before the trimmed part of the history')
        break
      default:
        assertNever(effect)
    }
  }

  /** The naming effects that a crash may undo, of all directories, in the order they happened. */
  pendingNames(): Pending<NameEffect>[] {
    const pending: Pending<NameEffect>[] = []
    for (const directory of this.directories.values()) {
      for (const entry of directory.pending) if (!this.#isOutdated(entry)) pending.push(entry)
    }
    return pending.sort((a, b) => a.index - b.index)
  }

  /** A copy that can move on by itself. */
  clone(): DurableState {
    const copy = new DurableState()
    copy.point = this.point
    for (const [inode, file] of this.files) {
      copy.files.set(inode, { ...file, bytes: file.bytes.clone(), pending: file.pending.slice() })
    }
    for (const [inode, directory] of this.directories) {
      copy.directories.set(inode, {
        ...directory,
        names: new Map(directory.names),
        pending: directory.pending.slice(),
      })
    }
    for (const [inode, name] of this.nameOf) copy.nameOf.set(inode, name)
    for (const [inode, index] of this.#namedAt) copy.#namedAt.set(inode, index)
    for (const [sync, covered] of this.#covered) copy.#covered.set(sync, covered)
    return copy
  }

  /** Forgets the inodes without a name, durable or pending: nothing can ever give them one again. */
  dropUnreachable(): void {
    const named = new Set<Inode>([ROOT, ...this.nameOf.keys()])
    for (const { effect } of this.pendingNames()) if (effect.kind === 'link') named.add(effect.inode)
    for (const table of [this.files, this.directories]) {
      for (const inode of table.keys()) {
        if (named.has(inode)) continue
        table.delete(inode)
        this.#namedAt.delete(inode)
      }
    }
  }

  /** What is certain of a file is certain of its copy, and what is not is not. */
  #copyFile(from: Inode, to: Inode): void {
    const source = this.files.get(from)
    assert(source !== undefined, 'a copy is made of a file that is there')
    const pending = source.pending.map(({ index, effect }) => ({ index, effect: { ...effect, inode: to } }))
    this.files.set(to, { kind: 'file', inode: to, bytes: source.bytes.clone(), pending })
  }

  #endSync(inode: Inode, sync: number, outcome: SyncOutcome): void {
    const covered = this.#covered.get(sync)
    assert(covered !== undefined, 'a sync that ends has begun')
    this.#covered.delete(sync)
    if (outcome === 'ignored' || outcome === 'failed') return

    const file = this.files.get(inode)
    if (file !== undefined) {
      const count = countBelow(file.pending, covered)
      const settled = file.pending.splice(0, count)
      if (outcome === 'durable') for (const { effect } of settled) applyToBytes(file.bytes, effect)
      return
    }
    const directory = this.directories.get(inode)
    if (directory === undefined) return
    const settled = directory.pending.splice(0, countBelow(directory.pending, covered))
    if (outcome === 'durable') for (const entry of settled) this.#makeNameDurable(entry)
  }

  #makeNameDurable(entry: Pending<NameEffect>): void {
    if (this.#isOutdated(entry)) return
    const { effect } = entry
    if (effect.kind === 'unlink') {
      this.unlink(effect.directory, effect.name)
    } else {
      this.link(effect.directory, effect.name, effect.inode)
      this.#namedAt.set(effect.inode, entry.index)
    }
  }

  /** Says whether the inode's name has since become durable in another directory. */
  #isOutdated({ index, effect }: Pending<NameEffect>): boolean {
    return effect.kind === 'link' && index < (this.#namedAt.get(effect.inode) ?? 0)
  }

  #directory(inode: Inode): DurableDirectory {
    const directory = this.directories.get(inode)
    assert(directory !== undefined, 'names are changed in directories that exist')
    return directory
  }
}

/** Does to `bytes` what the effect did to the file. */
export function applyToBytes(bytes: FileBytes, effect: FileEffect): void {
  if (effect.kind === 'write') bytes.write(effect.bytes, effect.position)
  else bytes.truncate(effect.sizeBytes)
}

function countBelow(pending: readonly Pending<unknown>[], bound: number): number {
  let count = 0
  while (count < pending.length && (pending[count] as Pending<unknown>).index < bound) count++
  return count
}
