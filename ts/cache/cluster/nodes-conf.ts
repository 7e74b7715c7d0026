// The view of a node as text, one line a node: what CLUSTER NODES replies, and the file nodes.conf, in Redis's own format.
//
//   name host:port@busPort flags master pingSent pongReceived configEpoch link slots...
//   vars currentEpoch 7 lastVoteEpoch 6                                                  (in the file alone)
//
// `master` is `-` for none, slots are `5`, `5-9`, `[5->-name]` for one that goes to a node and `[5-<-name]` for one that comes.
import { BedplateError } from '../../base/errors.ts'
import { SLOT_COUNT, type SlotRange, showRange } from './slots.ts'
import { has, newNode, Topology } from './topology.ts'
import { type ClusterNode, MAX_NODES, NodeFlag, type NodeName } from './types.ts'

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [NodeFlag.myself, 'myself'],
  [NodeFlag.master, 'master'],
  [NodeFlag.replica, 'slave'],
  [NodeFlag.suspected, 'fail?'],
  [NodeFlag.failed, 'fail'],
  [NodeFlag.handshake, 'handshake'],
  [NodeFlag.noAddress, 'noaddr'],
  [NodeFlag.noFailover, 'nofailover'],
]
const NAME = /^[0-9a-f]{40}$/
/** A file longer than this is none of ours. */
const MAX_FILE_CHARACTERS = 64 * 2 ** 20

export function isNodeName(text: string): boolean {
  return NAME.test(text)
}

/** The line of a node. @param ranges - The slots that it owns. */
export function describeNode(topology: Topology, node: ClusterNode, ranges = topology.rangesOf(node)): string {
  return lineOf(topology, node, ranges)
}

/** The lines of all nodes, each with a line's end; those that have not told their name are left out of the file. */
export function describeNodes(topology: Topology, leftOut = 0): string {
  const ranges = topology.allRanges()
  const lines: string[] = []
  for (const node of topology.nodes.values()) {
    if (!has(node, leftOut)) lines.push(`${lineOf(topology, node, ranges.get(node) ?? [])}\n`)
  }
  return lines.join('')
}

/** The file nodes.conf: all that a node has to know when it starts again. */
export function renderNodesConf(topology: Topology): string {
  const { currentEpoch, lastVoteEpoch } = topology
  const vars = `vars currentEpoch ${currentEpoch} lastVoteEpoch ${lastVoteEpoch}\n`
  return describeNodes(topology, NodeFlag.handshake) + vars
}

/**
 * Reads nodes.conf, ours or Redis's.
 * @throws CORRUPTION that says which line is wrong. Bounded by the length of the text.
 */
export function parseNodesConf(text: string, nowMs: number): Topology {
  if (text.length > MAX_FILE_CHARACTERS) throw corrupt('it is too long')
  const lines = text.split('\n').filter((line) => line !== '')
  const rows = lines.filter((line) => !line.startsWith('vars ')).map((line) => line.trim().split(' '))
  if (rows.length > MAX_NODES) throw corrupt('it has too many nodes')
  const nodes = new Map<NodeName, ClusterNode>()
  for (const row of rows) {
    const node = parseNode(row, nowMs)
    if (nodes.has(node.name)) throw corrupt(`node ${node.name} is there twice`)
    nodes.set(node.name, node)
  }
  const own = [...nodes.values()].filter((node) => has(node, NodeFlag.myself))
  const [myself] = own
  if (myself === undefined || own.length > 1) throw corrupt('it must have exactly one line with the flag myself')
  const topology = new Topology(myself)
  for (const node of nodes.values()) if (node !== myself) topology.add(node)
  for (const row of rows) {
    const node = nodes.get(row[0] as string) as ClusterNode
    const master = row[3] as string
    // A replica of a node that we do not know is one without a master until it says so again.
    if (master !== '-' && has(node, NodeFlag.replica) && nodes.get(master) !== node) node.master = nodes.get(master)
    for (const slots of row.slice(8)) parseSlots(topology, node, slots)
  }
  for (const line of lines) if (line.startsWith('vars ')) parseVars(topology, line)
  for (const { configEpoch } of nodes.values()) topology.currentEpoch = Math.max(topology.currentEpoch, configEpoch)
  return topology
}

/** The names of the flags of a node, as Redis lists them. */
function showFlags(node: ClusterNode): string {
  const names = FLAG_NAMES.filter(([flag]) => has(node, flag)).map(([, name]) => name)
  return names.length === 0 ? 'noflags' : names.join(',')
}

