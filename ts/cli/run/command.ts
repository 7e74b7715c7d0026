// bedplate run -- CMD: servers on free ports that keep nothing, CMD with their addresses in its environment, and its exit status.
import { type ChildProcess, spawn } from 'node:child_process'
import os from 'node:os'
import { realClock } from '../../io/clock.ts'
import { createLogger } from '../../service/index.ts'
import { complain } from '../kit/output.ts'
import { runProgram } from '../kit/program.ts'
import { ServerGroup } from '../servers/group.ts'
import { chosenServers } from '../servers/registry.ts'

/** As shells have it: the program could not be started, or is not there. */
const STATUS = { cannotStart: 126, notFound: 127, signal: 128 } as const
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const NOTES = `
Examples:
  $ bedplate run -- npm test
  $ bedplate run --only cache -- node worker.mjs

CMD finds REDIS_URL, REDIS_HOST and REDIS_PORT in its environment, and ETCD_ENDPOINTS. What the servers have is gone at the end.
Exit status: that of CMD, 128 and the number of the signal that ended it, 126 or 127 if it cannot be started;
2 for wrong usage, 1 if a server failed.`

/** Runs `bedplate run` and gives the exit status of its command. */
export async function run(args: readonly string[]): Promise<number> {
  let status = 0
  const failed = await runProgram(args, 'bedplate run', (program) => {
    program
      .description('Run a command with servers of its own, on free ports, gone with their data when it ends.')
      .argument('<command...>', 'the command and its arguments')
      .option('--only <servers>', 'start these alone, with commas between them')
      .passThroughOptions()
      .addHelpText('after', NOTES)
      .action(async (command: string[], { only }: { only?: string }) => {
        status = await runWithServers(command, only)
      })
  })
  return failed === 0 ? status : failed
}

async function runWithServers(command: readonly string[], only: string | undefined): Promise<number> {
  const logger = createLogger({ name: 'bedplate run', level: 'error', now: realClock.now, write: complain })
  const group = new ServerGroup({ kinds: chosenServers(only), portOffset: undefined, dataDirectory: undefined, logger })
  try {
    await group.start()
    return await untilEnded(command, group)
  } finally {
    await group.stop()
  }
}

/** Runs the command. @returns Its status once it has ended. @throws What a server has failed with; the command is ended. */
async function untilEnded([name = '', ...args]: readonly string[], group: ServerGroup): Promise<number> {
  const child = spawn(name, args, { stdio: 'inherit', env: { ...process.env, ...group.variables() } })
  const forget = forwardSignals(child)
  const ended = new Promise<number>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      complain(`bedplate run: cannot start ${name}: ${error.code === 'ENOENT' ? 'not found' : error.message}\n`)
      resolve(error.code === 'ENOENT' ? STATUS.notFound : STATUS.cannotStart)
    })
    child.once('exit', (code, signal) => {
      resolve(signal === null ? (code ?? 0) : STATUS.signal + os.constants.signals[signal])
    })
  })
  try {
    return await Promise.race([ended, group.failed])
  } catch (error) {
    child.kill()
    await ended
    throw error
  } finally {
    forget()
  }
}

/** The command decides what a signal ends. At a terminal Ctrl-C reaches it by itself. */
function forwardSignals(child: ChildProcess): () => void {
  const listeners = FORWARDED.map((signal) => {
    const listen = (): void => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    }
    process.on(signal, listen)
    return () => process.removeListener(signal, listen)
  })
  return () => {
    for (const forget of listeners) forget()
  }
}
