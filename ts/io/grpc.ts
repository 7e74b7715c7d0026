// gRPC, both ends, on @grpc/grpc-js (docs/decisions/0013-grpc.md): messages are bytes here, and what they mean is for the
// floors above. Streams are two-way in all cases; a method that takes one request reads one.
import grpc from '@grpc/grpc-js'
import { BedplateError } from '../base/errors.ts'
import { type Address, showAddress, type TlsFiles } from './network.ts'

/** A call that failed with one of gRPC's status codes. */
export class GrpcError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'GrpcError'
    this.status = status
  }
}

/** What a server knows about a call. */
export interface GrpcCall {
  /** The first value under `name` that the client sent along. */
  metadata(name: string): string | undefined
  /** Aborts when the client has gone, or does not want the answer any more. */
  readonly signal: AbortSignal
}

/** A call in which both sides may say more than once. */
export interface GrpcStream extends GrpcCall {
  /** What the client says, until it is done; ends quietly when it has gone. To be read once. */
  readonly requests: AsyncIterable<Uint8Array>
  /** Resolves when there is room for more; does nothing once the client has gone. */
  send(message: Uint8Array): Promise<void>
}

/** A method of a server. What it throws becomes the status of the call: that of a GrpcError, or INTERNAL. */
export type GrpcMethod =
  | { readonly kind: 'unary'; readonly handle: (request: Uint8Array, call: GrpcCall) => Promise<Uint8Array> }
  | { readonly kind: 'stream'; readonly handle: (stream: GrpcStream) => Promise<void> }

export interface GrpcServerOptions extends Address {
  readonly tls?: TlsFiles | undefined
  /** Longer messages end their call with RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes: number
  /** By path: `/etcdserverpb.KV/Range`. */
  readonly methods: ReadonlyMap<string, GrpcMethod>
}

/** A server that listens. */
export interface GrpcServer {
  /** Where it really listens. */
  readonly address: Address
  /** Takes no more calls and ends streams; resolves when the calls that are there have been answered. */
  drain(): Promise<void>
  /** Ends everything at once. */
  stop(): void
}

/** The most messages of one stream that wait to be read before the client has to wait. */
const MAX_WAITING_MESSAGES = 64
const same = (bytes: Buffer): Buffer => bytes
const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Serves methods. @throws UNAVAILABLE if the port is taken, PERMISSION, INVALID_INPUT as `Network.listen` */
export async function listenGrpc(options: GrpcServerOptions): Promise<GrpcServer> {
  const { tls, maxMessageBytes, methods } = options
  const server = new grpc.Server({
    'grpc.enable_channelz': 0, // counts calls and messages, for a service that is not served
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': -1,
  })
  const streams = new Set<OpenStream>()
  for (const [path, method] of methods) {
    const isStream = method.kind === 'stream'
    const definition = {
      path,
      requestStream: isStream,
      responseStream: isStream,
      requestSerialize: toBuffer,
      requestDeserialize: same,
      responseSerialize: toBuffer,
      responseDeserialize: same,
    }
    server.addService(
      { method: definition },
      { method: method.kind === 'unary' ? serveUnary(method) : serveStream(method, streams) },
    )
  }
  const port = await bind(server, options, credentialsOf(tls))
  return {
    address: { host: options.host, port },
    drain: () =>
      new Promise((resolve) => {
        for (const { call, requests } of streams) {
          requests.end()
          call.emit('error', { code: grpc.status.UNAVAILABLE, details: 'the server stops' })
        }
        server.tryShutdown(() => resolve())
      }),
    stop: () => server.forceShutdown(),
  }
}

function credentialsOf(tls: TlsFiles | undefined): grpc.ServerCredentials {
  if (tls === undefined) return grpc.ServerCredentials.createInsecure()
  const { cert, key, ca } = tls
  const pair = { cert_chain: toBuffer(cert), private_key: toBuffer(key) }
  return grpc.ServerCredentials.createSsl(ca === undefined ? null : toBuffer(ca), [pair], ca !== undefined)
}

