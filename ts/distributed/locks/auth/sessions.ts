// Passwords and tokens. State keeps hashes alone; tokens are worth something as long as the node runs that was told of them.
import type { Clock } from '../../../io/clock.ts'
import { loadCrypto, type Random } from '../../../io/random.ts'
import { refusal } from '../errors.ts'
import type { Users } from './users.ts'

/** A token that is not used for so long is worth nothing any more, as etcd's simple tokens. */
const TOKEN_MS = 5 * 60_000
/** The most tokens at a time; beyond, the one that was used longest ago goes. */
const MAX_TOKENS = 100_000
/** Whoever logs in while users change is looked at so often. */
export const MAX_LOGIN_ATTEMPTS = 5
const SALT_BYTES = 16
const HASH_BYTES = 32
const TOKEN_BYTES = 24

export interface SessionsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly users: Users
}

/** Who has logged in. */
export class Sessions {
  readonly #options: SessionsOptions
  /** In the order in which they end: what is used goes to the end. */
  readonly #tokens = new Map<string, { user: string; untilMs: number }>()

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /** A salted hash of a password (scrypt, RFC 7914): `salt | hash`. Takes some 50 ms of another thread. */
  async hash(password: string): Promise<Uint8Array> {
    const salt = this.#options.random.bytes(SALT_BYTES)
    return Buffer.concat([salt, await scrypt(password, salt)])
  }

  /** Gives a token to who knows the password. @throws Refusal */
  async logIn(name: string, password: string): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      const { revision } = this.#options.users
      const token = await this.check(name, password)
      if (this.#options.users.revision === revision) {
        this.admit(token, name)
        return token
      }
      // Users have changed while the password was looked at.
      if (attempt === MAX_LOGIN_ATTEMPTS) throw refusal('oldAuthRevision')
    }
  }

  /** @returns A token for who knows the password, which is worth nothing before it is admitted. @throws Refusal */
  async check(name: string, password: string): Promise<string> {
    const { users, random } = this.#options
    if (!users.isEnabled) throw refusal('authNotEnabled')
    const user = users.user(name)
    if (user === undefined || user.noPassword || user.passwordHash.length !== SALT_BYTES + HASH_BYTES) {
      throw refusal('authFailed')
    }
    const hash = await scrypt(password, user.passwordHash.subarray(0, SALT_BYTES))
    if (!loadCrypto().timingSafeEqual(hash, user.passwordHash.subarray(SALT_BYTES))) throw refusal('authFailed')
    return Buffer.from(random.bytes(TOKEN_BYTES)).toString('base64url')
  }

  /** Takes a token from now on. */
  admit(token: string, name: string): void {
    const now = this.#nowMs()
    for (const [old, { untilMs }] of this.#tokens) {
      if (untilMs >= now && this.#tokens.size < MAX_TOKENS) break
      this.#tokens.delete(old)
    }
    this.#tokens.set(token, { user: name, untilMs: now + TOKEN_MS })
  }

  /** Whose token it is; undefined without one, or while nobody has to log in. @throws Refusal if it is worth nothing */
  userOf(token: string | undefined): string | undefined {
    if (!this.#options.users.isEnabled || token === undefined) return undefined
    const session = this.#tokens.get(token)
    const now = this.#nowMs()
    if (session === undefined || session.untilMs < now) {
      this.#tokens.delete(token)
      throw refusal('invalidToken')
    }
    this.#tokens.delete(token)
    this.#tokens.set(token, { user: session.user, untilMs: now + TOKEN_MS })
    return session.user
  }

  /** How many tokens are kept. */
  get size(): number {
    return this.#tokens.size
  }

  /** Ends the sessions of a user. */
  forget(name: string): void {
    for (const [token, { user }] of this.#tokens) if (user === name) this.#tokens.delete(token)
  }

  forgetAll(): void {
    this.#tokens.clear()
  }

  #nowMs(): number {
    return this.#options.clock.monotonic() / 1e6
  }
}

function scrypt(password: string, salt: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    loadCrypto().scrypt(password, salt, HASH_BYTES, (error, hash) => (error === null ? resolve(hash) : reject(error)))
  })
}
