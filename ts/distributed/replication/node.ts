// Leader-follower replication as a pure engine, on top of Raft's. Terms, votes, heartbeats, the shipping of the log, what is cut
// back, snapshots, membership and the fencing of a deposed leader are Raft's; docs/decisions/0015 says why. What comes on top:
//
//   when a write is acknowledged       every voter has it, a majority, or the leader's own disk
//   what may be read                   in mode `async` what is on this disk, before it is committed: `show`, and `hide`
//   how long a leader may be silent    as its heartbeats have come so far
//   how far everybody is behind
import { lacks } from '../../storage/mutant.ts'
import {
  type Coverage,
  type EngineFactory,
  type Entry,
  type LogIndex,
  type Message,
  type NodeId,
  type Position,
  RaftNode,
  type RaftOptions,
  type RaftStart,
  type Refusal,
  type SnapshotMeta,
  sizeOf,
  type Tick,
} from '../raft/index.ts'
import { type KnownReplication, knownReplication } from './check-options.ts'
import { Detector } from './detector.ts'
import { Marks } from './marks.ts'
import { Terms } from './terms.ts'
import type { Lag, ReplicationOptions, ReplicationStatus } from './types.ts'

type Of<K extends Message['kind']> = Extract<Message, { kind: K }>

const NO_LAG: Lag = { entries: 0, bytes: 0, ticks: 0 }
const NO_FOLLOWERS: ReadonlyMap<NodeId, Lag> = new Map()

/**
 * One member of a replicated group: what `RaftNode` is, in a mode.
 *
 * @example
 * const node = new ReplicationNode({ id: 1, random }, { mode: 'async' }, start)
 */
export class ReplicationNode extends RaftNode {
  private readonly replication: KnownReplication
  /** Given to the state machine in `show` or `apply`, and not taken back. */
  private shown: LogIndex
  /** Of this node's log. */
  private marks: Marks
  private readonly terms: Terms
  /** What the leader of `heardTerm` has told this node to be there. */
  private heard: Marks | undefined
  private heardTerm = 0
  /** Of the leader, or of a leader's followers. */
  private readonly detectors = new Map<NodeId, Detector>()

  /** @throws INVALID_INPUT for options that cannot work, CORRUPTION for a start that no node can have left behind. */
  constructor(raft: RaftOptions, replication: ReplicationOptions, start: RaftStart) {
    super(raft, start)
    this.replication = knownReplication(replication, this.options)
    const { baseIndex, lastIndex } = this.log
    this.shown = this.appliedIndex
    this.marks = new Marks(baseIndex, this.now)
    this.markEntries(this.log.between(baseIndex, lastIndex))
    // The disk may have entries before the snapshot still: their terms are worth knowing.
    const first = start.entries.find(({ index }) => index <= baseIndex) ?? this.positionAtBase
    this.terms = new Terms(first.index, first.term)
    this.terms.add(start.entries.filter(({ index }) => index > first.index))
  }

  override get status(): ReplicationStatus {
    return {
      ...super.status,
      mode: this.replication.mode,
      readableIndex: this.shown,
      patienceTicks: this.patienceTicks,
      lag: this.leadership === undefined ? this.ownLag : NO_LAG,
      followers: this.leadership === undefined ? NO_FOLLOWERS : this.followerLags,
    }
  }

  /**
   * Says whether a read of this node's state sees everything up to a position that a leader has named.
   * A position whose term is 0 was committed when it was named.
   */
  override covers({ index, term }: Position): Coverage {
    if (this.replication.mode !== 'async') return super.covers({ index, term })
    if (index <= this.shown && lacks(this.replication.mutant, 'positions have terms')) return 'covered'
    if (index <= this.appliedIndex) {
      return term === 0 ? 'covered' : this.terms.compare({ index, term })
    }
    // Terms never fall in a log: behind a committed entry of a later term there is none of this one.
    if (term > 0 && (this.log.termAt(this.appliedIndex) ?? 0) > term) return 'lost'
    return index <= this.shown && this.log.termAt(index) === term ? 'covered' : 'behind'
  }

  override positionOf(index: LogIndex): Position {
    return { index, term: this.terms.of(index) ?? 0 }
  }

  // ---- Acknowledgement

