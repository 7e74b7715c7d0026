import type { User } from '../acl/user.ts'
import type { Users } from '../acl/users.ts'
import type { Session } from '../commands/session.ts'

export const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.'
const NO_PASSWORD =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?'

/** `requirepass`, the password of the default user, and how clients say who they are. */
export class Password {
  readonly #users: Users
  #text = ''

  /** @param text - '' for nothing. */
  constructor(users: Users, text: string) {
    this.#users = users
    if (text !== '') this.change(text)
  }

  /** What it was set to last; ACL SETUSER may have changed the user since. */
  get text(): string {
    return this.#text
  }

  /** @returns What is wrong. */
  change(text: string): string | undefined {
    const problem = this.#users.require(text)
    if (problem === undefined) this.#text = text
    return problem
  }

  /** Makes a client nobody, or the default user where nobody has to log in. */
  forget(session: Session): void {
    session.isAuthenticated = !this.#users.needsLogin
    session.user = session.isAuthenticated ? this.#users.default : this.#users.nobody
  }

  /** Who a client is that gives a password, and a name or none; or the error. */
  check(name: string | undefined, password: string): User | string {
    if (name === undefined && this.#users.default.isOpen) return NO_PASSWORD
    return this.#users.authenticate(name ?? 'default', password) ?? WRONG_PASSWORD
  }
}
