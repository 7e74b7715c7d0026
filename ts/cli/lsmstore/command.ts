// The command line of lsmstore: its subcommands, each loaded when it is used.
import { type Command, Option } from 'commander'
import { runProgram } from '../kit/program.ts'
import { StoreCommandLine, sharedOption, wholeNumber, withImportOptions } from '../ordered/command-line.ts'
import type { StoreCommand } from '../ordered/context.ts'
import type { ImportArguments } from '../ordered/import.ts'
import type { InspectArguments } from './inspect.ts'
import type { CreateArguments } from './maintain.ts'
import { LSMSTORE, type LsmBytes } from './store.ts'
import type { WatchArguments } from './watch.ts'

const EXAMPLES = `
Examples:
  $ lsmstore create mydb
  $ lsmstore set mydb user:123 '{"name":"Alice"}'
  $ lsmstore load mydb pairs.tsv
  $ lsmstore get mydb user:123
  $ lsmstore range mydb user:100 user:200
  $ lsmstore stats mydb

A database is a directory. Ranges include FROM and end before TO. Put -- before keys and values that begin with a dash.
Exit status: 0 done, 1 failed or no such key, 2 wrong usage.`

/** Runs `lsmstore ...args` and gives its exit status. @param command - How stores are opened. */
export async function run(args: readonly string[], command: StoreCommand<LsmBytes> = LSMSTORE): Promise<number> {
  return runProgram(args.length === 0 ? ['--help'] : args, command.name, (program) => {
    program
      .description('A durable ordered key-value store for much writing: an LSM tree in a directory.')
      .addHelpText('after', EXAMPLES)
    const line = new StoreCommandLine(program, command)
    addCreate(line)
    line.addPointCommands()
    addMerging(line)
    line.addRange()
    addLoad(line)
    line.addTransfer()
    addShell(line)
    addFigures(line)
    addMaintenance(line)
  })
}

type CommandLine = StoreCommandLine<LsmBytes>

function addCreate(line: CommandLine): void {
  line
    .add('create <database>', 'make an empty database', [
      'create mydb',
      'create logs --compaction fifo --max-bytes 1000000000',
    ])
    .addOption(new Option('--compaction <style>', 'how tables are merged').choices(['leveled', 'tiered', 'fifo']))
    .option('--ttl-ms <ms>', 'fifo: drop tables after so many milliseconds', wholeNumber(1))
    .option('--max-bytes <bytes>', 'fifo: drop the oldest tables beyond so many bytes', wholeNumber(1))
    .option('--bits-per-key <bits>', 'of the Bloom filters; 0: none', wholeNumber(0, 64))
    .addOption(new Option('--compression <codec>', 'how blocks are packed').choices(['none', 'lz4']))
    .action(async (path: string, options: CreateArguments, command: Command) => {
      const { create } = await import('./maintain.ts')
      await create(line.contextOf(command), path, options)
    })
}

function addMerging(line: CommandLine): void {
  line
    .add('increment <database> <key> [by]', 'add to the number that is the value, without reading it (by 1)', [
      'increment mydb visits',
      'increment mydb balance -- -250',
    ])
    .action(async (path: string, key: string, by: string | undefined, _options: object, command: Command) => {
      const { increment } = await import('./merging.ts')
      await increment(line.contextOf(command), path, key, by)
    })
  line
    .add('append <database> <key> <suffix>', 'write behind the value, without reading it')
    .action(async (path: string, key: string, suffix: string, _options: object, command: Command) => {
      const { append } = await import('./merging.ts')
      await append(line.contextOf(command), path, key, suffix)
    })
}

function addLoad(line: CommandLine): void {
  withImportOptions(
    line.add('load <database> [files...]', 'write the lines "key<TAB>value" of files, or of standard input', [
      'load mydb pairs.tsv more.ndjson    # .csv, .tsv, .ndjson are known; all else is key<TAB>value',
      'awk \'{print $1 "\\t" $2}\' log.txt | load mydb --acks',
    ]),
  ).action(async (path: string, files: string[], options: ImportArguments, command: Command) => {
    const { importFiles } = await import('../ordered/import.ts')
    await importFiles(line.contextOf(command), path, files, options, 'tsv')
  })
}

