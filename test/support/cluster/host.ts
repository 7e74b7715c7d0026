// The driver of a node of a cache cluster in the simulator: does what the engine says, on connections that are datagrams and a disk
// that loses what was not synced. Its data is one number, the replication offset, or keys that can be moved (keeper.ts).
import type { BusMessage } from '../../../ts/cache/cluster/bus-message.ts'
import type { GossipEffect, ReplicationView, SlotKeys, Via } from '../../../ts/cache/cluster/context.ts'
import { GossipEngine, type GossipEvent } from '../../../ts/cache/cluster/gossip.ts'
import type { Mutant } from '../../../ts/cache/cluster/mutant.ts'
import { parseNodesConf, renderNodesConf } from '../../../ts/cache/cluster/nodes-conf.ts'
import type { ClusterOrder } from '../../../ts/cache/cluster/orders.ts'
import { isFailed, isMaster, newNode, Topology } from '../../../ts/cache/cluster/topology.ts'
import { type GossipOptions, NodeFlag, TICK_MS } from '../../../ts/cache/cluster/types.ts'
import { type Process, type Simulation, wholeBetween } from '../../../ts/testing/simulation/index.ts'
import type { Invariants } from './invariants.ts'
import { type DataWire, Keeper } from './keeper.ts'

export const PORT = 7000
export const BUS_PORT = 17_000
const WALL_START_MS = 1_700_000_000_000
const REPLICATE_MS = 50
const RESTART_MS = 1000

/** What is sent: a connection is a number of whom it was opened by, in one of its lives. */
export type Wire =
  | { readonly kind: 'open' | 'opened' | 'reset'; readonly link: number; readonly life: number }
  | {
      readonly kind: 'bus'
      readonly link: number
      readonly life: number
      readonly toOpener: boolean
      readonly bus: BusMessage
    }
  | { readonly kind: 'pull' }
  | DataWire
  | { readonly kind: 'data'; readonly offset: number }

/** What survives a crash. */
export interface Durable {
  conf: string | undefined
  offset: number
  life: number
  /** What has changed keys. */
  readonly changes: (readonly string[])[]
}

export interface HostContext {
  readonly simulation: Simulation<Wire>
  readonly invariants: Invariants
  readonly gossip: GossipOptions
  readonly mutant: Mutant | undefined
  /** Nodes have keys, and do not replicate. */
  readonly hasKeys: boolean
}

/** One life of a node. */
export class Host implements Process<Wire> {
  readonly engine: GossipEngine
  readonly keeper: Keeper | undefined
  readonly id: number
  /** Whether people told it to take over, and how, since it started. */
  ordered: 'ask' | 'force' | undefined
  isPaused = false
  readonly durable: Durable
  readonly #context: HostContext
  readonly #life: number
  #persisted = 0
  #unsent: (GossipEffect & { kind: 'send' | 'answer' })[] = []
  /** By link, whom it leads to, and whether it is open. */
  readonly #links = new Map<number, { readonly to: number; isOpen: boolean }>()
  /** Connections that others have opened, by their number here. */
  readonly #theirs = new Map<number, { readonly opener: number; readonly link: number; readonly life: number }>()
  #nextConnection = 1
  #follows: number | undefined
  #heardMs = 0

  constructor(id: number, durable: Durable, context: HostContext) {
    this.id = id
    this.durable = durable
    this.#context = context
    this.#life = ++durable.life
    this.keeper = context.hasKeys ? this.#makeKeeper() : undefined
    const topology = durable.conf === undefined ? this.#freshTopology() : parseNodesConf(durable.conf, this.#nowMs)
    this.engine = new GossipEngine({
      topology,
      random: context.simulation.random,
      keys: this.#slotKeys(),
      replication: this.#replicationView(),
      gossip: context.gossip,
      mutant: context.mutant,
      hasPast: durable.conf !== undefined,
      nowMs: this.#nowMs,
    })
    if (topology.myself.master !== undefined) this.#follows = processOf(topology.myself.master.host)
    this.#repeat(TICK_MS, () => this.#tick())
    this.#repeat(REPLICATE_MS, () => this.#replicate())
  }

