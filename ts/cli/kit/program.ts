// What every command has in common: parsing, help, errors on standard error, exit statuses.
import { readFileSync } from 'node:fs'
import type { Command, CommanderError } from 'commander'
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import { PACKAGE_URL } from '../../base/package.ts'
import { complain, Output, ReaderGone } from './output.ts'
import { paint } from './style.ts'

/** The exit statuses that every command keeps to. A command that a signal ends gives 128 plus the signal's number. */
const EXIT = { done: 0, failed: 1, wrongUsage: 2 } as const

/** The command line cannot be understood. */
export class UsageError extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** The command stopped in order because of a signal; it has told how far it came. */
export class Interrupted extends Error {
  readonly exitStatus: number

  constructor(exitStatus: number) {
    super('interrupted')
    this.exitStatus = exitStatus
  }
}

/** What went wrong, for people and (with --json) for programs. */
interface Failure {
  code: ErrorCode
  message: string
  hint?: string | undefined
}

/**
 * Parses `args` with commander and runs the action that belongs to them.
 * @param name - The program's name in its messages.
 * @param define - Adds options, arguments and actions. An action that fails throws; what it leaves in `out` is flushed.
 * @returns The exit status; a failure has been explained on standard error.
 */
export async function runProgram(
  args: readonly string[],
  name: string,
  define: (program: Command, out: Output) => void,
): Promise<number> {
  const { Command, CommanderError } = await import('commander')
  const program = new Command(name).version(packageVersion(), '-V, --version')
  const out = new Output()
  const help: string[] = []
  let current = name
  // Before the subcommands are made: they inherit both.
  program.exitOverride().configureOutput({ writeOut: (text) => help.push(text), outputError: () => {} })
  define(program, out)
  program.hook('preSubcommand', (_program, subcommand) => {
    current = `${name} ${subcommand.name()}`
  })
  return conclude(args, name, async () => {
    await program.parseAsync(args, { from: 'user' }).catch((error: unknown) => {
      if (!(error instanceof CommanderError)) throw error
      // With 0 it ends after --help and --version.
      if (error.exitCode !== 0) throw asUsageError(error, current)
    })
    await out.write(help.join(''))
    await out.flush()
  })
}

/**
 * Does what a command is there for.
 * @param args - What it was called with: with --json among them, a failure is told as JSON.
 * @returns The exit status; a failure has been explained on standard error.
 */
export async function conclude(args: readonly string[], name: string, action: () => Promise<void>): Promise<number> {
  try {
    await action()
    return EXIT.done
  } catch (error) {
    if (error instanceof ReaderGone) return EXIT.done
    const { failure, status } = explain(error)
    complain(wantsJson(args) ? `${JSON.stringify({ error: failure })}\n` : describe(failure, name))
    return status
  }
}

/** The version in package.json. */
export function packageVersion(): string {
  const text = readFileSync(new URL('package.json', PACKAGE_URL), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** Commander has no line for it when the arguments are wrong, so the hint leads to the help. */
function asUsageError(error: CommanderError, name: string): UsageError {
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  const meant = /^\(Did you mean (.*)\?\)$/.exec(suggestion ?? '')?.[1]
  return new UsageError(message, meant === undefined ? `${name} --help lists what there is` : `did you mean ${meant}?`)
}

function explain(error: unknown): { failure: Failure; status: number } {
  if (error instanceof UsageError) {
    return {
      failure: { code: 'INVALID_INPUT', message: error.message, hint: error.hint },
      status: EXIT.wrongUsage,
    }
  }
  if (error instanceof Interrupted) {
    return { failure: { code: 'UNAVAILABLE', message: error.message }, status: error.exitStatus }
  }
  if (error instanceof BedplateError) {
    const { code, message, hint } = error
    return { failure: { code, message, hint }, status: EXIT.failed }
  }
  // Anything else is a bug, so with its stack.
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { failure: { code: 'INTERNAL', message: text }, status: EXIT.failed }
}

function describe({ message, hint }: Failure, name: string): string {
  const style = paint(process.stderr)
  const lines = [`${style('red', `${name}:`)} ${message}`]
  if (hint !== undefined) lines.push(`${style('dim', 'hint:')} ${hint}`)
  return `${lines.join('\n')}\n`
}

/** Looked up by hand: arguments that could not be parsed want their answer in JSON, too. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args.slice(0, end < 0 ? args.length : end).includes('--json')
}
