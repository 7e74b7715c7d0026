// A store of several nodes and its clients in the simulator, and what must hold of what clients saw.
import { buildRing, type Ring } from '../../../ts/distributed/ring/index.ts'
import {
  covers,
  type Dot,
  type Effect,
  type Event,
  isSame,
  type Message,
  NO_CONTEXT,
  NO_VERSIONS,
  type Outcome,
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

export interface ClusterPlan {
  readonly seed: number
  readonly faults: FaultPlan
  readonly nodeCount: number
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
}

type Wire =
  | { readonly kind: 'peer'; readonly message: Message }
  | { readonly kind: 'ask'; readonly id: number; readonly event: Asked }
  | { readonly kind: 'told'; readonly id: number; readonly outcome: Outcome }

/** A request without its id, which the node's host gives it. */
type Asked = (Event & { kind: 'put' }) | (Event & { kind: 'get' })

/** What a node has on disk. */
interface Durable {
  lives: number
  readonly versions: Map<string, Versions>
  readonly hints: Map<string, Map<string, Versions>>
}

const TICK_MS = 10
const FIRST_CLIENT = 101
/** Until a node whose disk was full is started again. */
const RESTART_MS = 100

/** What a client saw that must not be. */
class Violation extends Error {}

/** Everything that clients asked and were told. */
class History {
  completed = 0
  private readonly told: { readonly key: string; readonly dot: Dot; readonly atMs: number }[] = []
  /** What writes replaced, told or not. */
  private readonly contexts: { readonly key: string; readonly context: VersionVector }[] = []
  private readonly valueOfDot = new Map<string, string>()

  asks(key: string, context: VersionVector): void {
    if (context.size > 0) this.contexts.push({ key, context })
  }

  written(key: string, dot: Dot, value: string, atMs: number): void {
    this.completed++
    this.named(key, dot, value)
    this.told.push({ key, dot, atMs })
  }

  /** The promise of R + W > N, and that nothing is lost which nobody has replaced. */
  found(key: string, { context, siblings }: Versions, sinceMs: number): void {
    this.completed++
    for (const { dot, value } of siblings) this.named(key, dot, text(value))
    for (const write of this.told) {
      if (write.key !== key || write.atMs > sinceMs) continue
      const { dot } = write
      if (!covers(context, dot))
        throw new Violation(`a read of ${key} misses ${nameOf(dot)}, which was told before it began`)
      const lives = siblings.some((each) => each.dot.node === dot.node && each.dot.count === dot.count)
      const isReplaced = this.contexts.some((each) => each.key === key && covers(each.context, dot))
      if (!lives && !isReplaced) throw new Violation(`${nameOf(dot)} of ${key} is gone, and nobody has replaced it`)
    }
  }

  private named(key: string, dot: Dot, value: string): void {
    const name = `${key} ${nameOf(dot)}`
    const known = this.valueOfDot.get(name)
    if (known !== undefined && known !== value) throw new Violation(`${name} names both ${known} and ${value}`)
    this.valueOfDot.set(name, value)
  }
}

/** A cluster that runs. */
export class Cluster {
  readonly simulation: Simulation<Wire>
  readonly history = new History()
  readonly nodeIds: readonly ProcessId[]
  readonly clientIds: readonly ProcessId[]
  private readonly plan: ClusterPlan
  private readonly ring: Ring
  private readonly mutant: Mutant | undefined
  private readonly durables = new Map<ProcessId, Durable>()
  private readonly hosts = new Map<ProcessId, Host>()
  private readonly keys: readonly string[]
  private areClientsStopped = false
  private values = 0

  constructor(plan: ClusterPlan, mutant: Mutant | undefined) {
    this.plan = plan
    this.mutant = mutant
    const { seed, faults, nodeCount, clientCount } = plan
    const { network, storage, clock } = faults
    this.simulation = new Simulation<Wire>({ seed, network, storage, clock, digest: digestOf })
    this.nodeIds = Array.from({ length: nodeCount }, (_, i) => i + 1)
    this.clientIds = Array.from({ length: clientCount }, (_, i) => FIRST_CLIENT + i)
    this.keys = Array.from({ length: plan.keyCount }, (_, i) => `key ${i}`)
    this.ring = buildRing(
      this.nodeIds.map((id) => ({ name: `n${id}` })),
      { virtualNodes: 8 },
    )
    for (const id of this.nodeIds) {
      this.durables.set(id, { lives: 0, versions: new Map(), hints: new Map() })
      this.simulation.add(id, () => this.start(id))
    }
    for (const id of this.clientIds) this.simulation.add(id, () => this.client(id))
  }

  /** Demands that replicas become equal and hints arrive, when all faults have ended. */
  converge(): void {
    const { simulation, plan, ring } = this
    this.areClientsStopped = true
    simulation.heal()
    simulation.runFor(3000) // hints are offered
    for (let round = 0; round < 2; round++) {
      for (const key of this.keys)
        this.host(1).ask(0, 0, { kind: 'get', id: 0, get: { key, replicas: plan.replicas, answers: plan.replicas } })
      simulation.runFor(1000)
    }
    for (const key of this.keys) {
      const all = ring
        .preferenceList(key, plan.replicas)
        .map((name) => this.durable(Number(name.slice(1))).versions.get(key) ?? NO_VERSIONS)
      if (all.some((each) => !isSame(each, all[0] as Versions)))
        throw new Violation(`the replicas of ${key} do not agree at last`)
    }
    for (const id of this.nodeIds) {
      const { hints, requests } = this.host(id).node.status
      if (hints + requests > 0) throw new Violation(`n${id} still has ${hints} hints and ${requests} requests`)
    }
  }

  private start(id: ProcessId): Process<Wire> {
    const durable = this.durable(id)
    durable.lives++
    const host = new Host(id, durable, this.simulation, (store, hints) => {
      const { ring, mutant } = this
      const ticks = { requestTicks: 20, hintTicks: 4, offerTicks: 15 }
      return new StoreNode({ name: `n${id}`, ring, life: durable.lives, store, hints, mutant, ...ticks })
    })
    this.hosts.set(id, host)
    return host
  }

  /** Asks one thing after the other, of any node; a request without an answer is given up after a while. */
  private client(id: ProcessId): Process<Wire> {
    const { simulation, plan, history } = this
    const { random } = simulation
    const contexts = new Map<string, VersionVector>()
    let asked = 0
    let ended: ((outcome: Outcome) => void) | undefined
    const next = (): void => {
      simulation.after(id, untilNext(random, plan.thinkMs), () => {
        if (this.areClientsStopped) return
        const number = ++asked
        const key = pick(random, this.keys)
        const sinceMs = simulation.nowMs
        const { replicas } = plan
        let event: Asked
        if (chance(random, plan.readRate)) {
          event = { kind: 'get', id: 0, get: { key, replicas, answers: plan.answers } }
          ended = (outcome) => {
            if (outcome.kind !== 'found') return
            history.found(key, outcome.versions, sinceMs)
            contexts.set(key, outcome.versions.context)
          }
        } else {
          const context = chance(random, plan.blindRate) ? NO_CONTEXT : (contexts.get(key) ?? NO_CONTEXT)
          const value = `${++this.values}`
          history.asks(key, context)
          const put = { key, value: Buffer.from(value), context, replicas, acks: plan.acks, writtenMs: sinceMs }
          event = { kind: 'put', id: 0, put }
          ended = (outcome) => {
            if (outcome.kind === 'written') history.written(key, outcome.dot, value, simulation.nowMs)
          }
        }
        simulation.send(id, pick(random, this.nodeIds), { kind: 'ask', id: number, event })
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

  private host(id: ProcessId): Host {
    return this.hosts.get(id) as Host
  }

  private durable(id: ProcessId): Durable {
    return this.durables.get(id) as Durable
  }
}

/** One life of a node: does what the engine says, on a disk that loses what was not synced. */
class Host implements Process<Wire> {
  readonly node: StoreNode
  private readonly id: ProcessId
  private readonly durable: Durable
  private readonly simulation: Simulation<Wire>
  /** What the node sees: also what is not on disk yet. */
  private readonly visible: Map<string, Versions>
  private readonly asked = new Map<number, { readonly client: ProcessId; readonly id: number }>()
  private nextAsked = 1

  constructor(
    id: ProcessId,
    durable: Durable,
    simulation: Simulation<Wire>,
    open: (store: ReadonlyMap<string, Versions>, hints: Durable['hints']) => StoreNode,
  ) {
    this.id = id
    this.durable = durable
    this.simulation = simulation
    this.visible = new Map(durable.versions)
    this.node = open(this.visible, durable.hints)
    this.tick()
  }

  receive(from: ProcessId, wire: Wire): void {
    if (wire.kind === 'peer') this.step({ kind: 'message', from: `n${from}`, message: wire.message })
    else if (wire.kind === 'ask') this.ask(from, wire.id, wire.event)
  }

  ask(client: ProcessId, id: number, event: Asked): void {
    const own = this.nextAsked++
    this.asked.set(own, { client, id })
    this.step({ ...event, id: own })
  }

  private tick(): void {
    this.simulation.after(this.id, TICK_MS, () => {
      this.step({ kind: 'tick' })
      this.tick()
    })
  }

  private step(event: Event): void {
    for (const effect of this.node.step(event)) this.perform(effect)
  }

  private perform(effect: Effect): void {
    const { simulation, durable, id } = this
    switch (effect.kind) {
      case 'persist': {
        const { key, versions } = effect
        this.visible.set(key, versions)
        this.write(effect.write, () => durable.versions.set(key, versions))
        return
      }
      case 'persistHint': {
        const { target, key, versions } = effect
        this.write(effect.write, () => {
          const kept = durable.hints.get(target) ?? new Map<string, Versions>()
          if (versions === undefined) kept.delete(key)
          else kept.set(key, versions)
          durable.hints.set(target, kept)
        })
        return
      }
      case 'send':
        simulation.send(id, Number(effect.to.slice(1)), { kind: 'peer', message: effect.message })
        return
      case 'reply': {
        const asked = this.asked.get(effect.id)
        this.asked.delete(effect.id)
        if (asked === undefined || asked.client === 0) return
        simulation.send(id, asked.client, { kind: 'told', id: asked.id, outcome: effect.outcome })
      }
    }
  }

  private write(write: number, apply: () => void): void {
    this.simulation.write(
      this.id,
      apply,
      () => this.step({ kind: 'persisted', write }),
      () => {
        const { simulation, id } = this
        simulation.crash(id)
        simulation.later(RESTART_MS, () => simulation.restart(id))
      },
    )
  }
}

function digestOf(wire: Wire): number {
  if (wire.kind !== 'peer') return wire.id
  return wire.message.request.number * 8 + wire.message.kind.length
}

function nameOf({ node, count }: Dot): string {
  return `write ${count} of ${node}`
}

function text(value: Uint8Array | undefined): string {
  return value === undefined ? 'nothing' : new TextDecoder().decode(value)
}
