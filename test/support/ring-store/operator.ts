// Who changes the ring: adds nodes, removes them, replaces them, and takes care of those that are lost.
import type { RingChange } from '../../../ts/distributed/ring/store/index.ts'
import { chance, type Process, type ProcessId, pick, untilNext } from '../../../ts/testing/simulation/index.ts'
import type { Cluster } from './cluster.ts'
import type { Wire } from './host.ts'

/** Between two tries to end what is under way. */
const FINISH_MS = 300
/** How often a change is given up, or a node is lost, where that may be. */
const RARELY = 0.15

/** An operator, in a process of his own. */
export class Operator implements Process<Wire> {
  /** Changes that were decided. */
  changes = 0
  private readonly cluster: Cluster
  private readonly id: ProcessId
  private asked = 0
  private isFinishing = false

  constructor(cluster: Cluster, id: ProcessId) {
    this.cluster = cluster
    this.id = id
  }

  receive(_: ProcessId, wire: Wire): void {
    if (wire.kind === 'told' && wire.outcome.kind === 'changing') this.changes++
  }

  /** Changes the ring every now and then. */
  begin(meanMs: number): void {
    const { simulation } = this.cluster
    simulation.later(untilNext(simulation.random, meanMs), () => {
      if (this.isFinishing) return
      this.act()
      this.begin(meanMs)
    })
  }

  /** Begins nothing more, and sees to it that lost nodes are replaced. */
  finish(): void {
    this.isFinishing = true
    this.mend()
    this.cluster.simulation.later(FINISH_MS, () => this.finish())
  }

  private act(): void {
    const { random } = this.cluster.simulation
    const { ring, next, phase, lost } = this.cluster.record
    const members = ring.nodes.map(({ name }) => idOf(name))
    const isWhole = members.every((id) => !this.cluster.isDead(id)) && lost.length === 0
    if (!isWhole) {
      this.mend()
      return
    }
    // Of two members both are wanted for every change: one of them must not be lost, before a change is over or behind it.
    const staying =
      next === undefined ? members : members.filter((id) => next.nodes.some(({ name }) => idOf(name) === id))
    if (this.cluster.plan.mayLose && staying.length >= 3 && this.outsiders().length > 0 && chance(random, RARELY)) {
      this.cluster.lose(pick(random, staying))
      return
    }
    if (phase !== 'stable') {
      if (phase === 'streaming' && chance(random, RARELY)) this.ask({ kind: 'abort' }, [])
      return
    }
    const change = this.draw(members)
    if (change !== undefined) this.ask(change, [])
  }

  private draw(members: readonly ProcessId[]): RingChange | undefined {
    const { simulation, plan } = this.cluster
    const { random } = simulation
    const outsiders = this.outsiders()
    const kinds = [
      ...(outsiders.length > 0 ? (['add', 'replace'] as const) : []),
      ...(members.length > plan.replicas ? (['remove'] as const) : []),
    ]
    if (kinds.length === 0) return undefined
    const kind = pick(random, kinds)
    const name = nameOf(pick(random, members))
    if (kind === 'remove') return { kind, name }
    const node = { name: nameOf(pick(random, outsiders)) }
    return kind === 'add' ? { kind, node } : { kind, name, node }
  }

  /** What must be done about a node that is lost, as far as it is known. */
  private mend(): void {
    const { record, plan, simulation } = this.cluster
    const members = record.ring.nodes.map(({ name }) => idOf(name))
    const gone = members.find((id) => this.cluster.isDead(id))
    if (gone === undefined) return
    const name = nameOf(gone)
    if (record.phase !== 'stable') {
      if (!record.lost.includes(name)) this.ask({ kind: 'lose', name }, [])
      return
    }
    const outsiders = this.outsiders()
    if (outsiders.length > 0)
      this.ask({ kind: 'replace', name, node: { name: nameOf(pick(simulation.random, outsiders)) } }, [name])
    else if (members.length > plan.replicas) this.ask({ kind: 'remove', name }, [name])
  }

  private outsiders(): ProcessId[] {
    const { record, nodeIds } = this.cluster
    const inside = [...record.ring.nodes, ...(record.next?.nodes ?? [])].map(({ name }) => idOf(name))
    return nodeIds.filter((id) => !inside.includes(id))
  }

  private ask(change: RingChange, lost: readonly string[]): void {
    const { simulation, record } = this.cluster
    const to = pick(
      simulation.random,
      record.ring.nodes.map(({ name }) => idOf(name)),
    )
    simulation.send(this.id, to, { kind: 'ask', id: ++this.asked, event: { kind: 'change', id: 0, change, lost } })
  }
}

function idOf(name: string): ProcessId {
  return Number(name.slice(1))
}

function nameOf(id: ProcessId): string {
  return `n${id}`
}
