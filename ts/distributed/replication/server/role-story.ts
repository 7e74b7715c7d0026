// What people want to hear of who leads, in the order in which it happens.
import type { NodeId, RoleChange } from '../../raft/index.ts'

/** What has happened on a node. */
export type ReplicaEvent =
  /** It serves, and leads. */
  | { readonly event: 'started' }
  /** It serves, and follows. */
  | { readonly event: 'connected'; readonly leader: NodeId }
  /** It has heard of no leader for too long, or the leader has said goodbye. */
  | { readonly event: 'campaigning' }
  | { readonly event: 'elected'; readonly term: number }
  | { readonly event: 'following'; readonly leader: NodeId; readonly term: number }

/** Tells of roles once the node serves. */
export class RoleStory {
  readonly #tell: (event: ReplicaEvent) => void
  #hasBegun = false
  #leader: NodeId | undefined
  #isCampaigning = false

  constructor(tell: (event: ReplicaEvent) => void) {
    this.#tell = tell
  }

  /** The node is a member and knows its leader. */
  begin(own: NodeId, leader: NodeId): void {
    this.#hasBegun = true
    this.#leader = leader
    this.#tell(leader === own ? { event: 'started' } : { event: 'connected', leader })
  }

  hear({ role, term, leader }: RoleChange): void {
    if (!this.#hasBegun) return
    if (role === 'leader') {
      this.#leader = leader
      this.#isCampaigning = false
      this.#tell({ event: 'elected', term })
      return
    }
    if (role === 'preCandidate' || role === 'candidate') {
      if (!this.#isCampaigning) this.#tell({ event: 'campaigning' })
      this.#isCampaigning = true
      return
    }
    if (leader === undefined || (leader === this.#leader && !this.#isCampaigning)) return
    this.#leader = leader
    this.#isCampaigning = false
    this.#tell({ event: 'following', leader, term })
  }
}

/** The lines of the seed, for people. */
export function describeEvent(id: NodeId, port: number, event: ReplicaEvent): string {
  switch (event.event) {
    case 'started':
      return `Leader started on port ${port}`
    case 'connected':
      return `Follower ${id} connected to leader`
    case 'campaigning':
      return `[Follower ${id}] Leader failed, starting election...`
    case 'elected':
      return `[Follower ${id}] Elected as new leader`
    case 'following':
      return `[Follower ${id}] Following new leader: node-${event.leader}`
  }
}
