// All users of a server: https://redis.io/docs/management/security/acl/
import { AclLog } from './acl-log.ts'
import { hasSpaces } from './selector.ts'
import { type ChannelDefault, User } from './user.ts'

const DEFAULT = 'default'
const OPEN_DEFAULT = ['+@all', '~*', '&*', 'on', 'nopass']
const BAD_NAME = "Usernames can't contain spaces or null characters"
/** Lines of a file of users, and characters of one: more than anybody needs. */
const MAX_LINES = 2 ** 20
const UNCHANGED = 'WARNING: ACL errors detected, no change to the previously active ACL rules was performed'

/** Users by name, and what was refused to them. */
export class Users {
  /** The user of who has not said who it is; it is there always. */
  readonly default: User
  /** Of connections that have to say first who they are. */
  readonly nobody = new User(DEFAULT)
  readonly log = new AclLog()
  /** `acl-pubsub-default` */
  channelDefault: ChannelDefault = 'resetchannels'
  /** The default user must have a password: others reach this server. */
  mustHavePassword = false
  #users: Map<string, User>

  constructor() {
    this.default = openUser()
    this.#users = new Map([[DEFAULT, this.default]])
  }

  /** True if a new connection has to log in before it may do anything. */
  get needsLogin(): boolean {
    return !this.default.isOpen || !this.default.isEnabled
  }

  get(name: string): User | undefined {
    return this.#users.get(name)
  }

  /** All, by name. */
  all(): readonly User[] {
    return [...this.#users.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** The user of a name and a password, if it may log in. Takes as long for a name that is not there. */
  authenticate(name: string, password: string): User | undefined {
    const user = this.#users.get(name)
    const isKnown = (user ?? this.nobody).knows(password)
    return user?.isEnabled === true && isKnown ? user : undefined
  }

  /**
   * Applies rules to a user, which is made if it is not there: all of them or none.
   * @param before - Called with the user as it will be, before it changes.
   * @returns What is wrong, in Redis's words.
   */
  set(name: string, rules: readonly string[], before: (user: User, next: User) => void = () => {}): string | undefined {
    if (hasSpaces(name)) return BAD_NAME
    const merged = mergeSelectors(rules)
    if (typeof merged === 'string') return merged
    const user = this.#users.get(name)
    const next = new User(name, this.channelDefault)
    if (user !== undefined) next.become(user)
    for (const rule of merged) {
      const problem = next.apply(rule, this.channelDefault)
      if (problem !== undefined) return `Error in ACL SETUSER modifier '${rule}': ${problem}`
    }
    const refusal = this.#refusal(next)
    if (refusal !== undefined) return refusal
    if (user === undefined) this.#users.set(name, next)
    else {
      before(user, next)
      user.become(next)
    }
    return undefined
  }

  /** Whether a password is asked of the default user, and which: `requirepass`, '' for none. */
  require(password: string): string | undefined {
    return this.set(DEFAULT, password === '' ? ['resetpass', 'nopass'] : ['resetpass', `>${password}`])
  }

  /** @returns The user that was deleted, whose connections have to be cut. The default user cannot be. */
  delete(name: string): User | undefined {
    const user = name === DEFAULT ? undefined : this.#users.get(name)
    if (user !== undefined) this.#users.delete(name)
    return user
  }

  /** The lines of a file of users. */
  render(): string {
    return this.all()
      .map((user) => `user ${user.name} ${user.describe()}\n`)
      .join('')
  }

  /**
   * Puts the users of a file in the place of those that there are: all of them, or none if there is any mistake.
   * @param path - For the text of mistakes.
   * @returns Those that were replaced, whose connections have to be cut, or what is wrong.
   */
  load(text: string, path: string): readonly User[] | string {
    const users = new Map<string, User>()
    const mistakes: string[] = []
    for (const [index, line] of text.split('\n', MAX_LINES).entries()) {
      const trimmed = line.replace(/^[ \t\r]+|[ \t\r]+$/g, '')
      if (trimmed === '') continue
      const read = readLine(trimmed, users, this.channelDefault)
      if (read instanceof User) users.set(read.name, read)
      else
        mistakes.push(
          ...read.map((mistake) => (mistake.startsWith('WARNING') ? mistake : `${path}:${index + 1}: ${mistake}`)),
        )
    }
    const next = users.get(DEFAULT) ?? openUser()
    const refusal = this.#refusal(next)
    if (refusal !== undefined) mistakes.push(refusal)
    if (mistakes.length > 0) return `${mistakes.join('. ')}. ${UNCHANGED}`
    const replaced = [...this.#users.values()].filter((user) => user !== this.default)
    // The connections of the default user keep it.
    this.default.become(next)
    users.set(DEFAULT, this.default)
    this.#users = users
    return replaced
  }

  #refusal({ name, isOpen, isEnabled }: User): string | undefined {
    const isRefused = this.mustHavePassword && name === DEFAULT && isOpen && isEnabled
    return isRefused ? 'other machines reach this server: the default user needs a password' : undefined
  }
}

/** Who may do everything without a password. */
export function openUser(): User {
  const user = new User(DEFAULT)
  for (const rule of OPEN_DEFAULT) user.apply(rule, 'allchannels')
  return user
}

/** A line `user name rule...`. @returns The user, or what is wrong. */
function readLine(line: string, users: ReadonlyMap<string, User>, channels: ChannelDefault): User | string[] {
  const [word, name, ...rules] = line.split(' ').filter((part) => part !== '')
  if (word !== 'user' || name === undefined) return ['should start with user keyword followed by the username']
  if (hasSpaces(name)) return [`username '${name}' contains invalid characters`]
  if (users.has(name)) return [`WARNING: Duplicate user '${name}' found`]
  const merged = mergeSelectors(rules)
  if (typeof merged === 'string') return ['Unmatched parenthesis in selector definition']
  const user = new User(name, channels)
  const mistakes: string[] = []
  let isWrong = false
  for (const rule of merged) {
    const problem = user.apply(rule, channels)
    if (problem === undefined) continue
    // The names of commands are no secret; what else is wrong may be a password.
    if (problem.startsWith('Unknown')) mistakes.push(`Error in applying operation '${rule}': ${problem}`)
    else if (!isWrong) {
      mistakes.push(problem)
      isWrong = true
    }
  }
  return mistakes.length > 0 ? mistakes : user
}

/** Puts selectors together that were split at their spaces. @returns What is wrong. */
function mergeSelectors(rules: readonly string[]): string[] | string {
  const merged: string[] = []
  let open: string | undefined
  let first = ''
  for (const rule of rules) {
    if (open !== undefined) {
      open += ` ${rule}`
      if (!rule.endsWith(')')) continue
      merged.push(open)
      open = undefined
    } else if (rule.startsWith('(') && !rule.endsWith(')')) {
      open = rule
      first = rule
    } else merged.push(rule)
  }
  return open === undefined ? merged : `Unmatched parenthesis in acl selector starting at '${first}'.`
}