function addShell(line: CommandLine): void {
  line
    .add('shell <database>', 'keep the database open and run commands, one a line', [
      'shell mydb',
      'printf "set a 1\\nget a\\n" | shell mydb',
    ])
    .action(async (path: string, _options: object, command: Command) => {
      const { shell } = await import('./shell.ts')
      await shell(line.contextOf(command), path, run)
    })
}

function addFigures(line: CommandLine): void {
  line
    .add('stats <database>', 'print the levels, their tables, and how many keys there are')
    .option('--long', 'print every figure there is')
    .action(async (path: string, options: { long?: boolean }, command: Command) => {
      const { stats } = await import('./figures.ts')
      await stats(line.contextOf(command), path, options)
    })
  line
    .add('trees <database>', 'list the named trees')
    .action(async (path: string, _options: object, command: Command) => {
      const { trees } = await import('./figures.ts')
      await trees(line.contextOf(command), path)
    })
  line
    .add('watch <database>', 'show the levels filling and compacting while another process writes', [
      'watch mydb                          # until Ctrl-C',
      'watch mydb --count 10 --json',
    ])
    .option('--interval-ms <ms>', 'between two looks', wholeNumber(1, 3_600_000), 500)
    .option('--count <looks>', 'end after so many looks', wholeNumber(1))
    .action(async (path: string, options: WatchArguments, command: Command) => {
      const { watch } = await import('./watch.ts')
      await watch(line.contextOf(command), path, options)
    })
  line
    .add('inspect <what> <path>', 'show a table or the manifest, bytes beside their meaning', [
      'inspect sstable mydb/000001.sst',
      'inspect sstable mydb/000001.sst --block 3',
      'inspect manifest mydb',
    ])
    .option('--block <number>', 'of a table: the data block of which the entries are shown', wholeNumber(0))
    .addHelpText('after', '\nWHAT is sstable, with the file of a table, or manifest, with a database.')
    .action(async (what: string, path: string, options: InspectArguments, command: Command) => {
      const { inspect } = await import('./inspect.ts')
      await inspect(line.contextOf(command), what, path, options)
    })
}

function addMaintenance(line: CommandLine): void {
  line
    .add('flush <database>', 'write what is in the log to a table')
    .action(async (path: string, _options: object, command: Command) => {
      const { flush } = await import('./maintain.ts')
      await flush(line.contextOf(command), path)
    })
  line
    .add('compact <database> [from] [to]', 'merge all tables, or those of a range: nothing deleted is left of it', [
      'compact mydb',
      'compact mydb user: user;',
    ])
    .addOption(sharedOption('tree'))
    .addOption(sharedOption('hex'))
    .action(
      async (path: string, from: string | undefined, to: string | undefined, _options: object, command: Command) => {
        const { compact } = await import('./maintain.ts')
        await compact(line.contextOf(command), path, from, to)
      },
    )
  line
    .add('backup <database> <destination>', 'make a copy in a new directory, by hard links where that is possible')
    .action(async (path: string, destination: string, _options: object, command: Command) => {
      const { backup } = await import('./maintain.ts')
      await backup(line.contextOf(command), path, destination)
    })
  line
    .add('verify <database>', 'read everything and check every rule of the format')
    .action(async (path: string, _options: object, command: Command) => {
      const { verify } = await import('./maintain.ts')
      await verify(line.contextOf(command), path)
    })
  line
    .add('repair <database>', 'make a damaged database open again with what can be read of it')
    .action(async (path: string, _options: object, command: Command) => {
      const { repair } = await import('./maintain.ts')
      await repair(line.contextOf(command), path)
    })
}