function bind(server: grpc.Server, address: Address, credentials: grpc.ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(showAddress(address), credentials, (error, port) => {
      if (error === null) resolve(port)
      else reject(cannotListen(error, address))
    })
  })
}

function cannotListen(cause: Error, address: Address): BedplateError {
  const where = showAddress(address)
  if (cause.message.includes('EADDRINUSE')) {
    return new BedplateError('UNAVAILABLE', `${where} is taken by another program`, {
      cause,
      hint: 'stop that program, choose another --port, or let --port=0 find a free one',
    })
  }
  if (cause.message.includes('EACCES')) {
    return new BedplateError('PERMISSION', `${where} may not be listened on`, { cause })
  }
  return new BedplateError('INVALID_INPUT', `cannot listen on ${where}: ${cause.message}`, { cause })
}

function serveUnary({ handle }: Extract<GrpcMethod, { kind: 'unary' }>): grpc.handleUnaryCall<Buffer, Uint8Array> {
  return (call, answer) => {
    handle(call.request, callOf(call)).then(
      (response) => answer(null, response),
      (error: unknown) => answer(statusOf(error)),
    )
  }
}

/** A stream that has not ended. */
interface OpenStream {
  readonly call: grpc.ServerDuplexStream<Buffer, Uint8Array>
  readonly requests: MessageQueue
}

function serveStream(
  { handle }: Extract<GrpcMethod, { kind: 'stream' }>,
  streams: Set<OpenStream>,
): grpc.handleBidiStreamingCall<Buffer, Uint8Array> {
  return (call) => {
    const base = callOf(call)
    const requests = new MessageQueue(call)
    call.on('cancelled', () => requests.end())
    // What goes wrong with a stream ends it, and that is told by `cancelled`.
    call.on('error', () => requests.end())
    const stream: GrpcStream = {
      metadata: base.metadata,
      get signal() {
        return base.signal
      },
      requests,
      send: (message) => written(call, message, base.signal),
    }
    const open = { call, requests }
    streams.add(open)
    handle(stream)
      .then(
        () => call.end(),
        (error: unknown) => call.emit('error', statusOf(error)),
      )
      .finally(() => streams.delete(open))
  }
}

/** Writes a message. @returns When the stream takes another one, or never will. */
function written(
  call: grpc.ServerDuplexStream<Buffer, Uint8Array>,
  message: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted || call.write(message)) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      call.removeListener('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    call.once('drain', done)
    signal.addEventListener('abort', done)
  })
}

type AnyCall = grpc.ServerUnaryCall<Buffer, Uint8Array> | grpc.ServerDuplexStream<Buffer, Uint8Array>

function callOf(call: AnyCall): GrpcCall {
  let controller: AbortController | undefined
  return {
    metadata(name) {
      const [value] = call.metadata.get(name)
      return value?.toString()
    },
    get signal() {
      if (controller === undefined) {
        const made = new AbortController()
        controller = made
        if (call.cancelled) made.abort()
        else call.on('cancelled', () => made.abort())
      }
      return controller.signal
    },
  }
}

function statusOf(error: unknown): { code: number; details: string } {
  if (error instanceof GrpcError) return { code: error.status, details: error.message }
  return { code: grpc.status.INTERNAL, details: error instanceof Error ? error.message : String(error) }
}

/** Messages of a stream, for one who reads them one after the other. */
class MessageQueue implements AsyncIterable<Uint8Array> {
  readonly #source: { pause(): unknown; resume(): unknown }
  readonly #waiting: Uint8Array[] = []
  #isEnded = false
  #error: unknown
  #wake: () => void = () => {}

