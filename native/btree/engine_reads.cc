// What the engine does for readers: it looks inside the gate, fetches outside what is missing, and
// looks again.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "btree/engine.h"
#include "btree/overflow.h"
#include "core/clock.h"

namespace bedplate::btree {
template <typename PagerOf, typename Look>
Status Engine::LookUp(Attachment* attachment, PagerOf pager_of, Look look) {
  // What was fetched stays in memory until the end, so that a small cache cannot send us round in
  // circles.
  std::vector<FrameHandle> kept;
  std::optional<Reference> failed;
  std::shared_ptr<Pager> pager;
  Status status = Status::Ok();
  while (status.ok()) {
    Missing missing;
    {
      const SharedGuard guard(&gate_, attachment->reader_);
      status = look(&missing);
      if (!status.ok() || missing.reference.page == 0) break;
      pager = pager_of();
    }
    status = FetchMissing(pager.get(), missing, &kept, &failed);
  }
  if (kept.empty()) return status;
  kept.clear();
  if (!pager->is_over()) return status;
  const ExclusiveGuard guard(&gate_);
  (void)pager->Trim(/*max_dirty=*/0);
  return status;
}

Status Engine::FetchMissing(Pager* pager, const Missing& missing, std::vector<FrameHandle>* kept,
                            std::optional<Reference>* failed) {
  FrameHandle handle;
  if (Status status = pager->Fetch(missing, &handle); !status.ok()) {
    // The page may have been given up since: only if it is asked for again, it is really broken.
    if (*failed == missing.reference) return status;
    *failed = missing.reference;
    return Status::Ok();
  }
  const ExclusiveGuard guard(&gate_);
  pager->Admit(missing, &handle);
  if (handle.get() != nullptr) kept->push_back(std::move(handle));
  if (pager->is_over()) (void)pager->Trim(/*max_dirty=*/0);
  return Status::Ok();
}

TreeSlot* Engine::TreeOf(std::string_view name) {
  const ExclusiveGuard guard(&gate_);
  return catalogue_.SlotOf(name);
}

std::vector<std::string> Engine::TreeNames(Attachment* attachment) {
  const SharedGuard guard(&gate_, attachment->reader_);
  return catalogue_.TreeNames();
}

Status Engine::Measure(Attachment* attachment, const TreeSlot* tree, uint64_t* key_count,
                       uint32_t* depth) {
  return LookUp(attachment, PagerNow(), [&](Missing* missing) {
    *key_count = 0;
    *depth = 0;
    if (tree->root().page == 0) return Status::Ok();
    Frame* root = nullptr;
    Status status = pager_->Peek(tree->root(), &root, missing);
    if (!status.ok() || root == nullptr) return status;
    *key_count = root->page().key_count();
    *depth = root->page().level() + 1;
    return Status::Ok();
  });
}

void Engine::TakeValue(const Page& leaf, uint32_t slot, ValueTarget* value,
                       std::optional<Reference>* overflow) {
  if (leaf.IsOverflowAt(slot)) {
    *overflow = leaf.OverflowAt(slot);
    (void)value->Take(leaf.ValueLengthAt(slot));
    return;
  }
  const Bytes bytes = leaf.InlineValueAt(slot);
  const std::span<uint8_t> target = value->Take(static_cast<uint32_t>(bytes.size()));
  if (!bytes.empty()) std::memcpy(target.data(), bytes.data(), bytes.size());
}

template <typename PagerOf, typename RootOf, typename Found>
Status Engine::FindKey(Attachment* attachment, PagerOf pager_of, RootOf root_of, Bytes key,
                       Found found) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  return LookUp(attachment, pager_of, [&](Missing* missing) {
    Frame* leaf = nullptr;
    uint64_t hits = 0;
    Status status = FindLeaf(pager_of().get(), root_of(), key, &leaf, missing, &hits);
    attachment->CountHits(hits);
    if (!status.ok() || leaf == nullptr) return status;
    const SearchResult at = leaf->page().Search(key);
    if (at.found) found(leaf->page(), at.slot);
    return status;
  });
}

