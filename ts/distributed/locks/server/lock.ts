// The services Lock and Election: queues of keys that the server stands in for its client.
import {
  CampaignRequest,
  CampaignResponse,
  EVENT_TYPE,
  HeaderResponse,
  type KeyValue,
  LeaderRequest,
  LeaderResponse,
  LockRequest,
  LockResponse,
  ProclaimRequest,
  ResignRequest,
  SORT_ORDER,
  SORT_TARGET,
  UnlockRequest,
} from '../../../wire/etcd/messages.ts'
import { requireCommand, requireRead } from '../auth/checks.ts'
import { Refusal, STATUS } from '../errors.ts'
import { prefixEnd, queueKey } from '../queue-keys.ts'
import type { Key } from '../types.ts'
import { type Caller, executeFor, headerFor, type Methods, type ServiceContext, streaming, unary } from './service.ts'
import { enqueue, ifCreatedAt, putRequest, rangeRequest, untilTurn, watching } from './turn.ts'

/** A lock that is asked for without a lease gets one of its own, of this time, as etcd does it. */
const OWN_LEASE_SECONDS = 60
const NO_VALUE = new Uint8Array(0)
const NO_OP = { range: undefined, put: undefined, deleteRange: undefined, txn: undefined }

/** The methods of v3lockpb.Lock and v3electionpb.Election. */
export function lockMethods(context: ServiceContext): Methods {
  const { node } = context
  return [
    unary(context, '/v3lockpb.Lock/Lock', { request: LockRequest, response: LockResponse }, async (request, caller) => {
      const { key } = await stand(context, caller, { ...request, value: NO_VALUE })
      return { header: headerFor(context), key }
    }),
    unary(
      context,
      '/v3lockpb.Lock/Unlock',
      { request: UnlockRequest, response: HeaderResponse },
      async ({ key }, { user }) => {
        const { revision } = await executeFor(node, user, { deleteRange: { key, rangeEnd: '', prevKv: false } })
        return { header: headerFor(context, revision) }
      },
    ),
    unary(
      context,
      '/v3electionpb.Election/Campaign',
      { request: CampaignRequest, response: CampaignResponse },
      async (request, caller) => {
        const { key, createRevision, lease } = await stand(context, caller, request)
        return { header: headerFor(context), leader: { name: request.name, key, revision: createRevision, lease } }
      },
    ),
    unary(
      context,
      '/v3electionpb.Election/Proclaim',
      { request: ProclaimRequest, response: HeaderResponse },
      async ({ leader, value }, { user }) => {
        if (leader === undefined) throw new Refusal(STATUS.invalidArgument, '"leader" field must be provided')
        const { key, revision: createRevision, lease } = leader
        const put = putRequest({ key, value, lease })
        const txn = ifCreatedAt(key, createRevision, { success: [{ ...NO_OP, put }] })
        const result = await executeFor(node, user, { txn })
        if (result.txn?.succeeded !== true) throw new Refusal(STATUS.unknown, 'election: not leader')
        return { header: headerFor(context, result.revision) }
      },
    ),
    unary(
      context,
      '/v3electionpb.Election/Leader',
      { request: LeaderRequest, response: LeaderResponse },
      async ({ name }, { user }) => {
        requireRead(node.state, user, { key: `${name}/`, rangeEnd: prefixEnd(`${name}/`) })
        const kv = await leaderOf(context, name)
        if (kv === undefined) throw new Refusal(STATUS.unknown, 'election: no leader')
        return { header: headerFor(context), kv }
      },
    ),
    streaming(
      context,
      '/v3electionpb.Election/Observe',
      { request: LeaderRequest, response: LeaderResponse },
      async ({ requests, send, user, signal }) => {
        for await (const { name } of requests) {
          requireRead(node.state, user, { key: `${name}/`, rangeEnd: prefixEnd(`${name}/`) })
          await observe(context, name, signal, (kv) => send({ header: headerFor(context), kv }))
        }
      },
    ),
    unary(
      context,
      '/v3electionpb.Election/Resign',
      { request: ResignRequest, response: HeaderResponse },
      async ({ leader }, { user }) => {
        if (leader === undefined) throw new Refusal(STATUS.invalidArgument, '"leader" field must be provided')
        const { key, revision: createRevision } = leader
        const deleteRange = { key, rangeEnd: '', prevKv: false }
        const { revision } = await executeFor(node, user, {
          txn: ifCreatedAt(key, createRevision, { success: [{ ...NO_OP, deleteRange }] }),
        })
        return { header: headerFor(context, revision) }
      },
    ),
  ]
}

