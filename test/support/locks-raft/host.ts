// A member of the lock service in the simulator: the engine of Raft, the state on a disk that loses what was not synced, the clock
// of leases, and watches. What asks and answers is here as the driver and the group do it, without promises.
import { Command, decodeCommand } from '../../../ts/distributed/locks/command.ts'
import { endOf, LeaseClock } from '../../../ts/distributed/locks/lease-clock.ts'
import type { Mutant as LocksMutant } from '../../../ts/distributed/locks/mutant.ts'
import type { Backend } from '../../../ts/distributed/locks/mvcc/backend.ts'
import { LocksMachine } from '../../../ts/distributed/locks/replicated/index.ts'
import { answerQuery } from '../../../ts/distributed/locks/replicated/queries.ts'
import { rangeRequest } from '../../../ts/distributed/locks/server/turn.ts'
import { WatchHub } from '../../../ts/distributed/locks/watches.ts'
import {
  type Effect,
  type Entry,
  type Message,
  type NodeId,
  type Outcome,
  RaftNode,
  type RaftOptions,
} from '../../../ts/distributed/raft/index.ts'
import { lacks } from '../../../ts/storage/mutant.ts'
import type { Process } from '../../../ts/testing/simulation/index.ts'
import type { Durable } from '../raft/durable.ts'
import { type DriverContext, SimulatedDriver } from '../raft/simulated-driver.ts'
import type { Observations } from './observations.ts'
import { SimulatedBackend } from './simulated-backend.ts'

/** What a client asks of any node. */
export type Body =
  | { readonly kind: 'command'; readonly command: Uint8Array }
  | { readonly kind: 'read'; readonly key: string }
  /** What the leader alone answers; see replicated/queries.ts. */
  | { readonly kind: 'query'; readonly query: Uint8Array }

export interface Request {
  readonly kind: 'request'
  readonly number: number
  readonly body: Body
}

export type Answer =
  | { readonly kind: 'result'; readonly bytes: Uint8Array }
  | { readonly kind: 'value'; readonly value: string; readonly revision: number }
  /** `isCertain`: nothing has happened, and nothing will. */
  | { readonly kind: 'failed'; readonly isCertain: boolean }

export interface Response {
  readonly kind: 'response'
  readonly number: number
  readonly answer: Answer
}

/** What members ask the leader for others: an index to read at, or an answer of its own. */
interface Ask {
  readonly kind: 'ask'
  readonly number: number
  readonly query: Uint8Array | undefined
}

interface Told {
  readonly kind: 'told'
  readonly number: number
  readonly index: number
  readonly answer: Uint8Array
}

/** A command that its member could not propose where it is, and that a leader it knows may take. */
interface Forward {
  readonly kind: 'forward'
  readonly number: number
  readonly command: Uint8Array
}

type Other = Request | Response | Ask | Told | Forward
export type Wire = Message | Other

export interface HostContext extends DriverContext<Other> {
  readonly observations: Observations
  readonly founders: readonly NodeId[]
  readonly raft: Omit<RaftOptions, 'id'>
  readonly mutant: LocksMutant | undefined
}

/** What of a node outlives a crash. */
export interface Disk {
  readonly durable: Durable
  readonly records: Backend
}

type Then = (outcome: Outcome, result: Uint8Array | undefined) => void

const EXPIRY_MS = 100
const RETRY_MS = 30
const REQUEST_MS = 5000
const NO_BYTES = new Uint8Array(0)
const BOUNDS = { maxTxnOps: 128, quotaBytes: 1e9 }

/** One life of a member. */
export class LocksHost extends SimulatedDriver<Other, Uint8Array> implements Process<Wire> {
  readonly node: RaftNode
  readonly machine: LocksMachine
  readonly hub: WatchHub
  readonly leases: LeaseClock
  readonly #context: HostContext
  readonly #pending = new Map<number, Then>()
  readonly #asked = new Map<number, (told: Told) => void>()
  #reads: { index: number; read: () => void }[] = []
  #next = 1

  constructor(id: NodeId, { durable, records }: Disk, context: HostContext) {
    super(id, durable, context)
    this.#context = context
    const { mutant, raft, founders } = context
    this.leases = new LeaseClock(mutant)
    let hub: WatchHub | undefined
    this.machine = new LocksMachine({
      ...{ ...BOUNDS, mutant },
      backend: new SimulatedBackend(records, (apply) => this.write(apply)),
      onApplied: (command, applied) => {
        const { result, events } = applied
        this.leases.applied(command, applied, this.nowMs)
        if (events.length > 0) {
          context.observations.applied(this.id, events, result.revision)
          hub?.publish(events, result.revision)
        }
      },
      onRestored: () => hub?.replace(this.machine.state.store),
    })
    const snapshot = this.newestSnapshot
    if (snapshot !== undefined) this.machine.restore(snapshot.bytes, snapshot.meta.index)
    hub = new WatchHub(this.machine.state.store, mutant)
    this.hub = hub
    this.node = new RaftNode({ ...raft, id }, this.startWith({ voters: founders, outgoing: [], learners: [] }))
    this.step({ kind: 'tick' })
    this.#expireLater()
  }

