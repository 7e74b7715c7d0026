// A node in the simulator whose commands come from clients with sessions.
import {
  type Effect,
  type Entry,
  type Membership,
  type Message,
  type NodeId,
  type Outcome,
  RaftNode,
  type RaftOptions,
  SessionMachine,
  type SessionResult,
} from '../../../ts/distributed/raft/index.ts'
import type { Process } from '../../../ts/testing/simulation/index.ts'
import type { Durable } from './durable.ts'
import type { Invariants } from './invariants.ts'
import { ChainMachine } from './machine.ts'
import { type DriverContext, SimulatedDriver } from './simulated-driver.ts'

/** What a client asks a node. */
export type Body =
  | { readonly kind: 'command'; readonly command: Uint8Array }
  | { readonly kind: 'read'; readonly key: number }

export interface Request {
  readonly kind: 'request'
  readonly number: number
  readonly body: Body
}

export type Answer =
  | { readonly kind: 'result'; readonly result: SessionResult }
  | { readonly kind: 'value'; readonly value: number }
  | { readonly kind: 'failed'; readonly leader: NodeId | undefined }

export interface Response {
  readonly kind: 'response'
  readonly number: number
  readonly answer: Answer
}

export type Wire = Message | Request | Response

export interface HostContext extends DriverContext<Request | Response> {
  readonly invariants: Invariants
  readonly founding: Membership
  readonly raft: Omit<RaftOptions, 'id'>
  /** Hears how requests of the test, with ids below 0, have ended. */
  readonly ended: (id: number, outcome: Outcome) => void
}

/** Who asked, and what. */
interface Asked {
  readonly from: number
  readonly request: Request
}

/** One life of a node. */
export class Host extends SimulatedDriver<Request | Response, SessionResult> implements Process<Wire> {
  readonly node: RaftNode
  readonly chain: ChainMachine
  private readonly machine: SessionMachine
  private readonly context: HostContext
  private asked = new Map<number, Asked>()
  private nextAsked = 1

  constructor(id: NodeId, durable: Durable, context: HostContext) {
    super(id, durable, context)
    this.context = context
    this.chain = new ChainMachine({ isReversed: id % 2 === 0 })
    this.machine = new SessionMachine(this.chain, { mutant: context.raft.mutant })
    const snapshot = this.newestSnapshot
    if (snapshot !== undefined) this.machine.restore(snapshot.bytes)
    this.node = new RaftNode({ ...context.raft, id }, this.startWith(context.founding))
    this.step({ kind: 'tick' })
  }

  /** Entries on its disk. */
  get entryCount(): number {
    return this.durable.entries.length
  }

  receive(from: number, message: Wire): void {
    if (message.kind === 'response') return
    if (message.kind !== 'request') {
      this.step({ kind: 'message', from, message })
      return
    }
    const id = this.nextAsked++
    this.asked.set(id, { from, request: message })
    const { body } = message
    if (body.kind === 'read') this.step({ kind: 'read', ids: [id] })
    else this.step({ kind: 'propose', proposals: [{ id, command: body.command }] })
  }

  protected override apply(entry: Entry): SessionResult | undefined {
    const result = entry.kind === 'command' ? this.machine.apply(entry.command, entry.index) : undefined
    this.context.invariants.applied(this.node, entry, this.chain.digest)
    return result
  }

  protected override restore(snapshot: Uint8Array, index: number): void {
    this.machine.restore(snapshot)
    this.context.simulation.note(`${this.id} restores the snapshot at ${index}`)
    this.context.invariants.restored(this.node, index, this.chain.digest)
  }

  protected override snapshot(): Uint8Array {
    return this.machine.snapshot()
  }

  protected override role({ role, term, leader }: Effect & { kind: 'role' }): void {
    this.context.simulation.note(`${this.id} is ${role} in term ${term}, leader ${leader ?? '?'}`)
  }

  protected override readable(id: number, index: number): void {
    if (id < 0) {
      this.context.ended(id, { kind: 'done', index })
      return
    }
    const asked = this.asked.get(id)
    if (asked?.request.body.kind !== 'read') return
    this.answer(id, { kind: 'value', value: this.chain.read(asked.request.body.key) })
  }

  protected override reply(id: number, outcome: Outcome, result: SessionResult | undefined): void {
    if (id < 0) {
      this.context.ended(id, outcome)
      return
    }
    if (outcome.kind !== 'done') {
      this.answer(id, { kind: 'failed', leader: outcome.leader })
      return
    }
    if (result === undefined) throw new Error(`entry ${outcome.index} is answered and was not applied`)
    this.answer(id, { kind: 'result', result })
  }

  private answer(id: number, answer: Answer): void {
    const asked = this.asked.get(id)
    if (asked === undefined) return
    this.asked.delete(id)
    this.context.simulation.send(this.id, asked.from, { kind: 'response', number: asked.request.number, answer })
  }
}
