// One node of a cluster as a deterministic machine: what happens goes in, with the time; what has to be done comes out.
//
//   100 ms   tick         pings one node at random a second, and each that was not heard of for half the node timeout;
//                         suspects who does not answer; runs elections; opens connections that are missing
//            message  ->  believes epochs, slots and roles of those it knows; answers; votes
//
// Redis cluster specification: https://redis.io/docs/reference/cluster-spec/. Numbers of times and order of work as in Redis 7.0.
import type { BusHeader, BusMessage, GossipEntry } from './bus-message.ts'
import { correct, makeMaster, resolveCollision, updateSlots } from './claims.ts'
import { Context, type ContextOptions, type GossipEffect, type Via } from './context.ts'
import { Election } from './election.ts'
import { answered, markFailed, report, reportCount, Service, suspectSilent } from './failures.ts'
import { migrate } from './migration.ts'
import { type ClusterOrder, Orders } from './orders.ts'
import { sameSlots } from './slots.ts'
import { has, isMaster, newNode, type Topology } from './topology.ts'
import { type ClusterNode, MAX_NODES, NodeFlag } from './types.ts'

export type GossipEvent =
  /** To be told every `TICK_MS`. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'opened' | 'closed'; readonly link: number }
  | { readonly kind: 'message'; readonly via: Via; readonly message: BusMessage }
  | { readonly kind: 'order'; readonly order: ClusterOrder }
  | { readonly kind: 'publish'; readonly channel: string; readonly message: string; readonly isSharded: boolean }

export interface GossipEngineOptions extends ContextOptions {
  /** The topology was read from a file: there is a past to be careful with. */
  readonly hasPast: boolean
  readonly nowMs: number
}

/** A second of ticks. */
const TICKS_A_SECOND = 10
/** Of so many nodes at random the one is pinged that was not heard of for longest. */
const PING_SAMPLE = 5
const MIN_HANDSHAKE_MS = 1000
/** How far a clock may be ahead for its time to be believed. */
const CLOCK_ERROR_MS = 500

/**
 * The engine of a node. It owns its topology.
 *
 * @example
 * const engine = new GossipEngine({ topology, random, keys, gossip: DEFAULT_GOSSIP_OPTIONS, hasPast: false, nowMs: 0 })
 * for (const effect of engine.step({ kind: 'tick' }, Date.now())) perform(effect)
 */
export class GossipEngine {
  readonly topology: Topology
  readonly #context: Context
  readonly #election: Election
  readonly #service: Service
  readonly #orders: Orders
  readonly #links = new Map<number, ClusterNode>()
  #ticks = 0

  constructor(options: GossipEngineOptions) {
    this.topology = options.topology
    this.#context = new Context(options)
    this.#context.nowMs = options.nowMs
    this.#context.followsSinceMs = options.nowMs
    this.#election = new Election(this.#context)
    this.#orders = new Orders(this.#context, this.#election)
    this.#service = new Service(this.#context, options.hasPast ? options.nowMs : undefined)
    if (options.gossip.noFailover) this.topology.myself.flags |= NodeFlag.noFailover
    this.#service.update()
  }

  /** Messages that were sent and received. */
  get messageCounts(): { readonly sent: number; readonly received: number } {
    const { sentCount, receivedCount } = this.#context
    return { sent: sentCount, received: receivedCount }
  }

