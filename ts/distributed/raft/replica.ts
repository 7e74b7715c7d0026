// What every node has, whatever its role: term, vote and log, what of them is on disk, and the effects of the step under way.
import { assert, BedplateError } from '../../base/errors.ts'
import { lacks } from '../../storage/mutant.ts'
import { checkStart, type KnownOptions } from './check-options.ts'
import { RaftLog } from './log.ts'
import type { RoleChange } from './raft-error.ts'
import type {
  Effect,
  Entry,
  LogIndex,
  Message,
  NodeId,
  NodeStatus,
  Outcome,
  RaftStart,
  Refusal,
  Role,
  SnapshotMeta,
  Term,
  Tick,
} from './types.ts'

/** A write that is under way. */
interface Write {
  readonly write: number
  /** What the log on disk will reach, unless it is truncated meanwhile. */
  lastIndex: LogIndex
  readonly snapshotIndex: LogIndex
  readonly beganAtTick: Tick
}

/** What a step has changed that must go to disk. */
interface Unpersisted {
  hardState: boolean
  snapshot: SnapshotMeta | undefined
  truncateFrom: LogIndex | undefined
  readonly entries: Entry[]
}

/** The state of a node and its way to disk. `RaftNode` adds the protocol. */
export class Replica {
  readonly id: NodeId
  protected readonly options: KnownOptions
  protected readonly log: RaftLog
  protected role: Role = 'follower'
  protected term: Term
  protected votedFor: NodeId | undefined
  protected leader: NodeId | undefined
  protected commitIndex: LogIndex
  /** Given to the state machine: the last entry in an `apply`, or a restored snapshot. */
  protected appliedIndex: LogIndex
  /** The snapshot that the state machine must be replaced by once it is durable. */
  protected restoring: SnapshotMeta | undefined
  protected now: Tick
  protected effects: Effect[] = []

  // Writes. Those up to `persistedWrite` are durable; `writes` are under way.
  private lastWrite = 0
  private persistedWrite = 0
  private readonly writes: Write[] = []
  private hardStateWrite = 0
  private logWrite = 0
  private durable: LogIndex
  private unpersisted: Unpersisted | undefined
  private reported: { role: Role; term: Term; leader: NodeId | undefined } | undefined

  constructor(options: KnownOptions, start: RaftStart) {
    checkStart(start)
    this.options = options
    this.id = options.id
    this.log = new RaftLog(start.snapshot, start.entries, start.membership)
    this.term = start.hardState.term
    this.votedFor = start.hardState.votedFor
    this.commitIndex = this.log.baseIndex
    this.appliedIndex = this.log.baseIndex
    this.durable = this.log.lastIndex
    this.now = start.nowTick
  }

  get status(): NodeStatus {
    return {
      id: this.id,
      role: this.role,
      term: this.term,
      leader: this.leader,
      commitIndex: this.commitIndex,
      appliedIndex: this.appliedIndex,
      lastIndex: this.log.lastIndex,
      durableIndex: this.durable,
      membership: this.log.membership,
    }
  }

  /** Who leads, as far as this node knows: of `status`, for whoever asks with every request. */
  get standing(): RoleChange {
    return { role: this.role, term: this.term, leader: this.leader }
  }

  /** What it looks like at a time, where that matters to an engine on top; `status` is as of the last event. */
  statusAt(nowTick: Tick): NodeStatus {
    this.now = Math.max(this.now, nowTick)
    return this.status
  }

  /** `status.commitIndex`, for whoever asks after every event. */
  get committed(): LogIndex {
    return this.commitIndex
  }

  /** The term of an entry in the log, or of the last one that was compacted away; undefined elsewhere. */
  termAt(index: LogIndex): Term | undefined {
    return this.log.termAt(index)
  }

  /**
   * What a snapshot of the state machine as of `index` is. The driver writes it and gives it back in `snapshotted`.
   * @throws INVALID_INPUT if `index` is not applied, or compacted away.
   */
  describeSnapshot(index: LogIndex, sizeBytes: number): SnapshotMeta {
    const term = this.log.termAt(index)
    if (index > this.appliedIndex || term === undefined) {
      throw new BedplateError(
        'INVALID_INPUT',
        `a snapshot is made at an index from ${this.log.baseIndex} to ${this.appliedIndex}, not ${index}`,
      )
    }
    return { index, term, membership: this.log.membershipAt(index), sizeBytes }
  }

  protected get durableIndex(): LogIndex {
    return this.durable
  }

  /** The vote and term that this node has now are on disk. */
  protected get isHardStateDurable(): boolean {
    return this.unpersisted?.hardState !== true && this.hardStateWrite <= this.persistedWrite
  }

  /** A write is under way for longer than a disk that works takes. */
  protected get isDiskStalled(): boolean {
    const [oldest] = this.writes
    return oldest !== undefined && this.now >= oldest.beganAtTick + this.options.stallTicks
  }

  protected beginStep(nowTick: Tick): void {
    this.effects = []
    this.now = Math.max(this.now, nowTick)
  }

