// Which tables to merge next, or to drop. The twin is ts/storage/lsm/compaction.ts, which says why.
//
// Leveled (O'Neil et al., "The Log-Structured Merge-Tree", 1996; the levels are LevelDB's): every
// level but the first is sorted and some times as large as the one above, so that a merge moves
// each byte about that often a level.
// Tiered: tables of about one size become one of the next size; all stay in level 0.
// FIFO: nothing is merged; the oldest tables go.
#ifndef BEDPLATE_LSM_COMPACTION_H_
#define BEDPLATE_LSM_COMPACTION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lsm/internal_key.h"
#include "lsm/table_format.h"
#include "lsm/version.h"

namespace bedplate::lsm {

// By their numbers in the manifest.
enum class CompactionStyle : uint8_t { kLeveled = 0, kTiered = 1, kFifo = 2 };

// How a store merges; it keeps that for good.
struct CompactionPlan {
  CompactionStyle style = CompactionStyle::kLeveled;
  // Only FIFO: milliseconds after which a table is dropped; 0: never.
  uint64_t ttl_ms = 0;
  // Only FIFO: bytes of tables; 0: no bound.
  uint64_t max_bytes = 0;
};

// When there are too many tables.
struct CompactionLimits {
  // Of level 0; of one size, in a tiered store.
  uint32_t level0_tables = 4;
  // Bytes of level 1; each level below it may have ten times those of the one above.
  uint64_t level_bytes = uint64_t{256} << 20;
};

// What is to be done with tables: merged into `level`, moved there as they are, or dropped.
struct Compaction {
  enum class Kind { kNone, kMerge, kMove, kDrop };
  Kind kind = Kind::kNone;
  size_t level = 0;
  Run inputs;
  // Runs that hold older versions than the inputs.
  std::vector<Run> older;
};

// What is most due; kNone if nothing is. `now_ms` is in milliseconds since 1970.
[[nodiscard]] Compaction PickCompaction(const Version& version, const CompactionPlan& plan,
                                        const CompactionLimits& limits, uint64_t now_ms);
// True if flushes must wait for merges: reads look at each table of level 0, and merges would never
// catch up.
[[nodiscard]] bool IsCrowded(const Version& version, const CompactionPlan& plan,
                             const CompactionLimits& limits);
// About how many bytes merges will have to read before nothing is due any more: what is too much of
// each level goes down, and takes its share of the next one along.
[[nodiscard]] uint64_t DebtOf(const Version& version, const CompactionPlan& plan,
                              const CompactionLimits& limits);
// All that there is of the keys in `span` into one level, or one table; in a FIFO store, what is
// due. kNone if there is nothing to do.
[[nodiscard]] Compaction CompactionOf(const KeySpan& span, const Version& version,
                                      const CompactionPlan& plan, const CompactionLimits& limits,
                                      uint64_t now_ms);
// When the next table of a FIFO store has to go; 0 if none ever has.
[[nodiscard]] uint64_t NextExpiryMs(const Version& version, const CompactionPlan& plan);
// The inputs of a compaction as runs: those of level 0 each alone, those of another level together.
[[nodiscard]] std::vector<Run> RunsOf(const Run& inputs, const Version& version);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_COMPACTION_H_
