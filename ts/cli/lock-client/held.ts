// lock-client renew, release: what is done with a lock by its id.
import { BedplateError } from '../../base/errors.ts'
import type { EtcdClient } from '../../distributed/locks/client/etcd-client.ts'
import { leavePlace } from '../../distributed/locks/client/queue.ts'
import type { KeyValue } from '../../wire/etcd/messages.ts'
import { parseDuration } from '../kit/duration.ts'
import type { Output } from '../kit/output.ts'
import { type ConnectionArguments, lockById, withClient } from './connection.ts'

/** Gives a lock its time again; with another time than it has, under a new lease. */
export function renew(out: Output, id: string, options: ConnectionArguments & { ttl: string }): Promise<void> {
  const wanted = Math.ceil(parseDuration(options.ttl, '--ttl') / 1000)
  return withClient(options, async (client) => {
    const kv = await lockById(client, id)
    const { grantedTtl } = await client.timeToLive(kv.lease)
    const ttlSeconds = grantedTtl === wanted ? await client.keepAlive(kv.lease) : await moveLease(client, kv, wanted)
    if (ttlSeconds <= 0) throw gone(id)
    const line = options.json === true ? JSON.stringify({ id, ttlSeconds }) : `Lock renewed, new TTL: ${ttlSeconds}s`
    await out.line(line)
  })
}

/** Puts a lock under a new lease, by one transaction. @returns The time of that; 0 if the lock went meanwhile. */
async function moveLease(
  client: EtcdClient,
  { key, createRevision, lease }: KeyValue,
  wanted: number,
): Promise<number> {
  const granted = await client.grant(wanted)
  const { succeeded } = await client.txn({
    compare: [{ result: 0, target: 1, key, createRevision }],
    success: [{ put: { key, ignoreValue: true, lease: granted.id } }],
  })
  await revokeIfEmpty(client, succeeded ? lease : granted.id)
  return succeeded ? granted.ttlSeconds : 0
}

/** Lets the next one have a lock. */
export function release(out: Output, id: string, options: ConnectionArguments): Promise<void> {
  return withClient(options, async (client) => {
    const { key, createRevision, lease } = await lockById(client, id)
    if (!(await leavePlace(client, { key, token: createRevision }))) throw gone(id)
    await revokeIfEmpty(client, lease)
    await out.line(options.json === true ? JSON.stringify({ id, released: true }) : 'Lock released')
  })
}

/** Ends a lease that holds nothing any more; one that somebody gave other keys lives on. */
async function revokeIfEmpty(client: EtcdClient, lease: bigint): Promise<void> {
  try {
    const { keys } = await client.timeToLive(lease)
    if (keys.length === 0) await client.revoke(lease)
  } catch {
    // It ends by itself.
  }
}

function gone(id: string): BedplateError {
  return new BedplateError('NOT_FOUND', `there is no ${id} any more`, { hint: 'it was released, or it expired' })
}
