// Makes what a power cut may leave behind, from what is certain and what is not.
//
// The hardest disk POSIX allows, within reason: unsynced changes survive in any combination, each file and each
// directory by itself, with data torn at any byte of a sector. Within reason means: a rename is atomic, a file keeps
// one name at most, truncates of a file survive in order, and what was synced stays as it was (see `powersafe`).
import { assertNever } from '../base/errors.ts'
import {
  applyToBytes,
  type DurableFile,
  type DurableState,
  type FileEffect,
  type Inode,
  type NameEffect,
  type Pending,
  ROOT,
} from './disk-history.ts'
import { DiskImage, type ImageDirectory } from './disk-image.ts'
import type { FileBytes } from './file-bytes.ts'
import type { Random } from './random.ts'

/**
 * What becomes of the effects that no sync covers. "All" and "none" are meant of those.
 *
 * | variant | names | bytes and sizes |
 * | --- | --- | --- |
 * | `none` | none | none |
 * | `all` | all | all |
 * | `subset` | a random subset | a random subset of whole writes; truncates in order |
 * | `sectors` | a random subset | each sector: any of its versions, a torn mix of two, or garbage where it was written |
 * | `size-without-data` | all | files have their new size; grown parts are zeros or garbage, the rest is old |
 * | `data-without-size` | all | files keep their old size; data beyond it are lost, the rest is new |
 * | `rename-without-data` | all | none |
 * | `names-lost` | none | all |
 */
export type CrashVariant = (typeof CRASH_VARIANTS)[number]

/** Every variant, for suites that try them all. */
export const CRASH_VARIANTS = [
  'none',
  'all',
  'subset',
  'sectors',
  'size-without-data',
  'data-without-size',
  'rename-without-data',
  'names-lost',
] as const

/** The properties of the medium. */
export interface Medium {
  /** The unit that the medium writes at once, in bytes. */
  readonly sectorBytes: number
  /** True if a torn write damages nothing beyond the bytes it was to write; else whole sectors may turn to garbage. */
  readonly powersafe: boolean
}

/** What is on the disk after a power cut in `state`. The same arguments give the same image. */
export function makeCrashImage(state: DurableState, variant: CrashVariant, random: Random, medium: Medium): DiskImage {
  const names = survivingNames(state, variant, random)
  const build = (inode: Inode): ImageDirectory => {
    const image: ImageDirectory = { kind: 'directory', entries: new Map() }
    for (const [name, child] of names.get(inode) ?? []) {
      const file = state.files.get(child)
      image.entries.set(
        name,
        file === undefined ? build(child) : { kind: 'file', bytes: survivingBytes(file, variant, random, medium) },
      )
    }
    return image
  }
  return new DiskImage(build(ROOT))
}

type NameTable = ReadonlyMap<Inode, ReadonlyMap<string, Inode>>

/** The names of every directory after the crash. */
function survivingNames(state: DurableState, variant: CrashVariant, random: Random): NameTable {
  const pending = state.pendingNames()
  const survivors = chooseNames(pending, variant, random)
  if (survivors.length > 0) return applyNames(state, survivors)
  const names = new Map<Inode, ReadonlyMap<string, Inode>>()
  for (const [inode, directory] of state.directories) names.set(inode, directory.names)
  return names
}

function chooseNames(
  pending: Pending<NameEffect>[],
  variant: CrashVariant,
  random: Random,
): readonly Pending<NameEffect>[] {
  switch (variant) {
    case 'none':
    case 'names-lost':
      return []
    case 'all':
    case 'size-without-data':
    case 'data-without-size':
    case 'rename-without-data':
      return pending
    case 'subset':
    case 'sectors':
      return randomSubset(pending, random)
    default:
      return assertNever(variant)
  }
}

