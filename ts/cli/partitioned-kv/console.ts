// What the console shows of a partitioned store, and what it does there.
//
//   GET   view     {hasFaults, epoch, phase, replicas, reads, writes, names, owners, moving, nodes}; see ring-view.ts
//   POST  faults   see ../local-cluster/faults.ts
//   POST  change   {kind: "add" | "remove", name} | {kind: "abort" | "repair"}    {text}
//   POST  key      {action: "get" | "set" | "delete", key, value, node, r, w, beside}    {text, values, replicas, place}
//
// `place` is where the key lies on the ring, from 0 to 1. A set replaces what a read shows, unless it is to stand beside that.
import { BedplateError, type ErrorCode } from '../../base/errors.ts'
import { positionOf } from '../../distributed/ring/hash.ts'
import type { NodeStatus } from '../../distributed/ring/store/host.ts'
import { RING_SIZE } from '../../distributed/ring/types.ts'
import type { MaybePage, Page } from '../../io/http.ts'
import type { HttpAsk } from '../../io/http-client.ts'
import { jsonOf, jsonPage } from '../../service/index.ts'
import { answering, type ConsolePart } from '../console/part.ts'
import { shorten } from '../kit/text.ts'
import { nodeToAsk } from '../local-cluster/ask.ts'
import { type Hurtable, hurtOf } from '../local-cluster/faults.ts'
import type { NodeState } from '../local-cluster/nodes.ts'
import { type RingAnswer, RingView } from './ring-view.ts'

/** What the console looks into. */
export interface PartitionedView {
  readonly nodes: () => readonly NodeState<string>[]
  /** The nodes, where they may be hurt. */
  readonly hurtable?: () => Hurtable<string> | undefined
  /** What any node says of the ring. @throws UNAVAILABLE */
  readonly ring: () => Promise<RingAnswer>
  /** Asks a node over HTTP. @throws UNAVAILABLE */
  readonly ask: (
    name: string,
    path: string,
    request?: Omit<HttpAsk, 'url'>,
  ) => Promise<Page & { readonly body: string }>
  /** What the control port does at a path. */
  readonly change: (path: string, body: object) => MaybePage
}

type Json = Readonly<Record<string, unknown>>

/** A node that says nothing for so long is not waited for. */
const LOOK_MS = 1000
const SHOWN_CHARACTERS = 60

export function partitionedConsole(view: PartitionedView): ConsolePart {
  let known: RingView | undefined
  return answering({
    pages: async (path) => {
      if (path !== 'view') return undefined
      const answer = await view.ring()
      if (known?.epoch !== answer.epoch) known = new RingView(answer)
      return jsonPage(await viewOf(view, answer, known))
    },
    change: async (path, body) => {
      switch (path) {
        case 'faults':
          return jsonPage(await hurtOf(view.hurtable, body))
        case 'change':
          return jsonPage({ text: await change(view, jsonOf(body)) })
        case 'key':
          return jsonPage(await ofKey(view, jsonOf(body)))
        default:
          return undefined
      }
    },
  })
}

async function viewOf(view: PartitionedView, answer: RingAnswer, ring: RingView): Promise<unknown> {
  const { epoch, phase, replicas, reads, writes } = answer
  const states = view.nodes()
  const statuses = new Map(
    await Promise.all(states.map(async (state) => [state.id, await statusOf(view, state)] as const)),
  )
  const doneOf = (name: string): number => {
    const { epoch: of, moves } = statuses.get(name) ?? {}
    return of === epoch ? (moves?.done ?? 0) : 0
  }
  return {
    ...{ hasFaults: view.hurtable !== undefined, epoch, phase, replicas, reads, writes },
    ...{ names: ring.names, owners: ring.owners, moving: ring.moving(doneOf) },
    nodes: states.map(({ id, state, port, cutFrom }) => {
      const { hints, hintsFor, siblings, requests, moves, down, isMember, problem, failure } = statuses.get(id) ?? {}
      return {
        ...{ id, state, port, cutFrom, share: ring.shares.get(id) ?? 0, isKnown: statuses.get(id) !== undefined },
        ...{ hints, hintsFor, siblings, requests, moves, down, isMember, problem: problem ?? failure },
      }
    }),
  }
}

