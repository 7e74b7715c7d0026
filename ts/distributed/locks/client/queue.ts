// Locks as queues of keys, in the very form of etcd's own clients: under `name/`, one key for each lease that holds the lock or
// waits for it, in the order of their create revisions. The first holds; its create revision is the fencing token.
import type { KeyValue } from '../../../wire/etcd/messages.ts'
import { prefixEnd, queueKey } from '../queue-keys.ts'
import type { Key } from '../types.ts'
import type { EtcdClient } from './etcd-client.ts'

const CREATE = { target: 1, result: 0 } as const
const SORT_BY_CREATION = { sortTarget: 2, sortOrder: 1 } as const
const SORT_BY_CREATION_DOWN = { sortTarget: 2, sortOrder: 2 } as const

/** A place in the queue of a lock. */
export interface Place {
  readonly key: Key
  readonly prefix: Key
  /** The create revision of the key: the fencing token once the lock is held. */
  readonly token: number
  /** True if nobody was before it. */
  readonly isFirst: boolean
}

/** Takes a place for a lease, by one transaction. */
export async function takePlace(
  client: EtcdClient,
  { name, lease, value, signal }: { name: Key; lease: bigint; value: Uint8Array; signal?: AbortSignal | undefined },
): Promise<Place> {
  const { key, prefix } = queueKey(name, lease)
  const own = { range: { key } }
  const first = { range: { key: prefix, rangeEnd: prefixEnd(prefix), limit: 1, ...SORT_BY_CREATION } }
  const { responses } = await client.txn(
    {
      compare: [{ ...CREATE, key, createRevision: 0 }],
      success: [{ put: { key, value, lease } }, own, first],
      failure: [own, first],
    },
    { signal },
  )
  // The key itself, which is there in both cases, and the first of the queue, which may be the key itself.
  const [mine, holder] = responses.slice(-2).map(({ range }) => range?.kvs[0]) as [KeyValue, KeyValue]
  return { key, prefix, token: mine.createRevision, isFirst: holder.createRevision === mine.createRevision }
}

/** What became of waiting. */
export type Outcome = 'held' | 'gone' | 'aborted'

/**
 * Waits until nobody is before `place`, watching the one that is right before it and the place itself.
 * @returns `held`; `gone` if the place is there no more, as when its lease ended; `aborted` when `signal` is.
 * @throws UNAVAILABLE if the service does not answer, PERMISSION
 */
export async function waitForTurn(client: EtcdClient, place: Place, signal: AbortSignal): Promise<Outcome> {
  const { key, prefix, token } = place
  while (!signal.aborted) {
    const { responses, header } = await client.txn({
      compare: [{ ...CREATE, key, createRevision: token }],
      success: [
        {
          range: {
            key: prefix,
            rangeEnd: prefixEnd(prefix),
            limit: 1,
            maxCreateRevision: token - 1,
            ...SORT_BY_CREATION_DOWN,
          },
        },
      ],
    })
    if (responses.length === 0) return 'gone'
    const before = responses[0]?.range?.kvs[0]
    if (before === undefined) return 'held'
    const from = (header?.revision ?? 0) + 1
    // Whatever comes first, the next look says what it means.
    for await (const change of client.watch([{ key: before.key }, { key }], from, { signal })) {
      if (change.kind !== 'put') break
    }
  }
  return 'aborted'
}

/** Gives a place up, unless somebody else's key has come to stand there. */
export async function leavePlace(client: EtcdClient, { key, token }: Pick<Place, 'key' | 'token'>): Promise<boolean> {
  const { succeeded } = await client.txn({
    compare: [{ ...CREATE, key, createRevision: token }],
    success: [{ deleteRange: { key } }],
  })
  return succeeded
}
