// Refusals, in Redis's own words.

/** The reply of a command that was refused; the text begins with the error's code. */
export class CommandError extends Error {
  constructor(text: string) {
    super(text)
    this.name = 'CommandError'
  }
}

export const SYNTAX_ERROR = 'ERR syntax error'
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range'
export const NOT_A_FLOAT = 'ERR value is not a valid float'
export const OUT_OF_RANGE = 'ERR index out of range'
export const NO_SUCH_KEY = 'ERR no such key'
export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'

/** @throws CommandError always. */
export function fail(text: string): never {
  throw new CommandError(text)
}

/** What an error shows of an argument: as C prints it, up to the first zero byte. */
export function shown(text: string, limit = text.length): string {
  const zero = text.indexOf('\0')
  return text.slice(0, zero === -1 ? limit : Math.min(zero, limit))
}

/** For options of a subcommand that are wrong. @throws CommandError always. */
export function failSubcommand([command = '', subcommand = '']: readonly string[]): never {
  return fail(
    `ERR unknown subcommand or wrong number of arguments for '${shown(subcommand, 128)}'. Try ${command.toUpperCase()} HELP.`,
  )
}
