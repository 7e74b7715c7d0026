// The rules of the gossip engine that a test can take away, one at a time, to prove that the simulated clusters would notice.
import type { Mutant as AnyMutant } from '../../storage/mutant.ts'

/** A rule of this folder; README.md says what each is for. */
export type Rule =
  | 'durable before send' // nothing is said that a crash could take back: votes, epochs, slots
  | 'one vote an epoch' // a master votes once in an epoch
  | 'majority elects' // two replicas are never elected in one epoch
  | 'higher epochs hold' // of two claims to a slot the one with the higher epoch holds
  | 'collisions are resolved' // two masters never keep one epoch
  | 'failed by majority' // one node's suspicion makes nobody failed
  | 'no votes for the outdated' // who claims slots that others own since gets no vote
  | 'failures are forgotten' // a node that answers again has not failed
  | 'taken slots raise the epoch' // who has taken over a slot claims it with an epoch of its own
  | 'slots with keys stay' // a slot is not given away while keys of it are here
  | 'absent keys are asked for' // what is not here of a slot that is going may be where it goes

/** A node with one rule taken away. */
export type Mutant = AnyMutant<Rule>
