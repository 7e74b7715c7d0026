#include "btree/catalogue.h"

#include <algorithm>

#include "btree/cursor.h"
#include "core/little_endian.h"

namespace bedplate::btree {

Catalogue::Catalogue() = default;

Status Catalogue::Load(Pager* pager, const Reference& root, uint32_t next_tree_id) {
  pager_ = pager;
  next_tree_id_ = next_tree_id;
  directory_ = std::make_unique<Tree>(pager, kCatalogueTreeId, root,
                                      [](const Reference&) { return Status::Ok(); });
  by_id_.clear();
  for (const auto& [name, slot] : slots_) slot->tree.reset();
  Cursor cursor(pager, root, {}, /*reverse=*/false);
  while (true) {
    Cursor::Outcome outcome = Cursor::Outcome::kEnd;
    if (Status status = NextBlocking(pager, &cursor, &outcome); !status.ok()) return status;
    if (outcome == Cursor::Outcome::kEnd) return Status::Ok();
    const Page leaf = cursor.leaf();
    TreeEntry entry;
    if (leaf.IsOverflowAt(cursor.slot()) ||
        !DecodeEntry(leaf.InlineValueAt(cursor.slot()), &entry)) {
      return pager->Corruption(leaf.page_number(), "holds a broken entry of the catalogue");
    }
    const std::vector<uint8_t> name = leaf.KeyAt(cursor.slot());
    Open(SlotOf(std::string(name.begin(), name.end())), entry);
  }
}

TreeSlot* Catalogue::SlotOf(std::string_view name) {
  const auto found = slots_.find(name);
  if (found != slots_.end()) return found->second.get();
  auto slot = std::make_unique<TreeSlot>();
  slot->name = name;
  return slots_.emplace(slot->name, std::move(slot)).first->second.get();
}

Status Catalogue::SlotById(uint32_t id, TreeSlot** slot) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) {
    return Status::Error(ErrorCode::kCorruption,
                         "the log writes to tree " + std::to_string(id) + ", which does not exist");
  }
  *slot = found->second;
  return Status::Ok();
}

std::vector<std::string> Catalogue::TreeNames() const {
  std::vector<std::string> names;
  for (const auto& [name, slot] : slots_) {
    if (slot->tree) names.push_back(name);
  }
  return names;
}

uint32_t Catalogue::IdFor(const TreeSlot& slot) {
  return slot.tree ? slot.tree->id() : next_tree_id_++;
}

Status Catalogue::Create(uint32_t id, TreeSlot* slot) {
  next_tree_id_ = std::max(next_tree_id_, id + 1);
  if (Status status = SetRoot(slot->name, id, {}); !status.ok()) return status;
  Open(slot, {id, {}});
  return Status::Ok();
}

Status Catalogue::Drop(TreeSlot* slot) {
  if (!slot->tree) return Status::Ok();
  if (Status status = slot->tree->DeleteRange({}); !status.ok()) return status;
  if (Status status = directory_->Delete(BytesOf(slot->name)); !status.ok()) return status;
  by_id_.erase(slot->tree->id());
  slot->tree.reset();
  return Status::Ok();
}

void Catalogue::Open(TreeSlot* slot, const TreeEntry& entry) {
  const uint32_t id = entry.id;
  slot->tree = std::make_unique<Tree>(
      pager_, id, entry.root,
      [this, slot, id](const Reference& moved) { return SetRoot(slot->name, id, moved); });
  by_id_[id] = slot;
}

Status Catalogue::SetRoot(const std::string& name, uint32_t id, const Reference& root) {
  const std::vector<uint8_t> entry = EncodeEntry({id, root});
  LeafValue value;
  value.length = kEntryBytes;
  value.inline_bytes = entry;
  return directory_->Put(BytesOf(name), value);
}

std::vector<uint8_t> EncodeEntry(const TreeEntry& entry) {
  std::vector<uint8_t> value(kEntryBytes);
  StoreU32(value.data(), entry.id);
  StoreReference(value.data() + 4, entry.root);
  return value;
}

bool DecodeEntry(Bytes value, TreeEntry* entry) {
  if (value.size() != kEntryBytes) return false;
  *entry = {LoadU32(value.data()), LoadReference(value.data() + 4)};
  return true;
}

}  // namespace bedplate::btree
