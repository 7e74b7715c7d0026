// What a merge keeps. Snapshots divide time into strata: between two of them nobody looks, so of
// all versions of a key in one stratum only the newest counts, and a tombstone that has nothing
// left to hide goes away. The twin is ts/storage/lsm/survivors.ts.
//
// Increments and appends stand for a value only with what is below them. Within a stratum they fold
// into their base; if that is not there, neighbours of one kind become one.
#ifndef BEDPLATE_LSM_SURVIVORS_H_
#define BEDPLATE_LSM_SURVIVORS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"
#include "lsm/entry.h"
#include "lsm/mutant.h"
#include "lsm/range_tombstones.h"
#include "lsm/table_format.h"

namespace bedplate::lsm {

// What decides over what is kept. Never changes while a merge runs.
struct Retention {
  // The sequences of open snapshots, rising.
  std::vector<uint64_t> snapshots;
  // Sorted runs of tables that hold older versions than anything in the merge.
  std::vector<Run> older;
  Mutant* mutant = nullptr;
};

// Of the versions of a merge, those that somebody may still see or that still hide something. One
// thread.
class SurvivorCursor final : public VersionCursor {
 public:
  // `versions` come in order; `tombstones` are all range tombstones of the merge. All outlive the
  // cursor.
  SurvivorCursor(VersionCursor* versions, const RangeTombstones* tombstones,
                 const Retention* retention);

  Status Step(bool* found) override;

 private:
  // A version with its bytes.
  struct Owned {
    uint64_t sequence = 0;
    EntryKind kind = EntryKind::kPut;
    std::vector<uint8_t> value;
    [[nodiscard]] Entry view(Bytes key) const { return {key, sequence, kind, value}; }
  };
  // What is below the operands that were gathered.
  enum class Base { kUnknown, kNothing, kValue };

  Status Advance();
  [[nodiscard]] bool Survives(const Entry& entry);
  [[nodiscard]] bool IsHidden(const Entry& entry) const;
  [[nodiscard]] bool MayHideOlder(Bytes key) const;
  // From an operand that survives on: gathers those below it in its stratum, folds them, and fills
  // `ready_`.
  Status Fold();
  Status GatherOperands(Base* base);
  void Gather(const Entry& entry);
  Status Apply(Base base);

  VersionCursor* versions_;
  const RangeTombstones* tombstones_;
  const Retention* retention_;
  // The versions stand on one that was not looked at yet.
  bool is_ahead_ = false;
  bool has_ended_ = false;
  // Of the version looked at last.
  bool has_key_ = false;
  std::vector<uint8_t> key_;
  uint64_t stratum_ = 0;
  // Nothing older in this stratum counts.
  bool is_settled_ = false;
  // Operands of one key, the newest first; of neighbours the folded one.
  std::vector<Owned> gathered_;
  size_t gathered_bytes_ = 0;
  Owned base_;
  // To be given next.
  std::vector<Owned> ready_;
  size_t next_ready_ = 0;
  Entry own_entry_;
};

// Of range tombstones what still hides something: in pieces that no bound divides, by their keys.
// Views of `tombstones`, which has no tail (RangeTombstones::Fragments).
[[nodiscard]] std::vector<RangeTombstone> SurvivingTombstones(const RangeTombstones& tombstones,
                                                              const Retention& retention);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_SURVIVORS_H_
