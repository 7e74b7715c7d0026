#include "btree/range_walk.h"

#include <utility>

namespace bedplate::btree {

Status RangeWalk::Open(Engine* engine, Attachment* attachment, const TreeSlot& tree,
                       std::shared_ptr<Snapshot> snapshot, const Reference& root,
                       const KeyRange& range, bool reverse, uint64_t limit,
                       std::unique_ptr<RangeWalk>* walk) {
  std::unique_ptr<RangeWalk> opened(new RangeWalk());
  opened->snapshot_ = std::move(snapshot);
  opened->root_ = root;
  if (opened->snapshot_ == nullptr) {
    Status status = engine->OpenSnapshot(&opened->snapshot_);
    if (status.ok()) {
      status = engine->RootIn(attachment, *opened->snapshot_, tree.name, &opened->root_);
    }
    if (!status.ok()) return status;
  }
  opened->range_ = range;
  if (range.lower) {
    opened->lower_.assign(range.lower->begin(), range.lower->end());
    opened->range_.lower = Bytes(opened->lower_);
  }
  if (range.upper) {
    opened->upper_.assign(range.upper->begin(), range.upper->end());
    opened->range_.upper = Bytes(opened->upper_);
  }
  opened->reverse_ = reverse;
  opened->limit_ = limit;
  *walk = std::move(opened);
  return Status::Ok();
}

Status RangeWalk::Read(Engine* engine, Attachment* attachment, size_t max_bytes, Block* block) {
  block->Reset();
  if (is_done_ || limit_ == 0) return Status::Ok();
  Status status = engine->ReadBlock(attachment, *snapshot_, root_, range_, reverse_,
                                    {limit_, max_bytes}, block, &is_done_);
  if (!status.ok() || block->count == 0) return status;
  limit_ -= block->count;
  const Bytes last_key = block->last_key();
  std::vector<uint8_t>& bound = reverse_ ? upper_ : lower_;
  bound.assign(last_key.begin(), last_key.end());
  (reverse_ ? range_.upper : range_.lower) = Bytes(bound);
  (reverse_ ? range_.upper_inclusive : range_.lower_inclusive) = false;
  return status;
}

}  // namespace bedplate::btree
