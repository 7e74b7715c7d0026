// The console of `bedplate raft up`: the cluster as it runs, its faults, and simulated clusters step by step.
//
//   GET   /                        the page; see ../console/shell.ts
//   GET   /api/raft/since/NUMBER   {nodes, messages, next, traffic}; see watch.ts
//   GET   /api/replay/STORY/SEED   see replay-pages.ts
//   POST  /api/raft/append         {command}: on the first node that takes it; {index, node}
import { BedplateError } from '../../base/errors.ts'
import type { Page } from '../../io/http.ts'
import { failurePage, jsonOf, jsonPage } from '../../service/index.ts'
import { guarded, shellPage } from '../console/shell.ts'
import type { Cluster } from './cluster.ts'
import { replayPage } from './replay-pages.ts'
import type { Watch } from './watch.ts'

const APPEND_MS = 6000

/** What the console shows at a path. */
export async function raftPage(cluster: Cluster | undefined, watch: Watch, path: string): Promise<Page | undefined> {
  const since = /^\/api\/raft\/since\/(\d{1,15})$/.exec(path)?.[1]
  const page =
    since === undefined
      ? (replayPage(path) ?? shellPage(['raft', 'replay'], path))
      : await viewPage(cluster, watch, since)
  return page === undefined ? undefined : guarded(page)
}

async function viewPage(cluster: Cluster | undefined, watch: Watch, since: string): Promise<Page> {
  if (cluster === undefined) return failurePage(new BedplateError('UNAVAILABLE', 'the cluster is starting'))
  return jsonPage(await watch.view(cluster, Number(since)))
}

/** Appends a command, on any node: one that does not lead asks the one that does. */
export async function appendPage(cluster: Cluster, body: Uint8Array): Promise<Page> {
  try {
    const { command } = jsonOf(body)
    if (typeof command !== 'string') throw new BedplateError('INVALID_INPUT', 'append wants {"command": "SET x 1"}')
    const node = cluster.states().find(({ state, cutFrom }) => state === 'running' && cutFrom.length === 0)
    const any = node ?? cluster.states().find(({ state }) => state === 'running')
    if (any === undefined) throw new BedplateError('UNAVAILABLE', 'no node runs')
    const response = await fetch(`http://127.0.0.1:${any.port}/append`, {
      ...{ method: 'POST', body: JSON.stringify({ command }), signal: AbortSignal.timeout(APPEND_MS) },
    }).catch((cause: unknown) => {
      throw new BedplateError('UNAVAILABLE', `node ${any.id} did not answer`, { cause })
    })
    const answer = (await response.json()) as { index?: number; error?: { message: string } }
    if (!response.ok)
      throw new BedplateError('UNAVAILABLE', `node ${any.id}: ${answer.error?.message ?? response.status}`)
    return jsonPage({ index: answer.index, node: any.id })
  } catch (error) {
    return failurePage(error)
  }
}
