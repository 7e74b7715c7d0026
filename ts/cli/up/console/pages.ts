// The web console: one page without anything from elsewhere, and what it asks for. It only reads, and answers this machine alone.
//
//   /                     the page          /console.js  /console.css
//   /api/servers          [{name, summary, address, connections, isReady, metrics}]
//   /api/SERVER/...       what the server of that name shows; see cache-pages.ts
import type { Page } from '../../../io/http.ts'
import { type Address, showAddress } from '../../../io/network.ts'
import type { Metric } from '../../../service/index.ts'
import type { Member, ServerGroup } from '../../servers/group.ts'
import { CONSOLE_CSS, CONSOLE_HTML, CONSOLE_JS } from './assets.ts'

/** Scripts and styles of ours alone: a key or value that is markup stays text. */
const HEADERS = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
}

/** The pages of a group's console by their path. */
export function consolePages(group: Pick<ServerGroup, 'members'>): (path: string) => Page | undefined {
  return (path) => {
    const page = pageOf(group.members, path)
    return page === undefined ? undefined : { ...page, headers: HEADERS }
  }
}

function pageOf(members: readonly Member[], path: string): Page | undefined {
  switch (path) {
    case '/':
      return { status: 200, type: 'text/html; charset=utf-8', body: CONSOLE_HTML }
    case '/console.js':
      return { status: 200, type: 'text/javascript; charset=utf-8', body: CONSOLE_JS }
    case '/console.css':
      return { status: 200, type: 'text/css; charset=utf-8', body: CONSOLE_CSS }
    case '/api/servers':
      return { status: 200, type: 'application/json', body: `${JSON.stringify(members.map(viewOf))}\n` }
    default: {
      const { name, rest } = /^\/api\/(?<name>[a-z-]+)\/(?<rest>.*)$/.exec(path)?.groups ?? {}
      return members.find(({ kind }) => kind.name === name)?.pages?.(rest ?? '')
    }
  }
}

function viewOf({ kind, server, address }: Member): unknown {
  return {
    name: kind.name,
    summary: kind.summary,
    address: showAddress(address as Address),
    connections: kind.connections(address as Address),
    isReady: server.ready(),
    metrics: server.metrics().map(figureOf),
  }
}

/** Samples that differ in a label are added up: the page shows one line each. */
function figureOf({ name, help, kind, samples }: Metric): unknown {
  return { name, help, kind, value: samples.reduce((sum, { value }) => sum + value, 0) }
}
