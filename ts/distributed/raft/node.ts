// The Raft engine: one event in, effects out. No clock, no disk, no network, no randomness of its own.
//
// A step changes memory at once and says what the driver must do, in order. What may not be said to others before it is on
// disk carries the number of the write that it waits for (`send.after`); everything else leaves immediately. So a leader's
// entries are on their way to the followers while its own disk writes them (dissertation, §10.2.1), and counts itself among
// those that have them only when `persisted` says so. etcd's raft library has the same line between `Step` and `Ready`.
import { assert, assertNever } from '../../base/errors.ts'
import { lacks } from '../../storage/mutant.ts'
import { knownOptions } from './check-options.ts'
import { Incoming } from './incoming.ts'
import { Leadership } from './leadership.ts'
import { canFollow, sizeOf } from './log.ts'
import { countVotes, isJoint, isPossible, isUsable, isVoter, reachedByMajority, votersOf } from './membership.ts'
import type { Progress } from './progress.ts'
import { Replica } from './replica.ts'
import type {
  Append,
  Appended,
  ChunkReceived,
  Effect,
  Entry,
  Event,
  Heartbeat,
  HeartbeatAck,
  LogIndex,
  Membership,
  Message,
  NodeId,
  Proposal,
  RaftOptions,
  RaftStart,
  Refusal,
  Refused,
  RequestVote,
  SnapshotChunk,
  SnapshotMeta,
  Term,
  Tick,
  Vote,
} from './types.ts'

const NO_DATA = new Uint8Array(0)
const NO_VOTES: ReadonlyMap<NodeId, boolean> = new Map()

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
export class RaftNode extends Replica {
  // Elections.
  private votes: Map<NodeId, boolean> | typeof NO_VOTES = NO_VOTES
  private timeoutTicks: number
  private electionAtTick: Tick
  /** When this node last heard from a leader, or started; it helps nobody to depose one soon after (§4.2.3). */
  private contactAtTick: Tick
  private leadership: Leadership | undefined

  /** A snapshot that is coming in. */
  private incoming: Incoming | undefined
  private timerAtTick: Tick = Number.POSITIVE_INFINITY
  private failure: unknown

  /** @throws INVALID_INPUT for options that cannot work, CORRUPTION for a start that no node can have left behind. */
  constructor(options: RaftOptions, start: RaftStart) {
    super(knownOptions(options), start)
    this.contactAtTick = start.nowTick - (this.options.reads === 'lease' ? 0 : this.options.electionTicks)
    this.timeoutTicks = this.drawTimeout()
    this.electionAtTick = start.nowTick + this.timeoutTicks
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
        this.change(event.id, event.voters, event.learners)
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
      if (this.mayCampaign()) this.campaign('preCandidate')
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
    if (this.now >= leadership.quorumCheckAtTick) {
      leadership.quorumCheckAtTick = this.now + this.options.electionTicks
      if (!this.hasActiveQuorum(leadership)) {
        this.becomeFollower(this.term, undefined)
        return
      }
    }
    if (this.now >= leadership.heartbeatAtTick) this.broadcastHeartbeat(leadership)
  }

  /** A leader that a majority does not answer is none: clients had better look elsewhere (dissertation, §6.2). */
  private hasActiveQuorum(leadership: Leadership): boolean {
    const isActive = (id: NodeId): number => (id === this.id || leadership.followers.get(id)?.isActive ? 1 : 0)
    const hasQuorum = reachedByMajority(this.log.membership, isActive) === 1
    for (const progress of leadership.followers.values()) {
      if (!progress.isActive) progress.abortTransfer()
      progress.isActive = false
    }
    return hasQuorum
  }

  private restartElectionTimer(): void {
    this.electionAtTick = this.now + this.timeoutTicks
  }

