// The command line of kvstore: its subcommands, each loaded when it is used.
import { Argument, type Command, InvalidArgumentError, Option } from 'commander'
import { runProgram, UsageError } from '../kit/program.ts'
import { type Context, contextFor, type GeneralOptions } from './context.ts'
import { FORMATS } from './formats/types.ts'
import type { ImportArguments } from './import.ts'
import type { RangeArguments } from './range.ts'

const NAME = 'kvstore'
const PAGE_SIZES = ['4096', '8192', '16384', '32768', '65536']
const DEFAULT_BATCH = 1000
const MAX_BATCH = 100_000
/** The arguments that name files and directories. */
const FILES: ReadonlySet<string> = new Set(['database', 'file', 'destination'])

const EXAMPLES = `
Examples:
  $ kvstore create mydb
  $ kvstore set mydb user:123 '{"name":"Alice"}'
  $ kvstore get mydb user:123
  $ kvstore range mydb user:100 user:200 --limit 10
  $ kvstore import mydb cities.csv --key id --json-rows
  $ kvstore stats mydb --json

A database is a directory. Ranges include FROM and end before TO. Put -- before keys and values that begin with a dash.
Exit status: 0 done, 1 failed or no such key, 2 wrong usage.`

/** Runs `kvstore ...args` and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  return runProgram(args.length === 0 ? ['--help'] : args, NAME, (program) => {
    program
      .description('A durable ordered key-value store: a B-tree in a directory.')
      .configureHelp({ showGlobalOptions: true })
      .addHelpText('after', EXAMPLES)
    addGeneralOptions(program)
    addPointCommands(program)
    addRange(program)
    addTransfer(program)
    addFigures(program)
    addMaintenance(program)
  })
}

function addGeneralOptions(program: Command): void {
  program.option('--json', 'print JSON: one document, or one a line; errors, too')
}

/** The options that several commands share, each offered only where it does something. */
const SHARED = {
  tree: () => new Option('--tree <name>', 'work on this named tree of the database'),
  hex: () => new Option('--hex', 'keys and values are given and printed in hexadecimal'),
  raw: () => new Option('--raw', 'print keys and values byte for byte, nothing escaped, and after get no line end'),
  durability: () =>
    new Option('--durability <level>', 'when a write counts as done').choices(['sync', 'os', 'memory']).default('sync'),
}

const TAKES: Readonly<Record<string, readonly (keyof typeof SHARED)[]>> = {
  set: ['tree', 'hex', 'durability'],
  get: ['tree', 'hex', 'raw'],
  delete: ['tree', 'hex', 'durability'],
  range: ['tree', 'hex', 'raw'],
  import: ['tree', 'durability'],
  export: ['tree'],
  inspect: ['hex'],
  compact: ['durability'],
}

function addPointCommands(program: Command): void {
  addCommand(program, 'create <database>', 'make an empty database')
    .addOption(new Option('--page-size <bytes>', 'size of a page; a key may have an eighth of it').choices(PAGE_SIZES))
    .action(async (path: string, options: { pageSize?: string }, command: Command) => {
      const { create } = await import('./point.ts')
      await create(contextOf(command), path, options)
    })
  addCommand(program, 'set <database> <key> [value]', 'write a value; - reads it from standard input', [
    'kvstore set mydb greeting hello',
    'kvstore set mydb photo --file photo.jpg',
    'printf %s "$TOKEN" | kvstore set mydb token -',
  ])
    .option('--file <file>', 'take the value from this file, byte for byte')
    .action(
      async (path: string, key: string, value: string | undefined, options: { file?: string }, command: Command) => {
        const { set } = await import('./point.ts')
        await set(contextOf(command), path, key, value, options)
      },
    )
  addCommand(program, 'get <database> <key>', 'print the value of a key; exit status 1 if there is none', [
    'kvstore get mydb greeting',
    'kvstore get mydb photo --raw > photo.jpg',
  ]).action(async (path: string, key: string, _options: object, command: Command) => {
    const { get } = await import('./point.ts')
    await get(contextOf(command), path, key)
  })
  addCommand(program, 'delete <database> <key>', 'remove a key; fine if it is not there').action(
    async (path: string, key: string, _options: object, command: Command) => {
      const { remove } = await import('./point.ts')
      await remove(contextOf(command), path, key)
    },
  )
}

function addRange(program: Command): void {
  addCommand(program, 'range <database> [from] [to]', 'print the entries from FROM (included) to TO (excluded)', [
    'kvstore range mydb user:100 user:200',
    'kvstore range mydb --reverse --limit 1     # the last entry',
    'kvstore range mydb user: user; --keys',
  ])
    .option('--reverse', 'from the last to the first')
    .option('--limit <count>', 'at most so many', wholeNumber(0))
    .addOption(new Option('--keys', 'keys alone').conflicts('values'))
    .option('--values', 'values alone')
    .action(
      async (
        path: string,
        from: string | undefined,
        to: string | undefined,
        options: RangeArguments,
        command: Command,
      ) => {
        const { range } = await import('./range.ts')
        await range(contextOf(command), path, from, to, options)
      },
    )
}

