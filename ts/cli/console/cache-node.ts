// A cache as the console sees it: servers that run commands, and may be hurt.
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

/** Reply as values: errors are undefined, since what a command does not know, the console does not show. */
export type Plain = string | number | null | Plain[]

/** Runs commands on a database, and leaves the session where it was. */
export async function ask(
  node: CacheNode,
  db: string,
  commands: readonly (readonly string[])[],
): Promise<(Plain | undefined)[]> {
  if (commands.length === 0) return []
  const isFirst = Number(db) === 0 // where it always is between two calls
  const replies = await node.run(isFirst ? commands : [['SELECT', db], ...commands, ['SELECT', '0']])
  const [selected] = isFirst ? ['OK'] : [plainOf(replies[0])]
  const own = isFirst ? replies : replies.slice(1, -1)
  return own.map((bytes) => (selected === 'OK' ? plainOf(bytes) : undefined))
}

function plainOf(bytes: Uint8Array | undefined): Plain | undefined {
  const decoder = new ReplyDecoder()
  decoder.push(bytes ?? new Uint8Array(0))
  return toPlain(decoder.next())
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
