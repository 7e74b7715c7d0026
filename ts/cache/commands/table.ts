// Specs and handlers, put together.
import { ACL_COMMANDS } from './acl.ts'
import { BITMAP_COMMANDS } from './bitmaps.ts'
import type { Handlers } from './call.ts'
import { CLUSTER_COMMANDS } from './cluster.ts'
import type { Command } from './command.ts'
import { CONNECTION_COMMANDS } from './connection.ts'
import { DEBUG_COMMANDS } from './debug.ts'
import { DUMP_COMMANDS } from './dump.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { EXPIRY_COMMANDS } from './expiry.ts'
import { FUNCTION_COMMANDS } from './functions.ts'
import { GEO_COMMANDS } from './geo.ts'
import { HASH_COMMANDS } from './hashes.ts'
import { HELP_COMMANDS } from './helps.ts'
import { HYPERLOGLOG_COMMANDS } from './hyperloglogs.ts'
import { INTROSPECTION_COMMANDS } from './introspection.ts'
import { KEY_COMMANDS } from './keys.ts'
import { LIST_COMMANDS } from './lists.ts'
import { MEMORY_COMMANDS } from './memory.ts'
import { MIGRATE_COMMANDS } from './migrate.ts'
import { MONITOR_COMMANDS } from './monitor.ts'
import { PERSISTENCE_COMMANDS } from './persistence.ts'
import { PUBSUB_COMMANDS } from './pubsub.ts'
import { REPLICATION_COMMANDS } from './replication.ts'
import { SCAN_COMMANDS } from './scan.ts'
import { SCRIPTING_COMMANDS } from './scripting.ts'
import { SERVER_COMMANDS } from './server.ts'
import { SET_COMMANDS } from './sets.ts'
import { SLOW_COMMANDS } from './slow-commands.ts'
import { SORT_COMMANDS } from './sort.ts'
import { SORTED_SET_COMMANDS } from './sorted-sets.ts'
import { COMMAND_SPECS } from './specs.ts'
import { STREAM_COMMANDS } from './streams.ts'
import { STRING_COMMANDS } from './strings.ts'
import { TRACKING_COMMANDS } from './tracking.ts'
import { TRANSACTION_COMMANDS } from './transactions.ts'

const GROUPS: readonly Handlers[] = [
  CONNECTION_COMMANDS,
  SERVER_COMMANDS,
  MEMORY_COMMANDS,
  TRACKING_COMMANDS,
  SLOW_COMMANDS,
  INTROSPECTION_COMMANDS,
  KEY_COMMANDS,
  EXPIRY_COMMANDS,
  DUMP_COMMANDS,
  MIGRATE_COMMANDS,
  PERSISTENCE_COMMANDS,
  REPLICATION_COMMANDS,
  SCAN_COMMANDS,
  STRING_COMMANDS,
  BITMAP_COMMANDS,
  HASH_COMMANDS,
  LIST_COMMANDS,
  SET_COMMANDS,
  SORTED_SET_COMMANDS,
  TRANSACTION_COMMANDS,
  SCRIPTING_COMMANDS,
  FUNCTION_COMMANDS,
  PUBSUB_COMMANDS,
  SORT_COMMANDS,
  STREAM_COMMANDS,
  HYPERLOGLOG_COMMANDS,
  GEO_COMMANDS,
  CLUSTER_COMMANDS,
  DEBUG_COMMANDS,
  MONITOR_COMMANDS,
  ACL_COMMANDS,
  HELP_COMMANDS,
]

/** All commands by name, containers with their subcommands. */
export const COMMANDS: ReadonlyMap<string, Command> = buildTable()

function buildTable(): Map<string, Command> {
  const handlers = new Map(GROUPS.flatMap((group) => Object.entries(group)))
  const table = new Map<string, Command>()
  for (const spec of COMMAND_SPECS.values()) {
    const [container = '', name] = spec.name.split('|')
    const handler = handlers.get(spec.name) ?? refuse
    if (name === undefined) table.set(spec.name, { ...spec, handler, subcommands: new Map() })
    else {
      const subcommands = table.get(container)?.subcommands as Map<string, Command>
      subcommands.set(name, { ...spec, handler, subcommands: new Map() })
    }
  }
  return table
}

/** For containers, whose handlers are never run: an unknown subcommand is refused before. */
function refuse(): never {
  return fail(SYNTAX_ERROR)
}