  private drawTimeout(): number {
    const { electionTicks, random } = this.options
    return electionTicks + Math.floor(random.next() * electionTicks)
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

  // ---- Roles and elections (paper, §5.1 and §5.2)

  /** @param heir - Who campaigns since this node, the leader, has asked for it. */
  private becomeFollower(term: Term, leader: NodeId | undefined, heir?: NodeId): void {
    if (term > this.term) {
      this.term = term
      this.votedFor = undefined
      this.hardStateChanged()
    }
    const { leadership } = this
    this.leadership = undefined
    this.role = 'follower'
    this.leader = leader
    this.votes = NO_VOTES
    this.timeoutTicks = this.drawTimeout()
    this.restartElectionTimer()
    if (leadership !== undefined) this.giveUp(leadership, heir)
  }

  /** Answers what a leader owes to its clients: a later leader may commit it or not. */
  private giveUp(leadership: Leadership, heir: NodeId | undefined): void {
    const { transfer } = leadership
    if (transfer !== undefined && transfer.to === heir) {
      leadership.transfer = undefined
      this.reply(transfer.id, { kind: 'done', index: this.log.lastIndex })
    }
    for (const id of [...leadership.takeAll(), ...leadership.reads.takeAll()]) {
      this.reply(id, { kind: 'unknown', leader: this.leader })
    }
  }

  /**
   * Voters may. So may one that its latest membership leaves out, until that is committed: it can be the only one that has
   * the entry and that those before cannot do without (dissertation, §4.2.2).
   */
  private mayCampaign(): boolean {
    const { membership, membershipBefore, membershipIndex } = this.log
    if (isVoter(membership, this.id)) return true
    return membershipIndex > this.commitIndex && isVoter(membershipBefore, this.id)
  }

  /** Asks for votes: first whether there would be any, since a term once begun ends that of a leader (§9.6). */
  private campaign(role: 'preCandidate' | 'candidate', isTransfer = false): void {
    this.role = role
    this.leader = undefined
    this.votes = new Map()
    this.timeoutTicks = this.drawTimeout()
    this.restartElectionTimer()
    const isPre = role === 'preCandidate'
    if (!isPre) {
      this.term++
      this.votedFor = this.id
      this.hardStateChanged()
    }
    const { lastIndex, lastTerm } = this.log
    const term = isPre ? this.term + 1 : this.term
    for (const to of votersOf(this.log.membership)) {
      if (to !== this.id) this.send(to, { kind: 'requestVote', term, isPre, lastIndex, lastTerm, isTransfer })
    }
    // A vote counts when it is durable, the node's own like all others; `persisted` counts that one.
    if (isPre) this.countVote(this.id, true)
  }

  private countVote(from: NodeId, granted: boolean): void {
    if (this.votes.has(from)) return
    ;(this.votes as Map<NodeId, boolean>).set(from, granted)
    const outcome = countVotes(this.log.membership, this.votes)
    if (outcome === 'lost') this.becomeFollower(this.term, undefined)
    if (outcome !== 'won') return
    if (this.role === 'preCandidate') this.campaign('candidate')
    else this.becomeLeader()
  }

  private becomeLeader(): void {
    const { maxInflightMessages, maxInflightBytes, electionTicks } = this.options
    this.role = 'leader'
    this.leader = this.id
    this.votes = NO_VOTES
    const leadership = new Leadership(
      { maxMessages: maxInflightMessages, maxBytes: maxInflightBytes },
      { nowTick: this.now, electionTicks },
    )
    this.leadership = leadership
    leadership.adopt(this.log.membership, this.id, this.log.lastIndex)
    this.appendOwn({ kind: 'empty', index: this.log.lastIndex + 1, term: this.term })
    this.broadcastHeartbeat(leadership)
    this.replicate(leadership)
  }

  private requestVote(from: NodeId, request: RequestVote): void {
    const canVote =
      this.votedFor === from ||
      (this.votedFor === undefined && this.leader === undefined) ||
      (request.isPre && request.term > this.term)
    const isUpToDate =
      this.log.isOutdoneBy(request.lastIndex, request.lastTerm) ||
      lacks(this.options.mutant, 'votes for the up-to-date')
    if (!canVote || !isUpToDate || request.term < this.term) {
      this.send(from, { kind: 'vote', term: this.term, isPre: request.isPre, granted: false })
      return
    }
    if (!request.isPre) {
      this.restartElectionTimer()
      if (this.votedFor !== from) {
        this.votedFor = from
        this.hardStateChanged()
      }
    }
    this.send(from, { kind: 'vote', term: request.term, isPre: request.isPre, granted: true })
  }

  private vote(from: NodeId, vote: Vote): void {
    if (this.role !== (vote.isPre ? 'preCandidate' : 'candidate')) return
    if (vote.granted && vote.term !== (vote.isPre ? this.term + 1 : this.term)) return
    this.countVote(from, vote.granted)
  }

  // ---- Messages

  private receive(from: NodeId, message: Message): void {
    if (from === this.id) return
    if (message.kind === 'requestVote' && !message.isTransfer && this.keepsLeader(message)) return
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

  /** A leader of this term has spoken. @returns False if that cannot be: there is one leader a term. */
  private hearLeader(from: NodeId): boolean {
    if (this.role === 'leader') return false
    if (this.role !== 'follower') this.becomeFollower(this.term, from)
    this.leader = from
    this.contactAtTick = this.now
    this.restartElectionTimer()
    return true
  }

  /**
   * A node that was removed, or that heard nothing, must not depose a leader that works: it gets not even an answer. Also not
   * in the term that this node is in already: what took it there may have come before the leader was heard again, whose lease
   * counts on this node's silence.
   */
  private keepsLeader({ term }: RequestVote): boolean {
    const hearsLeader = this.role === 'leader' || this.now < this.contactAtTick + this.options.electionTicks
    if (!hearsLeader || term < this.term) return false
    if (term === this.term) return !lacks(this.options.mutant, 'promises of any term')
    return !lacks(this.options.mutant, 'leader stickiness')
  }

  // ---- Followers (paper, §5.3)

  private append(from: NodeId, message: Append): void {
    const { prevIndex, entries } = message
    if (prevIndex < this.commitIndex) {
      // Committed entries are equal everywhere; the leader will go on behind them.
      this.acknowledge(from, this.commitIndex)
      if (!lacks(this.options.mutant, 'truncate conflicts only')) return
    }
    if (this.log.termAt(prevIndex) !== message.prevTerm) {
      const hintIndex = this.log.lastUpTo(prevIndex, message.prevTerm)
      const hintTerm = this.log.termAt(hintIndex) as Term
      this.send(from, { kind: 'refused', term: this.term, prevIndex, hintIndex, hintTerm })
      return
    }
    if (!canFollow(message)) return // no leader sends that
    const lastNew = prevIndex + entries.length
    const known = entries.findIndex((entry) => this.log.termAt(entry.index) !== entry.term)
    const news = known === -1 ? [] : entries.slice(known)
    if (news.length > 0) this.truncateFrom((news[0] as Entry).index)
    else if (lastNew < this.log.lastIndex && lacks(this.options.mutant, 'truncate conflicts only')) {
      this.truncateFrom(lastNew + 1)
    }
    if (news.length > 0) this.appendToLog(news)
    this.commitTo(Math.min(message.commit, lastNew))
    this.acknowledge(from, lastNew)
  }

  private heartbeat(from: NodeId, { commit, round }: Heartbeat): void {
    this.commitTo(Math.min(commit, this.log.lastIndex))
    this.send(from, { kind: 'heartbeatAck', term: this.term, round })
  }

  /** Says up to where the log is the leader's, once it is durable. */
  private acknowledge(to: NodeId, match: LogIndex): void {
    this.send(to, { kind: 'appended', term: this.term, match })
  }

  private snapshotChunk(from: NodeId, chunk: SnapshotChunk): void {
    const { snapshot, offset, data } = chunk
    const { index, sizeBytes } = snapshot
    if (index <= this.commitIndex) {
      this.acknowledge(from, this.commitIndex)
      return
    }
    if (this.log.termAt(index) === snapshot.term) {
      // Everything that it covers is in the log: only that it is committed was not known.
      this.commitTo(index)
      this.acknowledge(from, index)
      return
    }
    const isUsual =
      isPossible(snapshot.membership) && snapshot.term <= this.term && sizeBytes <= this.options.maxSnapshotBytes
    if (!isUsual || offset + data.length > sizeBytes) return // no leader sends that
    if (!this.incoming?.isOf(from, chunk, this.options.mutant)) this.incoming = new Incoming(from, chunk)
    const { incoming } = this
    if (incoming.take(chunk)) this.effects.push({ kind: 'storeChunk', snapshot, offset, data })
    if (incoming.isWhole) {
      // It takes the place of the log.
      this.incoming = undefined
      this.restoreLog(snapshot)
      this.acknowledge(from, index)
      return
    }
    this.send(from, { kind: 'chunkReceived', term: this.term, index, offset: incoming.offset, chunkOffset: offset })
  }

  // ---- Leaders (paper, §5.3 and §5.4)

  private propose(proposals: readonly Proposal[]): void {
    const { leadership } = this
    for (const { id, command } of proposals) {
      const refusal = this.refusalOf(command)
      if (leadership === undefined || refusal !== undefined) {
        this.refuse(id, refusal ?? 'not leader')
        continue
      }
      const entry: Entry = { kind: 'command', index: this.log.lastIndex + 1, term: this.term, command }
      this.appendOwn(entry)
      leadership.expect(id, entry.index)
    }
    if (leadership !== undefined) this.replicate(leadership)
  }

  private refusalOf(command: Uint8Array): Refusal | undefined {
    const { leadership } = this
    if (leadership === undefined) return 'not leader'
    if (leadership.transfer !== undefined) return 'transferring'
    if (command.length > this.options.maxCommandBytes) return 'too large'
    return leadership.unappliedBytes >= this.options.maxUncommittedBytes ? 'busy' : undefined
  }

  private appendOwn(entry: Entry): void {
    assert(this.leadership !== undefined, 'only a leader adds to its log')
    this.leadership.unappliedBytes += sizeOf(entry)
    this.appendToLog([entry])
    if (entry.kind === 'membership') this.leadership.adopt(entry.membership, this.id, this.log.lastIndex - 1)
  }

  /** Sends every follower what it may be sent. */
  private replicate(leadership: Leadership): void {
    for (const [id, progress] of leadership.followers) {
      while (progress.next <= this.log.lastIndex && this.sendAppend(id, progress)) {
        // Until the window is full or nothing is left.
      }
    }
  }

  /** Sends the next entries to a follower, or none if it has all. @returns False if it must wait. */
  private sendAppend(to: NodeId, progress: Progress): boolean {
    if (progress.isPaused) return false
    const prevIndex = progress.next - 1
    const prevTerm = this.log.termAt(prevIndex)
    if (prevTerm === undefined) {
      this.startSnapshot(to, progress)
      return false
    }
    const entries = this.log.entriesFrom(progress.next, this.options.maxBatchBytes)
    let bytes = 0
    for (const entry of entries) bytes += sizeOf(entry)
    progress.sent(prevIndex + entries.length, bytes)
    this.send(to, { kind: 'append', term: this.term, prevIndex, prevTerm, entries, commit: this.commitIndex })
    return true
  }

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
    if (isNews) this.continueTransfer(leadership)
  }

  private refused(from: NodeId, { prevIndex, hintIndex, hintTerm }: Refused): void {
    const progress = this.leadership?.followers.get(from)
    if (progress === undefined) return
    progress.isActive = true
    // Of the entries up to the hint, those with a higher term cannot be in the follower's log.
    if (progress.refuse(prevIndex, this.log.lastUpTo(hintIndex, hintTerm))) this.sendAppend(from, progress)
  }

  private broadcastHeartbeat(leadership: Leadership): void {
    const { reads } = leadership
    leadership.heartbeatAtTick = this.now + this.options.heartbeatTicks
    const round = reads.begin(this.now, this.hasCommittedOwn() ? this.commitIndex : undefined)
    for (const [id, { match }] of leadership.followers) {
      this.send(id, { kind: 'heartbeat', term: this.term, commit: Math.min(this.commitIndex, match), round })
    }
    this.confirmReads(leadership)
  }

  private heartbeatAck(from: NodeId, { round }: HeartbeatAck): void {
    const { leadership } = this
    const progress = leadership?.followers.get(from)
    if (leadership === undefined || progress === undefined || round > leadership.reads.round) return
    progress.isActive = true
    progress.ackedRound = Math.max(progress.ackedRound, round)
    this.confirmReads(leadership)
    const { transfer } = progress
    if (transfer !== undefined) {
      if (this.now >= transfer.sentAtTick + 2 * this.options.heartbeatTicks) this.sendChunk(from, progress)
      return
    }
    if (progress.match === this.log.lastIndex && progress.state === 'replicate') return
    // It lacks something, and nothing may be under way: if something was lost, an answer will tell.
    progress.retry()
    this.sendAppend(from, progress)
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
    // Whoever has something under way hears of it with what follows.
    for (const [id, progress] of leadership.followers) if (progress.isQuiet) this.sendAppend(id, progress)
    this.beginReadRound(leadership)
  }

  private hasCommittedOwn(): boolean {
    return this.log.termAt(this.commitIndex) === this.term || lacks(this.options.mutant, 'reads after own commit')
  }

  // ---- Reads (dissertation, §6.4)

  private read(ids: readonly number[]): void {
    const { leadership } = this
    if (leadership === undefined) {
      for (const id of ids) this.refuse(id, 'not leader')
      return
    }
    if (leadership.reads.pending + ids.length > this.options.maxPendingReads) {
      for (const id of ids) this.refuse(id, 'busy')
      return
    }
    if (this.hasCommittedOwn() && (this.hasLease(leadership) || lacks(this.options.mutant, 'reads ask a quorum'))) {
      leadership.reads.addConfirmed(ids, this.commitIndex)
      return
    }
    leadership.reads.add(ids)
    this.beginReadRound(leadership)
  }

  private hasLease(leadership: Leadership): boolean {
    if (this.options.reads !== 'lease') return false
    if (leadership.isLeaseVoid && !lacks(this.options.mutant, 'no lease after transfer')) return false
    return leadership.reads.hasLease(this.now, this.options.leaseTicks)
  }

  private beginReadRound(leadership: Leadership): void {
    if (leadership.reads.needsRound && this.hasCommittedOwn()) this.broadcastHeartbeat(leadership)
  }

  private confirmReads(leadership: Leadership): void {
    const { reads, followers } = leadership
    reads.confirm(
      reachedByMajority(this.log.membership, (id) =>
        id === this.id ? reads.round : (followers.get(id)?.ackedRound ?? 0),
      ),
    )
    this.beginReadRound(leadership)
  }

  // ---- Membership (paper, §6; dissertation, §4.3)

  private change(id: number, voters: readonly NodeId[], learners: readonly NodeId[]): void {
    const { leadership, log } = this
    const refusal = this.refusalOfChange(voters, learners)
    if (leadership === undefined || refusal !== undefined) {
      this.refuse(id, refusal ?? 'not leader')
      return
    }
    const isAtOnce = lacks(this.options.mutant, 'joint phase')
    const outgoing = isAtOnce ? [] : log.membership.voters
    leadership.change = { id, index: Number.POSITIVE_INFINITY }
    this.appendMembership({ voters, outgoing, learners })
    this.replicate(leadership)
  }

  private refusalOfChange(voters: readonly NodeId[], learners: readonly NodeId[]): Refusal | undefined {
    const { leadership, log } = this
    if (leadership === undefined) return 'not leader'
    if (leadership.transfer !== undefined) return 'transferring'
    if (!isUsable(voters, learners)) return 'bad membership'
    // Only one change at a time: neighbours in the log must not be able to decide without each other. The leader must have
    // committed in its term, or it does not know which the last membership is (Ongaro, raft-dev, 2015).
    const isSettled = log.membershipIndex <= this.commitIndex && !isJoint(log.membership) && this.hasCommittedOwn()
    return isSettled && leadership.change === undefined ? undefined : 'change under way'
  }

  /** Goes on with a change whose last step is committed, also one that an earlier leader has begun. */
  private continueChange(leadership: Leadership): void {
    const { membership, membershipIndex } = this.log
    if (membershipIndex > this.commitIndex) return
    if (isJoint(membership)) {
      // An entry behind those that the heir has would cost it the election; whoever leads then ends the change.
      if (leadership.transfer !== undefined) return
      this.appendMembership({ ...membership, outgoing: [] })
      this.replicate(leadership)
      return
    }
    if (leadership.change !== undefined) leadership.change.index = membershipIndex
    // A leader that is no voter leads until it has committed that it is none (§4.2.2).
    if (isVoter(membership, this.id)) return
    this.applyCommitted()
    const heir = leadership.bestOf(membership.voters)
    if (heir !== undefined) this.send(heir, { kind: 'timeoutNow', term: this.term })
    this.becomeFollower(this.term, undefined)
  }

  private appendMembership(membership: Membership): void {
    this.appendOwn({ kind: 'membership', index: this.log.lastIndex + 1, term: this.term, membership })
  }

  // ---- Leadership transfer (dissertation, §3.10)

  private transfer(id: number, to: NodeId): void {
    const { leadership } = this
    if (leadership === undefined || leadership.transfer !== undefined) {
      this.refuse(id, leadership === undefined ? 'not leader' : 'transferring')
      return
    }
    if (to === this.id) {
      this.reply(id, { kind: 'done', index: this.log.lastIndex })
      return
    }
    if (!this.log.membership.voters.includes(to)) {
      this.refuse(id, 'not a voter')
      return
    }
    leadership.transfer = { id, to, deadlineTick: this.now + this.options.electionTicks }
    this.continueTransfer(leadership)
  }

  /** Lets the heir campaign as soon as it has everything. */
  private continueTransfer(leadership: Leadership): void {
    const { transfer } = leadership
    if (transfer === undefined || leadership.followers.get(transfer.to)?.match !== this.log.lastIndex) return
    leadership.isLeaseVoid = true
    this.send(transfer.to, { kind: 'timeoutNow', term: this.term })
  }

  // ---- Snapshots (paper, §7)

  private snapshotted(snapshot: SnapshotMeta): void {
    if (snapshot.index <= (this.log.snapshot?.index ?? 0)) return
    assert(snapshot.index <= this.appliedIndex, 'what a snapshot covers was applied')
    this.log.snapshot = snapshot
    let upTo = snapshot.index - this.options.keptEntries
    let oldest = snapshot.index
    for (const { transfer } of this.leadership?.followers.values() ?? []) {
      if (transfer === undefined) continue
      // Whoever receives an older snapshot needs what comes behind it.
      upTo = Math.min(upTo, transfer.snapshot.index)
      oldest = Math.min(oldest, transfer.snapshot.index)
    }
    // Recovery begins at the snapshot: entries that are not durable here must not be missing behind it.
    this.log.compactTo(Math.min(upTo, this.durableIndex))
    this.effects.push({ kind: 'discard', upTo: this.log.baseIndex, snapshotsBelow: oldest })
  }

  private startSnapshot(to: NodeId, progress: Progress): void {
    const { snapshot } = this.log
    assert(snapshot !== undefined, 'only what a snapshot covers is compacted away')
    progress.startTransfer(snapshot, this.now)
    this.sendChunk(to, progress)
  }

  private sendChunk(to: NodeId, progress: Progress): void {
    const { transfer } = progress
    if (transfer === undefined) return
    const { snapshot, offset } = transfer
    transfer.sentAtTick = this.now
    const lengthBytes = Math.min(this.options.chunkBytes, snapshot.sizeBytes - offset)
    this.send(to, { kind: 'snapshotChunk', term: this.term, snapshot, offset, data: NO_DATA, lengthBytes })
  }

  private chunkReceived(from: NodeId, { index, offset, chunkOffset }: ChunkReceived): void {
    const progress = this.leadership?.followers.get(from)
    const transfer = progress?.transfer
    if (progress === undefined || transfer?.snapshot.index !== index || offset > transfer.snapshot.sizeBytes) return
    progress.isActive = true
    // Further back only if it has lost what it had: an answer that is old, or comes twice, must not double what is under way.
    const isBack = offset < transfer.offset && chunkOffset === transfer.offset
    if (offset <= transfer.offset && !isBack) return
    transfer.offset = offset
    this.sendChunk(from, progress)
  }

  // ---- The log, and what of it is durable, committed, applied

  private persisted(write: number): void {
    if (!this.takePersisted(write)) return
    if (this.role === 'candidate' && this.isHardStateDurable) this.countVote(this.id, true)
    if (this.leadership !== undefined) this.commitByMajority(this.leadership)
  }

  /** Hands on what is committed and on this disk: a state machine is never ahead of the log it recovers from. */
  private applyCommitted(): void {
    const { leadership } = this
    let upTo = Math.min(this.commitIndex, this.durableIndex)
    if (this.log.lastIndex > upTo && lacks(this.options.mutant, 'apply committed only')) upTo = this.log.lastIndex
    if (upTo > this.appliedIndex && this.restoring === undefined) {
      const entries = this.log.between(this.appliedIndex, upTo)
      this.effects.push({ kind: 'apply', entries })
      this.appliedIndex = upTo
      leadership?.applied(entries, this.term)
    }
    if (leadership === undefined) return
    for (const { id, index } of leadership.takeApplied(this.appliedIndex)) this.reply(id, { kind: 'done', index })
    for (const { ids, index } of leadership.reads.takeReadable(this.appliedIndex)) {
      this.effects.push({ kind: 'readable', ids, index })
    }
  }
}
