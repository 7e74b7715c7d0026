// A replicated group in the simulator: members 1 to n, clients from 101 on.
import type { Event, Message, NodeId, Position, RaftOptions } from '../../../ts/distributed/raft/index.ts'
import type { Mode, ReplicationOptions, ReplicationStatus } from '../../../ts/distributed/replication/index.ts'
import type { Mutant } from '../../../ts/distributed/replication/mutant.ts'
import { type FaultPlan, mix, NO_FAULTS, Simulation } from '../../../ts/testing/simulation/index.ts'
import { type Durable, damageDisk, drawRotten, newDurable } from '../raft/durable.ts'
import { Invariants, Violation } from '../raft/invariants.ts'
import { Client, type ClientOptions } from './client.ts'
import { type Answer, type Body, Host, type Wire } from './host.ts'
import { encodeWrite } from './machine.ts'
import { Observer } from './observer.ts'

export interface GroupOptions {
  readonly seed: number
  readonly mode: Mode
  /** Founding members, from 1. */
  readonly nodeCount?: number
  /** Nodes with empty disks behind them, which wait to be asked. Default 0. */
  readonly spareCount?: number
  readonly faults?: FaultPlan
  readonly tickMs?: number
  readonly snapshotEvery?: number
  readonly raft?: Partial<Omit<RaftOptions, 'id' | 'random'>>
  readonly replication?: Omit<ReplicationOptions, 'mode' | 'mutant'>
  readonly mutant?: Mutant | undefined
  /** How soon each member campaigns, from 0 to 1; drawn if it is not set. */
  readonly patience?: readonly number[]
}

const FIRST_CLIENT = 101
/** Who asks for what a story tells. */
const TELLER = 100

export class ReplicationGroup {
  readonly simulation: Simulation<Wire>
  readonly invariants = new Invariants()
  readonly observer: Observer
  readonly clients: Client[] = []
  readonly nodeIds: readonly NodeId[]
  /** What members have answered to `ask`, by its number. */
  readonly answers = new Map<number, Answer>()
  /** Sees every message between members; false loses it. */
  filter: (from: NodeId, to: NodeId, message: Message) => boolean = () => true
  private asked = 0
  private readonly options: GroupOptions
  private readonly hosts = new Map<NodeId, Host>()
  private readonly disks = new Map<NodeId, Durable>()
  private isHealed = false

  constructor(options: GroupOptions) {
    const { faults = NO_FAULTS, nodeCount = 3, spareCount = 0, patience, mutant, mode } = options
    this.options = options
    this.observer = new Observer(mode)
    this.simulation = new Simulation<Wire>({
      seed: options.seed,
      ...{ network: faults.network, storage: faults.storage, clock: faults.clock, digest: digestOf },
    })
    this.nodeIds = Array.from({ length: nodeCount + spareCount }, (_, i) => i + 1)
    const founders = this.nodeIds.slice(0, nodeCount)
    for (const id of this.nodeIds) {
      const durable = newDurable()
      this.disks.set(id, durable)
      const random = {
        next: () => patience?.[id - 1] ?? this.simulation.random.next(),
        bytes: (count: number) => this.simulation.random.bytes(count),
      }
      this.simulation.add(id, () => {
        if (this.isLost(id)) return undefined // a node with less than it has promised must not take part
        const host: Host = new Host(id, durable, {
          simulation: this.simulation,
          invariants: this.invariants,
          observer: this.observer,
          members: founders,
          tickMs: options.tickMs ?? 10,
          snapshotEvery: options.snapshotEvery ?? Number.POSITIVE_INFINITY,
          checksPromises: mutant === undefined,
          raft: { ...options.raft, random },
          replication: { ...options.replication, mode },
          mutant,
          failed: (code) => {
            this.simulation.note(`${id} ends: ${code}`)
            this.simulation.later(0, () => {
              if (this.hosts.get(id) !== host) return // it says so twice, and the next life has begun
              this.simulation.crash(id)
              if (this.isHealed) this.simulation.restart(id) // its disk was full just before all faults ended
            })
          },
          acknowledged: (by, position) => this.checkDisks(by, position),
          mayLeave: (from, to, message) => this.filter(from, to, message),
        })
        this.hosts.set(id, host)
        return host
      })
    }
    this.simulation.add(TELLER, () => ({
      receive: (_, message) => {
        if (message.kind === 'response') this.answers.set(message.number, message.answer)
      },
    }))
  }

