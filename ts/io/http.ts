// Pages over HTTP for those who watch a server: GET and HEAD, nothing else.
import http from 'node:http'
import { type Address, type Listener, listening } from './network.ts'

/** What is answered to a request. */
export interface Page {
  readonly status: number
  /** Such as `application/json`. */
  readonly type: string
  readonly body: string
  /** Further headers, by their names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
}

/** How pages are served. */
export interface PageOptions {
  /** Answers only to the names of this machine: a stranger's page cannot read ours by giving our address a name of its own. */
  readonly localNamesOnly?: boolean
}

/** A watcher that is slower than this is let go. */
const REQUEST_MS = 10_000
const MAX_CONNECTIONS = 64
const MAX_HEADER_BYTES = 8 * 1024
const LOCAL_NAME = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/

/**
 * Serves pages.
 * @param answer - The page of a path, which comes without its query; undefined if there is none.
 * @throws UNAVAILABLE, PERMISSION, INVALID_INPUT as `Network.listen`
 */
export async function listenHttp(
  address: Address,
  answer: (path: string) => Page | undefined,
  options: PageOptions = {},
): Promise<Listener> {
  const server = http.createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_MS },
    (request, response) => {
      const page = pageFor(request, answer, options)
      const body = Buffer.from(page.body)
      response.writeHead(page.status, { ...page.headers, 'content-type': page.type, 'content-length': body.length })
      response.end(request.method === 'HEAD' ? undefined : body)
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

function pageFor(
  { method, url = '/', headers }: http.IncomingMessage,
  answer: (path: string) => Page | undefined,
  { localNamesOnly = false }: PageOptions,
): Page {
  if (localNamesOnly && !LOCAL_NAME.test(headers.host ?? '')) {
    return { status: 421, type: 'text/plain', body: 'only by the names of this machine\n' }
  }
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: 'text/plain', body: 'only GET and HEAD\n' }
  const [path = '/'] = url.split('?')
  return answer(path) ?? { status: 404, type: 'text/plain', body: 'no such page\n' }
}
