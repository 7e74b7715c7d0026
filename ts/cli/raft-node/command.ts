// The command line of raft-node: settings, then a node until a signal comes.
import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type NodeEvent, RaftNodeServer } from '../../distributed/raft/index.ts'
import { realClock } from '../../io/clock.ts'
import { realNetwork } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import { createLogger, runServer, variableOf } from '../../service/index.ts'
import { tlsFilesOf } from '../kit/files.ts'
import { addressOf } from '../kit/node-settings.ts'
import { complain } from '../kit/output.ts'
import { endWithParent } from '../kit/parent.ts'
import { runProgram } from '../kit/program.ts'
import { addSettings, type GivenOptions, settingsOf } from '../kit/server-command.ts'
import { raftOptionsOf, SETTINGS, SYSTEM } from './settings.ts'

const EXAMPLES = `
Examples:
  $ raft-node --id=1 --cluster=1,2,3 --port=8001
  $ raft-node --id=2 --cluster=1,2,3 --port=8002
  $ raft-node --id=3 --cluster=1,2,3 --port=8003
  $ curl http://localhost:8001/append -d '{"command":"SET key1 value1"}'
  $ curl 'http://localhost:8002/get?key=key1'
  $ curl http://localhost:8003/status

On any node: POST /append, /members, /transfer, /snapshot; GET /get?key=, /log?from=, /status, /members, /health, /ready, /metrics.
Every flag has a twin in the environment, such as ${variableOf(SYSTEM, 'port')}, and a line in the file of --config, such as
"port 8001"; a flag is worth more than the environment, and that more than the file.
Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage.`

/** Runs `raft-node ...args` and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  return runProgram(args, 'raft-node', (program) => {
    program
      .description('A node of a replicated log (Raft) that goes on while a majority of its nodes does.')
      .addHelpText('after', EXAMPLES)
    addSettings(program, SETTINGS)
    program
      .option('--insecure', 'let everybody who reaches the port change everything')
      .option('--json', 'say what happens as lines of JSON')
      .action(serve)
  })
}

async function serve(options: GivenOptions): Promise<void> {
  const { insecure, json } = options
  const values = settingsOf(SETTINGS, options, SYSTEM)
  const raft = raftOptionsOf(values, insecure === true)
  const advertise = addressOf('--advertise', values.advertise)
  const tls = tlsFilesOf(values)
  const path = values['data-dir'] === '' ? `./bedplate-data/raft-node-${raft.id}` : values['data-dir']
  mkdirSync(dirname(resolve(path)), { recursive: true })
  const logger = createLogger({ name: 'raft-node', level: values['log-level'], now: realClock.now, write: complain })
  const lines = new Lines()
  const tell = (event: NodeEvent): void => {
    for (const line of json === true ? [JSON.stringify({ node: raft.id, ...event })] : describe(raft.id, event)) {
      lines.add(line)
    }
  }
  const server = new RaftNodeServer({
    seams: { disk: realDisk, clock: realClock, random: realRandom, network: realNetwork },
    ...{ logger, path, advertise },
    raft: tls === undefined ? raft : { ...raft, tls },
    tickMs: values['tick-ms'],
    snapshotBytes: values['snapshot-bytes'],
    maxClients: values['max-clients'],
    onEvent: tell,
  })
  endWithParent()
  await runServer({
    ...{ server, logger, clock: realClock, signals: process, failed: server.failed },
    exit: (status) => process.exit(status),
    adminPort: undefined, // its pages are on the port itself
    drainMs: values['drain-ms'],
    onReady: ({ host, port }) => {
      if (json === true) lines.add(JSON.stringify({ node: raft.id, event: 'ready', host, port, pid: process.pid }))
    },
  })
  lines.flush()
}

/** A line an event, and one a command. */
function* describe(id: number, event: NodeEvent): Generator<string> {
  switch (event.event) {
    case 'elected':
      yield `[Node ${id}] Elected leader for term ${event.term}`
      return
    case 'recovered':
      if (event.from === event.to) yield `[Node ${id}] Log entry ${event.to} recovered from disk`
      else yield `[Node ${id}] Log entries ${event.from} to ${event.to} recovered from disk`
      return
    default:
      for (let index = event.from; index <= event.to; index++) yield `[Node ${id}] Log entry ${index} committed`
  }
}

/** Standard output, written once a turn of the event loop: a node may commit thousands of entries in one. */
class Lines {
  private waiting: string[] = []

  add(line: string): void {
    if (this.waiting.length === 0) setImmediate(() => this.flush())
    this.waiting.push(line)
  }

  flush(): void {
    if (this.waiting.length > 0) process.stdout.write(`${this.waiting.join('\n')}\n`)
    this.waiting = []
  }
}