  addClient(options: Partial<Omit<ClientOptions, 'id' | 'simulation' | 'observer'>> = {}): Client {
    const id = FIRST_CLIENT + this.clients.length
    let made: Client | undefined
    this.simulation.add(id, () => {
      made = new Client({
        nodes: () => this.nodeIds,
        ...{ keyCount: 3, timeoutMs: 500, thinkMs: 5, readRate: 0.5, maxStalenessMs: 100, maxDrift: 0 },
        guarantees: ['linearizable', 'session', 'bounded', 'none'],
        ...options,
        id,
        simulation: this.simulation,
        observer: this.observer,
      })
      return made
    })
    this.clients.push(made as Client)
    return made as Client
  }

  get clientIds(): number[] {
    return this.clients.map((_, i) => FIRST_CLIENT + i)
  }

  status(id: NodeId): ReplicationStatus {
    return this.host(id).status
  }

  host(id: NodeId): Host {
    return this.hosts.get(id) as Host
  }

  /** Those that are up and lead, the highest term first. */
  get leaders(): NodeId[] {
    const standing = (id: NodeId) => this.host(id).node.standing
    const leading = this.nodeIds.filter((id) => this.simulation.isUp(id) && standing(id).role === 'leader')
    return leading.sort((a, b) => standing(b).term - standing(a).term)
  }

  get leader(): NodeId | undefined {
    return this.leaders[0]
  }

  /** What the node had on disk is damaged: it ends for good. */
  isLost(id: NodeId): boolean {
    return this.disks.get(id)?.damage !== undefined
  }

  /** Damages the disk of a node. @returns False if nothing that would show is there. */
  damage(kind: 'rot' | 'wipe', id: NodeId): boolean {
    const { simulation } = this
    const durable = this.disks.get(id) as Durable
    if (!damageDisk(durable, kind, drawRotten(durable, simulation.random))) return false
    simulation.note(`the disk of ${id} is damaged: ${durable.damage}`)
    if (kind === 'wipe') simulation.crash(id)
    return true
  }

  /** Runs until `isDone`. @throws Violation if that takes longer than `mostMs`. */
  waitFor(what: string, isDone: () => boolean, mostMs = 5000): void {
    if (!this.simulation.runUntil(isDone, mostMs)) throw new Violation('liveness', `${what}: not within ${mostMs} ms`)
  }

  /** Runs until a leader has committed in its term. */
  elect(): NodeId {
    this.waitFor('a leader', () => {
      const { leader } = this
      return (
        leader !== undefined &&
        this.host(leader).node.termAt(this.status(leader).commitIndex) === this.status(leader).term
      )
    })
    return this.leader as NodeId
  }

  step(id: NodeId, event: Event): void {
    this.host(id).step(event)
  }

  /** Asks a member, as a client would. @returns The number that `answers` will have its answer under. */
  ask(id: NodeId, body: Body): number {
    const number = ++this.asked
    this.simulation.send(TELLER, id, { kind: 'request', number, body })
    return number
  }

  /** Asks, and waits for the answer. @throws Violation if none comes. */
  answerOf(id: NodeId, body: Body, mostMs = 3000): Answer {
    const number = this.ask(id, body)
    this.waitFor(`an answer of ${id}`, () => this.answers.has(number), mostMs)
    return this.answers.get(number) as Answer
  }

