// Reads a range as flat blocks.
#ifndef BEDPLATE_BTREE_BLOCK_READER_H_
#define BEDPLATE_BTREE_BLOCK_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "btree/page.h"
#include "btree/pager.h"
#include "core/bytes.h"
#include "core/key_range.h"
#include "core/status.h"
#include "ordered/block.h"

namespace bedplate::btree {

using ordered::Block;
using ordered::BlockLimits;
using ordered::kEntryHeaderBytes;

// Fills one block with entries below a root that stays frozen.
class BlockReader {
 public:
  // The bounds of `range` must outlive the reader.
  BlockReader(Pager* pager, const Reference& root, const KeyRange& range, bool reverse,
              const BlockLimits& limits, Block* block)
      : pager_(pager),
        root_(root),
        range_(range),
        reverse_(reverse),
        limits_(limits),
        block_(block) {}

  // Shared. Goes on until the block is full, the range is at its end, a page is missing, or a value
  // is kept in overflow pages; the latter two are to be seen to outside the gate before the next
  // call.
  Status Fill(Missing* missing, uint64_t* hits);
  // Outside the gate. Adds the entry whose value is in overflow pages, if `Fill` met one.
  Status AddLongEntry();

  // True once no entry of the range is left.
  [[nodiscard]] bool at_end() const { return at_end_; }
  [[nodiscard]] bool is_full() const {
    return block_->count > 0 && (is_next_too_large_ || block_->count >= limits_.entries);
  }

 private:
  struct LongEntry {
    std::vector<uint8_t> key;
    Reference first;
    uint32_t value_length;
  };

  // False if the block has entries and would become too large with one more.
  [[nodiscard]] bool HasRoomFor(uint32_t key_length, uint32_t value_length) const;
  void AddEntry(const Page& leaf, uint32_t slot);
  void GoOnBehindLastKey();

  Pager* pager_;
  Reference root_;
  KeyRange range_;
  bool reverse_;
  BlockLimits limits_;
  Block* block_;
  std::vector<uint8_t> last_key_;
  std::optional<LongEntry> long_entry_;
  bool is_next_too_large_ = false;
  bool at_end_ = false;
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_BLOCK_READER_H_
