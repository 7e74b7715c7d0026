// bedplate up: every server there is, in this process, and a web console.
import { resolve } from 'node:path'
import { BedplateError, isCode } from '../../base/errors.ts'
import { realClock } from '../../io/clock.ts'
import { type Address, showAddress } from '../../io/network.ts'
import { createLogger, runServer } from '../../service/index.ts'
import { consoleOf } from '../console/pages.ts'
import { complain, Output } from '../kit/output.ts'
import { runProgram, UsageError } from '../kit/program.ts'
import { ServerGroup } from '../servers/group.ts'
import { connectionsOf } from '../servers/kinds.ts'
import { chosenServers, serverNames } from '../servers/registry.ts'

const CONSOLE_PORT = 7070
/** The highest ports of servers are 8001 and a few behind it: with it they are still ports. */
const MAX_OFFSET = 50_000
const DRAIN_MS = 5000

const NOTES = `
Examples:
  $ bedplate up
  $ bedplate up --only cache --port-offset 1000
  $ bedplate up --cluster --memory
  $ bedplate up --only replicated-kv,partitioned-kv --cluster
  $ bedplate up --json

Servers listen on this machine alone, at the ports of the systems that they mirror; the console is at port ${CONSOLE_PORT}. replicated-kv and
partitioned-kv start on request alone; partitioned-kv is three nodes, a process each.
Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage.`

interface UpOptions {
  readonly only?: string
  readonly memory?: boolean
  readonly cluster?: boolean
  readonly dataDir?: string
  readonly portOffset: string
  readonly json?: boolean
}

/** Runs `bedplate up` and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  return runProgram(args, 'bedplate up', (program) => {
    program
      .description('Start every server there is, and a web console. Stays until it is stopped.')
      .option('--only <servers>', `start these alone, with commas between them: ${serverNames().join(', ')}`)
      .option('--memory', 'keep nothing')
      .option(
        '--cluster',
        'the cache as three masters with a replica each, replicated-kv as three nodes, to be hurt on the console; what they and partitioned-kv have is gone when it ends',
      )
      .option('--data-dir <directory>', 'where servers keep their data', 'bedplate-data')
      .option('--port-offset <n>', 'add it to every port; "any" takes any that are free', '0')
      .option('--json', 'say that all is ready as one line of JSON')
      .addHelpText('after', NOTES)
      .action(up)
  })
}

async function up(options: UpOptions): Promise<void> {
  const { memory = false, cluster: isCluster = false, dataDir = '', json = false } = options
  const portOffset = offsetOf(options.portOffset)
  const logger = createLogger({ name: 'bedplate up', level: 'warn', now: realClock.now, write: complain })
  const dataDirectory = memory ? undefined : resolve(dataDir)
  const kinds = chosenServers(options.only)
  const group = new ServerGroup({ kinds, portOffset, dataDirectory, isCluster, logger })
  try {
    await runServer({
      server: group,
      logger,
      clock: realClock,
      signals: process,
      exit: (status) => process.exit(status),
      adminPort: portOffset === undefined ? 0 : CONSOLE_PORT + portOffset,
      ...consoleOf(group),
      drainMs: DRAIN_MS,
      failed: group.failed,
      onReady: (_, admin) => void tell(group, admin as Address, { json, memory }),
    })
  } catch (error) {
    // A port that is taken has the system's word as its cause; nodes that have ended have not.
    if (!isCode(error, 'UNAVAILABLE') || (error as BedplateError).cause === undefined) throw error
    const hint = 'stop that program, move all ports with --port-offset 1000, or start less with --only'
    throw new BedplateError('UNAVAILABLE', (error as BedplateError).message, { cause: error, hint })
  }
}

async function tell(
  { members }: ServerGroup,
  admin: Address,
  { json, memory }: { json: boolean; memory: boolean },
): Promise<void> {
  const out = new Output()
  const consoleUrl = `http://${showAddress(admin)}`
  if (json) {
    const servers = members.map(({ kind, address }) => ({ name: kind.name, ...address }))
    await out.line(JSON.stringify({ event: 'ready', pid: process.pid, console: consoleUrl, servers }))
  } else {
    const width = Math.max('console'.length, ...members.map(({ kind }) => kind.name.length))
    for (const member of members) {
      const { kind, keepsData = true } = member
      const [first = '', ...more] = connectionsOf(member)
      const kept = kind.keepsData && keepsData && !memory ? '' : '   (nothing is kept)'
      await out.line(`${kind.name.padEnd(width)}  ${first}${kept}`)
      for (const connection of more) await out.line(`${''.padEnd(width)}  ${connection}`)
    }
    await out.line(`${'console'.padEnd(width)}  ${consoleUrl}`)
  }
  await out.flush()
}

/** @returns Undefined for any ports that are free. @throws UsageError */
function offsetOf(text: string): number | undefined {
  if (text === 'any') return undefined
  const offset = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (offset <= MAX_OFFSET) return offset
  throw new UsageError(
    `--port-offset must be a whole number from 0 to ${MAX_OFFSET}, or "any", got ${JSON.stringify(text)}`,
  )
}