/** Who stands in a queue, and for what. */
interface Candidate {
  readonly name: Key
  readonly lease: bigint
  readonly value: Uint8Array
}

/** What holds until it is deleted or its lease ends. */
interface Place {
  readonly key: Key
  readonly createRevision: number
  readonly lease: bigint
}

/** Joins the queue of a name and waits for its turn. Without a lease it gets one, which goes again if it is not to be. */
async function stand(context: ServiceContext, caller: Caller, request: Candidate): Promise<Place> {
  if (request.lease !== 0n) return standUnder(context, caller, request)
  const { node } = context
  const lease = node.newLeaseId()
  // Whoever may not stand here is not to leave leases behind either.
  const { key } = requireQueue(context, caller, { name: request.name, lease })
  requireCommand(node.state, caller.user, { put: putRequest({ key, value: request.value }) })
  await node.grant(lease, OWN_LEASE_SECONDS)
  try {
    return await standUnder(context, caller, { ...request, lease })
  } catch (error) {
    await node.execute({ revoke: { id: lease } }).catch(() => {}) // then it ends when its time is over
    throw error
  }
}

async function standUnder(context: ServiceContext, caller: Caller, request: Candidate): Promise<Place> {
  const { node } = context
  const { user, signal } = caller
  const { lease, value } = request
  const { key, prefix } = requireQueue(context, caller, request)
  const { kv, isNew } = await enqueue(node, user, { key, value, lease })
  const { createRevision } = kv
  if (!isNew && value.length > 0 && !Buffer.from(kv.value).equals(value)) {
    await executeFor(node, user, { put: putRequest({ key, value, lease }) })
  }
  try {
    await untilTurn(node, { key, prefix, createRevision, signal })
  } catch (error) {
    // Whoever does not wait any more must not hold up those behind it.
    const deleteRange = { key, rangeEnd: '', prevKv: false }
    await node.execute({ txn: ifCreatedAt(key, createRevision, { success: [{ ...NO_OP, deleteRange }] }) })
    throw error
  }
  return { key, createRevision, lease }
}

/** The key to stand with; the queue must be readable. @throws Refusal */
function requireQueue(
  { node }: ServiceContext,
  { user }: Caller,
  { name, lease }: Pick<Candidate, 'name' | 'lease'>,
): { key: Key; prefix: Key } {
  const { key, prefix } = queueKey(name, lease)
  requireRead(node.state, user, { key: prefix, rangeEnd: prefixEnd(prefix) })
  return { key, prefix }
}

async function leaderOf({ node }: ServiceContext, name: Key): Promise<KeyValue | undefined> {
  const prefix = `${name}/`
  const request = rangeRequest({
    key: prefix,
    rangeEnd: prefixEnd(prefix),
    limit: 1,
    sortOrder: SORT_ORDER.ascend,
    sortTarget: SORT_TARGET.create,
  })
  const { kvs } = await node.read((state) => state.range(request))
  return kvs[0]
}

/** Tells who leads, again whenever that or what it proclaims changes, until nobody listens any more. */
async function observe(
  context: ServiceContext,
  name: Key,
  signal: AbortSignal,
  tell: (kv: KeyValue) => Promise<void>,
): Promise<void> {
  const prefix = `${name}/`
  const spans = [{ key: prefix, end: prefixEnd(prefix) }]
  let told: KeyValue | undefined
  while (!signal.aborted) {
    const from = context.node.watches.revision + 1
    const leader = await leaderOf(context, name)
    if (leader !== undefined && leader.modRevision !== told?.modRevision) {
      told = leader
      await tell(leader)
    }
    await watching(context.node, { spans, from, signal }, (events) =>
      events.some(({ type, kv }) => type === EVENT_TYPE.put || kv?.key === told?.key),
    ).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }
}
