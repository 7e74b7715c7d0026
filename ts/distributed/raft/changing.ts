// Who is a member (paper, §6; dissertation, §4) and who shall lead (dissertation, §3.10).
import { lacks } from '../../storage/mutant.ts'
import { Electing } from './electing.ts'
import type { CatchUp, Leadership } from './leadership.ts'
import { hasSameMembers, isJoint, isUsable, isVoter, membersOf } from './membership.ts'
import type { Event, Membership, NodeId, Refusal } from './types.ts'

type Change = Event & { kind: 'change' }

/** A new voter that needs more rounds is too slow (dissertation, §4.2.1). */
const MAX_ROUNDS = 10

/** A node whose cluster can change. */
export class Changing extends Electing {
  protected change(change: Change): void {
    const { leadership, log } = this
    const { id, voters, learners } = change
    const refusal = this.refusalOfChange(change)
    if (leadership === undefined || refusal !== undefined) {
      this.refuse(id, refusal ?? 'not leader')
      return
    }
    const { membership, lastIndex } = log
    const newcomers = voters.filter((voter) => voter !== this.id && !membership.voters.includes(voter))
    const first = { upTo: lastIndex, beganAtTick: this.now, mostTicks: Number.POSITIVE_INFINITY, round: 1 }
    leadership.catchUp = { id, voters, learners, newcomers, ...first }
    leadership.adopt(membership, this.id, lastIndex)
    this.replicate(leadership)
    this.continueCatchUp(leadership)
  }

  /**
   * Begins a change as soon as its new voters have what there is. A voter without the log would hold up what is committed
   * until it has it. Whoever receives a round's entries faster than an election timeout is close enough (dissertation, §4.2.1).
   */
  protected continueCatchUp(leadership: Leadership): void {
    for (let { catchUp } = leadership; catchUp !== undefined; { catchUp } = leadership) {
      const { id, newcomers, upTo, beganAtTick, mostTicks, round } = catchUp
      const ticks = this.now - beganAtTick
      const isThere = newcomers.every((each) => (leadership.followers.get(each)?.match ?? 0) >= upTo)
      const isIn = isThere || lacks(this.options.mutant, 'new voters catch up')
      if (isIn && ticks < this.options.electionTicks) {
        // Entries behind those that the heir has would cost it the election.
        if (leadership.transfer === undefined) this.begin(leadership, catchUp)
        return
      }
      if (ticks > mostTicks || (isIn && round === MAX_ROUNDS)) this.giveUpCatchUp(leadership, id)
      if (!isIn || leadership.catchUp === undefined) return
      const next = { upTo: this.log.lastIndex, beganAtTick: this.now, mostTicks: round === 1 ? 2 * ticks : mostTicks }
      leadership.catchUp = { ...catchUp, ...next, round: round + 1 }
    }
  }

  /** A new voter that says nothing would be one voter less than before. */
  protected checkNewcomers(leadership: Leadership): void {
    const { catchUp } = leadership
    if (catchUp?.newcomers.some((id) => leadership.silent.has(id))) this.giveUpCatchUp(leadership, catchUp.id)
  }

  private giveUpCatchUp(leadership: Leadership, id: number): void {
    leadership.catchUp = undefined
    leadership.adopt(this.log.membership, this.id, this.log.lastIndex)
    this.refuse(id, 'voter behind')
  }

  private begin(leadership: Leadership, { id, voters, learners }: CatchUp): void {
    const isAtOnce = lacks(this.options.mutant, 'joint phase')
    const outgoing = isAtOnce ? [] : this.log.membership.voters
    leadership.catchUp = undefined
    const staying = [this.id, ...voters, ...learners]
    const leaving = membersOf(this.log.membership).filter((each) => !staying.includes(each))
    leadership.change = { id, index: Number.POSITIVE_INFINITY, leaving }
    this.appendMembership({ voters, outgoing, learners })
    this.replicate(leadership)
  }

  private refusalOfChange({ voters, learners, replaces }: Change): Refusal | undefined {
    const { leadership, log } = this
    if (leadership === undefined) return 'not leader'
    if (leadership.transfer !== undefined) return 'transferring'
    if (!isUsable(voters, learners)) return 'bad membership'
    // Only one change at a time: neighbours in the log must not be able to decide without each other. The leader must have
    // committed in its term, or it does not know which the last membership is (Ongaro, raft-dev, 2015).
    const isSettled = log.membershipIndex <= this.commitIndex && !isJoint(log.membership) && this.hasCommittedOwn()
    const isFree = leadership.change === undefined && leadership.catchUp === undefined
    const mayBegin = (isSettled && isFree) || lacks(this.options.mutant, 'one change at a time')
    if (!mayBegin) return 'change under way'
    // Nothing is under way, so this membership is the last one that was ever in force.
    const isOutdone = replaces !== undefined && !hasSameMembers(replaces, log.membership)
    return isOutdone && !lacks(this.options.mutant, 'changes of what they replace') ? 'other membership' : undefined
  }

  /** Goes on with a change whose last step is committed, also one that an earlier leader has begun. */
  protected continueChange(leadership: Leadership): void {
    const { membership, membershipIndex } = this.log
    if (membershipIndex > this.commitIndex) return
    if (isJoint(membership)) {
      // An entry behind those that the heir has would cost it the election; whoever leads then ends the change.
      if (leadership.transfer !== undefined) return
      this.appendMembership({ ...membership, outgoing: [] })
      this.replicate(leadership)
      return
    }
    const { change } = leadership
    if (change !== undefined && change.index !== membershipIndex) {
      change.index = membershipIndex
      // They get no entries any more, not even this one. Whom that does not reach learns it when it campaigns.
      for (const id of change.leaving) this.tellRemoved(id)
    }
    // A leader that is no voter leads until it has committed that it is none (§4.2.2).
    if (isVoter(membership, this.id)) return
    this.applyCommitted()
    this.retire(leadership.bestOf(membership.voters))
    if (!membersOf(membership).includes(this.id)) this.hearRemoval(membershipIndex)
  }

  private appendMembership(membership: Membership): void {
    this.appendOwn({ kind: 'membership', index: this.log.lastIndex + 1, term: this.term, membership })
  }

  // ---- Leadership transfer (dissertation, §3.10)

  protected transfer(id: number, to: NodeId): void {
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
  protected continueTransfer(leadership: Leadership): void {
    const { transfer } = leadership
    if (transfer === undefined || leadership.followers.get(transfer.to)?.match !== this.log.lastIndex) return
    leadership.isLeaseVoid = true
    this.send(transfer.to, { kind: 'timeoutNow', term: this.term })
  }
}
