// What the parts of the gossip engine share: the view, the present, and the effects that are being collected.
import type { Random } from '../../io/random.ts'
import { lacks } from '../../storage/mutant.ts'
import type { BusBody, BusHeader, BusMessage, GossipEntry } from './bus-message.ts'
import type { Mutant } from './mutant.ts'
import { has, isMaster, type Topology } from './topology.ts'
import { type ClusterNode, type GossipOptions, NodeFlag, type NodeName, PASSED_ON_FLAGS } from './types.ts'

/** Where a message came from: a connection of ours, by its number, or one that another node has opened. */
export type Via =
  | { readonly kind: 'ours'; readonly link: number }
  | { readonly kind: 'theirs'; readonly connection: number; readonly host: string; readonly localHost: string }

/**
 * What a driver has to do, in order.
 *
 * - `persist`: write `renderNodesConf` as it is now, and make it durable. Writes have numbers, each one higher.
 * - `send`, `answer`: send a message on a connection of ours, or on theirs. Not before the write `after` is durable; lost if the
 *   connection is gone by then.
 * - `connect`, `disconnect`: open a connection and tell `opened` or `closed`; close one and tell nothing.
 * - `follow`: become a replica of a node, or of the same one at another address. `isOther`: what is here is no earlier state of that
 *   node's data, and no data to take over with. `promote`: be one no more.
 * - `dropKeys`: delete the keys of slots that others own now.
 * - `pause`, `resume`: hold commands that write until then; let them go.
 * - `deliver`: a message for those who listen here.
 * - `slotsChanged`: clients may wait or listen here for what lies elsewhere now.
 * - `refuse`: the order was not followed, and changed nothing.
 * - `note`: for the log.
 */
export type GossipEffect =
  | { readonly kind: 'persist'; readonly write: number }
  | { readonly kind: 'send'; readonly link: number; readonly message: BusMessage; readonly after: number }
  | { readonly kind: 'answer'; readonly connection: number; readonly message: BusMessage; readonly after: number }
  | { readonly kind: 'connect'; readonly link: number; readonly host: string; readonly port: number }
  | { readonly kind: 'disconnect'; readonly link: number }
  | { readonly kind: 'follow'; readonly host: string; readonly port: number; readonly isOther: boolean }
  | { readonly kind: 'promote' }
  | { readonly kind: 'dropKeys'; readonly slots: readonly number[] }
  | { readonly kind: 'pause'; readonly untilMs: number }
  | { readonly kind: 'resume' }
  | { readonly kind: 'deliver'; readonly channel: string; readonly message: string; readonly isSharded: boolean }
  | { readonly kind: 'slotsChanged' }
  | { readonly kind: 'refuse'; readonly text: string }
  | { readonly kind: 'note'; readonly text: string }

/** The keys of this node, as far as slots are concerned. */
export interface SlotKeys {
  countIn(slot: number): number
  readonly size: number
}

/** How far the data of this node goes. */
export interface ReplicationView {
  /** Bytes of changes that this node has made, or has of its master's. */
  readonly offset: number
  /** When a replica heard from its master last, in milliseconds since 1970; 0 for never. */
  readonly masterHeardMs: number
  /** This node is a master, or has all that its master had at some time. Nobody elects a replica that has nothing yet. */
  readonly isWhole: boolean
  /** A script is at work, which may still change data though writes are held: `offset` is not the last word. */
  readonly isChanging: boolean
}

/** A handover under way: a replica that was told to replace its master has asked it, and neither has given up yet. */
export interface Handover {
  readonly untilMs: number
  /** At the master, the replica that takes over. */
  readonly replica: ClusterNode | undefined
  /** At the replica, the offset at which the master has stopped; undefined until it has said so. */
  masterOffset: number | undefined
  /** The replica has all that the master had. */
  canStart: boolean
}

export interface ContextOptions {
  readonly topology: Topology
  readonly random: Random
  readonly keys: SlotKeys
  readonly replication: ReplicationView
  readonly gossip: GossipOptions
  readonly mutant?: Mutant | undefined
}

/** One node's state, while an event is being dealt with. */
export class Context {
  readonly topology: Topology
  readonly random: Random
  readonly keys: SlotKeys
  readonly replication: ReplicationView
  readonly options: GossipOptions
  readonly mutant: Mutant | undefined
  nowMs = 0
  handover: Handover | undefined
  /** Since when this node follows its master, or has been running. */
  followsSinceMs = 0
  /** Messages so far. */
  sentCount = 0
  receivedCount = 0
  #effects: GossipEffect[] = []
  #write = 0
  #isUnsaved = false
  #nextLink = 1

