// What happens on a node that people want to hear of.
import type { NodeId } from '../../raft/public.ts'
import { type FailoverEvent, failoverLine } from '../failover.ts'

/** What has happened. */
export type ReplicaEvent =
  /** It serves, and leads. */
  | { readonly event: 'started' }
  /** It serves, and follows. */
  | { readonly event: 'connected'; readonly leader: NodeId }
  /** Leadership changes, or is about to. */
  | { readonly event: 'failover'; readonly failover: FailoverEvent }

/** A line for people; none where there is nothing to say. */
export function describeEvent(id: NodeId, port: number, event: ReplicaEvent): string | undefined {
  switch (event.event) {
    case 'started':
      return `Leader started on port ${port}`
    case 'connected':
      return `Follower ${id} connected to leader`
    default:
      return failoverLine(id, event.failover)
  }
}
