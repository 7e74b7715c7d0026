// The Raft engine: one event in, effects out. No clock, no disk, no network, no randomness of its own.
//
// A step changes memory at once and says what the driver must do, in order. What may not be said to others before it is on
// disk carries the number of the write that it waits for (`send.after`); everything else leaves immediately. So a leader's
// entries are on their way to the followers while its own disk writes them (dissertation, §10.2.1), and counts itself among
// those that have them only when `persisted` says so. etcd's raft library has the same line between `Step` and `Ready`.
//
// The parts of the protocol are classes that extend each other, so that each sees the state and those before it alone:
// `Replica` (what is on disk), `Following`, `Replicating`, `Reading`, `Electing`, `Changing`. Here they meet: events, time, and
// what a majority has.
import { assertNever } from '../../base/errors.ts'
import { lacks } from '../../storage/mutant.ts'
import { Changing } from './changing.ts'
import { knownOptions } from './check-options.ts'
import type { Leadership } from './leadership.ts'
import { reachedByMajority } from './membership.ts'
import type {
  Appended,
  Coverage,
  Effect,
  Event,
  LogIndex,
  Message,
  NodeId,
  Position,
  RaftOptions,
  RaftStart,
  Tick,
} from './types.ts'

/** Makes the engine of a group: Raft's, or one that stands on it. */
export type EngineFactory = (options: RaftOptions, start: RaftStart) => RaftNode

/**
 * One member of one Raft group.
 *
 * @example
 * const node = new RaftNode({ id: 1, random: seededRandom(7) }, {
 *   hardState: { term: 0, votedFor: undefined },
 *   snapshot: undefined,
 *   entries: [],
 *   membership: { voters: [1], outgoing: [], learners: [] },
 *   nowTick: 0,
 * })
 * node.step({ kind: 'tick' }, 20) // its only voter campaigns: it asks to persist its vote
 */
export class RaftNode extends Changing {
  private timerAtTick: Tick = Number.POSITIVE_INFINITY
  private failure: unknown

  /** @throws INVALID_INPUT for options that cannot work, CORRUPTION for a start that no node can have left behind. */
  constructor(options: RaftOptions, start: RaftStart) {
    super(knownOptions(options), start)
  }

  /**
   * Takes one event. After a failed assertion the node takes no more.
   * @param nowTick - The time of the event. A tick of the past counts as the latest one.
   * @returns What to do, in order. The array is the caller's.
   * @throws INTERNAL if an assertion fails.
   */
  step(event: Event, nowTick: Tick): Effect[] {
    if (this.failure !== undefined) throw this.failure
    this.beginStep(nowTick)
    try {
      this.take(event)
      this.applyCommitted()
      this.setTimer()
    } catch (error) {
      this.failure = error
      throw error
    }
    return this.endStep()
  }

  /** What a leader knows of the others: up to where their logs are known to be its own. Empty on other nodes. */
  get matchIndexes(): ReadonlyMap<NodeId, LogIndex> {
    return new Map([...(this.leadership?.followers ?? [])].map(([id, { match }]) => [id, match]))
  }

  /** Commands up to here are answered, if this node has taken them; not above what was applied or shown. */
  get answered(): LogIndex {
    return this.acknowledgedIndex
  }

  /** The last entry that a read of this node's state sees. */
  get readable(): Position {
    return this.positionOf(this.readableIndex)
  }

  /** What names an entry of this node's log for good. Where the log is gone the term is 0: that was committed. */
  positionOf(index: LogIndex): Position {
    return { index, term: this.termAt(index) ?? 0 }
  }

  /**
   * Says whether a read of this node's state sees everything up to a position that a leader has named.
   * Raft names committed ones only, so there is nothing to lose.
   */
  covers({ index }: Position): Coverage {
    return index <= this.appliedIndex ? 'covered' : 'behind'
  }

  private take(event: Event): void {
    switch (event.kind) {
      case 'message':
        this.receive(event.from, event.message)
        return
      case 'persisted':
        this.persisted(event.write)
        return
      case 'tick':
        this.tick()
        return
      case 'propose':
        this.propose(event.proposals)
        return
      case 'read':
        this.read(event.ids)
        return
      case 'change':
        this.change(event)
        return
      case 'transfer':
        this.transfer(event.id, event.to)
        return
      case 'snapshotted':
        this.snapshotted(event.snapshot)
        return
      default:
        assertNever(event)
    }
  }

  // ---- Time

  private tick(): void {
    this.timerAtTick = Number.POSITIVE_INFINITY // the driver has no timer now, also if this one came early
    if (this.leadership !== undefined) this.tickLeader(this.leadership)
    else if (this.now >= this.electionAtTick) {
      if (this.mayCampaign()) this.campaign(lacks(this.options.mutant, 'pre-vote') ? 'candidate' : 'preCandidate')
      else this.restartElectionTimer()
    }
  }

