// One seed: draws a cache cluster and its faults, forms it, breaks it, lets it heal, and says what was wrong.

import type { Mutant } from '../../../ts/cache/cluster/mutant.ts'
import { renderNodesConf } from '../../../ts/cache/cluster/nodes-conf.ts'
import { SLOT_COUNT, slotOf } from '../../../ts/cache/cluster/slots.ts'
import { has, isMaster, newNode, Topology } from '../../../ts/cache/cluster/topology.ts'
import { type ClusterNode, DEFAULT_GOSSIP_OPTIONS, NodeFlag } from '../../../ts/cache/cluster/types.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import {
  chance,
  describeFaults,
  drawFaults,
  type FaultPlan,
  HEALTHY_NETWORK,
  HEALTHY_STORAGE,
  mix,
  Nemesis,
  pick,
  Simulation,
  simplifyFaults,
  untilNext,
} from '../../../ts/testing/simulation/index.ts'
import { BUS_PORT, type Durable, Host, type HostContext, hostOf, PORT, type Wire } from './host.ts'
import { Invariants } from './invariants.ts'
import { MOVER_ID, Mover } from './mover.ts'

/** All that is drawn from a seed. */
export interface Plan {
  readonly seed: number
  readonly faults: FaultPlan
  readonly masterCount: number
  /** For each master. */
  readonly replicaCount: number
  readonly nodeTimeoutMs: number
  /** The cluster meets, rather than being there from the start. */
  readonly meets: boolean
  readonly requiresFullCoverage: boolean
  /** Mean time between orders to take over; Infinity for none. */
  readonly failoverMs: number
  /** Nodes have keys, and slots are moved while clients use them; there are no replicas. */
  readonly moves: boolean
}

export interface RunResult {
  readonly plan: Plan
  readonly digest: string
  readonly events: number
  readonly virtualMs: number
  readonly promotions: number
  readonly handovers: number
  readonly failures: number
  /** What was moved, and what clients did meanwhile. */
  readonly moved: Readonly<Record<string, number>>
  /** Undefined if nothing was wrong. */
  readonly complaint: string | undefined
  readonly trace: readonly string[]
  /** What went wrong on purpose, by its name. */
  readonly faults: Readonly<Record<string, number>>
}

export interface RunOptions {
  /** Of the phase with faults. */
  readonly virtualMs: number
  readonly mutant?: Mutant | undefined
  /** Slots are moved, with their keys. */
  readonly moves?: boolean
}

const CONVERGE_MS = 120_000

export function runSeed(seed: number, options: RunOptions): RunResult {
  const plan = drawPlan(seed)
  const moving = { replicaCount: 0, meets: false, failoverMs: Number.POSITIVE_INFINITY, moves: true }
  return runPlan(options.moves === true ? { ...plan, ...moving } : plan, options)
}

/** What a person needs to know of a run that failed: the seed, the faults that it needs, what happened last. */
export function explain(failed: RunResult, options: RunOptions): string {
  const { plan } = failed
  const fails = (faults: FaultPlan): boolean => runPlan({ ...plan, faults }, options).complaint !== undefined
  const simplest = simplifyFaults(plan.faults, fails)
  const again = runPlan({ ...plan, faults: simplest }, options)
  return [
    `SEED=${plan.seed} fails: ${failed.complaint}`,
    `with these faults alone it also fails: ${describeFaults(simplest)}`,
    `${again.complaint}`,
    ...again.trace,
  ].join('\n')
}

function drawPlan(seed: number): Plan {
  const random = seededRandom(seed)
  const nodeTimeoutMs = pick(random, [300, 500, 1000])
  return {
    seed,
    faults: drawFaults(random, 2 * nodeTimeoutMs),
    masterCount: pick(random, [3, 3, 4, 5]),
    replicaCount: pick(random, [1, 1, 2]),
    nodeTimeoutMs,
    meets: chance(random, 0.3),
    requiresFullCoverage: chance(random, 0.7),
    failoverMs: chance(random, 0.5) ? nodeTimeoutMs * pick(random, [2, 10]) : Number.POSITIVE_INFINITY,
    moves: false,
  }
}

function runPlan(plan: Plan, options: RunOptions): RunResult {
  const cluster = new Cluster(plan, options.mutant)
  const { simulation, invariants } = cluster
  const strikes: Record<string, number> = {}
  let complaint: string | undefined
  try {
    cluster.form()
    simulation.network.faults = plan.faults.network
    simulation.storage = plan.faults.storage
    simulation.clock = plan.faults.clock
    const nemesis = new Nemesis({
      simulation,
      plan: plan.faults.nemesis,
      targets: () => cluster.ids,
      everybody: () => cluster.ids,
      favourite: () => cluster.anyMaster(),
    })
    cluster.orderFailovers()
    cluster.mover?.start()
    simulation.runFor(options.virtualMs)
    nemesis.stop()
    for (const [havoc, count] of nemesis.strikes) strikes[havoc] = count
    simulation.heal()
    cluster.converge()
    cluster.checkKeys()
  } catch (error) {
    complaint = `${(error as Error).name}: ${(error as Error).message}`
  }
  return {
    plan,
    digest: simulation.trace.digest,
    events: simulation.trace.eventCount,
    virtualMs: simulation.nowMs,
    promotions: invariants.promotions,
    handovers: invariants.handovers,
    failures: invariants.failures,
    moved: cluster.mover?.counts ?? {},
    complaint,
    trace: complaint === undefined ? [] : simulation.trace.lines(describeWire),
    faults: { ...strikes, ...simulation.network.counts },
  }
}

