// The command line of kvstore: its subcommands, each loaded when it is used.
import { type Command, Option } from 'commander'
import { runProgram, UsageError } from '../kit/program.ts'
import { StoreCommandLine } from '../ordered/command-line.ts'
import { type BTreeBytes, KVSTORE } from './store.ts'

const PAGE_SIZES = ['4096', '8192', '16384', '32768', '65536']

const EXAMPLES = `
Examples:
  $ kvstore create mydb
  $ kvstore set mydb user:123 '{"name":"Alice"}'
  $ kvstore get mydb user:123
  $ kvstore range mydb user:100 user:200
  $ kvstore import mydb cities.csv --key id --json-rows
  $ kvstore stats mydb --json

A database is a directory. Ranges include FROM and end before TO. Put -- before keys and values that begin with a dash.
Exit status: 0 done, 1 failed or no such key, 2 wrong usage.`

/** Runs `kvstore ...args` and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  return runProgram(args.length === 0 ? ['--help'] : args, KVSTORE.name, (program) => {
    program.description('A durable ordered key-value store: a B-tree in a directory.').addHelpText('after', EXAMPLES)
    const line = new StoreCommandLine(program, KVSTORE)
    addCreate(line)
    line.addPointCommands()
    line.addRange()
    line.addTransfer()
    addFigures(line)
    addMaintenance(line)
  })
}

type CommandLine = StoreCommandLine<BTreeBytes>

function addCreate(line: CommandLine): void {
  line
    .add('create <database>', 'make an empty database')
    .addOption(new Option('--page-size <bytes>', 'size of a page; a key may have an eighth of it').choices(PAGE_SIZES))
    .action(async (path: string, options: { pageSize?: string }, command: Command) => {
      const { create } = await import('./maintain.ts')
      await create(line.contextOf(command), path, options)
    })
}

function addFigures(line: CommandLine): void {
  line
    .add('stats <database>', 'print figures: keys, pages, cache, log')
    .action(async (path: string, _options: object, command: Command) => {
      const { stats } = await import('./figures.ts')
      await stats(line.contextOf(command), path)
    })
  line
    .add('trees <database>', 'list the named trees')
    .action(async (path: string, _options: object, command: Command) => {
      const { trees } = await import('./figures.ts')
      await trees(line.contextOf(command), path)
    })
  line
    .add('inspect <database> <what> [number]', 'show a page, bytes beside their meaning', [
      'inspect mydb meta                  # the two meta pages',
      'inspect mydb page 7',
    ])
    .addHelpText('after', '\nWHAT is meta, or page with a NUMBER.')
    .action(async (path: string, what: string, number: number | undefined, _options: object, command: Command) => {
      if (what !== 'meta' && what !== 'page')
        throw new UsageError(`there is no ${what} to inspect`, 'inspect meta, or page N')
      if ((what === 'page') !== (number !== undefined))
        throw new UsageError('inspect takes meta, or page with a number')
      const { inspectMeta, inspectPage } = await import('./inspect.ts')
      if (number === undefined) await inspectMeta(line.contextOf(command), path)
      else await inspectPage(line.contextOf(command), path, number)
    })
}

function addMaintenance(line: CommandLine): void {
  line
    .add('verify <database>', 'read everything and check every rule of the format')
    .action(async (path: string, _options: object, command: Command) => {
      const { verify } = await import('./maintain.ts')
      await verify(line.contextOf(command), path)
    })
  line
    .add('compact <database>', 'rewrite the data file dense and give the rest back')
    .action(async (path: string, _options: object, command: Command) => {
      const { compact } = await import('./maintain.ts')
      await compact(line.contextOf(command), path)
    })
  line
    .add('backup <database> <destination>', 'write a dense copy to a new directory')
    .action(async (path: string, destination: string, _options: object, command: Command) => {
      const { backup } = await import('./maintain.ts')
      await backup(line.contextOf(command), path, destination)
    })
}
