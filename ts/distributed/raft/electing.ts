// Roles, terms and votes (paper, §5.1, §5.2 and §5.4.1; pre-vote: dissertation, §9.6).
import { lacks } from '../../storage/mutant.ts'
import type { KnownOptions } from './check-options.ts'
import { Leadership } from './leadership.ts'
import { countVotes, isJoint, isVoter, membersOf, reachedByMajority, votersOf } from './membership.ts'
import { Reading } from './reading.ts'
import type { LogIndex, NodeId, RaftStart, RequestVote, Term, Tick, Vote } from './types.ts'

const NO_VOTES: ReadonlyMap<NodeId, boolean> = new Map()

/** A node that can become a leader, and cease to be one. */
export class Electing extends Reading {
  private votes: Map<NodeId, boolean> | typeof NO_VOTES = NO_VOTES
  /** What a node waits beyond its patience, so that not all campaign at once. */
  private jitterTicks: number
  protected electionAtTick: Tick
  /** When this node last heard from a leader, or started; it helps nobody to depose one soon after (§4.2.3). */
  private contactAtTick: Tick
  /** The membership that is committed there leaves this node out, as somebody has told who has it. */
  private removedAt: LogIndex | undefined

  constructor(options: KnownOptions, start: RaftStart) {
    super(options, start)
    this.contactAtTick = start.nowTick - (this.options.reads === 'lease' ? 0 : this.options.electionTicks)
    this.jitterTicks = this.drawJitter()
    this.electionAtTick = start.nowTick + this.patienceTicks + this.jitterTicks
  }

  /** @param heir - Who campaigns since this node, the leader, has asked for it. */
  protected becomeFollower(term: Term, leader: NodeId | undefined, heir?: NodeId): void {
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
    this.jitterTicks = this.drawJitter()
    this.restartElectionTimer()
    if (leadership !== undefined) this.giveUp(leadership, heir)
  }

  /**
   * A leader whose own disk takes nothing answers nobody, since it applies what it has on disk; the others could.
   * @returns False if there are no others.
   */
  protected handOver(leadership: Leadership): boolean {
    const heir = leadership.bestOf(this.log.membership.voters)
    if (heir === undefined || lacks(this.options.mutant, 'stalled disks do not lead')) return false
    this.retire(heir)
    return true
  }

  /** Leads no more, and lets `heir` campaign at once. */
  protected retire(heir: NodeId | undefined): void {
    if (heir !== undefined) this.send(heir, { kind: 'timeoutNow', term: this.term })
    this.becomeFollower(this.term, undefined)
  }

  /** Answers what a leader owes to its clients: a later leader may commit it or not. */
  private giveUp(leadership: Leadership, heir: NodeId | undefined): void {
    const { transfer } = leadership
    if (transfer !== undefined && transfer.to === heir) {
      leadership.transfer = undefined
      this.reply(transfer.id, { kind: 'done', index: this.log.lastIndex })
    }
    if (leadership.catchUp !== undefined) this.refuse(leadership.catchUp.id, 'not leader')
    for (const id of [...leadership.takeAll(), ...leadership.reads.takeAll()]) {
      this.reply(id, { kind: 'unknown', leader: this.leader })
    }
  }

  /**
   * Voters may. So may one that its latest membership leaves out, until that is committed: it can be the only one that has
   * the entry and that those before cannot do without (dissertation, §4.2.2).
   */
  protected mayCampaign(): boolean {
    if (this.isDiskStalled || this.removedAt !== undefined) return false
    const { membership, membershipBefore, membershipIndex } = this.log
    if (isVoter(membership, this.id)) return true
    return membershipIndex > this.commitIndex && isVoter(membershipBefore, this.id)
  }

