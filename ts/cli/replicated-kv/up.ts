// `replicated-kv up --nodes 3`: a leader and its followers on this machine, their lines one below the other.
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { BedplateError } from '../../base/errors.ts'
import { PACKAGE_URL } from '../../base/package.ts'
import { isDefaultReads } from '../../distributed/replication/server/default-reads.ts'
import { describeEvent, type ReplicaEvent } from '../../distributed/replication/server/events.ts'
import { MODES } from '../../distributed/replication/types.ts'
import { interruptible } from '../kit/interrupt.ts'
import { describeEnd, NodeProcesses } from '../kit/node-processes.ts'
import { UsageError } from '../kit/program.ts'
import { secretOf } from '../kit/secret.ts'
import { SYSTEM } from './settings.ts'

const PROGRAM = fileURLToPath(new URL('bin/replicated-kv', PACKAGE_URL))
const HOST = '127.0.0.1'
const MAX_NODES = 9

const NOTES = `
Examples:
  $ replicated-kv up --nodes 3                      nodes on the ports 8001, 8002 and 8003, until Ctrl-C
  $ replicated-kv up --nodes 3 --mode sync --json
  $ kill -9 <process of the leader>                 in another terminal: a follower takes over
  $ kill -STOP <process>; kill -CONT <process>      a node that stands still, and goes on

What nodes print is what they print alone; the next \`up\` starts them again from their directories.`

interface UpOptions {
  readonly nodes: string
  readonly port: string
  readonly dataDir: string
  readonly mode?: string
  readonly reads?: string
  readonly secretFile?: string
  readonly json?: boolean
}

/** What a node says. */
type NodeEvent = ReplicaEvent | { readonly event: 'ready'; readonly host: string; readonly port: number }

/** Adds the subcommand. Flags that nodes have too keep their meaning there. */
export function addUp(program: Command): void {
  program.enablePositionalOptions()
  program
    .command('up')
    .description('run a leader and its followers on this machine, a process each')
    .option('--nodes <n>', `how many, at most ${MAX_NODES}`, '3')
    .option('--port <port>', 'the port of node 1; the others have those behind it', '8001')
    .option('--data-dir <directory>', 'where their data is', './bedplate-data/replicated-kv')
    .option('--mode <mode>', `when a write is acknowledged: ${MODES.join(', ')}`)
    .option('--reads <reads>', 'what a read is that does not say how old it may be: linearizable, stale, bounded:<ms>')
    .option('--secret-file <file>', 'only nodes and clients that know what is in it are let in')
    .option('--json', 'say what happens as lines of JSON')
    .addHelpText('after', NOTES)
    .action(up)
}

async function up(options: UpOptions): Promise<void> {
  const count = wholeNumber('--nodes', options.nodes, MAX_NODES)
  const firstPort = wholeNumber('--port', options.port, 65_535 - MAX_NODES)
  const { mode, reads, secretFile = '', json = false } = options
  if (mode !== undefined && !MODES.some((each) => each === mode)) {
    throw new UsageError(`--mode must be one of ${MODES.join(', ')}, got ${JSON.stringify(mode.slice(0, 40))}`)
  }
  if (reads !== undefined && !isDefaultReads(reads)) {
    throw new UsageError(
      `--reads must be linearizable, stale or bounded:<ms>, got ${JSON.stringify(reads.slice(0, 40))}`,
    )
  }
  secretOf(secretFile) // one refusal rather than one a node
  const secret = secretFile === '' ? [] : [`--secret-file=${resolve(secretFile)}`]
  const directory = resolve(options.dataDir)
  mkdirSync(directory, { recursive: true })
  const say = (text: string | undefined, event: object): void => {
    if (json || text !== undefined) process.stdout.write(`${json ? JSON.stringify(event) : text}\n`)
  }
  const serving = new Set<number>()
  const nodes = new NodeProcesses({
    program: PROGRAM,
    system: SYSTEM,
    heard: (id, line) => {
      const event = JSON.parse(line) as NodeEvent
      if (event.event === 'ready') {
        const { host, port } = event
        const pid = nodes.pidOf(id)
        say(`[Node ${id}] http://${host}:${port}, process ${pid}`, { event: 'node', node: id, host, port, pid })
        return
      }
      say(describeEvent(id, firstPort + id - 1, event), { node: id, ...event })
      serving.add(id)
      if (serving.size === count && (event.event === 'started' || event.event === 'connected')) {
        const urls = Array.from({ length: count }, (_, i) => `http://${HOST}:${firstPort + i}`)
        say(`Replicated store ready: ${urls.join(' ')}`, { event: 'ready', urls })
      }
    },
    ended: (id, status, signal) => {
      say(`[Node ${id}] ${describeEnd(status, signal)}`, { event: 'ended', node: id, status, signal })
    },
  })
  await interruptible(async ({ signal }) => {
    const stopped = new Promise<void>((done) => {
      signal.addEventListener('abort', () => done())
    })
    for (let id = 1; id <= count; id++) {
      const part = id === 1 ? ['--leader'] : ['--follower', `--leader-addr=${HOST}:${firstPort}`]
      nodes.start(id, [
        ...[`--node-id=${id}`, `--port=${firstPort + id - 1}`, ...part, `--data-dir=${join(directory, `node-${id}`)}`],
        ...['--log-level=warn', '--json', ...(mode === undefined ? [] : [`--mode=${mode}`])],
        ...[...(reads === undefined ? [] : [`--reads=${reads}`]), ...secret],
      ])
    }
    await Promise.race([stopped, nodes.allGone])
    await nodes.close()
    if (signal.aborted) return
    throw new BedplateError('UNAVAILABLE', 'all nodes have ended', { hint: 'their own words above say why' })
  })
}

function wholeNumber(flag: string, text: string, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (value >= 1 && value <= most) return value
  throw new UsageError(`${flag} must be a whole number from 1 to ${most}, got ${JSON.stringify(text.slice(0, 40))}`)
}
