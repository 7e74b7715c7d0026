// Questions to the nodes of a local cluster, over HTTP, for its console.
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import type { LinkId } from '../../distributed/link/index.ts'
import type { NodeState } from './nodes.ts'

/** Longer than a node waits for others. */
const ASK_MS = 7000

/** The node that is wanted; else of those that run, the one that is cut from the fewest. @throws UNAVAILABLE, INVALID_INPUT */
export function nodeToAsk<Id extends LinkId>(nodes: readonly NodeState<Id>[], wanted: unknown): NodeState<Id> {
  if (wanted !== undefined && wanted !== null) {
    const found = nodes.find(({ id }) => id === wanted)
    if (found === undefined) throw new BedplateError('INVALID_INPUT', 'there is no such node')
    return found
  }
  const running = nodes.filter(({ state }) => state === 'running')
  const [node] = running.sort((a, b) => a.cutFrom.length - b.cutFrom.length)
  if (node === undefined) throw new BedplateError('UNAVAILABLE', 'no node runs')
  return node
}

/** @returns What the node answers as JSON. @throws UNAVAILABLE if it does not, and what it refuses with, in its name */
export async function askNode(
  { id, port }: NodeState,
  path: string,
  { method = 'GET', body }: { readonly method?: string; readonly body?: string } = {},
): Promise<Readonly<Record<string, unknown>>> {
  const name = typeof id === 'number' ? `node ${id}` : id
  const signal = AbortSignal.timeout(ASK_MS)
  const asked = { method, signal, headers: { accept: 'application/json' }, ...(body === undefined ? {} : { body }) }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, asked).catch((cause: unknown) => {
    throw new BedplateError('UNAVAILABLE', `${name} did not answer`, { cause })
  })
  const answer = (await response.json().catch(() => null)) as Record<string, unknown> | null
  const { code = 'UNAVAILABLE', message } = (answer?.['error'] ?? {}) as { code?: ErrorCode; message?: string }
  if (response.ok && answer !== null) return answer
  throw new BedplateError(code, `${name}: ${message ?? `status ${response.status}`}`)
}
