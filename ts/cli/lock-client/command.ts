// The command line of lock-client: its subcommands, each loaded when it is used.
import { type Command, Option } from 'commander'
import { runProgram } from '../kit/program.ts'
import type { AcquireArguments } from './acquire.ts'
import type { ConnectionArguments } from './connection.ts'

const EXAMPLES = `
Examples:
  $ lock-client acquire my-lock --ttl=30s
  $ lock-client renew lock-id-12345 --ttl=30s
  $ lock-client release lock-id-12345
  $ lock-client acquire my-lock --ttl=30s --exec 'make deploy'
  $ lock-client watch my-lock
  $ lock-client list

The number in a lock's id is its fencing token: of all holders of a lock, each has a larger one than those before it.
It works with lock-service and with etcd. Exit status: 0 done, 1 failed or no such lock, 2 wrong usage; with --exec
that of the command.`

/** Runs `lock-client ...args` and gives its exit status. */
export async function run(args: readonly string[]): Promise<number> {
  let childStatus = 0
  const status = await runProgram(args.length === 0 ? ['--help'] : args, 'lock-client', (program, out) => {
    program.description('Takes, renews and releases locks of a lock service.').addHelpText('after', EXAMPLES)
    add(program, 'acquire <name>', 'take a lock, or wait for it; it lasts for --ttl')
      .option('--ttl <time>', 'how long: 500ms, 30s, 5m', '30s')
      .option('--exec <command>', 'run this under the lock, keep it alive meanwhile, release it at the end')
      .option('--no-wait', 'fail if somebody else has it')
      .action(async (name: string, options: AcquireArguments) => {
        const { acquire } = await import('./acquire.ts')
        childStatus = await acquire(out, name, options)
      })
    add(program, 'renew <lock-id>', 'give a lock its whole time again, or another one')
      .option('--ttl <time>', 'how long: 500ms, 30s, 5m', '30s')
      .action(async (id: string, options: ConnectionArguments & { ttl: string }) => {
        const { renew } = await import('./held.ts')
        await renew(out, id, options)
      })
    add(program, 'release <lock-id>', 'let the next one have it').action(
      async (id: string, options: ConnectionArguments) => {
        const { release } = await import('./held.ts')
        await release(out, id, options)
      },
    )
    add(program, 'list', 'show the locks that are held, and how many wait').action(
      async (options: ConnectionArguments) => {
        const { list } = await import('./look.ts')
        await list(out, options)
      },
    )
    add(program, 'watch <name>', 'tell who holds a lock, whenever that changes')
      .option('--count <changes>', 'end after so many lines')
      .action(async (name: string, options: ConnectionArguments & { count?: string }) => {
        const { watch } = await import('./look.ts')
        await watch(out, name, options)
      })
    add(program, 'elect <name> <value>', 'wait to be the leader, and stay it until a signal comes')
      .option('--ttl <time>', 'how long the leader outlives its process', '10s')
      .action(async (name: string, value: string, options: ConnectionArguments & { ttl: string }) => {
        const { elect } = await import('./elect.ts')
        await elect(out, name, value, options)
      })
  })
  return status === 0 ? childStatus : status
}

function add(program: Command, name: string, summary: string): Command {
  return program
    .command(name)
    .description(summary)
    .option('--endpoints <addresses>', 'host:port, several with commas between', defaultEndpoints())
    .option('--user <name:password>', 'who asks')
    .option('--tls-ca <file>', 'speak TLS, and trust what this authority has signed')
    .option('--tls-cert <file>', 'who we are')
    .option('--tls-key <file>', 'the key that belongs to it')
    .addOption(new Option('--json', 'print JSON'))
}

function defaultEndpoints(): string {
  return process.env['ETCD_ENDPOINTS'] ?? '127.0.0.1:2379'
}
