#include "lsm/memory.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lsm/internal_key.h"

namespace bedplate::lsm {

Memory::Memory(std::shared_ptr<const Catalogue> catalogue, uint64_t position)
    : catalogue_(std::move(catalogue)), position_(position) {
  for (const auto& [name, id] : catalogue_->ids) SlotOf(name)->id = id;
}

TreeSlot* Memory::SlotOf(std::string_view name) {
  const std::lock_guard lock(slots_mutex_);
  const auto found = slots_.find(name);
  if (found != slots_.end()) return found->second.get();
  auto slot = std::make_unique<TreeSlot>();
  slot->name = name;
  return slots_.emplace(slot->name, std::move(slot)).first->second.get();
}

Status Memory::Apply(uint64_t position, Bytes record) {
  position_ = position;
  Status status = ordered::VisitRecord(record, this);
  if (status.ok()) return AddPending();
  pending_.clear();
  pending_keys_.clear();
  return status;
}

Frozen Memory::Freeze() {
  return {std::exchange(active_, std::make_shared<Memtable>()), {}, position_, catalogue_};
}

Status Memory::Put(uint32_t tree_id, Bytes key, Bytes value) {
  return Add(tree_id, key, EntryKind::kPut, value);
}

Status Memory::Delete(uint32_t tree_id, Bytes key) {
  return Add(tree_id, key, EntryKind::kDelete, {});
}

Status Memory::Increment(uint32_t tree_id, Bytes key, Bytes by) {
  return Add(tree_id, key, EntryKind::kIncrement, by);
}

Status Memory::Append(uint32_t tree_id, Bytes key, Bytes suffix) {
  return Add(tree_id, key, EntryKind::kAppend, suffix);
}

Status Memory::Clear(uint32_t tree_id, const KeyRange& range) {
  if (Status status = AddPending(); !status.ok()) return status;
  if (Status status = CheckTree(tree_id); !status.ok()) return status;
  const OwnedSpan span = SpanOf(tree_id, range);
  if (!span.view().is_empty()) active_->AddTombstone(span.view(), position_);
  return Status::Ok();
}

Status Memory::CreateTree(uint32_t tree_id, Bytes name) {
  if (Status status = AddPending(); !status.ok()) return status;
  if (Status status = WithTree(*catalogue_, tree_id, AsText(name), &catalogue_); !status.ok()) {
    return status;
  }
  SlotOf(AsText(name))->id.store(tree_id, std::memory_order_release);
  return Status::Ok();
}

Status Memory::DropTree(uint32_t tree_id) {
  if (Status status = AddPending(); !status.ok()) return status;
  if (Status status = CheckTree(tree_id); !status.ok()) return status;
  active_->AddTombstone(SpanOf(tree_id, {}).view(), position_);
  std::string name;
  catalogue_ = WithoutTree(*catalogue_, tree_id, &name);
  SlotOf(name)->id.store(0, std::memory_order_release);
  return Status::Ok();
}

// What was ingested lies in tables: either the manifest names them, and is past this record, or
// they never came to be.
Status Memory::BulkLoad(uint32_t tree_id) { return CheckTree(tree_id); }

Status Memory::Add(uint32_t tree_id, Bytes key, EntryKind kind, Bytes value) {
  if (Status status = CheckTree(tree_id); !status.ok()) return status;
  if (key.size() > kMaxKeyBytes) {
    return Status::Error(ErrorCode::kCorruption,
                         "a log record has a key of " + std::to_string(key.size()) + " bytes");
  }
  const InternalKey internal(tree_id, key);
  const Bytes bytes = internal.bytes();
  pending_.push_back({pending_keys_.size(), bytes.size(), kind, value});
  pending_keys_.insert(pending_keys_.end(), bytes.begin(), bytes.end());
  return pending_.size() < Memtable::kGroupSize ? Status::Ok() : AddPending();
}

Status Memory::AddPending() {
  std::array<Entry, Memtable::kGroupSize> entries;
  std::ranges::transform(pending_, entries.begin(), [&](const Pending& each) {
    const Bytes key = Bytes(pending_keys_).subspan(each.key_start, each.key_size);
    return Entry{key, position_, each.kind, each.value};
  });
  Status status = Status::Ok();
  if (!pending_.empty()) status = active_->AddGroup({entries.data(), pending_.size()});
  pending_.clear();
  pending_keys_.clear();
  return status;
}

Status Memory::CheckTree(uint32_t tree_id) const {
  return catalogue_->known.contains(tree_id) ? Status::Ok() : UnknownTree(tree_id);
}

}  // namespace bedplate::lsm
