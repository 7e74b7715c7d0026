// The console of `bedplate raft up`: the cluster as it runs, and its faults.
//
//   GET   since/NUMBER   {nodes, messages, next, traffic, contents}; see watch.ts
//   POST  faults         see ../local-cluster/faults.ts
//   POST  append         {command}: on the first node that takes it; {index, node}
import { BedplateError } from '../../base/errors.ts'
import { jsonOf, jsonPage } from '../../service/index.ts'
import { answering, type ConsolePart } from '../console/part.ts'
import { askNode, nodeToAsk } from '../local-cluster/ask.ts'
import { hurtOf } from '../local-cluster/faults.ts'
import type { Cluster } from './cluster.ts'
import type { RaftWatch } from './watch.ts'

/** @param cluster - Gives undefined while the nodes are starting. */
export function raftConsole(cluster: () => Cluster | undefined, watch: RaftWatch): ConsolePart {
  return answering({
    pages: async (path) => {
      const since = /^since\/(\d{1,15})$/.exec(path)?.[1]
      return since === undefined ? undefined : jsonPage(await watch.view(cluster()?.states() ?? [], Number(since)))
    },
    change: async (path, body) => {
      if (path === 'faults') return jsonPage(await hurtOf(cluster, body))
      if (path !== 'append') return undefined
      const { command } = jsonOf(body)
      if (typeof command !== 'string') throw new BedplateError('INVALID_INPUT', 'append wants {"command": "SET x 1"}')
      // Any node takes it: one that does not lead asks the one that does.
      const node = nodeToAsk(cluster()?.states() ?? [], undefined)
      const { index } = await askNode(node, '/append', { method: 'POST', body: JSON.stringify({ command }) })
      return jsonPage({ index, node: node.id })
    },
  })
}