function lineOf(topology: Topology, node: ClusterNode, ranges: readonly SlotRange[]): string {
  const { name, host, port, busPort, master, pingSentMs, pongReceivedMs } = node
  const epoch = master === undefined ? node.configEpoch : master.configEpoch
  const isLinked = node === topology.myself || node.linkedMs !== undefined
  const fields = [
    name,
    `${host}:${port}@${busPort}`,
    showFlags(node),
    master?.name ?? '-',
    Math.floor(pingSentMs),
    Math.floor(pongReceivedMs),
    epoch,
    isLinked ? 'connected' : 'disconnected',
    ...ranges.map(showRange),
  ]
  if (node === topology.myself) {
    for (const [slot, other] of topology.migrating) fields.push(`[${slot}->-${other.name}]`)
    for (const [slot, other] of topology.importing) fields.push(`[${slot}-<-${other.name}]`)
  }
  return fields.join(' ')
}

function parseNode(row: readonly string[], nowMs: number): ClusterNode {
  const [name = '', address = '', flags = '', master = '', ping, pong, epoch] = row
  if (!isNodeName(name)) throw corrupt(`${JSON.stringify(name.slice(0, 50))} is no name of a node`)
  const { host, port, bus } =
    /^(?<host>[^@,\s]*):(?<port>\d{1,5})@(?<bus>\d{1,5})(?:,\S*)?$/.exec(address)?.groups ?? {}
  if (host === undefined || row.length < 8) throw corrupt(`the line of ${name} is no line of a node`)
  if (master !== '-' && !isNodeName(master)) throw corrupt(`the master of ${name} is no name`)
  const node = newNode(name, 0, nowMs)
  for (const flag of flags.split(',')) {
    const [bit] = FLAG_NAMES.find(([, each]) => each === flag) ?? []
    if (bit === undefined && flag !== 'noflags') throw corrupt(`${name} has an unknown flag`)
    node.flags |= bit ?? 0
  }
  if (has(node, NodeFlag.failed)) node.failedMs = nowMs
  node.host = host
  node.port = checked(Number(port), 65_535, name)
  node.busPort = checked(Number(bus), 65_535, name)
  checked(Number(ping), Number.MAX_SAFE_INTEGER, name)
  node.pongReceivedMs = Math.min(nowMs, checked(Number(pong), Number.MAX_SAFE_INTEGER, name))
  node.configEpoch = checked(Number(epoch), Number.MAX_SAFE_INTEGER, name)
  return node
}

function parseSlots(topology: Topology, node: ClusterNode, text: string): void {
  const moving = /^\[(?<slot>\d{1,5})-(?<way>[<>])-(?<other>[0-9a-f]{40})\]$/.exec(text)?.groups
  if (moving !== undefined) {
    const other = topology.nodes.get(moving['other'] as string)
    const slot = checked(Number(moving['slot']), SLOT_COUNT - 1, node.name)
    if (other === undefined || node !== topology.myself) throw corrupt(`slot ${slot} moves to or from nobody`)
    ;(moving['way'] === '>' ? topology.migrating : topology.importing).set(slot, other)
    return
  }
  const { from, to = from } = /^(?<from>\d{1,5})(?:-(?<to>\d{1,5}))?$/.exec(text)?.groups ?? {}
  if (from === undefined) throw corrupt(`${node.name} has slots that are no numbers`)
  const last = checked(Number(to), SLOT_COUNT - 1, node.name)
  for (let slot = Number(from); slot <= last; slot++) {
    if (topology.ownerOf(slot) !== undefined) throw corrupt(`slot ${slot} has two owners`)
    topology.assign(slot, node)
  }
}

function parseVars(topology: Topology, line: string): void {
  const words = line.split(' ')
  for (let i = 1; i + 1 < words.length; i += 2) {
    const value = checked(Number(words[i + 1]), Number.MAX_SAFE_INTEGER, 'the line of epochs')
    if (words[i] === 'currentEpoch') topology.currentEpoch = value
    else if (words[i] === 'lastVoteEpoch') topology.lastVoteEpoch = value
  }
}

function checked(value: number, high: number, where: string): number {
  if (!Number.isInteger(value) || value < 0 || value > high) throw corrupt(`${where} has a number out of range`)
  return value
}

function corrupt(what: string): BedplateError {
  return new BedplateError('CORRUPTION', `nodes.conf is damaged: ${what}`, {
    hint: 'move the file away: the node then starts with a new name, and can be added to the cluster again',
  })
}
