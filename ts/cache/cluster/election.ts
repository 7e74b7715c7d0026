// How a replica replaces its master: by the votes of most masters, in an epoch of its own.
//
//   master has failed, or hands over ->  wait, the longer the more replicas know more than we
//                                    ->  currentEpoch + 1, failoverAuthRequest to all
//   most masters: failoverAuthAck    ->  configEpoch = that epoch, the slots are ours, pong to all
//
// Redis cluster specification, "Replica election and promotion".
import { lacks } from '../../storage/mutant.ts'
import type { BusHeader } from './bus-message.ts'
import { bumpEpoch, endHandover, makeMaster } from './claims.ts'
import type { Context } from './context.ts'
import { slotsIn } from './slots.ts'
import { has, isFailed, isMaster } from './topology.ts'
import { type ClusterNode, HANDOVER_MS, NodeFlag, type NodeName } from './types.ts'

/** What a replica waits before it asks for votes, so that all have heard of the failure: this, as much again at random, and ... */
const BASE_DELAY_MS = 500
/** ... so much for each replica of its master that has more of the data. */
const RANK_DELAY_MS = 1000
const MIN_ELECTION_MS = 2000
/** How often a master is asked for what is new, at the least (repl-ping-replica-period). */
const REPLICATION_PING_MS = 10_000

/** Elections of this node, and its votes in those of others. */
export class Election {
  readonly #context: Context
  /** When votes are asked for, or were. */
  #atMs = Number.NEGATIVE_INFINITY
  #rank = 0
  /** Undefined until they were asked for. */
  #epoch: number | undefined
  #votes = new Set<NodeName>()

  constructor(context: Context) {
    this.#context = context
  }

