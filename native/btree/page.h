// The slotted page: leaves and branches share one shape. Byte layout: docs/formats/btree.md; the
// twin is ts/storage/btree/page.ts, and both write the same bytes for the same changes.
//
// Reading relies on a page that passed PageProblem (or that was made here): nothing in it leads
// outside it. The heads array is the "poor man's normalised key" (Graefe and Larson, "B-Tree
// Indexes and CPU Caches", ICDE 2001, section 3): most steps of a search stay in one dense array.
#ifndef BEDPLATE_BTREE_PAGE_H_
#define BEDPLATE_BTREE_PAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "btree/mutant.h"
#include "core/bytes.h"
#include "core/compare.h"
#include "core/little_endian.h"

namespace bedplate::btree {

inline constexpr uint32_t kPageHeaderBytes = 64;
inline constexpr uint32_t kReferenceBytes = 12;
inline constexpr uint32_t kLeafCellHeaderBytes = 8;
inline constexpr uint32_t kBranchCellHeaderBytes = 2 + kReferenceBytes;
inline constexpr uint32_t kSlotBytes = 6;
// Smaller than the public minimum, so that tests can force deep trees.
inline constexpr uint32_t kSmallestPageBytes = 512;
inline constexpr uint32_t kLargestPageBytes = 65536;

enum class PageType : uint8_t { kLeaf = 1, kBranch = 2, kOverflow = 3, kFreeList = 4 };

// Where a page is, and which life of that place is meant. Page 0 means none.
struct Reference {
  uint64_t page = 0;
  uint64_t birth = 0;

  friend bool operator==(const Reference&, const Reference&) = default;
};

[[nodiscard]] inline Reference LoadReference(const uint8_t* at) {
  return {LoadU48(at), LoadU48(at + 6)};
}

inline void StoreReference(uint8_t* at, const Reference& reference) {
  StoreU48(at, reference.page);
  StoreU48(at + 6, reference.birth);
}

// What goes into a leaf beside the key: the bytes themselves, or where they are kept.
struct LeafValue {
  uint32_t length = 0;
  bool is_overflow = false;
  Bytes inline_bytes;
  Reference overflow;

  [[nodiscard]] uint32_t stored_bytes() const { return is_overflow ? kReferenceBytes : length; }
};

// What `Page::Search` found: the slot that holds the key, or the one where it would be inserted.
struct SearchResult {
  uint32_t slot;
  bool found;
};

// A view of the bytes of one page; copying it copies no bytes.
class Page {
 public:
  Page(uint8_t* bytes, uint32_t size_bytes) : bytes_(bytes), size_bytes_(size_bytes) {}

  [[nodiscard]] uint8_t* bytes() const { return bytes_; }
  [[nodiscard]] uint32_t size_bytes() const { return size_bytes_; }

  [[nodiscard]] PageType type() const { return static_cast<PageType>(bytes_[4]); }
  [[nodiscard]] bool is_leaf() const { return type() == PageType::kLeaf; }
  [[nodiscard]] bool is_of_tree() const { return is_leaf() || type() == PageType::kBranch; }
  [[nodiscard]] uint32_t count() const { return LoadU16(bytes_ + 6); }
  [[nodiscard]] uint64_t page_number() const { return LoadU48(bytes_ + 8); }
  [[nodiscard]] uint32_t prefix_length() const { return LoadU16(bytes_ + 14); }
  [[nodiscard]] uint64_t birth() const { return LoadU48(bytes_ + 16); }
  [[nodiscard]] uint32_t capacity() const { return LoadU16(bytes_ + 22); }
  [[nodiscard]] uint32_t heap_start() const { return LoadU32(bytes_ + 24); }
  [[nodiscard]] uint32_t garbage_bytes() const { return LoadU32(bytes_ + 28); }
  [[nodiscard]] uint64_t key_count() const { return LoadU48(bytes_ + 32); }
  [[nodiscard]] uint32_t level() const { return LoadU16(bytes_ + 38); }
  [[nodiscard]] uint32_t tree_id() const { return LoadU32(bytes_ + 40); }
  [[nodiscard]] uint32_t data_length() const { return LoadU32(bytes_ + 60); }
  // Branch: the leftmost child. Overflow and free list: the next page of the chain.
  [[nodiscard]] Reference reference() const { return LoadReference(bytes_ + 48); }
  // What means this page in this life.
  [[nodiscard]] Reference self() const { return {page_number(), birth()}; }

  void set_key_count(uint64_t value) const { StoreU48(bytes_ + 32, value); }
  void set_data_length(uint32_t value) const { StoreU32(bytes_ + 60, value); }
  void set_reference(const Reference& value) const { StoreReference(bytes_ + 48, value); }

  // Gives the page its address and its life.
  void Identify(const Reference& self) const;
  // Makes it an empty page of that type at that address.
  void Format(PageType type, const Reference& self, uint32_t tree_id, uint32_t level) const;
  // Sets the checksum: the last thing before the page is written.
  void Seal() const;

  // -- reading ------------------------------------------------------------------------------------

  [[nodiscard]] SearchResult Search(Bytes key) const;
  // True if `key` is greater than every key of the page.
  [[nodiscard]] bool IsBehindAll(Bytes key) const;
  // The child whose subtree would hold `key`; a branch has count + 1 children.
  [[nodiscard]] uint32_t ChildIndexFor(Bytes key) const;
  [[nodiscard]] Reference ChildAt(uint32_t child) const;

  [[nodiscard]] uint32_t KeyLengthAt(uint32_t slot) const {
    return prefix_length() + LoadU16(bytes_ + CellAt(slot));
  }
  // Copies the whole key of a slot to `target`, which has room for KeyLengthAt.
  void CopyKeyAt(uint32_t slot, uint8_t* target) const;
  [[nodiscard]] std::vector<uint8_t> KeyAt(uint32_t slot) const;

