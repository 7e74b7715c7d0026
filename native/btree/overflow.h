// Values that are too large for a leaf, in a chain of overflow pages. They go past the page cache:
// written when the value is put (to places nothing refers to yet), read straight into the answer.
// The twin is ts/storage/btree/overflow.ts.
#ifndef BEDPLATE_BTREE_OVERFLOW_H_
#define BEDPLATE_BTREE_OVERFLOW_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "btree/page.h"
#include "btree/pager.h"
#include "core/bytes.h"
#include "core/status.h"

namespace bedplate::btree {

// Payload bytes of one page of a chain.
[[nodiscard]] inline uint32_t ChainPageBytes(uint32_t page_size_bytes) {
  return page_size_bytes - kPageHeaderBytes;
}

// Pages that `length` bytes need: at least one.
[[nodiscard]] inline uint64_t ChainPageCount(uint64_t length, uint32_t page_size_bytes) {
  const uint64_t per_page = ChainPageBytes(page_size_bytes);
  return length == 0 ? 1 : (length + per_page - 1) / per_page;
}

// A chain to be written: its pages in order.
struct Chain {
  PageType type;
  uint32_t tree_id;
  uint64_t birth;
  std::vector<uint64_t> numbers;
};

// Writes `bytes` over the pages of `chain`, each referring to the next.
Status WriteChain(Pager* pager, const Chain& chain, Bytes bytes);

// Hands out the pages of a chain in order, in memory that is reused. A chain of more than
// `max_pages` is corrupt: a loop cannot catch us. The chain must stay as it is meanwhile.
Status VisitChain(const Pager& pager, const Reference& first, PageType type, uint64_t max_pages,
                  const std::function<Status(const Page&)>& visit);

// Reads a chain of exactly `target.size()` bytes.
Status ReadOverflow(const Pager& pager, const Reference& first, std::span<uint8_t> target);

// The pages of the value that starts at `first`.
Status ListOverflow(const Pager& pager, const Reference& first, uint32_t length,
                    std::vector<Reference>* pages);

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_OVERFLOW_H_
