// What people are told of a failover, from the changes of role that a node reports.
import type { NodeId, RoleChange, Term } from '../raft/public.ts'

export type FailoverEvent =
  /** The leader was silent for too long, or has handed over, and this node asks for votes. */
  | { readonly kind: 'leaderFailed'; readonly leader: NodeId }
  /** @member isFirst - Nobody led before, as far as this node knows. */
  | { readonly kind: 'elected'; readonly term: Term; readonly isFirst: boolean }
  /** There is a leader, and it is another one than before; or the one that seemed to have failed. */
  | { readonly kind: 'following'; readonly leader: NodeId; readonly isFirst: boolean }

/** Takes changes of role in order, and says what of them is news. */
export class FailoverWatch {
  private readonly id: NodeId
  private leader: NodeId | undefined
  private isLeaderMissed = false

  constructor(id: NodeId) {
    this.id = id
  }

  take({ role, term, leader }: RoleChange): FailoverEvent | undefined {
    const before = this.leader
    // Whom a leader has told to take over asks for votes at once.
    if (role === 'preCandidate' || role === 'candidate') return this.missLeader(before)
    if (leader === undefined || (leader === before && !this.isLeaderMissed)) return undefined
    this.leader = leader
    this.isLeaderMissed = false
    const isFirst = before === undefined
    return leader === this.id ? { kind: 'elected', term, isFirst } : { kind: 'following', leader, isFirst }
  }

  private missLeader(leader: NodeId | undefined): FailoverEvent | undefined {
    if (leader === undefined || this.isLeaderMissed) return undefined
    this.isLeaderMissed = true
    return leader === this.id ? undefined : { kind: 'leaderFailed', leader }
  }
}

/** The line that is printed for an event; none for the first leader, whom a node names as it starts or connects. */
export function failoverLine(id: NodeId, event: FailoverEvent): string | undefined {
  if (event.kind === 'leaderFailed') return `[Follower ${id}] Leader failed, starting election...`
  if (event.isFirst) return undefined
  if (event.kind === 'elected') return `[Follower ${id}] Elected as new leader`
  return `[Follower ${id}] Following new leader: node-${event.leader}`
}
