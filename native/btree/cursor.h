// A cursor walks the entries below one root in key order, either way. It keeps the path from the
// root instead of links between leaves: leaves are copied on write, so a neighbour's address is
// never stable. The twin is ts/storage/btree/cursor.ts.
#ifndef BEDPLATE_BTREE_CURSOR_H_
#define BEDPLATE_BTREE_CURSOR_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "btree/page.h"
#include "btree/pager.h"
#include "core/key_range.h"
#include "core/status.h"

namespace bedplate::btree {

// Lives within one stay inside the gate: it holds pages, not copies.
class Cursor {
 public:
  enum class Outcome {
    kEntry,    // it stands on an entry: `leaf` and `slot`
    kEnd,      // there is none left
    kMissing,  // a page is not in memory: `missing`; with it there, `Next` goes on
  };

  // The bounds of `range` must outlive the cursor.
  Cursor(Pager* pager, const Reference& root, const KeyRange& range, bool reverse);

  // Moves to the next entry.
  Status Next(Outcome* outcome);
  // The same within the leaf it stands in; false, and it stands where it stood, if it takes `Next`.
  bool NextInLeaf() {
    Step& top = path_.back();
    const int64_t next = top.index + (reverse_ ? -1 : 1);
    if (next < first_slot_ || next >= end_slot_) return false;
    top.index = next;
    top.page.PrefetchCellAt(next + (reverse_ ? -kPrefetchedSlots : kPrefetchedSlots));
    return true;
  }

  [[nodiscard]] Page leaf() const { return path_.back().page; }
  [[nodiscard]] uint32_t slot() const { return static_cast<uint32_t>(path_.back().index); }
  [[nodiscard]] const Missing& missing() const { return missing_; }
  // Pages it has entered.
  [[nodiscard]] uint64_t hits() const { return hits_; }

 private:
  // A branch with the child taken, or the leaf with the current slot; -1 is before the first.
  struct Step {
    Page page;
    int64_t index;
  };

  // Cells lie in a page in the order of their insertion: what comes next in key order is somewhere
  // else.
  static constexpr int64_t kPrefetchedSlots = 8;

  [[nodiscard]] std::optional<Reference> Advance(Outcome* outcome);
  Status Enter(const Page& page);
  [[nodiscard]] bool IsPastRange(const Page& leaf) const;

  Pager* pager_;
  KeyRange range_;
  bool reverse_;
  std::vector<Step> path_;
  // The slots of the current leaf that lie in the range.
  int64_t first_slot_ = 0;
  int64_t end_slot_ = 0;
  // True until the first leaf is reached: the bound guides the descent only once.
  bool seeking_ = true;
  bool at_end_;
  // The page to go down to.
  std::optional<Reference> pending_;
  Missing missing_;
  uint64_t hits_ = 0;
};

// Exclusive. The same for a caller that may wait for the device: never kMissing.
Status NextBlocking(Pager* pager, Cursor* cursor, Cursor::Outcome* outcome);

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_CURSOR_H_
