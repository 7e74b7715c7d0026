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
  type Event,
  type Message,
  type NodeId,
  type Outcome,
  RaftNode,
  type RaftOptions,
  type SnapshotMeta,
} from '../../../ts/distributed/raft/index.ts'
import type { Cancel } from '../../../ts/io/clock.ts'
import { lacks } from '../../../ts/storage/mutant.ts'
import type { Process, Simulation } from '../../../ts/testing/simulation/index.ts'
import type { Durable } from '../raft/durable.ts'
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

export type Wire = Message | Request | Response | Ask | Told | Forward

export interface HostContext {
  readonly simulation: Simulation<Wire>
  readonly observations: Observations
  readonly founders: readonly NodeId[]
  readonly tickMs: number
  readonly snapshotEvery: number
  readonly raft: Omit<RaftOptions, 'id'>
  readonly mutant: LocksMutant | undefined
  readonly failed: (code: string) => void
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
export class LocksHost implements Process<Wire> {
  readonly raft: RaftNode
  readonly machine: LocksMachine
  readonly hub: WatchHub
  readonly leases: LeaseClock
  readonly id: NodeId
  readonly #context: HostContext
  readonly #durable: Durable
  readonly #pending = new Map<number, Then>()
  readonly #asked = new Map<number, (told: Told) => void>()
  #reads: { index: number; read: () => void }[] = []
  #next = 1
  #persistedWrite = 0
  #unsent: { to: NodeId; message: Message; after: number }[] = []
  #cancelTimer: Cancel | undefined
  #lastSnapshot: number

  constructor(id: NodeId, { durable, records }: Disk, context: HostContext) {
    this.id = id
    this.#context = context
    this.#durable = durable
    const { mutant, raft, founders } = context
    this.leases = new LeaseClock(mutant)
    let hub: WatchHub | undefined
    this.machine = new LocksMachine({
      ...{ ...BOUNDS, mutant },
      backend: new SimulatedBackend(records, (apply) => this.#write(apply)),
      onApplied: (command, applied) => {
        const { result, events } = applied
        this.leases.applied(command, applied, this.#nowMs)
        if (events.length > 0) {
          context.observations.applied(this.id, events, result.revision)
          hub?.publish(events, result.revision)
        }
      },
      onRestored: () => hub?.replace(this.machine.state.store),
    })
    const newest = Math.max(0, ...durable.snapshots.keys())
    const snapshot = durable.snapshots.get(newest)
    if (snapshot !== undefined) this.machine.restore(snapshot.bytes, newest)
    hub = new WatchHub(this.machine.state.store, mutant)
    this.hub = hub
    this.#lastSnapshot = newest
    this.raft = new RaftNode(
      { ...raft, id },
      {
        hardState: durable.hardState,
        snapshot: snapshot?.meta,
        entries: [...durable.entries],
        membership: { voters: founders, outgoing: [], learners: [] },
        nowTick: this.#nowTick,
      },
    )
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

  step(event: Event): void {
    this.#perform(this.raft.step(event, this.#nowTick))
  }

  /** A command of this member's own. */
  propose(command: Command, then: Then = () => {}): void {
    this.#proposeBytes(Command.encode({ ...command, authRevision: this.machine.state.users.revision }), then)
  }

  get #nowMs(): number {
    return this.#context.simulation.monotonic(this.id) / 1e6
  }

  get #nowTick(): number {
    return Math.floor(this.#nowMs / this.#context.tickMs)
  }

  #proposeBytes(command: Uint8Array, then: Then): void {
    this.step({ kind: 'propose', proposals: [{ id: this.#number(then), command }] })
  }

  /** As a group does it: what was certainly not done is tried again, wherever there is a leader then. */
  #proposeAnywhere(command: Uint8Array, untilMs: number, failed: () => void): void {
    const { simulation, observations } = this.#context
    const { leader } = this.raft.status
    if (leader === undefined || leader === this.id) {
      this.#proposeBytes(command, ({ kind }) => {
        if (kind === 'done') return
        if (kind === 'unknown' || this.#nowMs >= untilMs) failed()
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
    const { leader } = this.raft.status
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
      const answer = query === undefined ? NO_BYTES : answerQuery(query, { clock: this.leases, leases }, this.#nowMs)
      then({ kind: 'told', number, index: outcome.index, answer })
    })
    this.step({ kind: 'read', ids: [id] })
  }

  #answerReads(): void {
    const { appliedIndex } = this.raft.status
    const ready = this.#reads.filter(({ index }) => index <= appliedIndex)
    this.#reads = this.#reads.filter(({ index }) => index > appliedIndex)
    for (const { read } of ready) read()
  }

  #perform(effects: readonly Effect[]): void {
    const results = new Map<number, Uint8Array>()
    for (const effect of effects) {
      switch (effect.kind) {
        case 'persist':
          this.#persist(effect)
          break
        case 'send':
          if (effect.after <= this.#persistedWrite) this.#send(effect.to, effect.message)
          else this.#unsent.push(effect)
          break
        case 'storeChunk': {
          const { offset, data } = effect
          this.#write(() => {
            if (offset === 0) this.#durable.incoming = []
            this.#durable.incoming.push(data)
          })
          break
        }
        case 'apply':
          for (const entry of effect.entries) this.#apply(entry, results)
          this.#answerReads()
          break
        case 'restore':
          this.#restore(effect.snapshot)
          this.#answerReads()
          break
        case 'readable':
          for (const id of effect.ids) this.#settle(id, { kind: 'done', index: effect.index }, undefined)
          break
        case 'reply':
          this.#settle(
            effect.id,
            effect.outcome,
            effect.outcome.kind === 'done' ? results.get(effect.outcome.index) : undefined,
          )
          break
        case 'discard':
          this.#discard(effect.upTo, effect.snapshotsBelow)
          break
        case 'timer':
          this.#setTimer(effect.atTick)
          break
        case 'role':
          this.#context.simulation.note(`${this.id} is ${effect.role} in term ${effect.term}`)
          this.leases.follow(effect, this.machine.state.leases.all(), this.#nowMs)
          break
      }
    }
    this.#snapshotIfDue()
  }

  #settle(id: number, outcome: Outcome, result: Uint8Array | undefined): void {
    const then = this.#pending.get(id)
    this.#pending.delete(id)
    then?.(outcome, result)
  }

  #persist({ write, hardState, snapshot, truncateFrom, entries }: Effect & { kind: 'persist' }): void {
    const durable = this.#durable
    this.#write(
      () => {
        if (hardState !== undefined) durable.hardState = hardState
        if (snapshot !== undefined) {
          const bytes = new Uint8Array(Buffer.concat(durable.incoming))
          durable.snapshots.set(snapshot.index, { meta: snapshot, bytes })
          durable.entries = []
        }
        if (truncateFrom !== undefined) durable.entries = durable.entries.filter(({ index }) => index < truncateFrom)
        durable.entries.push(...entries)
      },
      () => {
        this.#persistedWrite = write
        const ready = this.#unsent.filter(({ after }) => after <= write)
        if (ready.length > 0) this.#unsent = this.#unsent.filter(({ after }) => after > write)
        for (const { to, message } of ready) this.#send(to, message)
        this.step({ kind: 'persisted', write })
      },
    )
  }

