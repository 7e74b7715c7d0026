// The rules of the store that a test can take away, one at a time, to prove that the simulated clusters would notice.
import type { Mutant as AnyMutant } from '../../../storage/mutant.ts'

/** A rule of this folder. */
export type Rule =
  | 'durable before ack' // a replica says that it has a write when it is on its disk
  | 'durable before send' // nobody hears of a write whose name a crash could give to another one
  | 'durable before read' // nor reads it
  | 'hints are no acks' // a hint is not where a read looks
  | 'reads ask R' // a read that asks fewer may miss a write
  | 'replicas merge' // what a replica learns is added to what it knows
  | 'answers count once' // a copy of an answer is no second replica
  | 'reads repair' // who answered with less learns the rest
  | 'trees are kept up' // what is written is in the tree of its range
  | 'one epoch' // nodes with different rings do not count for each other
  | 'newcomers are written' // while the ring changes, writes reach W of the new list too
  | 'streamed before switch' // reads go to the new list when it has everything
  | 'release after switch' // old owners keep a range until all know that it is another's
  | 'durable before adopting' // a ring holds when it is on disk
  | 'durable before accepted' // so do promises and acceptances
  | 'accepted is taken over' // what may have been decided is proposed again
  | 'tombstones wait for all' // a deletion is remembered until no replica can have what it deleted

/** A node with one rule taken away. */
export type Mutant = AnyMutant<Rule>
