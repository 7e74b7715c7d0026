// A store of several nodes, its clients and its operator in the simulator, and what must hold at last.
import { buildRing, restoreRing } from '../../../ts/distributed/ring/index.ts'
import {
  foundingRecord,
  isSame,
  merge,
  NO_CONTEXT,
  NO_VERSIONS,
  type Outcome,
  type RingRecord,
  StoreNode,
  type Versions,
  type VersionVector,
} from '../../../ts/distributed/ring/store/index.ts'
import type { Mutant } from '../../../ts/distributed/ring/store/mutant.ts'
import {
  chance,
  type FaultPlan,
  type Process,
  type ProcessId,
  pick,
  Simulation,
  untilNext,
} from '../../../ts/testing/simulation/index.ts'
import { History, Violation } from './history.ts'
import { type Asked, type Durable, Host, type Wire } from './host.ts'
import { Operator } from './operator.ts'

export interface ClusterPlan {
  readonly seed: number
  readonly faults: FaultPlan
  readonly nodeCount: number
  /** Nodes that may join. */
  readonly spareCount: number
  readonly clientCount: number
  readonly keyCount: number
  /** N, R and W. */
  readonly replicas: number
  readonly answers: number
  readonly acks: number
  readonly thinkMs: number
  readonly readRate: number
  /** How often a client writes without having read. */
  readonly blindRate: number
  readonly deleteRate: number
  /** Between changes of the ring, on average; 0 if there are none. */
  readonly changeMs: number
  /** Whether a node may be lost for good. */
  readonly mayLose: boolean
  readonly syncTicks: number
  readonly entriesPerTick: number
}

const FIRST_CLIENT = 101
const OPERATOR = 201
/** Comparing replicas so rarely that it never happens: then reads and hints must do. */
export const NEVER_TICKS = 1e9
/** A change is done then, if nothing goes wrong any more. */
const CHANGE_MS = 60_000
/** In which replicas become equal, when all faults have ended and no request comes. */
const REST_MS = 10_000

/** A cluster that runs. */
export class Cluster {
  readonly simulation: Simulation<Wire>
  readonly history = new History()
  readonly clientIds: readonly ProcessId[]
  readonly operator: Operator
  readonly plan: ClusterPlan
  private readonly everybody: readonly ProcessId[]
  private readonly mutant: Mutant | undefined
  private readonly durables = new Map<ProcessId, Durable>()
  private readonly hosts = new Map<ProcessId, Host>()
  private readonly dead = new Set<ProcessId>()
  private readonly keys: readonly string[]
  private areClientsStopped = false
  private values = 0

  constructor(plan: ClusterPlan, mutant: Mutant | undefined) {
    this.plan = plan
    this.mutant = mutant
    const { seed, faults, nodeCount, spareCount, clientCount, replicas } = plan
    const { network, storage, clock } = faults
    this.simulation = new Simulation<Wire>({ seed, network, storage, clock, digest: digestOf })
    this.everybody = Array.from({ length: nodeCount + spareCount }, (_, i) => i + 1)
    this.clientIds = Array.from({ length: clientCount }, (_, i) => FIRST_CLIENT + i)
    this.keys = Array.from({ length: plan.keyCount }, (_, i) => `key ${i}`)
    const founders = this.everybody.slice(0, nodeCount).map((id) => ({ name: `n${id}` }))
    const record = foundingRecord(buildRing(founders, { virtualNodes: 8 }), replicas)
    for (const id of this.everybody) {
      const notes = id <= nodeCount ? { ring: record } : {}
      this.durables.set(id, { lives: 0, versions: new Map(), hints: new Map(), notes })
      this.simulation.add(id, () => this.start(id))
    }
    for (const id of this.clientIds) this.simulation.add(id, () => this.client(id))
    this.operator = new Operator(this, OPERATOR)
    this.simulation.add(OPERATOR, () => this.operator)
    if (plan.changeMs > 0) this.operator.begin(plan.changeMs)
  }

  /** Those that are not lost for good. */
  get nodeIds(): readonly ProcessId[] {
    return this.everybody.filter((id) => !this.dead.has(id))
  }