  /** Asks for votes: first whether there would be any, since a term once begun ends that of a leader (§9.6). */
  protected campaign(role: 'preCandidate' | 'candidate', isTransfer = false): void {
    this.role = role
    this.leader = undefined
    this.votes = new Map()
    this.jitterTicks = this.drawJitter()
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

  protected countVote(from: NodeId, granted: boolean): void {
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

  protected requestVote(from: NodeId, request: RequestVote): void {
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

  protected vote(from: NodeId, vote: Vote): void {
    if (this.role !== (vote.isPre ? 'preCandidate' : 'candidate')) return
    if (vote.granted && vote.term !== (vote.isPre ? this.term + 1 : this.term)) return
    this.countVote(from, vote.granted)
  }

  /** A leader of this term has spoken. @returns False if that cannot be: there is one leader a term. */
  protected hearLeader(from: NodeId): boolean {
    if (this.role === 'leader') return false
    if (this.role !== 'follower') this.becomeFollower(this.term, from)
    this.leader = from
    this.removedAt = undefined // it was taken in again
    this.contactAtTick = this.now
    this.restartElectionTimer()
    return true
  }

  /**
   * A node that was removed, or that heard nothing, must not depose a leader that works: it gets no vote, and no answer. Also not
   * in the term that this node is in already: what took it there may have come before the leader was heard again, whose lease
   * counts on this node's silence.
   */
  protected keepsLeader({ term }: RequestVote): boolean {
    const hearsLeader = this.role === 'leader' || this.now < this.contactAtTick + this.patienceTicks
    if (!hearsLeader || term < this.term) return false
    if (term === this.term) return !lacks(this.options.mutant, 'promises of any term')
    return !lacks(this.options.mutant, 'leader stickiness')
  }

  /** Others have said that this node is no member any more. */
  get isRemoved(): boolean {
    return this.removedAt !== undefined
  }

  /**
   * Tells a node that was removed, so that it need not ask for votes for ever. What is committed decides: a majority goes on without
   * it, and nobody lacks its log or its vote.
   */
  protected tellRemoved(to: NodeId): void {
    const { membership, membershipIndex } = this.log
    if (membershipIndex > this.commitIndex || isJoint(membership) || membersOf(membership).includes(to)) return
    this.send(to, { kind: 'removed', term: this.term, index: membershipIndex })
  }

  /** This node was removed, unless it knows of a later membership that has it. */
  protected hearRemoval(index: LogIndex): void {
    const { membership, membershipIndex } = this.log
    const isBack = membershipIndex > index && membersOf(membership).includes(this.id)
    if (isBack || this.removedAt !== undefined || this.leadership !== undefined) return
    this.removedAt = index
    if (this.role !== 'follower') this.becomeFollower(this.term, undefined)
    this.effects.push({ kind: 'removed' })
  }

  /** A leader that a majority does not answer is none: clients had better look elsewhere (dissertation, §6.2). */
  protected hasActiveQuorum(leadership: Leadership): boolean {
    const isActive = (id: NodeId): number => (id === this.id || leadership.followers.get(id)?.isActive ? 1 : 0)
    const hasQuorum = reachedByMajority(this.log.membership, isActive) === 1
    leadership.silent.clear()
    for (const [id, progress] of leadership.followers) {
      if (!progress.isActive) {
        leadership.silent.add(id)
        progress.abortTransfer()
      }
      progress.isActive = false
    }
    return hasQuorum
  }

  protected restartElectionTimer(): void {
    this.electionAtTick = this.now + this.patienceTicks + this.jitterTicks
  }

  /**
   * How long a silent leader counts as alive: who follows it neither campaigns nor votes before. An engine on top may wait
   * longer, never shorter, since leases rely on it. Also asked while this is being constructed.
   */
  protected get patienceTicks(): number {
    return this.options.electionTicks
  }

  /** How long a leader whom no majority answers goes on. */
  protected get quorumTicks(): number {
    return this.options.electionTicks
  }

  private drawJitter(): number {
    const { electionTicks, random } = this.options
    return Math.floor(random.next() * electionTicks)
  }
}
