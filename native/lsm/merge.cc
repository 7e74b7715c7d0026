#include "lsm/merge.h"

#include <utility>

namespace bedplate::lsm {

MergeCursor::MergeCursor(std::vector<std::unique_ptr<VersionCursor>> sources, bool reverse)
    : sources_(std::move(sources)),
      contestants_(sources_.size()),
      tree_(static_cast<uint32_t>(sources_.size()), IsBefore{&contestants_, reverse}) {}

Status MergeCursor::Step(bool* found) {
  *found = false;
  if (sources_.empty()) return Status::Ok();
  if (has_begun_) {
    // After the end it is at its end again.
    if (contestants_[tree_.winner()].entry == nullptr) return Status::Ok();
    if (Status status = Advance(tree_.winner()); !status.ok()) return status;
    tree_.Replay();
  } else {
    for (uint32_t source = 0; source < sources_.size(); source++) {
      if (Status status = Advance(source); !status.ok()) return status;
    }
    tree_.Rebuild();
    has_begun_ = true;
  }
  entry_ = contestants_[tree_.winner()].entry;
  *found = entry_ != nullptr;
  return Status::Ok();
}

Status MergeCursor::Advance(uint32_t source) {
  bool found = false;
  if (Status status = sources_[source]->Step(&found); !status.ok()) return status;
  Contestant& contestant = contestants_[source];
  contestant.entry = found ? &sources_[source]->entry() : nullptr;
  if (found) contestant.head = HeadOf(contestant.entry->key);
  return Status::Ok();
}

bool MergeCursor::IsBefore::operator()(uint32_t a, uint32_t b) const {
  const Contestant& first = (*contestants)[a];
  const Contestant& second = (*contestants)[b];
  if (first.entry == nullptr || second.entry == nullptr) {
    return second.entry == nullptr && first.entry != nullptr;
  }
  int order = CompareKeys(first.head, first.entry->key, second.head, second.entry->key);
  if (order == 0) order = first.entry->sequence > second.entry->sequence ? -1 : 1;
  return reverse ? order > 0 : order < 0;
}

}  // namespace bedplate::lsm
