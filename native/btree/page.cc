#include "btree/page.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "crc32c/crc32c.h"

namespace bedplate::btree {
namespace {

// Where a page is laid out anew from; one per thread, since readers never need it.
Page CopyToScratch(const Page& page) {
  thread_local std::array<uint8_t, kLargestPageBytes> scratch;
  std::memcpy(scratch.data(), page.bytes(), page.size_bytes());
  return {scratch.data(), page.size_bytes()};
}

// memcpy must not be given null, which an empty span may hold.
void Copy(uint8_t* target, Bytes source) {
  if (!source.empty()) std::memcpy(target, source.data(), source.size());
}

// The first four bytes of `rest` as a big-endian number, zero padded.
uint32_t HeadOf(Bytes rest) {
  if (rest.size() >= 4) return __builtin_bswap32(LoadU32(rest.data()));
  uint32_t head = 0;
  for (size_t i = 0; i < rest.size(); i++) head |= uint32_t{rest[i]} << (24 - 8 * i);
  return head;
}

// How many slots to lay out for `needed` cells of `cell_bytes` together: for as many cells of their
// average size as the page will hold, but never more than there is room for.
uint32_t SlotsFor(uint32_t free_bytes, uint32_t needed, uint32_t cell_bytes) {
  const uint64_t spare = free_bytes - kSlotBytes * needed;
  return needed + static_cast<uint32_t>(spare * needed / (cell_bytes + kSlotBytes * needed));
}

std::string Text(uint64_t number) { return std::to_string(number); }

}  // namespace

std::vector<uint8_t> SeparatorBetween(const Page& left, const Page& right) {
  const std::vector<uint8_t> below = left.KeyAt(left.count() - 1);
  std::vector<uint8_t> above = right.KeyAt(0);
  above.resize(CommonPrefixLength(below, above) + 1);
  return above;
}

void Page::Identify(const Reference& self) const {
  StoreU48(bytes_ + 8, self.page);
  StoreU48(bytes_ + 16, self.birth);
}

void Page::Format(PageType type, const Reference& self, uint32_t tree_id, uint32_t level) const {
  std::memset(bytes_, 0, size_bytes_);
  bytes_[4] = static_cast<uint8_t>(type);
  set_heap_start(size_bytes_);
  StoreU32(bytes_ + 40, tree_id);
  StoreU16(bytes_ + 38, static_cast<uint16_t>(level));
  Identify(self);
}

void Page::Seal() const { StoreU32(bytes_, crc32c::Extend(0, Bytes(bytes_ + 4, size_bytes_ - 4))); }

// -- reading --------------------------------------------------------------------------------------

uint32_t Page::LowerBoundOfHead(uint32_t head) const {
  const uint8_t* heads = bytes_ + kPageHeaderBytes;
  // Invariant: heads before `low` are < head, those from `low` + `length` on are not. There is no
  // branch that depends on a head: it could not be predicted.
  uint32_t low = 0;
  uint32_t length = count();
  while (length > 1) {
    const uint32_t half = length / 2;
    low += half * static_cast<uint32_t>(LoadU32(heads + 4 * (low + half - 1)) < head);
    length -= half;
  }
  if (length == 1 && LoadU32(heads + 4 * low) < head) low++;
  return low;
}

void Page::PrefetchCellFor(Bytes key) const {
  if (key.size() < prefix_length()) return;
  PrefetchCellAt(LowerBoundOfHead(HeadOf(key.subspan(prefix_length()))));
}

SearchResult Page::Search(Bytes key) const {
  const uint32_t cells = count();
  const uint32_t prefix = prefix_length();
  if (prefix > 0) {
    const size_t shared = std::min<size_t>(prefix, key.size());
    const int order = CompareBytes(key.first(shared), Prefix().first(shared));
    if (order != 0) return {order < 0 ? 0 : cells, false};
    if (key.size() < prefix) return {0, false};
  }
  const Bytes rest = key.subspan(prefix);
  const uint32_t head = HeadOf(rest);
  const uint8_t* heads = bytes_ + kPageHeaderBytes;
  const uint8_t* offsets = heads + 4 * capacity();
  const uint32_t cell_header = CellHeaderBytes();

  // First among the heads alone, then among those that share it. Invariant: keys before `low` are <
  // key, from `high` on >= key.
  uint32_t low = LowerBoundOfHead(head);
  uint32_t high = low;
  for (uint32_t step = 1; high < cells && LoadU32(heads + 4 * high) == head; step *= 2) {
    high = std::min(high + step, cells);
  }
  bool exact = false;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const uint32_t middle_head = LoadU32(heads + 4 * middle);
    int order = middle_head > head ? 1 : 0;
    if (order == 0) {
      const uint8_t* cell = bytes_ + LoadU16(offsets + 2 * middle);
      order = CompareBytes(Bytes(cell + cell_header, LoadU16(cell)), rest);
    }
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
      exact = order == 0;  // `high` is the answer if the search ends here
    }
  }
  return {low, exact};
}

