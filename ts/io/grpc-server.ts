// The server end of gRPC, on Node's HTTP/2 (docs/decisions/0013-grpc.md). After
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md:
//
//   request    HEADERS   :method POST, :path /package.Service/Method, content-type application/grpc...,
//                        grpc-timeout 8 digits and a unit, grpc-encoding, metadata
//              DATA      messages as in grpc-messages.ts; the last one ends the stream
//   response   HEADERS   :status 200, content-type application/grpc
//              DATA      messages
//              HEADERS   grpc-status, grpc-message (percent-encoded); ends the stream
//   a response without a message has all headers in one HEADERS, which ends the stream
import http2 from 'node:http2'
import { GRPC_STATUS, type GrpcCall, GrpcError, type GrpcMethod, type GrpcStream } from './grpc.ts'
import { ACCEPTED_ENCODINGS, frameOf, MessageQueue, MessageReader } from './grpc-messages.ts'
import { type Address, listening, type TlsFiles } from './network.ts'

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

/** The most calls of one connection at a time; its client waits with more. */
const MAX_CALLS_A_CONNECTION = 10_000
/** The longest time a timer of Node can have; a deadline beyond is none. */
const MAX_TIMER_MS = 2 ** 31 - 1
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }

const CONTENT_TYPE = 'application/grpc'
const HEADERS = { ':status': 200, 'content-type': CONTENT_TYPE }
const OK = { 'grpc-status': '0' }
const DONE = Promise.resolve()

/** Serves methods. @throws UNAVAILABLE if the port is taken, PERMISSION, INVALID_INPUT as `Network.listen` */
export async function listenGrpc(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = createServer(options.tls)
  const sessions = new Set<http2.Http2Session>()
  const calls = new Set<ServerCall>()
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
  })
  // What is wrong with a connection ends it; what is wrong with a stream ends that.
  server.on('sessionError', () => {})
  server.on('stream', (stream, headers) => new ServerCall({ stream, headers, options, calls }).serve())
  const { address } = await listening(server, options)
  return {
    address,
    drain: () =>
      new Promise((resolve) => {
        for (const call of calls) call.interrupt()
        server.close(() => resolve())
        for (const session of sessions) session.close()
      }),
    stop() {
      server.close()
      for (const session of sessions) session.destroy()
    },
  }
}

type Server = http2.Http2Server | http2.Http2SecureServer

function createServer(tls: TlsFiles | undefined): Server {
  const shared = {
    settings: { maxConcurrentStreams: MAX_CALLS_A_CONNECTION, enablePush: false },
    // In megabytes. Messages and calls have bounds of their own; this one would end connections with a few large answers.
    maxSessionMemory: Number.MAX_SAFE_INTEGER,
  }
  if (tls === undefined) return http2.createServer(shared)
  const { cert, key, ca } = tls
  const mutual = ca === undefined ? {} : { ca: Buffer.from(ca), requestCert: true, rejectUnauthorized: true }
  return http2.createSecureServer({ ...shared, ...mutual, cert: Buffer.from(cert), key: Buffer.from(key) })
}

interface CallOptions {
  readonly stream: http2.ServerHttp2Stream
  readonly headers: http2.IncomingHttpHeaders
  readonly options: GrpcServerOptions
  /** Those that `interrupt` ends. */
  readonly calls: Set<ServerCall>
}

/** One call: reads the request, lets the method have it, and writes what it gives, or why it does not. */
class ServerCall implements GrpcCall {
  readonly #stream: http2.ServerHttp2Stream
  readonly #headers: http2.IncomingHttpHeaders
  readonly #options: GrpcServerOptions
  readonly #calls: Set<ServerCall>
  #controller: AbortController | undefined
  #requests: MessageQueue | undefined
  #timer: NodeJS.Timeout | undefined
  /** True once its status is known; nothing else is said after that. */
  #isOver = false

  constructor({ stream, headers, options, calls }: CallOptions) {
    this.#stream = stream
    this.#headers = headers
    this.#options = options
    this.#calls = calls
  }

