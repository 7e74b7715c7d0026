// The categories of commands, and which commands each of them holds: https://redis.io/docs/management/security/acl/
import { COMMAND_SPECS, type CommandSpec } from '../commands/specs.ts'

/** In the order in which Redis tells them. */
export const CATEGORIES: readonly string[] = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
]

/** Commands and subcommands of each category, in the order of the table. */
export const COMMANDS_OF: ReadonlyMap<string, readonly CommandSpec[]> = new Map(
  CATEGORIES.map((category) => [
    category,
    [...COMMAND_SPECS.values()].filter(({ categories }) => categories.includes(category)),
  ]),
)

/** The subcommands of each container. */
export const SUBCOMMANDS_OF: ReadonlyMap<string, readonly string[]> = subcommands()

function subcommands(): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const name of COMMAND_SPECS.keys()) {
    const [container = '', subcommand] = name.split('|')
    if (subcommand !== undefined) found.set(container, [...(found.get(container) ?? []), name])
  }
  return found
}
