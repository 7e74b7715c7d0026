// Runs one node of one group: turns the engine's effects into writes, messages and answers, and what comes of them into events.
//
//   propose, read, ... --+                      +--> journal.append ---- durable ---> persisted(write), held back messages
//   receive(message) ----+--> RaftNode.step ----+--> send, at once or behind the write it waits for
//   timer ---------------+                      +--> state machine, answers
//
// Nothing here waits: a leader's messages leave in the same turn in which its own write begins (dissertation, §10.2.1). What
// is asked in one turn of the event loop, by however many sockets, is one event: many clients share one append, one message to each
// follower and one fsync.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Cancel, Clock } from '../../io/clock.ts'
import { LARGEST_COMMAND_BYTES } from './entry-codec.ts'
import { hasNoSnapshots, showsNothing } from './hosted-machine.ts'
import type { Journal } from './journal.ts'
import { type EngineFactory, RaftNode } from './node.ts'
import { type Applied, RaftError, type RoleChange } from './raft-error.ts'
import type { SnapshotFiles } from './snapshot-files.ts'
import type { SnapshotPieces, StateMachine } from './state-machine.ts'
import type {
  Coverage,
  Effect,
  Entry,
  Event,
  LogIndex,
  Membership,
  Message,
  NodeId,
  NodeStatus,
  Outcome,
  Position,
  Proposal,
  RaftOptions,
  SnapshotChunk,
  SnapshotMeta,
  Term,
} from './types.ts'

/** A group of the process, and what it stands on. */
export interface DriverOptions {
  /** Which group of the journal. */
  readonly group: number
  /** In force before the first entry; not used once there is a snapshot. Equal on all founding members. */
  readonly founding: Membership
  readonly machine: StateMachine
  readonly journal: Journal
  readonly snapshots: SnapshotFiles
  readonly clock: Clock
  /** The length of a tick. Default 30 ms: elections begin after 0.3 to 0.6 s of silence. */
  readonly tickMs?: number
  /** A snapshot is made when commands of so many bytes were applied since the last. Default 16 MiB. */
  readonly snapshotBytes?: number
  readonly raft: RaftOptions
  /** Makes the engine. Default: Raft's. */
  readonly engine?: EngineFactory | undefined
  /** Takes a message for another node, which may be lost. Must not call back before it returns. */
  readonly send: (to: NodeId, message: Message) => void
  /** Is told of entries as soon as they are in this node's log: neither durable nor committed. */
  readonly onAppended?: ((entries: readonly Entry[]) => void) | undefined
  /** Is told when the state machine has come further: there is more in `readable`. */
  readonly onReadable?: (() => void) | undefined
  /** Is told who leads, as far as this node knows, whenever that changes. */
  readonly onRole?: ((change: RoleChange) => void) | undefined
  /** Is told once if the node has ended by itself: its disk or its state machine failed. */
  readonly onFailure?: ((error: Error) => void) | undefined
}

const DEFAULT_TICK_MS = 30
const DEFAULT_SNAPSHOT_BYTES = 16 * 1024 * 1024
/** A timer that fires a little early would only be set again. */
const TIMER_SLACK_MS = 0.1
/** Commands of so many bytes wait for no others. */
const ENOUGH_BYTES = 16 * 1024
/** What snapshots take of a turn of the event loop. */
const SLICE_MS = 4
/** A node that was removed ends after so long. */
const FAREWELL_MS = 300
/** What an applied entry counts, beside its command, towards the next snapshot. */
const ENTRY_BYTES = 64
const NO_RESULT = new Uint8Array(0)

interface Pending {
  readonly resolve: (applied: Applied) => void
  readonly reject: (error: Error) => void
}

