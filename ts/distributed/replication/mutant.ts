// The rules of replication that a test can take away, one at a time, to prove that the simulated groups would notice. What
// replication has from Raft is in the list there: terms, votes, what is cut back.
import type { Mutant as AnyMutant } from '../../storage/mutant.ts'

/** A rule of this folder; README.md says what each is for. */
export type Rule =
  | 'sync counts every voter' // a write is acknowledged when no voter lacks it, not when a majority has it
  | 'sync gives up' // a write that some voter does not confirm is answered all the same, and names it
  | 'durable before shown' // what a reader sees, and a client is told, is on this disk
  | 'hide what is cut back' // nobody reads an entry that is in no log any more
  | 'positions have terms' // an index alone names an entry only as long as no leader is lost
  | 'reads cover what is shown' // a read that is asked for sees every write that was acknowledged before
  | 'alone no leader for long' // who is not heard by a majority acknowledges nothing any more
  | 'patience has a floor' // a promise to a leader is never shorter than its lease
  | 'patience grows' // a leader whose heartbeats come unevenly is not deposed for that
  | 'fresh as of asking' // an answer is as old as its question

/** A node with one rule taken away. */
export type Mutant = AnyMutant<Rule>
