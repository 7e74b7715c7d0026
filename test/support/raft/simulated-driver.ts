// What every driver of a node in the simulator does: performs what the engine says, in its order, on a disk that loses what was not
// synced and a network that loses anything. What the entries mean, who asks, and what is worth a note is each host's own.
import { assertNever } from '../../../ts/base/errors.ts'
import type {
  Effect,
  Entry,
  Event,
  Membership,
  Message,
  NodeId,
  Outcome,
  RaftNode,
  RaftStart,
} from '../../../ts/distributed/raft/index.ts'
import type { Cancel } from '../../../ts/io/clock.ts'
import type { Simulation } from '../../../ts/testing/simulation/index.ts'
import type { Durable } from './durable.ts'
import type { Invariants } from './invariants.ts'

type Of<K extends Effect['kind']> = Extract<Effect, { kind: K }>

/** What a node runs in. `Other`: what is sent beside the messages of nodes. */
export interface DriverContext<Other> {
  readonly simulation: Simulation<Message | Other>
  /** Is told of all steps; undefined if others look after Raft itself. */
  readonly invariants?: Invariants | undefined
  /** What a node says is held against its disk, by `invariants`. */
  readonly checksPromises?: boolean
  readonly tickMs: number
  /** Entries between snapshots; Infinity for none. */
  readonly snapshotEvery: number
  /** Sees every message to another node before the network; false if it shall not be sent. */
  readonly mayLeave?: (from: NodeId, to: NodeId, message: Message) => boolean
  /** The node ends, as the driver does when its disk fails. It may be in the middle of a step. */
  readonly failed: (code: string) => void
}

/** One life of a node. `Result`: what a command gives. */
export abstract class SimulatedDriver<Other, Result = undefined> {
  readonly id: NodeId
  abstract readonly node: RaftNode
  protected readonly durable: Durable
  private readonly driven: DriverContext<Other>
  private persistedWrite = 0
  private committed = 0
  private unsent: Of<'send'>[] = []
  private cancelTimer: Cancel | undefined
  private lastSnapshot: number

  constructor(id: NodeId, durable: Durable, context: DriverContext<Other>) {
    this.id = id
    this.durable = durable
    this.driven = context
    this.lastSnapshot = this.newestSnapshot?.meta.index ?? 0
  }

  /** Gives the engine what has happened, and does what it says. */
  step(event: Event): void {
    const effects = this.node.step(event, this.nowTick)
    if (this.node.committed !== this.committed) {
      this.driven.invariants?.stepped(this.node, this.committed)
      this.committed = this.node.committed
    }
    this.perform(effects)
  }

  /** The membership in force is committed. */
  get isSettled(): boolean {
    const { appliedIndex, membership } = this.node.status
    if (this.node.termAt(appliedIndex) === undefined) return false
    return this.node.describeSnapshot(appliedIndex, 0).membership === membership
  }

  // ---- What a host does with its part of the effects

  protected abstract apply(entry: Entry): Result | undefined
  /** All of an `apply` is done. */
  protected applied(): void {}
  protected abstract restore(snapshot: Uint8Array, index: number): void
  protected abstract snapshot(): Uint8Array
  protected abstract readable(id: number, index: number): void
  /** @param result - What the command gave, if it is done and gave something. */
  protected abstract reply(id: number, outcome: Outcome, result: Result | undefined): void
  protected abstract role(change: Of<'role'>): void
  protected logged(_entries: readonly Entry[]): void {}

  protected show(_entries: readonly Entry[]): void {
    throw new Error(`${this.id} is to show what is not committed`)
  }

  protected hide(_from: number): void {
    throw new Error(`${this.id} is to hide what it never showed`)
  }

  // ---- What a host needs

  protected get nowMs(): number {
    return this.driven.simulation.monotonic(this.id) / 1e6
  }

  /** What the disk has for an engine that starts. */
  protected startWith(membership: Membership): RaftStart {
    const { hardState, entries } = this.durable
    return {
      ...{ hardState, snapshot: this.newestSnapshot?.meta, entries: [...entries], membership },
      nowTick: this.nowTick,
    }
  }

  protected get newestSnapshot() {
    return this.durable.snapshots.get(Math.max(0, ...this.durable.snapshots.keys()))
  }

  /** Writes a record of the journal, which says how far the journal was durable when it was written. */
  protected write(apply: () => void, done: () => void = () => {}): void {
    const { durable } = this
    const known = durable.records
    const record = (): void => {
      durable.records++
      durable.provenRecords = Math.max(durable.provenRecords, known)
      apply()
    }
    this.driven.simulation.write(this.id, record, done, () => this.driven.failed('DISK_FULL'))
  }

