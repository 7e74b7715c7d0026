// Pages over HTTP for those who watch a server: GET and HEAD, and POST where something may be changed.
import http from 'node:http'
import { foreignOrigin } from './foreign-page.ts'
import { type Address, type Listener, listening } from './network.ts'

/** What is answered to a request. */
export interface Page {
  readonly status: number
  /** Such as `application/json`. */
  readonly type: string
  readonly body: string | Uint8Array
  /** Further headers, by their names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A page, at once or later; undefined if there is none. Must not reject: that is answered with 500. */
export type MaybePage = Page | undefined | Promise<Page | undefined>

/** How pages are served. */
export interface PageOptions {
  /** Answers only to the names of this machine: a stranger's page cannot read ours by giving our address a name of its own. */
  readonly localNamesOnly?: boolean
  /**
   * Answers POST; undefined if there is nothing to change at this path. Pages of other origins in a browser on this machine are
   * refused before. The body has at most 16 KiB.
   */
  readonly change?: ((path: string, body: Uint8Array) => MaybePage) | undefined
  /** What is answered to who may not have the page of that path, with the header `authorization` that was sent; default: all may. */
  readonly refuse?: (path: string, authorization: string | undefined) => Page | undefined
}

/** A watcher that is slower than this is let go. */
const REQUEST_MS = 10_000
const MAX_CONNECTIONS = 64
const MAX_HEADER_BYTES = 8 * 1024
const MAX_BODY_BYTES = 16 * 1024
const LOCAL_NAME = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/

/**
 * Serves pages.
 * @param answer - The page of a path, which comes without its query; undefined if there is none.
 * @throws UNAVAILABLE, PERMISSION, INVALID_INPUT as `Network.listen`
 */
export async function listenHttp(
  address: Address,
  answer: (path: string) => MaybePage,
  options: PageOptions = {},
): Promise<Listener> {
  const server = http.createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_MS },
    (request, response) => {
      void pageFor(request, answer, options)
        .catch((error: unknown) => plain(500, error instanceof Error ? error.message : String(error)))
        .then((page) => send(response, page, request.method !== 'HEAD'))
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  const listener = await listening(server, address)
  return {
    address: listener.address,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function send(response: http.ServerResponse, page: Page, hasBody: boolean): void {
  const body = Buffer.from(page.body)
  response.writeHead(page.status, { ...page.headers, 'content-type': page.type, 'content-length': body.length })
  response.end(hasBody ? body : undefined)
}

async function pageFor(
  request: http.IncomingMessage,
  answer: (path: string) => MaybePage,
  { localNamesOnly = false, change, refuse }: PageOptions,
): Promise<Page> {
  const { method, url = '/', headers } = request
  if (localNamesOnly && !LOCAL_NAME.test(headers.host ?? '')) return plain(421, 'only by the names of this machine')
  const [path = '/'] = url.split('?')
  const refusal = refuse?.(path, headers.authorization)
  if (refusal !== undefined) return refusal
  if (method === 'GET' || method === 'HEAD') return (await answer(path)) ?? plain(404, 'no such page')
  if (method !== 'POST' || change === undefined) return plain(405, 'only GET and HEAD')
  if (foreignOrigin(headers) !== undefined) return plain(403, 'a page of another origin may not change anything here')
  const body = await readBody(request, MAX_BODY_BYTES)
  if (body === undefined) return plain(413, `a request has at most ${MAX_BODY_BYTES} bytes`)
  return (await change(path, body)) ?? plain(405, 'nothing can be changed here')
}

/** The body of a request; undefined if it is longer than it may be, or its sender goes away. What is too long is not kept. */
export function readBody(request: http.IncomingMessage, maxBytes: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxBytes) chunks.push(chunk)
      else {
        chunks.length = 0
        resolve(undefined)
      }
    })
    request.on('end', () => resolve(size <= maxBytes ? Buffer.concat(chunks) : undefined))
    request.on('error', () => resolve(undefined))
  })
}

function plain(status: number, text: string): Page {
  return { status, type: 'text/plain', body: `${text}\n` }
}