bool Page::IsBehindAll(Bytes key) const {
  const uint32_t cells = count();
  if (cells == 0) return true;
  const size_t shared = std::min<size_t>(prefix_length(), key.size());
  const int order = CompareBytes(key.first(shared), Prefix().first(shared));
  if (order != 0 || shared < prefix_length()) return order > 0;
  const uint8_t* cell = bytes_ + CellAt(cells - 1);
  return CompareBytes(Bytes(cell + CellHeaderBytes(), LoadU16(cell)), key.subspan(shared)) < 0;
}

uint32_t Page::ChildIndexFor(Bytes key) const {
  const SearchResult result = Search(key);
  return result.found ? result.slot + 1 : result.slot;
}

Reference Page::ChildAt(uint32_t child) const {
  return child == 0 ? reference() : LoadReference(bytes_ + CellAt(child - 1) + 2);
}

void Page::CopyKeyAt(uint32_t slot, uint8_t* target) const {
  const uint8_t* cell = bytes_ + CellAt(slot);
  Copy(target, Prefix());
  Copy(target + prefix_length(), Bytes(cell + CellHeaderBytes(), LoadU16(cell)));
}

std::vector<uint8_t> Page::KeyAt(uint32_t slot) const {
  std::vector<uint8_t> key(KeyLengthAt(slot));
  CopyKeyAt(slot, key.data());
  return key;
}

Reference Page::OverflowAt(uint32_t slot) const {
  const uint8_t* cell = bytes_ + CellAt(slot);
  return LoadReference(cell + kLeafCellHeaderBytes + LoadU16(cell));
}

Bytes Page::InlineValueAt(uint32_t slot) const {
  const uint8_t* cell = bytes_ + CellAt(slot);
  return {cell + kLeafCellHeaderBytes + LoadU16(cell), LoadU32(cell + 4)};
}

uint32_t Page::CellBytesAt(uint32_t cell) const {
  const uint32_t suffix = LoadU16(bytes_ + cell);
  if (!is_leaf()) return kBranchCellHeaderBytes + suffix;
  const bool overflow = (bytes_[cell + 2] & 1) != 0;
  return kLeafCellHeaderBytes + suffix + (overflow ? kReferenceBytes : LoadU32(bytes_ + cell + 4));
}

uint32_t Page::UsedBytes() const {
  return kPageHeaderBytes + kSlotBytes * count() + prefix_length() + HeapBytes();
}

// -- changing -------------------------------------------------------------------------------------

bool Page::InsertIntoLeaf(uint32_t slot, Bytes key, const LeafValue& value) const {
  const uint32_t cell = OpenSlot(slot, key, kLeafCellHeaderBytes + value.stored_bytes());
  if (cell == 0) return false;
  const Bytes suffix = key.subspan(prefix_length());
  StoreU16(bytes_ + cell, static_cast<uint16_t>(suffix.size()));
  const uint32_t suffix_at = cell + kLeafCellHeaderBytes;
  Copy(bytes_ + suffix_at, suffix);
  WriteLeafValue(cell, suffix_at + static_cast<uint32_t>(suffix.size()), value);
  return true;
}

bool Page::ReplaceInLeaf(uint32_t slot, const LeafValue& value) const {
  const uint32_t cell = CellAt(slot);
  const uint32_t value_at = kLeafCellHeaderBytes + LoadU16(bytes_ + cell);
  const uint32_t old_bytes = CellBytesAt(cell);
  const uint32_t new_bytes = value_at + value.stored_bytes();
  if (new_bytes <= old_bytes) {
    set_garbage_bytes(garbage_bytes() + old_bytes - new_bytes);
    WriteLeafValue(cell, cell + value_at, value);
    return true;
  }
  if (UsedBytes() - old_bytes + new_bytes > size_bytes_) return false;
  const std::vector<uint8_t> key = KeyAt(slot);
  RemoveCell(slot);
  return InsertIntoLeaf(slot, key, value);  // it was measured to fit
}

