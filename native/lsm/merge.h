// Many sorted sources as one. The twin is ts/storage/lsm/merge.ts.
#ifndef BEDPLATE_LSM_MERGE_H_
#define BEDPLATE_LSM_MERGE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/status.h"
#include "lsm/entry.h"
#include "lsm/key_head.h"
#include "lsm/loser_tree.h"

namespace bedplate::lsm {

// All versions of all sources, in order or in the reverse of it. No two sources hold the same
// version. O(log sources) a step, and mostly without touching a key. One thread.
class MergeCursor final : public VersionCursor {
 public:
  // All sources go the same way.
  MergeCursor(std::vector<std::unique_ptr<VersionCursor>> sources, bool reverse);

  Status Step(bool* found) override;

 private:
  // Where a source stands, as far as comparing goes.
  struct Contestant {
    KeyHead head;
    const Entry* entry = nullptr;  // null once it has ended
  };
  struct IsBefore {
    const std::vector<Contestant>* contestants;
    bool reverse;
    bool operator()(uint32_t a, uint32_t b) const;
  };

  Status Advance(uint32_t source);

  std::vector<std::unique_ptr<VersionCursor>> sources_;
  std::vector<Contestant> contestants_;
  LoserTree<IsBefore> tree_;
  bool has_begun_ = false;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_MERGE_H_
