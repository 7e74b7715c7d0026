// A range that is read block by block, as of the moment of its beginning.
#ifndef BEDPLATE_LSM_RANGE_WALK_H_
#define BEDPLATE_LSM_RANGE_WALK_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/key_range.h"
#include "core/status.h"
#include "lsm/engine.h"
#include "lsm/internal_key.h"
#include "lsm/visible_cursor.h"
#include "ordered/block.h"

namespace bedplate::lsm {

// One thread at a time uses it. It holds the memtables and tables of its beginning.
class RangeWalk {
 public:
  // At most `limit` entries of `range` in the tree `tree_id` as `snapshot` shows it; of `tree` as
  // it is now if `snapshot` is null.
  static Status Open(Engine* engine, Attachment* attachment, const TreeSlot& tree,
                     const std::shared_ptr<Snapshot>& snapshot, uint32_t tree_id,
                     const KeyRange& range, bool reverse, uint64_t limit,
                     std::unique_ptr<RangeWalk>* walk);
  // The same of a snapshot, which outlives this call.
  static Status OpenIn(Engine* engine, const Snapshot& snapshot, uint32_t tree_id,
                       const KeyRange& range, bool reverse, uint64_t limit,
                       std::unique_ptr<RangeWalk>* walk);
  RangeWalk(const RangeWalk&) = delete;
  RangeWalk& operator=(const RangeWalk&) = delete;

  // Reads the next entries into `block`, which gets none at the end.
  Status Read(Engine* engine, Attachment* attachment, size_t max_bytes, ordered::Block* block);
  // Adds entries to `block` until it has `max_bytes`, or one if that has more.
  Status Fill(size_t max_bytes, ordered::Block* block);
  // True once no entry is left.
  [[nodiscard]] bool is_done() const { return limit_ == 0; }

 private:
  RangeWalk() = default;
  static Status OpenAt(Engine* engine, std::shared_ptr<Hold> hold, const Moment& moment,
                       uint32_t tree_id, const KeyRange& range, bool reverse, uint64_t limit,
                       std::unique_ptr<RangeWalk>* walk);
  // Sees to it that the cursor stands on an entry that was not given yet, or that there is none.
  Status LookAhead();

  std::shared_ptr<Hold> hold_;
  OwnedSpan span_;
  // What is left.
  uint64_t limit_ = 0;
  // Declared last: it looks into all of the above.
  std::unique_ptr<VisibleCursor> cursor_;
  bool is_ahead_ = false;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_RANGE_WALK_H_
