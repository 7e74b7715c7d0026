// The rules of the B-tree store that a test can take away, one at a time, to prove that the crash
// suite would notice.
//
// Not among them, since another rule does their work already: levels and the form of a page (a
// checksum that matches says that we wrote it; they stop files made to deceive, see native/fuzz).
#ifndef BEDPLATE_BTREE_MUTANT_H_
#define BEDPLATE_BTREE_MUTANT_H_

#include "core/mutant.h"

namespace bedplate::btree {

// A rule of this folder; docs/formats/btree.md says what each is for.
enum class Rule {
  // What is read is believed only if it is what was written there last.
  kPageChecksum,
  kPageAddress,  // a page counts only where it was written
  kPageBirth,    // a page counts only in the life of its place that is meant
  kBornAgain,    // a page that was written and is edited again begins another life
  kLaterBirth,   // a life that begins after another was written is told from it
  kMetaChecksum,
  // The order of a checkpoint.
  kLogBeforeMeta,    // the log is durable up to L before a meta says L
  kPagesBeforeMeta,  // so are the pages that the meta refers to
  kMetaBeforeReuse,  // the meta is durable before what only the one before it needed is free
  kOtherSlot,        // a meta never overwrites the one that is in force
  // What is still needed stays as it is.
  kCopyOnWrite,             // a page that somebody else may look at is edited as a copy
  kFrozenSnapshots,         // what an open snapshot or a checkpoint under way shows counts as such
  kFrozenCheckpoint,        // so does what a checkpoint has written
  kPagesOfSnapshots,        // a replaced page is not used again while a snapshot shows it
  kPagesOfTheMetas,         // nor while a meta needs it
  kPagesOfTheOlderMeta,     // nor while the fallback needs it
  kOlderPagesAfterOpening,  // also if that was replaced before the store was opened
  kLogOfTheOlderMeta,       // the log is kept from the older meta's position on
  kNewerMeta,               // of two whole metas, the one with the larger epoch is in force
  kReplayFromL,             // exactly the records behind the meta's position are replayed
  // Compaction.
  kCopySync,             // a copied data file is durable before it has its name
  kCompactionCatchesUp,  // with what was written while it copied
  kCompactedNameSync,    // the file has its name for good before the old one's log is let go
  // Bulk load.
  kHeldMarker,       // the log keeps the marker until the pages are part of the durable state
  kLoadCheckpoint,   // which a checkpoint makes them
  kLoadInBothMetas,  // two, in fact, since no log brings an older meta past the load
  kLoadingPages,     // pages of a load under way are free to a checkpoint that comes before its end
  // Refusals and failures.
  kRefusedPagesBack,  // pages of a long value that found no space are free again
  kFailureIsFinal,    // after a failed write or sync of the data file the store takes no more work
  kFailedSync,        // a failed sync is never a refusal, not even for want of space
};

// A store with one rule taken away.
using Mutant = bedplate::Mutant<Rule>;

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_MUTANT_H_
