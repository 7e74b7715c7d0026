// Logs for programs: one JSON object a line, in the field names of pino, so that its tools read them (docs/decisions/0011-service-kit.md).

/** How much a line matters, with the numbers that pino gives the levels. */
const LOG_LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const

/** A level by name. */
export type LogLevel = keyof typeof LOG_LEVELS

/** What belongs to a line beside its text. Never a password, never a value of a user. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** Where a server says what happens to it. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export interface LoggerOptions {
  /** The server's name, in every line. */
  readonly name: string
  /** Lines below it are not written. */
  readonly level: LogLevel
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Takes a whole line with its end. */
  readonly write: (line: string) => void
}

/** Makes a logger. */
export function createLogger({ name, level: lowest, now, write }: LoggerOptions): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (LOG_LEVELS[level] < LOG_LEVELS[lowest]) return
      write(`${JSON.stringify({ level: LOG_LEVELS[level], time: now(), name, ...fields, msg: message })}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
