// What cache-cli does with one command.
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import { hashOf, slotOf } from '../../cache/cluster/slots.ts'
import type { Reply } from '../../wire/resp/index.ts'
import type { Output } from '../kit/output.ts'
import { type Answer, itemsOf, type Nodes, textOf } from './cluster.ts'
import { toBytes, toJson } from './show.ts'

export interface Manner {
  readonly json: boolean
  /** Say which node of the cluster has the key. */
  readonly cluster: boolean
  readonly forTerminal: boolean
}

const LISTENING = /^(?:[ps]?subscribe|monitor)$/i
const CODES: readonly (readonly [RegExp, ErrorCode])[] = [
  [/^(?:NOAUTH|NOPERM|WRONGPASS)/, 'PERMISSION'],
  [/^(?:LOADING|BUSY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|OOM|MISCONF)/, 'UNAVAILABLE'],
  [/^READONLY/, 'READ_ONLY'],
  [/unknown (?:command|subcommand)/, 'NOT_SUPPORTED'],
]

/**
 * Runs one command and prints its reply.
 * @throws BedplateError with the text of an error reply.
 */
export async function runCommand(nodes: Nodes, args: readonly string[], manner: Manner, out: Output): Promise<void> {
  const answer = await nodes.run(args)
  const { reply, connection } = answer
  if (reply.kind === 'error') throw errorOf(reply.text)
  const pushes = connection.takePushes()
  const evicted = pushes
    .filter((items) => textOf(items[0]) === 'evicted')
    .flatMap((items) => itemsOf(items[1]).map(textOf))
  const node = manner.cluster ? await nodeOf(nodes, args, answer) : undefined
  if (LISTENING.test(args[0] as string)) {
    await listen(nodes, pushes, manner, out)
    return
  }
  if (manner.json) {
    const details = { ...(evicted.length > 0 ? { evicted: evicted.map(shownKey) } : {}), ...node?.details }
    await out.line(JSON.stringify({ reply: toJson(reply), ...details }))
  } else if (node?.isWrite === true && isOk(reply)) await out.line(`Stored on ${node.text}`)
  else {
    await out.write(toBytes(reply, manner.forTerminal))
    await out.line(evicted.length > 0 ? ` (evicted ${evicted.map(shownKey).join(', ')})` : '')
    if (node !== undefined) await out.line(`From ${node.text}`)
  }
  await out.flush()
}

/** Prints what is said on channels until the connection ends. */
async function listen(
  { current }: Nodes,
  first: readonly (readonly Reply[])[],
  { json }: Manner,
  out: Output,
): Promise<void> {
  let pushes = first
  for (;;) {
    for (const items of pushes) {
      const reply: Reply = { kind: 'push', items }
      await out.line(json ? JSON.stringify({ push: toJson(reply) }) : toBytes(reply, true).toString())
    }
    await out.flush()
    if (!(await current.heard())) return
    pushes = current.takePushes()
  }
}

interface NodeLine {
  readonly text: string
  readonly isWrite: boolean
  readonly details: { readonly node: string; readonly hash: string; readonly slot: number }
}

/** Who has the first key of a command; undefined if it has none. */
async function nodeOf(nodes: Nodes, args: readonly string[], { connection }: Answer): Promise<NodeLine | undefined> {
  const keys = await connection.run(['COMMAND', 'GETKEYS', ...args])
  const info = await connection.run(['COMMAND', 'INFO', args[0] as string])
  const [first] = itemsOf(keys)
  if (first === undefined) return undefined
  const key = textOf(first)
  const slot = slotOf(key)
  const node = await nodes.nameOf(slot)
  const hash = `0x${hashOf(key).toString(16).padStart(4, '0')}`
  const isWrite = itemsOf(itemsOf(itemsOf(info)[0])[2]).some((flag) => textOf(flag) === 'write')
  return { text: `${node} (hash: ${hash}...)`, isWrite, details: { node, hash, slot } }
}

function isOk(reply: Reply): boolean {
  return reply.kind === 'simple' && reply.text === 'OK'
}

function shownKey(key: string): string {
  return Buffer.from(key, 'latin1').toString('utf8')
}

function errorOf(text: string): BedplateError {
  const code = CODES.find(([pattern]) => pattern.test(text))?.[1] ?? 'INVALID_INPUT'
  return new BedplateError(code, Buffer.from(text, 'latin1').toString('utf8'))
}
