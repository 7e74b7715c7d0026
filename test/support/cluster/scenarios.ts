// Stories of one node, told event by event: those that a swarm of seeds tells too seldom.
import type { BusBody, BusHeader } from '../../../ts/cache/cluster/bus-message.ts'
import type { GossipEffect } from '../../../ts/cache/cluster/context.ts'
import { GossipEngine, type GossipEvent } from '../../../ts/cache/cluster/gossip.ts'
import type { Mutant } from '../../../ts/cache/cluster/mutant.ts'
import { parseNodesConf, renderNodesConf } from '../../../ts/cache/cluster/nodes-conf.ts'
import { NO_SLOTS } from '../../../ts/cache/cluster/slots.ts'
import { newNode, Topology } from '../../../ts/cache/cluster/topology.ts'
import { type ClusterNode, DEFAULT_GOSSIP_OPTIONS, NodeFlag } from '../../../ts/cache/cluster/types.ts'
import { seededRandom } from '../../../ts/io/random.ts'

const NODE_TIMEOUT_MS = 1000
const THIRD = 5461

/** Names of nodes by one letter: masters a, b, c, of which c has failed; d and e are replicas of c. */
export function nameOf(letter: string): string {
  return letter.repeat(40)
}

/** One node of a cluster of five, with the others in hand. */
export class Story {
  engine: GossipEngine
  nowMs = 1_700_000_000_000
  offset = 0
  isWhole = true
  isChanging = false
  keyCount = 0
  /** All effects since the start of the present life, but those that were taken. */
  effects: GossipEffect[] = []
  #conf: string
  #persistedWrite = 0
  readonly #mutant: Mutant | undefined
  readonly #connections = new Map<string, number>()

  /** @param own - The letter of the node that is real. */
  constructor(own: string, mutant?: Mutant) {
    this.#mutant = mutant
    this.#conf = renderNodesConf(firstTopology(own))
    this.engine = this.#start()
  }

  step(event: GossipEvent): readonly GossipEffect[] {
    const effects = this.engine.step(event, this.nowMs)
    this.effects.push(...effects)
    for (const effect of effects) {
      if (effect.kind === 'connect') this.step({ kind: 'opened', link: effect.link })
    }
    return effects
  }

  /** Lets time pass, a tick each 100 ms. */
  wait(ms: number): void {
    for (let passed = 0; passed < ms; passed += 100) {
      this.nowMs += 100
      this.step({ kind: 'tick' })
    }
  }

  /** A message comes from a node, on a connection that it has opened. */
  hear(letter: string, body: BusBody, header: Partial<BusHeader> = {}): readonly GossipEffect[] {
    const connection = this.#connections.get(letter) ?? this.#connections.size + 1
    this.#connections.set(letter, connection)
    const via = { kind: 'theirs', connection, host: `10.0.0.${letter}`, localHost: '10.0.0.9' } as const
    return this.step({ kind: 'message', via, message: { header: { ...this.headerOf(letter), ...header }, body } })
  }

  /** A node answers the ping that is under way to it. */
  answer(letter: string, header: Partial<BusHeader> = {}): void {
    const { link } = this.node(letter)
    if (link === undefined) throw new Error(`there is no connection to ${letter}`)
    const message = { header: { ...this.headerOf(letter), ...header }, body: { kind: 'pong', gossip: [] } as const }
    this.step({ kind: 'message', via: { kind: 'ours', link }, message })
  }

  /** What a node would say of itself, as this node sees it. */
  headerOf(letter: string): BusHeader {
    const node = this.node(letter)
    const owner = node.master ?? node
    return {
      sender: node.name,
      host: node.host,
      port: node.port,
      busPort: node.busPort,
      flags: node.flags & (NodeFlag.master | NodeFlag.replica),
      isUp: true,
      currentEpoch: this.engine.topology.currentEpoch,
      configEpoch: owner.configEpoch,
      slots: this.engine.topology.bitmapOf(owner) ?? NO_SLOTS,
      master: node.master?.name,
      offset: node.offset,
      isPaused: false,
      forcesVote: false,
    }
  }

  node(letter: string): ClusterNode {
    const node = this.engine.topology.nodes.get(nameOf(letter))
    if (node === undefined) throw new Error(`there is no node ${letter}`)
    return node
  }

