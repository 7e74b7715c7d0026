// `bedplate raft up` runs a cluster of processes on this machine; `bedplate raft faults` hurts it, by a request to `up`.
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { listenHttp } from '../../io/http.ts'
import { showAddress } from '../../io/network.ts'
import { consoleOfOne } from '../console/pages.ts'
import { interruptible } from '../kit/interrupt.ts'
import { runProgram } from '../kit/program.ts'
import { wholeNumber } from '../kit/whole-number.ts'
import { addFaults, type FaultsCommand } from '../local-cluster/faults-command.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { raftConsole } from './console.ts'
import { RAFT_WATCH, Watch } from './watch.ts'

const HOST = '127.0.0.1'
const DEFAULT_CONTROL = '8000'
const MAX_NODES = 9

const EXAMPLES = `
Examples:
  $ bedplate raft up --nodes 5                  nodes on the ports 8001 to 8005, until Ctrl-C; console on 8000
  $ bedplate raft faults status                 in another terminal
  $ bedplate raft faults kill 3                 as a crash does
  $ bedplate raft faults start 3                again, from its disk
  $ bedplate raft faults pause 2                it stands still; resume 2 lets it go on
  $ bedplate raft faults partition 1,2 3,4,5    the two sides do not hear each other any more
  $ bedplate raft faults heal
Exit status: 0 done, 1 failed, 2 wrong usage.`

/** Runs `bedplate raft ...args` and gives its exit status. */
export function run(args: readonly string[]): Promise<number> {
  return runProgram(args.length === 0 ? ['--help'] : args, 'bedplate raft', (program, out) => {
    program.description('A Raft cluster on this machine, and its faults.').addHelpText('after', EXAMPLES)
    addUp(program)
    addFaults(program, out, FAULTS)
  })
}

// ---- up

function addUp(program: Command): void {
  program
    .command('up')
    .description('run a cluster of processes, their lines one below the other')
    .option('--nodes <n>', `how many, at most ${MAX_NODES}`, '5')
    .option('--port <port>', 'the port of node 1; the others have those behind it', '8001')
    .option('--control <port>', 'where `bedplate raft faults` is heard, and the console is', DEFAULT_CONTROL)
    .option('--data-dir <directory>', 'where their data is', './bedplate-data/raft')
    .action(up)
}

async function up(options: Record<'nodes' | 'port' | 'control' | 'dataDir', string>): Promise<void> {
  const count = wholeNumber('--nodes', options.nodes, MAX_NODES)
  const port = wholeNumber('--port', options.port, 65_535 - MAX_NODES)
  const control = wholeNumber('--control', options.control, 65_535)
  const directory = resolve(options.dataDir)
  mkdirSync(directory, { recursive: true })
  const print = (line: string): void => void process.stdout.write(`${line}\n`)
  await interruptible(async ({ signal }) => {
    const stopped = new Promise<void>((done) => {
      signal.addEventListener('abort', () => done())
    })
    let cluster: Cluster | undefined
    const watch = new Watch(RAFT_WATCH)
    const part = raftConsole(() => cluster, watch)
    const { pages, change } = consoleOfOne('raft', part, ['raft', 'replay'])
    const listener = await listenHttp({ host: HOST, port: control }, pages, { localNamesOnly: true, change })
    try {
      cluster = await openCluster({
        ...{ count, port, directory, print },
        saw: (from, to, message, isLost) => watch.saw(from, to, message, isLost),
      })
      print(`console  http://${showAddress(listener.address)}`)
      await stopped
    } finally {
      listener.close()
      await cluster?.close()
    }
  })
}

// ---- faults

const FAULTS: FaultsCommand = {
  up: 'bedplate raft up',
  hint: 'bedplate raft up starts one; give both the same --control',
  sides: '1,2 3,4,5',
  addOptions: (command) => command.option('--control <port>', 'the --control of `bedplate raft up`', DEFAULT_CONTROL),
  where: ({ control = '' }) => ({ url: `http://${HOST}:${wholeNumber('--control', control, 65_535)}/faults` }),
  nodeOf: (word) => wholeNumber('a node', word, MAX_NODES),
}
