// Queues of keys: whoever has the least create revision under a prefix has its turn; the next waits for that key to go. It is
// how etcd's locks and elections work, so its clients' own locks stand in the same queue (concurrency/key.go of etcd).
import { EVENT_TYPE, type KeyValue, type PutRequest, SORT_ORDER, SORT_TARGET } from '../../../wire/etcd/messages.ts'
import { Refusal, refusal, STATUS } from '../errors.ts'
import { prefixEnd } from '../queue-keys.ts'
import type { ServingNode } from '../serving.ts'
import type { Key, RangeRequest, TxnRequest } from '../types.ts'
import { executeFor } from './service.ts'

const NO_VALUE = new Uint8Array(0)

/** A read with defaults for what is not named. */
export function rangeRequest(request: Partial<RangeRequest> & { key: Key }): RangeRequest {
  return {
    rangeEnd: '',
    limit: 0,
    revision: 0,
    sortOrder: SORT_ORDER.none,
    sortTarget: SORT_TARGET.key,
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
    ...request,
  }
}

/** A put with defaults for what is not named. */
export function putRequest(request: Partial<PutRequest> & { key: Key }): PutRequest {
  return { value: NO_VALUE, lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false, ...request }
}

/** A comparison of the create revision of a key, with operations for both cases. */
export function ifCreatedAt(
  key: Key,
  createRevision: number,
  ops: Partial<Pick<TxnRequest, 'success' | 'failure'>>,
): TxnRequest {
  const compare = {
    result: 0,
    target: 1,
    key,
    version: undefined,
    createRevision,
    modRevision: undefined,
    value: undefined,
    lease: undefined,
    rangeEnd: '',
  }
  return { compare: [compare], success: ops.success ?? [], failure: ops.failure ?? [] }
}

/** Puts a key into its queue unless it stands there already. @returns What it is there, and whether it is new. @throws Refusal */
export async function enqueue(
  node: ServingNode,
  user: string | undefined,
  { key, value, lease }: { key: Key; value: Uint8Array; lease: bigint },
): Promise<{ kv: KeyValue; isNew: boolean }> {
  const op = { range: undefined, put: undefined, deleteRange: undefined, txn: undefined }
  const range = rangeRequest({ key })
  const { txn } = await executeFor(node, user, {
    txn: ifCreatedAt(key, 0, {
      success: [
        { ...op, put: putRequest({ key, value, lease }) },
        { ...op, range },
      ],
      failure: [{ ...op, range }],
    }),
  })
  const [kv] = txn?.responses.at(-1)?.range?.kvs ?? []
  return { kv: kv as KeyValue, isNew: txn?.succeeded === true }
}

/**
 * Waits until no key of the prefix has a create revision below `createRevision`.
 * @throws Refusal if the key itself goes meanwhile, as with its lease, or nobody waits any more
 */
export async function untilTurn(
  node: ServingNode,
  { key, prefix, createRevision, signal }: { key: Key; prefix: Key; createRevision: number; signal: AbortSignal },
): Promise<void> {
  const request = rangeRequest({
    key: prefix,
    rangeEnd: prefixEnd(prefix),
    limit: 1,
    sortOrder: SORT_ORDER.descend,
    sortTarget: SORT_TARGET.create,
    maxCreateRevision: createRevision - 1,
  })
  for (;;) {
    const { before, own, revision } = await node.read((state) => {
      const range = state.range(request)
      return {
        before: range.kvs[0],
        own: state.range(rangeRequest({ key })).kvs[0],
        revision: range.header?.revision ?? 0,
      }
    })
    if (own?.createRevision !== createRevision) throw new Refusal(STATUS.unknown, 'mutex: session is expired')
    if (before === undefined) return
    await untilDeleted(node, { keys: [before.key, key], from: revision + 1, signal })
  }
}

/** Waits until one of the keys is deleted, counting from main revision `from`. @throws Refusal if nobody waits any more */
async function untilDeleted(
  node: ServingNode,
  { keys, from, signal }: { keys: readonly Key[]; from: number; signal: AbortSignal },
): Promise<void> {
  await watching(node, { spans: keys.map((key) => ({ key, end: 'one' as const })), from, signal }, (events) =>
    events.some(({ type }) => type === EVENT_TYPE.delete),
  )
}

/** Follows the events of some spans until `isDone` says so. @throws Refusal if nobody waits any more */
export async function watching(
  node: ServingNode,
  {
    spans,
    from,
    signal,
  }: { spans: readonly Parameters<ServingNode['watches']['add']>[0]['span'][]; from: number; signal: AbortSignal },
  isDone: (events: Parameters<ServingNode['watches']['publish']>[0]) => boolean,
): Promise<void> {
  let wake: () => void = () => {}
  const watches = spans.map((span) =>
    node.watches.add({ span, startRevision: from, filters: [], prevKv: false, wake: () => wake() }),
  )
  const onAbort = (): void => wake()
  signal.addEventListener('abort', onAbort)
  try {
    for (;;) {
      if (signal.aborted) throw new Refusal(STATUS.cancelled, 'context canceled')
      for (const watch of watches) {
        while (watch.hasMore) {
          const batch = watch.take()
          if (batch.kind === 'compacted') throw refusal('compacted')
          if (isDone(batch.events)) return
        }
      }
      await new Promise<void>((resolve) => {
        wake = resolve
        if (signal.aborted) resolve()
      })
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    for (const watch of watches) watch.close()
  }
}
