// How a leader brings its log to the others (paper, §5.3 and §7), and what is handed to the state machine.
import { assert } from '../../base/errors.ts'
import { lacks } from '../../storage/mutant.ts'
import { Following } from './following.ts'
import type { Leadership } from './leadership.ts'
import { sizeOf } from './log.ts'
import type { Progress } from './progress.ts'
import type { ChunkReceived, Entry, LogIndex, NodeId, Proposal, Refusal, Refused, SnapshotMeta } from './types.ts'

const NO_DATA = new Uint8Array(0)

/** A node that can have followers. */
export class Replicating extends Following {
  /** Undefined unless this node leads. */
  protected leadership: Leadership | undefined

  // ---- Commands

  protected propose(proposals: readonly Proposal[]): void {
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

  protected refusalOf(command: Uint8Array): Refusal | undefined {
    const { leadership } = this
    if (leadership === undefined) return 'not leader'
    if (leadership.transfer !== undefined) return 'transferring'
    if (command.length > this.options.maxCommandBytes) return 'too large'
    return leadership.unappliedBytes >= this.options.maxUncommittedBytes ? 'busy' : undefined
  }

  protected appendOwn(entry: Entry): void {
    assert(this.leadership !== undefined, 'only a leader adds to its log')
    this.leadership.unappliedBytes += sizeOf(entry)
    this.appendToLog([entry])
    if (entry.kind === 'membership') this.leadership.adopt(entry.membership, this.id, this.log.lastIndex - 1)
  }

  /** Hands on what is committed and on this disk: a state machine is never ahead of the log it recovers from. */
  protected applyCommitted(): void {
    const { leadership } = this
    let upTo = Math.min(this.commitIndex, this.durableIndex)
    if (this.log.lastIndex > upTo && lacks(this.options.mutant, 'apply committed only')) upTo = this.log.lastIndex
    if (upTo > this.appliedIndex && this.restoring === undefined) {
      const entries = this.log.between(this.appliedIndex, upTo)
      this.effects.push({ kind: 'apply', entries })
      this.appliedIndex = upTo
      leadership?.applied(entries, this.term)
    }
    this.showDurable()
    if (leadership === undefined) return
    const { appliedIndex, acknowledgedIndex, readableIndex } = this
    for (const { id, index } of leadership.takeDone(acknowledgedIndex, appliedIndex)) {
      this.reply(id, { kind: 'done', index })
    }
    for (const { ids, index } of leadership.reads.takeReadable(readableIndex)) {
      this.effects.push({ kind: 'readable', ids, index })
    }
  }

  // ---- What engines on top of Raft may decide otherwise

  /** For those that show entries before they are committed. */
  protected showDurable(): void {}

  /** Commands up to here are answered; not above what was applied or shown, since the answer is what that gave. */
  protected get acknowledgedIndex(): LogIndex {
    return this.appliedIndex
  }

  /** What reads see. */
  protected get readableIndex(): LogIndex {
    return this.appliedIndex
  }

  // ---- Entries to followers

  /** Sends every follower what it may be sent. */
  protected replicate(leadership: Leadership): void {
    for (const [id, progress] of leadership.followers) {
      while (progress.next <= this.log.lastIndex && this.sendAppend(id, progress)) {
        // Until the window is full or nothing is left.
      }
    }
  }

  /** Sends the next entries to a follower, or none if it has all. @returns False if it must wait. */
  protected sendAppend(to: NodeId, progress: Progress): boolean {
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

  protected refused(from: NodeId, { prevIndex, hintIndex, hintTerm }: Refused): void {
    const progress = this.leadership?.followers.get(from)
    if (progress === undefined) return
    progress.isActive = true
    // Of the entries up to the hint, those with a higher term cannot be in the follower's log.
    if (progress.refuse(prevIndex, this.log.lastUpTo(hintIndex, hintTerm))) this.sendAppend(from, progress)
  }

  // ---- Snapshots to followers

  protected snapshotted(snapshot: SnapshotMeta): void {
    if (snapshot.index <= (this.log.snapshot?.index ?? 0)) return
    assert(snapshot.index <= this.appliedIndex, 'what a snapshot covers was applied')
    this.log.snapshot = snapshot
    let upTo = this.keptBehind(snapshot.index)
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

  /** @returns The entry before those that stay, of all that a snapshot at `index` covers. */
  private keptBehind(index: LogIndex): LogIndex {
    const { keptEntries, keptBytes } = this.options
    let bytes = 0
    for (let before = index; ; before--) {
      const entry = this.log.entryAt(before)
      if (entry === undefined || index - before >= keptEntries) return before
      bytes += sizeOf(entry)
      if (bytes > keptBytes) return before
    }
  }

  private startSnapshot(to: NodeId, progress: Progress): void {
    const { snapshot } = this.log
    assert(snapshot !== undefined, 'only what a snapshot covers is compacted away')
    progress.startTransfer(snapshot, this.now)
    this.sendChunk(to, progress)
  }

  protected sendChunk(to: NodeId, progress: Progress): void {
    const { transfer } = progress
    if (transfer === undefined) return
    const { snapshot, offset } = transfer
    transfer.sentAtTick = this.now
    const lengthBytes = Math.min(this.options.chunkBytes, snapshot.sizeBytes - offset)
    this.send(to, { kind: 'snapshotChunk', term: this.term, snapshot, offset, data: NO_DATA, lengthBytes })
  }

  protected chunkReceived(from: NodeId, { index, offset, chunkOffset }: ChunkReceived): void {
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
}
