// Where locks begin for programs: `openLocks`.
import { BedplateError } from '../../../base/errors.ts'
import { checkOptions, describe } from '../../../base/options.ts'
import { realClock } from '../../../io/clock.ts'
import { connectGrpc } from '../../../io/grpc.ts'
import { EtcdClient } from './etcd-client.ts'
import { LockTaker } from './lock-taker.ts'
import type { Locks, LocksOptions } from './types.ts'

const DEFAULT_ENDPOINT = '127.0.0.1:2379'
const DEFAULT_TIMEOUT_MS = 5000
const ENDPOINT = /^(?:https?:\/\/)?(?<address>[^/\s]+:\d+)\/?$/

/**
 * Opens locks on a lock service: `lock-service` of this package, or etcd 3.4 and later. Nothing is sent yet.
 *
 * @throws INVALID_INPUT for bad options
 *
 * @example
 * const locks = openLocks({ endpoints: '127.0.0.1:2379' })
 * {
 *   await using lock = await locks.acquire('my-lock', { ttlMs: 30_000 })
 *   await storage.write(report, { token: lock.token, signal: lock.lost })
 * } // released here
 * await locks.close()
 */
export function openLocks(options: LocksOptions = {}): Locks {
  checkOptions(
    options,
    { endpoints: 'any', user: 'string', password: 'string', tls: 'any', timeoutMs: 'number' },
    'openLocks',
  )
  const { endpoints = DEFAULT_ENDPOINT, user, password = '', tls, timeoutMs = DEFAULT_TIMEOUT_MS } = options
  const members = [endpoints].flat().map((endpoint) => connectGrpc(addressOf(endpoint), tls))
  if (members.length === 0) throw new BedplateError('INVALID_INPUT', 'openLocks: endpoints must name at least one')
  const credentials = user === undefined ? undefined : { user, password }
  return new LockTaker(new EtcdClient({ members, credentials, timeoutMs }), realClock)
}

function addressOf(endpoint: unknown): string {
  const address = typeof endpoint === 'string' ? ENDPOINT.exec(endpoint)?.groups?.['address'] : undefined
  if (address !== undefined) return address
  throw new BedplateError('INVALID_INPUT', `openLocks: an endpoint is host:port, got ${describe(endpoint)}`)
}
