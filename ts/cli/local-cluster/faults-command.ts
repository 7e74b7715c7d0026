// `... faults kill 3`: the subcommands that hurt a local cluster, in the same words for every system.
import type { Command } from 'commander'
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import type { LinkId } from '../../distributed/link/index.ts'
import { HttpClient } from '../../io/http-client.ts'
import { nodeName } from '../kit/node-processes.ts'
import type { Output } from '../kit/output.ts'
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

/** Longer than a node may take to end, or to start. */
const ASK_MS = 60_000

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
  const { url, headers = {} } = where(options)
  const http = new HttpClient()
  const body = Buffer.from(JSON.stringify(fault))
  const request = { method: 'POST', url, headers, body, timeoutMs: ASK_MS } as const
  try {
    const reply = await http.ask(request).catch((cause: unknown) => {
      throw new BedplateError('UNAVAILABLE', `no cluster is heard at ${new URL(url).host}`, {
        cause,
        hint,
      })
    })
    const answer = answerOf(reply.body)
    if (reply.status < 300 && Array.isArray(answer)) return answer as NodeState[]
    const { error } = answer as { error?: { code: ErrorCode; message: string; hint?: string } }
    if (error === undefined) throw new BedplateError('UNAVAILABLE', `what answers at ${url} runs no cluster to hurt`)
    const { code, message, ...more } = error
    throw new BedplateError(code, message, more)
  } finally {
    http.close()
  }
}

function answerOf(body: Uint8Array): object {
  try {
    return (JSON.parse(Buffer.from(body).toString()) as object | null) ?? {}
  } catch {
    return {}
  }
}

function describe({ id, state, port, cutFrom }: NodeState): string {
  const cut = cutFrom.length === 0 ? '' : `, cut from ${cutFrom.join(', ')}`
  const name = typeof id === 'number' ? `[${nodeName(id)}]` : id
  return `${name} ${state}, port ${port}${cut}`
}
