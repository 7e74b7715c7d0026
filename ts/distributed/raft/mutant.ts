// The rules of Raft that a test can take away, one at a time, to prove that the simulated clusters would notice.
//
// Not among them, since others do their work already:
//   a read waits until what was committed before it is applied: a leader has on disk, and so applies at once, all that earlier
//     leaders have answered, since its vote was durable behind it; and what it has not applied itself it has not answered
import type { Mutant as AnyMutant } from '../../storage/mutant.ts'

/** A rule of this folder; README.md says what each is for. */
export type Rule =
  | 'votes are persisted' // a node that starts again knows for whom it has voted
  | 'durable before reply' // nothing is promised to others that a crash could take back
  | 'commit own terms only' // entries of earlier terms are committed by those of the leader's own (paper, §5.4.2, figure 8)
  | 'commit what agrees' // a follower commits no further than the entries that its leader has just compared (paper, figure 2)
  | 'heartbeats commit what agrees' // nor does a heartbeat, which compares nothing
  | 'truncate conflicts only' // an append that brings nothing new takes nothing away (paper, §5.3, figure 2)
  | 'votes for the up-to-date' // who has less in its log gets no vote (paper, §5.4.1)
  | 'truncation voids writes' // a write of entries that were taken out meanwhile says nothing of those in their place
  | 'apply committed only' // what is applied is never taken back
  | 'sessions in snapshots' // whoever starts from a snapshot knows which commands it has executed
  | 'joint phase' // memberships that could decide without each other are never in force together (paper, §6)
  | 'one change at a time' // a change begins when the one before is committed (paper, §6)
  | 'changes of what they replace' // two changes that were made for the same membership do not undo each other
  | 'new voters catch up' // a voter that lacks the log does not hold up what is committed (dissertation, §4.2.1)
  | 'stalled disks do not lead' // a leader that cannot write lets others lead
  | 'reads ask a quorum' // a leader that was replaced does not answer from the past (dissertation, §6.4)
  | 'reads after own commit' // a new leader knows what is committed only when an entry of its term is (dissertation, §6.4)
  | 'no lease after transfer' // whom the leader told to campaign does not wait for its lease to end
  | 'pre-vote' // who would not be elected takes no new term (dissertation, §9.6)
  | 'leader stickiness' // who hears from a leader helps nobody to depose it (dissertation, §4.2.3 and §9.6)
  | 'promises of any term' // nor if it is in the term of the election already
  | 'snapshots of one leader' // pieces of two leaders' snapshots are never put together

/** A node with one rule taken away. */
export type Mutant = AnyMutant<Rule>
