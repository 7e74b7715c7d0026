// The calls of etcd's API that locks need, as a client makes them. It works on any server of that API, ours or etcd's.
import { BedplateError } from '../../../base/errors.ts'
import { type GrpcClient, GrpcError } from '../../../io/grpc.ts'
import {
  AuthenticateResponse,
  EVENT_TYPE,
  HeaderResponse,
  type KeyValue,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseIdRequest,
  LeaseKeepAliveResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  type TxnRequestInput,
  TxnResponse,
  UserRequest,
  WatchRequest,
  WatchResponse,
} from '../../../wire/etcd/messages.ts'
import type { Codec } from '../../../wire/etcd/protobuf.ts'
import { STATUS } from '../errors.ts'
import type { Key } from '../types.ts'

/** Who asks. */
export interface Credentials {
  readonly user: string
  readonly password: string
}

/** How to reach the servers. */
export interface EtcdClientOptions {
  /** One client a member of the cluster; calls go to one of them, and to the next when it does not answer. */
  readonly members: readonly GrpcClient[]
  readonly credentials?: Credentials | undefined
  /** A call that takes longer fails with UNAVAILABLE. */
  readonly timeoutMs: number
}

/** A change of a key that was watched for. */
export type Change =
  | { readonly kind: 'put'; readonly kv: KeyValue }
  | { readonly kind: 'deleted'; readonly key: Key }
  /** What happened since then cannot be told any more: look again. */
  | { readonly kind: 'unknown' }

interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/** A client of etcd's API. */
export class EtcdClient {
  readonly #options: EtcdClientOptions
  #current = 0
  #token: string | undefined

  constructor(options: EtcdClientOptions) {
    this.#options = options
  }

  range(request: Parameters<typeof RangeRequest.encode>[0], options?: CallOptions) {
    return this.#call('/etcdserverpb.KV/Range', RangeRequest, RangeResponse, request, options)
  }

  txn(request: TxnRequestInput, options?: CallOptions) {
    return this.#call('/etcdserverpb.KV/Txn', TxnRequest, TxnResponse, request, options)
  }

  /** @returns The lease, and the time that it was granted for, which may be longer than asked. */
  async grant(ttlSeconds: number, options?: CallOptions): Promise<{ id: bigint; ttlSeconds: number }> {
    const path = '/etcdserverpb.Lease/LeaseGrant'
    const { id, ttl } = await this.#call(path, LeaseGrantRequest, LeaseGrantResponse, { ttl: ttlSeconds }, options)
    return { id, ttlSeconds: ttl }
  }

  async revoke(id: bigint): Promise<void> {
    await this.#call('/etcdserverpb.Lease/LeaseRevoke', LeaseIdRequest, HeaderResponse, { id })
  }

  /** @returns `ttl` is -1 if there is no such lease. */
  timeToLive(id: bigint) {
    const path = '/etcdserverpb.Lease/LeaseTimeToLive'
    return this.#call(path, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, { id, keys: true })
  }

  /** Gives a lease its whole time once more. @returns That in seconds; 0 or less if there is no such lease. */
  async keepAlive(id: bigint, { signal }: CallOptions = {}): Promise<number> {
    const stream = await this.#stream('/etcdserverpb.Lease/LeaseKeepAlive', signal, this.#options.timeoutMs)
    try {
      stream.send(LeaseIdRequest.encode({ id }))
      for await (const bytes of stream.responses) return LeaseKeepAliveResponse.decode(bytes).ttl
      throw new GrpcError(STATUS.unavailable, 'the server ended the call without an answer')
    } catch (error) {
      throw this.#failed(error)
    } finally {
      stream.cancel()
    }
  }