function addTransfer(program: Command): void {
  addCommand(program, 'import <database> [file]', 'write the entries of a file, or of standard input', [
    'kvstore import mydb users.ndjson           # lines of {"key":"user:1","value":"..."}',
    'kvstore import mydb cities.csv --key id --value name',
    'zcat cities.csv.gz | kvstore import mydb --format csv --key id --json-rows',
  ])
    .addOption(formatOption())
    .option('--key <field>', 'the field that is the key (default: "key")')
    .option('--value <field>', 'the field that is the value (default: "value")')
    .addOption(new Option('--json-rows', 'the value is the whole row, as a JSON object').conflicts('value'))
    .option('--batch <count>', 'entries written at once, all or none', wholeNumber(1, MAX_BATCH), DEFAULT_BATCH)
    .option('--skip-bad', 'leave out lines that cannot be read instead of stopping there')
    .action(async (path: string, file: string | undefined, options: ImportArguments, command: Command) => {
      const { importFile } = await import('./import.ts')
      await importFile(contextOf(command), path, file, options)
    })
  addCommand(program, 'export <database> [file]', 'print every entry of a tree, or write them to a file', [
    'kvstore export mydb > mydb.ndjson',
    'kvstore export mydb mydb.csv',
  ])
    .addOption(formatOption())
    .action(
      async (path: string, file: string | undefined, options: Pick<ImportArguments, 'format'>, command: Command) => {
        const { exportFile } = await import('./export.ts')
        await exportFile(contextOf(command), path, file, options)
      },
    )
}

function addFigures(program: Command): void {
  addCommand(program, 'stats <database>', 'print figures: keys, pages, cache, log').action(
    async (path: string, _options: object, command: Command) => {
      const { stats } = await import('./figures.ts')
      await stats(contextOf(command), path)
    },
  )
  addCommand(program, 'trees <database>', 'list the named trees').action(
    async (path: string, _options: object, command: Command) => {
      const { trees } = await import('./figures.ts')
      await trees(contextOf(command), path)
    },
  )
  addCommand(program, 'inspect <database> <what> [number]', 'show a page, bytes beside their meaning', [
    'kvstore inspect mydb meta                  # the two meta pages',
    'kvstore inspect mydb page 7',
  ])
    .addHelpText('after', '\nWHAT is meta, or page with a NUMBER.')
    .action(async (path: string, what: string, number: number | undefined, _options: object, command: Command) => {
      if (what !== 'meta' && what !== 'page')
        throw new UsageError(`there is no ${what} to inspect`, 'inspect meta, or page N')
      if ((what === 'page') !== (number !== undefined))
        throw new UsageError('inspect takes meta, or page with a number')
      const { inspectMeta, inspectPage } = await import('./inspect.ts')
      if (number === undefined) await inspectMeta(contextOf(command), path)
      else await inspectPage(contextOf(command), path, number)
    })
}

function addMaintenance(program: Command): void {
  addCommand(program, 'verify <database>', 'read everything and check every rule of the format').action(
    async (path: string, _options: object, command: Command) => {
      const { verify } = await import('./maintain.ts')
      await verify(contextOf(command), path)
    },
  )
  addCommand(program, 'compact <database>', 'rewrite the data file dense and give the rest back').action(
    async (path: string, _options: object, command: Command) => {
      const { compact } = await import('./maintain.ts')
      await compact(contextOf(command), path)
    },
  )
  addCommand(program, 'backup <database> <destination>', 'write a dense copy to a new directory').action(
    async (path: string, destination: string, _options: object, command: Command) => {
      const { backup } = await import('./maintain.ts')
      await backup(contextOf(command), path, destination)
    },
  )
}

function addCommand(program: Command, usage: string, description: string, examples: readonly string[] = []): Command {
  const [name = '', ...parameters] = usage.split(' ')
  const command = program.command(name).description(description)
  for (const parameter of parameters) command.addArgument(withParser(new Argument(parameter)))
  for (const option of TAKES[name] ?? []) command.addOption(SHARED[option]())
  if (examples.length > 0) {
    command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`)
  }
  return command
}

/** Names of files are not empty, and pages have numbers; keys and values may be anything. */
function withParser(argument: Argument): Argument {
  if (FILES.has(argument.name())) return argument.argParser(fileName)
  return argument.name() === 'number' ? argument.argParser(wholeNumber(0)) : argument
}

function fileName(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError('It must not be empty.')
}

function formatOption(): Option {
  return new Option('--format <format>', 'how the file is written (default: by its name)').choices(FORMATS)
}

function contextOf(command: Command): Context {
  return contextFor(command.optsWithGlobals<GeneralOptions>())
}

/** Parses an option that is a whole number in a range. */
function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value
    const upTo = maximum === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${maximum}`
    throw new InvalidArgumentError(`It must be a whole number, at least ${minimum}${upTo}.`)
  }
}
