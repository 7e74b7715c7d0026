// What people and tools order by CLUSTER: each order is checked whole, then followed whole. Texts are Redis's.
import { lacks } from '../../storage/mutant.ts'
import { becomeReplica, bumpEpoch, endHandover, makeMaster } from './claims.ts'
import type { Context } from './context.ts'
import type { Election } from './election.ts'
import { SLOT_COUNT } from './slots.ts'
import { has, isFailed, isMaster, newNode } from './topology.ts'
import { type ClusterNode, FORGET_MS, MAX_NODES, NodeFlag, type NodeName } from './types.ts'

/** An order. Slots are checked by whoever parses them; names may be those of nobody. */
export type ClusterOrder =
  | { readonly kind: 'meet'; readonly host: string; readonly port: number; readonly busPort: number }
  | { readonly kind: 'addSlots' | 'delSlots'; readonly slots: readonly number[] }
  | { readonly kind: 'flushSlots' | 'bumpEpoch' | 'saveConfig' }
  | {
      readonly kind: 'setSlot'
      readonly slot: number
      readonly to: 'migrating' | 'importing' | 'node'
      readonly node: NodeName
    }
  | { readonly kind: 'stable'; readonly slot: number }
  | { readonly kind: 'replicate' | 'forget'; readonly node: NodeName }
  | { readonly kind: 'failover'; readonly mode: 'ask' | 'force' | 'takeover' }
  | { readonly kind: 'reset'; readonly isHard: boolean }
  | { readonly kind: 'setConfigEpoch'; readonly epoch: number }

const NO_MASTER = 'ERR Target node is not a master'

/** Follows orders, and remembers whom it was told to forget. */
export class Orders {
  readonly #context: Context
  readonly #election: Election
  /** Until when gossip does not make known again who was forgotten. */
  readonly #forgotten = new Map<NodeName, number>()

  constructor(context: Context, election: Election) {
    this.#context = context
    this.#election = election
  }

  /** @returns Why it is not followed, as the reply; undefined if it was. */
  follow(order: ClusterOrder): string | undefined {
    switch (order.kind) {
      case 'meet':
        return this.#meet(order)
      case 'addSlots':
      case 'delSlots':
        return this.#changeSlots(order.kind, order.slots)
      case 'flushSlots':
        return this.#flushSlots()
      case 'setSlot':
        return this.#setSlot(order)
      case 'stable':
        return this.#stabilise(order.slot)
      case 'replicate':
        return this.#replicate(order.node)
      case 'forget':
        return this.#forget(order.node)
      case 'failover':
        return this.#failOver(order.mode)
      case 'reset':
        return this.#reset(order.isHard)
      case 'setConfigEpoch':
        return this.#setConfigEpoch(order.epoch)
      case 'bumpEpoch':
        bumpEpoch(this.#context)
        return undefined
      case 'saveConfig':
        this.#context.save()
        return undefined
    }
  }

  /** Whether gossip may not make a node known. */
  isForgotten(name: NodeName): boolean {
    const until = this.#forgotten.get(name)
    if (until === undefined) return false
    if (until > this.#context.nowMs) return true
    this.#forgotten.delete(name)
    return false
  }

  #meet({ host, port, busPort }: { host: string; port: number; busPort: number }): string | undefined {
    const { topology, nowMs } = this.#context
    if (topology.nodes.size >= MAX_NODES) return `ERR a node knows at most ${MAX_NODES} nodes`
    const isUnderWay = [...topology.nodes.values()].some((node) => {
      return has(node, NodeFlag.handshake) && node.host === host && node.busPort === busPort
    })
    if (isUnderWay) return undefined
    const node = newNode(this.#context.drawName(), NodeFlag.handshake | NodeFlag.meet, nowMs)
    node.host = host
    node.port = port
    node.busPort = busPort
    topology.add(node)
    return undefined
  }

  #changeSlots(kind: 'addSlots' | 'delSlots', slots: readonly number[]): string | undefined {
    const { topology } = this.#context
    const seen = new Set<number>()
    for (const slot of slots) {
      const owner = topology.ownerOf(slot)
      if (kind === 'delSlots' && owner === undefined) return `ERR Slot ${slot} is already unassigned`
      if (kind === 'addSlots' && owner !== undefined) return `ERR Slot ${slot} is already busy`
      if (seen.has(slot)) return `ERR Slot ${slot} specified multiple times`
      seen.add(slot)
    }
    for (const slot of seen) {
      topology.importing.delete(slot)
      if (kind === 'addSlots') topology.assign(slot, topology.myself)
      else this.#give(slot, undefined)
    }
    this.#changed()
    return undefined
  }

  #flushSlots(): string | undefined {
    const { topology, keys } = this.#context
    if (keys.size > 0) return 'ERR DB must be empty to perform CLUSTER FLUSHSLOTS.'
    for (const slot of topology.slotsOf(topology.myself)) this.#give(slot, undefined)
    this.#changed()
    return undefined
  }