  /**
   * Follows changes of keys from a main revision on, until the reader leaves or `signal` aborts. An end of the stream, and
   * of the history, comes as `unknown`.
   */
  async *watch(
    spans: readonly { readonly key: Key; readonly rangeEnd?: Key }[],
    from: number,
    { signal }: CallOptions = {},
  ): AsyncGenerator<Change> {
    const stream = await this.#stream('/etcdserverpb.Watch/Watch', signal)
    try {
      for (const [index, span] of spans.entries()) {
        stream.send(WatchRequest.encode({ create: { ...span, startRevision: from, watchId: index + 1 } }))
      }
      for await (const bytes of stream.responses) {
        const { events, canceled, cancelReason } = WatchResponse.decode(bytes)
        if (canceled && cancelReason !== '') throw new GrpcError(STATUS.permissionDenied, cancelReason)
        if (canceled) break
        for (const { type, kv } of events) {
          if (kv === undefined) continue
          yield type === EVENT_TYPE.delete ? { kind: 'deleted', key: kv.key } : { kind: 'put', kv }
        }
      }
    } catch (error) {
      if (!isUnavailable(error)) throw this.#failed(error)
      this.#useNext()
    } finally {
      stream.cancel()
    }
    if (signal?.aborted !== true) yield { kind: 'unknown' }
  }

  close(): void {
    for (const member of this.#options.members) member.close()
  }

  async #call<Request, RequestIn, Response, ResponseIn>(
    path: string,
    request: Codec<Request, RequestIn>,
    response: Codec<Response, ResponseIn>,
    content: RequestIn,
    options: CallOptions = {},
  ): Promise<Response> {
    const { timeoutMs } = this.#options
    const { signal } = options
    for (let isAgain = false; ; isAgain = true) {
      try {
        const metadata = await this.#metadata()
        const bytes = await this.#member().unary(path, request.encode(content), { metadata, signal, timeoutMs })
        return response.decode(bytes)
      } catch (error) {
        if (isAgain || !(error instanceof GrpcError) || error.status !== STATUS.unauthenticated)
          throw this.#failed(error)
        // Tokens do not live for ever.
        this.#token = undefined
      }
    }
  }

  async #stream(path: string, signal: AbortSignal | undefined, timeoutMs?: number) {
    const metadata = await this.#metadata()
    return this.#member().stream(path, { metadata, signal, timeoutMs })
  }

  async #metadata(): Promise<Record<string, string>> {
    const { credentials, timeoutMs } = this.#options
    if (credentials === undefined) return {}
    if (this.#token === undefined) {
      const request = UserRequest.encode({ name: credentials.user, password: credentials.password })
      const bytes = await this.#member().unary('/etcdserverpb.Auth/Authenticate', request, { timeoutMs })
      this.#token = AuthenticateResponse.decode(bytes).token
    }
    return { token: this.#token }
  }

  #member(): GrpcClient {
    const { members } = this.#options
    return members[this.#current % members.length] as GrpcClient
  }

  #useNext(): void {
    this.#current++
  }

  #failed(error: unknown): unknown {
    if (!(error instanceof GrpcError)) return error
    if (isUnavailable(error)) {
      this.#useNext()
      return new BedplateError('UNAVAILABLE', `the lock service does not answer: ${error.message}`, {
        cause: error,
        hint: 'is it running, and are those its addresses?',
      })
    }
    return asBedplateError(error)
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof GrpcError && (error.status === STATUS.unavailable || error.status === STATUS.deadlineExceeded)
}

function asBedplateError(error: GrpcError): BedplateError {
  const { status, message } = error
  switch (status) {
    case STATUS.permissionDenied:
    case STATUS.unauthenticated:
      return new BedplateError('PERMISSION', message, { cause: error })
    case STATUS.notFound:
      return new BedplateError('NOT_FOUND', message, { cause: error })
    case STATUS.resourceExhausted:
      return new BedplateError('DISK_FULL', message, { cause: error })
    case STATUS.unimplemented:
      return new BedplateError('NOT_SUPPORTED', message, { cause: error })
    case STATUS.cancelled:
      return new BedplateError('CLOSED', message, { cause: error })
    default:
      return new BedplateError('INVALID_INPUT', message, { cause: error })
  }
}
