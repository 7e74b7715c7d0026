// Requests over HTTP to servers of ours, on connections that are kept.
import http from 'node:http'
import https from 'node:https'
import { BedplateError } from '../base/errors.ts'
import type { TlsTrust } from './network.ts'

export interface HttpAsk {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** `http://host:port/path?query`, or https. */
  readonly url: string
  readonly body?: Uint8Array | undefined
  /** By their names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  /** Default 10,000. */
  readonly timeoutMs?: number
  /** Longer answers are refused. Default 256 MiB. */
  readonly maxReplyBytes?: number
}

export interface HttpReply {
  readonly status: number
  readonly body: Uint8Array
}

/** Connections to one server. */
const MAX_SOCKETS = 64
const TIMEOUT_MS = 10_000
const MAX_REPLY_BYTES = 256 * 1024 * 1024

/** Asks servers. Close it, or its connections stay for a while. */
export class HttpClient {
  private readonly agent: http.Agent
  private readonly secureAgent: https.Agent

  constructor({ tls = {} }: { readonly tls?: TlsTrust | undefined } = {}) {
    const files = Object.entries(tls).flatMap(([name, file]) => (file === undefined ? [] : [[name, Buffer.from(file)]]))
    this.agent = new http.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS })
    this.secureAgent = new https.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, ...Object.fromEntries(files) })
  }

  /**
   * Asks, and waits for the whole answer.
   * @throws UNAVAILABLE if there is none; `cause` says why. What was asked may have been done.
   */
  ask(request: HttpAsk): Promise<HttpReply> {
    const { method = 'GET', url, body, headers = {}, timeoutMs = TIMEOUT_MS, maxReplyBytes = MAX_REPLY_BYTES } = request
    return new Promise((resolve, reject) => {
      const isSecure = url.startsWith('https:')
      const fail = (cause: Error): void => {
        const { host } = new URL(url)
        reject(
          new BedplateError('UNAVAILABLE', `nobody answers at ${host}`, {
            cause,
            hint: 'is the server running, is that its port, and does it speak TLS as you do?',
          }),
        )
      }
      const length = body === undefined ? {} : { 'content-length': String(body.length) }
      const options = { method, headers: { ...headers, ...length }, timeout: timeoutMs }
      const take = (response: http.IncomingMessage): void => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > maxReplyBytes) asked.destroy(new Error(`the answer has more than ${maxReplyBytes} bytes`))
          else chunks.push(chunk)
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
        response.on('error', fail)
      }
      const asked = isSecure
        ? https.request(url, { ...options, agent: this.secureAgent }, take)
        : http.request(url, { ...options, agent: this.agent }, take)
      asked.on('timeout', () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)))
      asked.on('error', fail)
      asked.end(body)
    })
  }

  close(): void {
    this.agent.destroy()
    this.secureAgent.destroy()
  }
}