  receive(from: number, message: Wire): void {
    switch (message.kind) {
      case 'response':
        return
      case 'request':
        if (this.#context.observations.isFirst(from, message.number)) this.#request(from, message)
        return
      case 'ask':
        this.#tell(message, (told) => this.#context.simulation.send(this.id, from, told))
        return
      case 'forward':
        if (this.#context.observations.isFirst(from, message.number)) this.#proposeBytes(message.command, () => {})
        return
      case 'told': {
        const then = this.#asked.get(message.number)
        this.#asked.delete(message.number)
        then?.(message)
        return
      }
      default:
        this.step({ kind: 'message', from, message })
    }
  }

  /** A command of this member's own. */
  propose(command: Command, then: Then = () => {}): void {
    this.#proposeBytes(Command.encode({ ...command, authRevision: this.machine.state.users.revision }), then)
  }

  #proposeBytes(command: Uint8Array, then: Then): void {
    this.step({ kind: 'propose', proposals: [{ id: this.#number(then), command }] })
  }

  /** As a group does it: what was certainly not done is tried again, wherever there is a leader then. */
  #proposeAnywhere(command: Uint8Array, untilMs: number, failed: () => void): void {
    const { simulation, observations } = this.#context
    const { leader } = this.node.status
    if (leader === undefined || leader === this.id) {
      this.#proposeBytes(command, ({ kind }) => {
        if (kind === 'done') return
        if (kind === 'unknown' || this.nowMs >= untilMs) failed()
        else simulation.after(this.id, RETRY_MS, () => this.#proposeAnywhere(command, untilMs, failed))
      })
    } else {
      simulation.send(this.id, leader, { kind: 'forward', number: observations.nextNumber(), command })
    }
  }

  #number(then: Then): number {
    const id = this.#next++
    this.#pending.set(id, then)
    return id
  }

  #request(from: number, { number, body }: Request): void {
    const answer = (given: Answer): void => {
      this.#context.simulation.send(this.id, from, { kind: 'response', number, answer: given })
    }
    switch (body.kind) {
      case 'command':
        // Nothing is forwarded: a client that is refused asks another member.
        this.propose(decodeCommand(body.command), (outcome, bytes) => {
          if (outcome.kind === 'done') answer({ kind: 'result', bytes: bytes ?? NO_BYTES })
          else answer({ kind: 'failed', isCertain: outcome.kind === 'refused' })
        })
        return
      case 'read':
        if (lacks(this.#context.mutant, 'reads ask the leader')) {
          answer(this.#valueOf(body.key))
          return
        }
        this.#askLeader(undefined, ({ index }) => {
          this.#reads.push({ index, read: () => answer(this.#valueOf(body.key)) })
          this.#answerReads()
        })
        return
      default:
        this.#askLeader(body.query, ({ answer: bytes }) => answer({ kind: 'result', bytes }))
    }
  }

  #valueOf(key: string): Answer {
    const { kvs, header } = this.machine.state.range(rangeRequest({ key }))
    const value = kvs[0] === undefined ? '' : Buffer.from(kvs[0].value).toString()
    return { kind: 'value', value, revision: header?.revision ?? 0 }
  }

  #askLeader(query: Uint8Array | undefined, then: (told: Told) => void): void {
    const { leader } = this.node.status
    const ask: Ask = { kind: 'ask', number: this.#context.observations.nextNumber(), query }
    if (leader === undefined || leader === this.id) this.#tell(ask, then)
    else {
      this.#asked.set(ask.number, then)
      this.#context.simulation.send(this.id, leader, ask)
    }
  }

  /** Answers a member, or this one itself, once it is sure that it leads; else not at all. */
  #tell({ number, query }: Ask, then: (told: Told) => void): void {
    const id = this.#number((outcome) => {
      if (outcome.kind !== 'done') return
      const { leases } = this.machine.state
      const answer = query === undefined ? NO_BYTES : answerQuery(query, { clock: this.leases, leases }, this.nowMs)
      then({ kind: 'told', number, index: outcome.index, answer })
    })
    this.step({ kind: 'read', ids: [id] })
  }

  #answerReads(): void {
    const { appliedIndex } = this.node.status
    const ready = this.#reads.filter(({ index }) => index <= appliedIndex)
    this.#reads = this.#reads.filter(({ index }) => index > appliedIndex)
    for (const { read } of ready) read()
  }

  protected override apply(entry: Entry): Uint8Array | undefined {
    if (entry.kind !== 'command') return undefined
    const result = this.machine.apply(entry.command, entry.index, entry.term)
    if (result.length > 0) this.#context.observations.executed(this.id, entry.index, result)
    return result
  }

  protected override applied(): void {
    this.#answerReads()
  }

  protected override restore(snapshot: Uint8Array, index: number): void {
    this.#context.simulation.note(`${this.id} restores the snapshot at ${index}`)
    this.#context.observations.restores++
    this.machine.restore(snapshot, index)
    this.#answerReads()
  }

  protected override snapshot(): Uint8Array {
    return this.machine.snapshot()
  }

  protected override readable(id: number, index: number): void {
    this.reply(id, { kind: 'done', index }, undefined)
  }

  protected override reply(id: number, outcome: Outcome, result: Uint8Array | undefined): void {
    const then = this.#pending.get(id)
    this.#pending.delete(id)
    then?.(outcome, result)
  }

  protected override role(change: Effect & { kind: 'role' }): void {
    this.#context.simulation.note(`${this.id} is ${change.role} in term ${change.term}`)
    this.leases.follow(change, this.machine.state.leases.all(), this.nowMs)
  }

  #expireLater(): void {
    this.#context.simulation.after(this.id, EXPIRY_MS, () => {
      for (const ending of this.leases.takeExpired(this.machine.state, this.nowMs)) {
        const command = { ...endOf(ending), authRevision: this.machine.state.users.revision }
        this.#proposeAnywhere(Command.encode(command), this.nowMs + REQUEST_MS, () => {
          this.leases.retry(ending, this.nowMs)
        })
      }
      this.#expireLater()
    })
  }
}
