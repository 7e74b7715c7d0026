// The rules of the LSM store that a test can take away, one at a time, to prove that the crash suite would notice.
//
// Not among them, since another rule does their work already:
//   after a failed sync the store takes no more work: tables and manifests are made anew under other names, so trying again
//     would do too. But nobody knows what a disk does that has failed once
//   the log is durable up to L before the manifest says L: the tables hold everything up to L, and the log goes on behind it
import type { Mutant as AnyMutant } from '../mutant.ts'

/** A rule of this folder; README.md and docs/formats/lsm.md say what each is for. */
export type Rule =
  // What is read is believed only if it is what was written there.
  | 'block checksum'
  | 'manifest checksum'
  // The order of a flush and of a compaction.
  | 'table sync' // a table is durable before a manifest names it
  | 'table name sync' // so is its name
  | 'manifest temporary name' // a manifest is whole before it has its name
  | 'manifest sync'
  | 'manifest name sync' // and has it for good before what only the one before it needed is let go
  | 'log until flushed' // the log is kept from the last flushed position on
  | 'tables until replaced' // tables are removed only after the manifest no longer names them
  // What a merge keeps.
  | 'snapshots keep versions'
  | 'tombstones until the bottom'
  | 'range tombstones hide' // also what lies in other tables
  | 'range tombstones until the bottom'
  // What a merge makes of operands.
  | 'operands of one stratum' // a snapshot is not shown what came after it, nor deprived of what came before
  | 'operands until the bottom' // their base may lie in a table that is not merged
  | 'operands in order'
  // Ingestion.
  | 'log until ingested' // what is logged behind an ingestion is written only when the manifest names its tables
  // What readers hold.
  | 'readers keep tables'
  // Opening.
  | 'replay from L'
  | 'catalogue of L' // the manifest names the trees as of its position, not as of now
  | 'orphans removed'
  // Refusals and failures.
  | 'space first' // space in the log is taken before memory changes
  // Transactions.
  | 'private overlay' // what is not committed is not in the tree

/** A store with one rule taken away. */
export type Mutant = AnyMutant<Rule>
