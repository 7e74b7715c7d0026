// The command line of a store's command: what kvstore and lsmstore share. Every subcommand is loaded when it is used.
import { Argument, type Command, InvalidArgumentError, Option } from 'commander'
import { type ByteStore, type Context, contextFor, type GeneralOptions, type StoreCommand } from './context.ts'
import { FORMATS } from './formats/types.ts'
import type { ImportArguments } from './import.ts'
import type { RangeArguments } from './range.ts'

const DEFAULT_BATCH = 1000
const MAX_BATCH = 100_000
/** The arguments that name files and directories. */
const FILES: ReadonlySet<string> = new Set(['database', 'file', 'files', 'destination', 'path'])

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
  increment: ['tree', 'hex', 'durability'],
  append: ['tree', 'hex', 'durability'],
  load: ['tree', 'durability'],
  import: ['tree', 'durability'],
  export: ['tree'],
  inspect: ['hex'],
  compact: ['durability'],
  shell: ['tree', 'durability'],
}

/** A command line of which the subcommands are added one by one. */
export class StoreCommandLine<S extends ByteStore> {
  private readonly program: Command
  private readonly command: StoreCommand<S>

  constructor(program: Command, command: StoreCommand<S>) {
    this.program = program
    this.command = command
    program
      .configureHelp({ showGlobalOptions: true })
      .option('--json', 'print JSON: one document, or one a line; errors, too')
  }

  /** @param examples - Without the name of the command. */
  add(usage: string, description: string, examples: readonly string[] = []): Command {
    const [name = '', ...parameters] = usage.split(' ')
    const command = this.program.command(name).description(description)
    for (const parameter of parameters) command.addArgument(withParser(new Argument(parameter)))
    for (const option of TAKES[name] ?? []) command.addOption(SHARED[option]())
    if (examples.length > 0) {
      const lines = examples.map((line) => `  $ ${line.replace(/^(.*\| )?/, `$1${this.command.name} `)}`)
      command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
    }
    return command
  }

  contextOf(command: Command): Context<S> {
    return contextFor(this.command, command.optsWithGlobals<GeneralOptions>())
  }

  addPointCommands(): void {
    this.add('set <database> <key> [value]', 'write a value; - reads it from standard input', [
      'set mydb greeting hello',
      'set mydb photo --file photo.jpg',
      'printf %s "$TOKEN" | set mydb token -',
    ])
      .option('--file <file>', 'take the value from this file, byte for byte')
      .action(
        async (path: string, key: string, value: string | undefined, options: { file?: string }, command: Command) => {
          const { set } = await import('./point.ts')
          await set(this.contextOf(command), path, key, value, options)
        },
      )
    this.add('get <database> <key>', 'print the value of a key; exit status 1 if there is none', [
      'get mydb greeting',
      'get mydb photo --raw > photo.jpg',
    ]).action(async (path: string, key: string, _options: object, command: Command) => {
      const { get } = await import('./point.ts')
      await get(this.contextOf(command), path, key)
    })
    this.add('delete <database> <key>', 'remove a key; fine if it is not there').action(
      async (path: string, key: string, _options: object, command: Command) => {
        const { remove } = await import('./point.ts')
        await remove(this.contextOf(command), path, key)
      },
    )
  }

  addRange(): void {
    this.add('range <database> [from] [to]', 'print the entries from FROM (included) to TO (excluded)', [
      'range mydb user:100 user:200',
      'range mydb --reverse --limit 1     # the last entry',
      'range mydb --prefix user: --keys',
    ])
      .option('--prefix <start>', 'those whose keys begin so, instead of FROM and TO')
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
          await range(this.contextOf(command), path, from, to, options)
        },
      )
  }

  addTransfer(): void {
    withImportOptions(
      this.add('import <database> [file]', 'write the entries of a file, or of standard input', [
        'import mydb users.ndjson           # lines of {"key":"user:1","value":"..."}',
        'import mydb cities.csv --key id --value name',
        'zcat cities.csv.gz | import mydb --format csv --key id --json-rows',
      ]),
    ).action(async (path: string, file: string | undefined, options: ImportArguments, command: Command) => {
      const { importFiles } = await import('./import.ts')
      await importFiles(this.contextOf(command), path, file === undefined ? [] : [file], options)
    })
    this.add('export <database> [file]', 'print every entry of a tree, or write them to a file', [
      'export mydb > mydb.ndjson',
      'export mydb mydb.csv',
    ])
      .addOption(formatOption())
      .action(
        async (path: string, file: string | undefined, options: Pick<ImportArguments, 'format'>, command: Command) => {
          const { exportFile } = await import('./export.ts')
          await exportFile(this.contextOf(command), path, file, options)
        },
      )
  }
}

/** An option that is the same wherever it is offered. */
export function sharedOption(name: keyof typeof SHARED): Option {
  return SHARED[name]()
}

/** True if the subcommand `name` works on the tree that --tree names. */
export function takesTree(name: string): boolean {
  return TAKES[name]?.includes('tree') === true
}

/** What reads files of entries takes. */
export function withImportOptions(command: Command): Command {
  return command
    .addOption(formatOption())
    .option('--key <field>', 'the field that is the key (default: "key")')
    .option('--value <field>', 'the field that is the value (default: "value")')
    .addOption(new Option('--json-rows', 'the value is the whole row, as a JSON object').conflicts('value'))
    .option('--batch <count>', 'entries written at once, all or none', wholeNumber(1, MAX_BATCH), DEFAULT_BATCH)
    .option('--skip-bad', 'leave out lines that cannot be read instead of stopping there')
    .option('--acks', 'say after each batch how many entries are acknowledged')
}

function formatOption(): Option {
  return new Option('--format <format>', 'how the file is written (default: by its name)').choices(FORMATS)
}

/** Names of files are not empty, and pages have numbers; keys and values may be anything. */
function withParser(argument: Argument): Argument {
  if (argument.name() === 'number') return argument.argParser(wholeNumber(0))
  if (!FILES.has(argument.name())) return argument
  if (!argument.variadic) return argument.argParser(fileName)
  return argument.argParser((text: string, before: string[] = []) => [...before, fileName(text)])
}

function fileName(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError('It must not be empty.')
}

/** Parses an option that is a whole number in a range. */
export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value
    const upTo = maximum === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${maximum}`
    throw new InvalidArgumentError(`It must be a whole number, at least ${minimum}${upTo}.`)
  }
}
