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

// Neighbouring operands of one key and kind, given from the newest to the oldest, as one.
class OperandGroup {
 public:
  // `sequence` is that of the newest.
  OperandGroup(EntryKind kind, uint64_t sequence) : kind_(kind), sequence_(sequence) {}

  [[nodiscard]] EntryKind kind() const { return kind_; }
  [[nodiscard]] uint64_t sequence() const { return sequence_; }
  [[nodiscard]] bool Takes(const Entry& older) const;
  void Add(const Entry& older);
  // The operand that does what all of them do.
  [[nodiscard]] std::vector<uint8_t> Merged() const;

 private:
  EntryKind kind_;
  uint64_t sequence_;
  uint64_t sum_ = 0;
  // Suffixes as they came: from the last one to the first.
  std::vector<uint8_t> pieces_;
  std::vector<size_t> lengths_;
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
  // A version of the key at hand, with its bytes.
  struct Version {
    uint64_t sequence;
    EntryKind kind;
    std::vector<uint8_t> value;
  };
  // What operands are applied to.
  struct Base {
    bool is_known = false;
    // The put or deletion, if it was one.
    std::vector<Version> versions;
  };

  Status Advance();
  [[nodiscard]] bool Survives(const Entry& entry);
  [[nodiscard]] size_t StratumFor(uint64_t sequence) const;
  [[nodiscard]] bool IsOfKey(Bytes key) const;
  [[nodiscard]] bool IsHidden(const Entry& entry) const;
  // Of the key at hand.
  [[nodiscard]] bool MayHideOlder() const;
  Status Fold();
  Status FindBase(bool* goes_on);
  void Apply();

  VersionCursor* versions_;
  const RangeTombstones* tombstones_;
  const Retention* retention_;
  // The versions stand on one that was not looked at yet.
  bool is_ahead_ = false;
  bool has_ended_ = false;
  // The key at hand, and the stratum of its version that was looked at last.
  bool has_key_ = false;
  std::vector<uint8_t> key_;
  size_t stratum_ = 0;
  // Nothing older in that stratum counts.
  bool is_settled_ = false;
  // Operands that are being folded, the newest first.
  std::vector<OperandGroup> groups_;
  Base base_;
  // To be given next.
  std::vector<Version> ready_;
  size_t next_ready_ = 0;
  Entry own_entry_;
};

// Of range tombstones what still hides something: in pieces that no bound divides, by their keys.
// Views of `tombstones`, which has no tail (RangeTombstones::Fragments).
[[nodiscard]] std::vector<RangeTombstone> SurvivingTombstones(const RangeTombstones& tombstones,
                                                              const Retention& retention);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_SURVIVORS_H_