/** What a node says of itself; undefined for one that says nothing. */
async function statusOf(view: PartitionedView, { id, state }: NodeState<string>): Promise<NodeStatus | undefined> {
  if (state !== 'running') return undefined
  try {
    const { status, body } = await view.ask(id, '/status', { timeoutMs: LOOK_MS })
    return status === 200 ? (JSON.parse(body) as NodeStatus) : undefined
  } catch {
    return undefined
  }
}

async function change(view: PartitionedView, { kind, name }: Json): Promise<string> {
  if (kind === 'repair') {
    const { ranges, keys } = answerOf(await view.change('/repair', {}))
    return `compared ${ranges} ranges, ${keys} keys differed`
  }
  if (kind === 'abort') {
    answerOf(await view.change('/change', { kind: 'abort' }))
    return 'the change was given up'
  }
  if ((kind !== 'add' && kind !== 'remove') || typeof name !== 'string') {
    throw new BedplateError(
      'INVALID_INPUT',
      'a change is like {"kind": "add", "name": "node4"}, or remove, abort, repair',
    )
  }
  // One that is down when it is removed has nothing to give: the others bring back what it had.
  const lost = kind === 'remove' && view.nodes().some(({ id, state }) => id === name && state === 'down')
  answerOf(await view.change(`/${kind}-node`, { name, lost }))
  return kind === 'add' ? `${name} comes` : `${name} goes`
}

async function ofKey(view: PartitionedView, { action, key, value, node, r, w, beside }: Json): Promise<unknown> {
  if (typeof key !== 'string' || (action === 'set' && typeof value !== 'string')) {
    throw new BedplateError('INVALID_INPUT', 'a request is like {"action": "set", "key": "a", "value": "1"}')
  }
  const { id } = nodeToAsk(view.nodes(), node)
  const path = `/kv/${encodeURIComponent(key)}`
  const ask = async (
    method: 'GET' | 'PUT' | 'DELETE',
    query: Record<string, unknown>,
    body?: string,
  ): Promise<Json> => {
    const given = Object.entries(query).flatMap(([name, each]) => (each === undefined ? [] : [[name, String(each)]]))
    const sent = body === undefined ? {} : { body: Buffer.from(body) }
    const asked = `${path}?${new URLSearchParams(given as [string, string][])}`
    return answerOf(await view.ask(id, asked, { method, ...sent }), id)
  }
  const read = async (): Promise<Json> => ask('GET', { r: count(r) })
  const context = action === 'get' || beside === true ? undefined : (await read())['context']
  const answer =
    action === 'get'
      ? await read()
      : await ask(
          action === 'set' ? 'PUT' : 'DELETE',
          { w: count(w), context },
          action === 'set' ? String(value) : undefined,
        )
  const values = ((answer['values'] ?? []) as unknown[]).map((each) => shorten(textOf(each), SHOWN_CHARACTERS))
  const replicas = answer['replicas'] as string[]
  const place = `on ${replicas.join(', ')}; hash ${String(answer['hash'])}...`
  return { text: `${id}: ${wordsOf(action, values)}, ${place}`, values, replicas, place: positionOf(key) / RING_SIZE }
}

function wordsOf(action: unknown, values: readonly string[]): string {
  if (action === 'set') return 'stored'
  if (action === 'delete') return 'deleted'
  if (values.length === 0) return 'no such key'
  return values.length === 1 ? (values[0] as string) : `${values.length} siblings, ${values.join(' and ')}`
}

/** What was asked for as a number; undefined for the cluster's own. */
function count(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

/** Text as it is; of other bytes, that they are some. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : `base64 ${String((value as { base64?: unknown } | null)?.base64)}`
}

/** @throws What was refused, in the name of who refused it */
function answerOf(page: Page | undefined, name?: string): Json {
  const answer = JSON.parse(Buffer.from(page?.body ?? '{}').toString()) as {
    error?: { code: ErrorCode; message: string }
  }
  const { error } = answer
  if (error === undefined) return answer as Json
  throw new BedplateError(error.code, name === undefined ? error.message : `${name}: ${error.message}`)
}
