// partitioned-kv add-node, remove-node, repair: what changes the cluster. The control port is asked, which starts and ends nodes.
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import { bearer } from '../../distributed/link/index.ts'
import { type MovementPlan, planMovement } from '../../distributed/ring/movement.ts'
import type { ClusterRing, PartitionedClient } from '../../distributed/ring/store/client.ts'
import { HttpClient } from '../../io/http-client.ts'
import type { Output } from '../kit/output.ts'
import { startProgress } from '../kit/progress.ts'
import { plural } from '../kit/text.ts'
import { type ConnectionArguments, clientSecret, withClient } from './connection.ts'

export interface RemoveArguments extends ConnectionArguments {
  readonly lost?: boolean
}

/** How often is asked how far it is. */
const LOOK_MS = 100
/** Longer than a change can be put off: a node has to start, and to be heard. */
const ASK_MS = 60_000

/** Starts a node and waits until it holds its part. */
export function addNode(out: Output, name: string, options: ConnectionArguments): Promise<void> {
  return change(out, options, {
    ask: ['/add-node', { name }],
    begun: 'Node added. Rebalancing...',
    done: ({ movedShare }) => `Moved ${Math.round(100 * movedShare)}% of keys to ${name}`,
  })
}

/** Waits until others hold what a node had, and ends it. */
export function removeNode(out: Output, name: string, options: RemoveArguments): Promise<void> {
  return change(out, options, {
    ask: ['/remove-node', { name, lost: options.lost === true }],
    begun: 'Node removed. Rebalancing...',
    done: ({ moves }) => `Moved keys to ${listOf([...new Set(moves.map(({ to }) => to))].sort())}`,
  })
}

/** Compares replicas now. */
export async function repair(out: Output, options: ConnectionArguments): Promise<void> {
  const { ranges, keys } = (await post(options, '/repair', {})) as { ranges: number; keys: number }
  if (options.json === true) await out.line(JSON.stringify({ ranges, keys }))
  else await out.line(`Compared ${plural(ranges, 'range')}, ${plural(keys, 'key')} differed`)
}

interface Wanted {
  readonly ask: readonly [path: string, body: unknown]
  readonly begun: string
  readonly done: (plan: MovementPlan) => string
}

function change(out: Output, options: ConnectionArguments, { ask, begun, done }: Wanted): Promise<void> {
  return withClient(options, async (client) => {
    const before = client.cluster
    const { epoch } = (await post(options, ...ask)) as { epoch: number }
    if (options.json !== true) {
      await out.line(begun)
      await out.flush()
    }
    const after = await settled(client, epoch)
    // What is said of keys is said of their first nodes; who else got copies of a node that left is among those it names.
    const first = planMovement(before.ring, after.ring, { replicaCount: 1 })
    const copies = planMovement(before.ring, after.ring, {
      replicaCount: Math.min(before.replicas, after.ring.nodes.length),
    })
    const plan = { ...copies, movedShare: first.movedShare }
    if (options.json !== true) await out.line(done(plan))
    else {
      const to = [...new Set(plan.moves.map((move) => move.to))].sort()
      await out.line(JSON.stringify({ epoch: after.epoch, movedShare: plan.movedShare, to }))
    }
  })
}

/** Waits until the ring has changed, whoever does it: a command that was cut off does not stop it. */
async function settled(client: PartitionedClient, since: number): Promise<ClusterRing> {
  const progress = await startProgress({ label: 'moving', total: 1, format: (done) => `${Math.round(100 * done)}%` })
  try {
    for (;;) {
      const cluster = await client.refresh()
      if (cluster.phase === 'stable' && cluster.epoch > since) return cluster
      progress.update(await shareDone(client))
      await new Promise<void>((resolve) => void setTimeout(resolve, LOOK_MS))
    }
  } finally {
    progress.stop()
  }
}

/** Of all ranges that nodes copy, how many are done. */
async function shareDone(client: PartitionedClient): Promise<number> {
  let [all, done] = [0, 0]
  for (const status of (await client.statuses()).values()) {
    const moves = status?.['moves'] as { moves: number; done: number } | undefined
    all += moves?.moves ?? 0
    done += moves?.done ?? 0
  }
  return all === 0 ? 0 : done / all
}

async function post({ url, secretFile }: ConnectionArguments, path: string, body: unknown): Promise<unknown> {
  const http = new HttpClient()
  try {
    const base = (url.split(',')[0] as string).trim().replace(/\/$/, '')
    const reply = await http.ask({
      method: 'POST',
      url: base + path,
      headers: bearer(clientSecret(secretFile)),
      body: Buffer.from(JSON.stringify(body)),
      timeoutMs: ASK_MS,
    })
    const answer = answerOf(reply.body)
    const { code = 'UNAVAILABLE', message, hint } = answer.error ?? {}
    if (reply.status < 300) return answer
    const hasNoPath = reply.status === 405 || message === `there is no ${path}`
    if (message !== undefined && !hasNoPath) {
      throw new BedplateError(code as ErrorCode, message, hint === undefined ? {} : { hint })
    }
    throw new BedplateError('NOT_SUPPORTED', `${base} is no control port, and cannot start or end nodes`, {
      hint: 'start the new node yourself with --joins, then: curl NODE/change -d \'{"kind":"add","name":"node4","address":"host:port"}\'',
    })
  } finally {
    http.close()
  }
}

function answerOf(body: Uint8Array): { error?: { code?: string; message?: string; hint?: string } } {
  try {
    return JSON.parse(Buffer.from(body).toString()) as object
  } catch {
    return {}
  }
}

/** `a`, `a and b`, `a, b and c`. */
function listOf(names: readonly string[]): string {
  if (names.length < 2) return names[0] ?? 'nobody'
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