/** Applies naming effects to a copy of the durable names. */
function applyNames(state: DurableState, effects: readonly Pending<NameEffect>[]): NameTable {
  const names = new Map<Inode, Map<string, Inode>>()
  for (const [inode, directory] of state.directories) names.set(inode, new Map(directory.names))
  const nameOf = new Map(state.nameOf)
  const unlink = (directory: Inode, name: string): void => {
    const inode = names.get(directory)?.get(name)
    if (inode === undefined) return
    names.get(directory)?.delete(name)
    nameOf.delete(inode)
  }
  for (const { effect } of effects) {
    const { directory, name } = effect
    if (effect.kind === 'unlink') {
      unlink(directory, name)
    } else if (!isWithin(directory, effect.inode, nameOf)) {
      const old = nameOf.get(effect.inode)
      if (old !== undefined) unlink(old.directory, old.name)
      unlink(directory, name)
      names.get(directory)?.set(name, effect.inode)
      nameOf.set(effect.inode, { directory, name })
    }
  }
  return names
}

/** Says whether `directory` lies in or is `ancestor`: a subset of renames must not make a ring of directories. */
function isWithin(directory: Inode, ancestor: Inode, nameOf: ReadonlyMap<Inode, { directory: Inode }>): boolean {
  for (let at: Inode | undefined = directory; at !== undefined; at = nameOf.get(at)?.directory) {
    if (at === ancestor) return true
  }
  return false
}

/** The content of one file after the crash. */
function survivingBytes(file: DurableFile, variant: CrashVariant, random: Random, medium: Medium): FileBytes {
  const { pending } = file
  const bytes = file.bytes.clone()
  if (pending.length === 0) return bytes
  switch (variant) {
    case 'none':
    case 'rename-without-data':
      return bytes
    case 'all':
    case 'names-lost':
      for (const { effect } of pending) applyToBytes(bytes, effect)
      return bytes
    case 'subset':
      for (const effect of subsetOfEffects(pending, random)) applyToBytes(bytes, effect)
      return bytes
    case 'sectors':
      mixSectors(bytes, pending, random, medium)
      return bytes
    case 'size-without-data':
      growWithoutData(bytes, pending, random)
      return bytes
    case 'data-without-size': {
      const oldSize = bytes.size
      for (const { effect } of pending) if (effect.kind === 'write') applyToBytes(bytes, effect)
      bytes.truncate(oldSize)
      return bytes
    }
    default:
      return assertNever(variant)
  }
}

/** Each write by chance; truncates up to a random one, for a file system orders its own metadata. */
function subsetOfEffects(pending: readonly Pending<FileEffect>[], random: Random): FileEffect[] {
  const lastTruncate = lastSurvivingTruncate(pending, random)
  const chance = random.next()
  return pending
    .filter(({ effect }, i) => (effect.kind === 'truncate' ? i <= lastTruncate : random.next() < chance))
    .map(({ effect }) => effect)
}

function lastSurvivingTruncate(pending: readonly Pending<FileEffect>[], random: Random): number {
  return Math.floor(random.next() * (pending.length + 1)) - 1
}

function growWithoutData(bytes: FileBytes, pending: readonly Pending<FileEffect>[], random: Random): void {
  const oldSize = bytes.size
  const newSize = pending.reduce((size, { effect }) => sizeAfter(size, effect), oldSize)
  const old = bytes.clone()
  bytes.truncate(newSize)
  if (newSize > oldSize && random.next() < 0.5) bytes.write(garbage(newSize - oldSize, old, random), oldSize)
}

function sizeAfter(size: number, effect: FileEffect): number {
  if (effect.kind === 'truncate') return effect.sizeBytes
  return effect.bytes.length === 0 ? size : Math.max(size, effect.position + effect.bytes.length)
}

/** A change of one sector: bytes to put at an offset in it. The zeros of a truncate that survives are certain. */
interface SectorChange {
  readonly offset: number
  readonly bytes: Uint8Array
  readonly certain: boolean
}

/**
 * Chooses for every sector that was written one of its versions, a prefix of one before the rest of another, or garbage.
 * Whether the file grew is chosen write by write.
 */
