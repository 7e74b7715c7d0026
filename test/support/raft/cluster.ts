// A cluster in the simulator: nodes 1 to n, clients from 101 on.
import type {
  Event,
  Membership,
  Message,
  NodeId,
  NodeStatus,
  Outcome,
  RaftOptions,
  Role,
  SettledMembership,
} from '../../../ts/distributed/raft/index.ts'
import {
  checkLinearizable,
  type FaultPlan,
  mix,
  NO_FAULTS,
  type Operation,
  Simulation,
} from '../../../ts/testing/simulation/index.ts'
import { CHAIN_MODEL, Client, type ClientOptions, type Input } from './client.ts'
import { type Durable, damageDisk, drawRotten, newDurable } from './durable.ts'
import { Host, type Wire } from './host.ts'
import { Invariants, Violation } from './invariants.ts'

export interface ClusterOptions {
  readonly seed: number
  /** Ids are 1 to `nodeCount`; those that are not founding members wait to be asked. */
  readonly nodeCount: number
  readonly founding?: Membership
  readonly faults?: FaultPlan
  readonly tickMs?: number
  readonly snapshotEvery?: number
  readonly raft?: Partial<Omit<RaftOptions, 'id' | 'random'>>
  /** Whether what a node says is held against its disk: `Invariants.promised`. Default true. */
  readonly checksPromises?: boolean
  /** How soon each node campaigns, from 0 to 1. */
  readonly patience?: readonly (readonly [NodeId, number])[]
  /** What disks hold before the start. */
  readonly durable?: (id: NodeId) => Durable | undefined
}

const FIRST_CLIENT = 101

export class Cluster {
  readonly simulation: Simulation<Wire>
  readonly invariants = new Invariants()
  readonly history: Operation<Input, number>[] = []
  readonly clients: Client[] = []
  readonly outcomes = new Map<number, Outcome>()
  readonly nodeIds: readonly NodeId[]
  /** How soon each node campaigns, from 0 to 1; drawn if it is not set. */
  readonly patience = new Map<NodeId, number>()
  /** Sees every message between nodes; false loses it. */
  filter: (from: NodeId, to: NodeId, message: Message) => boolean = () => true
  private readonly hosts = new Map<NodeId, Host>()
  private readonly disks = new Map<NodeId, Durable>()
  /** What changes of membership that were asked for say that they replace. */
  private readonly replaced = new Map<number, SettledMembership>()
  private nextRequest = -1

  constructor(options: ClusterOptions) {
    const faults = options.faults ?? NO_FAULTS
    this.simulation = new Simulation<Wire>({
      seed: options.seed,
      network: faults.network,
      storage: faults.storage,
      clock: faults.clock,
      digest: digestOf,
    })
    for (const [id, patience] of options.patience ?? []) this.patience.set(id, patience)
    this.nodeIds = Array.from({ length: options.nodeCount }, (_, i) => i + 1)
    const founding = options.founding ?? { voters: this.nodeIds, outgoing: [], learners: [] }
    for (const id of this.nodeIds) {
      const durable = options.durable?.(id) ?? newDurable()
      const random = {
        next: () => this.patience.get(id) ?? this.simulation.random.next(),
        bytes: (count: number) => this.simulation.random.bytes(count),
      }
      this.disks.set(id, durable)
      this.simulation.add(id, () => {
        // The journal's checksums say what is damaged. A node with less than it has promised must not take part.
        if (this.isLost(id)) {
          this.simulation.note(`${id} does not start: ${durable.damage} is damaged`)
          return undefined
        }
        const host: Host = new Host(id, durable, {
          simulation: this.simulation,
          invariants: this.invariants,
          founding,
          tickMs: options.tickMs ?? 10,
          snapshotEvery: options.snapshotEvery ?? Number.POSITIVE_INFINITY,
          checksPromises: options.checksPromises ?? true,
          raft: { ...options.raft, random },
          mayLeave: (from, to, message) => this.filter(from, to, message),
          failed: (code) => {
            this.simulation.note(`${id} ends: ${code}`)
            // This life alone: it may say so twice, and the next one has begun by then.
            this.simulation.later(0, () => {
              if (this.hosts.get(id) === host) this.simulation.crash(id)
            })
          },
          ended: (request, outcome) => {
            this.outcomes.set(request, outcome)
            const replaced = this.replaced.get(request)
            if (replaced !== undefined && outcome.kind === 'done') {
              this.invariants.changed(outcome.index, replaced, founding)
            }
          },
        })
        this.hosts.set(id, host)
        return host
      })
    }
  }

  addClient(options: Partial<Omit<ClientOptions, 'id' | 'simulation' | 'history'>> = {}): Client {
    const id = FIRST_CLIENT + this.clients.length
    let made: Client | undefined
    this.simulation.add(id, () => {
      made = new Client({
        nodes: () => this.nodeIds,
        keyCount: 3,
        timeoutMs: 300,
        thinkMs: 5,
        readRate: 0.3,
        ...options,
        id,
        simulation: this.simulation,
        history: this.history,
      })
      return made
    })
    this.clients.push(made as Client)
    return made as Client
  }

