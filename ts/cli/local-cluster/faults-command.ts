// `... faults kill 3`: the subcommands that hurt a local cluster, in the same words for every system.
import type { Command } from 'commander'
import { BedplateError } from '../../base/errors.ts'
import type { LinkId } from '../../distributed/link/index.ts'
import { nodeName } from '../kit/node-processes.ts'
import type { Output } from '../kit/output.ts'
import { postJson } from '../kit/post-json.ts'
import { type Fault, OF_NODES } from './faults.ts'
import type { NodeState } from './nodes.ts'

/** What differs between systems. */
export interface FaultsCommand {
  /** The command that runs a cluster: `bedplate raft up`. */
  readonly up: string
  /** Adds the options that say where it is. */
  readonly addOptions: (command: Command) => Command
  /** Where it hears of faults, and what it wants to be told with them, by those options. */
  readonly where: (options: Readonly<Record<string, string>>) => {
    readonly url: string
    readonly headers?: Readonly<Record<string, string>>
  }
  /** What to do where nobody is heard. */
  readonly hint: string
  /** A node as it is written. @throws UsageError */
  readonly nodeOf: (word: string) => LinkId
  /** Two groups, for the help: `1,2 3,4,5`. */
  readonly sides: string
}

export function addFaults(program: Command, out: Output, kind: FaultsCommand): void {
  const faults = program.command('faults').description(`hurt a cluster that \`${kind.up}\` runs`)
  const add = (usage: string, summary: string, faultOf: (words: readonly string[]) => Fault): void => {
    kind
      .addOptions(faults.command(usage).description(summary))
      .option('--json', 'say how the nodes are as JSON')
      .action(async (...given: unknown[]) => {
        const [options] = given.slice(-2) as [Record<string, string> & { json?: boolean }]
        const words = given.slice(0, -2).flat() as string[]
        const states = await ask(kind, options, faultOf(words))
        if (options.json === true) await out.line(JSON.stringify(states))
        else for (const state of states) await out.line(describe(state))
      })
  }
  for (const [fault, summary] of Object.entries(OF_NODES)) {
    add(`${fault} <node>`, summary, ([node = '']) => ({ fault, node: kind.nodeOf(node) }))
  }
  add('partition <sides...>', `cut the ways between groups of nodes: ${kind.sides}`, (sides) => ({
    fault: 'partition',
    groups: sides.map((side) => side.split(',').map(kind.nodeOf)),
  }))
  add('heal', 'let all nodes hear each other again', () => ({ fault: 'heal' }))
  add('status', 'say how the nodes are', () => ({ fault: 'status' }))
}

async function ask(
  { where, hint }: FaultsCommand,
  options: Record<string, string>,
  fault: Fault,
): Promise<NodeState[]> {
  const place = where(options)
  const { status, answer, refusal } = await postJson({ ...place, body: fault }).catch((cause: unknown) => {
    throw new BedplateError('UNAVAILABLE', `no cluster is heard at ${new URL(place.url).host}`, { cause, hint })
  })
  if (status < 300 && Array.isArray(answer)) return answer as NodeState[]
  throw refusal ?? new BedplateError('UNAVAILABLE', `what answers at ${place.url} runs no cluster to hurt`)
}

function describe({ id, state, port, cutFrom }: NodeState): string {
  const cut = cutFrom.length === 0 ? '' : `, cut from ${cutFrom.join(', ')}`
  const name = typeof id === 'number' ? `[${nodeName(id)}]` : id
  return `${name} ${state}, port ${port}${cut}`
}
