// The rules of the LSM store that a test can take away, one at a time, to prove that the crash
// suite would notice. The twin's are those of ts/storage/lsm/mutant.ts.
//
// Not among them, since another rule does their work already:
//   after a failed sync the store takes no more work: tables and manifests are made anew under
//     other names, so trying again would do too. But nobody knows what a disk does that has failed
//     once
//   the log is durable up to L before the manifest says L: the tables hold everything up to L, and
//     the log goes on behind it
#ifndef BEDPLATE_LSM_MUTANT_H_
#define BEDPLATE_LSM_MUTANT_H_

#include "core/mutant.h"

namespace bedplate::lsm {

// A rule of this folder; docs/formats/lsm.md says what each is for.
enum class Rule {
  // What is read is believed only if it is what was written there.
  kBlockChecksum,
  kManifestChecksum,
  // The order of a flush and of a compaction.
  kTableSync,              // a table is durable before a manifest names it
  kTableNameSync,          // so is its name
  kManifestTemporaryName,  // a manifest is whole before it has its name
  kManifestSync,
  kManifestNameSync,     // and has it for good before what only the one before it needed is let go
  kLogUntilFlushed,      // the log is kept from the last flushed position on
  kLogUntilIngested,     // what is written after an ingestion waits until the manifest names that
  kTablesUntilReplaced,  // tables are removed only after the manifest no longer names them
  // What a merge keeps.
  kSnapshotsKeepVersions,
  kTombstonesUntilBottom,
  kRangeTombstonesHide,  // also what lies in other tables
  kRangeTombstonesUntilBottom,
  // What a merge makes of operands.
  kOperandsOfOneStratum,  // a snapshot is not shown what came after it, nor deprived of what was
  kOperandsUntilBottom,   // their base may lie in a table that is not merged
  kOperandsInOrder,
  // What readers hold.
  kReadersKeepTables,
  // Opening.
  kReplayFromL,
  kCatalogueOfL,  // the manifest names the trees as of its position, not as of now
  kOrphansRemoved,
  // Refusals and failures.
  kSpaceFirst,  // space in the log is taken before memory changes
  // Transactions.
  kPrivateOverlay,  // what is not committed is not in the tree
};

// A store with one rule taken away.
using Mutant = bedplate::Mutant<Rule>;

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_MUTANT_H_
