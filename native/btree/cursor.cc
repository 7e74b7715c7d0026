#include "btree/cursor.h"

#include "btree/tree.h"

namespace bedplate::btree {
namespace {

// The first slot whose key is >= `key`, or > `key` if it does not itself count.
uint32_t SlotOf(const Page& page, Bytes key, bool counts) {
  const SearchResult at = page.Search(key);
  return at.found && !counts ? at.slot + 1 : at.slot;
}

}  // namespace

Cursor::Cursor(Pager* pager, const Reference& root, const KeyRange& range, bool reverse)
    : pager_(pager), range_(range), reverse_(reverse), at_end_(root.page == 0), pending_(root) {}

Status Cursor::Next(Outcome* outcome) {
  while (true) {
    const std::optional<Reference> needed = Advance(outcome);
    if (!needed) return Status::Ok();
    Frame* frame = pager_->Find(*needed);
    const bool is_for_leaf = !path_.empty() && path_.back().page.level() == 1;
    if (is_for_leaf && frame != nullptr) frame->PrefetchForSearch();
    if (Status status = pager_->Accept(*needed, frame, &frame, &missing_); !status.ok()) {
      return status;
    }
    if (frame == nullptr) {
      *outcome = Outcome::kMissing;
      return Status::Ok();
    }
    hits_++;
    if (Status status = Enter(frame->page()); !status.ok()) return status;
  }
}

// Goes on without entering a page: sets the outcome, or gives the page to enter next.
std::optional<Reference> Cursor::Advance(Outcome* outcome) {
  *outcome = Outcome::kEnd;
  if (at_end_) return std::nullopt;
  if (pending_) return pending_;
  while (!path_.empty()) {
    Step& top = path_.back();
    top.index += reverse_ ? -1 : 1;
    if (top.page.is_leaf()) {
      if (top.index >= first_slot_ && top.index < end_slot_) {
        *outcome = Outcome::kEntry;
        return std::nullopt;
      }
      if (IsPastRange(top.page)) break;
    } else if (top.index >= 0 && top.index <= int64_t{top.page.count()}) {
      pending_ = top.page.ChildAt(static_cast<uint32_t>(top.index));
      return pending_;
    }
    path_.pop_back();
  }
  at_end_ = true;
  return std::nullopt;
}

// True if the bound in the walking direction lies inside this leaf: no later leaf can hold an
// entry.
bool Cursor::IsPastRange(const Page& leaf) const {
  return reverse_ ? first_slot_ > 0 : end_slot_ < int64_t{leaf.count()};
}

// Goes one level down. `Advance` then moves onto the first index.
Status Cursor::Enter(const Page& page) {
  if (!path_.empty()) {
    if (Status status = CheckLevel(*pager_, path_.back().page, page); !status.ok()) return status;
  }
  pending_.reset();
  const auto& [lower, lower_inclusive, upper, upper_inclusive] = range_;
  if (page.is_leaf()) {
    seeking_ = false;
    first_slot_ = lower ? SlotOf(page, *lower, lower_inclusive) : 0;
    end_slot_ = upper ? SlotOf(page, *upper, !upper_inclusive) : page.count();
    path_.push_back({page, reverse_ ? end_slot_ : first_slot_ - 1});
    for (int64_t i = 0; i < kPrefetchedSlots; i++) {
      page.PrefetchCellAt(reverse_ ? end_slot_ - 1 - i : first_slot_ + i);
    }
    return Status::Ok();
  }
  const std::optional<Bytes>& bound = reverse_ ? upper : lower;
  int64_t child = reverse_ ? page.count() : 0;
  if (seeking_ && bound) child = page.ChildIndexFor(*bound);
  path_.push_back({page, reverse_ ? child + 1 : child - 1});
  return Status::Ok();
}

Status NextBlocking(Pager* pager, Cursor* cursor, Cursor::Outcome* outcome) {
  while (true) {
    Status status = cursor->Next(outcome);
    if (!status.ok() || *outcome != Cursor::Outcome::kMissing) return status;
    Frame* frame = nullptr;
    if (status = pager->Read(cursor->missing().reference, &frame); !status.ok()) return status;
  }
}

}  // namespace bedplate::btree
