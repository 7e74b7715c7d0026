// Who is in a cluster, and what a majority of it is. In a joint membership both sets of voters must agree (paper, §6).
import { MAX_MEMBERS, type Membership, type NodeId, type SettledMembership } from './types.ts'

/** Room for one value a member. */
const VALUES = new Float64Array(MAX_MEMBERS)

export function isJoint(membership: Membership): boolean {
  return membership.outgoing.length > 0
}

/** Says whether `id` takes part in decisions, also if it is about to leave. */
export function isVoter(membership: Membership, id: NodeId): boolean {
  return membership.voters.includes(id) || membership.outgoing.includes(id)
}

/** Everybody whose vote counts, once each. */
export function votersOf({ voters, outgoing }: Membership): NodeId[] {
  return [...new Set([...voters, ...outgoing])]
}

/** Everybody who receives the log, once each. */
export function membersOf({ voters, outgoing, learners }: Membership): NodeId[] {
  return [...new Set([...voters, ...outgoing, ...learners])]
}

/** Says whether two memberships have the same voters and the same learners, in whatever order. */
export function hasSameMembers(one: SettledMembership, other: SettledMembership): boolean {
  return isSameSet(one.voters, other.voters) && isSameSet(one.learners, other.learners)
}

/**
 * The largest value that a majority has reached, of each set of voters.
 * @param valueAt - A voter's value. O(n²) comparisons for n voters, which are few; allocates nothing.
 */
export function reachedByMajority(membership: Membership, valueAt: (id: NodeId) => number): number {
  const incoming = reachedBy(membership.voters, valueAt)
  return membership.outgoing.length === 0 ? incoming : Math.min(incoming, reachedBy(membership.outgoing, valueAt))
}

/** Says how an election stands, given the votes that are there. */
export function countVotes(membership: Membership, votes: ReadonlyMap<NodeId, boolean>): 'won' | 'lost' | 'open' {
  // Won if a majority has said yes; lost if no majority can any more, even if all who are silent say yes.
  const granted = reachedByMajority(membership, (id) => (votes.get(id) === true ? 1 : 0))
  if (granted === 1) return 'won'
  const possible = reachedByMajority(membership, (id) => (votes.get(id) === false ? 0 : 1))
  return possible === 1 ? 'open' : 'lost'
}

/** Says whether a membership that is asked for can be: somebody votes, nobody is named twice, ids are ids. */
export function isUsable(voters: readonly NodeId[], learners: readonly NodeId[]): boolean {
  const all = [...voters, ...learners]
  return (
    voters.length > 0 &&
    all.length <= MAX_MEMBERS / 2 && // a joint membership may have twice as many
    new Set(all).size === all.length &&
    all.every((id) => Number.isSafeInteger(id) && id >= 1)
  )
}

/** Says whether a membership can be that of a log. */
export function isPossible({ voters, outgoing, learners }: Membership): boolean {
  return isUsable(voters, learners) && (outgoing.length === 0 || isUsable(outgoing, []))
}

function isSameSet(one: readonly NodeId[], other: readonly NodeId[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id))
}

function reachedBy(voters: readonly NodeId[], valueAt: (id: NodeId) => number): number {
  const count = voters.length
  // Invariant: VALUES[0..i) are the values of the first i voters, ascending.
  for (let i = 0; i < count; i++) {
    const value = valueAt(voters[i] as NodeId)
    let at = i
    for (; at > 0 && (VALUES[at - 1] as number) > value; at--) VALUES[at] = VALUES[at - 1] as number
    VALUES[at] = value
  }
  return VALUES[(count - 1) >> 1] as number
}