/** A cluster in one thread. */
class Cluster {
  readonly simulation: Simulation<Wire>
  readonly invariants: Invariants
  readonly ids: readonly number[]
  readonly mover: Mover | undefined
  readonly #plan: Plan
  readonly #hosts = new Map<number, Host>()
  readonly #durables = new Map<number, Durable>()
  #isHealing = false

  constructor(plan: Plan, mutant: Mutant | undefined) {
    this.#plan = plan
    const { seed, nodeTimeoutMs, masterCount, replicaCount, requiresFullCoverage } = plan
    this.simulation = new Simulation<Wire>({
      seed,
      network: HEALTHY_NETWORK,
      storage: HEALTHY_STORAGE,
      digest: digestOf,
    })
    const { simulation } = this
    this.invariants = new Invariants({
      nodeTimeoutMs,
      now: () => simulation.nowMs,
      host: (id) => (simulation.isUp(id) ? this.#hosts.get(id) : undefined),
    })
    const gossip = { ...DEFAULT_GOSSIP_OPTIONS, nodeTimeoutMs, requiresFullCoverage }
    const context: HostContext = { simulation, invariants: this.invariants, gossip, mutant, hasKeys: plan.moves }
    const count = masterCount * (1 + replicaCount)
    this.ids = Array.from({ length: count }, (_, index) => index + 1)
    const confs = plan.meets ? [] : this.#formedConfs()
    for (const id of this.ids) {
      const durable: Durable = { conf: confs[id - 1], offset: 0, life: 0, changes: [] }
      this.#durables.set(id, durable)
      simulation.add(id, () => {
        this.invariants.forget(id)
        const host = new Host(id, durable, context)
        this.#hosts.set(id, host)
        return host
      })
    }
    this.mover = plan.moves ? this.#addMover() : undefined
  }

  /** Lets the nodes meet, gives them slots and masters, and waits until all know it. */
  form(): void {
    const { meets, masterCount } = this.#plan
    if (meets) {
      for (const id of this.ids.slice(1)) {
        this.#host(1).order({ kind: 'meet', host: hostOf(id), port: PORT, busPort: BUS_PORT })
      }
      this.#isMaster((id) => {
        const slots = Array.from({ length: SLOT_COUNT }, (_, slot) => slot).filter((slot) => this.#ownerOf(slot) === id)
        this.#host(id).order({ kind: 'addSlots', slots })
      })
      const knowsAll = (): boolean => this.ids.every((id) => this.#knownCount(id) === this.ids.length)
      if (!this.simulation.runUntil(knowsAll, CONVERGE_MS)) throw new Error('the nodes do not get to know each other')
      for (const id of this.ids.slice(masterCount)) {
        const master = this.#host(this.#masterOf(id)).engine.topology.myself.name
        const refusal = this.#host(id).order({ kind: 'replicate', node: master })
        if (refusal !== undefined) throw new Error(refusal)
      }
    }
    this.converge()
  }

  /** Orders replicas to take over, now and then. */
  orderFailovers(): void {
    const { failoverMs } = this.#plan
    if (failoverMs === Number.POSITIVE_INFINITY) return
    const { simulation } = this
    simulation.later(untilNext(simulation.random, failoverMs), () => {
      if (this.#isHealing) return
      const id = pick(simulation.random, this.ids)
      const mode = chance(simulation.random, 0.7) ? 'ask' : 'force'
      if (simulation.isUp(id) && !simulation.isPaused(id)) {
        const refusal = this.#host(id).order({ kind: 'failover', mode })
        if (refusal === undefined) simulation.note(`${id} is told to take over (${mode})`)
      }
      this.orderFailovers()
    })
  }

  anyMaster(): number | undefined {
    const masters = this.ids.filter((id) => {
      return this.simulation.isUp(id) && this.#host(id).engine.topology.myself.slotCount > 0
    })
    return masters.length === 0 ? undefined : pick(this.simulation.random, masters)
  }

  /** Waits until all agree on everything, and serve. */
  converge(): void {
    this.#isHealing = true
    if (this.mover?.hasStarted === true) this.mover.stop()
    let wrong: string | undefined
    let atMs = 0
    const isDone = (): boolean => {
      // The whole view is compared now and then only: that is the slow part.
      if (this.simulation.nowMs < atMs) return false
      atMs = this.simulation.nowMs + 500
      wrong = this.mover?.isIdle === false ? 'slots are still being moved' : this.#disagreement()
      return wrong === undefined
    }
    if (!this.simulation.runUntil(isDone, CONVERGE_MS))
      throw new Error(`no agreement after ${CONVERGE_MS} ms: ${wrong}`)
    this.#isHealing = false
  }

  /** Every key is where its slot is, and nowhere else, and has what was written last. */
  checkKeys(): void {
    const { mover } = this
    for (const key of mover?.keys ?? []) {
      const owner = this.#host(1).engine.topology.ownerOf(slotOf(key))
      for (const id of this.ids) {
        const { engine, keeper } = this.#host(id)
        const wanted = engine.topology.myself.name === owner?.name ? mover?.expected.get(key) : undefined
        const value = keeper?.valueOf(key)
        if (value !== wanted) throw new Error(`${id} has ${value} under ${key}, and should have ${wanted}`)
      }
    }
  }

  #addMover(): Mover {
    const { simulation, ids } = this
    const mover = new Mover({
      simulation,
      ids,
      hostOf,
      ownerOf: (slot) => this.#ownerOf(slot),
      nameOf: (id) => this.#host(id).engine.topology.myself.name,
      agree: (from, to, slot) => {
        const [source, target] = [from, to].map((id) => this.#host(id).engine.topology) as [Topology, Topology]
        const seen = target.ownerOf(slot)
        const isOwner = source.ownerOf(slot) === source.myself && seen?.name === source.myself.name
        return isOwner && seen?.configEpoch === source.myself.configEpoch
      },
    })
    simulation.add(MOVER_ID, () => mover)
    return mover
  }

  #disagreement(): string | undefined {
    let first: string | undefined
    for (const id of this.ids) {
      const { topology } = this.#host(id).engine
      if (!topology.isUp) return `${id} is down`
      if (topology.nodes.size !== this.ids.length) return `${id} knows ${topology.nodes.size} nodes`
      const epochs = new Set<number>()
      const rows: string[] = []
      for (const node of topology.nodes.values()) {
        if (has(node, NodeFlag.failed | NodeFlag.suspected | NodeFlag.handshake))
          return `${id} has ${node.name} as failed`
        if (isMaster(node) && node.slotCount > 0) {
          if (epochs.has(node.configEpoch)) return `${id} knows two masters with epoch ${node.configEpoch}`
          epochs.add(node.configEpoch)
          const slots = Buffer.from(topology.bitmapOf(node)).toString('latin1')
          rows.push(`${node.name} epoch ${node.configEpoch} owns ${node.slotCount} slots ${slots}`)
        } else if (!isMaster(node)) rows.push(`${node.name} follows ${node.master?.name}`)
        else rows.push(`${node.name} owns nothing`)
      }
      const view = rows.sort().join('\n')
      first ??= view
      if (view !== first) return `${id} sees another cluster than ${this.ids[0]}`
    }
    return undefined
  }

  /** What each node would have on disk if the cluster had been made by hand. */
  #formedConfs(): string[] {
    const { masterCount } = this.#plan
    const names = this.ids.map(() => Buffer.from(this.simulation.random.bytes(20)).toString('hex'))
    return this.ids.map((own) => {
      const nodes = this.ids.map((id): ClusterNode => {
        const role = id <= masterCount ? NodeFlag.master : NodeFlag.replica
        const node = newNode(names[id - 1] as string, role | (id === own ? NodeFlag.myself : 0), 0)
        node.host = hostOf(id)
        node.port = PORT
        node.busPort = BUS_PORT
        if (id <= masterCount) node.configEpoch = id
        return node
      })
      const topology = new Topology(nodes[own - 1] as ClusterNode)
      for (const [index, node] of nodes.entries()) {
        if (index + 1 !== own) topology.add(node)
        if (index >= masterCount) node.master = nodes[this.#masterOf(index + 1) - 1]
      }
      for (let slot = 0; slot < SLOT_COUNT; slot++) topology.assign(slot, nodes[this.#ownerOf(slot) - 1] as ClusterNode)
      topology.currentEpoch = masterCount
      return renderNodesConf(topology)
    })
  }

  #isMaster(act: (id: number) => void): void {
    for (const id of this.ids.slice(0, this.#plan.masterCount)) act(id)
  }

  #masterOf(replica: number): number {
    return ((replica - 1) % this.#plan.masterCount) + 1
  }

  #ownerOf(slot: number): number {
    return 1 + Math.floor((slot * this.#plan.masterCount) / SLOT_COUNT)
  }

  #knownCount(id: number): number {
    const nodes = [...this.#host(id).engine.topology.nodes.values()]
    return nodes.filter((node) => !has(node, NodeFlag.handshake)).length
  }

  #host(id: number): Host {
    return this.#hosts.get(id) as Host
  }
}

function describeWire(wire: unknown): string {
  const message = wire as Wire
  if (message.kind === 'command') return message.args.join(' ').slice(0, 80)
  if (message.kind === 'reply') return message.text.trim().slice(0, 80)
  if (message.kind !== 'bus') return message.kind
  const { header, body } = message.bus
  return `${body.kind} from ${header.sender.slice(0, 4)}, epoch ${header.configEpoch} of ${header.currentEpoch}`
}

function digestOf(message: Wire): number {
  if (message.kind !== 'bus') return message.kind.length
  return mix(mix(message.bus.body.kind.length, message.bus.header.currentEpoch), message.bus.header.configEpoch)
}
