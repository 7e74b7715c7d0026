#include "lsm/range_walk.h"

#include <cstring>
#include <utility>

namespace bedplate::lsm {

Status RangeWalk::Open(Engine* engine, Attachment* /*attachment*/, const TreeSlot& tree,
                       const std::shared_ptr<Snapshot>& snapshot, uint32_t tree_id,
                       const KeyRange& range, bool reverse, uint64_t limit,
                       std::unique_ptr<RangeWalk>* walk) {
  if (snapshot != nullptr) return OpenIn(engine, *snapshot, tree_id, range, reverse, limit, walk);
  std::shared_ptr<Hold> hold;
  if (Status status = engine->OpenHold(&hold); !status.ok()) return status;
  const Moment moment = hold->moment();
  return OpenAt(engine, std::move(hold), moment, moment.catalogue->IdOf(tree.name), range, reverse,
                limit, walk);
}

Status RangeWalk::OpenIn(Engine* engine, const Snapshot& snapshot, uint32_t tree_id,
                         const KeyRange& range, bool reverse, uint64_t limit,
                         std::unique_ptr<RangeWalk>* walk) {
  std::shared_ptr<Hold> hold;
  if (Status status = engine->OpenHold(&hold); !status.ok()) return status;
  Moment moment = hold->moment();
  moment.position = snapshot.position();
  return OpenAt(engine, std::move(hold), moment, tree_id, range, reverse, limit, walk);
}

Status RangeWalk::OpenAt(Engine* engine, std::shared_ptr<Hold> hold, const Moment& moment,
                         uint32_t tree_id, const KeyRange& range, bool reverse, uint64_t limit,
                         std::unique_ptr<RangeWalk>* walk) {
  std::unique_ptr<RangeWalk> opened(new RangeWalk());
  opened->hold_ = std::move(hold);
  if (tree_id != 0) opened->span_ = SpanOf(tree_id, range);
  if (!opened->span_.view().is_empty()) opened->limit_ = limit;
  if (opened->limit_ > 0) {
    Status status = engine->OpenCursor(moment, opened->span_.view(), reverse, &opened->cursor_);
    if (!status.ok()) return status;
  }
  *walk = std::move(opened);
  return Status::Ok();
}

Status RangeWalk::Read(Engine* engine, Attachment* /*attachment*/, size_t max_bytes,
                       ordered::Block* block) {
  block->Reset();
  if (Status status = engine->CheckOpen(); !status.ok()) return status;
  return Fill(max_bytes, block);
}

Status RangeWalk::Fill(size_t max_bytes, ordered::Block* block) {
  while (true) {
    if (Status status = LookAhead(); !status.ok()) return status;
    if (limit_ == 0) return Status::Ok();
    const Entry& entry = cursor_->entry();
    const Bytes key = UserKey(entry.key);
    const size_t bytes = ordered::kEntryHeaderBytes + key.size() + entry.value.size();
    if (block->count > 0 && block->buffer.length() + bytes > max_bytes) return Status::Ok();
    uint8_t* at =
        block->Append(static_cast<uint32_t>(key.size()), static_cast<uint32_t>(entry.value.size()));
    if (!key.empty()) std::memcpy(at, key.data(), key.size());
    if (!entry.value.empty()) {
      std::memcpy(at + key.size(), entry.value.data(), entry.value.size());
    }
    is_ahead_ = false;
    limit_--;
  }
}

Status RangeWalk::LookAhead() {
  if (is_ahead_ || limit_ == 0) return Status::Ok();
  if (Status status = cursor_->Step(&is_ahead_); !status.ok()) return status;
  if (!is_ahead_) limit_ = 0;
  return Status::Ok();
}

}  // namespace bedplate::lsm
