// What every subcommand of lock-client needs: a client, and locks by their ids.
import { BedplateError } from '../../base/errors.ts'
import { EtcdClient } from '../../distributed/locks/client/etcd-client.ts'
import { connectGrpc } from '../../io/grpc.ts'
import type { KeyValue } from '../../wire/etcd/messages.ts'
import { readNamedFile } from '../kit/files.ts'
import { UsageError } from '../kit/program.ts'

/** Options of every subcommand. */
export interface ConnectionArguments {
  readonly endpoints: string
  readonly user?: string
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly json?: boolean
}

const TIMEOUT_MS = 5000
const ENDPOINT = /^(?:https?:\/\/)?(?<address>[^/\s,]+:\d+)\/?$/
const ID = /^lock-id-(?<revision>[1-9]\d{0,15})$/

/** Does something with a client, which is closed then. */
export async function withClient<T>(options: ConnectionArguments, act: (client: EtcdClient) => Promise<T>): Promise<T> {
  const members = options.endpoints.split(',').map((endpoint) => {
    const address = ENDPOINT.exec(endpoint.trim())?.groups?.['address']
    if (address === undefined) throw new UsageError(`--endpoints takes host:port, got ${JSON.stringify(endpoint)}`)
    return connectGrpc(address, tlsOf(options))
  })
  const [user, ...password] = options.user?.split(':') ?? []
  const credentials = user === undefined ? undefined : { user, password: password.join(':') }
  const client = new EtcdClient({ members, credentials, timeoutMs: TIMEOUT_MS })
  try {
    return await act(client)
  } finally {
    client.close()
  }
}

/** The key of a lock. @throws NOT_FOUND if it is held no more */
export async function lockById(client: EtcdClient, id: string): Promise<KeyValue> {
  const revision = Number(ID.exec(id)?.groups?.['revision'])
  if (Number.isNaN(revision))
    throw new UsageError(`the id of a lock is lock-id-N, got ${JSON.stringify(id.slice(0, 40))}`)
  const { kvs } = await client.range({
    key: '\0',
    rangeEnd: '\0',
    minCreateRevision: revision,
    maxCreateRevision: revision,
  })
  // A transaction of somebody else may have made several keys at once; locks are bound to leases.
  const found = kvs.filter(({ lease }) => lease !== 0n)
  if (found.length === 1) return found[0] as KeyValue
  throw new BedplateError('NOT_FOUND', `there is no ${id}`, { hint: 'it was released, or it expired' })
}

/** The id of a lock by its token. */
export function idOf(token: number): string {
  return `lock-id-${token}`
}

function tlsOf({ tlsCa, tlsCert, tlsKey }: ConnectionArguments) {
  if (tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return undefined
  const read = (flag: string, path: string | undefined) => (path === undefined ? undefined : readNamedFile(flag, path))
  return { ca: read('--tls-ca', tlsCa), cert: read('--tls-cert', tlsCert), key: read('--tls-key', tlsKey) }
}
