// What must be true of a cache cluster after every step of one of its nodes.
import type { BusMessage } from '../../../ts/cache/cluster/bus-message.ts'
import type { GossipEvent } from '../../../ts/cache/cluster/gossip.ts'
import type { SlotBitmap } from '../../../ts/cache/cluster/slots.ts'
import { has, isFailed, isMaster } from '../../../ts/cache/cluster/topology.ts'
import { NodeFlag } from '../../../ts/cache/cluster/types.ts'
import type { Host } from './host.ts'

interface Claim {
  readonly id: number
  slots: SlotBitmap
}

/** Watches all nodes. Each call throws if something is wrong. */
export class Invariants {
  /** For whom a node has voted in an epoch: `node epoch`. */
  readonly #votes = new Map<string, number>()
  /** Who has claimed slots in an epoch. */
  readonly #claims = new Map<number, Claim[]>()
  /** Who was elected in an epoch. */
  readonly #winners = new Map<number, number>()
  /** When a node was last seen to suspect another one: `observer target`. */
  readonly #suspicions = new Map<string, number>()
  readonly #last = new Map<number, { epoch: number; slots: SlotBitmap; failed: ReadonlySet<string> }>()
  readonly #validMs: number
  readonly #now: () => number
  readonly #host: (id: number) => Host | undefined
  promotions = 0
  handovers = 0
  failures = 0

  constructor(options: { nodeTimeoutMs: number; now: () => number; host: (id: number) => Host | undefined }) {
    // What is reported counts for two timeouts, and takes up to one to be heard of; clocks may be slow.
    this.#validMs = 5 * options.nodeTimeoutMs + 1000
    this.#now = options.now
    this.#host = options.host
  }

  stepped(host: Host, event: GossipEvent): void {
    const { topology } = host.engine
    const { myself } = topology
    const last = this.#last.get(host.id)
    const slots = topology.bitmapOf(myself)
    if (isMaster(myself) && (last?.epoch !== myself.configEpoch || last.slots !== slots)) {
      this.#claimed(host.id, myself.configEpoch, slots)
    }
    const failed = new Set<string>()
    for (const node of topology.nodes.values()) {
      if (!has(node, NodeFlag.suspected | NodeFlag.failed)) continue
      this.#suspicions.set(`${host.id} ${node.name}`, this.#now())
      if (!isFailed(node)) continue
      failed.add(node.name)
      // Who was told by others believes them; who found out must have heard it from most.
      const isTold = event.kind === 'message' && event.message.body.kind === 'fail'
      if (last !== undefined && !last.failed.has(node.name) && !isTold) this.#foundFailed(host, node.name)
    }
    this.#last.set(host.id, { epoch: myself.configEpoch, slots, failed })
  }

  /** A message leaves a node. */
  sent(host: Host, to: number, { header, body }: BusMessage): void {
    if (body.kind !== 'failoverAuthAck') return
    const vote = `${host.id} ${header.currentEpoch}`
    const before = this.#votes.get(vote)
    if (before !== undefined && before !== to)
      throw new Error(`node ${host.id} votes for ${before} and ${to} in epoch ${header.currentEpoch}`)
    this.#votes.set(vote, to)
  }

  promoted(host: Host): void {
    const { myself } = host.engine.topology
    this.promotions++
    if (myself.slotCount === 0) return // it was reset
    const winner = this.#winners.get(myself.configEpoch)
    if (winner !== undefined) throw new Error(`epoch ${myself.configEpoch} elects ${winner} and ${host.id}`)
    this.#winners.set(myself.configEpoch, host.id)
  }

  /** A replica took over from a master that had stopped for it. */
  handedOver(host: Host, masterId: number): void {
    const master = this.#host(masterId)
    if (master?.isPaused !== true) return
    this.handovers++
    if (master.durable.offset !== host.durable.offset) {
      throw new Error(
        `${host.id} takes over at offset ${host.durable.offset}, its master stopped at ${master.durable.offset}`,
      )
    }
  }

  forget(id: number): void {
    this.#last.delete(id)
  }

  #claimed(id: number, epoch: number, slots: SlotBitmap): void {
    const claims = this.#claims.get(epoch) ?? []
    this.#claims.set(epoch, claims)
    const own = claims.find((claim) => claim.id === id)
    if (own === undefined) claims.push({ id, slots })
    else own.slots = slots
    for (const other of claims) {
      if (other.id === id) continue
      const both = slots.findIndex((byte, index) => (byte & (other.slots[index] as number)) !== 0)
      if (both !== -1)
        throw new Error(`nodes ${id} and ${other.id} both own slots around ${both * 8} in epoch ${epoch}`)
    }
  }

  #foundFailed(host: Host, name: string): void {
    this.failures++
    const { topology } = host.engine
    const oldest = this.#now() - this.#validMs
    const masters = [...topology.nodes.values()].filter((node) => isMaster(node) && node.slotCount > 0)
    let count = 0
    for (const [pair, atMs] of this.#suspicions) {
      const [observer = '', target] = pair.split(' ')
      if (target === name && atMs >= oldest && Number(observer) !== host.id) count++
    }
    // This node suspects it, too; whether each of the others is a master is its own affair.
    if (1 + count < Math.floor(masters.length / 2) + 1) {
      throw new Error(`node ${host.id} says that ${name.slice(0, 4)} has failed, and ${count} others suspect it`)
    }
  }
}