  /** How many masters say that a node has failed, as CLUSTER COUNT-FAILURE-REPORTS tells. */
  failureReports(node: ClusterNode): number {
    return reportCount(this.#context, node)
  }

  /**
   * Deals with one event.
   * @param nowMs - Milliseconds since 1970 that never go back.
   * @returns What has to be done, in order.
   */
  step(event: GossipEvent, nowMs: number): readonly GossipEffect[] {
    const context = this.#context
    context.nowMs = nowMs
    switch (event.kind) {
      case 'tick':
        this.#tick()
        break
      case 'opened':
        this.#opened(event.link)
        break
      case 'closed':
        this.#closed(event.link)
        break
      case 'message':
        context.receivedCount++
        this.#receive(event.via, event.message)
        this.#service.update()
        break
      case 'order': {
        const text = this.#orders.follow(event.order)
        if (text !== undefined) context.effect({ kind: 'refuse', text })
        this.#service.update()
        break
      }
      case 'publish':
        this.#publish(event)
        break
    }
    return context.take()
  }

  // Time.

  #tick(): void {
    const { topology, nowMs, options } = this.#context
    const handshakeMs = Math.max(MIN_HANDSHAKE_MS, options.nodeTimeoutMs)
    for (const node of [...topology.nodes.values()]) {
      if (has(node, NodeFlag.myself | NodeFlag.noAddress)) continue
      if (has(node, NodeFlag.handshake) && nowMs - node.createdMs > handshakeMs) this.#drop(node)
      else {
        const isHanging = node.linkedMs === undefined && nowMs - node.linkAskedMs > options.nodeTimeoutMs / 2
        if (node.link !== undefined && isHanging) this.#unlink(node)
        if (node.link === undefined) this.#connect(node)
      }
    }
    if (this.#ticks++ % TICKS_A_SECOND === 0) this.#pingOne()
    for (const node of topology.nodes.values()) this.#attend(node)
    suspectSilent(this.#context)
    this.#election.tick()
    if (topology.isUp) migrate(this.#context)
    this.#service.update()
  }

  /** Pings the one of a few nodes that was not heard of for longest: all nodes get their turn, the silent sooner. */
  #pingOne(): void {
    const { topology, random } = this.#context
    const nodes = [...topology.nodes.values()]
    let oldest: ClusterNode | undefined
    for (let i = 0; i < PING_SAMPLE; i++) {
      const node = nodes[Math.floor(random.next() * nodes.length)] as ClusterNode
      if (node.linkedMs === undefined || node.pingSentMs !== 0 || has(node, NodeFlag.myself | NodeFlag.handshake))
        continue
      if (oldest === undefined || node.pongReceivedMs < oldest.pongReceivedMs) oldest = node
    }
    if (oldest !== undefined) this.#ping(oldest)
  }

  /** Pings a node that is due, and gives up a connection on which nothing comes. */
  #attend(node: ClusterNode): void {
    const { nowMs, options, handover } = this.#context
    if (has(node, NodeFlag.myself | NodeFlag.noAddress | NodeFlag.handshake) || node.linkedMs === undefined) return
    const half = options.nodeTimeoutMs / 2
    const isOld = nowMs - node.linkedMs > options.nodeTimeoutMs
    const unansweredMs = node.pingSentMs === 0 ? 0 : nowMs - node.pingSentMs
    const isSilent = unansweredMs > half && nowMs - node.heardMs > half
    // A node that talks and yet never answers has not got the ping.
    if (isOld && (isSilent || unansweredMs > 2 * options.nodeTimeoutMs)) {
      this.#unlink(node) // opened anew with the next tick
      return
    }
    const isDue = node.pingSentMs === 0 && nowMs - node.pongReceivedMs > half
    if (isDue || handover?.replica === node) this.#ping(node)
  }

  #ping(node: ClusterNode): void {
    const context = this.#context
    const kind = has(node, NodeFlag.meet) ? 'meet' : 'ping'
    node.flags &= ~NodeFlag.meet
    if (node.pingSentMs === 0) node.pingSentMs = context.nowMs
    context.send(node, { kind, gossip: context.gossipFor(node) })
  }

  // Connections.