  /** The newest ring that anybody has on disk. */
  get record(): RingRecord {
    const records = this.nodeIds.flatMap((id) => this.durable(id).notes.ring ?? [])
    return records.reduce((newest, each) => (each.epoch > newest.epoch ? each : newest))
  }

  /** Tombstones that nodes have let go since they last started. */
  get ended(): number {
    return this.nodeIds.reduce((sum, id) => sum + (this.hosts.get(id)?.node.status.tombstones.ended ?? 0), 0)
  }

  isDead(id: ProcessId): boolean {
    return this.dead.has(id)
  }

  /** Takes a node and its disk away for good. */
  lose(id: ProcessId): void {
    this.dead.add(id)
    this.simulation.crash(id)
    this.simulation.note(`n${id} is lost with its disk`)
    this.durables.set(id, { lives: 0, versions: new Map(), hints: new Map(), notes: {} })
  }

  /** Demands that changes end, replicas become equal and hints arrive, when all faults have ended; and that nobody has what is not his. */
  converge(): void {
    const { simulation, plan } = this
    this.areClientsStopped = true
    simulation.heal()
    this.operator.finish()
    if (!simulation.runUntil(() => this.isSettled(), CHANGE_MS)) {
      const { epoch, phase } = this.record
      throw new Violation(`the ring does not come to rest: it is ${phase} in epoch ${epoch}`)
    }
    // Hints are offered, replicas compared; what comes back to life when a tombstone has ended has time to.
    simulation.runFor(plan.syncTicks === NEVER_TICKS ? 3000 : 2000)
    for (let ms = 2000; ms < REST_MS && plan.syncTicks !== NEVER_TICKS && !this.isEqual(); ms += 500)
      simulation.runFor(500)
    for (let round = 0; round < 2 && plan.syncTicks === NEVER_TICKS; round++) {
      const { replicas } = plan
      const asked = this.member()
      for (const key of this.keys) asked.ask(0, 0, { kind: 'get', id: 0, get: { key, replicas, answers: replicas } })
      simulation.runFor(1000)
    }
    for (const key of this.keys) this.checkKey(key)
    for (const id of this.nodeIds) {
      const { hints, requests } = this.host(id).node.status
      if (hints + requests > 0) throw new Violation(`n${id} still has ${hints} hints and ${requests} requests`)
    }
  }

  /** Whether the owners of each key agree, and nothing is under way. */
  private isEqual(): boolean {
    const isAtRest = this.nodeIds.every((id) => {
      const { hints, requests } = this.host(id).node.status
      return hints + requests === 0
    })
    return isAtRest && this.keys.every((key) => this.owned(key).isAgreed)
  }

  /** What the owners of a key have on disk. */
  private owned(key: string): { owners: readonly string[]; all: Versions; isAgreed: boolean } {
    const { ring, replicas } = this.record
    const owners = restoreRing(ring).preferenceList(key, replicas)
    const known = owners.map((name) => this.durable(Number(name.slice(1))).versions.get(key) ?? NO_VERSIONS)
    let all = NO_VERSIONS
    for (const each of known) all = merge(all, each)
    return { owners, all, isAgreed: known.every((each) => isSame(each, all)) }
  }

  private checkKey(key: string): void {
    const { owners, all, isAgreed } = this.owned(key)
    if (!isAgreed) throw new Violation(`the replicas of ${key} do not agree at last`)
    this.history.found(key, all, this.simulation.nowMs)
    const others = this.nodeIds.filter((id) => !owners.includes(`n${id}`) && this.durable(id).versions.has(key))
    if (others.length > 0) throw new Violation(`n${others[0]} still has ${key}, which is not its own`)
  }

  /** The ring is at rest, without those who are lost, and everybody has let go of what is not his. */
  private isSettled(): boolean {
    const { epoch, phase, ring } = this.record
    if (phase !== 'stable' || ring.nodes.some(({ name }) => this.dead.has(Number(name.slice(1))))) return false
    return this.nodeIds.every((id) => {
      const { node } = this.host(id)
      return node.status.epoch === epoch && node.status.isSwept
    })
  }