  // ---- Effects

  protected get nowTick(): number {
    return Math.floor(this.nowMs / this.driven.tickMs)
  }

  private perform(effects: readonly Effect[]): void {
    const results = new Map<number, Result>()
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
        case 'storeChunk':
          this.storeChunk(effect)
          break
        case 'apply':
          for (const entry of effect.entries) {
            const result = this.apply(entry)
            if (result !== undefined) results.set(entry.index, result)
          }
          this.applied()
          hasApplied = true
          break
        case 'show':
          this.show(effect.entries)
          break
        case 'hide':
          this.hide(effect.from)
          break
        case 'restore':
          this.restoreAt(effect.snapshot.index)
          break
        case 'readable':
          for (const id of effect.ids) this.readable(id, effect.index)
          break
        case 'reply': {
          const { id, outcome } = effect
          this.reply(id, outcome, outcome.kind === 'done' ? results.get(outcome.index) : undefined)
          break
        }
        case 'discard':
          this.discard(effect)
          break
        case 'timer':
          this.setTimer(effect.atTick)
          break
        case 'role':
          if (effect.role === 'leader') this.driven.invariants?.led(this.node, effect.term)
          this.role(effect)
          break
        case 'removed': // hosts ask the node
          break
        default:
          assertNever(effect)
      }
    }
    if (hasApplied) this.snapshotIfDue()
  }

  private persist({ write, hardState, snapshot, truncateFrom, entries }: Of<'persist'>): void {
    this.driven.invariants?.logged(this.node, entries)
    this.logged(entries)
    const { durable } = this
    const apply = (): void => {
      if (hardState !== undefined) durable.hardState = hardState
      if (snapshot !== undefined) {
        const bytes = new Uint8Array(Buffer.concat(durable.incoming))
        durable.snapshots.set(snapshot.index, { meta: snapshot, bytes })
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

  private send({ to, message }: Of<'send'>): void {
    const { simulation, invariants, checksPromises, mayLeave, failed } = this.driven
    if (checksPromises === true) invariants?.promised(this.id, to, message, this.durable)
    if (mayLeave?.(this.id, to, message) === false) return
    if (message.kind !== 'snapshotChunk') {
      simulation.send(this.id, to, message)
      return
    }
    const { snapshot, offset, lengthBytes } = message
    const stored = this.durable.snapshots.get(snapshot.index)
    if (this.durable.damage === 'snapshot' && offset === 0) {
      failed('CORRUPTION')
      return
    }
    if (stored === undefined) throw new Error(`${this.id} sends a snapshot at ${snapshot.index} that it discarded`)
    simulation.send(this.id, to, { ...message, data: stored.bytes.subarray(offset, offset + lengthBytes) })
  }

  private storeChunk({ offset, data }: Of<'storeChunk'>): void {
    this.write(() => {
      if (offset === 0) this.durable.incoming = []
      this.durable.incoming.push(data)
    })
  }

  private restoreAt(index: number): void {
    const stored = this.durable.snapshots.get(index)
    if (stored === undefined) throw new Error(`${this.id} has no snapshot at ${index}`)
    this.lastSnapshot = index
    this.restore(stored.bytes, index)
  }

  private snapshotIfDue(): void {
    if (this.node.committed - this.lastSnapshot < this.driven.snapshotEvery) return // nor is more applied
    const { appliedIndex } = this.node.status
    if (appliedIndex - this.lastSnapshot < this.driven.snapshotEvery) return
    if (this.node.termAt(appliedIndex) === undefined) return // a newer snapshot is coming in
    this.lastSnapshot = appliedIndex
    const bytes = this.snapshot()
    const meta = this.node.describeSnapshot(appliedIndex, bytes.length)
    this.write(
      () => this.durable.snapshots.set(meta.index, { meta, bytes }),
      () => this.step({ kind: 'snapshotted', snapshot: meta }),
    )
  }

  private discard({ upTo, snapshotsBelow }: Of<'discard'>): void {
    const { durable } = this
    this.write(() => {
      durable.entries = durable.entries.filter((entry) => entry.index > upTo)
      for (const index of durable.snapshots.keys()) if (index < snapshotsBelow) durable.snapshots.delete(index)
    })
  }

  private setTimer(atTick: number): void {
    this.cancelTimer?.()
    const afterMs = Math.max(0, atTick * this.driven.tickMs - this.nowMs) + 0.001
    this.cancelTimer = this.driven.simulation.after(this.id, afterMs, () => this.step({ kind: 'tick' }))
  }
}
