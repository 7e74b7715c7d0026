import type { Handler } from './call.ts'
import type { CommandSpec } from './specs.ts'

/** A command that can be run. */
export interface Command extends CommandSpec {
  readonly handler: Handler
  /** Of a container such as OBJECT, by name in lower case. */
  readonly subcommands: ReadonlyMap<string, Command>
}
