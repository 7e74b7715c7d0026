// The service Lease.
import {
  Empty,
  HeaderResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseIdRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '../../../wire/etcd/messages.ts'
import { requireRead } from '../auth/checks.ts'
import { executeFor, headerFor, type Methods, type ServiceContext, streaming, unary } from './service.ts'

/** The methods of etcdserverpb.Lease. */
export function leaseMethods(context: ServiceContext): Methods {
  const { node } = context
  return [
    unary(
      context,
      '/etcdserverpb.Lease/LeaseGrant',
      { request: LeaseGrantRequest, response: LeaseGrantResponse },
      async ({ id, ttl }) => {
        const granted = await node.grant(id, ttl)
        return { header: headerFor(context), id: granted.id, ttl: granted.ttlSeconds }
      },
    ),
    unary(
      context,
      '/etcdserverpb.Lease/LeaseRevoke',
      { request: LeaseIdRequest, response: HeaderResponse },
      async ({ id }, { user }) => {
        const { revision } = await executeFor(node, user, { revoke: { id } })
        return { header: headerFor(context, revision) }
      },
    ),
    streaming(
      context,
      '/etcdserverpb.Lease/LeaseKeepAlive',
      { request: LeaseIdRequest, response: LeaseKeepAliveResponse },
      async ({ requests, send }) => {
        for await (const { id } of requests) {
          await send({ id, ttl: await node.keepAlive(id), header: headerFor(context) })
        }
      },
    ),
    unary(
      context,
      '/etcdserverpb.Lease/LeaseTimeToLive',
      { request: LeaseTimeToLiveRequest, response: LeaseTimeToLiveResponse },
      async ({ id, keys: wantsKeys }, { user }) => {
        const { ttlSeconds, leftSeconds, keys } = await node.leaseView(id)
        // Of the keys that are told of, by the rules of now.
        if (wantsKeys) for (const key of keys) requireRead(node.state, user, { key, rangeEnd: '' })
        return {
          header: headerFor(context),
          id,
          ttl: leftSeconds,
          grantedTtl: ttlSeconds,
          keys: wantsKeys ? keys : [],
        }
      },
    ),
    unary(context, '/etcdserverpb.Lease/LeaseLeases', { request: Empty, response: LeaseLeasesResponse }, async () => {
      const ids = await node.read((state) => [...state.leases.all()].map(({ id }) => id))
      const leases = ids.sort((a, b) => (a < b ? -1 : 1)).map((id) => ({ id }))
      return { header: headerFor(context), leases }
    }),
  ]
}
