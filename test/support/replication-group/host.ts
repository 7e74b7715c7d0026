// A member of a replicated group in the simulator: the engine, a disk that loses what was not synced, and reads with guarantees, as
// the driver, the group and the server do it, without promises.
import type {
  Effect,
  Entry,
  Event,
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
import type { Cancel } from '../../../ts/io/clock.ts'
import type { Process, Simulation } from '../../../ts/testing/simulation/index.ts'
import type { Durable } from '../raft/durable.ts'
import type { Invariants } from '../raft/invariants.ts'
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

export type Wire = Message | Request | Response | Ask | Told

export interface HostContext {
  readonly simulation: Simulation<Wire>
  readonly invariants: Invariants
  readonly observer: Observer
  readonly members: readonly NodeId[]
  readonly tickMs: number
  /** Entries between snapshots; Infinity for none. */
  readonly snapshotEvery: number
  readonly checksPromises: boolean
  readonly raft: Omit<RaftOptions, 'id'>
  readonly replication: ReplicationOptions
  readonly mutant: Mutant | undefined
  readonly failed: (code: string) => void
  /** Sees every message between members before the network; false if it shall not be sent. */
  readonly mayLeave: (from: NodeId, to: NodeId, message: Message) => boolean
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

/** One life of a member. */
export class Host implements Process<Wire> {
  readonly node: ReplicationNode
  readonly machine = new OverlayMachine()
  readonly roles: { role: string; term: number; leader: NodeId | undefined }[] = []
  private readonly id: NodeId
  private readonly context: HostContext
  private readonly durable: Durable
  private readonly freshness: Freshness
  /** What becomes of what the engine was asked, by its number. */
  private readonly asked = new Map<number, (outcome: Outcome) => void>()
  /** Questions to the leader. */
  private readonly questions = new Map<number, (position: Position) => void>()
  private waiting: Waiting[] = []
  private askingUntilMs = 0
  private next = 1
  private persistedWrite = 0
  private committed = 0
  private unsent: (Effect & { kind: 'send' })[] = []
  private cancelTimer: Cancel | undefined
  private lastSnapshot: number

  constructor(id: NodeId, durable: Durable, context: HostContext) {
    this.id = id
    this.context = context
    this.durable = durable
    this.freshness = new Freshness({ mutant: context.mutant })
    const newest = Math.max(0, ...durable.snapshots.keys())
    const snapshot = durable.snapshots.get(newest)
    if (snapshot !== undefined) this.machine.restore(snapshot.bytes)
    this.lastSnapshot = newest
    this.node = new ReplicationNode(
      { ...context.raft, id },
      { ...context.replication, mutant: context.mutant },
      {
        hardState: durable.hardState,
        snapshot: snapshot?.meta,
        entries: [...durable.entries],
        membership: { voters: context.members, outgoing: [], learners: [] },
        nowTick: this.nowTick,
      },
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

  step(event: Event): void {
    const effects = this.node.step(event, this.nowTick)
    if (this.node.committed !== this.committed) {
      this.context.invariants.stepped(this.node, this.committed)
      this.committed = this.node.committed
    }
    this.perform(effects)
    this.look()
  }

  get status(): ReplicationStatus {
    this.node.statusAt(this.nowTick)
    return this.node.status
  }

  /** What a read of this member sees now. */
  get position(): Position {
    return this.node.readable
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
    if (this.nowMs > deadlineMs) return end({ kind: 'failed', leader: this.node.status.leader, missing: [] })
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
    const { role, leader } = this.node.status
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

  private settle(id: number, outcome: Outcome): void {
    const then = this.asked.get(id)
    this.asked.delete(id)
    then?.(outcome)
  }

  private answer(to: number, { number }: Request, answer: Answer): void {
    this.context.simulation.send(this.id, to, { kind: 'response', number, answer })
  }

  // ---- Effects

  private get nowMs(): number {
    return this.context.simulation.monotonic(this.id) / 1e6
  }

  private get nowTick(): number {
    return Math.floor(this.nowMs / this.context.tickMs)
  }

  private perform(effects: readonly Effect[]): void {
    let hasApplied = false
    for (const effect of effects) {
      switch (effect.kind) {
        case 'persist':
          this.persist(effect)
          break
        case 'send':
          if (effect.after <= this.persistedWrite) this.send(effect)
          else this.unsent.push(effect)
          break
        case 'storeChunk': {
          const { offset, data } = effect
          this.write(() => {
            if (offset === 0) this.durable.incoming = []
            this.durable.incoming.push(data)
          })
          break
        }
        case 'apply':
          for (const entry of effect.entries) this.apply(entry)
          hasApplied = true
          break
        case 'show':
          for (const entry of effect.entries)
            if (entry.kind === 'command') this.machine.show(entry.command, entry.index)
          break
        case 'hide':
          this.context.simulation.note(`${this.id} hides from ${effect.from}`)
          this.machine.hide(effect.from)
          break
        case 'restore': {
          const { index } = effect.snapshot
          this.machine.restore(this.durable.snapshots.get(index)?.bytes as Uint8Array)
          this.lastSnapshot = index
          this.context.invariants.restored(this.node, index, this.machine.digest)
          break
        }
        case 'readable':
          for (const id of effect.ids) this.settle(id, { kind: 'done', index: effect.index })
          break
        case 'reply':
          this.settle(effect.id, effect.outcome)
          break
        case 'discard': {
          const { upTo, snapshotsBelow } = effect
          this.write(() => {
            this.durable.entries = this.durable.entries.filter((entry) => entry.index > upTo)
            for (const index of this.durable.snapshots.keys()) {
              if (index < snapshotsBelow) this.durable.snapshots.delete(index)
            }
          })
          break
        }
        case 'timer': {
          this.cancelTimer?.()
          const afterMs = Math.max(0, effect.atTick * this.context.tickMs - this.nowMs) + 0.001
          this.cancelTimer = this.context.simulation.after(this.id, afterMs, () => this.step({ kind: 'tick' }))
          break
        }
        case 'role':
          this.roles.push(effect)
          if (effect.role === 'leader') this.context.invariants.led(this.node, effect.term)
          this.context.simulation.note(
            `${this.id} is ${effect.role} in term ${effect.term}, leader ${effect.leader ?? '?'}`,
          )
          break
      }
    }
    if (hasApplied) this.snapshotIfDue()
  }

  private persist({ write, hardState, snapshot, truncateFrom, entries }: Effect & { kind: 'persist' }): void {
    this.context.invariants.logged(this.node, entries)
    this.context.observer.logged(this.node, entries)
    const { durable } = this
    const apply = (): void => {
      if (hardState !== undefined) durable.hardState = hardState
      if (snapshot !== undefined) {
        durable.snapshots.set(snapshot.index, {
          meta: snapshot,
          bytes: new Uint8Array(Buffer.concat(durable.incoming)),
        })
        durable.entries = []
      }
      if (truncateFrom !== undefined) durable.entries = durable.entries.filter((entry) => entry.index < truncateFrom)
      durable.entries.push(...entries)
    }
    this.write(apply, () => {
      this.persistedWrite = write
      const ready = this.unsent.filter((each) => each.after <= write)
      if (ready.length > 0) this.unsent = this.unsent.filter((each) => each.after > write)
      for (const effect of ready) this.send(effect)
      this.step({ kind: 'persisted', write })
    })
  }

  private write(apply: () => void, done: () => void = () => {}): void {
    this.context.simulation.write(this.id, apply, done, () => this.context.failed('DISK_FULL'))
  }

  private send({ to, message }: Effect & { kind: 'send' }): void {
    if (this.context.checksPromises) this.context.invariants.promised(this.id, to, message, this.durable)
    if (!this.context.mayLeave(this.id, to, message)) return
    if (message.kind !== 'snapshotChunk') {
      this.context.simulation.send(this.id, to, message)
      return
    }
    const stored = this.durable.snapshots.get(message.snapshot.index)?.bytes
    if (stored === undefined) return
    const data = stored.subarray(message.offset, message.offset + message.lengthBytes)
    this.context.simulation.send(this.id, to, { ...message, data })
  }

  private apply(entry: Entry): void {
    if (entry.kind === 'command') this.machine.apply(entry.command, entry.index)
    this.context.invariants.applied(this.node, entry, this.machine.digest)
  }

  private snapshotIfDue(): void {
    const { appliedIndex } = this.node.status
    if (appliedIndex - this.lastSnapshot < this.context.snapshotEvery) return
    if (this.node.termAt(appliedIndex) === undefined) return // a newer snapshot is coming in
    this.lastSnapshot = appliedIndex
    const bytes = this.machine.snapshot()
    const meta = this.node.describeSnapshot(appliedIndex, bytes.length)
    this.write(
      () => this.durable.snapshots.set(meta.index, { meta, bytes }),
      () => this.step({ kind: 'snapshotted', snapshot: meta }),
    )
  }
}