bool Page::InsertIntoBranch(uint32_t slot, Bytes key, const Reference& child) const {
  const uint32_t cell = OpenSlot(slot, key, kBranchCellHeaderBytes);
  if (cell == 0) return false;
  const Bytes suffix = key.subspan(prefix_length());
  StoreU16(bytes_ + cell, static_cast<uint16_t>(suffix.size()));
  StoreReference(bytes_ + cell + 2, child);
  Copy(bytes_ + cell + kBranchCellHeaderBytes, suffix);
  return true;
}

void Page::SetChildAt(uint32_t child, const Reference& reference) const {
  if (child == 0) {
    set_reference(reference);
  } else {
    StoreReference(bytes_ + CellAt(child - 1) + 2, reference);
  }
}

void Page::RemoveCell(uint32_t slot) const {
  const uint32_t cells = count();
  set_garbage_bytes(garbage_bytes() + CellBytesAt(CellAt(slot)));
  uint8_t* head = bytes_ + kPageHeaderBytes + 4 * slot;
  uint8_t* offset = bytes_ + kPageHeaderBytes + 4 * capacity() + 2 * slot;
  const size_t behind = cells - slot - 1;
  std::memmove(head, head + 4, 4 * behind);
  std::memmove(offset, offset + 2, 2 * behind);
  set_count(cells - 1);
  if (cells == 1) ResetHeap();
}

// An empty page has no prefix, no heap and no garbage.
void Page::ResetHeap() const {
  StoreU16(bytes_ + 14, 0);
  set_heap_start(size_bytes_);
  set_garbage_bytes(0);
}

// Makes room for a cell of `body_bytes` plus the suffix of `key`, and sets head and offset. Returns
// the offset of the new cell, or 0 if it does not fit.
uint32_t Page::OpenSlot(uint32_t slot, Bytes key, uint32_t body_bytes) const {
  const uint32_t cells = count();
  const auto key_length = static_cast<uint32_t>(key.size());
  const bool fits_as_is =
      StartsWithPrefix(key) && cells < capacity() &&
      heap_start() - PrefixAt() - prefix_length() >= body_bytes + key_length - prefix_length();
  if (!fits_as_is && !RebuildFor(slot, key, body_bytes)) return 0;
  uint8_t* head = bytes_ + kPageHeaderBytes + 4 * slot;
  uint8_t* offset = bytes_ + kPageHeaderBytes + 4 * capacity() + 2 * slot;
  std::memmove(head + 4, head, 4 * size_t{cells - slot});
  std::memmove(offset + 2, offset, 2 * size_t{cells - slot});
  const uint32_t cell = heap_start() - (body_bytes + key_length - prefix_length());
  StoreU32(head, HeadOf(key.subspan(prefix_length())));
  StoreU16(offset, static_cast<uint16_t>(cell));
  set_heap_start(cell);
  set_count(cells + 1);
  return cell;
}

bool Page::StartsWithPrefix(Bytes key) const {
  const uint32_t length = prefix_length();
  return length == 0 ||
         (key.size() >= length && std::memcmp(key.data(), bytes_ + PrefixAt(), length) == 0);
}

// Lays the page out anew so that one more cell finds room: best prefix, no garbage, more slots.
bool Page::RebuildFor(uint32_t slot, Bytes key, uint32_t body_bytes) const {
  const uint32_t cells = count();
  const uint32_t prefix = PrefixLengthWith(slot, key);
  const uint32_t live_bytes = HeapBytes() + cells * prefix_length() - cells * prefix;
  const uint32_t cell_bytes = body_bytes + static_cast<uint32_t>(key.size()) - prefix;
  const uint32_t fixed_bytes = kPageHeaderBytes + prefix + live_bytes + cell_bytes;
  const uint32_t needed = cells + 1;
  if (fixed_bytes + kSlotBytes * needed > size_bytes_) return false;
  const uint32_t slots = SlotsFor(size_bytes_ - fixed_bytes, needed, live_bytes + cell_bytes);
  const Page before = CopyToScratch(*this);
  const std::vector<uint8_t> first = cells > 0 ? before.KeyAt(0) : std::vector<uint8_t>();
  ClearCells();
  LayOut(slots, first, prefix);
  AppendCells(before, 0, cells);
  return true;
}

// The bytes shared by all keys of the page and `key`, which would stand at `slot`.
uint32_t Page::PrefixLengthWith(uint32_t slot, Bytes key) const {
  const uint32_t cells = count();
  if (cells == 0) return 0;  // one key alone has no prefix worth cutting off
  if (slot == 0) return CommonPrefixLength(key, KeyAt(cells - 1));
  if (slot == cells) return CommonPrefixLength(KeyAt(0), key);
  return CommonPrefixLength(KeyAt(0), KeyAt(cells - 1));
}

// Forgets all cells of the page, keeping its header's identity.
void Page::ClearCells() const {
  set_count(0);
  ResetHeap();
}