  protected override get acknowledgedIndex(): LogIndex {
    const { mode, mutant } = this.replication
    if (mode === 'async') return this.shown
    const { appliedIndex } = this
    if (mode === 'semi-sync') return appliedIndex
    const confirmed = Math.min(...this.voters.map((id) => this.durableAt(id)))
    if (appliedIndex <= confirmed || lacks(mutant, 'sync counts every voter')) return appliedIndex
    return confirmed
  }

  protected override applyCommitted(): void {
    super.applyCommitted()
    if (this.replication.mode === 'sync') this.giveUpOverdue()
  }

  /** Answers what some voter has not confirmed for too long: the others may have it, and keep it. */
  private giveUpOverdue(): void {
    const { leadership, acknowledgedIndex } = this
    if (leadership === undefined || acknowledgedIndex >= this.log.lastIndex) return
    const overdue = this.marks.reachedBy(this.now - this.replication.confirmTicks)
    if (overdue <= acknowledgedIndex || lacks(this.replication.mutant, 'sync gives up')) return
    for (const { id, index } of leadership.takeDone(overdue, 0)) {
      const missing = this.voters.filter((voter) => this.durableAt(voter) < index)
      this.reply(id, { kind: 'unknown', leader: this.leader, ...(missing.length > 0 ? { missing } : {}) })
    }
  }

  /** In mode `sync` commands wait also after they are applied, so the bound on what waits holds for those as well. */
  protected override refusalOf(command: Uint8Array): Refusal | undefined {
    const refusal = super.refusalOf(command)
    if (refusal !== undefined || this.replication.mode !== 'sync') return refusal
    const waitingBytes = this.marks.bytesAfter(this.acknowledgedIndex)
    return waitingBytes >= this.options.maxUncommittedBytes ? 'busy' : undefined
  }

  private get voters(): NodeId[] {
    const { voters, outgoing } = this.log.membership
    return outgoing.length === 0 ? [...voters] : [...new Set([...voters, ...outgoing])]
  }

  /** Up to where a member is known to have this leader's log on disk. */
  private durableAt(id: NodeId): LogIndex {
    return id === this.id ? this.durableIndex : (this.leadership?.followers.get(id)?.match ?? 0)
  }

  // ---- What may be read

  protected override get readableIndex(): LogIndex {
    return this.shown
  }

  protected override get readIndex(): LogIndex {
    if (this.shown <= this.commitIndex || lacks(this.replication.mutant, 'reads cover what is shown'))
      return this.commitIndex
    return this.shown
  }

  protected override showDurable(): void {
    this.shown = Math.max(this.shown, this.appliedIndex)
    const { mode, mutant } = this.replication
    if (mode !== 'async' || this.restoring !== undefined) return
    let upTo = this.durableIndex
    if (this.log.lastIndex > upTo && lacks(mutant, 'durable before shown')) upTo = this.log.lastIndex
    if (upTo <= this.shown) return
    this.effects.push({ kind: 'show', entries: this.log.between(this.shown, upTo) })
    this.shown = upTo
  }

  private hideFrom(index: LogIndex): void {
    if (index > this.shown || lacks(this.replication.mutant, 'hide what is cut back')) return
    this.shown = index - 1
    this.effects.push({ kind: 'hide', from: index })
  }

  // ---- The log

  protected override appendToLog(entries: readonly Entry[]): void {
    super.appendToLog(entries)
    this.terms.add(entries)
    this.markEntries(entries)
  }

  protected override truncateFrom(index: LogIndex): void {
    const isCut = index <= this.log.lastIndex
    super.truncateFrom(index)
    if (!isCut) return
    this.terms.cutFrom(index)
    this.marks.cutTo(index - 1, this.now, (after) => this.bytesBetween(after, index - 1))
    this.hideFrom(index)
  }

  protected override restoreLog(snapshot: SnapshotMeta): void {
    super.restoreLog(snapshot)
    this.terms.restart(snapshot.index, snapshot.term)
    this.marks = new Marks(snapshot.index, this.now)
    this.hideFrom(this.appliedIndex + 1)
  }

  private get positionAtBase(): Position {
    const { baseIndex } = this.log
    return { index: baseIndex, term: this.log.termAt(baseIndex) ?? 0 }
  }

