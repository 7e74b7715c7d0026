// A client that knows the ring: it asks a node that holds the key, and learns of another ring from the answers.
import { BedplateError, type ErrorCode, isCode } from '../../../base/errors.ts'
import { HttpClient, type HttpReply } from '../../../io/http-client.ts'
import type { TlsTrust } from '../../../io/network.ts'
import { bearer } from '../../link/index.ts'
import { restoreRing } from '../description.ts'
import type { Ring, RingDescription } from '../types.ts'
import type { ReadOptions, WriteOptions } from './host.ts'
import { checkKey, checkUrl, checkValue } from './limits.ts'

export interface PartitionedClientOptions {
  /** Where one or more nodes are, or the control port: `http://127.0.0.1:7101`. One that answers is enough. */
  readonly urls: readonly string[]
  /** Of the cluster. */
  readonly secret?: string
  /** How to trust nodes that speak TLS. */
  readonly tls?: TlsTrust
  /** How long one request may take. Default 10,000. */
  readonly timeoutMs?: number
}

/** What a cluster says of its ring. */
export interface ClusterRing {
  readonly clusterId: string
  readonly epoch: number
  /** `stable`, or how far a change of the ring is: `streaming` to its new holders, then `switching` to them. */
  readonly phase: 'stable' | 'streaming' | 'switching'
  /** N, R and W of requests that do not say. */
  readonly replicas: number
  readonly reads: number
  readonly writes: number
  /** Where nodes are reached, as `host:port`. */
  readonly nodes: Readonly<Record<string, string>>
  readonly ring: Ring
}

/** Where a key belongs. */
export interface Placed {
  /** The first node of its replicas. */
  readonly node: string
  /** The first four digits of its hash: `0x3a7f`. */
  readonly hash: string
  readonly replicas: readonly string[]
  /** For the next write of the key. */
  readonly context: string
}

/** What a read gave. */
export interface ClientFound extends Placed {
  /** None: there is no such key. Several: siblings; the next write with `context` replaces them. */
  readonly values: readonly Uint8Array[]
}

type Json = Readonly<Record<string, unknown>>

/**
 * Connects to a cluster of the partitioned store.
 * @throws UNAVAILABLE if none of the addresses answers, INVALID_INPUT, PERMISSION without the secret.
 *
 * @example
 * const client = await connectPartitioned({ urls: ['http://127.0.0.1:7100'] })
 * const { context } = await client.get('user:1')
 * await client.put('user:1', Buffer.from('Alice'), { context })
 * client.close()
 */
export async function connectPartitioned(options: PartitionedClientOptions): Promise<PartitionedClient> {
  const client = new PartitionedClient(options)
  try {
    await client.refresh()
  } catch (error) {
    client.close()
    throw error
  }
  return client
}

/** Made by `connectPartitioned`. */
export class PartitionedClient {
  private readonly options: PartitionedClientOptions
  private readonly http: HttpClient
  private readonly scheme: string
  private known: ClusterRing | undefined

  constructor(options: PartitionedClientOptions) {
    const { urls, tls } = options
    if (!Array.isArray(urls) || urls.length === 0) {
      throw new BedplateError('INVALID_INPUT', 'connectPartitioned: urls must name a node: http://127.0.0.1:7101')
    }
    this.options = { ...options, urls: urls.map((url) => checkUrl(url)) }
    this.scheme = urls[0]?.startsWith('https:') === true ? 'https' : 'http'
    this.http = new HttpClient({ tls })
  }

  /** The ring as it was heard of last. */
  get cluster(): ClusterRing {
    if (this.known === undefined) throw new BedplateError('UNAVAILABLE', 'no node has told its ring yet')
    return this.known
  }

  /** Reads a key: see `PartitionedNode.get`. `lww` gives the last written value alone. @throws UNAVAILABLE, INVALID_INPUT, PERMISSION */
  async get(key: string, options: ReadOptions & { readonly lww?: boolean } = {}): Promise<ClientFound> {
    const { r, n, lww } = options
    const answer = await this.askReplica('GET', key, { r, n, lww: lww === true ? 'true' : undefined })
    return { ...placed(answer), values: (answer['values'] as unknown[]).map(bytesOf) }
  }

  /**
   * Writes a key: see `PartitionedNode.put`. It is asked of one node after the other only while it is certain that nothing has happened.
   * @throws UNAVAILABLE: it may have happened. CONFLICT: it has not. INVALID_INPUT, PERMISSION
   */
  async put(key: string, value: Uint8Array, options: WriteOptions = {}): Promise<Placed> {
    checkValue(value)
    const { w, n, context } = options
    return placed(await this.askReplica('PUT', key, { w, n, context }, value))
  }