// Sets capacity and prefix of a page without cells; the prefix is the beginning of `first_key`.
void Page::LayOut(uint32_t capacity, Bytes first_key, uint32_t prefix_length) const {
  StoreU16(bytes_ + 22, static_cast<uint16_t>(capacity));
  StoreU16(bytes_ + 14, static_cast<uint16_t>(prefix_length));
  Copy(bytes_ + PrefixAt(), first_key.first(prefix_length));
}

// Appends cells [from, to) of `source`, whose keys begin with this page's prefix and which fit.
void Page::AppendCells(const Page& source, uint32_t from, uint32_t to) const {
  const uint32_t header_bytes = CellHeaderBytes();
  const uint32_t target_prefix = prefix_length();
  const uint32_t source_prefix = source.prefix_length();
  // The new suffix begins in the old prefix if the prefix got shorter, and inside the old suffix if
  // it got longer.
  const Bytes carried =
      source_prefix > target_prefix ? source.Prefix().subspan(target_prefix) : Bytes();
  const uint32_t skipped = target_prefix > source_prefix ? target_prefix - source_prefix : 0;
  uint8_t* heads = bytes_ + kPageHeaderBytes;
  uint8_t* offsets = heads + 4 * capacity();
  uint32_t cells = count();
  uint32_t heap = heap_start();
  for (uint32_t slot = from; slot < to; slot++, cells++) {
    const uint8_t* cell = source.bytes_ + source.CellAt(slot);
    const Bytes rest(cell + header_bytes + skipped,
                     source.CellBytesAt(source.CellAt(slot)) - header_bytes - skipped);
    const uint32_t suffix = source_prefix + LoadU16(cell) - target_prefix;
    heap -= header_bytes + static_cast<uint32_t>(carried.size() + rest.size());
    StoreU16(bytes_ + heap, static_cast<uint16_t>(suffix));
    std::memcpy(bytes_ + heap + 2, cell + 2, header_bytes - 2);
    Copy(bytes_ + heap + header_bytes, carried);
    Copy(bytes_ + heap + header_bytes + carried.size(), rest);
    StoreU32(heads + 4 * cells, HeadOf(Bytes(bytes_ + heap + header_bytes, suffix)));
    StoreU16(offsets + 2 * cells, static_cast<uint16_t>(heap));
  }
  set_count(cells);
  set_heap_start(heap);
}

void Page::WriteLeafValue(uint32_t cell, uint32_t value_at, const LeafValue& value) const {
  bytes_[cell + 2] = value.is_overflow ? 1 : 0;
  bytes_[cell + 3] = 0;
  StoreU32(bytes_ + cell + 4, value.length);
  if (value.is_overflow) {
    StoreReference(bytes_ + value_at, value.overflow);
  } else {
    Copy(bytes_ + value_at, value.inline_bytes);
  }
}

// -- splitting and merging ------------------------------------------------------------------------

uint32_t Page::SplitPoint(uint32_t slot, uint32_t cell_bytes) const {
  const uint32_t cells = count();
  const uint32_t total = UsedBytes() - kPageHeaderBytes - prefix_length() + cell_bytes;
  uint32_t left = 0;
  for (uint32_t at = 0; at < cells; at++) {
    if (at == slot) left += cell_bytes;
    left += CellBytesAt(CellAt(at)) + kSlotBytes;
    if (left * 2 >= total) return std::min(std::max(at + 1, 1U), cells - 1);
  }
  return cells - 1;
}

void Page::MoveCells(const Page& right, uint32_t from, uint32_t skip) const {
  const Page before = CopyToScratch(*this);
  right.FillFrom(before, from + skip, before.count());
  FillFrom(before, 0, from);
}

// Fills the page with cells [from, to) of `source`, with the best prefix and room for more.
void Page::FillFrom(const Page& source, uint32_t from, uint32_t to) const {
  ClearCells();
  const uint32_t cells = to - from;
  if (cells == 0) {
    StoreU16(bytes_ + 22, 0);
    return;
  }
  const std::vector<uint8_t> first = source.KeyAt(from);
  const uint32_t prefix = cells == 1 ? 0 : CommonPrefixLength(first, source.KeyAt(to - 1));
  uint32_t live_bytes = cells * source.prefix_length() - cells * prefix;
  for (uint32_t slot = from; slot < to; slot++) {
    live_bytes += source.CellBytesAt(source.CellAt(slot));
  }
  const uint32_t free_bytes = size_bytes_ - kPageHeaderBytes - prefix - live_bytes;
  LayOut(SlotsFor(free_bytes, cells, live_bytes), first, prefix);
  AppendCells(source, from, to);
}

