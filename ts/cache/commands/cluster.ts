// CLUSTER, and what clients of a cluster say of themselves: ASKING, READONLY, READWRITE.
import { describeNode, describeNodes } from '../cluster/nodes-conf.ts'
import type { ClusterOrder } from '../cluster/orders.ts'
import { SLOT_COUNT, type SlotRange, slotOf } from '../cluster/slots.ts'
import { has, isFailed, isMaster, type Topology } from '../cluster/topology.ts'
import { type ClusterNode, NodeFlag } from '../cluster/types.ts'
import { parseSafeInteger } from '../keyspace/numbers.ts'
import type { Call, Handler, Handlers } from './call.ts'
import { isWord } from './call.ts'
import type { ClusterDoor } from './cluster-door.ts'
import { fail, SYNTAX_ERROR, shown } from './errors.ts'

const CLUSTER_HELP = [
  'CLUSTER <subcommand> [<argument> ...]. Subcommands are:',
  'ADDSLOTS <slot> [<slot> ...], ADDSLOTSRANGE <first> <last> [<first> <last> ...]',
  '    Take slots that nobody owns.',
  'BUMPEPOCH, SET-CONFIG-EPOCH <epoch>',
  '    Take a higher config epoch, or the first one.',
  'COUNT-FAILURE-REPORTS <node>',
  '    How many masters say that a node does not answer.',
  'COUNTKEYSINSLOT <slot>, GETKEYSINSLOT <slot> <count>, KEYSLOT <key>',
  '    Keys and slots.',
  'DELSLOTS <slot> [<slot> ...], DELSLOTSRANGE <first> <last> [<first> <last> ...], FLUSHSLOTS',
  '    Give up slots.',
  'FAILOVER [FORCE | TAKEOVER]',
  '    Let this replica replace its master.',
  'FORGET <node>, MEET <ip> <port> [<bus-port>], REPLICATE <node>, RESET [HARD | SOFT]',
  '    Who belongs to the cluster, and as what.',
  'INFO, LINKS, MYID, NODES, REPLICAS <node>, SHARDS, SLOTS',
  '    What this node knows.',
  'SAVECONFIG',
  '    Write nodes.conf.',
  'SETSLOT <slot> (IMPORTING <node> | MIGRATING <node> | NODE <node> | STABLE)',
  '    Move a slot.',
]
/** A session that asks: this command counts as one, the next is the one it is for. */
const ASKING_COUNT = 2
const BAD_SLOT = 'ERR Invalid or out of range slot'
const MAX_PORT = 65_535

