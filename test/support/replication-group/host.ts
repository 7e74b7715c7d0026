// A member of a replicated group in the simulator: the engine, and reads with guarantees, as the group and the server do it, without
// promises.
import type {
  Effect,
  Entry,
  Event,
  LogIndex,
  Membership,
  Message,
  NodeId,
  Outcome,
  Position,
  RaftOptions,
} from '../../../ts/distributed/raft/index.ts'
import {
  Freshness,
  ReplicationNode,
  type ReplicationOptions,
  type ReplicationStatus,
} from '../../../ts/distributed/replication/index.ts'
import type { Mutant } from '../../../ts/distributed/replication/mutant.ts'
import type { Process } from '../../../ts/testing/simulation/index.ts'
import type { Durable } from '../raft/durable.ts'
import type { Invariants } from '../raft/invariants.ts'
import { type DriverContext, SimulatedDriver } from '../raft/simulated-driver.ts'
import { OverlayMachine } from './machine.ts'
import type { Guarantee, Observer } from './observer.ts'

export type Body =
  | { readonly kind: 'write'; readonly command: Uint8Array }
  | {
      readonly kind: 'read'
      readonly key: number
      readonly guarantee: Guarantee
      readonly session: Position | undefined
      readonly maxStalenessMs: number
    }

export interface Request {
  readonly kind: 'request'
  readonly number: number
  readonly body: Body
}

export type Answer =
  | { readonly kind: 'written'; readonly position: Position }
  | { readonly kind: 'value'; readonly value: number; readonly position: Position }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'failed'; readonly leader: NodeId | undefined; readonly missing: readonly NodeId[] }

export interface Response {
  readonly kind: 'response'
  readonly number: number
  readonly answer: Answer
}

/** A follower asks its leader for a position to read at. */
export interface Ask {
  readonly kind: 'ask'
  readonly number: number
}

export interface Told {
  readonly kind: 'told'
  readonly number: number
  readonly position: Position
}

type Other = Request | Response | Ask | Told
export type Wire = Message | Other

export interface HostContext extends DriverContext<Other> {
  readonly invariants: Invariants
  readonly observer: Observer
  readonly members: readonly NodeId[]
  readonly raft: Omit<RaftOptions, 'id'>
  readonly replication: ReplicationOptions
  readonly mutant: Mutant | undefined
  /** A write is about to be acknowledged. */
  readonly acknowledged: (by: NodeId, position: Position) => void
}

/** A read that waits until the state is what it asks for. */
interface Waiting {
  readonly from: number
  readonly request: Request
  readonly body: Body & { kind: 'read' }
  readonly deadlineMs: number
  /** Of a linearizable read, once the leader has named it. */
  position: Position | undefined
}

const WAIT_MS = 400
const ASK_MS = 60

/** What a host asks after every event; a whole status would be a third of the time that a run takes. */
class Node extends ReplicationNode {
  get inForce(): { membership: Membership; lastIndex: LogIndex; appliedIndex: LogIndex } {
    return { membership: this.log.membership, lastIndex: this.log.lastIndex, appliedIndex: this.appliedIndex }
  }
}

/** One life of a member. */
export class Host extends SimulatedDriver<Other> implements Process<Wire> {
  readonly node: Node
  readonly machine = new OverlayMachine()
  readonly roles: { role: string; term: number; leader: NodeId | undefined }[] = []
  private readonly context: HostContext
  private readonly freshness: Freshness
  /** What becomes of what the engine was asked, by its number. */
  private readonly asked = new Map<number, (outcome: Outcome) => void>()
  /** Questions to the leader. */
  private readonly questions = new Map<number, (position: Position) => void>()
  /** That were in force in this life, and where the log ended then. */
  private memberships: { readonly membership: Membership; readonly lastIndex: LogIndex }[] = []
  private waiting: Waiting[] = []
  private askingUntilMs = 0
  private next = 1

  constructor(id: NodeId, durable: Durable, context: HostContext) {
    super(id, durable, context)
    this.context = context
    this.freshness = new Freshness({ mutant: context.mutant })
    const snapshot = this.newestSnapshot
    if (snapshot !== undefined) this.machine.restore(snapshot.bytes)
    this.node = new Node(
      { ...context.raft, id },
      { ...context.replication, mutant: context.mutant },
      this.startWith({ voters: context.members, outgoing: [], learners: [] }),
    )
    this.step({ kind: 'tick' })
  }

  receive(from: number, message: Wire): void {
    switch (message.kind) {
      case 'response':
        return
      case 'told':
        this.questions.get(message.number)?.(message.position)
        this.questions.delete(message.number)
        this.look()
        return
      case 'ask': {
        const { number } = message
        this.ask('read', (outcome) => {
          if (outcome.kind !== 'done') return
          const position = this.node.positionOf(outcome.index)
          this.context.simulation.send(this.id, from, { kind: 'told', number, position })
        })
        return
      }
      case 'request':
        this.request(from, message)
        return
      default:
        this.step({ kind: 'message', from, message })
    }
  }

  override step(event: Event): void {
    super.step(event)
    this.noteMembership()
    this.look()
  }

  /** All that were in force since the log had entry `index`. */
  membershipsSince(index: LogIndex): Membership[] {
    this.noteMembership()
    const first = this.memberships.findLastIndex(({ lastIndex }) => lastIndex < index)
    return this.memberships.slice(Math.max(0, first)).map(({ membership }) => membership)
  }