bool Page::Merge(const Page& right, const Bytes* separator) const {
  const uint32_t left_cells = count();
  const uint32_t right_cells = right.count();
  const uint32_t cells = left_cells + right_cells + (separator == nullptr ? 0 : 1);
  std::vector<uint8_t> first;
  std::vector<uint8_t> last;
  const auto take_separator = [&] {
    return std::vector<uint8_t>(separator->begin(), separator->end());
  };
  if (left_cells > 0) {
    first = KeyAt(0);
  } else if (separator != nullptr) {
    first = take_separator();
  } else if (right_cells > 0) {
    first = right.KeyAt(0);
  }
  uint32_t prefix = 0;
  if (cells >= 2) {
    if (right_cells > 0) {
      last = right.KeyAt(right_cells - 1);
    } else {
      last = separator != nullptr ? take_separator() : KeyAt(left_cells - 1);
    }
    prefix = CommonPrefixLength(first, last);
  }
  uint32_t live_bytes = HeapBytes() + left_cells * prefix_length() - left_cells * prefix;
  live_bytes += right.HeapBytes() + right_cells * right.prefix_length() - right_cells * prefix;
  if (separator != nullptr) {
    live_bytes += kBranchCellHeaderBytes + static_cast<uint32_t>(separator->size()) - prefix;
  }
  if (kPageHeaderBytes + prefix + live_bytes + kSlotBytes * cells > size_bytes_) return false;
  const uint32_t free_bytes = size_bytes_ - kPageHeaderBytes - prefix - live_bytes;

  const Page before = CopyToScratch(*this);
  ClearCells();
  LayOut(cells == 0 ? 0 : SlotsFor(free_bytes, cells, live_bytes), first, prefix);
  AppendCells(before, 0, left_cells);
  // It was measured to fit, so no page is laid out anew over the scratch.
  if (separator != nullptr && !InsertIntoBranch(left_cells, *separator, right.reference())) {
    return false;
  }
  AppendCells(right, 0, right_cells);
  return true;
}

// -- trust ----------------------------------------------------------------------------------------

std::string Page::Problem() const {
  const PageType page_type = type();
  if (page_type == PageType::kOverflow || page_type == PageType::kFreeList) {
    if (data_length() <= size_bytes_ - kPageHeaderBytes) return {};
    return "payload of " + Text(data_length()) + " bytes leaves the page";
  }
  const auto number = static_cast<uint64_t>(page_type);
  if (page_type != PageType::kLeaf && page_type != PageType::kBranch) {
    return "unknown page type " + Text(number);
  }
  if (is_leaf() != (level() == 0)) return "type " + Text(number) + " at level " + Text(level());
  if (count() > capacity()) return Text(count()) + " cells in " + Text(capacity()) + " slots";
  const uint32_t arrays_end = PrefixAt() + prefix_length();
  if (arrays_end > heap_start() || heap_start() > size_bytes_) {
    return "slots end at " + Text(arrays_end) + ", heap starts at " + Text(heap_start());
  }
  for (uint32_t slot = 0; slot < count(); slot++) {
    const uint64_t cell = CellAt(slot);
    bool inside = cell >= heap_start() && cell + CellHeaderBytes() <= size_bytes_;
    if (inside) {
      const uint64_t suffix = LoadU16(bytes_ + cell);
      uint64_t body = 0;
      if (is_leaf()) {
        body = (bytes_[cell + 2] & 1) != 0 ? kReferenceBytes : LoadU32(bytes_ + cell + 4);
      }
      inside = cell + CellHeaderBytes() + suffix + body <= size_bytes_;
    }
    if (!inside) return "cell " + Text(slot) + " at " + Text(cell) + " leaves the page";
  }
  return {};
}

std::string Page::ProblemAs(const Reference& wanted, Mutant* mutant) const {
  const bool is_intact = crc32c::Extend(0, Bytes(bytes_ + 4, size_bytes_ - 4)) == LoadU32(bytes_);
  if (!is_intact && !Lacks(mutant, Rule::kPageChecksum)) {
    return "checksum does not match";
  }
  if (page_number() != wanted.page && !Lacks(mutant, Rule::kPageAddress)) {
    return "holds page " + Text(page_number()) + " (a misdirected write)";
  }
  if (birth() != wanted.birth && !Lacks(mutant, Rule::kPageBirth)) {
    return "is of epoch " + Text(birth()) + " where " + Text(wanted.birth) +
           " was written (a lost write)";
  }
  return Problem();
}

}  // namespace bedplate::btree