export const CLUSTER_COMMANDS: Handlers = {
  asking(call) {
    clusterOf(call)
    call.session.asking = ASKING_COUNT
    call.reply.ok()
  },

  readonly(call) {
    clusterOf(call)
    call.session.readsReplicas = true
    call.reply.ok()
  },

  readwrite(call) {
    clusterOf(call)
    call.session.readsReplicas = false
    call.reply.ok()
  },

  'cluster|keyslot'(call, [, , key = '']) {
    clusterOf(call)
    call.reply.integer(slotOf(key))
  },

  'cluster|countkeysinslot'(call, [, , number = '']) {
    const { keys } = clusterOf(call)
    const slot = call.position(number)
    if (slot < 0 || slot >= SLOT_COUNT) fail('ERR Invalid slot')
    call.reply.integer(keys.countIn(slot))
  },

  'cluster|getkeysinslot'(call, [, , number = '', most = '']) {
    const { keys } = clusterOf(call)
    const [slot, limit] = [call.position(number), call.position(most)]
    if (slot < 0 || slot >= SLOT_COUNT || limit < 0) fail('ERR Invalid slot or number of keys')
    call.reply.bulks(keys.keysIn(slot, limit))
  },

  'cluster|myid': (call) => call.reply.bulk(clusterOf(call).topology.myself.name),
  'cluster|nodes': (call) => call.reply.verbatim('txt', describeNodes(clusterOf(call).topology)),
  'cluster|info': (call) => call.reply.verbatim('txt', info(clusterOf(call))),
  'cluster|slots': slots,
  'cluster|shards': shards,
  'cluster|replicas': replicas,
  'cluster|slaves': replicas,
  'cluster|links': links,

  'cluster|count-failure-reports'(call, [, , name = '']) {
    const cluster = clusterOf(call)
    call.reply.integer(cluster.failureReports(nodeOf(cluster, name)))
  },

  'cluster|meet'(call, args) {
    const [, , host = '', port = '', bus] = args
    if (args.length > 5) fail("ERR wrong number of arguments for 'cluster|meet' command")
    const number = parseSafeInteger(port) ?? fail(`ERR Invalid TCP base port specified: ${shown(port, 128)}`)
    const busPort =
      bus === undefined
        ? number + 10_000
        : (parseSafeInteger(bus) ?? fail(`ERR Invalid TCP bus port specified: ${shown(bus, 128)}`))
    if (!isAddress(host) || !isPort(number) || !isPort(busPort)) {
      fail(`ERR Invalid node address specified: ${shown(host, 128)}:${shown(port, 128)}`)
    }
    obey(call, { kind: 'meet', host, port: number, busPort })
  },

  'cluster|addslots': changeSlots('addSlots', false),
  'cluster|addslotsrange': changeSlots('addSlots', true),
  'cluster|delslots': changeSlots('delSlots', false),
  'cluster|delslotsrange': changeSlots('delSlots', true),
  'cluster|flushslots': (call) => obey(call, { kind: 'flushSlots' }),
  'cluster|saveconfig': (call) => obey(call, { kind: 'saveConfig' }),
  'cluster|forget': (call, [, , node = '']) => obey(call, { kind: 'forget', node: shown(node, 128) }),
  'cluster|replicate': (call, [, , node = '']) => obey(call, { kind: 'replicate', node: shown(node, 128) }),
  'cluster|setslot': setSlot,

  'cluster|failover'(call, args) {
    const [, , how] = args
    const mode = isWord(how, 'FORCE') ? 'force' : isWord(how, 'TAKEOVER') ? 'takeover' : 'ask'
    if (args.length > 3 || (how !== undefined && mode === 'ask')) fail(SYNTAX_ERROR)
    obey(call, { kind: 'failover', mode })
  },

  'cluster|reset'(call, args) {
    const isHard = isWord(args[2], 'HARD')
    if (args.length > 3 || (args[2] !== undefined && !isHard && !isWord(args[2], 'SOFT'))) fail(SYNTAX_ERROR)
    obey(call, { kind: 'reset', isHard })
  },

  'cluster|set-config-epoch'(call, [, , text = '']) {
    const epoch = call.position(text)
    if (epoch < 0) fail(`ERR Invalid config epoch specified: ${epoch}`)
    obey(call, { kind: 'setConfigEpoch', epoch })
  },

  'cluster|bumpepoch'(call) {
    const cluster = clusterOf(call)
    const { myself } = cluster.topology
    const before = myself.configEpoch
    cluster.order({ kind: 'bumpEpoch' })
    const text = `${myself.configEpoch === before ? 'STILL' : 'BUMPED'} ${myself.configEpoch}`
    answerWhenDurable(call, () => call.session.reply.simple(text))
  },

  'cluster|help'({ reply }) {
    reply.array(CLUSTER_HELP.length)
    for (const line of CLUSTER_HELP) reply.simple(line)
  },
}

/** @throws CommandError where there is no cluster. */
function clusterOf(call: Call): ClusterDoor {
  return call.engine.cluster ?? fail('ERR This instance has cluster support disabled')
}

function nodeOf({ topology }: ClusterDoor, name: string): ClusterNode {
  return topology.nodes.get(name) ?? fail(`ERR Unknown node ${shown(name, 128)}`)
}

