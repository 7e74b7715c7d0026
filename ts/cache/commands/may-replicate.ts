// Which commands CLIENT PAUSE WRITE puts off: those that write, and those whose effects go to replicas in another way.
import { functionFlags } from './functions.ts'
import type { Host } from './host.ts'
import { scriptFlags } from './scripting.ts'
import type { Session } from './session.ts'
import type { CommandSpec } from './specs.ts'

/** Commands that write nothing to the keyspace, and yet tell replicas something (the flag MAY_REPLICATE of Redis). */
const MAY_REPLICATE: ReadonlySet<string> = new Set(['publish', 'spublish', 'pfcount'])

/** Whether a command could change anything, here or at a replica. EXEC could what one of its commands could. */
export function mayReplicate(engine: Host, session: Session, command: CommandSpec, args: readonly string[]): boolean {
  const { name, flags } = command
  if (flags.has('write') || MAY_REPLICATE.has(name)) return true
  switch (name) {
    case 'exec':
      return session.transaction?.queue.some((each) => mayReplicate(engine, session, each.command, each.args)) === true
    case 'eval':
    case 'eval_ro':
    case 'evalsha':
    case 'evalsha_ro': {
      const declared = scriptFlags(engine, name, args[1] as string)
      // Without flags of its own a script may do what its command lets it.
      if (declared === undefined || declared.isUndeclared) return !name.endsWith('_ro')
      return !declared.names.has('no-writes')
    }
    case 'fcall':
    case 'fcall_ro':
      return functionFlags(engine, args[1] as string)?.has('no-writes') !== true
    default:
      return false
  }
}
