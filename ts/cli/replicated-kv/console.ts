// What the console shows of a replicated store, and what it does there.
//
//   GET   since/NUMBER   {hasFaults, nodes, messages, next, traffic, contents}; see ../raft/watch.ts
//   POST  faults         see ../local-cluster/faults.ts
//   POST  set            {node, key, value}          {text}; by the node that is named, or by any if it is null
//   POST  get            {node, key, consistency}    {text}
import { BedplateError, isCode } from '../../base/errors.ts'
import { jsonOf, jsonPage } from '../../service/index.ts'
import { answering, type ConsolePart } from '../console/part.ts'
import { askNode, nodeToAsk } from '../local-cluster/ask.ts'
import { type Hurtable, hurtOf } from '../local-cluster/faults.ts'
import type { NodeState } from '../local-cluster/nodes.ts'
import type { ReplicatedWatch } from './watch.ts'

/** What the console looks into. */
export interface ReplicatedView {
  readonly nodes: () => readonly NodeState<number>[]
  readonly watch: ReplicatedWatch
  /** The nodes, where they may be hurt; gives undefined while they are starting. */
  readonly hurtable?: () => Hurtable<number> | undefined
}

export function replicatedConsole(view: ReplicatedView): ConsolePart {
  return answering({
    pages: async (path) => {
      const since = /^since\/(\d{1,15})$/.exec(path)?.[1]
      if (since === undefined) return undefined
      const shown = await view.watch.view(view.nodes(), Number(since))
      return jsonPage({ hasFaults: view.hurtable !== undefined, ...shown })
    },
    change: async (path, body) => {
      if (path === 'faults') return jsonPage(await hurtOf(view.hurtable, body))
      if (path !== 'set' && path !== 'get') return undefined
      return jsonPage({ text: await (path === 'set' ? set : get)(view, jsonOf(body)) })
    },
  })
}

type Asked = Readonly<Record<string, unknown>>

async function set(view: ReplicatedView, { node, key, value }: Asked): Promise<string> {
  if (typeof key !== 'string' || typeof value !== 'string') throw wanted('set wants {"key": "a", "value": "1"}')
  const asked = nodeToAsk(view.nodes(), node)
  await askNode(asked, `/set?${new URLSearchParams({ key })}`, { method: 'PUT', body: value })
  return `node ${asked.id}: OK`
}

async function get(view: ReplicatedView, { node, key, consistency }: Asked): Promise<string> {
  if (typeof key !== 'string' || typeof consistency !== 'string') {
    throw wanted('get wants {"key": "a", "consistency": "stale"}')
  }
  const asked = nodeToAsk(view.nodes(), node)
  try {
    const { value } = await askNode(asked, `/get?${new URLSearchParams({ key, consistency })}`)
    return `node ${asked.id}: ${String(value)}`
  } catch (error) {
    if (isCode(error, 'NOT_FOUND')) return (error as Error).message
    throw error
  }
}

function wanted(message: string): BedplateError {
  return new BedplateError('INVALID_INPUT', message)
}