  private member(): Host {
    return this.host(Number(this.record.ring.nodes[0]?.name.slice(1)))
  }

  private start(id: ProcessId): Process<Wire> | undefined {
    if (this.dead.has(id)) return undefined
    const durable = this.durable(id)
    durable.lives++
    const { plan, mutant, simulation } = this
    const host = new Host(id, durable, simulation, (store) => {
      const { hints, notes, lives } = durable
      return new StoreNode({
        ...{ name: `n${id}`, clusterId: 'simulated', life: lives, store, hints, notes, mutant },
        ...{ random: simulation.random, seeds: id > plan.nodeCount ? ['n1', 'n2', 'n3'] : [] },
        ...{ requestTicks: 20, hintTicks: 4, offerTicks: 15, gossipTicks: 3, eraTicks: 5, treeDepth: 3 },
        ...{ syncTicks: plan.syncTicks, entriesPerTick: plan.entriesPerTick },
      })
    })
    this.hosts.set(id, host)
    return host
  }

  /** Asks one thing after the other, of any node; a request without an answer is given up after a while. */
  private client(id: ProcessId): Process<Wire> {
    const { simulation, plan } = this
    const { random } = simulation
    const contexts = new Map<string, VersionVector>()
    let asked = 0
    let ended: ((outcome: Outcome) => void) | undefined
    const next = (): void => {
      simulation.after(id, untilNext(random, plan.thinkMs), () => {
        if (this.areClientsStopped) return
        const number = ++asked
        const key = pick(random, this.keys)
        const request = chance(random, plan.readRate) ? this.read(key, contexts) : this.write(key, contexts)
        ended = request.ended
        simulation.send(id, pick(random, this.nodeIds), { kind: 'ask', id: number, event: request.event })
        simulation.after(id, 400, () => {
          if (asked !== number || ended === undefined) return
          ended = undefined
          next()
        })
      })
    }
    next()
    return {
      receive: (_, wire) => {
        if (wire.kind !== 'told' || wire.id !== asked || ended === undefined) return
        const end = ended
        ended = undefined
        end(wire.outcome)
        next()
      },
    }
  }

  private read(key: string, contexts: Map<string, VersionVector>): { event: Asked; ended: (outcome: Outcome) => void } {
    const { replicas, answers } = this.plan
    const sinceMs = this.simulation.nowMs
    return {
      event: { kind: 'get', id: 0, get: { key, replicas, answers } },
      ended: (outcome) => {
        if (outcome.kind !== 'found') return
        this.history.found(key, outcome.versions, sinceMs)
        contexts.set(key, outcome.versions.context)
      },
    }
  }

  private write(
    key: string,
    contexts: Map<string, VersionVector>,
  ): { event: Asked; ended: (outcome: Outcome) => void } {
    const { plan, history, simulation } = this
    const { random } = simulation
    const { replicas, acks, blindRate, deleteRate } = plan
    const context = chance(random, blindRate) ? NO_CONTEXT : (contexts.get(key) ?? NO_CONTEXT)
    const isDeletion = chance(random, deleteRate)
    const text = isDeletion ? undefined : `${++this.values}`
    history.asks(key, context, isDeletion)
    const value = text === undefined ? undefined : Buffer.from(text)
    return {
      event: { kind: 'put', id: 0, put: { key, value, context, replicas, acks, writtenMs: simulation.nowMs } },
      ended: (outcome) => {
        if (outcome.kind !== 'written') return
        history.written({ key, dot: outcome.dot, atMs: simulation.nowMs, context, isDeletion }, text)
      },
    }
  }

  private host(id: ProcessId): Host {
    return this.hosts.get(id) as Host
  }

  private durable(id: ProcessId): Durable {
    return this.durables.get(id) as Durable
  }
}

function digestOf(wire: Wire): number {
  if (wire.kind !== 'peer') return wire.id
  const { message } = wire
  return message.epoch * 64 + message.era * 8 + message.kind.length
}
