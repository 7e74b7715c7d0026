// HTTP/1.1 on connections that somebody else has accepted, so that it can share a port with another protocol. Node's own parser
// and limits; what Node leaves to its listening socket, time, is watched here.
import http from 'node:http'
import { Duplex } from 'node:stream'
import { decodeUtf8 } from '../base/utf8.ts'
import type { Cancel, Clock } from './clock.ts'
import { type Page, readBody } from './http.ts'
import type { Connection, ConnectionEvents } from './network.ts'

/** A request that is whole. */
export interface HttpRequest {
  readonly method: string
  /** Without the query, not decoded. */
  readonly path: string
  readonly query: URLSearchParams
  /** By their names in lower case. */
  readonly headers: Readonly<http.IncomingHttpHeaders>
  readonly body: Uint8Array
}

export interface HttpOptions {
  readonly clock: Clock
  /** Longer bodies are answered with 413. */
  readonly maxBodyBytes: number
  /** One connection more is closed at once. */
  readonly maxConnections: number
}

/** A connection that needs longer for its first request, or for the next one, is closed. */
const REQUEST_MS = 10_000
const IDLE_MS = 60_000
const MAX_HEADER_BYTES = 16 * 1024
/** Above this, Node's socket certainly tells when it has been drained. */
const SLOW_BYTES = 64 * 1024

/** HTTP for those connections that are given to `accept`. */
export class HttpConnections {
  private readonly options: HttpOptions
  private readonly answer: (request: HttpRequest) => Promise<Page>
  private readonly server: http.Server
  private readonly streams = new Set<ConnectionStream>()
  private underWay = 0
  private isDraining = false
  private readonly idle: (() => void)[] = []
  /** Requests that were answered, ever. */
  requestCount = 0

  /** @param answer - Must not reject; if it does, the answer is 500. */
  constructor(options: HttpOptions, answer: (request: HttpRequest) => Promise<Page>) {
    this.options = options
    this.answer = answer
    this.server = http.createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
      void this.serve(request, response)
    })
    this.server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
      ;(stream as ConnectionStream).refuse(error.code)
    })
    this.server.keepAliveTimeout = IDLE_MS // for the header that tells it; what keeps to it is `endWithin`
  }

  get connectionCount(): number {
    return this.streams.size
  }

  accept(connection: Connection): ConnectionEvents {
    const stream = new ConnectionStream(connection, this.options.clock)
    if (this.streams.size >= this.options.maxConnections || this.isDraining) connection.destroy()
    this.streams.add(stream)
    stream.endWithin(REQUEST_MS)
    this.server.emit('connection', stream)
    return {
      data: (bytes) => stream.arrived(bytes),
      drained: () => stream.drained(),
      closed: () => {
        this.streams.delete(stream)
        stream.destroy()
      },
    }
  }

  /** Lets requests that are under way end, and takes no more. */
  async drain(): Promise<void> {
    this.isDraining = true
    if (this.underWay > 0) {
      await new Promise<void>((resolve) => {
        this.idle.push(resolve)
      })
    }
  }

  /** Ends all connections. */
  close(): void {
    this.isDraining = true
    for (const stream of this.streams) stream.destroy()
  }

  private async serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const stream = request.socket as unknown as ConnectionStream
    stream.unanswered++
    response.once('close', () => stream.unanswered--)
    this.underWay++
    const page = await this.pageFor(request, stream)
    this.requestCount++
    const body = Buffer.from(page.body)
    const isLast = this.isDraining || page.status === 413
    response.writeHead(page.status, {
      ...page.headers,
      'content-type': page.type,
      'content-length': body.length,
      ...(isLast ? { connection: 'close' } : {}),
    })
    response.end(request.method === 'HEAD' ? undefined : body)
    stream.endWithin(IDLE_MS) // also for who does not read the answer
    this.underWay--
    if (this.underWay === 0) for (const tell of this.idle.splice(0)) tell()
  }

  private async pageFor(request: http.IncomingMessage, stream: ConnectionStream): Promise<Page> {
    const { maxBodyBytes } = this.options
    const body = await readBody(request, maxBodyBytes)
    if (body === undefined) {
      return { status: 413, type: 'text/plain', body: `the body of a request has at most ${maxBodyBytes} bytes\n` }
    }
    stream.endNever()
    const { method = 'GET', url = '/', headers } = request
    const [path = '/', query = ''] = url.split('?', 2)
    if (!isUtf8(query)) return { status: 400, type: 'text/plain', body: 'the escapes of the query are no UTF-8\n' }
    return this.answer({ method, path, query: new URLSearchParams(query), headers, body }).catch(() => ({
      status: 500,
      type: 'text/plain',
      body: 'internal error\n',
    }))
  }
}

/** URLSearchParams reads bytes that are no UTF-8 as one and the same character: other keys than were meant, and other values. */
function isUtf8(query: string): boolean {
  const runs = query.match(/(?:%[0-9a-f]{2})+/gi) ?? []
  return runs.every((escapes) => decodeUtf8(Buffer.from(escapes.replaceAll('%', ''), 'hex')) !== undefined)
}

/** A connection as the stream that Node's HTTP wants. */
class ConnectionStream extends Duplex {
  private readonly connection: Connection
  private readonly clock: Clock
  private cancel: Cancel | undefined
  private taken: (() => void) | undefined
  /** Requests whose answer is not all on its way. */
  unanswered = 0

  constructor(connection: Connection, clock: Clock) {
    super()
    this.connection = connection
    this.clock = clock
    this.on('error', () => {}) // what goes wrong closes it
  }

  /** Ends the connection after so long, unless it is told otherwise before. */
  endWithin(ms: number): void {
    this.cancel?.()
    this.cancel = this.clock.timer(ms, () => this.destroy())
  }

  endNever(): void {
    this.cancel?.()
  }

  /**
   * Says why the connection ends, of which Node's parser does not take what came. Behind a request that is not answered it says nothing:
   * it would be taken for the answer, and the request may be done. @param code - Of that parser
   */
  refuse(code: string | undefined): void {
    if (this.unanswered > 0 || !this.writable) {
      this.destroy()
      return
    }
    const isLong = code === 'HPE_HEADER_OVERFLOW'
    const status = isLong ? '431 Request Header Fields Too Large' : '400 Bad Request'
    const text = isLong
      ? `URL and headers have at most ${MAX_HEADER_BYTES} bytes: send what is long as the body\n`
      : 'this is no request of HTTP/1.1; in its URL, what is not ASCII is escaped, like %C3%BC\n'
    const head = `content-type: text/plain\r\ncontent-length: ${text.length}\r\nconnection: close`
    this.end(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${text}`, () => this.destroy())
  }

  arrived(bytes: Uint8Array): void {
    if (!this.push(bytes)) this.connection.pause()
  }

  drained(): void {
    const { taken } = this
    this.taken = undefined
    taken?.()
  }

  override _read(): void {
    this.connection.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, taken: () => void): void {
    this.connection.write(chunk)
    if (this.connection.waitingBytes < SLOW_BYTES) taken()
    else this.taken = taken
  }

  override _final(done: () => void): void {
    this.connection.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.cancel?.()
    this.connection.destroy()
    done(error)
  }
}
