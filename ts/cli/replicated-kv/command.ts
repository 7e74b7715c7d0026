// The command line of replicated-kv: settings, then a node until a signal comes; `up` runs several on this machine.
import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { describeEvent, type ReplicaEvent } from '../../distributed/replication/server/events.ts'
import { ReplicaServer } from '../../distributed/replication/server/server.ts'
import { realClock } from '../../io/clock.ts'
import { realNetwork } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import { createLogger, runServer, variableOf } from '../../service/index.ts'
import { complain } from '../kit/output.ts'
import { endWithParent } from '../kit/parent.ts'
import { runProgram } from '../kit/program.ts'
import { addSettings, type GivenOptions, settingsOf } from '../kit/server-command.ts'
import { troubleTo } from '../kit/trouble.ts'
import { replicaOptionsOf, SETTINGS, SYSTEM } from './settings.ts'
import { addUp } from './up.ts'

const EXAMPLES = `
Examples:
  $ replicated-kv --node-id=1 --port=8001 --leader
  $ replicated-kv --node-id=2 --port=8002 --follower --leader-addr=localhost:8001
  $ replicated-kv --node-id=3 --port=8003 --follower --leader-addr=localhost:8001
  $ curl 'http://localhost:8001/set?key=user:1&value=Alice'
  $ curl 'http://localhost:8002/get?key=user:1'
  $ redis-cli -p 8002 get user:1                            the same, by any client of Redis
  $ replicated-kv up --nodes 3                              all of them at once, to be hurt by replicated-kv faults

On any node: /set?key=&value=, /get?key=, /delete?key=, /range?prefix=, POST /batch, /status, /members, POST /promote, /health, /ready,
/metrics. Reads take ?consistency=linearizable|stale|session, ?session= and ?max-staleness-ms=; those that take none are what
--reads says. ?json answers in JSON.
Clients of Redis have SET, MSET, DEL, GET, MGET, EXISTS, READONLY, and BEDPLATE READS for how fresh reads have to be.
With --secret-file clients send the header "authorization: Bearer SECRET", except for /health, /ready and /metrics; clients of Redis
send it as their password.
--leader begins a cluster in an empty directory; a node that has one starts again as what the cluster makes it.
Every flag has a twin in the environment, such as ${variableOf(SYSTEM, 'port')}, and a line in the file of --config, such as
"port 8001"; a flag is worth more than the environment, and that more than the file.
Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage.`

/** What a waiting node needs to be kept alive by; it fires never. */
const FOREVER_MS = 2 ** 31 - 1

/** Runs `replicated-kv ...args` and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  return runProgram(args, 'replicated-kv', (program, out) => {
    program
      .description('A node of a key-value store with one leader and followers that take over when it fails.')
      .addHelpText('after', EXAMPLES)
    addSettings(program, SETTINGS)
    program
      .option('--leader', 'begin a cluster, if the data directory is empty')
      .option('--follower', 'join the cluster of --leader-addr, if the data directory is empty')
      .option('--insecure', 'let everybody who reaches the port change everything')
      .option('--json', 'say what happens as lines of JSON')
      .action(serve)
    addUp(program, out)
  })
}

async function serve(options: GivenOptions): Promise<void> {
  const values = settingsOf(SETTINGS, options, SYSTEM)
  const replica = replicaOptionsOf(values, options)
  const { id } = replica
  const path = values['data-dir'] === '' ? `./bedplate-data/replicated-kv-${id}` : values['data-dir']
  mkdirSync(dirname(resolve(path)), { recursive: true })
  const logger = createLogger({
    name: 'replicated-kv',
    level: values['log-level'],
    now: realClock.now,
    write: complain,
  })
  const isJson = options['json'] === true
  const say = (text: string | undefined, event: object): void => {
    if (isJson || text !== undefined)
      process.stdout.write(`${isJson ? JSON.stringify({ node: id, ...event }) : text}\n`)
  }
  const onEvent = (event: ReplicaEvent): void => say(describeEvent(id, server.replica.host.address.port, event), event)
  const seams = { disk: realDisk, clock: realClock, random: realRandom, network: realNetwork }
  const server: ReplicaServer = new ReplicaServer(seams, path, { ...replica, onEvent, onTrouble: troubleTo(logger) })
  endWithParent()
  const alive = setInterval(() => {}, FOREVER_MS) // while it looks for its cluster, nothing else does
  try {
    await runServer({
      ...{ server, logger, clock: realClock, signals: process, failed: server.failed },
      exit: (status) => process.exit(status),
      adminPort: undefined, // its pages are on the port itself
      drainMs: values['drain-ms'],
      onReady: (address) => {
        if (isJson) say(undefined, { event: 'ready', ...address, pid: process.pid })
      },
    })
  } finally {
    clearInterval(alive)
  }
}
