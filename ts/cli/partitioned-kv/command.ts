// The command line of partitioned-kv: a cluster, one node of it, and what is asked of it.
import type { Command } from 'commander'
import { variableOf } from '../../service/index.ts'
import { runProgram } from '../kit/program.ts'
import { addSettings } from '../kit/server-command.ts'
import type { RemoveArguments } from './change.ts'
import { type ConnectionArguments, defaultUrl } from './connection.ts'
import type { ReadArguments, WriteArguments } from './keys.ts'
import { CLUSTER_SETTINGS, NODE_SETTINGS, SYSTEM } from './settings.ts'

const EXAMPLES = `
Examples:
  $ partitioned-kv --nodes=node1,node2,node3            a cluster on this machine, until Ctrl-C; and in another terminal:
  $ partitioned-kv set user:1 "Alice"
  $ partitioned-kv get user:1
  $ partitioned-kv get user:1 --r 3 --json
  $ partitioned-kv add-node node4
  $ partitioned-kv remove-node node2
  $ partitioned-kv replace-node node3 node5 --lost      its disk is gone; without --lost it hands over what it has
  $ partitioned-kv ring
  $ partitioned-kv status
  $ curl http://127.0.0.1:7101/kv/user:1                any node takes any request
  $ partitioned-kv node --name=node1 --peers=node1=10.0.0.1:7101,node2=10.0.0.2:7101,node3=10.0.0.3:7101 \\
      --host=10.0.0.1 --secret-file=secret               one node of a cluster of several machines

Commands find the cluster at --url, PARTITIONED_KV_URL or the control port 7100; any node will do as well.
Every flag of a server has a twin in the environment, such as ${variableOf(SYSTEM, 'port')}, and a line in the file of --config.
Exit status: 0 done or stopped by a signal, 1 failed or no such key, 2 wrong usage.`

/** Runs `partitioned-kv ...args` and gives its exit status. */
export function run(args: readonly string[]): Promise<number> {
  return runProgram(args.length === 0 ? ['--help'] : args, 'partitioned-kv', (program, out) => {
    program
      .description('A key-value store on many nodes: each key on some of them, found by consistent hashing.')
      .addHelpText('after', EXAMPLES)
      .enablePositionalOptions()
    addServer(program, CLUSTER_SETTINGS)
      .option('--processes', 'run each node as a process of its own, not as a thread')
      .action(async (options) => {
        const { serveCluster } = await import('./serve.ts')
        await serveCluster(options)
      })
    addServer(program.command('node').description('run one node of a cluster'), NODE_SETTINGS)
      .option('--joins', 'wait to be added to the cluster of --peers, instead of founding it')
      .action(async (options) => {
        const { serveNode } = await import('./node.ts')
        await serveNode(options)
      })
    add(program, 'set <key> <value>', 'write a value, in the place of what is there')
      .option('--w <count>', 'how many replicas have it on disk before this ends')
      .option('--n <count>', 'how many replicas the key has')
      .option('--context <text>', 'replace what a read with this context has shown; "": stand beside what is there')
      .action(async (key: string, value: string, options: WriteArguments) => {
        const { set } = await import('./keys.ts')
        await set(out, key, value, options)
      })
    add(program, 'get <key>', 'print the value; several if they were written at once')
      .option('--r <count>', 'how many replicas are asked')
      .option('--n <count>', 'how many replicas the key has')
      .option('--lww', 'print the one that was written last, by the clocks of the nodes')
      .action(async (key: string, options: ReadArguments) => {
        const { get } = await import('./keys.ts')
        await get(out, key, options)
      })
    add(program, 'delete <key>', 'delete what is there')
      .option('--w <count>', 'how many replicas have it on disk before this ends')
      .option('--n <count>', 'how many replicas the key has')
      .option('--context <text>', 'delete what a read with this context has shown')
      .action(async (key: string, options: WriteArguments) => {
        const { remove } = await import('./keys.ts')
        await remove(out, key, options)
      })
    add(program, 'add-node <name>', 'start a node, and give it its part of the keys').action(
      async (name: string, options: ConnectionArguments) => {
        const { addNode } = await import('./change.ts')
        await addNode(out, name, options)
      },
    )
    add(program, 'remove-node <name>', 'give the keys of a node to the others, and end it')
      .option('--lost', 'it does not run, and its disk is gone')
      .action(async (name: string, options: RemoveArguments) => {
        const { removeNode } = await import('./change.ts')
        await removeNode(out, name, options)
      })
    add(program, 'replace-node <name> <by>', 'start a node that takes the place of another one, which ends then')
      .option('--lost', 'the other one does not run, and its disk is gone')
      .action(async (name: string, by: string, options: RemoveArguments) => {
        const { replaceNode } = await import('./change.ts')
        await replaceNode(out, name, by, options)
      })
    add(program, 'lose-node <name>', 'say of a node that a change waits for that it will not come back').action(
      async (name: string, options: ConnectionArguments) => {
        const { loseNode } = await import('./change.ts')
        await loseNode(out, name, options)
      },
    )
    add(program, 'abort', 'give up a change that still copies keys').action(async (options: ConnectionArguments) => {
      const { abort } = await import('./change.ts')
      await abort(out, options)
    })
    add(program, 'repair', 'compare all replicas of a node now, and exchange what differs').action(
      async (options: ConnectionArguments) => {
        const { repair } = await import('./change.ts')
        await repair(out, options)
      },
    )
    add(program, 'ring', 'draw the ring, and what each node holds').action(async (options: ConnectionArguments) => {
      const { ring } = await import('./look.ts')
      await ring(out, options)
    })
    add(program, 'status', 'say how each node is').action(async (options: ConnectionArguments) => {
      const { status } = await import('./look.ts')
      await status(out, options)
    })
  })
}

function addServer(command: Command, settings: Parameters<typeof addSettings>[1]): Command {
  addSettings(command, settings)
  return command
    .option('--insecure', 'let everybody who reaches the port read and change everything')
    .option('--json', 'say what happens as lines of JSON')
}

function add(program: Command, name: string, summary: string): Command {
  return program
    .command(name)
    .description(summary)
    .option('--url <urls>', 'the control port, or nodes with commas between', defaultUrl())
    .option('--secret-file <file>', 'the secret of the cluster')
    .option('--tls-ca <file>', 'trust what this authority has signed')
    .option('--tls-cert <file>', 'who we are')
    .option('--tls-key <file>', 'the key that belongs to it')
    .option('--json', 'print JSON')
}
