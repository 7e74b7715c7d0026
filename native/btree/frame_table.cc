#include "btree/frame_table.h"

#include <cassert>

namespace bedplate::btree {

void FrameTable::Insert(uint64_t page, Frame* frame) {
  const uint64_t at = page / kBlockPages;
  if (at >= blocks_.size()) blocks_.resize(at + 1);
  std::unique_ptr<Block>& block = blocks_[at];
  if (block == nullptr) block = std::make_unique<Block>();
  assert(block->frames[page % kBlockPages] == nullptr);
  block->frames[page % kBlockPages] = frame;
  block->count++;
}

void FrameTable::Remove(uint64_t page) {
  std::unique_ptr<Block>& block = blocks_[page / kBlockPages];
  assert(block != nullptr && block->frames[page % kBlockPages] != nullptr);
  block->frames[page % kBlockPages] = nullptr;
  if (--block->count == 0) block.reset();
}

}  // namespace bedplate::btree
