// COMMAND: what the engine can do, as clients and proxies ask it.
import type { ReplyWriter } from '../../wire/resp/index.ts'
import { CATEGORIES } from '../acl/categories.ts'
import { Glob } from '../keyspace/glob.ts'
import type { Call, Handlers } from './call.ts'
import { isWord } from './call.ts'
import { fail, SYNTAX_ERROR } from './errors.ts'
import { help } from './help.ts'
import { hasKeys, type KeyReference, type KeySpec, keyReferences, keySpecsOf } from './key-specs.ts'
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
      // A command without subcommands is found with whatever follows.
      if (typeof command === 'string' || command.name !== name.toLowerCase()) call.reply.nilArray()
      else describe(call, command)
    }
  },

  'command|docs': ({ reply }) => reply.map(0),

  /** COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern] */
  'command|list'(call, args) {
    const { reply, engine } = call
    const passes = args.length === 2 ? () => true : filter(args)
    const all = [...engine.commands.values()].flatMap((command) => [command, ...command.subcommands.values()])
    reply.bulks(all.filter(passes).map(({ name }) => name))
  },

  'command|getkeys': (call, args) => {
    const given = args.slice(2)
    const keys = keysOf(call, given)
    call.reply.bulks(keys.map(({ position }) => given[position] as string))
  },

  'command|getkeysandflags': ({ reply, engine }, args) => {
    const given = args.slice(2)
    const keys = keysOf({ engine }, given)
    reply.array(keys.length)
    for (const { position, flags } of keys) {
      reply.array(2)
      reply.bulk(given[position] as string)
      tellFlags(reply, flags)
    }
  },

  'command|help': help('COMMAND', {
    '(no subcommand)': 'All commands, as INFO tells of them.',
    COUNT: 'How many commands there are.',
    'DOCS [<command-name> ...]': 'Nothing: the page of the cache says it.',
    'GETKEYS <full-command>': 'The keys of a command.',
    'GETKEYSANDFLAGS <full-command>': 'The keys of a command, and what it does to them.',
    'INFO [<command-name> ...]': 'Arity, flags, keys and categories of commands.',
    'LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]': 'The names of commands.',
  }),
}

/** The keys of a command that was given with all its arguments. */
function keysOf({ engine }: Pick<Call, 'engine'>, given: readonly string[]): readonly KeyReference[] {
  const command = engine.find(given)
  if (typeof command === 'string') fail('ERR Invalid command specified')
  const { arity, flags } = command
  if (!hasKeys(command)) fail('ERR The command has no key arguments')
  if (arity > 0 ? given.length !== arity : given.length < -arity) {
    fail('ERR Invalid number of arguments specified for command')
  }
  const keys = keyReferences(command, given)
  if (keys !== undefined && keys.length > 0) return keys
  return flags.has('no_mandatory_keys') ? [] : fail('ERR Invalid arguments specified for command')
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

/** Ten elements; tips are empty. */
function describe(call: Call, command: CommandInfo): void {
  const { reply } = call
  reply.array(10)
  reply.bulk(command.name)
  reply.integer(command.arity)
  tellFlags(reply, [...command.flags])
  reply.integer(command.firstKey)
  reply.integer(command.lastKey)
  reply.integer(command.step)
  const categories = CATEGORIES.filter((category) => command.categories.includes(category))
  tellFlags(
    reply,
    categories.map((category) => `@${category}`),
  )
  reply.array(0)
  const specs = keySpecsOf(command)
  reply.array(specs.length)
  for (const spec of specs) tellSpec(reply, spec)
  reply.array(command.subcommands.size)
  for (const subcommand of command.subcommands.values()) describe(call, subcommand)
}

function tellFlags(reply: ReplyWriter, flags: readonly string[]): void {
  reply.set(flags.length)
  for (const flag of flags) reply.simple(flag)
}

function tellSpec(reply: ReplyWriter, { flags, begin, find }: KeySpec): void {
  reply.map(3)
  reply.bulk('flags')
  tellFlags(reply, flags)
  reply.bulk('begin_search')
  if (begin.kind === 'index') tellRule(reply, 'index', { index: begin.index })
  else if (begin.kind === 'keyword') tellRule(reply, 'keyword', { keyword: begin.word, startfrom: begin.start })
  else tellRule(reply, 'unknown', {})
  reply.bulk('find_keys')
  if (find.kind === 'range') tellRule(reply, 'range', { lastkey: find.last, keystep: find.step, limit: find.limit })
  else if (find.kind === 'counted') tellRule(reply, 'keynum', { keynumidx: 0, firstkey: 1, keystep: 1 })
  else tellRule(reply, 'unknown', {})
}

function tellRule(reply: ReplyWriter, type: string, spec: Readonly<Record<string, string | number>>): void {
  reply.map(2)
  reply.bulk('type')
  reply.bulk(type)
  reply.bulk('spec')
  const fields = Object.entries(spec)
  reply.map(fields.length)
  for (const [name, value] of fields) {
    reply.bulk(name)
    if (typeof value === 'number') reply.integer(value)
    else reply.bulk(value)
  }
}