  serve(): void {
    // What goes wrong with a stream closes it.
    this.#stream.on('error', () => {})
    const { ':path': path = '', ':method': verb, 'content-type': type = '' } = this.#headers
    if (verb !== 'POST' || !type.startsWith(CONTENT_TYPE)) {
      this.#refuseHttp(verb === 'POST' ? 415 : 405)
      return
    }
    const method = this.#options.methods.get(path)
    try {
      if (method === undefined) throw new GrpcError(GRPC_STATUS.unimplemented, `there is no method ${path}`)
      this.#startTimer()
      const { 'grpc-encoding': encoding = 'identity' } = this.#headers
      const reader = new MessageReader({ maxBytes: this.#options.maxMessageBytes, encoding: String(encoding) })
      if (method.kind === 'unary') this.#serveUnary(method, reader)
      else this.#serveStream(method, reader)
    } catch (error) {
      this.#fail(error)
    }
  }

  metadata(name: string): string | undefined {
    const value = this.#headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController()
      this.#controller = controller
      if (this.#isGone) controller.abort()
      else this.#stream.once('close', () => controller.abort())
    }
    return this.#controller.signal
  }

  /** Ends a stream because the server stops; others are answered. */
  interrupt(): void {
    this.#fail(new GrpcError(GRPC_STATUS.unavailable, 'the server stops'))
  }

  #serveUnary({ handle }: Extract<GrpcMethod, { kind: 'unary' }>, reader: MessageReader): void {
    let request: Uint8Array | undefined
    this.#read(reader, {
      onMessage: (message) => {
        if (request !== undefined) throw new GrpcError(GRPC_STATUS.internal, 'the call takes one message, and got two')
        request = message
      },
      onEnd: () => {
        if (request === undefined) throw new GrpcError(GRPC_STATUS.internal, 'the call takes a message, and got none')
        handle(request, this).then(
          (response) => this.#answer(response),
          (error: unknown) => this.#fail(error),
        )
      },
    })
  }

  #serveStream({ handle }: Extract<GrpcMethod, { kind: 'stream' }>, reader: MessageReader): void {
    const requests = new MessageQueue(this.#stream)
    this.#requests = requests
    this.#calls.add(this)
    this.#stream.once('close', () => {
      requests.end()
      this.#calls.delete(this)
    })
    this.#read(reader, { onMessage: (message) => requests.push(message), onEnd: () => requests.end() })
    const call = this
    const stream: GrpcStream = {
      metadata: (name) => call.metadata(name),
      get signal() {
        return call.signal
      },
      requests,
      send: (message) => call.#send(message),
    }
    handle(stream).then(
      () => this.#end(OK),
      (error: unknown) => this.#fail(error),
    )
  }

  /** Reads the request; what a reader of it throws fails the call. */
  #read(
    reader: MessageReader,
    { onMessage, onEnd }: { onMessage: (message: Uint8Array) => void; onEnd: () => void },
  ): void {
    const trying = (act: () => void): void => {
      if (this.#isOver) return
      try {
        act()
      } catch (error) {
        this.#fail(error)
      }
    }
    this.#stream.on('data', (chunk: Buffer) =>
      trying(() => {
        for (const message of reader.push(chunk)) onMessage(message)
      }),
    )
    this.#stream.on('end', () =>
      trying(() => {
        if (reader.isWithinMessage) throw new GrpcError(GRPC_STATUS.internal, 'the request ends within a message')
        onEnd()
      }),
    )
  }

  /** Writes the one message of an answer. */
  #answer(message: Uint8Array): void {
    if (!this.#isOver && !this.#isGone) this.#respond()
    if (!this.#isOver && !this.#isGone) this.#end(OK, frameOf(message))
  }

  #send(message: Uint8Array): Promise<void> {
    const stream = this.#stream
    if (this.#isOver || this.#isGone) return DONE
    if (!stream.headersSent) this.#respond()
    if (stream.write(frameOf(message))) return DONE
    return new Promise((resolve) => {
      const done = (): void => {
        stream.removeListener('drain', done)
        stream.removeListener('close', done)
        resolve()
      }
      stream.once('drain', done)
      stream.once('close', done)
    })
  }

  #fail(error: unknown): void {
    this.#requests?.end()
    const text = error instanceof Error ? error.message : String(error)
    const status = error instanceof GrpcError ? error.status : GRPC_STATUS.internal
    this.#end({ 'grpc-status': String(status), 'grpc-message': percentEncoded(text) })
  }

  #respond(): void {
    this.#stream.respond(HEADERS, { waitForTrailers: true })
  }

  /** Says how the call ended, and nothing after that. */
  #end(trailers: Readonly<Record<string, string>>, last?: Buffer): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    const stream = this.#stream
    if (this.#isGone) return
    if (!stream.headersSent) {
      stream.respond({ ...HEADERS, ...trailers, 'grpc-accept-encoding': ACCEPTED_ENCODINGS }, { endStream: true })
      this.#stopReading()
      return
    }
    stream.once('wantTrailers', () => {
      stream.sendTrailers(trailers)
      this.#stopReading()
    })
    if (last === undefined) stream.end()
    else stream.end(last)
  }

  /** A client that has not said all yet need not, now that it has its answer. */
  #stopReading(): void {
    const stream = this.#stream
    if (stream.readableEnded) return
    stream.resume()
    // Behind the frame that ends the answer.
    setImmediate(() => stream.close(http2.constants.NGHTTP2_NO_ERROR))
  }

  #refuseHttp(status: number): void {
    this.#isOver = true
    this.#stream.respond({ ':status': status }, { endStream: true })
    this.#stopReading()
  }

  #startTimer(): void {
    const text = this.#headers['grpc-timeout']
    if (text === undefined) return
    const { digits, unit = '' } = /^(?<digits>\d{1,8})(?<unit>[HMSmun])$/.exec(String(text))?.groups ?? {}
    if (digits === undefined) throw new GrpcError(GRPC_STATUS.internal, `grpc-timeout is malformed: ${text}`)
    const timeoutMs = Number(digits) * (UNIT_MS[unit] as number)
    if (timeoutMs > MAX_TIMER_MS) return
    this.#timer = setTimeout(() => {
      this.#controller?.abort()
      this.#fail(new GrpcError(GRPC_STATUS.deadlineExceeded, 'the deadline has passed'))
    }, timeoutMs)
    this.#stream.once('close', () => clearTimeout(this.#timer))
  }

  /** True if nobody is there to be told anything. */
  get #isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }
}

/** Bytes of UTF-8 beyond what can be printed, and the per cent sign, as `%41`. */
function percentEncoded(text: string): string {
  if (!/[^ -$&-~]/.test(text)) return text
  return Array.from(Buffer.from(text), (byte) =>
    byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('')
}
