// COMMAND: what the engine can do, as clients and proxies ask it.
import { Glob } from '../keyspace/glob.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { keyPositions } from './key-positions.ts'
import type { CommandInfo } from './specs.ts'

export const INTROSPECTION_COMMANDS: Handlers = {
  command(call) {
    const commands = [...call.engine.commands.values()]
    call.reply.array(commands.length)
    for (const command of commands) describe(call, command)
  },

  'command|count': (call) => call.reply.integer(call.engine.commands.size),

  'command|info'(call, args) {
    const names = args.length > 2 ? args.slice(2) : [...call.engine.commands.keys()]
    call.reply.array(names.length)
    for (const name of names) {
      const command = call.engine.find(name.split('|'))
      if (typeof command === 'string') call.reply.nilArray()
      else describe(call, command)
    }
  },

  'command|docs': ({ reply }) => reply.map(0),

  /** COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern] */
  'command|list'(call, args) {
    const { reply, engine } = call
    const passes = args.length === 2 ? () => true : filter(args)
    reply.bulks([...engine.commands.values()].filter(passes).map(({ name }) => name))
  },

  'command|getkeys'(call, args) {
    const given = args.slice(2)
    const command = call.engine.find(given)
    if (typeof command === 'string') fail('ERR Invalid command specified')
    const { arity, firstKey, flags } = command
    if (firstKey === 0 && !flags.has('movablekeys')) fail('ERR The command has no key arguments')
    if (arity > 0 ? given.length !== arity : given.length < -arity) {
      fail('ERR Invalid number of arguments specified for command')
    }
    const positions = keyPositions(command, given) ?? fail('ERR Invalid arguments specified for command')
    call.reply.bulks(positions.map((position) => given[position] as string))
  },
}

function filter(args: readonly string[]): (command: CommandInfo) => boolean {
  const [, , by, kind, value = ''] = args
  if (args.length !== 5 || !isWord(by, 'FILTERBY')) fail(SYNTAX_ERROR)
  if (isWord(kind, 'MODULE')) return () => false
  if (isWord(kind, 'ACLCAT')) return ({ categories }) => categories.includes(value.toLowerCase())
  if (!isWord(kind, 'PATTERN')) fail(SYNTAX_ERROR)
  const glob = new Glob(value)
  return ({ name }) => glob.matches(name)
}

/** Ten elements; tips and key specifications are empty. */
function describe(call: Call, command: CommandInfo): void {
  const { reply } = call
  reply.array(10)
  reply.bulk(command.name)
  reply.integer(command.arity)
  reply.set(command.flags.size)
  for (const flag of command.flags) reply.simple(flag)
  reply.integer(command.firstKey)
  reply.integer(command.lastKey)
  reply.integer(command.step)
  reply.set(command.categories.length)
  for (const category of command.categories) reply.simple(`@${category}`)
  reply.array(0)
  reply.array(0)
  reply.array(command.subcommands.size)
  for (const subcommand of command.subcommands.values()) describe(call, subcommand)
}
