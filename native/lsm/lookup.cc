#include "lsm/lookup.h"

#include <algorithm>

namespace bedplate::lsm {

void Lookup::Take(const Entry& entry, const std::shared_ptr<const void>& pin) {
  if (entry.sequence < hidden_) {
    is_done_ = true;
    return;
  }
  if (IsOperand(entry.kind)) {
    operands_.push_back({entry.kind, {entry.value.begin(), entry.value.end()}});
    return;
  }
  is_done_ = true;
  has_base_ = entry.kind == EntryKind::kPut;
  base_ = entry.value;
  pin_ = pin;
}

Status Lookup::Finish(FoundValue* value) {
  value->found = has_base_ || !operands_.empty();
  value->bytes = has_base_ ? base_ : Bytes();
  value->pin = pin_;
  if (operands_.empty()) return Status::Ok();
  value->own.assign(value->bytes.begin(), value->bytes.end());
  value->pin.reset();
  std::reverse(operands_.begin(), operands_.end());
  if (!ApplyOperands(operands_, &value->own)) return TooLong(key_);
  value->bytes = value->own;
  return Status::Ok();
}

}  // namespace bedplate::lsm