  /** What the node had on disk is damaged: it ends for good. */
  isLost(id: NodeId): boolean {
    return this.disks.get(id)?.damage !== undefined
  }

  /** Damages the disk of a node. @param rots - What rots; drawn if it is not said. @returns False if nothing that would show is there. */
  damage(kind: 'rot' | 'wipe', id: NodeId, rots?: 'snapshot' | 'journal'): boolean {
    const { simulation } = this
    const durable = this.disks.get(id) as Durable
    if (!damageDisk(durable, kind, rots ?? drawRotten(durable, simulation.random))) return false
    simulation.note(`the disk of ${id} is damaged: ${durable.damage}`)
    if (kind === 'wipe') simulation.crash(id)
    return true
  }

  /** What no driver may do: goes on with a disk on which everything from `index` on is missing, and the vote as well. */
  forget(id: NodeId, index: number): void {
    const durable = this.disks.get(id) as Durable
    durable.damage = undefined
    durable.entries = durable.entries.filter((entry) => entry.index < index)
    durable.hardState = { term: durable.entries.at(-1)?.term ?? 0, votedFor: undefined }
  }

  get clientIds(): number[] {
    return this.clients.map((_, i) => FIRST_CLIENT + i)
  }

  status(id: NodeId): NodeStatus {
    return this.host(id).node.status
  }

  host(id: NodeId): Host {
    return this.hosts.get(id) as Host
  }

  /** Nodes that are up and in `role`, the highest term first. */
  inRole(role: Role): NodeId[] {
    const found = this.nodeIds.filter((id) => this.simulation.isUp(id) && this.status(id).role === role)
    return found.sort((a, b) => this.status(b).term - this.status(a).term)
  }

  get leader(): NodeId | undefined {
    return this.inRole('leader')[0]
  }

  /** Runs until there is a leader that a majority follows, and returns it. */
  elect(mostMs = 10_000): NodeId {
    const isElected = (): boolean => {
      const { leader } = this
      if (leader === undefined) return false
      const { commitIndex, term } = this.status(leader)
      return this.host(leader).node.termAt(commitIndex) === term
    }
    if (!this.simulation.runUntil(isElected, mostMs)) throw new Violation('liveness', `no leader within ${mostMs} ms`)
    return this.leader as NodeId
  }

  /** Gives a node an event of the test. @returns The id under which `outcomes` will have its end. */
  ask(id: NodeId, make: (request: number) => Event): number {
    const request = this.nextRequest--
    const event = make(request)
    if (event.kind === 'change' && event.replaces !== undefined) this.replaced.set(request, event.replaces)
    this.host(id).step(event)
    return request
  }

  /** Ends all faults and sees that the cluster comes to rest: one state, no client without an answer. */
  converge(mostMs: number): void {
    this.simulation.heal()
    for (const client of this.clients) client.isStopping = true
    if (this.simulation.runUntil(() => this.isAtRest(), mostMs)) return
    const states = this.nodeIds.map((id) => JSON.stringify(this.status(id)))
    const busy = this.clients.filter((client) => !client.isIdle).length
    throw new Violation(
      'liveness',
      `not at rest ${mostMs} ms after all faults ended; ${busy} clients wait\n${states.join('\n')}`,
    )
  }

  /** Sees that clients saw one state that changed in one order. @returns False if that took too long to say. */
  checkHistory(): boolean {
    const open = this.clients.flatMap((client) => client.open ?? [])
    const verdict = checkLinearizable([...this.history, ...open], CHAIN_MODEL)
    if (verdict.outcome === 'not linearizable') {
      throw new Violation('linearizability', `of key ${verdict.key}, in ${this.history.length} operations`)
    }
    return verdict.outcome === 'linearizable'
  }

  private isAtRest(): boolean {
    const { leader } = this
    if (leader === undefined || this.clients.some((client) => !client.isIdle)) return false
    const { lastIndex, appliedIndex, membership } = this.status(leader)
    const members = [...membership.voters, ...membership.learners]
    return (
      appliedIndex === lastIndex &&
      membership.outgoing.length === 0 &&
      members.every((id) => this.isLost(id) || this.status(id).appliedIndex === lastIndex)
    )
  }
}

export function describeWire(wire: unknown): string {
  const message = wire as Wire
  if (message.kind === 'append') {
    const { term, prevIndex, entries, commit } = message
    return `append term ${term}, ${entries.length} after ${prevIndex}, commit ${commit}`
  }
  if (message.kind === 'request') return `request ${message.number} ${message.body.kind}`
  if (message.kind === 'response') return `response ${message.number} ${message.answer.kind}`
  const fields = Object.entries(message).filter(([name, value]) => name !== 'kind' && typeof value !== 'object')
  return `${message.kind} ${fields.map(([name, value]) => `${name} ${value}`).join(', ')}`
}

function digestOf(message: Wire): number {
  switch (message.kind) {
    case 'request':
    case 'response':
      return message.number
    case 'appended':
      return mix(message.term, message.match)
    case 'append':
    case 'refused':
      return mix(message.term, message.prevIndex)
    default:
      return mix(message.kind.length, message.term)
  }
}