  #write(apply: () => void, done: () => void = () => {}): void {
    this.#context.simulation.write(this.id, apply, done, () => this.#context.failed('DISK_FULL'))
  }

  #send(to: NodeId, message: Message): void {
    if (message.kind !== 'snapshotChunk') {
      this.#context.simulation.send(this.id, to, message)
      return
    }
    const { snapshot, offset, lengthBytes } = message
    const stored = this.#durable.snapshots.get(snapshot.index)
    const data = stored?.bytes.subarray(offset, offset + lengthBytes)
    if (data !== undefined) this.#context.simulation.send(this.id, to, { ...message, data })
  }

  #apply(entry: Entry, results: Map<number, Uint8Array>): void {
    if (entry.kind !== 'command') return
    const result = this.machine.apply(entry.command, entry.index, entry.term)
    results.set(entry.index, result)
    if (result.length > 0) this.#context.observations.executed(this.id, entry.index, result)
  }

  #restore({ index }: SnapshotMeta): void {
    const stored = this.#durable.snapshots.get(index)
    if (stored === undefined) throw new Error(`${this.id} has no snapshot at ${index}`)
    this.#context.simulation.note(`${this.id} restores the snapshot at ${index}`)
    this.#context.observations.restores++
    this.machine.restore(stored.bytes, index)
    this.#lastSnapshot = index
  }

  #snapshotIfDue(): void {
    const { appliedIndex } = this.raft.status
    if (appliedIndex - this.#lastSnapshot < this.#context.snapshotEvery) return
    if (this.raft.termAt(appliedIndex) === undefined) return // a newer snapshot is coming in
    this.#lastSnapshot = appliedIndex
    const bytes = this.machine.snapshot()
    const meta = this.raft.describeSnapshot(appliedIndex, bytes.length)
    this.#write(
      () => this.#durable.snapshots.set(meta.index, { meta, bytes }),
      () => this.step({ kind: 'snapshotted', snapshot: meta }),
    )
  }

  #discard(upTo: number, snapshotsBelow: number): void {
    const durable = this.#durable
    this.#write(() => {
      durable.entries = durable.entries.filter(({ index }) => index > upTo)
      for (const index of durable.snapshots.keys()) if (index < snapshotsBelow) durable.snapshots.delete(index)
    })
  }

  #setTimer(atTick: number): void {
    this.#cancelTimer?.()
    const { simulation, tickMs } = this.#context
    const afterMs = Math.max(0, atTick * tickMs - this.#nowMs) + 0.001
    this.#cancelTimer = simulation.after(this.id, afterMs, () => this.step({ kind: 'tick' }))
  }

  #expireLater(): void {
    this.#context.simulation.after(this.id, EXPIRY_MS, () => {
      for (const ending of this.leases.takeExpired(this.machine.state, this.#nowMs)) {
        const command = { ...endOf(ending), authRevision: this.machine.state.users.revision }
        this.#proposeAnywhere(Command.encode(command), this.#nowMs + REQUEST_MS, () => {
          this.leases.retry(ending, this.#nowMs)
        })
      }
      this.#expireLater()
    })
  }
}
