// The users of a server on disk: `aclfile`, a line `user name rule...` each, as Redis has it.
import { BedplateError } from '../../base/errors.ts'
import { type Disk, joinPath, parentDirectory } from '../../io/disk.ts'
import type { Logger } from '../../service/index.ts'
import type { User } from '../acl/user.ts'
import type { Users } from '../acl/users.ts'
import type { UserFileDoor } from '../commands/server-door.ts'
import { createFile, removeQuietly } from '../persistence/files.ts'

/** More is no file of users. */
const MAX_BYTES = 64 * 2 ** 20
const NOT_SAVED = 'ERR There was an error trying to save the ACLs. Please check the server logs for more information'

/** Where users come from. */
export interface UserOptions {
  readonly disk: Disk
  /** `aclfile`, which has to be there; undefined for none. */
  readonly path?: string | undefined
  /** `user` lines of the settings: a name and rules, with spaces between. Not together with a file. */
  readonly lines?: readonly string[] | undefined
  readonly channelDefault?: 'allchannels' | 'resetchannels' | undefined
}

export class UserFile implements UserFileDoor {
  readonly #disk: Disk
  readonly #path: string
  readonly #users: Users
  readonly #logger: Logger

  constructor({ disk, path, users, logger }: { disk: Disk; path: string; users: Users; logger: Logger }) {
    this.#disk = disk
    this.#path = path
    this.#users = users
    this.#logger = logger
  }

  load(): readonly User[] | string {
    let text: string
    try {
      text = readText(this.#disk, this.#path)
    } catch (error) {
      if (!(error instanceof BedplateError)) throw error
      return `Error loading ACLs, opening file '${this.#path}': ${error.message}`
    }
    return this.#users.load(text, this.#path)
  }

  /** The file is there whole or as it was: written under another name, synced, renamed, the directory synced. */
  save(): string | undefined {
    const disk = this.#disk
    const temporary = `${this.#path}.tmp`
    try {
      const file = createFile(disk, temporary)
      try {
        file.write(Buffer.from(this.#users.render(), 'latin1'), 0)
        file.syncNow()
      } finally {
        file.close()
      }
      disk.rename(temporary, this.#path)
      disk.syncDirectoryNow(parentDirectory(this.#path))
      return undefined
    } catch (error) {
      if (!(error instanceof BedplateError)) throw error
      removeQuietly(disk, temporary)
      this.#logger.error('users were not saved', { error: String(error) })
      return NOT_SAVED
    }
  }
}

/**
 * Makes the users that a server begins with.
 * @param directory - Where a file without a path lies.
 * @returns The file, for ACL LOAD and ACL SAVE; undefined without one.
 * @throws INVALID_INPUT for anything that is wrong with them.
 */
export function beginUsers(
  users: Users,
  options: UserOptions | undefined,
  { directory, logger }: { readonly directory: string; readonly logger: Logger },
): UserFile | undefined {
  if (options === undefined) return undefined
  const { disk, path, lines = [], channelDefault = 'resetchannels' } = options
  users.channelDefault = channelDefault
  if (path !== undefined && lines.length > 0) {
    throw new BedplateError('INVALID_INPUT', 'users come from a file or from the settings, not from both')
  }
  const file = path === undefined ? undefined : new UserFile({ disk, path: under(directory, path), users, logger })
  const text = lines.map((line) => `user ${line}\n`).join('')
  const loaded = file?.load() ?? (text === '' ? [] : users.load(text, 'user'))
  if (typeof loaded === 'string') throw new BedplateError('INVALID_INPUT', loaded)
  return file
}

function under(directory: string, path: string): string {
  return directory === '' || /^(?:[/\\]|[a-z]:)/i.test(path) ? path : joinPath(directory, path)
}

function readText(disk: Disk, path: string): string {
  const file = disk.open(path, 'read')
  try {
    const size = file.size()
    if (size > MAX_BYTES) throw new BedplateError('INVALID_INPUT', `it has ${size} bytes, more than ${MAX_BYTES}`)
    const bytes = Buffer.alloc(size)
    return bytes.toString('latin1', 0, file.read(bytes, 0))
  } finally {
    file.close()
  }
}