  write(id: NodeId, key: number, value: number): Answer {
    return this.answerOf(id, { kind: 'write', command: encodeWrite({ key, value }) })
  }

  read(id: NodeId, key: number, how: Partial<Body & { kind: 'read' }> = {}): Answer {
    return this.answerOf(id, { kind: 'read', key, guarantee: 'none', session: undefined, maxStalenessMs: 0, ...how })
  }

  /** Lets nothing pass between `some` and the other members. @returns What undoes it. */
  cutOff(...some: NodeId[]): () => void {
    return this.simulation.network.separate(
      some,
      this.nodeIds.filter((id) => !some.includes(id)),
    )
  }

  /** Says whether a disk has what a position names, or had when it was damaged. */
  holds(id: NodeId, position: Position): boolean {
    const { entries, snapshots } = this.disks.get(id) as Durable
    if (Math.max(0, ...snapshots.keys()) >= position.index) return true
    return entries.some(({ index, term }) => index === position.index && term === position.term)
  }

  /** Ends all faults, and sees that the group comes to rest and has kept its promises. */
  converge(mostMs: number): void {
    this.isHealed = true
    this.simulation.heal()
    for (const client of this.clients) client.isStopping = true
    this.waitFor('rest after all faults ended', () => this.isAtRest(), mostMs)
    const leader = this.leader as NodeId
    const digests = new Set(this.membersOf(leader).map((id) => this.host(id).machine.digest))
    if (digests.size !== 1) throw new Violation('convergence', `members are at rest in ${digests.size} states`)
    this.observer.check(this.host(leader).position)
  }

  /** What was acknowledged is on as many disks as the mode says. */
  private checkDisks(by: NodeId, position: Position): void {
    const { mode } = this.options
    const holding = this.nodeIds.filter((id) => this.holds(id, position))
    const isMost = (voters: readonly NodeId[]): boolean =>
      voters.filter((id) => holding.includes(id)).length >= (voters.length >> 1) + 1
    const { voters, outgoing } = this.host(by).node.inForce.membership
    const isKept = {
      async: () => holding.includes(by),
      sync: () => [...voters, ...outgoing].every((id) => holding.includes(id)),
      // It was committed by a membership that was in force since, and stays so in those that follow.
      'semi-sync': () =>
        this.host(by)
          .membershipsSince(position.index)
          .some((each) => isMost(each.voters)),
    }[mode]()
    if (isKept) return
    const where = holding.length === 0 ? 'on no disk' : `on the disks of ${holding.join(', ')}`
    throw new Violation('acknowledgement', `${by} acknowledges ${position.index}, which is ${where}, in mode ${mode}`)
  }

  private isAtRest(): boolean {
    if (this.clients.some((client) => !client.isIdle)) return false
    const { leader } = this
    if (leader === undefined) return false
    const { lastIndex, membership } = this.host(leader).node.inForce
    if (membership.outgoing.length > 0) return false
    return this.membersOf(leader).every((id) => {
      const member = this.host(id).node.inForce
      return member.appliedIndex === lastIndex && member.lastIndex === lastIndex
    })
  }

  /** Members as a node knows them, without those that are lost. */
  private membersOf(id: NodeId): NodeId[] {
    const { voters, learners } = this.host(id).node.inForce.membership
    return [...voters, ...learners].filter((each) => !this.isLost(each))
  }
}

export function describeWire(wire: unknown): string {
  const message = wire as Wire
  if (message.kind === 'append') {
    const { term, prevIndex, entries, commit } = message
    return `append term ${term}, ${entries.length} after ${prevIndex}, commit ${commit}`
  }
  const fields = Object.entries(message).filter(([name, value]) => name !== 'kind' && typeof value !== 'object')
  return `${message.kind} ${fields.map(([name, value]) => `${name} ${value}`).join(', ')}`
}

function digestOf(message: Wire): number {
  switch (message.kind) {
    case 'request':
    case 'response':
    case 'ask':
    case 'told':
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