  constructor(source: grpc.ServerDuplexStream<Buffer, Uint8Array> | grpc.ClientDuplexStream<Uint8Array, Buffer>) {
    this.#source = source
    source.on('data', (message: Buffer) => {
      this.#waiting.push(message)
      if (this.#waiting.length >= MAX_WAITING_MESSAGES) source.pause()
      this.#wake()
    })
    source.on('end', () => this.end())
  }

  /** Lets the reader have what waits, and nothing after that; with an error it gets that then. */
  end(error?: unknown): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#error = error
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const message = this.#waiting.shift()
      if (message !== undefined) {
        if (this.#waiting.length === 0) this.#source.resume()
        yield message
      } else if (this.#isEnded) {
        if (this.#error !== undefined) throw this.#error
        return
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}

/** What may be said about a call to a server. */
export interface GrpcCallOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal | undefined
  /** The call fails with DEADLINE_EXCEEDED after so long. */
  readonly timeoutMs?: number | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/** A stream as a client has it. */
export interface GrpcClientStream {
  /** What the server says. Ends when it is done or `cancel` was called; a failure is thrown as GrpcError. To be read once. */
  readonly responses: AsyncIterable<Uint8Array>
  send(message: Uint8Array): void
  cancel(): void
}

/** A connection to a server, which is made when it is needed, and again when it was lost. */
export interface GrpcClient {
  /** @throws GrpcError */
  unary(path: string, request: Uint8Array, options?: GrpcCallOptions): Promise<Uint8Array>
  stream(path: string, options?: GrpcCallOptions): GrpcClientStream
  close(): void
}

/** Whom to trust when TLS is spoken, and who we are; PEM. */
export interface GrpcTls {
  readonly ca?: Uint8Array | undefined
  readonly cert?: Uint8Array | undefined
  readonly key?: Uint8Array | undefined
}

/** A client of the server at `address`, `host:port`. Nothing is sent yet. */
export function connectGrpc(address: string, tls?: GrpcTls): GrpcClient {
  const client = new grpc.Client(address, clientCredentials(tls), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
  })
  return {
    unary(path, request, options = {}) {
      return new Promise((resolve, reject) => {
        const call = client.makeUnaryRequest(
          path,
          toBuffer,
          same,
          request,
          metadataOf(options),
          timing(options),
          (error, response) => {
            options.signal?.removeEventListener('abort', cancel)
            if (error === null && response !== undefined) resolve(response)
            else reject(asGrpcError(error))
          },
        )
        const cancel = (): void => call.cancel()
        if (options.signal?.aborted === true) cancel()
        else options.signal?.addEventListener('abort', cancel)
      })
    },
    stream(path, options = {}) {
      const call = client.makeBidiStreamRequest(path, toBuffer, same, metadataOf(options), timing(options))
      const responses = new MessageQueue(call)
      let isCancelled = false
      const cancel = (): void => {
        isCancelled = true
        call.cancel()
        responses.end()
      }
      call.on('error', (error: grpc.ServiceError) => responses.end(isCancelled ? undefined : asGrpcError(error)))
      if (options.signal?.aborted === true) cancel()
      else options.signal?.addEventListener('abort', cancel, { once: true })
      return {
        responses,
        send(message) {
          if (!isCancelled) call.write(message)
        },
        cancel() {
          options.signal?.removeEventListener('abort', cancel)
          cancel()
        },
      }
    },
    close() {
      client.close()
    },
  }
}

function clientCredentials(tls: GrpcTls | undefined): grpc.ChannelCredentials {
  if (tls === undefined) return grpc.credentials.createInsecure()
  const { ca, cert, key } = tls
  const optional = (bytes: Uint8Array | undefined): Buffer | null => (bytes === undefined ? null : toBuffer(bytes))
  return grpc.credentials.createSsl(optional(ca), optional(key), optional(cert))
}

function metadataOf({ metadata = {} }: GrpcCallOptions): grpc.Metadata {
  const made = new grpc.Metadata()
  for (const [name, value] of Object.entries(metadata)) made.set(name, value)
  return made
}

function timing({ timeoutMs }: GrpcCallOptions): grpc.CallOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs }
}

function asGrpcError(error: grpc.ServiceError | null): GrpcError {
  return new GrpcError(error?.code ?? grpc.status.UNKNOWN, error?.details ?? 'no answer')
}
