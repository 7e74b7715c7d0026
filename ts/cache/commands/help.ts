import type { Call, Handler } from './call.ts'

/**
 * The HELP of a container, in the layout of Redis: the usage, then each subcommand with what it does behind it, HELP last.
 *
 * @param name - Of the container, in upper case.
 * @param subcommands - Each with its arguments, and one line or several on what it does.
 */
export function help(name: string, subcommands: Readonly<Record<string, string | readonly string[]>>): Handler {
  const lines = [`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`]
  for (const [usage, does] of Object.entries({ ...subcommands, HELP: 'Prints this help.' })) {
    lines.push(usage, ...[does].flat().map((line) => `    ${line}`))
  }
  return ({ reply }: Call) => {
    reply.array(lines.length)
    for (const line of lines) reply.simple(line)
  }
}
