// The append-only file is several files in one directory, and a manifest that says which (aof.c of Redis 7.0):
//
//   appendonly.aof.manifest          file appendonly.aof.1.base.rdb seq 1 type b
//                                    file appendonly.aof.1.incr.aof seq 1 type i
//   appendonly.aof.1.base.rdb        a snapshot; appendonly.aof.1.base.aof if it is one of commands
//   appendonly.aof.1.incr.aof        the commands since then, as clients would send them
//
// Several increments follow one another; new commands are appended to the last one. Files of type h are no longer needed.
import { BedplateError } from '../../base/errors.ts'
import { type Disk, joinPath } from '../../io/disk.ts'
import { lacks } from '../../storage/mutant.ts'
import { createFile } from './files.ts'
import type { Mutant } from './mutant.ts'

const MAX_MANIFEST_BYTES = 1024 * 1024
/** Names are plain: no path leads out of the directory. */
const LINE = /^file (?<name>[\w.-]{1,255}) seq (?<sequence>\d{1,15}) type (?<type>[bhi])$/

/** One file of it. */
export interface AofPart {
  readonly name: string
  readonly sequence: number
}

/** What a manifest says. */
export interface Manifest {
  readonly base: AofPart | undefined
  /** In the order of their commands. */
  readonly increments: readonly AofPart[]
}

/** The bytes of a manifest. */
function formatManifest({ base, increments }: Manifest): string {
  const line = ({ name, sequence }: AofPart, type: string): string => `file ${name} seq ${sequence} type ${type}\n`
  return (base === undefined ? '' : line(base, 'b')) + increments.map((part) => line(part, 'i')).join('')
}

/** @throws CORRUPTION that names the line that is wrong. */
export function parseManifest(text: string, path: string): Manifest {
  let base: AofPart | undefined
  const increments: AofPart[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue
    const { name = '', sequence, type } = LINE.exec(line)?.groups ?? {}
    const part = { name, sequence: Number(sequence) }
    const isWrong = type === undefined || (type === 'b' && base !== undefined) || /^\.\.?$/.test(name)
    const last = increments.at(-1)
    if (isWrong || (type === 'i' && last !== undefined && last.sequence >= part.sequence)) {
      throw new BedplateError('CORRUPTION', `${path}: line ${index + 1} is none of a manifest`, {
        hint: 'redis-check-aof tells what of the files can be read',
      })
    }
    if (type === 'b') base = part
    else if (type === 'i') increments.push(part)
  }
  return { base, increments }
}

/** The directory of an append-only file. */
export class AofFiles {
  readonly #disk: Disk
  readonly #directory: string
  readonly #name: string
  readonly #mutant: Mutant | undefined

  /** @param name - What all names begin with, `appendonly.aof`. */
  constructor(disk: Disk, directory: string, name: string, mutant?: Mutant) {
    this.#disk = disk
    this.#directory = directory
    this.#name = name
    this.#mutant = mutant
  }

  get directory(): string {
    return this.#directory
  }

  pathOf({ name }: AofPart): string {
    return joinPath(this.#directory, name)
  }

  base(sequence: number, hasCommands: boolean): AofPart {
    return { name: `${this.#name}.${sequence}.base.${hasCommands ? 'aof' : 'rdb'}`, sequence }
  }

  increment(sequence: number): AofPart {
    return { name: `${this.#name}.${sequence}.incr.aof`, sequence }
  }

  /** What is there; undefined if there is no manifest. @throws CORRUPTION */
  read(): Manifest | undefined {
    const path = this.#manifest()
    if (this.#disk.kind(path) !== 'file') return undefined
    const file = this.#disk.open(path, 'read')
    try {
      const bytes = new Uint8Array(Math.min(file.size(), MAX_MANIFEST_BYTES))
      file.read(bytes, 0)
      return parseManifest(Buffer.from(bytes).toString('latin1'), path)
    } finally {
      file.close()
    }
  }

  /** Makes names durable: before a manifest names them. */
  async syncNames(): Promise<void> {
    if (!lacks(this.#mutant, 'names before manifest')) await this.#disk.syncDirectory(this.#directory)
  }

  /** Puts a manifest in place of the last one: when this is done it is durable, and until then one of the two is there. */
  async publish(manifest: Manifest): Promise<void> {
    const path = this.#manifest()
    const temporary = joinPath(this.#directory, `temp-${this.#name}.manifest`)
    const file = createFile(this.#disk, temporary)
    try {
      file.write(Buffer.from(formatManifest(manifest), 'latin1'), 0)
      if (!lacks(this.#mutant, 'manifest sync')) await file.sync()
    } finally {
      file.close()
    }
    this.#disk.rename(temporary, path)
    if (!lacks(this.#mutant, 'manifest name sync')) await this.#disk.syncDirectory(this.#directory)
  }

  #manifest(): string {
    return joinPath(this.#directory, `${this.#name}.manifest`)
  }
}
