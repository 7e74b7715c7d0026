// A range that is read block by block, as of the moment of its beginning.
#ifndef BEDPLATE_BTREE_RANGE_WALK_H_
#define BEDPLATE_BTREE_RANGE_WALK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "btree/engine.h"
#include "core/status.h"

namespace bedplate::btree {

// One thread at a time uses it.
class RangeWalk {
 public:
  // At most `limit` entries of `range`, whose bounds are copied, below `root` in `snapshot`; of the
  // tree as it is now if `snapshot` is null.
  static Status Open(Engine* engine, Attachment* attachment, const TreeSlot& tree,
                     std::shared_ptr<Snapshot> snapshot, const Reference& root,
                     const KeyRange& range, bool reverse, uint64_t limit,
                     std::unique_ptr<RangeWalk>* walk);

  // Reads the next entries into `block`, which gets none at the end.
  Status Read(Engine* engine, Attachment* attachment, size_t max_bytes, Block* block);

 private:
  RangeWalk() = default;

  std::shared_ptr<Snapshot> snapshot_;
  Reference root_;
  std::vector<uint8_t> lower_;
  std::vector<uint8_t> upper_;
  // What is left.
  KeyRange range_;
  bool reverse_ = false;
  bool is_done_ = false;
  uint64_t limit_ = 0;
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_RANGE_WALK_H_
