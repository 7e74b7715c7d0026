// What is on a simulated disk at one moment: a tree of directories and files. A simulated disk starts from one and a
// crash leaves one behind. Images share their bytes until one of them is changed, so that thousands are cheap.
import { BedplateError } from '../base/errors.ts'
import { diskError, systemError } from './disk-errors.ts'
import type { FileBytes } from './file-bytes.ts'
import type { Random } from './random.ts'

/** A file of an image. */
export interface ImageFile {
  readonly kind: 'file'
  readonly bytes: FileBytes
}

/** A directory of an image. */
export interface ImageDirectory {
  readonly kind: 'directory'
  readonly entries: Map<string, ImageNode>
}

/** What a name of an image stands for. */
export type ImageNode = ImageFile | ImageDirectory

/** The content of a disk. Changing one image never changes another. */
export class DiskImage {
  readonly root: ImageDirectory

  /** An empty disk unless a tree is given, which the image then owns. */
  constructor(root: ImageDirectory = { kind: 'directory', entries: new Map() }) {
    this.root = root
  }

  /** A copy that may be damaged without touching this one. */
  clone(): DiskImage {
    return new DiskImage(cloneDirectory(this.root))
  }

  /** The paths of all files, sorted, without a leading `/`. */
  files(): string[] {
    const paths: string[] = []
    collectFiles(this.root, '', paths)
    return paths.sort()
  }

  /** Says what is at `path`. */
  kind(path: string): 'file' | 'directory' | undefined {
    return this.#find(path)?.kind
  }

  /** The whole content of a file, as a copy. NOT_FOUND if there is none. */
  read(path: string): Uint8Array {
    return this.#file(path).slice()
  }

  /** The size of a file in bytes. NOT_FOUND if there is none. */
  size(path: string): number {
    return this.#file(path).size
  }

  /** Overwrites bytes of a file at `position`, growing it if needed. */
  write(path: string, bytes: Uint8Array, position: number): void {
    this.#file(path).write(bytes, position)
  }

  /** Cuts or grows (with zeros) a file. */
  truncate(path: string, sizeBytes: number): void {
    this.#file(path).truncate(sizeBytes)
  }

  /** Removes a file. NOT_FOUND if there is none. */
  remove(path: string): void {
    this.#file(path)
    const parts = splitPath(path)
    const directory = findNode(this.root, parts.slice(0, -1)) as ImageDirectory
    directory.entries.delete(parts.at(-1) as string)
  }

  /** Bit rot: flips bit `bit` (0 to 7) of the byte at `offset`. */
  flipBit(path: string, offset: number, bit = 0): void {
    const file = this.#file(path)
    const byte = file.slice(offset, 1)
    if (byte.length === 0) throw new BedplateError('INVALID_INPUT', `${path} has no byte ${offset}`)
    file.write(Uint8Array.of((byte[0] as number) ^ (1 << bit)), offset)
  }

  /** A bad patch: puts random bytes over the half-open range, as far as the file goes. */
  corrupt(path: string, range: { from: number; to: number }, random: Random): void {
    const file = this.#file(path)
    const count = Math.min(range.to, file.size) - range.from
    if (count > 0) file.write(random.bytes(count), range.from)
  }

  #find(path: string): ImageNode | undefined {
    return findNode(this.root, splitPath(path))
  }

  #file(path: string): FileBytes {
    const node = this.#find(path)
    if (node?.kind === 'file') return node.bytes
    throw diskError('find in the image', path, systemError(node === undefined ? 'ENOENT' : 'EISDIR'))
  }
}

/** The names along a path. `.` and empty parts mean nothing, `..` goes up, and relative paths start at the root. */
export function splitPath(path: string): string[] {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts
}

function findNode(root: ImageDirectory, parts: readonly string[]): ImageNode | undefined {
  let node: ImageNode | undefined = root
  for (const part of parts) node = node?.kind === 'directory' ? node.entries.get(part) : undefined
  return node
}

function cloneDirectory(directory: ImageDirectory): ImageDirectory {
  const entries = new Map<string, ImageNode>()
  for (const [name, node] of directory.entries) {
    entries.set(name, node.kind === 'file' ? { kind: 'file', bytes: node.bytes.clone() } : cloneDirectory(node))
  }
  return { kind: 'directory', entries }
}

function collectFiles(directory: ImageDirectory, prefix: string, paths: string[]): void {
  for (const [name, node] of directory.entries) {
    if (node.kind === 'file') paths.push(prefix + name)
    else collectFiles(node, `${prefix}${name}/`, paths)
  }
}
