// The command `bedplate`: finds the subcommand and leaves the rest to it. Every subcommand is loaded only when it is
// asked for, and so is the parser of the general options: `kvstore get` has to start fast.
import { noticeTwins } from '../native/loader.ts'
import { runProgram } from './kit/program.ts'

/** What a module behind a subcommand exports. */
interface CommandModule {
  /** Runs the subcommand with the arguments after its name and gives the exit status: 0 done, 1 failed, 2 wrong usage. */
  run(args: readonly string[]): Promise<number>
}

interface Subcommand {
  readonly summary: string
  readonly load: () => Promise<CommandModule>
  /** True for those that say themselves which engine runs. */
  readonly speaksOfEngines?: boolean
}

const SUBCOMMANDS = new Map<string, Subcommand>([
  ['tour', { summary: 'see the systems at work on real data', load: () => import('./tour/command.ts') }],
  ['kvstore', { summary: 'a durable ordered key-value store', load: () => import('./kvstore/start.ts') }],
  ['lsmstore', { summary: 'the same for much writing: an LSM tree', load: () => import('./lsmstore/start.ts') }],
  ['cache-cli', { summary: 'ask a Redis-compatible server', load: () => import('./cache-cli/command.ts') }],
  ['lock-service', { summary: 'an etcd-compatible lock service', load: () => import('./lock-service/command.ts') }],
  ['lock-client', { summary: 'take, renew and release its locks', load: () => import('./lock-client/command.ts') }],
  ['cache-server', { summary: 'a Redis-compatible server', load: () => import('./cache-server/command.ts') }],
  ['raft', { summary: 'a Raft cluster on this machine, and its faults', load: () => import('./raft/command.ts') }],
  ['raft-node', { summary: 'a node of a replicated log', load: () => import('./raft-node/command.ts') }],
  [
    'replicated-kv',
    { summary: 'a node of a store with a leader and followers', load: () => import('./replicated-kv/command.ts') },
  ],
  ['partitioned-kv', { summary: 'a key-value store on many nodes', load: () => import('./partitioned-kv/command.ts') }],
  ['up', { summary: 'start every server there is, and a web console', load: () => import('./up/command.ts') }],
  ['run', { summary: 'run a command with servers of its own', load: () => import('./run/command.ts') }],
  [
    'doctor',
    {
      summary: 'say which engines run on this machine, and why',
      load: () => import('./doctor.ts'),
      speaksOfEngines: true,
    },
  ],
  [
    'build-native',
    {
      summary: 'compile the native core for this machine',
      load: () => import('./build-native.ts'),
      speaksOfEngines: true,
    },
  ],
])

/** Runs the command line `bedplate ...args` and gives its exit status. */
export async function main(args: readonly string[]): Promise<number> {
  if (args[0] === 'help') return help(args.slice(1))
  const subcommand = SUBCOMMANDS.get(args[0] ?? '')
  if (subcommand === undefined) return overview(args)
  // A person should know why it is slow; a script that collects standard error should not be told each time.
  if (subcommand.speaksOfEngines !== true && process.stderr.isTTY) noticeTwins()
  const { run } = await subcommand.load()
  return run(args.slice(1))
}

/** `bedplate help`, `bedplate help kvstore get`: the same as with --help behind it. */
function help(words: readonly string[]): Promise<number> {
  // What is none of ours is told so, instead of being passed over.
  const [name = ''] = words
  return words.length > 0 && !SUBCOMMANDS.has(name) ? overview([name]) : main([...words, '--help'])
}

/** `bedplate`, `bedplate --help`, `bedplate --version`, and what is none of ours. */
async function overview(args: readonly string[]): Promise<number> {
  return runProgram(args.length === 0 ? ['--help'] : args, 'bedplate', (program) => {
    program.description('The engine room of a data-intensive application.').helpCommand(false)
    for (const [name, { summary }] of SUBCOMMANDS) program.command(name).description(summary)
  })
}