  private markEntries(entries: readonly Entry[]): void {
    for (const entry of entries) this.marks.reach(entry.index, sizeOf(entry), this.now)
  }

  private bytesBetween(after: LogIndex, to: LogIndex): number {
    let bytes = 0
    for (const entry of this.log.between(Math.max(after, this.log.baseIndex), to)) bytes += sizeOf(entry)
    return bytes
  }

  // ---- Failure detection

  protected override get patienceTicks(): Tick {
    const usual = this.detectors?.get(this.leader ?? 0)?.usualTicks // not there while the node is being constructed
    if (usual === undefined) return this.options.electionTicks
    const isShort = usual < this.options.electionTicks
    return isShort && lacks(this.replication.mutant, 'patience has a floor') ? usual : this.within(usual)
  }

  /** A leader waits for the answers of those who answer least evenly. */
  protected override get quorumTicks(): Tick {
    if (lacks(this.replication.mutant, 'alone no leader for long')) return Number.MAX_SAFE_INTEGER
    return this.within(Math.max(0, ...this.voters.map((id) => this.detectors.get(id)?.usualTicks ?? 0)))
  }

  private within(ticks: Tick): Tick {
    const { mutant, maxElectionTicks } = this.replication
    const { electionTicks } = this.options
    if (ticks <= electionTicks || lacks(mutant, 'patience grows')) return electionTicks
    return Math.min(ticks, maxElectionTicks)
  }

  private sign(from: NodeId): void {
    let detector = this.detectors.get(from)
    if (detector === undefined) {
      this.forgetStrangers()
      detector = new Detector({ beatTicks: this.options.heartbeatTicks, mostTicks: this.replication.maxElectionTicks })
      this.detectors.set(from, detector)
    }
    detector.heard(this.now, this.term)
  }

  /** Whoever is no member any more. */
  private forgetStrangers(): void {
    const { voters, outgoing, learners } = this.log.membership
    const members = new Set([...voters, ...outgoing, ...learners])
    for (const id of this.detectors.keys()) if (!members.has(id)) this.detectors.delete(id)
  }

  // ---- What comes in

  protected override heartbeat(from: NodeId, message: Of<'heartbeat'>): void {
    this.sign(from)
    this.told(message.commit)
    super.heartbeat(from, message)
  }

  protected override heartbeatAck(from: NodeId, message: Of<'heartbeatAck'>): void {
    if (this.leadership?.followers.has(from)) this.sign(from)
    super.heartbeatAck(from, message)
  }

  protected override append(from: NodeId, message: Of<'append'>): void {
    const { commit, prevIndex, entries } = message
    this.told(this.replication.mode === 'async' ? Math.max(commit, prevIndex + entries.length) : commit)
    super.append(from, message)
  }

  protected override snapshotChunk(from: NodeId, message: Of<'snapshotChunk'>): void {
    this.told(message.snapshot.index)
    super.snapshotChunk(from, message)
  }

  /** The leader of this term has something up to `index` to be shown. */
  private told(index: LogIndex): void {
    if (this.heard === undefined || this.heardTerm !== this.term) {
      this.heard = new Marks(index, this.now)
      this.heardTerm = this.term
    } else this.heard.reach(index, 0, this.now)
  }

  // ---- Lag

  private get ownLag(): Lag {
    const { heard, shown } = this
    const entries = Math.max(0, (heard?.lastIndex ?? 0) - shown)
    const since = heard?.withinAt(shown) ?? heard?.passedAt(shown)
    return {
      entries,
      bytes: entries === 0 ? 0 : this.marks.bytesAfter(shown),
      ticks: since === undefined ? undefined : this.now - since,
    }
  }

  private get followerLags(): Map<NodeId, Lag> {
    const lags = new Map<NodeId, Lag>()
    for (const [id, match] of this.matchIndexes) {
      const since = this.marks.passedAt(match)
      lags.set(id, {
        entries: this.log.lastIndex - match,
        bytes: this.marks.bytesAfter(match),
        ticks: since === undefined ? 0 : this.now - since,
      })
    }
    return lags
  }
}

/** Makes groups of a host replicate in a mode: what goes into `HostSeams.engine`. */
export function replicationEngine(options: ReplicationOptions = {}): EngineFactory {
  return (raft, start) => new ReplicationNode(raft, options, start)
}