  /** The kinds of the messages that have left for a node: those that waited for no write that is not durable. */
  left(letter: string): string[] {
    const { link } = this.node(letter)
    return this.effects.flatMap((effect) =>
      effect.kind === 'send' && effect.link === link && effect.after <= this.#persistedWrite
        ? [effect.message.body.kind]
        : [],
    )
  }

  /** The disk has written everything so far. */
  persist(): void {
    for (const effect of this.effects) if (effect.kind === 'persist') this.#persistedWrite = effect.write
    this.#conf = renderNodesConf(this.engine.topology)
  }

  /** The node starts again with what is durable. */
  crash(): void {
    this.effects = []
    this.#persistedWrite = 0
    this.engine = this.#start()
    this.wait(100)
  }

  #start(): GossipEngine {
    const offset = (): number => this.offset
    const count = (): number => this.keyCount
    const isWhole = (): boolean => this.isWhole
    const isChanging = (): boolean => this.isChanging
    return new GossipEngine({
      topology: parseNodesConf(this.#conf, this.nowMs),
      random: seededRandom(1),
      keys: {
        countIn: count,
        get size() {
          return count()
        },
      },
      replication: {
        get offset() {
          return offset()
        },
        masterHeardMs: 0,
        get isWhole() {
          return isWhole()
        },
        get isChanging() {
          return isChanging()
        },
      },
      gossip: { ...DEFAULT_GOSSIP_OPTIONS, nodeTimeoutMs: NODE_TIMEOUT_MS },
      mutant: this.#mutant,
      hasPast: true,
      nowMs: this.nowMs,
    })
  }
}

/** A master votes, its machine fails before that is on disk, and another candidate of the epoch asks. */
export function forgottenVote(mutant?: Mutant): number {
  const story = new Story('a', mutant)
  story.wait(100)
  story.hear('b', { kind: 'fail', node: nameOf('c') })
  story.persist()
  let votes = 0
  for (const candidate of ['d', 'e']) {
    story.hear(candidate, { kind: 'failoverAuthRequest' }, { currentEpoch: 8 })
    votes += story.left(candidate).filter((kind) => kind === 'failoverAuthAck').length
    story.crash()
  }
  return votes
}

/** Two candidates of one epoch ask one after the other. */
export function secondVote(mutant?: Mutant): number {
  const story = new Story('a', mutant)
  story.wait(100)
  story.hear('b', { kind: 'fail', node: nameOf('c') })
  for (const candidate of ['d', 'e']) {
    story.hear(candidate, { kind: 'failoverAuthRequest' }, { currentEpoch: 8 })
    story.persist()
  }
  return [...story.left('d'), ...story.left('e')].filter((kind) => kind === 'failoverAuthAck').length
}

/** A replica asks for the slots of its master, which somebody else has had since a later epoch. @returns Votes. */
export function outdatedCandidate(mutant?: Mutant): number {
  const story = new Story('a', mutant)
  story.wait(100)
  const slots = story.headerOf('c').slots
  story.hear('b', { kind: 'ping', gossip: [] }, { configEpoch: 7, slots, currentEpoch: 7 })
  story.hear('b', { kind: 'fail', node: nameOf('c') })
  story.hear('d', { kind: 'failoverAuthRequest' }, { currentEpoch: 8, configEpoch: 3, slots })
  story.persist()
  return story.left('d').filter((kind) => kind === 'failoverAuthAck').length
}

function firstTopology(own: string): Topology {
  const letters = ['a', 'b', 'c', 'd', 'e']
  const nodes = letters.map((letter, index) => {
    const role = index < 3 ? NodeFlag.master : NodeFlag.replica
    const node = newNode(nameOf(letter), role | (letter === own ? NodeFlag.myself : 0), 0)
    node.host = `10.0.0.${letter}`
    node.port = 7000
    node.busPort = 17_000
    if (index < 3) node.configEpoch = index + 1
    return node
  })
  const topology = new Topology(nodes[letters.indexOf(own)] as ClusterNode)
  for (const [index, node] of nodes.entries()) {
    if (node !== topology.myself) topology.add(node)
    if (index >= 3) node.master = nodes[2]
  }
  for (let slot = 0; slot < 16_384; slot++)
    topology.assign(slot, nodes[Math.min(2, Math.floor(slot / THIRD))] as ClusterNode)
  topology.currentEpoch = 7
  return topology
}
