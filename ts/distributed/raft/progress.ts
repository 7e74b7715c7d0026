// What a leader knows of one follower, and how much it sends without an answer.
//
//   probe      it is not known where the logs agree: one message, then wait for its answer
//   replicate  they agree: messages go out one behind the other until the window is full ("pipelining", dissertation, §10.2.1)
//   snapshot   what the follower lacks was compacted away: a snapshot goes in pieces
//
// The three states are those of etcd's raft library.
import type { LogIndex, SnapshotMeta, Tick } from './types.ts'

/** A snapshot that is being sent. */
export interface Transfer {
  readonly snapshot: SnapshotMeta
  /** The receiver has everything before. */
  offset: number
  sentAtTick: Tick
}

interface Inflight {
  readonly lastIndex: LogIndex
  readonly bytes: number
}

export class Progress {
  /** The follower's log is durable and equal to ours up to here. */
  match: LogIndex = 0
  /** The next entry to send; above `match`. */
  next: LogIndex
  state: 'probe' | 'replicate' | 'snapshot' = 'probe'
  /** A probe is under way; a heartbeat that was answered allows another one, since the first may be lost. */
  isProbing = false
  transfer: Transfer | undefined
  /** It has said something since the quorum was last checked. */
  isActive = true
  /** The last round of heartbeats that it has answered. */
  ackedRound = 0
  private inflight: Inflight[] = []
  private inflightBytes = 0
  private readonly maxMessages: number
  private readonly maxBytes: number

  constructor(next: LogIndex, { maxMessages, maxBytes }: { maxMessages: number; maxBytes: number }) {
    this.next = next
    this.maxMessages = maxMessages
    this.maxBytes = maxBytes
  }

  /** True if nothing may be sent before an answer comes. */
  get isPaused(): boolean {
    if (this.state === 'snapshot') return true
    return this.state === 'probe' ? this.isProbing : this.isFull
  }

  private get isFull(): boolean {
    return this.inflight.length >= this.maxMessages || this.inflightBytes >= this.maxBytes
  }

  /** Nothing that would bring an answer is under way. */
  get isQuiet(): boolean {
    return this.state === 'replicate' && this.inflight.length === 0
  }

  /** Takes note of entries that were sent. */
  sent(lastIndex: LogIndex, bytes: number): void {
    if (this.state === 'probe') {
      this.isProbing = true
      return
    }
    this.next = lastIndex + 1
    if (bytes === 0) return
    this.inflight.push({ lastIndex, bytes })
    this.inflightBytes += bytes
  }

  /** The follower has everything up to `match`. @returns False if that was known. */
  acknowledge(match: LogIndex): boolean {
    const isNews = match > this.match
    if (isNews) this.match = match
    while (this.inflight.length > 0 && (this.inflight[0] as Inflight).lastIndex <= match) {
      this.inflightBytes -= (this.inflight.shift() as Inflight).bytes
    }
    this.next = Math.max(this.next, this.match + 1)
    const isFound = this.state === 'probe' && match === this.match
    const isRestored = this.transfer !== undefined && this.match >= this.transfer.snapshot.index
    if (isFound || isRestored) this.become('replicate')
    return isNews
  }

  /**
   * The follower has not what comes before an `Append`.
   * @param prevIndex - Where its log differs. @param retryFrom - The last index at which the logs could agree.
   * @returns False if that is old news.
   */
  refuse(prevIndex: LogIndex, retryFrom: LogIndex): boolean {
    if (this.state === 'snapshot' || prevIndex <= this.match) return false
    if (this.state === 'replicate') {
      // What was sent behind it was in vain too: begin again where the logs are known to agree.
      this.become('probe')
      this.next = this.match + 1
      return true
    }
    if (prevIndex !== this.next - 1) return false
    this.next = Math.max(Math.min(prevIndex, retryFrom + 1), this.match + 1)
    this.isProbing = false
    return true
  }

  /** A heartbeat was answered: what is under way may be lost, so at least one message may follow. */
  retry(): void {
    this.isProbing = false
    while (this.state === 'replicate' && this.isFull) this.inflightBytes -= (this.inflight.shift() as Inflight).bytes
  }

  startTransfer(snapshot: SnapshotMeta, nowTick: Tick): Transfer {
    this.become('snapshot')
    this.transfer = { snapshot, offset: 0, sentAtTick: nowTick }
    return this.transfer
  }

  /** Gives a transfer up: the follower was silent for long. */
  abortTransfer(): void {
    if (this.transfer === undefined) return
    this.become('probe')
    this.next = this.match + 1
  }

  private become(state: Progress['state']): void {
    this.state = state
    this.isProbing = false
    this.transfer = undefined
    this.inflight = []
    this.inflightBytes = 0
    if (state === 'replicate') this.next = this.match + 1
  }
}