  /** @returns The effects of the step: what goes to disk first, since others wait for it. */
  protected endStep(): Effect[] {
    const { effects } = this
    this.reportRole()
    if (this.unpersisted === undefined) return effects
    // A snapshot that is complete is complete on disk before the log begins behind it.
    const isChunk = (effect: Effect): boolean => effect.kind === 'storeChunk'
    const { snapshot } = this.unpersisted
    const persist = this.persistEffect(this.unpersisted)
    if (snapshot === undefined) effects.unshift(persist)
    else effects.splice(effects.findLastIndex(isChunk) + 1, 0, persist)
    return effects
  }

  protected hardStateChanged(): void {
    this.dirty().hardState = true
  }

  protected appendToLog(entries: readonly Entry[]): void {
    this.log.append(entries)
    const dirty = this.dirty()
    for (const entry of entries) dirty.entries.push(entry)
    this.logWrite = this.lastWrite + 1
  }

  protected truncateFrom(index: LogIndex): void {
    if (index > this.log.lastIndex) return
    assert(index > this.commitIndex || this.options.mutant !== undefined, 'committed entries stay')
    this.log.truncateFrom(index)
    this.dirty().truncateFrom = index
    this.logWrite = this.lastWrite + 1
    this.durable = Math.min(this.durable, index - 1)
    // What is being written there will be on disk and then be cut off: it says nothing of what takes its place.
    for (const write of this.writes) {
      if (write.lastIndex >= index && !lacks(this.options.mutant, 'truncation voids writes'))
        write.lastIndex = index - 1
    }
  }

  /** Begins the log anew behind a snapshot whose last piece has come in with this step. */
  protected restoreLog(snapshot: SnapshotMeta): void {
    this.log.restore(snapshot)
    this.commitIndex = snapshot.index
    this.restoring = snapshot
    const dirty = this.dirty()
    dirty.snapshot = snapshot
    dirty.truncateFrom = undefined
    dirty.entries.length = 0
    for (const write of this.writes) write.lastIndex = 0
    this.durable = 0
    this.logWrite = this.lastWrite + 1
  }

  protected commitTo(index: LogIndex): void {
    if (index > this.commitIndex) this.commitIndex = index
  }

  /** Takes note that writes are durable. @returns False if that was known, or cannot be. */
  protected takePersisted(write: number): boolean {
    if (write > this.lastWrite || write <= this.persistedWrite) return false
    this.persistedWrite = write
    while (this.writes.length > 0 && (this.writes[0] as Write).write <= write) {
      const { lastIndex, snapshotIndex } = this.writes.shift() as Write
      this.durable = Math.max(this.durable, lastIndex)
      const { restoring } = this
      if (restoring === undefined || snapshotIndex < restoring.index) continue
      this.restoring = undefined
      this.appliedIndex = restoring.index
      this.effects.push({ kind: 'restore', snapshot: restoring })
      this.effects.push({ kind: 'discard', upTo: restoring.index, snapshotsBelow: restoring.index })
    }
    return true
  }

  /** Sends when it may be said: nothing of a term that is not on disk, no promise that a crash could take back. */
  protected send(to: NodeId, message: Message): void {
    const hardState = this.unpersisted?.hardState ? this.lastWrite + 1 : this.hardStateWrite
    const needed = message.kind === 'appended' && message.match > this.durable ? this.logWrite : hardState
    const after = Math.max(needed, hardState)
    const isDurable = after <= this.persistedWrite || lacks(this.options.mutant, 'durable before reply')
    this.effects.push({ kind: 'send', to, message, after: isDurable ? 0 : after })
  }

  protected reply(id: number, outcome: Outcome): void {
    this.effects.push({ kind: 'reply', id, outcome })
  }

  protected refuse(id: number, reason: Refusal): void {
    this.reply(id, { kind: 'refused', reason, leader: this.leader })
  }

  /** What goes to disk at the end of this step, as write `lastWrite + 1`. */
  private dirty(): Unpersisted {
    this.unpersisted ??= { hardState: false, snapshot: undefined, truncateFrom: undefined, entries: [] }
    return this.unpersisted
  }

  private persistEffect({ hardState, snapshot, truncateFrom, entries }: Unpersisted): Effect {
    this.unpersisted = undefined
    const write = ++this.lastWrite
    if (hardState) this.hardStateWrite = write
    const hasLog = entries.length > 0 || truncateFrom !== undefined || snapshot !== undefined
    // A write of the hard state alone says nothing of the log.
    this.writes.push({
      write,
      lastIndex: hasLog ? this.log.lastIndex : 0,
      snapshotIndex: snapshot?.index ?? 0,
      beganAtTick: this.now,
    })
    const isForgotten = hardState && this.votedFor !== undefined && lacks(this.options.mutant, 'votes are persisted')
    const votedFor = isForgotten ? undefined : this.votedFor
    return {
      kind: 'persist',
      write,
      hardState: hardState ? { term: this.term, votedFor } : undefined,
      snapshot,
      truncateFrom,
      entries,
    }
  }

  private reportRole(): void {
    const { role, term, leader, reported } = this
    if (reported !== undefined && role === reported.role && term === reported.term && leader === reported.leader) return
    this.reported = { role, term, leader }
    this.effects.push({ kind: 'role', role, term, leader })
  }
}
