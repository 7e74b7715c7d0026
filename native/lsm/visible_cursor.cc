#include "lsm/visible_cursor.h"

#include <algorithm>
#include <utility>

#include "core/compare.h"

namespace bedplate::lsm {

VisibleCursor::VisibleCursor(std::unique_ptr<VersionCursor> versions, View view)
    : versions_(std::move(versions)), view_(std::move(view)) {
  entry_ = &own_entry_;
}

Status VisibleCursor::Step(bool* found) {
  *found = false;
  return view_.reverse ? StepBack(found) : StepForward(found);
}

// -- forwards: the newest version of a key comes first --------------------------------------------

Status VisibleCursor::StepForward(bool* found) {
  while (true) {
    if (Status status = Advance(); !status.ok() || !is_ahead_) return status;
    is_ahead_ = false;
    const Entry& entry = versions_->entry();
    if (entry.sequence > view_.sequence || IsOfKey(entry.key)) continue;
    key_.assign(entry.key.begin(), entry.key.end());
    has_key_ = true;
    if (entry.kind == EntryKind::kDelete || entry.sequence < Covering(entry.key)) continue;
    *found = true;
    if (entry.kind != EntryKind::kPut) return GatherForward();
    own_entry_ = entry;
    return Status::Ok();
  }
}

// Takes the operands of the key that the versions stand on, and what they are applied to.
Status VisibleCursor::GatherForward() {
  const uint64_t newest = versions_->entry().sequence;
  const uint64_t hidden = Covering(key_);
  Forget();
  Push(versions_->entry());
  while (true) {
    if (Status status = Advance(); !status.ok()) return status;
    if (!is_ahead_ || !IsOfKey(versions_->entry().key)) break;
    is_ahead_ = false;
    const Entry& entry = versions_->entry();
    if (entry.sequence < hidden || entry.kind == EntryKind::kDelete) break;
    if (entry.kind == EntryKind::kPut) {
      value_.assign(entry.value.begin(), entry.value.end());
      break;
    }
    Push(entry);
  }
  std::reverse(operands_.begin(), operands_.begin() + static_cast<ptrdiff_t>(operand_count_));
  return Show(newest);
}

// -- backwards: the oldest comes first, so that operands come behind their base -------------------

Status VisibleCursor::StepBack(bool* found) {
  while (true) {
    if (Status status = Advance(); !status.ok()) return status;
    if (has_key_ && (!is_ahead_ || !IsOfKey(versions_->entry().key))) {
      has_key_ = false;
      if (has_value_) {
        *found = true;
        return Show(newest_sequence_);
      }
    }
    if (!is_ahead_) return Status::Ok();
    is_ahead_ = false;
    const Entry& entry = versions_->entry();
    if (!has_key_) {
      has_key_ = true;
      has_value_ = false;
      key_.assign(entry.key.begin(), entry.key.end());
      hidden_ = Covering(key_);
      Forget();
    }
    if (entry.sequence > view_.sequence || entry.sequence < hidden_) continue;
    newest_sequence_ = entry.sequence;
    has_value_ = entry.kind != EntryKind::kDelete;
    if (IsOperand(entry.kind)) {
      Push(entry);
    } else {
      Forget();
      value_.assign(entry.value.begin(), entry.value.end());
    }
  }
}

// -- both -----------------------------------------------------------------------------------------

// Moves the versions on, unless the one they stand on was not looked at yet.
Status VisibleCursor::Advance() {
  if (is_ahead_ || has_ended_) return Status::Ok();
  Status status = versions_->Step(&is_ahead_);
  has_ended_ = !is_ahead_;
  return status;
}

uint64_t VisibleCursor::Covering(Bytes key) const {
  uint64_t newest = 0;
  for (const auto& tombstones : view_.tombstones) {
    if (tombstones != nullptr) newest = std::max(newest, tombstones->Covering(key, view_.sequence));
  }
  return newest > 0 && Lacks(view_.mutant, Rule::kRangeTombstonesHide) ? 0 : newest;
}

bool VisibleCursor::IsOfKey(Bytes key) const { return has_key_ && AreEqual(key_, key); }

void VisibleCursor::Forget() {
  value_.clear();
  operand_count_ = 0;
}

void VisibleCursor::Push(const Entry& entry) {
  if (operand_count_ == operands_.size()) operands_.emplace_back();
  Operand& operand = operands_[operand_count_++];
  operand.kind = entry.kind;
  operand.bytes.assign(entry.value.begin(), entry.value.end());
}

// Applies the operands, the oldest first.
Status VisibleCursor::Show(uint64_t sequence) {
  if (!ApplyOperands({operands_.data(), operand_count_}, &value_)) return TooLong(key_);
  own_entry_ = {key_, sequence, EntryKind::kPut, value_};
  return Status::Ok();
}

}  // namespace bedplate::lsm
