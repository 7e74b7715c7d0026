export const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.'
const NO_PASSWORD =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?'

/** What clients have to give with AUTH as the user `default`. */
export class Password {
  /** '' for nothing. */
  text: string

  constructor(text: string) {
    this.text = text
  }

  get isRequired(): boolean {
    return this.text !== ''
  }

  /** Compares in a time that does not tell where passwords differ. @returns The error; undefined if it is right. */
  check(user: string | undefined, password: string): string | undefined {
    if (!this.isRequired && user === undefined) return NO_PASSWORD
    if ((user ?? 'default') !== 'default') return WRONG_PASSWORD
    return !this.isRequired || equalsSlowly(password, this.text) ? undefined : WRONG_PASSWORD
  }
}

function equalsSlowly(given: string, right: string): boolean {
  let difference = given.length ^ right.length
  for (let i = 0; i < given.length; i++) difference |= given.charCodeAt(i) ^ right.charCodeAt(i % right.length)
  return difference === 0
}