function mixSectors(bytes: FileBytes, pending: readonly Pending<FileEffect>[], random: Random, medium: Medium): void {
  const lastTruncate = lastSurvivingTruncate(pending, random)
  const survivors = pending.filter(({ effect }, i) => effect.kind === 'write' || i <= lastTruncate)
  const growth = random.next() < 0.5 ? 1 : random.next()
  const old = bytes.clone()
  let size = bytes.size
  let reach = size
  const sectors = new Map<number, SectorChange[]>()
  for (const { effect } of survivors) {
    addToSectors(sectors, effect, reach, medium.sectorBytes)
    if (effect.kind === 'truncate' || random.next() < growth) size = sizeAfter(size, effect)
    reach = Math.max(reach, sizeAfter(reach, effect))
  }
  for (const [index, changes] of sectors) {
    bytes.write(mixSector(old, index, changes, random, medium), index * medium.sectorBytes)
  }
  bytes.truncate(size)
}

/** Notes the effect at each sector that it changes; `reach` is as far as the file ever went. */
function addToSectors(
  sectors: Map<number, SectorChange[]>,
  effect: FileEffect,
  reach: number,
  sectorBytes: number,
): void {
  const from = effect.kind === 'write' ? effect.position : effect.sizeBytes
  const to = effect.kind === 'write' ? effect.position + effect.bytes.length : reach
  for (let at = from; at < to; ) {
    const index = Math.floor(at / sectorBytes)
    const end = Math.min((index + 1) * sectorBytes, to)
    const bytes = effect.kind === 'write' ? effect.bytes.subarray(at - from, end - from) : new Uint8Array(end - at)
    const change = { offset: at - index * sectorBytes, bytes, certain: effect.kind === 'truncate' }
    const changes = sectors.get(index)
    if (changes === undefined) sectors.set(index, [change])
    else changes.push(change)
    at = end
  }
}

/** One outcome for one sector. */
function mixSector(
  old: FileBytes,
  index: number,
  changes: readonly SectorChange[],
  random: Random,
  medium: Medium,
): Uint8Array {
  const version = (count: number): Uint8Array => {
    const bytes = new Uint8Array(medium.sectorBytes)
    old.read(bytes, index * medium.sectorBytes)
    changes.forEach((change, i) => {
      if (i < count || change.certain) bytes.set(change.bytes, change.offset)
    })
    return bytes
  }
  const anyVersion = (): Uint8Array => version(Math.floor(random.next() * (changes.length + 1)))

  const kind = random.next()
  if (kind < 0.35) return version(changes.length)
  if (kind < 0.7) return anyVersion()
  const bytes = anyVersion()
  if (kind < 0.85) {
    const cut = Math.floor(random.next() * medium.sectorBytes)
    bytes.set(anyVersion().subarray(cut), cut)
    return bytes
  }
  const written = changes.filter((change) => !change.certain)
  const damaged = written[Math.floor(random.next() * written.length)]
  if (damaged === undefined) return bytes
  if (!medium.powersafe) return garbage(medium.sectorBytes, old, random)
  bytes.set(garbage(damaged.bytes.length, old, random), damaged.offset)
  return bytes
}

/** Bytes that nobody wrote there: noise, zeros, ones, or what stands elsewhere in the file. */
function garbage(count: number, elsewhere: FileBytes, random: Random): Uint8Array {
  const bytes = new Uint8Array(count)
  const kind = Math.floor(random.next() * 4)
  if (kind === 0) for (let i = 0; i < count; i++) bytes[i] = random.next() * 256
  if (kind === 1) bytes.fill(0xff)
  if (kind === 2) elsewhere.read(bytes, Math.floor((random.next() * elsewhere.size) / 512) * 512)
  return bytes
}

/** Each item with the same chance, which is itself drawn: so that few and many survivors are as likely as half. */
function randomSubset<T>(items: readonly T[], random: Random): T[] {
  const chance = random.next()
  return items.filter(() => random.next() < chance)
}