  // The length of the value in a slot of a leaf, wherever it is kept.
  [[nodiscard]] uint32_t ValueLengthAt(uint32_t slot) const {
    return LoadU32(bytes_ + CellAt(slot) + 4);
  }
  [[nodiscard]] bool IsOverflowAt(uint32_t slot) const {
    return (bytes_[CellAt(slot) + 2] & 1) != 0;
  }
  // The first overflow page of a slot's value.
  [[nodiscard]] Reference OverflowAt(uint32_t slot) const;
  // The inline value of a slot. It dies with the next change of the page.
  [[nodiscard]] Bytes InlineValueAt(uint32_t slot) const;

  // Asks the processor for the cell of a slot; of none if there is no such slot.
  void PrefetchCellAt(int64_t slot) const {
    if (slot < 0 || slot >= int64_t{count()}) return;
    const uint8_t* cell = bytes_ + CellAt(static_cast<uint32_t>(slot));
    __builtin_prefetch(cell);
    __builtin_prefetch(cell + 64);
  }
  // Asks the processor for the cell that a search for `key` will compare with.
  void PrefetchCellFor(Bytes key) const;

  // Bytes in use: what a page without slack would need.
  [[nodiscard]] uint32_t UsedBytes() const;

  // -- changing: what does not fit leaves the page as it was and gives false
  // -----------------------

  // Puts `key` with `value` before `slot`. It is absent and belongs there.
  [[nodiscard]] bool InsertIntoLeaf(uint32_t slot, Bytes key, const LeafValue& value) const;
  // Gives the key of `slot` a new value.
  [[nodiscard]] bool ReplaceInLeaf(uint32_t slot, const LeafValue& value) const;
  // Puts a separator and the child right of it before `slot`.
  [[nodiscard]] bool InsertIntoBranch(uint32_t slot, Bytes key, const Reference& child) const;
  void SetChildAt(uint32_t child, const Reference& reference) const;
  void RemoveCell(uint32_t slot) const;

  // Where to cut a full page in two before one more cell of `cell_bytes` goes in at `slot`: the
  // first slot of the right page. Never 0 and never count(), so both pages keep a cell.
  [[nodiscard]] uint32_t SplitPoint(uint32_t slot, uint32_t cell_bytes) const;
  // Moves cells [from, count) to the empty formatted page `right`, dropping `skip` of them in
  // front.
  void MoveCells(const Page& right, uint32_t from, uint32_t skip = 0) const;
  // Moves everything of `right` behind the cells of this page. `separator`, for branches only, is
  // the key between them in their parent; it comes down between the two.
  [[nodiscard]] bool Merge(const Page& right, const Bytes* separator) const;

  // -- trust --------------------------------------------------------------------------------------

  // Checks everything about a page that was just read: nothing in it may lead outside it. O(count).
  // Returns what is wrong, or an empty string. The checksum has to be checked before.
  [[nodiscard]] std::string Problem() const;
  // Checks checksum, address, life and inside of a page that was read for `wanted`. Returns what is
  // wrong, or an empty string.
  [[nodiscard]] std::string ProblemAs(const Reference& wanted, Mutant* mutant = nullptr) const;

 private:
  // Where the cell of a slot begins.
  [[nodiscard]] uint32_t CellAt(uint32_t slot) const {
    return LoadU16(bytes_ + kPageHeaderBytes + 4 * capacity() + 2 * slot);
  }
  [[nodiscard]] uint32_t PrefixAt() const { return kPageHeaderBytes + kSlotBytes * capacity(); }
  [[nodiscard]] uint32_t CellHeaderBytes() const {
    return is_leaf() ? kLeafCellHeaderBytes : kBranchCellHeaderBytes;
  }
  [[nodiscard]] uint32_t CellBytesAt(uint32_t cell) const;
  [[nodiscard]] uint32_t HeapBytes() const { return size_bytes_ - heap_start() - garbage_bytes(); }
  [[nodiscard]] Bytes Prefix() const { return {bytes_ + PrefixAt(), prefix_length()}; }

  void set_count(uint32_t value) const { StoreU16(bytes_ + 6, static_cast<uint16_t>(value)); }
  void set_heap_start(uint32_t value) const { StoreU32(bytes_ + 24, value); }
  void set_garbage_bytes(uint32_t value) const { StoreU32(bytes_ + 28, value); }

  [[nodiscard]] uint32_t OpenSlot(uint32_t slot, Bytes key, uint32_t body_bytes) const;
  [[nodiscard]] bool StartsWithPrefix(Bytes key) const;
  // The first slot whose head is not less.
  [[nodiscard]] uint32_t LowerBoundOfHead(uint32_t head) const;
  [[nodiscard]] bool RebuildFor(uint32_t slot, Bytes key, uint32_t body_bytes) const;
  [[nodiscard]] uint32_t PrefixLengthWith(uint32_t slot, Bytes key) const;
  void ResetHeap() const;
  void ClearCells() const;
  void LayOut(uint32_t capacity, Bytes first_key, uint32_t prefix_length) const;
  void FillFrom(const Page& source, uint32_t from, uint32_t to) const;
  void AppendCells(const Page& source, uint32_t from, uint32_t to) const;
  void WriteLeafValue(uint32_t cell, uint32_t value_at, const LeafValue& value) const;

  uint8_t* bytes_;
  uint32_t size_bytes_;
};

// The shortest key that is greater than all of `left` and not greater than any of `right`.
[[nodiscard]] std::vector<uint8_t> SeparatorBetween(const Page& left, const Page& right);

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_PAGE_H_