Status Engine::Get(Attachment* attachment, const TreeSlot* tree, Bytes key, ValueTarget* value) {
  value->found = false;
  std::optional<Reference> overflow;
  Status status = FindKey(
      attachment, PagerNow(), [&] { return tree->root(); }, key,
      [&](const Page& leaf, uint32_t slot) { TakeValue(leaf, slot, value, &overflow); });
  if (!status.ok() || !overflow) return status;
  // A long value is read outside the gate, so its moment has to be kept: look again in a snapshot.
  std::shared_ptr<Snapshot> snapshot;
  if (status = OpenSnapshot(&snapshot); !status.ok()) return status;
  Reference root;
  if (status = RootIn(attachment, *snapshot, tree->name, &root); !status.ok()) return status;
  return GetIn(attachment, *snapshot, root, key, value);
}

Status Engine::TryGet(Attachment* attachment, const TreeSlot* tree, Bytes key, ValueTarget* value,
                      bool* done) {
  value->found = false;
  if (Status status = CheckOpen(); !status.ok()) return status;
  const SharedGuard guard(&gate_, attachment->reader_);
  Missing missing;
  Frame* leaf = nullptr;
  uint64_t hits = 0;
  Status status = FindLeaf(pager_.get(), tree->root(), key, &leaf, &missing, &hits);
  attachment->CountHits(hits);
  *done = missing.reference.page == 0;
  if (!status.ok() || leaf == nullptr) return status;
  const SearchResult at = leaf->page().Search(key);
  if (!at.found) return status;
  std::optional<Reference> overflow;
  *done = !leaf->page().IsOverflowAt(at.slot);
  if (*done) TakeValue(leaf->page(), at.slot, value, &overflow);
  return status;
}

Status Engine::Has(Attachment* attachment, const TreeSlot* tree, Bytes key, bool* found) {
  *found = false;
  return FindKey(
      attachment, PagerNow(), [&] { return tree->root(); }, key,
      [&](const Page&, uint32_t) { *found = true; });
}

template <typename Look, typename ReadOne>
Status Engine::GetInGroups(Attachment* attachment, std::span<const Bytes> keys, ValueList* values,
                           Look look, ReadOne read_one) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  // Where groups get stuck again and again (a cold cache, long values), they become small.
  size_t group_size = kGroupedKeys;
  while (!keys.empty()) {
    const std::span<const Bytes> group = keys.first(std::min(group_size, keys.size()));
    size_t done = 0;
    {
      const SharedGuard guard(&gate_, attachment->reader_);
      std::array<GroupedLook, kGroupedKeys> looks;
      size_t count = 0;
      uint64_t hits = 0;
      Status status = look(group, &looks, &count, &hits);
      attachment->CountHits(hits);
      if (!status.ok()) return status;
      for (; done < count; done++) {
        const auto& [leaf, at] = looks[done];
        if (!at.found) {
          values->AddNone();
        } else if (leaf->page().IsOverflowAt(at.slot)) {
          break;
        } else {
          values->Add(leaf->page().InlineValueAt(at.slot));
        }
      }
    }
    keys = keys.subspan(done);
    group_size = std::min(2 * group_size, kGroupedKeys);
    if (done == group.size()) continue;
    ValueTarget value;
    if (Status status = read_one(keys.front(), &value); !status.ok()) return status;
    if (value.found) {
      values->Add(value.spill);
    } else {
      values->AddNone();
    }
    keys = keys.subspan(1);
    group_size = 1;
  }
  return Status::Ok();
}

Status Engine::GetMany(Attachment* attachment, const TreeSlot* tree, std::span<const Bytes> keys,
                       ValueList* values) {
  return GetInGroups(
      attachment, keys, values,
      [&](auto group, auto* looks, size_t* count, uint64_t* hits) {
        return FindGroup(pager_.get(), tree->root(), group, looks, count, hits);
      },
      [&](Bytes key, ValueTarget* value) { return Get(attachment, tree, key, value); });
}