/** One node, from its start on disk to `close`. */
export class Driver {
  private readonly options: DriverOptions
  private readonly node: RaftNode
  private readonly slices: Slices
  private readonly tickMs: number
  private readonly snapshotBytes: number
  private readonly pending = new Map<number, Pending>()
  private nextId = 1
  private proposals: Proposal[] = []
  private proposedBytes = 0
  private reads: number[] = []
  /** What commands gave that are not answered yet, in the order of their entries. */
  private readonly results = new Map<LogIndex, Uint8Array>()
  private unsent: (Effect & { kind: 'send' })[] = []
  private persistedWrite = 0
  /** A snapshot that has come in is being made durable; what is written later waits for it. */
  private finishing: Promise<unknown> | undefined
  private making: Promise<LogIndex> | undefined
  private lastSnapshot: LogIndex
  private discardedBelow: LogIndex = 0
  private appliedBytes = 0
  /** Nodes that a snapshot is looked through for, before its first piece leaves. */
  private readonly checking = new Set<NodeId>()
  private cancelTimer: Cancel | undefined
  private cancelLeaving: Cancel | undefined
  private ended: Error | undefined

  /**
   * Starts from what is on disk. A machine that takes its state in pieces was brought up before: see `bringUp`.
   * @throws CORRUPTION if that cannot be what a node has left there; INVALID_INPUT for bad options.
   */
  constructor(options: DriverOptions) {
    const { group, journal, snapshots, machine, founding, raft } = options
    if ((raft.maxCommandBytes ?? 0) > LARGEST_COMMAND_BYTES) {
      throw new BedplateError('INVALID_INPUT', `Driver: maxCommandBytes must be at most ${LARGEST_COMMAND_BYTES}`)
    }
    this.options = options
    this.slices = new Slices(options.clock)
    this.tickMs = options.tickMs ?? DEFAULT_TICK_MS
    this.snapshotBytes = options.snapshotBytes ?? DEFAULT_SNAPSHOT_BYTES
    const { hardState, snapshot, entries } = journal.state(group)
    snapshots.clean(snapshot?.index)
    if (snapshot !== undefined && machine.pieces === undefined) restoreWhole(machine, snapshots, snapshot)
    this.lastSnapshot = snapshot?.index ?? 0
    const make: EngineFactory = options.engine ?? ((given, start) => new RaftNode(given, start))
    this.node = make(raft, {
      ...{ hardState, snapshot, entries: [...entries] },
      membership: founding,
      nowTick: this.nowTick,
    })
    this.step({ kind: 'tick' })
  }

  get status(): NodeStatus {
    return this.node.statusAt(this.nowTick)
  }

  /** Who leads, as far as this node knows. */
  get standing(): RoleChange {
    return this.node.standing
  }

  /** The term of an entry of the log; undefined where it has none, or none any more. */
  termAt(index: LogIndex): Term | undefined {
    return this.node.termAt(index)
  }

  /** What a read of the state machine sees. */
  get readable(): Position {
    return this.node.readable
  }

  /** Says whether it sees everything up to a position. */
  covers(position: Position): Coverage {
    return this.node.covers(position)
  }

  /** Why the node has ended; undefined while it runs. */
  get failure(): Error | undefined {
    return this.ended
  }

  /** A message has come in. */
  receive(from: NodeId, message: Message): void {
    this.step({ kind: 'message', from, message })
  }

  /**
   * Has a command executed by all members. The bytes must not be changed later.
   * @returns When a majority has it on disk and this node has applied it.
   * @throws RaftError (see its `outcome`); CLOSED, or what ended the node: then the outcome is unknown.
   */
  propose(command: Uint8Array): Promise<Applied> {
    return this.ask((id) => {
      this.proposals.push({ id, command })
      this.proposedBytes += command.length
      if (this.proposedBytes >= ENOUGH_BYTES) queueMicrotask(() => this.askGathered())
    })
  }

  /**
   * Resolves when the state machine of this node shows everything that was acknowledged before the call. In the same turn of
   * the event loop it may be read. @throws RaftError
   */
  read(): Promise<Position> {
    return this.ask((id) => {
      this.reads.push(id)
    })
  }

  /** Changes who is a member; whoever is in neither list leaves. @throws RaftError */
  async changeMembership(change: Omit<Event & { kind: 'change' }, 'kind' | 'id'>): Promise<LogIndex> {
    const { index } = await this.ask((id) => this.step({ ...change, kind: 'change', id }))
    return index
  }

  /** Hands leadership over. Resolves when the heir campaigns. @throws RaftError */
  async transfer(to: NodeId): Promise<void> {
    await this.ask((id) => this.step({ kind: 'transfer', id, to }))
  }

