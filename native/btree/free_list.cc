#include "btree/free_list.h"

#include <algorithm>
#include <utility>

namespace bedplate::btree {
namespace {

constexpr size_t kReclaimAtLeast = 64;
// Seven groups of seven bits: page numbers are below 2^48.
constexpr int kMaxShift = 49;

bool IsNeeded(const RetiredPage& page, const std::vector<uint64_t>& needed) {
  // The first epoch >= birth; it needs the page if it lies before the retirement.
  const auto epoch = std::lower_bound(needed.begin(), needed.end(), page.birth);
  return epoch != needed.end() && *epoch < page.retired_at;
}

}  // namespace

FreeList::FreeList(uint64_t page_count, std::vector<uint64_t> free,
                   std::vector<RetiredPage> retired)
    : page_count_(page_count),
      free_(std::move(free)),
      retired_(std::move(retired)),
      reclaim_at_(kReclaimAtLeast) {}

uint64_t FreeList::Allocate() {
  if (free_.empty()) return page_count_++;
  const uint64_t page = free_.back();
  free_.pop_back();
  return page;
}

void FreeList::Reclaim(const std::vector<uint64_t>& needed,
                       const std::function<void(uint64_t)>& on_free) {
  const auto is_free = [&](const RetiredPage& page) {
    if (IsNeeded(page, needed)) return false;
    free_.push_back(page.page);
    on_free(page.page);
    return true;
  };
  std::erase_if(retired_, is_free);
  reclaim_at_ = std::max(kReclaimAtLeast, retired_.size() * 2);
}

std::vector<uint64_t> FreeList::UnusedPages() const {
  std::vector<uint64_t> numbers = free_;
  numbers.reserve(free_.size() + retired_.size());
  for (const RetiredPage& retired : retired_) numbers.push_back(retired.page);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::vector<uint8_t> EncodePageNumbers(const std::vector<uint64_t>& numbers) {
  std::vector<uint8_t> bytes;
  bytes.reserve(numbers.size() * 2);
  uint64_t previous = 0;
  for (const uint64_t number : numbers) {
    uint64_t distance = number - std::exchange(previous, number);
    for (; distance >= 0x80; distance >>= 7) bytes.push_back(static_cast<uint8_t>(distance | 0x80));
    bytes.push_back(static_cast<uint8_t>(distance));
  }
  return bytes;
}

bool DecodePageNumbers(Bytes bytes, uint64_t count, uint64_t page_count,
                       std::vector<uint64_t>* numbers) {
  if (count > bytes.size()) return false;
  std::vector<uint64_t> found;
  found.reserve(count);
  uint64_t previous = 0;
  size_t at = 0;
  while (found.size() < count) {
    uint64_t distance = 0;
    uint8_t byte = 0;
    int shift = 0;
    do {
      if (at >= bytes.size() || shift > kMaxShift) return false;
      byte = bytes[at++];
      distance |= uint64_t{byte & 0x7fU} << shift;
      shift += 7;
    } while (byte >= 0x80);
    const uint64_t number = previous + distance;
    if (distance == 0 || number < kFirstPage || number >= page_count) return false;
    found.push_back(number);
    previous = number;
  }
  if (at != bytes.size()) return false;
  *numbers = std::move(found);
  return true;
}

}  // namespace bedplate::btree