  /** Deletes what `context` has shown of a key. @throws As `put`. */
  async delete(key: string, options: WriteOptions = {}): Promise<Placed> {
    const { w, n, context } = options
    return placed(await this.askReplica('DELETE', key, { w, n, context }))
  }

  /** What each node says of itself; undefined for one that does not answer. */
  async statuses(): Promise<ReadonlyMap<string, Json | undefined>> {
    const nodes = Object.entries(this.cluster.nodes)
    const answers = await Promise.all(
      nodes.map(async ([, address]) => {
        const reply = await this.ask('GET', `${this.scheme}://${address}/status`).catch(() => undefined)
        return reply === undefined ? undefined : jsonOf(reply)
      }),
    )
    return new Map(nodes.map(([name], index) => [name, answers[index]]))
  }

  /** Asks for the ring anew. */
  async refresh(): Promise<ClusterRing> {
    const nodes = Object.values(this.known?.nodes ?? {}).map((address) => `${this.scheme}://${address}`)
    let last: unknown
    for (const base of [...nodes, ...this.options.urls]) {
      try {
        const { ring, ...others } = jsonOf(await this.ask('GET', `${base}/ring`)) as unknown as ClusterRing & {
          ring: RingDescription
        }
        this.known = { ...others, ring: restoreRing(ring) }
        return this.known
      } catch (error) {
        if (error instanceof BedplateError && error.code === 'PERMISSION') throw error
        last = error
      }
    }
    throw last
  }

  close(): void {
    this.http.close()
  }

  /** Goes through the replicas of a key, then the other nodes, until one takes the request. */
  private async askReplica(
    method: 'GET' | 'PUT' | 'DELETE',
    key: string,
    query: Readonly<Record<string, string | number | undefined>>,
    body?: Uint8Array,
  ): Promise<Json> {
    checkKey(key)
    const { ring, replicas, nodes, epoch } = this.cluster
    const list = ring.preferenceList(key, replicas)
    const others = Object.keys(nodes).filter((name) => !list.includes(name))
    const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
    const path = `/kv/${encodeURIComponent(key)}?${new URLSearchParams(given as [string, string][])}`
    let last: unknown
    for (const name of [...list, ...others]) {
      let reply: HttpReply
      try {
        reply = await this.ask(method, `${this.scheme}://${nodes[name]}${path}`, body)
      } catch (error) {
        last = error
        // Once bytes may have left, a write may have been taken: asked again, it would be two.
        if (method !== 'GET' && !wasRefused(error)) throw unknownOutcome(error)
        continue
      }
      let answer: Json
      try {
        answer = jsonOf(reply, method === 'GET' ? [404] : [])
      } catch (error) {
        // A node that is cut off from the others may still answer, and another one know more.
        if (method !== 'GET' || !isCode(error, 'UNAVAILABLE')) throw error
        last = error
        continue
      }
      if (Number(answer['epoch']) > epoch) await this.refresh().catch(() => {})
      return answer
    }
    throw last
  }

  private ask(method: 'GET' | 'PUT' | 'DELETE', url: string, body?: Uint8Array): Promise<HttpReply> {
    const { secret = '', timeoutMs } = this.options
    return this.http.ask({
      method,
      url,
      body,
      headers: bearer(secret),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    })
  }
}

/** Nobody listens there: nothing can have happened. */
function wasRefused(error: unknown): boolean {
  const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
  return cause?.code === 'ECONNREFUSED'
}

function unknownOutcome(cause: unknown): BedplateError {
  return new BedplateError('UNAVAILABLE', 'the node that was asked has not answered', {
    cause,
    hint: 'the write may have happened, or happen yet: read the key before you write it again',
  })
}

function placed(answer: Json): Placed {
  const { node, hash, replicas, context } = answer as unknown as Placed
  return { node, hash, replicas, context }
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value)
  return Buffer.from(String((value as Json)['base64']), 'base64')
}

/** @param accepted - Statuses above 299 that are no error. */
function jsonOf({ status, body }: HttpReply, accepted: readonly number[] = []): Json {
  let value: Json
  try {
    value = JSON.parse(Buffer.from(body).toString()) as Json
  } catch (cause) {
    throw new BedplateError('UNAVAILABLE', `what answers is no node: status ${status}`, { cause })
  }
  const { error } = value as { error?: { code?: string; message?: string; hint?: string } }
  if (error === undefined && (status < 300 || accepted.includes(status))) return value
  const { code = 'UNAVAILABLE', message = `the node answers with status ${status}`, hint } = error ?? {}
  throw new BedplateError(code as ErrorCode, message, hint === undefined ? {} : { hint })
}