  /**
   * Makes a snapshot of what is applied now, and lets go of the log behind it.
   * @returns Its index, once it is durable. One that is under way already counts.
   * @throws UNAVAILABLE while a snapshot comes in from the leader.
   */
  snapshot(): Promise<LogIndex> {
    this.making ??= this.makeSnapshot().finally(() => {
      this.making = undefined
    })
    return this.making
  }

  /** Ends: nothing is answered any more. What is being written goes on being written. */
  async close(): Promise<void> {
    this.end(new BedplateError('CLOSED', 'the Raft node was closed'))
    await this.making?.catch(() => {})
    await this.finishing?.catch(() => {})
  }

  private get nowTick(): number {
    return Math.floor(this.options.clock.monotonic() / 1e6 / this.tickMs)
  }

  /** Gives a request a number and hands it on; what is gathered becomes an event at the end of the turn. */
  private ask(hand: (id: number) => void): Promise<Applied> {
    if (this.ended !== undefined) return Promise.reject(this.ended)
    return new Promise((resolve, reject) => {
      const id = this.nextId++
      this.pending.set(id, { resolve, reject })
      if (this.proposals.length + this.reads.length === 0) void this.options.clock.turn().then(() => this.askGathered())
      hand(id)
    })
  }

  private askGathered(): void {
    const { proposals, reads } = this
    this.proposals = []
    this.proposedBytes = 0
    this.reads = []
    if (proposals.length > 0) this.step({ kind: 'propose', proposals })
    if (reads.length > 0) this.step({ kind: 'read', ids: reads })
  }

  private step(event: Event): void {
    if (this.ended !== undefined) return
    try {
      this.perform(this.node.step(event, this.nowTick))
    } catch (error) {
      this.fail(error)
    }
  }

