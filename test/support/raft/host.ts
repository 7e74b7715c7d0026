// The driver of a node in the simulator: does what the engine says, with a disk that loses what was not synced.
import {
  type Effect,
  type Entry,
  type Event,
  type Membership,
  type Message,
  type NodeId,
  type Outcome,
  RaftNode,
  type RaftOptions,
  SessionMachine,
  type SessionResult,
  type SnapshotMeta,
} from '../../../ts/distributed/raft/index.ts'
import type { Cancel } from '../../../ts/io/clock.ts'
import type { Process, Simulation } from '../../../ts/testing/simulation/index.ts'
import type { Durable } from './durable.ts'
import type { Invariants } from './invariants.ts'
import { ChainMachine } from './machine.ts'

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

export interface HostContext {
  readonly simulation: Simulation<Wire>
  readonly invariants: Invariants
  readonly founding: Membership
  readonly tickMs: number
  /** Entries between snapshots; Infinity for none. */
  readonly snapshotEvery: number
  readonly checksPromises: boolean
  readonly raft: Omit<RaftOptions, 'id'>
  /** Sees every message before the network; false if it shall not be sent. */
  readonly mayLeave: (from: NodeId, to: NodeId, message: Message) => boolean
  /** The node ends, as the driver does when its disk fails. It may be in the middle of a step. */
  readonly failed: (code: string) => void
  /** Hears how requests of the test, with ids below 0, have ended. */
  readonly ended: (id: number, outcome: Outcome) => void
}

/** Who asked, and what. */
interface Asked {
  readonly from: number
  readonly request: Request
}

/** One life of a node. */
export class Host implements Process<Wire> {
  readonly node: RaftNode
  readonly chain: ChainMachine
  private readonly machine: SessionMachine
  private readonly id: NodeId
  private readonly context: HostContext
  private readonly durable: Durable
  private persistedWrite = 0
  private committed = 0
  private unsent: { to: NodeId; message: Message; after: number }[] = []
  private asked = new Map<number, Asked>()
  private nextAsked = 1
  private cancelTimer: Cancel | undefined
  private lastSnapshot: number

  constructor(id: NodeId, durable: Durable, context: HostContext) {
    this.id = id
    this.context = context
    this.durable = durable
    this.chain = new ChainMachine({ isReversed: id % 2 === 0 })
    this.machine = new SessionMachine(this.chain, { mutant: context.raft.mutant })
    const newest = Math.max(0, ...durable.snapshots.keys())
    const snapshot = durable.snapshots.get(newest)
    if (snapshot !== undefined) this.machine.restore(snapshot.bytes)
    this.lastSnapshot = newest
    this.node = new RaftNode(
      { ...context.raft, id },
      {
        hardState: durable.hardState,
        snapshot: snapshot?.meta,
        entries: [...durable.entries],
        membership: context.founding,
        nowTick: this.nowTick,
      },
    )
    this.step({ kind: 'tick' })
  }

  /** Entries on its disk. */
  get entryCount(): number {
    return this.durable.entries.length
  }