  #connect(node: ClusterNode): void {
    this.#context.connect(node)
    if (node.link !== undefined) this.#links.set(node.link, node)
  }

  #unlink(node: ClusterNode): void {
    if (node.link !== undefined) this.#links.delete(node.link)
    this.#context.disconnect(node)
  }

  #opened(link: number): void {
    const node = this.#links.get(link)
    if (node?.link !== link) return
    node.linkedMs = this.#context.nowMs
    this.#ping(node)
  }

  #closed(link: number): void {
    const node = this.#links.get(link)
    this.#links.delete(link)
    if (node?.link !== link) return
    node.link = undefined
    node.linkedMs = undefined
  }

  /** Forgets a node. */
  #drop(node: ClusterNode): void {
    this.#unlink(node)
    this.topology.remove(node)
  }

  // Messages.

  #receive(via: Via, message: BusMessage): void {
    const { header, body } = message
    const context = this.#context
    const { topology } = context
    const known = topology.nodes.get(header.sender)
    const sender = known === undefined || has(known, NodeFlag.handshake | NodeFlag.myself) ? undefined : known
    if (sender !== undefined) this.#believe(sender, header)
    switch (body.kind) {
      case 'ping':
      case 'meet':
      case 'pong':
        if (body.kind !== 'pong') this.#greet(via, message, sender === undefined && body.kind === 'meet')
        this.#heartbeat(via, message, sender)
        return
      case 'fail': {
        const node = topology.nodes.get(body.node)
        if (sender !== undefined && node !== undefined) markFailed(context, node)
        return
      }
      case 'update': {
        const node = topology.nodes.get(body.node)
        if (sender === undefined || node === undefined || node.configEpoch >= body.configEpoch) return
        if (node === topology.myself) return // nobody knows our epoch better than we do
        makeMaster(context, node)
        node.configEpoch = body.configEpoch
        context.save()
        updateSlots(context, node, body.configEpoch, body.slots)
        return
      }
      case 'failoverAuthRequest':
        if (sender !== undefined) this.#election.asked(sender, header)
        return
      case 'failoverAuthAck':
        if (sender !== undefined) this.#election.voted(sender, header)
        return
      case 'mfstart':
        if (sender !== undefined) this.#election.handOver(sender)
        return
      case 'publish':
      case 'publishShard': {
        const { channel, message: text } = body
        if (sender === undefined) return
        context.effect({ kind: 'deliver', channel, message: text, isSharded: body.kind === 'publishShard' })
      }
    }
  }

  /** What holds of any message of a node that we know. */
  #believe(sender: ClusterNode, header: BusHeader): void {
    const context = this.#context
    const { topology, nowMs, handover } = context
    sender.heardMs = nowMs
    sender.offset = header.offset
    if (header.currentEpoch > topology.currentEpoch) {
      topology.currentEpoch = header.currentEpoch
      context.save()
    }
    if (header.configEpoch > sender.configEpoch) {
      sender.configEpoch = header.configEpoch
      context.save()
    }
    const isHandingOver = header.isPaused && topology.myself.master === sender
    if (handover !== undefined && isHandingOver && handover.masterOffset === undefined) {
      handover.masterOffset = header.offset
    }
  }

  /** Answers a ping or meet; learns of a stranger that we are told to meet, and of our own address. */
  #greet(via: Via, { header, body }: BusMessage, isStranger: boolean): void {
    const context = this.#context
    const { topology, nowMs, options } = context
    const { myself } = topology
    if (via.kind === 'theirs' && (body.kind === 'meet' || myself.host === '') && options.announcedHost === '') {
      if (myself.host !== via.localHost) context.save()
      myself.host = via.localHost
    }
    if (isStranger && via.kind === 'theirs' && topology.nodes.size < MAX_NODES) {
      const host = header.host === '' ? via.host : header.host
      const isUnderWay = [...topology.nodes.values()].some((node) => {
        return has(node, NodeFlag.handshake) && node.host === host && node.busPort === header.busPort
      })
      if (!isUnderWay) {
        const node = newNode(context.drawName(), NodeFlag.handshake, nowMs)
        node.host = host
        node.port = header.port
        node.busPort = header.busPort
        topology.add(node)
      }
      if ('gossip' in body) this.#learnNodes(body.gossip)
    }
    context.answer(via, { kind: 'pong', gossip: context.gossipFor(undefined) })
  }

  #heartbeat(via: Via, { header, body }: BusMessage, sender: ClusterNode | undefined): void {
    const context = this.#context
    const linked = via.kind === 'ours' ? this.#links.get(via.link) : undefined
    let known = sender
    if (linked !== undefined && has(linked, NodeFlag.handshake)) {
      if (sender !== undefined || this.topology.nodes.has(header.sender)) {
        // Whom we were to meet we know already.
        if (sender !== undefined) this.#moveTo(sender, header.host === '' ? linked.host : header.host, header)
        this.#drop(linked)
        return
      }
      this.topology.rename(linked, header.sender)
      const role = header.flags & (NodeFlag.master | NodeFlag.replica)
      linked.flags = (linked.flags & ~(NodeFlag.handshake | NodeFlag.meet)) | role
      known = linked
      this.#believe(linked, header)
      context.save()
      context.note(`met ${linked.name} at ${linked.host}:${linked.port}`)
    } else if (linked !== undefined && linked.name !== header.sender) {
      // Somebody else lives there now.
      linked.flags |= NodeFlag.noAddress
      linked.host = ''
      linked.port = 0
      linked.busPort = 0
      this.#unlink(linked)
      context.save()
      return
    }
    if (known === undefined) return
    if (body.kind === 'ping' && via.kind === 'theirs') {
      this.#moveTo(known, header.host === '' ? via.host : header.host, header)
    }
    if (body.kind === 'pong' && linked !== undefined) {
      linked.pongReceivedMs = context.nowMs
      linked.pingSentMs = 0
      answered(context, linked)
    }
    this.#updateRole(known, header)
    this.#updateClaims(known, header)
    if ('gossip' in body) this.#learn(known, body.gossip)
  }

  /** A node is reached elsewhere from now on. */
  #moveTo(node: ClusterNode, host: string, { port, busPort }: BusHeader): void {
    if (host === '' || (node.host === host && node.port === port && node.busPort === busPort)) return
    node.host = host
    node.port = port
    node.busPort = busPort
    node.flags &= ~NodeFlag.noAddress
    this.#unlink(node)
    this.#context.save()
    this.#context.note(`${node.name} is at ${host}:${port} now`)
    if (this.topology.myself.master === node) this.#context.effect({ kind: 'follow', host, port, isOther: false })
  }

  #updateRole(sender: ClusterNode, header: BusHeader): void {
    const context = this.#context
    if ((header.flags & NodeFlag.noFailover) === 0) sender.flags &= ~NodeFlag.noFailover
    else sender.flags |= NodeFlag.noFailover
    if (header.master === undefined) {
      if ((header.flags & NodeFlag.master) !== 0) makeMaster(context, sender)
      return
    }
    if (isMaster(sender)) {
      for (const slot of this.topology.slotsOf(sender)) this.topology.unassign(slot)
      sender.flags = (sender.flags & ~(NodeFlag.master | NodeFlag.migrateTo)) | NodeFlag.replica
      context.save()
      context.effect({ kind: 'slotsChanged' })
    }
    const master = this.topology.nodes.get(header.master)
    if (master === undefined || master === sender || master === sender.master) return
    sender.master = master
    context.save()
  }

  #updateClaims(sender: ClusterNode, header: BusHeader): void {
    const context = this.#context
    const owner = sender.master ?? sender
    if (isMaster(sender)) updateSlots(context, sender, header.configEpoch, header.slots)
    if (!sameSlots(header.slots, this.topology.bitmapOf(owner))) correct(context, sender, header)
    resolveCollision(context, sender)
  }

  /** What a node says of others. */
  #learn(sender: ClusterNode, entries: readonly GossipEntry[]): void {
    const context = this.#context
    const { nowMs } = context
    for (const entry of entries) {
      const node = this.topology.nodes.get(entry.name)
      if (node === undefined || has(node, NodeFlag.myself)) continue
      const isBad = (entry.flags & (NodeFlag.suspected | NodeFlag.failed)) !== 0
      report(context, sender, node, isBad)
      const isTrouble = has(node, NodeFlag.suspected | NodeFlag.failed)
      if (!isBad && node.pingSentMs === 0 && node.reports.size === 0) {
        // Somebody has heard from it: we need not ask as soon.
        const heardMs = entry.pongReceivedMs
        if (heardMs <= nowMs + CLOCK_ERROR_MS && heardMs > node.pongReceivedMs) node.pongReceivedMs = heardMs
      }
      const isElsewhere = entry.host !== node.host || entry.port !== node.port || entry.busPort !== node.busPort
      if (isTrouble && !isBad && isElsewhere && (entry.flags & NodeFlag.noAddress) === 0 && entry.host !== '') {
        this.#unlink(node)
        node.host = entry.host
        node.port = entry.port
        node.busPort = entry.busPort
        node.flags &= ~NodeFlag.noAddress
      }
    }
    this.#learnNodes(entries)
  }

  /** Gets to know the nodes that one knows whom we trust. */
  #learnNodes(entries: readonly GossipEntry[]): void {
    const { topology, nowMs } = this.#context
    for (const entry of entries) {
      const isKnown = topology.nodes.has(entry.name) || this.#orders.isForgotten(entry.name)
      if (isKnown || (entry.flags & NodeFlag.noAddress) !== 0 || topology.nodes.size >= MAX_NODES) continue
      if (entry.host === '') continue
      // What it is it says itself.
      const role = entry.flags & (NodeFlag.master | NodeFlag.replica)
      const node = newNode(entry.name, role === 0 ? NodeFlag.master : role, nowMs)
      node.host = entry.host
      node.port = entry.port
      node.busPort = entry.busPort
      topology.add(node)
      this.#context.save()
    }
  }

  /** Sends a message of a channel to all nodes, or of a sharded one to those that serve its slot with this one. */
  #publish({ channel, message, isSharded }: GossipEvent & { kind: 'publish' }): void {
    const { topology } = this.#context
    const { myself } = topology
    const master = myself.master ?? myself
    for (const node of topology.nodes.values()) {
      if (has(node, NodeFlag.myself | NodeFlag.handshake)) continue
      if (isSharded && node !== master && node.master !== master) continue
      this.#context.send(node, { kind: isSharded ? 'publishShard' : 'publish', channel, message })
    }
  }
}
