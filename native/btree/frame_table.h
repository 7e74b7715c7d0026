// Finds frames by page number: a radix tree of two levels. Page numbers are dense, so it is small
// enough to stay in the processor's cache, where a hash table of the same frames is not.
#ifndef BEDPLATE_BTREE_FRAME_TABLE_H_
#define BEDPLATE_BTREE_FRAME_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace bedplate::btree {

class Frame;

class FrameTable {
 public:
  // Null if there is none.
  [[nodiscard]] Frame* Find(uint64_t page) const {
    const uint64_t block = page / kBlockPages;
    if (block >= blocks_.size() || blocks_[block] == nullptr) return nullptr;
    return blocks_[block]->frames[page % kBlockPages];
  }
  // There is none for that page. Costs memory for all smaller numbers: an eighth of a byte for each
  // page, and 512 bytes for each block of them that is not empty.
  void Insert(uint64_t page, Frame* frame);
  // There is one.
  void Remove(uint64_t page);

 private:
  static constexpr uint64_t kBlockPages = 64;

  struct Block {
    std::array<Frame*, kBlockPages> frames{};
    uint32_t count = 0;
  };

  std::vector<std::unique_ptr<Block>> blocks_;
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_FRAME_TABLE_H_
