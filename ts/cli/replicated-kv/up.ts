// `replicated-kv up --nodes 3`: a leader and its followers on this machine, their lines one below the other; `faults` hurts them.
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { BedplateError } from '../../base/errors.ts'
import { isDefaultReads } from '../../distributed/replication/server/default-reads.ts'
import { describeEvent } from '../../distributed/replication/server/events.ts'
import { MODES, type Mode } from '../../distributed/replication/types.ts'
import { listenHttp } from '../../io/http.ts'
import { showAddress } from '../../io/network.ts'
import { consoleOfOne } from '../console/pages.ts'
import type { ConsolePart } from '../console/part.ts'
import { interruptible } from '../kit/interrupt.ts'
import { describeEnd } from '../kit/node-processes.ts'
import type { Output } from '../kit/output.ts'
import { UsageError } from '../kit/program.ts'
import { secretOf } from '../kit/secret.ts'
import { wholeNumber } from '../kit/whole-number.ts'
import { addFaults } from '../local-cluster/faults-command.ts'
import { Watch } from '../raft/watch.ts'
import { HOST, MAX_NODES, openReplicatedCluster, type ReplicatedCluster } from './cluster.ts'
import { replicatedConsole } from './console.ts'
import { REPLICATED_WATCH } from './watch.ts'

const DEFAULT_CONTROL = '8000'

const NOTES = `
Examples:
  $ replicated-kv up --nodes 3                      nodes on the ports 8001, 8002 and 8003, until Ctrl-C; console on 8000
  $ replicated-kv up --nodes 3 --mode sync --json
  $ replicated-kv faults kill 1                     in another terminal: a follower takes over
  $ replicated-kv faults start 1                    again, from its disk; see replicated-kv faults --help

What nodes print is what they print alone; the next \`up\` starts them again from their directories.`

interface UpOptions {
  readonly nodes: string
  readonly port: string
  readonly control: string
  readonly dataDir: string
  readonly mode?: string
  readonly reads?: string
  readonly secretFile?: string
  readonly json?: boolean
}

/** Adds the subcommands. Flags that nodes have too keep their meaning there. */
export function addUp(program: Command, out: Output): void {
  program.enablePositionalOptions()
  program
    .command('up')
    .description('run a leader and its followers on this machine, a process each')
    .option('--nodes <n>', `how many, at most ${MAX_NODES}`, '3')
    .option('--port <port>', 'the port of node 1; the others have those behind it', '8001')
    .option('--control <port>', 'where `replicated-kv faults` is heard, and the console is', DEFAULT_CONTROL)
    .option('--data-dir <directory>', 'where their data is', './bedplate-data/replicated-kv')
    .option('--mode <mode>', `when a write is acknowledged: ${MODES.join(', ')}`)
    .option('--reads <reads>', 'what a read is that does not say how old it may be: linearizable, stale, bounded:<ms>')
    .option('--secret-file <file>', 'only nodes and clients that know what is in it are let in')
    .option('--json', 'say what happens as lines of JSON')
    .addHelpText('after', NOTES)
    .action(up)
  addFaults(program, out, {
    up: 'replicated-kv up',
    hint: 'replicated-kv up starts one; give both the same --control',
    sides: '1 2,3',
    addOptions: (command) => command.option('--control <port>', 'the --control of `replicated-kv up`', DEFAULT_CONTROL),
    where: ({ control = '' }) => ({ url: `http://${HOST}:${wholeNumber('--control', control, 65_535)}/faults` }),
    nodeOf: (word) => wholeNumber('a node', word, MAX_NODES),
  })
}

async function up(options: UpOptions): Promise<void> {
  const count = wholeNumber('--nodes', options.nodes, MAX_NODES)
  const firstPort = wholeNumber('--port', options.port, 65_535 - MAX_NODES)
  const control = wholeNumber('--control', options.control, 65_535)
  const { reads, secretFile = '', json = false } = options
  if (reads !== undefined && !isDefaultReads(reads)) {
    throw new UsageError(
      `--reads must be linearizable, stale or bounded:<ms>, got ${JSON.stringify(reads.slice(0, 40))}`,
    )
  }
  const secret = secretOf(secretFile) // one refusal rather than one a node
  const directory = resolve(options.dataDir)
  const ports = Array.from({ length: count }, (_, i) => firstPort + i)
  const say = (text: string | undefined, event: object): void => {
    if (json || text !== undefined) process.stdout.write(`${json ? JSON.stringify(event) : text}\n`)
  }
  const mode = modeOf(options.mode)
  mkdirSync(directory, { recursive: true })
  await interruptible(async ({ signal }) => {
    const stopped = new Promise<void>((done) => {
      signal.addEventListener('abort', () => done())
    })
    let nodes: ReplicatedCluster | undefined
    const watch = new Watch(REPLICATED_WATCH)
    const part = replicatedConsole({ watch, nodes: () => nodes?.states() ?? [], hurtable: () => nodes })
    // A browser has no way to tell the secret: with one there are no pages. Faults are about processes of this machine.
    const { pages, change } =
      secret === '' ? consoleOfOne('replicated-kv', part, ['replicated-kv', 'replay']) : faultsOnly(part)
    const listener = await listenHttp({ host: HOST, port: control }, pages, { localNamesOnly: true, change })
    try {
      nodes = await openReplicatedCluster({
        ...{ ports, directory, mode },
        flags: [
          ...(reads === undefined ? [] : [`--reads=${reads}`]),
          ...(secret === '' ? [] : [`--secret-file=${resolve(secretFile)}`]),
        ],
        onEvent: (id, event) => {
          const port = firstPort + id - 1
          if (event.event === 'ready') {
            const pid = nodes?.states().find((each) => each.id === id)?.pid
            say(`[Node ${id}] http://${HOST}:${port}, process ${pid}`, {
              event: 'node',
              node: id,
              host: HOST,
              port,
              pid,
            })
          } else say(describeEvent(id, port, event), { node: id, ...event })
        },
        onEnd: (id, status, signal) => {
          say(`[Node ${id}] ${describeEnd(status, signal)}`, { event: 'ended', node: id, status, signal })
        },
        onReady: () => {
          const urls = ports.map((port) => `http://${HOST}:${port}`)
          say(`Replicated store ready: ${urls.join(' ')}`, { event: 'ready', urls })
        },
        saw: (from, to, message, isLost) => watch.saw(from, to, message, isLost),
      })
      const url = `http://${showAddress(listener.address)}`
      if (secret === '') say(`console  ${url}`, { event: 'console', url })
      await Promise.race([stopped, nodes.allGone])
      if (signal.aborted) return
      throw new BedplateError('UNAVAILABLE', 'all nodes have ended', { hint: 'their own words above say why' })
    } finally {
      listener.close()
      await nodes?.close()
    }
  })
}

function faultsOnly({ change }: ConsolePart): ConsolePart {
  return { pages: () => undefined, change: (path, body) => (path === '/faults' ? change('faults', body) : undefined) }
}

function modeOf(text: string | undefined): Mode | undefined {
  const mode = MODES.find((each) => each === text)
  if (mode !== undefined || text === undefined) return mode
  throw new UsageError(`--mode must be one of ${MODES.join(', ')}, got ${JSON.stringify(text.slice(0, 40))}`)
}