  private perform(effects: readonly Effect[]): void {
    const { results } = this
    let hasMoved = false
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
          this.options.snapshots.storeChunk(effect.snapshot, effect.offset, effect.data)
          break
        case 'restore':
          // One that takes pieces has it already: see `persist`.
          if (this.options.machine.pieces !== undefined) this.options.machine.pieces.adopt()
          else restoreWhole(this.options.machine, this.options.snapshots, effect.snapshot)
          this.lastSnapshot = effect.snapshot.index
          this.appliedBytes = 0
          hasMoved = true
          break
        case 'apply':
          this.apply(effect)
          hasMoved = true
          break
        case 'show':
          this.show(effect)
          hasMoved = true
          break
        case 'hide':
          if (this.options.machine.hide === undefined) throw showsNothing('hide')
          this.options.machine.hide(effect.from)
          break
        case 'readable':
          for (const id of effect.ids) this.settle(id, { kind: 'done', index: effect.index })
          break
        case 'reply':
          this.settle(effect.id, effect.outcome)
          break
        case 'discard':
          this.discardedBelow = effect.snapshotsBelow
          this.options.snapshots.removeBelow(effect.snapshotsBelow)
          this.options.journal.discard(this.options.group, effect.upTo)
          break
        case 'timer':
          this.setTimer(effect.atTick)
          break
        case 'removed':
          this.leaveSoon()
          break
        case 'role':
          this.options.onRole?.({ role: effect.role, term: effect.term, leader: effect.leader })
          break
      }
    }
    if (results.size > 0) this.forgetResults()
    if (hasMoved) this.options.onReadable?.()
    this.snapshotIfDue()
  }

  /** Begins a write; the next one may begin before it has ended. */
  private persist({ write, ...change }: Effect & { kind: 'persist' }): void {
    const { journal, group } = this.options
    const { hardState, snapshot, truncateFrom, entries } = change
    if (entries.length > 0) this.options.onAppended?.(entries)
    const record = { group, hardState, snapshot, resets: snapshot !== undefined, truncateFrom, entries }
    let done: Promise<unknown>
    if (snapshot === undefined && this.finishing === undefined) done = journal.append(record)
    else {
      const finish = snapshot === undefined ? undefined : this.options.snapshots.finishIncoming(snapshot)
      const before = this.finishing
      done = (async () => {
        await before
        await finish?.()
        await journal.append(record)
        // The engine hears that the snapshot is there when the state is, and lets nothing be applied or acknowledged before.
        if (snapshot !== undefined) await takePieces(this.options, snapshot, this.turn)
      })()
      this.finishing = done
    }
    done.then(
      () => {
        if (this.finishing === done) this.finishing = undefined
        this.persisted(write)
      },
      (error: unknown) => this.fail(error),
    )
  }

  private persisted(write: number): void {
    this.persistedWrite = write
    const ready = this.unsent.filter(({ after }) => after <= write)
    if (ready.length > 0) this.unsent = this.unsent.filter(({ after }) => after > write)
    for (const effect of ready) if (this.ended === undefined) this.send(effect)
    this.step({ kind: 'persisted', write })
  }

  private send({ to, message }: Effect & { kind: 'send' }): void {
    if (message.kind !== 'snapshotChunk') {
      this.options.send(to, message)
      return
    }
    if (message.offset > 0) this.sendChunk(to, message)
    else this.sendFirstChunk(to, message)
  }

  /** Behind a look at all of the snapshot. Meanwhile it may be asked for again, which is as if that message was lost. */
  private sendFirstChunk(to: NodeId, message: SnapshotChunk): void {
    const { index } = message.snapshot
    if (this.checking.has(to) || index < this.discardedBelow) return
    this.checking.add(to)
    this.options.snapshots
      .check(index, this.turn)
      .finally(() => this.checking.delete(to))
      .then(
        () => this.sendChunk(to, message),
        (error: unknown) => this.fail(error),
      )
  }

  private sendChunk(to: NodeId, message: SnapshotChunk): void {
    const { snapshot, offset, lengthBytes } = message
    if (this.ended !== undefined || snapshot.index < this.discardedBelow) return // nobody wants it any more
    try {
      const data = this.options.snapshots.readChunk(snapshot.index, offset, lengthBytes)
      this.options.send(to, { ...message, data })
    } catch (error) {
      this.fail(error)
    }
  }

  private apply({ entries }: Effect & { kind: 'apply' }): void {
    for (const entry of entries) {
      this.appliedBytes += ENTRY_BYTES
      if (entry.kind !== 'command') continue
      this.appliedBytes += entry.command.length
      this.results.set(entry.index, this.options.machine.apply(entry.command, entry.index, entry.term))
    }
  }

  private show({ entries }: Effect & { kind: 'show' }): void {
    const { machine } = this.options
    if (machine.show === undefined) throw showsNothing('show')
    for (const entry of entries) {
      if (entry.kind === 'command') this.results.set(entry.index, machine.show(entry.command, entry.index, entry.term))
    }
  }

  private settle(id: number, outcome: Outcome): void {
    const pending = this.pending.get(id)
    this.pending.delete(id)
    if (outcome.kind !== 'done') pending?.reject(new RaftError(outcome))
    else {
      const { index } = outcome
      pending?.resolve({ ...this.node.positionOf(index), result: this.results.get(index) ?? NO_RESULT })
    }
  }

  /** Keeps what may still be an answer: not more than there are requests that wait, the latest ones. */
  private forgetResults(): void {
    const { results, pending } = this
    const { answered } = this.node
    for (const index of results.keys()) {
      if (index > answered && results.size <= pending.size) return
      results.delete(index)
    }
  }

  private setTimer(atTick: number): void {
    this.cancelTimer?.()
    const { clock } = this.options
    const afterMs = Math.max(0, atTick * this.tickMs - clock.monotonic() / 1e6) + TIMER_SLACK_MS
    this.cancelTimer = clock.timer(afterMs, () => this.step({ kind: 'tick' }))
  }

  private snapshotIfDue(): void {
    if (this.appliedBytes < this.snapshotBytes || this.making !== undefined) return
    this.appliedBytes = 0
    this.snapshot().catch((error: unknown) => {
      if (!isCode(error, 'UNAVAILABLE')) this.fail(error)
    })
  }

  private async makeSnapshot(): Promise<LogIndex> {
    if (this.ended !== undefined) throw this.ended
    const { machine, snapshots, journal, group } = this.options
    const { appliedIndex } = this.node.status
    if (appliedIndex === this.lastSnapshot) return appliedIndex
    if (this.node.termAt(appliedIndex) === undefined) {
      throw new BedplateError('UNAVAILABLE', 'a newer snapshot is just coming in from the leader')
    }
    const { pieces, close } = snapshotOf(machine)
    const draft = this.node.describeSnapshot(appliedIndex, 0)
    this.lastSnapshot = appliedIndex
    this.appliedBytes = 0
    try {
      const sizeBytes = await snapshots.write(draft, pieces, this.turn).finally(close)
      const snapshot: SnapshotMeta = { ...draft, sizeBytes }
      const nothing = { hardState: undefined, truncateFrom: undefined, entries: [], resets: false }
      await journal.append({ ...nothing, group, snapshot })
      this.step({ kind: 'snapshotted', snapshot })
    } catch (error) {
      this.fail(error) // whoever asked for it; what is on disk now is not known
      throw error
    }
    return appliedIndex
  }

  /** Gives others their turn, if that is due. @throws What ended the node */
  private readonly turn = async (): Promise<void> => {
    await this.slices.turn()
    if (this.ended !== undefined) throw this.ended
  }

  /** Ends after a while, in which those who asked for the removal get their answers, unless it is taken in again. */
  private leaveSoon(): void {
    this.cancelLeaving?.()
    this.cancelLeaving = this.options.clock.timer(FAREWELL_MS, () => {
      if (this.node.isRemoved) this.fail(removed(this.node.id))
    })
  }

  /** What a disk or a state machine has done wrong cannot be undone: the node ends, and starts again from its disk. */
  private fail(error: unknown): void {
    if (this.ended !== undefined) return
    const failure = error instanceof Error ? error : new BedplateError('INTERNAL', String(error))
    this.end(failure)
    this.options.onFailure?.(failure)
  }

  private end(reason: Error): void {
    this.ended ??= reason
    this.cancelTimer?.()
    this.cancelLeaving?.()
    this.unsent = []
    for (const { reject } of this.pending.values()) reject(this.ended)
    this.pending.clear()
    this.options.snapshots.close()
  }
}