  order(order: ClusterOrder): string | undefined {
    if (order.kind === 'failover' && order.mode !== 'takeover') this.ordered = order.mode
    return this.#step({ kind: 'order', order })
  }

  receive(from: number, message: Wire): void {
    const { simulation } = this.#context
    switch (message.kind) {
      case 'open': {
        const { link, life } = message
        this.#theirs.set(this.#nextConnection++, { opener: from, link, life })
        simulation.send(this.id, from, { kind: 'opened', link, life })
        return
      }
      case 'opened':
      case 'reset': {
        const link = message.life === this.#life ? this.#links.get(message.link) : undefined
        if (link === undefined) return
        if (message.kind === 'reset') this.#links.delete(message.link)
        else if (link.isOpen) return
        link.isOpen = true
        this.#step({ kind: message.kind === 'reset' ? 'closed' : 'opened', link: message.link })
        return
      }
      case 'bus':
        this.#receiveBus(from, message)
        return
      case 'command':
      case 'reply':
        this.keeper?.receive(from, message)
        return
      case 'pull':
        if (isMaster(this.engine.topology.myself)) {
          simulation.send(this.id, from, { kind: 'data', offset: this.durable.offset })
        }
        return
      case 'data':
        if (from !== this.#follows || isMaster(this.engine.topology.myself)) return
        this.durable.offset = message.offset
        this.#heardMs = this.#nowMs
    }
  }

  get #nowMs(): number {
    return WALL_START_MS + this.#context.simulation.monotonic(this.id) / 1e6
  }

