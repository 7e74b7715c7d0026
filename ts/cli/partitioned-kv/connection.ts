// How the commands that ask a cluster find it.
import { BedplateError } from '../../base/errors.ts'
import { connectPartitioned, type PartitionedClient } from '../../distributed/ring/store/client.ts'
import type { TlsTrust } from '../../io/network.ts'
import { readNamedFile } from '../kit/files.ts'
import { UsageError } from '../kit/program.ts'
import { secretOf } from '../kit/secret.ts'

export interface ConnectionArguments {
  readonly url: string
  readonly secretFile?: string
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly json?: boolean
}

/** Where the cluster is if nobody says so. */
export function defaultUrl(): string {
  return process.env['PARTITIONED_KV_URL'] || 'http://127.0.0.1:7100'
}

/** Connects, lets `use` ask, and lets go. @throws UNAVAILABLE if nobody is there */
export async function withClient<T>(
  options: ConnectionArguments,
  use: (client: PartitionedClient) => Promise<T>,
): Promise<T> {
  const tls = trustOf(options)
  const client = await finding(
    connectPartitioned({
      urls: options.url.split(',').map((url) => url.trim()),
      secret: clientSecret(options.secretFile),
      ...(tls === undefined ? {} : { tls }),
    }),
  )
  try {
    return await use(client)
  } finally {
    client.close()
  }
}

/** Where nobody answers, says how to begin a cluster, or to find one. */
export async function finding<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof BedplateError) || error.code !== 'UNAVAILABLE') throw error
    throw new BedplateError(error.code, error.message, {
      cause: error,
      hint: 'partitioned-kv --nodes=node1,node2,node3 starts a cluster; --url or PARTITIONED_KV_URL says where there is one (https:// with TLS)',
    })
  }
}

/** The secret of the cluster; '' if none is told. @throws INVALID_INPUT, NOT_FOUND */
export function clientSecret(path: string | undefined): string {
  return secretOf(path ?? process.env['BEDPLATE_PARTITIONED_SECRET_FILE'] ?? '')
}

/** A whole number that a flag gives; undefined without it. @throws UsageError */
export function countOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text)
  throw new UsageError(`${flag} must be a whole number of at least 1, got ${JSON.stringify(text.slice(0, 40))}`)
}

/** How to trust nodes that speak TLS; undefined for those that do not. @throws NOT_FOUND */
export function trustOf({ tlsCa, tlsCert, tlsKey }: ConnectionArguments): TlsTrust | undefined {
  if (tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return undefined
  const read = (flag: string, path: string | undefined): Uint8Array | undefined =>
    path === undefined ? undefined : readNamedFile(flag, path)
  return { ca: read('--tls-ca', tlsCa), cert: read('--tls-cert', tlsCert), key: read('--tls-key', tlsKey) }
}