/** Follows an order, or says why not. */
function obey(call: Call, order: ClusterOrder): void {
  const refusal = clusterOf(call).order(order)
  if (refusal !== undefined) fail(refusal)
  const { reply } = call.session
  answerWhenDurable(call, () => reply.ok())
}

/** Who is told that something was done may count on it after a crash. Where nobody can wait, it is told at once. */
function answerWhenDurable(call: Call, answer: () => void): void {
  const cluster = clusterOf(call)
  if (cluster.isDurable || !call.mayBlock) {
    answer()
    return
  }
  const { engine, session } = call
  call.block({ argsFor: () => [], keys: [], type: 'string', untilMs: undefined, isFirm: true })
  const wait = session.blocked
  cluster.whenDurable(() => {
    if (session.blocked === wait) engine.release(session, answer)
  })
}

function changeSlots(kind: 'addSlots' | 'delSlots', isRanges: boolean): Handler {
  return (call, args) => {
    clusterOf(call)
    const numbers = args.slice(2).map(slotArgument)
    if (!isRanges) return obey(call, { kind, slots: numbers })
    if (numbers.length % 2 !== 0) fail(`ERR wrong number of arguments for '${call.command.name}' command`)
    const all: number[] = []
    for (let i = 0; i < numbers.length; i += 2) {
      const [first, last] = [numbers[i] as number, numbers[i + 1] as number]
      if (first > last) fail(`ERR start slot number ${first} is greater than end slot number ${last}`)
      for (let slot = first; slot <= last; slot++) all.push(slot)
      // More than there are: one of them is there twice.
      if (all.length > SLOT_COUNT) break
    }
    return obey(call, { kind, slots: all })
  }
}

/** CLUSTER SETSLOT slot (MIGRATING | IMPORTING | NODE) node, or STABLE */
function setSlot(call: Call, args: readonly string[]): void {
  const [, , number = '', action, node] = args
  const { topology } = clusterOf(call)
  if (!isMaster(topology.myself)) fail('ERR Please use SETSLOT only with masters.')
  const slot = slotArgument(number)
  if (isWord(action, 'STABLE') && args.length === 4) {
    obey(call, { kind: 'stable', slot })
    return
  }
  const to = (['migrating', 'importing', 'node'] as const).find((word) => isWord(action, word.toUpperCase()))
  if (to === undefined || node === undefined || args.length !== 5) {
    fail('ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP')
  }
  obey(call, { kind: 'setSlot', slot, to, node: shown(node, 128) })
}

function slotArgument(text: string): number {
  const slot = parseSafeInteger(text)
  return slot === undefined || slot < 0 || slot >= SLOT_COUNT ? fail(BAD_SLOT) : slot
}

// What is known.

function info(cluster: ClusterDoor): string {
  const { topology, messageCounts } = cluster
  const counts = { ok: 0, suspected: 0, failed: 0 }
  for (const node of topology.nodes.values()) {
    if (isFailed(node)) counts.failed += node.slotCount
    else if (has(node, NodeFlag.suspected)) counts.suspected += node.slotCount
    else counts.ok += node.slotCount
  }
  const lines: Record<string, string | number> = {
    cluster_state: topology.isUp ? 'ok' : 'fail',
    cluster_slots_assigned: topology.assignedCount,
    cluster_slots_ok: counts.ok,
    cluster_slots_pfail: counts.suspected,
    cluster_slots_fail: counts.failed,
    cluster_known_nodes: topology.nodes.size,
    cluster_size: topology.size,
    cluster_current_epoch: topology.currentEpoch,
    cluster_my_epoch: (topology.myself.master ?? topology.myself).configEpoch,
    cluster_stats_messages_sent: messageCounts.sent,
    cluster_stats_messages_received: messageCounts.received,
    total_cluster_links_buffer_limit_exceeded: 0,
  }
  return Object.entries(lines)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('')
}