  #receiveBus(from: number, { link, life, toOpener, bus }: Wire & { kind: 'bus' }): void {
    let via: Via
    if (toOpener) {
      if (life !== this.#life || this.#links.get(link)?.isOpen !== true) return
      via = { kind: 'ours', link }
    } else {
      const [connection] =
        [...this.#theirs].find(([, each]) => each.opener === from && each.link === link && each.life === life) ?? []
      if (connection === undefined) {
        this.#context.simulation.send(this.id, from, { kind: 'reset', link, life })
        return
      }
      via = { kind: 'theirs', connection, host: hostOf(from), localHost: hostOf(this.id) }
    }
    this.#step({ kind: 'message', via, message: bus })
  }

  #tick(): void {
    const { topology } = this.engine
    this.#step({ kind: 'tick' })
    if (isMaster(topology.myself) && topology.isUp && !this.isPaused) {
      this.durable.offset += wholeBetween(this.#context.simulation.random, 0, 3)
    }
  }

  #replicate(): void {
    if (this.#follows === undefined || isMaster(this.engine.topology.myself)) return
    this.#context.simulation.send(this.id, this.#follows, { kind: 'pull' })
  }

  #repeat(everyMs: number, act: () => void): void {
    this.#context.simulation.after(this.id, everyMs, () => {
      this.#repeat(everyMs, act)
      act()
    })
  }

  #step(event: GossipEvent): string | undefined {
    const effects = this.engine.step(event, this.#nowMs)
    this.#context.invariants.stepped(this, event)
    let refusal: string | undefined
    for (const effect of effects) {
      if (effect.kind === 'refuse') refusal = effect.text
      else this.#perform(effect)
    }
    return refusal
  }

  #perform(effect: GossipEffect): void {
    const { simulation, invariants } = this.#context
    switch (effect.kind) {
      case 'persist': {
        const conf = renderNodesConf(this.engine.topology)
        const apply = (): void => {
          this.durable.conf = conf
        }
        simulation.write(
          this.id,
          apply,
          () => this.#wrote(effect.write),
          () => this.#fail(),
        )
        break
      }
      case 'send':
      case 'answer':
        if (effect.after <= this.#persisted && this.#unsent.length === 0) this.#send(effect)
        else this.#unsent.push(effect)
        break
      case 'connect': {
        const to = processOf(effect.host)
        this.#links.set(effect.link, { to, isOpen: false })
        simulation.send(this.id, to, { kind: 'open', link: effect.link, life: this.#life })
        break
      }
      case 'disconnect':
        this.#links.delete(effect.link)
        break
      case 'follow':
        this.#follows = processOf(effect.host)
        break
      case 'promote':
        if (this.#hasAsked()) invariants.handedOver(this, this.#follows as number)
        this.#follows = undefined
        invariants.promoted(this)
        break
      case 'pause':
        this.isPaused = true
        simulation.after(this.id, Math.max(0, effect.untilMs - this.#nowMs), () => {
          this.isPaused = false
        })
        break
      case 'resume':
        this.isPaused = false
        break
      case 'dropKeys':
        this.keeper?.dropKeys(effect.slots)
        break
      case 'note':
        simulation.note(`${this.id} ${effect.text.replaceAll(/([0-9a-f]{4})[0-9a-f]{36}/g, '$1')}`)
        break
      default:
        break
    }
  }

  #makeKeeper(): Keeper {
    const { simulation, mutant } = this.#context
    return new Keeper({
      changes: this.durable.changes,
      nowMs: () => this.#nowMs,
      virtualMs: () => simulation.nowMs,
      topology: () => this.engine.topology,
      order: (order) => this.order(order),
      send: (to, message) => simulation.send(this.id, to, message),
      write: (apply, done) => simulation.write(this.id, apply, done, () => this.#fail()),
      after: (localMs, fire) => void simulation.after(this.id, localMs, fire),
      processOf,
      mutant,
    })
  }

  #slotKeys(): SlotKeys {
    const { keeper } = this
    return {
      countIn: (slot) => keeper?.keys.countIn(slot) ?? 0,
      get size() {
        return keeper?.size ?? 0
      },
    }
  }

  /** True if a promotion is what a master that is there was asked for. */
  #hasAsked(): boolean {
    if (this.ordered !== 'ask' || this.#follows === undefined) return false
    const host = hostOf(this.#follows)
    const master = [...this.engine.topology.nodes.values()].find((node) => node.host === host)
    return master !== undefined && !isFailed(master)
  }

  #replicationView(): ReplicationView {
    const [offset, heardMs] = [() => this.durable.offset, () => this.#heardMs]
    return {
      get offset() {
        return offset()
      },
      get masterHeardMs() {
        return heardMs()
      },
      isWhole: true,
      isChanging: false,
    }
  }

  #wrote(write: number): void {
    this.#persisted = write
    const ready = this.#unsent.filter(({ after }) => after <= write)
    this.#unsent = this.#unsent.filter(({ after }) => after > write)
    for (const each of ready) this.#send(each)
  }

  /** A node that can remember nothing ends, and somebody starts it again. */
  #fail(): void {
    const { simulation } = this.#context
    simulation.crash(this.id)
    simulation.later(RESTART_MS, () => simulation.restart(this.id))
  }

  #send(effect: GossipEffect & { kind: 'send' | 'answer' }): void {
    const { simulation, invariants } = this.#context
    const { message: bus } = effect
    if (effect.kind === 'send') {
      const link = this.#links.get(effect.link)
      if (link?.isOpen !== true) return
      invariants.sent(this, link.to, bus)
      simulation.send(this.id, link.to, { kind: 'bus', link: effect.link, life: this.#life, toOpener: false, bus })
      return
    }
    const connection = this.#theirs.get(effect.connection)
    if (connection === undefined) return
    const { opener, link, life } = connection
    simulation.send(this.id, opener, { kind: 'bus', link, life, toOpener: true, bus })
  }

  #freshTopology(): Topology {
    // A name of its own, which does not follow the order of the processes.
    const name = Buffer.from(this.#context.simulation.random.bytes(20)).toString('hex')
    const myself = newNode(name, NodeFlag.myself | NodeFlag.master, this.#nowMs)
    myself.host = hostOf(this.id)
    myself.port = PORT
    myself.busPort = BUS_PORT
    return new Topology(myself)
  }
}

export function hostOf(id: number): string {
  return `10.0.0.${id}`
}

function processOf(host: string): number {
  return Number(host.slice(host.lastIndexOf('.') + 1))
}
