// The rules of replication that a test can take away, one at a time, to prove that the simulated servers would notice.
import type { Mutant as AnyMutant } from '../../storage/mutant.ts'

/** A rule of this folder; README.md of the cache says what they are for. */
export type Rule =
  | 'whole transactions' // the offset of a replica never lies within a transaction
  | 'old ids end' // the id of before is good up to where this server went its own way

/** A server with one rule taken away. */
export type Mutant = AnyMutant<Rule>