/** Ranges with their owner and its replicas, in order of slots. */
function slots(call: Call): void {
  const cluster = clusterOf(call)
  const { topology } = cluster
  const ranges = [...topology.allRanges()].flatMap(([node, own]) => own.map((range) => ({ node, range })))
  ranges.sort((a, b) => a.range.first - b.range.first)
  const { reply } = call
  reply.array(ranges.length)
  for (const { node, range } of ranges) {
    const others = topology.replicasOf(node).filter((replica) => isThere(cluster, replica))
    reply.array(3 + others.length)
    reply.integer(range.first)
    reply.integer(range.last)
    for (const each of [node, ...others]) {
      reply.array(4)
      reply.bulk(each.host)
      reply.integer(each.port)
      reply.bulk(each.name)
      reply.array(0)
    }
  }
}

/** Masters with their slots and replicas; a master without slots is a shard of its own. */
function shards(call: Call): void {
  const cluster = clusterOf(call)
  const { topology } = cluster
  const { reply } = call
  const ranges = topology.allRanges()
  const masters = [...topology.nodes.values()].filter((node) => isMaster(node) && !has(node, NodeFlag.handshake))
  reply.array(masters.length)
  for (const master of masters) {
    reply.map(2)
    reply.bulk('slots')
    const own: readonly SlotRange[] = ranges.get(master) ?? []
    reply.array(2 * own.length)
    for (const { first, last } of own) {
      reply.integer(first)
      reply.integer(last)
    }
    reply.bulk('nodes')
    const nodes = [master, ...topology.replicasOf(master)]
    reply.array(nodes.length)
    for (const node of nodes) describeMember(call, cluster, node)
  }
}

function describeMember({ reply }: Call, cluster: ClusterDoor, node: ClusterNode): void {
  const health = isFailed(node) ? 'fail' : isMaster(node) || isThere(cluster, node) ? 'online' : 'loading'
  const fields: readonly (readonly [string, string | number])[] = [
    ['id', node.name],
    ['port', node.port],
    ['ip', node.host],
    ['endpoint', node.host],
    ['role', isMaster(node) ? 'master' : 'replica'],
    ['replication-offset', cluster.offsetOf(node)],
    ['health', health],
  ]
  reply.map(fields.length)
  for (const [name, value] of fields) {
    reply.bulk(name)
    if (typeof value === 'number') reply.integer(value)
    else reply.bulk(value)
  }
}

/** A replica that has not failed, and that has data. */
function isThere(cluster: ClusterDoor, replica: ClusterNode): boolean {
  return !isFailed(replica) && cluster.offsetOf(replica) > 0
}

function replicas(call: Call, [, , name = '']: readonly string[]): void {
  const cluster = clusterOf(call)
  const { topology } = cluster
  const node = nodeOf(cluster, name)
  if (!isMaster(node)) fail('ERR The specified node is not a master')
  call.reply.bulks(topology.replicasOf(node).map((replica) => describeNode(topology, replica)))
}

function links(call: Call): void {
  const cluster = clusterOf(call)
  const { reply } = call
  const open = linkedNodes(cluster.topology)
  reply.array(open.length)
  for (const node of open) {
    const waiting = cluster.waitingBytes(node)
    reply.map(6)
    for (const [name, value] of [
      ['direction', 'to'],
      ['node', node.name],
      ['create-time', Math.floor(node.linkedMs ?? 0)],
      ['events', waiting > 0 ? 'rw' : 'r'],
      ['send-buffer-allocated', waiting],
      ['send-buffer-used', waiting],
    ] as const) {
      reply.bulk(name)
      if (typeof value === 'number') reply.integer(value)
      else reply.bulk(value)
    }
  }
}

function linkedNodes(topology: Topology): ClusterNode[] {
  return [...topology.nodes.values()].filter((node) => node.linkedMs !== undefined)
}

function isPort(port: number): boolean {
  return port > 0 && port <= MAX_PORT
}

/** An IP address as text; names are not resolved, as in Redis. */
function isAddress(host: string): boolean {
  const parts = host.split('.')
  if (parts.length === 4) return parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)
  return host.includes(':') && /^[0-9a-fA-F:.]{2,45}$/.test(host)
}
