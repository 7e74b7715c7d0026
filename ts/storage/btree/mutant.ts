// The rules of the B-tree store that a test can take away, one at a time, to prove that the crash suite would notice.
//
// Not among them, since another rule does their work already; what they add is a better message or an earlier end:
//   a page beyond the end of the file: what is read of it does not match its checksum
//   the form of a page (`pageProblem`) and the levels of a path: a checksum that matches says that we wrote them, so they
//     only stop files made to deceive, which the fuzz suite makes
//   after a page could not be written back, no more work: the page stays in memory and is written again
//   the log is abandoned after a failed bulk load: it stays held, and is closed without being written
//   a refused checkpoint gives back the pages of its list of free pages: the next checkpoint would do so too
//   the checkpoint behind a compaction: until the next one the copy's metas and the log give the same state
// And long values need no sync of their own: the record in the log holds the whole value.
import type { Mutant as AnyMutant } from '../mutant.ts'

/** A rule of this folder; README.md and docs/formats/btree.md say what each is for. */
export type Rule =
  // What is read is believed only if it is what was written there last.
  | 'page checksum'
  | 'page address' // a page counts only where it was written
  | 'page birth' // a page counts only in the life of its place that is meant
  | 'born again' // a page that was written and is edited again begins another life
  | 'later birth' // a life that begins after another was written is told from it
  | 'meta checksum'
  // The order of a checkpoint.
  | 'log before meta' // the log is durable up to L before a meta says L
  | 'pages before meta' // so are the pages that the meta refers to
  | 'meta before reuse' // the meta is durable before anything that only the one before it needed is free
  | 'other slot' // a meta never overwrites the one that is in force
  // What is still needed stays as it is.
  | 'copy on write' // a page that somebody else may look at is edited as a copy
  | 'frozen snapshots' // what an open snapshot or a checkpoint under way shows counts as such
  | 'frozen checkpoint' // so does what a checkpoint has written
  | 'pages of snapshots' // a replaced page is not used again while a snapshot shows it
  | 'pages of the meta' // nor while the meta in force needs it
  | 'pages of the new meta' // nor while the meta being written may be in force
  | 'pages of the older meta' // nor while the fallback needs it
  | 'older pages after opening' // also if that was replaced before the store was opened
  | 'log of the older meta' // the log is kept from the older meta's position on
  // Opening.
  | 'newer meta' // of two whole metas, the one with the larger epoch is in force
  | 'replay from L' // exactly the records behind the meta's position are replayed
  | 'reader in memory' // a store opened for reading replays into memory
  | 'leftovers removed'
  // A store, a backup, and a compacted file appear whole.
  | 'temporary name' // a store is made under another name
  | 'FORMAT sync'
  | 'first data sync'
  | 'first names sync' // the names in its directory are durable before it has its own
  | 'store name sync' // and that is before anybody hears of it
  | 'copy sync' // a copied data file is durable before it has its name
  | 'two metas of a copy'
  | 'compaction catches up' // with what was written while it copied
  | 'compacted name sync' // the file has its name for good before the log of the old one is let go
  // Bulk load.
  | 'held marker' // the log keeps the marker until the pages are part of the durable state
  | 'load checkpoint' // which a checkpoint makes them
  | 'load in both metas' // two, in fact, since no log brings an older meta past the load
  | 'loading pages are free' // to a checkpoint that comes before the load is done
  | 'space for a load' // is taken before the tree changes
  // Refusals and failures.
  | 'space first' // space in the log is taken before memory changes
  | 'values first' // and so are pages for a long value
  | 'refused pages back' // pages of a long value that found no space are free again
  | 'refused batch back' // so are those of the values before it in the same batch
  | 'failure is final' // after a failed write or sync of the data file, the store takes no more work
  | 'failed sync' // is never a refusal, not even for want of space
  | 'failed name sync' // of a compacted file: that is final too
  // Transactions.
  | 'private overlay' // what is not committed is not in the tree

/** A store with one rule taken away. */
export type Mutant = AnyMutant<Rule>
