// A cache as the console sees it: servers that run commands, and may be hurt.
import { BedplateError } from '../../base/errors.ts'
import { type Reply, ReplyDecoder } from '../../wire/resp/index.ts'

export const NODE_FAULTS = ['pause', 'resume', 'kill', 'start', 'failover'] as const
export type NodeFault = (typeof NODE_FAULTS)[number]

/** One server. */
export interface CacheNode {
  readonly name: string
  /** host:port, for clients. */
  readonly address: string
  readonly state: 'running' | 'paused' | 'down'
  /**
   * Runs commands one after the other, with nothing between them.
   * @returns The bytes of each reply.
   * @throws UNAVAILABLE if it is not running.
   */
  readonly run: (commands: readonly (readonly string[])[]) => Promise<readonly Uint8Array[]>
}

/** What the console looks into. */
export interface CacheView {
  readonly nodes: () => readonly CacheNode[]
  /** Hurts a node, or mends it; undefined where that cannot be done. @throws BedplateError */
  readonly fault?: (fault: NodeFault, node: number) => Promise<void>
}

/** A reply as values. */
export type Plain = string | number | null | Plain[]

/** Errors of a server that cannot answer now. What others say of a command stays so until something is changed. */
const PASSING = /^(?:LOADING|BUSY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|NOREPLICAS)\b/

/**
 * Runs commands on a database, and leaves the session where it was.
 * @throws INVALID_INPUT, UNAVAILABLE with the first error that the server replies, such as READONLY.
 */
export async function ask(
  node: CacheNode,
  db: string,
  commands: readonly (readonly string[])[],
): Promise<(Plain | undefined)[]> {
  const replies = await repliesOf(node, db, commands)
  for (const reply of replies) if (reply?.kind === 'error') throw errorOf(reply.text)
  return replies.map(toPlain)
}

/** The same; what a single command does not know is undefined. */
export async function askEach(
  node: CacheNode,
  db: string,
  commands: readonly (readonly string[])[],
): Promise<(Plain | undefined)[]> {
  return (await repliesOf(node, db, commands)).map(toPlain)
}

/** @throws INVALID_INPUT for a database that there is not. */
async function repliesOf(
  node: CacheNode,
  db: string,
  commands: readonly (readonly string[])[],
): Promise<(Reply | undefined)[]> {
  if (commands.length === 0) return []
  const isFirst = Number(db) === 0 // where it always is between two calls
  if (isFirst) return (await node.run(commands)).map(decode)
  const [selected, ...replies] = (await node.run([['SELECT', db], ...commands, ['SELECT', '0']])).map(decode)
  if (selected?.kind === 'error') throw errorOf(selected.text)
  return replies.slice(0, -1)
}

function errorOf(text: string): BedplateError {
  return new BedplateError(PASSING.test(text) ? 'UNAVAILABLE' : 'INVALID_INPUT', text)
}

function decode(bytes: Uint8Array): Reply | undefined {
  const decoder = new ReplyDecoder()
  decoder.push(bytes)
  return decoder.next()
}

function toPlain(reply: Reply | undefined): Plain | undefined {
  switch (reply?.kind) {
    case 'simple':
    case 'bulk':
      return reply.text
    case 'integer':
      return Number(reply.value)
    case 'null':
      return null
    case 'array':
      return reply.items.map((item) => toPlain(item) ?? null)
    default:
      return undefined
  }
}