/** Long work, a few milliseconds at a time: a turn of the event loop after each piece would take longer than the pieces. */
class Slices {
  private readonly clock: Clock
  private beganNs: number

  constructor(clock: Clock) {
    this.clock = clock
    this.beganNs = clock.monotonic()
  }

  async turn(): Promise<void> {
    if (this.clock.monotonic() - this.beganNs < SLICE_MS * 1e6) return
    await this.clock.turn()
    this.beganNs = this.clock.monotonic()
  }
}

type Stored = Pick<DriverOptions, 'machine' | 'snapshots'>

/** Gives a machine that takes pieces the state that its group begins with; before the driver is made. @throws CORRUPTION */
export async function bringUp(options: Stored & Pick<DriverOptions, 'journal' | 'group' | 'clock'>): Promise<void> {
  const { machine, journal, group, clock } = options
  const { snapshot } = journal.state(group)
  if (snapshot === undefined || machine.pieces === undefined) return
  const slices = new Slices(clock)
  await takePieces(options, snapshot, () => slices.turn())
  machine.pieces.adopt()
}

async function takePieces({ machine, snapshots }: Stored, snapshot: SnapshotMeta, turn: () => Promise<void>) {
  const pieces = snapshots.pieces(snapshot, turn)
  try {
    await machine.pieces?.take(pieces, snapshot.index)
  } finally {
    await pieces.return(undefined) // it has a file open if not all of it was taken
  }
}

function restoreWhole(machine: StateMachine, snapshots: SnapshotFiles, snapshot: SnapshotMeta): void {
  if (machine.restore === undefined) throw hasNoSnapshots()
  machine.restore(snapshots.read(snapshot), snapshot.index)
}

function snapshotOf(machine: StateMachine): SnapshotPieces {
  if (machine.pieces !== undefined) return machine.pieces.snapshot()
  if (machine.snapshot === undefined) throw hasNoSnapshots()
  return { pieces: [machine.snapshot()], close() {} }
}

function removed(id: NodeId): BedplateError {
  return new BedplateError('CLOSED', `node ${id} was removed from the cluster`, {
    hint: 'its directory is of no more use; to have a node again, add one with a new id and an empty directory',
  })
}