  constructor(options: ContextOptions) {
    this.topology = options.topology
    this.random = options.random
    this.keys = options.keys
    this.replication = options.replication
    this.options = options.gossip
    this.mutant = options.mutant
  }

  effect(effect: GossipEffect): void {
    this.#effects.push(effect)
  }

  note(text: string): void {
    this.#effects.push({ kind: 'note', text })
  }

  /** What was collected; from now on nothing is. */
  take(): readonly GossipEffect[] {
    this.#persist()
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /** Something changed that must not be forgotten. It is written once, before the next message, or at the end of the event. */
  save(): void {
    this.#isUnsaved = true
  }

  send(node: ClusterNode, body: BusBody, flags: Partial<BusHeader> = {}): void {
    if (node.link === undefined || node.linkedMs === undefined) return
    const message = this.#message(body, flags)
    this.#effects.push({ kind: 'send', link: node.link, message, after: this.#after() })
  }

  answer(via: Via, body: BusBody): void {
    const message = this.#message(body, {})
    const after = this.#after()
    if (via.kind === 'ours') this.#effects.push({ kind: 'send', link: via.link, message, after })
    else this.#effects.push({ kind: 'answer', connection: via.connection, message, after })
  }

  /** Sends to all who have told their name. */
  broadcast(bodyFor: (node: ClusterNode) => BusBody, flags: Partial<BusHeader> = {}): void {
    for (const node of this.topology.nodes.values()) {
      if (!has(node, NodeFlag.myself | NodeFlag.handshake)) this.send(node, bodyFor(node), flags)
    }
  }

  /** Opens a connection to a node that has none. */
  connect(node: ClusterNode): void {
    node.link = this.#nextLink++
    node.linkAskedMs = this.nowMs
    node.linkedMs = undefined
    // Until it answers, it owes us an answer.
    if (node.pingSentMs === 0) node.pingSentMs = this.nowMs
    this.#effects.push({ kind: 'connect', link: node.link, host: node.host, port: node.busPort })
  }

  disconnect(node: ClusterNode): void {
    if (node.link !== undefined) this.#effects.push({ kind: 'disconnect', link: node.link })
    node.link = undefined
    node.linkedMs = undefined
  }

  drawName(): NodeName {
    return Buffer.from(this.random.bytes(20)).toString('hex')
  }

  /** What is said of other nodes in a ping, pong or meet to one of them: some at random, and all that may have failed. */
  gossipFor(receiver: ClusterNode | undefined): GossipEntry[] {
    const { nodes, myself } = this.topology
    const known = [...nodes.values()].filter((node) => {
      const isTellable = node !== myself && node !== receiver && !has(node, NodeFlag.handshake | NodeFlag.noAddress)
      return isTellable && (node.linkedMs !== undefined || node.slotCount > 0 || has(node, NodeFlag.suspected))
    })
    const suspects = known.filter((node) => has(node, NodeFlag.suspected))
    const others = known.filter((node) => !has(node, NodeFlag.suspected))
    const wanted = Math.min(others.length, Math.max(3, Math.floor(nodes.size / 10)))
    for (let i = 0; i < wanted; i++) {
      const j = i + Math.floor(this.random.next() * (others.length - i))
      const swapped = others[i] as ClusterNode
      others[i] = others[j] as ClusterNode
      others[j] = swapped
    }
    return [...others.slice(0, wanted), ...suspects].map(entryOf)
  }

  /** The write that makes true what is said now. */
  #after(): number {
    return lacks(this.mutant, 'durable before send') ? 0 : this.#write
  }

  #message(body: BusBody, flags: Partial<BusHeader>): BusMessage {
    this.#persist()
    this.sentCount++
    return { header: { ...this.#header(), ...flags }, body }
  }

  #header(): BusHeader {
    const { topology, options, handover } = this
    const { myself, currentEpoch, isUp } = topology
    const owner = myself.master ?? myself
    return {
      sender: myself.name,
      host: options.announcedHost,
      port: myself.port,
      busPort: myself.busPort,
      flags: myself.flags & PASSED_ON_FLAGS,
      isUp,
      currentEpoch,
      configEpoch: owner.configEpoch,
      slots: topology.bitmapOf(owner),
      master: myself.master?.name,
      offset: this.replication.offset,
      isPaused: isMaster(myself) && handover !== undefined && !this.replication.isChanging,
      forcesVote: false,
    }
  }

  #persist(): void {
    if (!this.#isUnsaved) return
    this.#isUnsaved = false
    this.#effects.push({ kind: 'persist', write: ++this.#write })
  }
}

function entryOf({ name, flags, host, port, busPort, pingSentMs, pongReceivedMs }: ClusterNode): GossipEntry {
  return { name, flags: flags & PASSED_ON_FLAGS, host, port, busPort, pingSentMs, pongReceivedMs }
}
