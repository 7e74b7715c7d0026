// What only a leader knows (paper, figure 2, "volatile state on leaders"); it is gone with the role.
import { sizeOf } from './log.ts'
import { membersOf } from './membership.ts'
import { Progress } from './progress.ts'
import { Reads } from './reads.ts'
import type { Entry, LogIndex, Membership, NodeId, Term, Tick } from './types.ts'

interface Pending {
  readonly id: number
  readonly index: LogIndex
}

/** Nothing to answer, which is so after most steps. */
const NONE: readonly Pending[] = []

export interface LeadershipTransfer {
  readonly id: number
  readonly to: NodeId
  readonly deadlineTick: Tick
}

/** A change of membership that waits until its new voters have the log. Nothing of it is in the log yet. */
export interface CatchUp {
  readonly id: number
  readonly voters: readonly NodeId[]
  readonly learners: readonly NodeId[]
  readonly newcomers: readonly NodeId[]
  /** The round ends when all newcomers have so much. */
  readonly upTo: LogIndex
  readonly beganAtTick: Tick
  /** A round that lasts longer will not be the last: entries come faster than they are sent. Infinity in the first round. */
  readonly mostTicks: number
  /** From 1. */
  readonly round: number
}

export interface Window {
  readonly maxMessages: number
  readonly maxBytes: number
}

export class Leadership {
  /** Every other member, and who is about to be one. */
  readonly followers = new Map<NodeId, Progress>()
  readonly reads = new Reads()
  heartbeatAtTick: Tick
  quorumCheckAtTick: Tick
  transfer: LeadershipTransfer | undefined
  /** Somebody was told to campaign and may do so at any time in this term: followers' promises are void. */
  isLeaseVoid = false
  /** Of its own term: what is not committed, or not on the leader's own disk. */
  unappliedBytes = 0
  catchUp: CatchUp | undefined
  /** Followers that have said nothing between the last two checks of the quorum. */
  readonly silent = new Set<NodeId>()
  /** A change of membership that is to be answered, once `index` is applied: its last entry, Infinity until that is committed. */
  change: { readonly id: number; index: LogIndex; readonly leaving: readonly NodeId[] } | undefined
  /** Commands to be answered, in the order of their entries; those before `answered` are. */
  private pending: Pending[] = []
  private answered = 0
  private readonly window: Window

  constructor(window: Window, { nowTick, electionTicks }: { nowTick: Tick; electionTicks: number }) {
    this.window = window
    this.heartbeatAtTick = nowTick
    this.quorumCheckAtTick = nowTick + electionTicks
  }

  /** Follows a membership: whoever is new is probed, whoever left is forgotten. */
  adopt(membership: Membership, self: NodeId, lastIndex: LogIndex): void {
    const members = [...membersOf(membership), ...(this.catchUp?.newcomers ?? [])]
    for (const id of this.followers.keys()) if (!members.includes(id)) this.followers.delete(id)
    for (const id of members) {
      if (id !== self && !this.followers.has(id)) this.followers.set(id, new Progress(lastIndex + 1, this.window))
    }
  }

  /** The follower among `ids` that lacks the least; undefined if there is none. */
  bestOf(ids: readonly NodeId[]): NodeId | undefined {
    const matchOf = (id: NodeId): LogIndex => this.followers.get(id)?.match ?? 0
    return ids.filter((id) => this.followers.has(id)).sort((a, b) => matchOf(b) - matchOf(a))[0]
  }

  expect(id: number, index: LogIndex): void {
    this.pending.push({ id, index })
  }

  /** Entries were handed to the state machine: what they took of the room for proposals is free again. */
  applied(entries: readonly Entry[], term: Term): void {
    for (const entry of entries) if (entry.term === term) this.unappliedBytes -= sizeOf(entry)
  }

  /** Takes the commands up to `acknowledged`, and a change of membership if it is `applied`. */
  takeDone(acknowledged: LogIndex, applied: LogIndex): readonly Pending[] {
    const { change, answered: start } = this
    while (this.answered < this.pending.length && (this.pending[this.answered] as Pending).index <= acknowledged) {
      this.answered++
    }
    const isChanged = change !== undefined && change.index <= applied
    if (start === this.answered && !isChanged) return NONE
    const taken = this.pending.slice(start, this.answered)
    if (isChanged) {
      taken.push(change)
      this.change = undefined
    }
    if (this.answered > 1024 && this.answered * 2 > this.pending.length) {
      this.pending = this.pending.slice(this.answered)
      this.answered = 0
    }
    return taken
  }

  /** Takes all that is not answered. */
  takeAll(): number[] {
    const ids = this.pending.slice(this.answered).map(({ id }) => id)
    if (this.change !== undefined) ids.push(this.change.id)
    if (this.transfer !== undefined) ids.push(this.transfer.id)
    return ids
  }
}