  get status(): ReplicationStatus {
    this.node.statusAt(this.nowTick)
    return this.node.status
  }

  /** What a read of this member sees now. */
  get position(): Position {
    return this.node.readable
  }

  private noteMembership(): void {
    const { membership, lastIndex } = this.node.inForce
    if (this.memberships.at(-1)?.membership !== membership) this.memberships.push({ membership, lastIndex })
  }

  // ---- Clients

  private request(from: number, request: Request): void {
    const { body } = request
    if (body.kind === 'write') {
      this.ask(body.command, (outcome) => this.answer(from, request, this.writeAnswer(outcome)))
      return
    }
    const waiting: Waiting = { from, request, body, deadlineMs: this.nowMs + WAIT_MS, position: undefined }
    this.waiting.push(waiting)
    if (body.guarantee === 'linearizable') {
      this.askLeader((position) => {
        waiting.position = position
      })
    }
    this.look()
  }

  private writeAnswer(outcome: Outcome): Answer {
    if (outcome.kind !== 'done') {
      const missing = outcome.kind === 'unknown' ? (outcome.missing ?? []) : []
      return { kind: 'failed', leader: outcome.leader, missing }
    }
    const position = this.node.positionOf(outcome.index)
    this.context.acknowledged(this.id, position)
    return { kind: 'written', position }
  }

  /** Answers what may be answered by now. */
  private look(): void {
    if (this.waiting.length === 0) return
    const { waiting } = this
    this.waiting = []
    for (const each of waiting) if (!this.mayAnswer(each)) this.waiting.push(each)
  }

  private mayAnswer(waiting: Waiting): boolean {
    const { from, request, body, deadlineMs, position } = waiting
    const end = (answer: Answer): true => {
      this.answer(from, request, answer)
      return true
    }
    if (this.nowMs > deadlineMs) return end({ kind: 'failed', leader: this.node.standing.leader, missing: [] })
    const covers = (each: Position) => this.node.covers(each)
    switch (body.guarantee) {
      case 'none':
        return end(this.value(body.key))
      case 'linearizable':
        if (position === undefined || covers(position) !== 'covered') return false
        return end(this.value(body.key))
      case 'session': {
        const coverage = body.session === undefined ? 'covered' : covers(body.session)
        if (coverage === 'behind') return false
        return end(coverage === 'covered' ? this.value(body.key) : { kind: 'conflict' })
      }
      default: {
        if (this.freshness.isWithin(body.maxStalenessMs, this.nowMs, covers)) return end(this.value(body.key))
        this.refresh()
        return false
      }
    }
  }

  private value(key: number): Answer {
    return { kind: 'value', value: this.machine.read(key), position: this.node.readable }
  }

  private refresh(): void {
    const askedAtMs = this.nowMs
    if (askedAtMs < this.askingUntilMs) return
    this.askingUntilMs = askedAtMs + ASK_MS
    this.askLeader((position) => {
      this.askingUntilMs = 0
      this.freshness.learned({ askedAtMs, nowMs: this.nowMs, position })
    })
  }

  private askLeader(then: (position: Position) => void): void {
    const { role, leader } = this.node.standing
    if (role === 'leader') {
      this.ask('read', (outcome) => {
        if (outcome.kind === 'done') then(this.node.positionOf(outcome.index))
      })
      return
    }
    if (leader === undefined) return
    const number = this.next++
    this.questions.set(number, then)
    this.context.simulation.send(this.id, leader, { kind: 'ask', number })
  }

  private ask(what: 'read' | Uint8Array, then: (outcome: Outcome) => void): void {
    const id = this.next++
    this.asked.set(id, then)
    this.step(what === 'read' ? { kind: 'read', ids: [id] } : { kind: 'propose', proposals: [{ id, command: what }] })
  }

  private answer(to: number, { number }: Request, answer: Answer): void {
    this.context.simulation.send(this.id, to, { kind: 'response', number, answer })
  }

  // ---- Effects

  protected override apply(entry: Entry): undefined {
    if (entry.kind === 'command') this.machine.apply(entry.command, entry.index)
    this.context.invariants.applied(this.node, entry, this.machine.digest)
  }

  protected override show(entries: readonly Entry[]): void {
    for (const entry of entries) if (entry.kind === 'command') this.machine.show(entry.command, entry.index)
  }

  protected override hide(from: number): void {
    this.context.simulation.note(`${this.id} hides from ${from}`)
    this.machine.hide(from)
  }

  protected override restore(snapshot: Uint8Array, index: number): void {
    this.machine.restore(snapshot)
    this.context.invariants.restored(this.node, index, this.machine.digest)
  }

  protected override snapshot(): Uint8Array {
    return this.machine.snapshot()
  }

  protected override readable(id: number, index: number): void {
    this.reply(id, { kind: 'done', index })
  }

  protected override reply(id: number, outcome: Outcome): void {
    const then = this.asked.get(id)
    this.asked.delete(id)
    then?.(outcome)
  }

  protected override role(change: Effect & { kind: 'role' }): void {
    this.roles.push(change)
    const { role, term, leader } = change
    this.context.simulation.note(`${this.id} is ${role} in term ${term}, leader ${leader ?? '?'}`)
  }

  protected override logged(entries: readonly Entry[]): void {
    this.context.observer.logged(this.node, entries)
  }
}
