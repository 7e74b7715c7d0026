// What a node does that follows a leader (paper, §5.3 and §7): takes its entries, believes what it says is committed, takes the
// pieces of its snapshot.
import { lacks } from '../../storage/mutant.ts'
import { Incoming } from './incoming.ts'
import { canFollow } from './log.ts'
import { isPossible } from './membership.ts'
import { Replica } from './replica.ts'
import type { Append, Entry, Heartbeat, LogIndex, NodeId, SnapshotChunk, Term } from './types.ts'

/** A node as its leader sees it. */
export class Following extends Replica {
  /** A snapshot that is coming in. */
  private incoming: Incoming | undefined

  protected append(from: NodeId, message: Append): void {
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
    this.commitTo(Math.min(message.commit, this.agreesUpTo(message, lastNew)))
    this.acknowledge(from, lastNew)
  }

  /** What lies behind the entries of an append may not be the leader's (figure 2, receiver of AppendEntries, 5). */
  private agreesUpTo({ commit }: Append, lastNew: LogIndex): LogIndex {
    const { lastIndex } = this.log
    const isMore = commit > lastNew && lastIndex > lastNew
    return isMore && lacks(this.options.mutant, 'commit what agrees') ? lastIndex : lastNew
  }

  protected heartbeat(from: NodeId, { commit, round }: Heartbeat): void {
    this.commitTo(Math.min(commit, this.log.lastIndex))
    if (round > 0) this.send(from, { kind: 'heartbeatAck', term: this.term, round })
  }

  /** Says up to where the log is the leader's, once it is durable. */
  private acknowledge(to: NodeId, match: LogIndex): void {
    this.send(to, { kind: 'appended', term: this.term, match })
  }

  protected snapshotChunk(from: NodeId, chunk: SnapshotChunk): void {
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
}
