import { loadCrypto } from '../../io/random.ts'
import { splitInline } from '../../wire/resp/index.ts'
import type { CommandSpec } from '../commands/specs.ts'

import { type Denial, type Request, Selector, SYNTAX } from './selector.ts'

const BAD_HASH = 'The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters'
const NO_SUCH_PASSWORD = 'The password you are trying to remove from the user does not exist'
const RANK: Readonly<Record<Denial['reason'], number>> = { command: 1, key: 2, channel: 3 }

/** What `acl-pubsub-default` says: whether a new user has all channels or none. */
export type ChannelDefault = 'allchannels' | 'resetchannels'

/** A user and what it may do. Sessions hold the same object, so that what changes holds for them at once. */
export class User {
  readonly name: string
  /** Nothing is forbidden: all that a command of such a user costs. Kept up to date with the rules. */
  isAllPowerful = false
  /** It can log in. */
  isEnabled = false
  /** It logs in with any password. */
  isOpen = false
  #skipsSanitizing = false
  /** SHA-256 of passwords, hexadecimal. */
  #passwords: string[] = []
  /** The first one is that of the rules outside of parentheses. */
  #selectors: Selector[] = [new Selector()]

  constructor(name: string, channels: ChannelDefault = 'resetchannels') {
    this.name = name
    this.apply(channels, channels)
  }

  get passwords(): readonly string[] {
    return this.#passwords
  }

  get selectors(): readonly Selector[] {
    return this.#selectors
  }

  /** Why it may not run a command; undefined if it may. Of several reasons the one that came closest. */
  denial(command: CommandSpec, args: readonly string[]): Denial | undefined {
    if (this.isAllPowerful) return undefined
    const request: Request = { command, args, keys: undefined }
    let denial: Denial | undefined
    for (const selector of this.#selectors) {
      const found = selector.denial(request)
      if (found === undefined) return undefined
      if (denial === undefined || isCloser(found, denial)) denial = found
    }
    return denial
  }

  /** Whether it may run a command on any key whatever that is read. */
  mayReadEverything(command: CommandSpec, args: readonly string[]): boolean {
    if (this.isAllPowerful) return true
    return this.#selectors.some(
      (selector) => selector.readsEveryKey && selector.denial({ command, args, keys: undefined }) === undefined,
    )
  }

  /** Whether a password is one of its own; compared in a time that tells nothing. */
  knows(password: string): boolean {
    const { timingSafeEqual } = loadCrypto()
    const given = Buffer.from(hashPassword(password))
    let isKnown = false
    for (const each of this.#passwords) if (timingSafeEqual(given, Buffer.from(each))) isKnown = true
    return this.isOpen || isKnown
  }

  /**
   * Applies one rule.
   * @param channels - What `reset` gives.
   * @returns What is wrong with it; undefined if it was applied.
   */
  apply(rule: string, channels: ChannelDefault): string | undefined {
    const problem = this.#apply(rule, channels)
    this.isAllPowerful = this.#selectors.some(({ allowsEverything }) => allowsEverything)
    return problem
  }

  /** Becomes as another one is, but for the name. */
  become(other: User): void {
    this.isEnabled = other.isEnabled
    this.isOpen = other.isOpen
    this.isAllPowerful = other.isAllPowerful
    this.#skipsSanitizing = other.#skipsSanitizing
    this.#passwords = [...other.#passwords]
    this.#selectors = other.#selectors.map((selector) => selector.clone())
  }

  /** Flags, as ACL GETUSER and ACL LIST tell them. */
  flags(): string[] {
    const flags = [this.isEnabled ? 'on' : 'off']
    if (this.isOpen) flags.push('nopass')
    if (this.#skipsSanitizing) flags.push('skip-sanitize-payload')
    return flags
  }

  /** All of it as rules that lead to the same. */
  describe(): string {
    const passwords = this.#passwords.map((hash) => `#${hash}`)
    const [root, ...others] = this.#selectors.map((selector) => selector.describe())
    return [...this.flags(), ...passwords, root, ...others.map((selector) => `(${selector})`)].join(' ')
  }

  #apply(rule: string, channels: ChannelDefault): string | undefined {
    const argument = rule.slice(1)
    switch (rule[0]) {
      case undefined:
        return undefined
      case '>':
        return this.#addPassword(hashPassword(argument))
      case '#':
        return isHash(argument) ? this.#addPassword(argument) : BAD_HASH
      case '<':
        return this.#removePassword(hashPassword(argument))
      case '!':
        return isHash(argument) ? this.#removePassword(argument) : BAD_HASH
      case '(':
        return rule.endsWith(')') ? this.#addSelector(rule.slice(1, -1)) : SYNTAX
      default:
        return this.#applyWord(rule, channels)
    }
  }

  #applyWord(rule: string, channels: ChannelDefault): string | undefined {
    switch (rule.toLowerCase()) {
      case 'on':
        this.isEnabled = true
        return undefined
      case 'off':
        this.isEnabled = false
        return undefined
      case 'nopass':
        this.isOpen = true
        this.#passwords = []
        return undefined
      case 'resetpass':
        this.isOpen = false
        this.#passwords = []
        return undefined
      case 'skip-sanitize-payload':
        this.#skipsSanitizing = true
        return undefined
      case 'sanitize-payload':
        this.#skipsSanitizing = false
        return undefined
      case 'clearselectors':
        this.#selectors.length = 1
        return undefined
      case 'reset':
        this.become(new User(this.name, channels))
        return undefined
      default:
        return (this.#selectors[0] as Selector).apply(rule)
    }
  }

  #addPassword(hash: string): undefined {
    if (!this.#passwords.includes(hash)) this.#passwords.push(hash)
    this.isOpen = false
  }

  #removePassword(hash: string): string | undefined {
    const index = this.#passwords.indexOf(hash)
    if (index === -1) return NO_SUCH_PASSWORD
    this.#passwords.splice(index, 1)
    return undefined
  }

  #addSelector(text: string): string | undefined {
    const selector = new Selector()
    for (const rule of splitInline(text) ?? []) {
      const problem = selector.apply(rule)
      if (problem !== undefined) return problem
    }
    this.#selectors.push(selector)
    return undefined
  }
}

function isCloser(a: Denial, b: Denial): boolean {
  return RANK[a.reason] > RANK[b.reason] || (a.reason === b.reason && a.position > b.position)
}

function isHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

/** SHA-256, hexadecimal. @param password - One character of 0 to 255 a byte. */
function hashPassword(password: string): string {
  return loadCrypto().createHash('sha256').update(password, 'latin1').digest('hex')
}
