// The rules of the replicated lock service that a test can take away, one at a time, to prove that the simulated clusters would
// notice. Those of the log below it are in the folder of Raft: also that a
// leader asks a majority before it answers.
import type { Mutant as AnyMutant } from '../../storage/mutant.ts'

/** A rule of this folder. */
export type Rule =
  | 'expiry is of its term' // a lease ends by the clock of the leader whose log says so, not by that of an earlier one
  | 'full time after elections' // a new leader gives every lease its whole time once more
  | 'applied with the state' // how far a replica is, is written with what it changed
  | 'executed once' // what a replica has on disk it does not do again
  | 'watches outlive snapshots' // a watch on a replica that was sent a snapshot hears of what was skipped
  | 'reads ask the leader' // a read is of what was committed when it was asked for, not of what this member has heard of
  | 'permissions as of now' // what was let through by rules that have changed since is refused

/** A replica with one rule taken away. */
export type Mutant = AnyMutant<Rule>
