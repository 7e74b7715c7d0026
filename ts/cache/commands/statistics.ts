// What INFO tells of commands and of errors (`commandstats`, `errorstats`), and LATENCY HISTOGRAM of times. What counts as what is
// Redis's (server.c, call and afterErrorReply): a command that was run and answered with an error has *failed*, one that was answered
// before it was run was *refused*, one that waits counts when its waiting is over.

/** What is known of the commands of one name. */
export interface CommandFigures {
  calls: number
  micros: number
  refused: number
  failed: number
  /** Calls of at most 2^n microseconds, by n. */
  readonly counts: number[]
}

/** Scripts may make up codes: of so many the errors are counted one by one, of others together. */
const MAX_CODES = 128
/** A longer first word of an error is no code. */
const MAX_CODE_LENGTH = 31

/** Figures since the start or CONFIG RESETSTAT. Each call is O(1). */
export class Statistics {
  /** By name, subcommands as `container|name`. */
  readonly commands = new Map<string, CommandFigures>()
  /** Errors by code, such as `WRONGTYPE`. */
  readonly errors = new Map<string, number>()
  errorCount = 0
  /** Keys that were deleted because their time had come. */
  expiredKeys = 0
  /** The error that is now written was counted already, by the command of a script that it comes from. Ended by `ran`. */
  isErrorKnown = false

  /** A command was run. @param error - Its reply where that was one. */
  ran(name: string, micros: number, error: string | undefined): void {
    const figures = this.#of(name)
    figures.calls++
    figures.micros += micros
    count(figures.counts, micros)
    if (error !== undefined) {
      figures.failed++
      if (!this.isErrorKnown) this.replied(error)
    }
    this.isErrorKnown = false
  }

  /** A command was not run. @param error - Why, as it was told. */
  refused(name: string, error: string): void {
    this.#of(name).refused++
    this.replied(error)
  }

  /** An error was told that belongs to no command. */
  replied(error: string): void {
    this.errorCount++
    const length = error.indexOf(' ')
    const code = length > 0 && length <= MAX_CODE_LENGTH ? error.slice(0, length) : 'ERR'
    const known = this.errors.get(code)
    if (known !== undefined || this.errors.size < MAX_CODES) this.errors.set(code, (known ?? 0) + 1)
  }

  reset(): void {
    this.commands.clear()
    this.errors.clear()
    this.errorCount = 0
    this.expiredKeys = 0
  }

  #of(name: string): CommandFigures {
    let figures = this.commands.get(name)
    if (figures === undefined) {
      figures = { calls: 0, micros: 0, refused: 0, failed: 0, counts: [] }
      this.commands.set(name, figures)
    }
    return figures
  }
}

function count(counts: number[], micros: number): void {
  const power = micros <= 1 ? 0 : 32 - Math.clz32(Math.min(Math.ceil(micros), 2 ** 31) - 1)
  while (counts.length <= power) counts.push(0)
  counts[power] = (counts[power] ?? 0) + 1
}
