// What a reader sees of many versions: of each key the value at some sequence. The twin is
// `VisibleCursor` of ts/storage/lsm/merge.ts with what ts/storage/lsm/read-state.ts does to it.
#ifndef BEDPLATE_LSM_VISIBLE_CURSOR_H_
#define BEDPLATE_LSM_VISIBLE_CURSOR_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/status.h"
#include "lsm/entry.h"
#include "lsm/mutant.h"
#include "lsm/operands.h"
#include "lsm/range_tombstones.h"

namespace bedplate::lsm {

// Steps to each key that has a value at a sequence. The entry is a put: key and value are the
// reader's, the sequence is that of its newest version. One thread.
class VisibleCursor final : public VersionCursor {
 public:
  struct View {
    uint64_t sequence = 0;
    bool reverse = false;
    // Those of all sources that may cover a key of the walk; null for none.
    std::vector<std::shared_ptr<const RangeTombstones>> tombstones;
    Mutant* mutant = nullptr;
  };

  // `versions` are those of all sources, in the direction of the view.
  VisibleCursor(std::unique_ptr<VersionCursor> versions, View view);

  // INVALID_INPUT if appends have made a value too long.
  Status Step(bool* found) override;

 private:
  Status StepForward(bool* found);
  Status StepBack(bool* found);
  Status GatherForward();
  Status Advance();
  // The newest range tombstone that covers `key` and is seen; 0 if there is none.
  [[nodiscard]] uint64_t Covering(Bytes key) const;
  [[nodiscard]] bool IsOfKey(Bytes key) const;
  void Forget();
  void Push(const Entry& entry);
  Status Show(uint64_t sequence);

  std::unique_ptr<VersionCursor> versions_;
  View view_;
  // The versions stand on one that was not looked at yet.
  bool is_ahead_ = false;
  bool has_ended_ = false;
  // The key at hand; forwards, the last one that was looked at.
  bool has_key_ = false;
  std::vector<uint8_t> key_;
  // Backwards: its newest range tombstone, and what is known of its value.
  uint64_t hidden_ = 0;
  uint64_t newest_sequence_ = 0;
  bool has_value_ = false;
  // A base, empty if there is none, and what is to be applied to it. Buffers beyond
  // `operand_count_` are kept for later ones.
  std::vector<uint8_t> value_;
  std::vector<Operand> operands_;
  size_t operand_count_ = 0;
  Entry own_entry_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_VISIBLE_CURSOR_H_
