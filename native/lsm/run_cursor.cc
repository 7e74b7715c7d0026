#include "lsm/run_cursor.h"

#include <algorithm>
#include <utility>

#include "core/compare.h"

namespace bedplate::lsm {

RunCursor::RunCursor(Tables* tables, const Run& run, const KeySpan& span, bool reverse,
                     ReadPath read_path)
    : tables_(tables), span_(span), reverse_(reverse), read_path_(read_path) {
  entry_ = &own_entry_;
  std::copy_if(run.begin(), run.end(), std::back_inserter(left_),
               [&](const TableRef& table) { return Overlap(table->span(), span); });
  if (!reverse_) std::reverse(left_.begin(), left_.end());
}

Status RunCursor::Step(bool* found) {
  *found = false;
  while (!has_ended_) {
    if (block_ == nullptr) {
      if (Status status = Approach(); !status.ok()) return status;
      continue;
    }
    slot_ += reverse_ ? -1 : 1;
    if (slot_ < 0 || slot_ >= int64_t{block_->count()}) {
      block_ = nullptr;
      block_index_ += reverse_ ? -1 : 1;
      continue;
    }
    Status status = block_->EntryAt(static_cast<uint32_t>(slot_), &key_, &own_entry_);
    if (!status.ok()) return status;
    if (table_->sequence != 0) own_entry_.sequence = table_->sequence;
    *found = IsInside(own_entry_.key);
    has_ended_ = !*found;
    return Status::Ok();
  }
  return Status::Ok();
}

// Comes nearer to the next block: to a table, or into a block of it.
Status RunCursor::Approach() {
  const bool is_in_table =
      meta_ != nullptr && block_index_ >= 0 && block_index_ < int64_t{meta_->index().count()};
  if (is_in_table) return EnterBlock();
  if (left_.empty()) {
    has_ended_ = true;
    return Status::Ok();
  }
  return EnterTable();
}

Status RunCursor::EnterTable() {
  table_ = std::move(left_.back());
  left_.pop_back();
  ahead_.clear();
  if (Status status = tables_->Meta(*table_, &meta_); !status.ok()) return status;
  const int64_t count = meta_->index().count();
  const int64_t place = meta_->index().Find(reverse_ ? span_.end : span_.start);
  block_index_ = reverse_ ? std::min(place, count - 1) : place;
  seeking_ = true;
  return Status::Ok();
}

Status RunCursor::EnterBlock() {
  std::shared_ptr<const DataBlock> block;
  if (Status status = LoadBlock(&block); !status.ok()) return status;
  slot_ = reverse_ ? int64_t{block->count()} : -1;
  if (std::exchange(seeking_, false)) {
    uint32_t place = 0;
    Status status = block->Search(reverse_ ? span_.end : span_.start, &place);
    if (!status.ok()) return status;
    slot_ = reverse_ ? int64_t{place} : int64_t{place} - 1;
  }
  block_ = std::move(block);
  return Status::Ok();
}

Status RunCursor::LoadBlock(std::shared_ptr<const DataBlock>* block) {
  const auto index = static_cast<uint32_t>(block_index_);
  if (read_path_ == ReadPath::kCache) return tables_->Block(*table_, *meta_, index, block);
  std::vector<uint8_t> bytes;
  const BlockHandle handle = meta_->index().HandleAt(index);
  if (Status status = ReadAhead(handle, &bytes); !status.ok()) return status;
  return tables_->OpenDataBlock(*table_, *meta_, index, std::move(bytes), block);
}

// The bytes of a block, out of those that were read ahead.
Status RunCursor::ReadAhead(const BlockHandle& handle, std::vector<uint8_t>* bytes) {
  const uint64_t end = handle.offset + handle.length;
  if (handle.offset < ahead_at_ || end > ahead_at_ + ahead_.size()) {
    // Forwards what is behind it comes next; backwards what is in front of it.
    const uint64_t room = std::max<uint64_t>(kReadAheadBytes, handle.length);
    ahead_at_ = !reverse_ ? handle.offset : end - std::min(end, room);
    ahead_.resize(std::min(room, table_->data_bytes - ahead_at_));
    size_t count = 0;
    Status status = tables_->Read(*table_, ahead_at_, ahead_, &count);
    ahead_.resize(status.ok() ? count : 0);
    if (!status.ok()) return status;
  }
  const Bytes ahead = Bytes(ahead_).subspan(std::min(handle.offset - ahead_at_, ahead_.size()));
  const Bytes block = ahead.first(std::min<size_t>(ahead.size(), handle.length));
  bytes->assign(block.begin(), block.end());
  return Status::Ok();
}

bool RunCursor::IsInside(Bytes key) const {
  return reverse_ ? CompareBytes(key, span_.start) >= 0 : CompareBytes(key, span_.end) < 0;
}

}  // namespace bedplate::lsm
