// Rounds of heartbeats: that there is a leader (paper, §5.2), and that there is no other one, which is what a read needs
// (dissertation, §6.4).
import { lacks } from '../../storage/mutant.ts'
import type { Leadership } from './leadership.ts'
import { reachedByMajority } from './membership.ts'
import { Replicating } from './replicating.ts'
import type { HeartbeatAck, LogIndex, NodeId } from './types.ts'

/** A node that can be read from. */
export class Reading extends Replicating {
  protected broadcastHeartbeat(leadership: Leadership): void {
    const { reads } = leadership
    leadership.heartbeatAtTick = this.now + this.options.heartbeatTicks
    const round = reads.begin(this.now, this.hasCommittedOwn() ? this.readIndex : undefined)
    for (const [id, { match }] of leadership.followers) {
      this.send(id, { kind: 'heartbeat', term: this.term, commit: this.commitFor(match), round })
    }
    this.confirmReads(leadership)
  }

  /** Whoever has something under way hears of it with what follows. It is lost like any other message: heartbeats say it again. */
  protected tellCommit(leadership: Leadership): void {
    for (const [id, progress] of leadership.followers) {
      if (!progress.isQuiet) continue
      if (progress.next <= this.log.lastIndex) this.sendAppend(id, progress)
      else this.send(id, { kind: 'heartbeat', term: this.term, commit: this.commitFor(progress.match), round: 0 })
    }
  }

  /** What a follower may commit that is known to have the log up to `match`: what it has behind may be of somebody else. */
  private commitFor(match: LogIndex): LogIndex {
    const isMore = this.commitIndex > match
    return isMore && !lacks(this.options.mutant, 'heartbeats commit what agrees') ? match : this.commitIndex
  }

  protected heartbeatAck(from: NodeId, { round }: HeartbeatAck): void {
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

  /** What a read that is asked for now must see: all that was acknowledged before. */
  protected get readIndex(): LogIndex {
    return this.commitIndex
  }

  protected hasCommittedOwn(): boolean {
    return this.log.termAt(this.commitIndex) === this.term || lacks(this.options.mutant, 'reads after own commit')
  }

  protected read(ids: readonly number[]): void {
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
      leadership.reads.addConfirmed(ids, this.readIndex)
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

  protected beginReadRound(leadership: Leadership): void {
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
}
