// The console of `bedplate up`, and those of one system alone, such as that of `bedplate raft up`. They answer this machine alone, and pages of other origins cannot change anything (io/http.ts).
//
//   /                     the page, and the modules behind it: shell.ts
//   /api/servers          [{name, summary, address, connections, isReady, metrics}]
//   /api/SERVER/...       what the server of that name shows, and takes by POST; see cache-pages.ts
//   /api/replay/...       simulated clusters step by step: ../raft/replay-pages.ts
import type { MaybePage, Page } from '../../io/http.ts'
import { type Address, showAddress } from '../../io/network.ts'
import { jsonPage, type Metric } from '../../service/index.ts'
import { replayPage } from '../raft/replay-pages.ts'
import type { Member, ServerGroup } from '../servers/group.ts'
import { connectionsOf } from '../servers/kinds.ts'
import type { ConsolePart } from './part.ts'
import { guarded, type PartName, shellPage } from './shell.ts'

/** Servers that have pages of their own. */
const OWN_PARTS = ['cache', 'replicated-kv', 'partitioned-kv'] as const
const OF_SERVER = /^\/api\/(?<name>[a-z-]+)\/(?<rest>.*)$/

/**
 * The console of one system, in the process that runs its nodes. Faults are heard at `/faults` as well, where commands ask for them.
 * @param name - As in its paths: `/api/NAME/...`.
 */
export function consoleOfOne(name: string, { pages, change }: ConsolePart, parts: readonly PartName[]): ConsolePart {
  const restOf = (path: string): string | undefined => {
    const found = OF_SERVER.exec(path)?.groups
    return found?.['name'] === name ? found['rest'] : undefined
  }
  return {
    pages: async (path) => {
      const rest = restOf(path)
      return asConsole(await (rest === undefined ? (replayPage(path) ?? shellPage(parts, path)) : pages(rest)))
    },
    change: async (path, body) => {
      const rest = path === '/faults' ? 'faults' : restOf(path)
      return asConsole(rest === undefined ? undefined : await change(rest, body))
    },
  }
}

/** The pages of a group's console by their path, and what it takes by POST: as `runServer` wants them. */
export function consoleOf(group: Pick<ServerGroup, 'members'>): ConsolePart {
  return {
    pages: async (path) => asConsole(await pageOf(group.members, path)),
    change: async (path, body) => {
      const { name, rest } = OF_SERVER.exec(path)?.groups ?? {}
      return asConsole(await group.members.find(({ kind }) => kind.name === name)?.change?.(rest ?? '', body))
    },
  }
}

function asConsole(page: Page | undefined): Page | undefined {
  return page === undefined ? undefined : guarded(page)
}

function pageOf(members: readonly Member[], path: string): MaybePage {
  if (path === '/api/servers') return jsonPage(members.map(viewOf))
  const { name, rest } = OF_SERVER.exec(path)?.groups ?? {}
  if (name === 'replay') return replayPage(path)
  if (name !== undefined) return members.find(({ kind }) => kind.name === name)?.pages?.(rest ?? '')
  return shellPage(partsOf(members), path)
}

function partsOf(members: readonly Member[]): PartName[] {
  const own = OWN_PARTS.filter((name) => members.some(({ kind }) => kind.name === name))
  return ['servers', ...own, 'replay']
}

function viewOf(member: Member): unknown {
  const { kind, server, address } = member
  return {
    name: kind.name,
    summary: kind.summary,
    address: showAddress(address as Address),
    connections: connectionsOf(member),
    isReady: server.ready(),
    metrics: server.metrics().map(figureOf),
  }
}

/** Samples that differ in a label are added up: the page shows one line each. */
function figureOf({ name, help, kind, samples }: Metric): unknown {
  return { name, help, kind, value: samples.reduce((sum, { value }) => sum + value, 0) }
}
