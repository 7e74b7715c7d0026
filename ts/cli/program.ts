import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { BedplateError } from '../base/errors.ts'

/** The exit statuses that every command keeps to. */
export const EXIT = { done: 0, failed: 1, wrongUsage: 2 } as const

/**
 * Parses `args` with commander and runs the action that belongs to them.
 * @param name - The program's name in its messages.
 * @param define - Adds options, arguments and actions. An action that fails throws.
 * @returns The exit status; a failure has been explained on standard error.
 */
export async function runProgram(
  args: readonly string[],
  name: string,
  define: (program: Command) => void,
): Promise<number> {
  const { Command, CommanderError } = await import('commander')
  const program = new Command(name).version(packageVersion(), '-V, --version')
  define(program)
  for (const command of [program, ...program.commands]) command.exitOverride()
  try {
    await program.parseAsync(args, { from: 'user' })
    return EXIT.done
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.wrongUsage
    process.stderr.write(`${name}: ${explain(error)}\n`)
    return EXIT.failed
  }
}

/** The version in package.json. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** One of ours with its hint; anything else is a bug, so with its stack. */
function explain(error: unknown): string {
  if (!(error instanceof BedplateError)) return error instanceof Error ? (error.stack ?? error.message) : String(error)
  return error.hint === undefined ? error.message : `${error.message}\n  ${error.hint}`
}