  /** The membership in force is committed. */
  get isSettled(): boolean {
    const { appliedIndex, membership } = this.node.status
    if (this.node.termAt(appliedIndex) === undefined) return false
    return this.node.describeSnapshot(appliedIndex, 0).membership === membership
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

  step(event: Event): void {
    const effects = this.node.step(event, this.nowTick)
    if (this.node.committed !== this.committed) {
      this.context.invariants.stepped(this.node, this.committed)
      this.committed = this.node.committed
    }
    this.perform(effects)
  }

  private get nowTick(): number {
    return Math.floor(this.context.simulation.monotonic(this.id) / 1e6 / this.context.tickMs)
  }

  private perform(effects: readonly Effect[]): void {
    let results: Map<number, SessionResult> | undefined
    let hasApplied = false
    for (const effect of effects) {
      switch (effect.kind) {
        case 'persist':
          this.persist(effect)
          break
        case 'send':
          if (effect.after <= this.persistedWrite) this.send(effect.to, effect.message)
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
          results ??= new Map()
          for (const entry of effect.entries) this.apply(entry, results)
          hasApplied = true
          break
        case 'restore':
          this.restore(effect.snapshot)
          break
        case 'readable':
          for (const id of effect.ids) this.answerRead(id, effect.index)
          break
        case 'reply':
          this.reply(effect.id, effect.outcome, results)
          break
        case 'discard': {
          const { upTo, snapshotsBelow } = effect
          this.write(() => this.discard(upTo, snapshotsBelow))
          break
        }
        case 'timer':
          this.setTimer(effect.atTick)
          break
        case 'role':
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
    const { durable } = this
    const apply = (): void => {
      if (hardState !== undefined) durable.hardState = hardState
      if (snapshot !== undefined) {
        durable.snapshots.set(snapshot.index, { meta: snapshot, bytes: joined(durable.incoming) })
        durable.entries = []
      }
      if (truncateFrom !== undefined) durable.entries = durable.entries.filter((entry) => entry.index < truncateFrom)
      durable.entries.push(...entries)
    }
    this.write(apply, () => {
      this.persistedWrite = write
      const ready = this.unsent.filter((each) => each.after <= write)
      if (ready.length > 0) this.unsent = this.unsent.filter((each) => each.after > write)
      for (const { to, message } of ready) this.send(to, message)
      this.step({ kind: 'persisted', write })
    })
  }

  /** Writes a record of the journal, which says how far the journal was durable when it was written. */
  private write(apply: () => void, done: () => void = () => {}): void {
    const { durable } = this
    const known = durable.records
    const record = (): void => {
      durable.records++
      durable.provenRecords = Math.max(durable.provenRecords, known)
      apply()
    }
    this.context.simulation.write(this.id, record, done, () => this.context.failed('DISK_FULL'))
  }

  private send(to: NodeId, message: Message): void {
    if (this.context.checksPromises) this.context.invariants.promised(this.id, to, message, this.durable)
    if (!this.context.mayLeave(this.id, to, message)) return
    if (message.kind !== 'snapshotChunk') {
      this.context.simulation.send(this.id, to, message)
      return
    }
    const stored = this.durable.snapshots.get(message.snapshot.index)
    if (this.durable.damage === 'snapshot' && message.offset === 0) {
      this.context.failed('CORRUPTION')
      return
    }
    if (stored === undefined)
      throw new Error(`${this.id} sends a snapshot at ${message.snapshot.index} that it discarded`)
    const data = stored.bytes.subarray(message.offset, message.offset + message.lengthBytes)
    this.context.simulation.send(this.id, to, { ...message, data })
  }

  private apply(entry: Entry, results: Map<number, SessionResult>): void {
    if (entry.kind === 'command') results.set(entry.index, this.machine.apply(entry.command, entry.index))
    this.context.invariants.applied(this.node, entry, this.chain.digest)
  }

  private restore(meta: SnapshotMeta): void {
    const stored = this.durable.snapshots.get(meta.index)
    if (stored === undefined) throw new Error(`${this.id} has no snapshot at ${meta.index}`)
    this.machine.restore(stored.bytes)
    this.lastSnapshot = meta.index
    this.context.simulation.note(`${this.id} restores the snapshot at ${meta.index}`)
    this.context.invariants.restored(this.node, meta.index, this.chain.digest)
  }

  private snapshotIfDue(): void {
    const { appliedIndex } = this.node.status
    if (appliedIndex - this.lastSnapshot < this.context.snapshotEvery) return
    if (this.node.termAt(appliedIndex) === undefined) return // a newer snapshot is coming in
    this.lastSnapshot = appliedIndex
    const bytes = this.machine.snapshot()
    const meta = this.node.describeSnapshot(appliedIndex, bytes.length)
    const { durable } = this
    this.write(
      () => durable.snapshots.set(meta.index, { meta, bytes }),
      () => this.step({ kind: 'snapshotted', snapshot: meta }),
    )
  }

  private discard(upTo: number, snapshotsBelow: number): void {
    const { durable } = this
    durable.entries = durable.entries.filter((entry) => entry.index > upTo)
    for (const index of durable.snapshots.keys()) if (index < snapshotsBelow) durable.snapshots.delete(index)
  }

  private setTimer(atTick: number): void {
    this.cancelTimer?.()
    const { simulation, tickMs } = this.context
    const afterMs = Math.max(0, atTick * tickMs - simulation.monotonic(this.id) / 1e6) + 0.001
    this.cancelTimer = simulation.after(this.id, afterMs, () => this.step({ kind: 'tick' }))
  }

  private answerRead(id: number, index: number): void {
    if (id < 0) {
      this.context.ended(id, { kind: 'done', index })
      return
    }
    const asked = this.asked.get(id)
    if (asked?.request.body.kind !== 'read') return
    this.answer(id, { kind: 'value', value: this.chain.read(asked.request.body.key) })
  }

  private reply(id: number, outcome: Outcome, results: Map<number, SessionResult> | undefined): void {
    if (id < 0) {
      this.context.ended(id, outcome)
      return
    }
    if (outcome.kind !== 'done') {
      this.answer(id, { kind: 'failed', leader: outcome.leader })
      return
    }
    const result = results?.get(outcome.index)
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

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
