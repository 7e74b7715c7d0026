// Which page numbers are free, and which are waiting because somebody may still read them. The twin
// is ts/storage/btree/free-list.ts.
//
// A reader or a meta that shows epoch e needs exactly the pages with birth <= e < retired_at. So a
// retired page is free as soon as no open epoch and neither meta lies in that interval: a pinned
// snapshot holds back the pages of its own moment, not all later ones.
#ifndef BEDPLATE_BTREE_FREE_LIST_H_
#define BEDPLATE_BTREE_FREE_LIST_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "btree/meta.h"
#include "core/bytes.h"

namespace bedplate::btree {

// A page that left the current state.
struct RetiredPage {
  uint64_t page;
  uint64_t birth;
  uint64_t retired_at;
};

// The allocator of page numbers. Pure: it knows nothing of files.
class FreeList {
 public:
  // `free` is taken from the end.
  explicit FreeList(uint64_t page_count = kFirstPage, std::vector<uint64_t> free = {},
                    std::vector<RetiredPage> retired = {});

  // Pages of the file, the two metas included; allocation beyond it grows the file.
  [[nodiscard]] uint64_t page_count() const { return page_count_; }
  [[nodiscard]] size_t free_count() const { return free_.size(); }
  [[nodiscard]] size_t retired_count() const { return retired_.size(); }
  // True once so many pages wait that a look at them pays.
  [[nodiscard]] bool wants_reclaim() const { return retired_.size() >= reclaim_at_; }

  [[nodiscard]] uint64_t Allocate();
  // Gives back a page that nobody but the current state ever saw.
  void Release(uint64_t page) { free_.push_back(page); }
  // Takes a page out of the current state; it becomes free once nobody needs it.
  void Retire(const RetiredPage& retired) { retired_.push_back(retired); }
  // Frees what no epoch in `needed` (sorted, rising) can see. Tells `on_free` of each such page.
  void Reclaim(const std::vector<uint64_t>& needed, const std::function<void(uint64_t)>& on_free);
  // Every page number that the current state does not use, sorted: what a checkpoint writes down.
  [[nodiscard]] std::vector<uint64_t> UnusedPages() const;

 private:
  uint64_t page_count_;
  std::vector<uint64_t> free_;
  std::vector<RetiredPage> retired_;
  size_t reclaim_at_;
};

// The list on disk: rising page numbers, each as the LEB128 of its distance to the one before.
[[nodiscard]] std::vector<uint8_t> EncodePageNumbers(const std::vector<uint64_t>& numbers);
// False if `bytes` is not a rising list of `count` numbers in [kFirstPage, page_count).
[[nodiscard]] bool DecodePageNumbers(Bytes bytes, uint64_t count, uint64_t page_count,
                                     std::vector<uint64_t>* numbers);

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_FREE_LIST_H_