  private tickLeader(leadership: Leadership): void {
    if (leadership.transfer !== undefined && this.now >= leadership.transfer.deadlineTick) {
      const { id } = leadership.transfer
      if (leadership.isLeaseVoid) this.reply(id, { kind: 'unknown', leader: this.leader })
      else this.refuse(id, 'heir behind')
      leadership.transfer = undefined
      this.continueChange(leadership)
    }
    if (this.isDiskStalled && this.handOver(leadership)) return
    if (this.now >= leadership.quorumCheckAtTick) {
      leadership.quorumCheckAtTick = this.now + this.quorumTicks
      if (!this.hasActiveQuorum(leadership)) {
        this.becomeFollower(this.term, undefined)
        return
      }
      this.checkNewcomers(leadership)
    }
    this.continueCatchUp(leadership)
    if (this.now >= leadership.heartbeatAtTick) this.broadcastHeartbeat(leadership)
  }

  private setTimer(): void {
    const { leadership } = this
    const due =
      leadership === undefined
        ? this.electionAtTick
        : Math.min(
            leadership.heartbeatAtTick,
            leadership.quorumCheckAtTick,
            leadership.transfer?.deadlineTick ?? Number.POSITIVE_INFINITY,
          )
    // A timer that comes too early does no harm; most of them are put off by the next message anyway.
    if (due >= this.timerAtTick) return
    this.timerAtTick = due
    this.effects.push({ kind: 'timer', atTick: due })
  }

  // ---- Messages

  private receive(from: NodeId, message: Message): void {
    if (from === this.id) return
    if (message.kind === 'removed') {
      this.hearRemoval(message.index) // true in whatever term
      return
    }
    if (message.kind === 'requestVote' && !message.isTransfer && this.keepsLeader(message)) {
      this.tellRemoved(from)
      return
    }
    if (message.term > this.term) {
      // A term that is only thought of begins for nobody.
      const isThought =
        (message.kind === 'requestVote' && message.isPre) ||
        (message.kind === 'vote' && message.isPre && message.granted)
      const isHeir = message.kind === 'requestVote' && message.isTransfer
      if (!isThought) this.becomeFollower(message.term, undefined, isHeir ? from : undefined)
    } else if (message.term < this.term) {
      this.receiveStale(from, message)
      return
    }
    switch (message.kind) {
      case 'append':
        if (this.hearLeader(from)) this.append(from, message)
        return
      case 'appended':
        this.appended(from, message)
        return
      case 'heartbeat':
        if (this.hearLeader(from)) this.heartbeat(from, message)
        return
      case 'heartbeatAck':
        this.heartbeatAck(from, message)
        return
      case 'refused':
        this.refused(from, message)
        return
      case 'requestVote':
        this.requestVote(from, message)
        return
      case 'vote':
        this.vote(from, message)
        return
      case 'snapshotChunk':
        if (this.hearLeader(from)) this.snapshotChunk(from, message)
        return
      case 'chunkReceived':
        this.chunkReceived(from, message)
        return
      case 'timeoutNow':
        // Only the leader of this term may ask; a message of the past has an older term or finds another role.
        if (this.role === 'follower' && from === this.leader && this.mayCampaign()) {
          this.campaign('candidate', true)
        }
        return
      case 'stale':
        return // its term was all that it had to say
      default:
        assertNever(message)
    }
  }

  /** Answers only those who would otherwise never learn that their term is over. */
  private receiveStale(from: NodeId, message: Message): void {
    const { term } = this
    if (message.kind === 'requestVote') this.send(from, { kind: 'vote', term, isPre: message.isPre, granted: false })
    const isFromLeader = ['append', 'heartbeat', 'snapshotChunk'].includes(message.kind)
    if (isFromLeader) this.send(from, { kind: 'stale', term })
  }

  // ---- What is on how many disks

  private appended(from: NodeId, { match }: Appended): void {
    const { leadership } = this
    const progress = leadership?.followers.get(from)
    if (leadership === undefined || progress === undefined || match > this.log.lastIndex) return
    progress.isActive = true
    const isNews = progress.acknowledge(match)
    if (isNews) this.commitByMajority(leadership)
    if (this.leadership !== leadership) return // a leader that removed itself is none any more
    while (progress.next <= this.log.lastIndex && this.sendAppend(from, progress)) {
      // The window has moved.
    }
    if (!isNews) return
    this.continueCatchUp(leadership)
    this.continueTransfer(leadership)
  }

  /** Commits what a majority has, by an entry of the leader's own term (§5.4.2). */
  private commitByMajority(leadership: Leadership): void {
    const valueAt = (id: NodeId): LogIndex =>
      id === this.id ? this.durableIndex : (leadership.followers.get(id)?.match ?? 0)
    const index = reachedByMajority(this.log.membership, valueAt)
    if (index <= this.commitIndex) return
    if (this.log.termAt(index) !== this.term && !lacks(this.options.mutant, 'commit own terms only')) return
    this.commitTo(index)
    this.continueChange(leadership)
    if (this.leadership !== leadership) return
    this.tellCommit(leadership)
    this.beginReadRound(leadership)
  }

  private persisted(write: number): void {
    if (!this.takePersisted(write)) return
    if (this.role === 'candidate' && this.isHardStateDurable) this.countVote(this.id, true)
    if (this.leadership !== undefined) this.commitByMajority(this.leadership)
  }
}
