// The slots of a cluster by node, as one of its nodes that runs sees them.
//
//   {isCluster: false}
//   {isCluster: true, state, epoch, nodes: [{node, name, address, state, role, master, isFailed, epoch, ranges: [[first, last]]}]}
//
// `node` is the number of the console for it, -1 for one that the console does not run; `state` of a node is that of its thread.
import { askEach, type CacheNode, type CacheView } from './cache-node.ts'

/** One line of CLUSTER NODES: https://redis.io/docs/latest/commands/cluster-nodes/ */
const LINE = /^(?<id>\S+) (?<address>[^@ ]+)@\S* (?<flags>\S+) (?<master>\S+) \S+ \S+ (?<epoch>\d+) \S+(?<slots>.*)$/

interface Line {
  readonly id: string
  readonly address: string
  readonly flags: string
  readonly master: string
  readonly epoch: string
  readonly slots: string
}

export async function clusterView(view: CacheView): Promise<unknown> {
  const nodes = view.nodes()
  const seer = nodes.find(({ state }) => state === 'running')
  if (seer === undefined) return { isCluster: nodes.length > 1, state: 'no node runs', epoch: 0, nodes: [] }
  const [info, text] = await askEach(seer, '0', [
    ['CLUSTER', 'INFO'],
    ['CLUSTER', 'NODES'],
  ])
  if (typeof info !== 'string' || typeof text !== 'string') return { isCluster: false }
  const lines = text.split(/\r?\n/).flatMap((line) => (LINE.exec(line)?.groups as Line | undefined) ?? [])
  return {
    isCluster: true,
    state: factOf(info, 'cluster_state'),
    epoch: Number(factOf(info, 'cluster_current_epoch')),
    nodes: lines.map((line) => nodeOf(line, lines, nodes)).sort((a, b) => a.name.localeCompare(b.name)),
  }
}

function nodeOf(line: Line, lines: readonly Line[], nodes: readonly CacheNode[]) {
  const node = nodes.findIndex(({ address }) => address === line.address)
  const flags = line.flags.split(',')
  return {
    node,
    name: nodes[node]?.name ?? line.id.slice(0, 8),
    address: line.address,
    state: nodes[node]?.state ?? 'unknown',
    role: flags.includes('slave') ? 'replica' : 'master',
    master: lines.find(({ id }) => id === line.master)?.address ?? null,
    isFailed: flags.includes('fail'),
    isSuspected: flags.includes('fail?'),
    epoch: Number(line.epoch),
    ranges: rangesOf(line.slots),
  }
}

/** Slots that are on their way between nodes stand in brackets, and belong to who has them yet. */
function rangesOf(text: string): [number, number][] {
  const ranges = text.split(' ').filter((part) => /^\d+(?:-\d+)?$/.test(part))
  return ranges.map((range) => {
    const [first = '', last = first] = range.split('-')
    return [Number(first), Number(last)]
  })
}

function factOf(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? ''
}