  /** Begins, continues or ends an election if it is time. */
  tick(): void {
    const context = this.#context
    const { topology, nowMs, handover, options } = context
    const { myself } = topology
    if (handover !== undefined && handover.untilMs < nowMs) {
      context.note('the handover took too long and is given up')
      endHandover(context)
    }
    this.#followHandover()
    const { master } = myself
    if (master === undefined || !this.#hasReason(master)) return
    const isManual = context.handover?.canStart === true
    if (!isManual && this.#isOutdated()) return
    const durationMs = Math.max(MIN_ELECTION_MS, 2 * options.nodeTimeoutMs)
    if (nowMs - this.#atMs > 2 * durationMs) {
      this.#plan(master, isManual)
      return
    }
    this.#fallBack(master, isManual)
    if (nowMs < this.#atMs || nowMs - this.#atMs > durationMs) return
    if (this.#epoch === undefined) this.#ask(isManual)
    else this.#count(this.#epoch)
  }

  /** Counts a vote. */
  voted(voter: ClusterNode, { currentEpoch }: BusHeader): void {
    const { topology } = this.#context
    if (!isMaster(voter) || voter.slotCount === 0 || currentEpoch !== this.#epoch) return
    this.#votes.add(voter.name) // that of one who says it twice counts once
    const { master } = topology.myself
    // The master may have answered again since, or a handover may be over.
    if (master !== undefined && this.#hasReason(master)) this.#count(currentEpoch)
  }

  /** Votes for a replica that asks, if its master has failed and nobody got this node's vote in its epoch. */
  asked(candidate: ClusterNode, header: BusHeader): void {
    const context = this.#context
    const { topology, nowMs, options, mutant } = context
    const { myself } = topology
    const { master } = candidate
    if (!isMaster(myself) || myself.slotCount === 0) return
    if (header.currentEpoch < topology.currentEpoch) return
    if (topology.lastVoteEpoch === topology.currentEpoch && !lacks(mutant, 'one vote an epoch')) return
    if (isMaster(candidate) || master === undefined || !(isFailed(master) || header.forcesVote)) return
    // Elections for one master keep a distance, so that the winner of one is heard of before the next.
    if (nowMs - master.votedMs < 2 * options.nodeTimeoutMs && mutant?.without !== 'one vote an epoch') return
    for (const slot of slotsIn(header.slots)) {
      const owner = topology.ownerOf(slot)
      if (owner === undefined || owner.configEpoch <= header.configEpoch) continue
      if (lacks(mutant, 'no votes for the outdated')) break
      return
    }
    master.votedMs = nowMs
    topology.lastVoteEpoch = topology.currentEpoch
    context.save()
    context.note(`votes for ${candidate.name} in epoch ${topology.currentEpoch}`)
    context.send(candidate, { kind: 'failoverAuthAck' })
  }

  /** A replica of this master takes over: writes are held, and it is told where they ended. */
  handOver(replica: ClusterNode): void {
    const context = this.#context
    const { myself } = context.topology
    if (!isMaster(myself) || replica.master !== myself) return
    const untilMs = context.nowMs + HANDOVER_MS
    context.handover = { untilMs, replica, masterOffset: undefined, canStart: false }
    context.note(`hands over to ${replica.name}`)
    context.effect({ kind: 'pause', untilMs: untilMs + HANDOVER_MS })
    context.send(replica, { kind: 'ping', gossip: context.gossipFor(replica) })
  }

  /** CLUSTER FAILOVER at a replica. @param mode - `force` asks voters alone, `takeover` nobody. */
  takeOver(mode: 'ask' | 'force' | 'takeover'): void {
    const context = this.#context
    const { master } = context.topology.myself
    endHandover(context)
    const untilMs = context.nowMs + HANDOVER_MS
    context.handover = { untilMs, replica: undefined, masterOffset: undefined, canStart: mode === 'force' }
    // A new election, whenever the last one was.
    this.#atMs = Number.NEGATIVE_INFINITY
    if (mode === 'takeover') {
      bumpEpoch(context)
      this.replaceMaster()
    } else if (mode === 'ask' && master !== undefined) context.send(master, { kind: 'mfstart' })
    this.tick()
  }

  /** Makes this replica a master with the slots of its master, and tells all. */
  replaceMaster(): void {
    const context = this.#context
    const { topology } = context
    const { myself } = topology
    const old = myself.master
    if (old === undefined) return
    makeMaster(context, myself)
    for (const slot of topology.slotsOf(old)) {
      topology.unassign(slot)
      topology.assign(slot, myself)
    }
    context.note(`this node is the master of ${myself.slotCount} slots in epoch ${myself.configEpoch}`)
    context.effect({ kind: 'promote' })
    context.effect({ kind: 'slotsChanged' })
    endHandover(context)
    context.broadcast((node) => ({ kind: 'pong', gossip: context.gossipFor(node) }))
  }

  /** Whether this node is a replica whose master is to be replaced. */
  #hasReason(master: ClusterNode): boolean {
    const { topology, handover, options } = this.#context
    if (isMaster(topology.myself) || master.slotCount === 0) return false
    return handover?.canStart === true || (isFailed(master) && !options.noFailover)
  }

  /** Takes over if most have voted. */
  #count(epoch: number): void {
    const { topology, mutant } = this.#context
    const enough = lacks(mutant, 'majority elects') ? 1 : topology.quorum
    if (this.#votes.size < enough) return
    this.#epoch = undefined
    topology.myself.configEpoch = Math.max(topology.myself.configEpoch, epoch)
    this.replaceMaster()
  }

  /** The master has stopped; as soon as this replica has all of it, votes are asked for. */
  #followHandover(): void {
    const { handover, replication } = this.#context
    if (handover?.masterOffset !== undefined && handover.masterOffset === replication.offset) handover.canStart = true
  }

  /** Without its master for too long, or since ever: others know more, or the operator wants to decide. */
  #isOutdated(): boolean {
    const { nowMs, followsSinceMs, replication, options } = this.#context
    if (options.replicaValidityFactor === 0) return false
    if (!replication.isWhole) return true
    const heardMs = Math.max(followsSinceMs, replication.masterHeardMs)
    const ageMs = Math.max(0, nowMs - heardMs - options.nodeTimeoutMs)
    return ageMs > REPLICATION_PING_MS + options.nodeTimeoutMs * options.replicaValidityFactor
  }

  #plan(master: ClusterNode, isManual: boolean): void {
    const context = this.#context
    this.#epoch = undefined
    this.#votes = new Set()
    this.#rank = isManual ? 0 : this.#rankOf(master)
    const delayMs = BASE_DELAY_MS * (1 + context.random.next()) + this.#rank * RANK_DELAY_MS
    this.#atMs = context.nowMs + (isManual ? 0 : delayMs)
    context.note(`asks for votes in ${Math.round(this.#atMs - context.nowMs)} ms, rank ${this.#rank}`)
    // The other replicas hear how much of the data this one has.
    for (const replica of context.topology.replicasOf(master)) {
      if (replica !== context.topology.myself) {
        context.send(replica, { kind: 'pong', gossip: context.gossipFor(replica) })
      }
    }
    if (isManual) this.#ask(true)
  }

  /** Others turned out to know more: they get more time. */
  #fallBack(master: ClusterNode, isManual: boolean): void {
    if (this.#epoch !== undefined || isManual) return
    const rank = this.#rankOf(master)
    if (rank <= this.#rank) return
    this.#atMs += (rank - this.#rank) * RANK_DELAY_MS
    this.#rank = rank
  }

  #rankOf(master: ClusterNode): number {
    const { topology, replication } = this.#context
    return topology.replicasOf(master).filter((each) => {
      return each !== topology.myself && !has(each, NodeFlag.noFailover) && each.offset > replication.offset
    }).length
  }

  #ask(isManual: boolean): void {
    const context = this.#context
    context.topology.currentEpoch++
    this.#epoch = context.topology.currentEpoch
    context.save()
    context.note(`asks for votes in epoch ${this.#epoch}`)
    context.broadcast(() => ({ kind: 'failoverAuthRequest' }), { forcesVote: isManual })
  }
}
