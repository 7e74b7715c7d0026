#include "btree/replay.h"

#include <string>
#include <utility>
#include <vector>

#include "btree/overflow.h"

namespace bedplate::btree {

Status PrepareValue(Pager* pager, uint32_t tree_id, Bytes key, Bytes value, LeafValue* cell) {
  cell->length = static_cast<uint32_t>(value.size());
  cell->is_overflow = value.size() > MaxInlineBytes(pager->page_size_bytes(), key.size());
  if (!cell->is_overflow) {
    cell->inline_bytes = value;
    return Status::Ok();
  }
  Chain chain{PageType::kOverflow, tree_id, pager->TakeBirth(), {}};
  const uint64_t pages = ChainPageCount(value.size(), pager->page_size_bytes());
  for (uint64_t i = 0; i < pages; i++) chain.numbers.push_back(pager->free_list()->Allocate());
  if (Status status = WriteChain(pager, chain, value); !status.ok()) {
    for (const uint64_t number : chain.numbers) pager->free_list()->Release(number);
    return status;
  }
  cell->overflow = {chain.numbers.front(), chain.birth};
  return Status::Ok();
}

void DropPrepared(Pager* pager, const LeafValue& cell) {
  if (!cell.is_overflow) return;
  std::vector<Reference> pages;
  // Pages that cannot be listed are lost until the store is compacted; nothing refers to them.
  if (!ListOverflow(*pager, cell.overflow, cell.length, &pages).ok()) return;
  for (const Reference& page : pages) pager->Retire(page);
}

Status Replayer::Put(uint32_t tree_id, Bytes key, Bytes value) {
  TreeSlot* slot = nullptr;
  if (Status status = catalogue_->SlotById(tree_id, &slot); !status.ok()) return status;
  LeafValue cell;
  if (Status status = PrepareValue(pager_, tree_id, key, value, &cell); !status.ok()) return status;
  return slot->tree->Put(key, cell);
}

Status Replayer::Delete(uint32_t tree_id, Bytes key) {
  TreeSlot* slot = nullptr;
  if (Status status = catalogue_->SlotById(tree_id, &slot); !status.ok()) return status;
  return slot->tree->Delete(key);
}

Status Replayer::Clear(uint32_t tree_id, const KeyRange& range) {
  TreeSlot* slot = nullptr;
  if (Status status = catalogue_->SlotById(tree_id, &slot); !status.ok()) return status;
  return slot->tree->DeleteRange(range);
}

Status Replayer::CreateTree(uint32_t tree_id, Bytes name) {
  return catalogue_->Create(tree_id, catalogue_->SlotOf(std::string(name.begin(), name.end())));
}

Status Replayer::DropTree(uint32_t tree_id) {
  TreeSlot* slot = nullptr;
  if (Status status = catalogue_->SlotById(tree_id, &slot); !status.ok()) return status;
  return catalogue_->Drop(slot);
}

Status Replayer::BulkLoad(uint32_t tree_id) {
  return Status::Error(ErrorCode::kCorruption,
                       "the newest meta block was lost right after a bulk load of tree " +
                           std::to_string(tree_id) + ", and only it knew of the loaded entries",
                       "restore a backup, and load again");
}

}  // namespace bedplate::btree