Status Engine::GetManyIn(Attachment* attachment, const Snapshot& snapshot, const Reference& root,
                         std::span<const Bytes> keys, ValueList* values) {
  return GetInGroups(
      attachment, keys, values,
      [&](auto group, auto* looks, size_t* count, uint64_t* hits) {
        return FindGroup(snapshot.pager().get(), root, group, looks, count, hits);
      },
      [&](Bytes key, ValueTarget* value) { return GetIn(attachment, snapshot, root, key, value); });
}

Status Engine::OpenSnapshot(std::shared_ptr<Snapshot>* snapshot) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  std::shared_ptr<Snapshot> opened(new Snapshot());
  const ExclusiveGuard guard(&gate_);
  opened->engine_ = this;
  opened->pager_ = pager_;
  opened->epoch_ = pager_->OpenEpoch();
  opened->catalogue_ = catalogue_.root();
  opened->position_ = position();
  opened->since_ms_ = MonotonicMs();
  open_snapshots_.insert(opened.get());
  *snapshot = std::move(opened);
  return Status::Ok();
}

void Engine::CloseSnapshot(Snapshot* snapshot) {
  const ExclusiveGuard guard(&gate_);
  snapshot->pager_->CloseEpoch(snapshot->epoch_);
  open_snapshots_.erase(snapshot);
}

Status Engine::RootIn(Attachment* attachment, const Snapshot& snapshot, std::string_view name,
                      Reference* root) {
  ValueTarget value;
  Status status = GetIn(attachment, snapshot, snapshot.catalogue(), BytesOf(name), &value);
  if (!status.ok()) return status;
  TreeEntry entry;
  if (value.found && !DecodeEntry(value.spill, &entry)) {
    return snapshot.pager()->Corruption(snapshot.catalogue().page, "the catalogue is broken");
  }
  *root = entry.root;
  return Status::Ok();
}

Status Engine::GetIn(Attachment* attachment, const Snapshot& snapshot, const Reference& root,
                     Bytes key, ValueTarget* value) {
  value->found = false;
  std::optional<Reference> overflow;
  const std::shared_ptr<Pager>& pager = snapshot.pager();
  Status status = FindKey(
      attachment, [&]() -> const std::shared_ptr<Pager>& { return pager; }, [&] { return root; },
      key, [&](const Page& leaf, uint32_t slot) { TakeValue(leaf, slot, value, &overflow); });
  if (!status.ok() || !overflow) return status;
  return ReadOverflow(*pager, *overflow, value->Take(value->length));
}

Status Engine::TryReadRange(Attachment* attachment, const TreeSlot* tree, const KeyRange& range,
                            bool reverse, const BlockLimits& limits, Block* block, bool* done) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  const SharedGuard guard(&gate_, attachment->reader_);
  *done = true;
  if (limits.entries == 0) return Status::Ok();
  BlockReader reader(pager_.get(), tree->root(), range, reverse, limits, block);
  Missing missing;
  uint64_t hits = 0;
  Status status = reader.Fill(&missing, &hits);
  attachment->CountHits(hits);
  *done = reader.at_end() || block->count >= limits.entries;
  return status;
}

Status Engine::ReadBlock(Attachment* attachment, const Snapshot& snapshot, const Reference& root,
                         const KeyRange& range, bool reverse, const BlockLimits& limits,
                         Block* block, bool* done) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  BlockReader reader(snapshot.pager().get(), root, range, reverse, limits, block);
  while (!reader.at_end() && !reader.is_full()) {
    Status status = LookUp(
        attachment, [&] { return snapshot.pager(); },
        [&](Missing* missing) {
          uint64_t hits = 0;
          Status filled = reader.Fill(missing, &hits);
          attachment->CountHits(hits);
          return filled;
        });
    if (!status.ok()) return status;
    if (status = reader.AddLongEntry(); !status.ok()) return status;
  }
  *done = reader.at_end();
  return Status::Ok();
}

}  // namespace bedplate::btree