  #setSlot({ slot, to, node: name }: ClusterOrder & { kind: 'setSlot' }): string | undefined {
    const { topology } = this.#context
    const { myself } = topology
    if (!isMaster(myself)) return 'ERR Please use SETSLOT only with masters.'
    const owner = topology.ownerOf(slot)
    if (to === 'migrating' && owner !== myself) return `ERR I'm not the owner of hash slot ${slot}`
    if (to === 'importing' && owner === myself) return `ERR I'm already the owner of hash slot ${slot}`
    const node = topology.nodes.get(name)
    if (node === undefined) return to === 'node' ? `ERR Unknown node ${name}` : `ERR I don't know about node ${name}`
    if (!isMaster(node)) return NO_MASTER
    if (to === 'node') return this.#settle(slot, node)
    ;(to === 'migrating' ? topology.migrating : topology.importing).set(slot, node)
    this.#changed()
    return undefined
  }

  /** A slot belongs to a node, whatever was on the way. */
  #settle(slot: number, node: ClusterNode): string | undefined {
    const { topology, keys, options } = this.#context
    const { myself } = topology
    const wasMine = topology.ownerOf(slot) === myself
    const isKept = wasMine && node !== myself && keys.countIn(slot) > 0
    if (isKept && !lacks(this.#context.mutant, 'slots with keys stay')) {
      return `ERR Can't assign hashslot ${slot} to a different node while I still hold keys for this hash slot.`
    }
    this.#give(slot, node)
    if (node === myself && topology.importing.delete(slot)) {
      // All have to believe at once what was agreed upon by hand.
      if (!lacks(this.#context.mutant, 'taken slots raise the epoch') && bumpEpoch(this.#context))
        this.#context.note(`slot ${slot} was taken over in epoch ${myself.configEpoch}`)
      this.#context.broadcast((other) => ({ kind: 'pong', gossip: this.#context.gossipFor(other) }))
    }
    if (wasMine && node !== myself && myself.slotCount === 0 && options.allowsMigration)
      becomeReplica(this.#context, node, true)
    this.#changed()
    return undefined
  }

  #stabilise(slot: number): string | undefined {
    const { topology } = this.#context
    if (!isMaster(topology.myself)) return 'ERR Please use SETSLOT only with masters.'
    topology.migrating.delete(slot)
    topology.importing.delete(slot)
    this.#changed()
    return undefined
  }

  #replicate(name: NodeName): string | undefined {
    const { topology, keys } = this.#context
    const { myself } = topology
    const node = topology.nodes.get(name)
    if (node === undefined) return `ERR Unknown node ${name}`
    if (node === myself) return "ERR Can't replicate myself"
    if (!isMaster(node)) return 'ERR I can only replicate a master, not a replica.'
    if (isMaster(myself) && (myself.slotCount > 0 || keys.size > 0)) {
      return 'ERR To set a master the node must be empty and without assigned slots.'
    }
    becomeReplica(this.#context, node, true)
    this.#changed()
    return undefined
  }

  #forget(name: NodeName): string | undefined {
    const { topology, nowMs } = this.#context
    const node = topology.nodes.get(name)
    if (node === undefined) return `ERR Unknown node ${name}`
    if (node === topology.myself) return "ERR I tried hard but I can't forget myself..."
    if (topology.myself.master === node) return "ERR Can't forget my master!"
    for (const each of this.#forgotten.keys()) this.isForgotten(each) // lets go of those whose time is over
    this.#forgotten.set(name, nowMs + FORGET_MS)
    this.#context.disconnect(node)
    topology.remove(node)
    this.#changed()
    return undefined
  }

  #failOver(mode: 'ask' | 'force' | 'takeover'): string | undefined {
    const { master, flags } = this.#context.topology.myself
    if ((flags & NodeFlag.master) !== 0) return 'ERR You should send CLUSTER FAILOVER to a replica'
    if (master === undefined) return "ERR I'm a replica but my master is unknown to me"
    if (mode === 'ask' && (isFailed(master) || master.linkedMs === undefined)) {
      return 'ERR Master is down or failed, please use CLUSTER FAILOVER FORCE'
    }
    this.#election.takeOver(mode)
    return undefined
  }

  #reset(isHard: boolean): string | undefined {
    const { topology, keys } = this.#context
    const { myself } = topology
    if (isMaster(myself) && keys.size > 0) return "ERR CLUSTER RESET can't be called with master nodes containing keys"
    if (makeMaster(this.#context, myself)) {
      this.#context.effect({ kind: 'promote' })
      this.#context.effect({ kind: 'dropKeys', slots: Array.from({ length: SLOT_COUNT }, (_, slot) => slot) })
    }
    endHandover(this.#context)
    for (let slot = 0; slot < SLOT_COUNT; slot++) topology.unassign(slot)
    topology.migrating.clear()
    topology.importing.clear()
    for (const node of [...topology.nodes.values()]) {
      if (node === myself) continue
      this.#context.disconnect(node)
      topology.remove(node)
    }
    if (isHard) {
      topology.currentEpoch = 0
      topology.lastVoteEpoch = 0
      myself.configEpoch = 0
      topology.rename(myself, this.#context.drawName())
    }
    this.#changed()
    return undefined
  }

  #setConfigEpoch(epoch: number): string | undefined {
    const { topology } = this.#context
    const { myself } = topology
    if (topology.nodes.size > 1) {
      return 'ERR The user can assign a config epoch only when the node does not know any other node.'
    }
    if (myself.configEpoch !== 0) return 'ERR Node config epoch is already non-zero'
    myself.configEpoch = epoch
    topology.currentEpoch = Math.max(topology.currentEpoch, epoch)
    this.#changed()
    return undefined
  }

  /** Gives a slot to a node, or to nobody. */
  #give(slot: number, node: ClusterNode | undefined): void {
    const { topology } = this.#context
    topology.migrating.delete(slot)
    topology.unassign(slot)
    if (node !== undefined) topology.assign(slot, node)
  }

  #changed(): void {
    this.#context.save()
    this.#context.effect({ kind: 'slotsChanged' })
  }
}
